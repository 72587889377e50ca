// Runs the tests that are named, or all of them. The first check that fails ends the program.
#include <cstring>

#include "check.hpp"

int main(int count, char** names) {
  int run = 0;
  for (const check::Test& test : check::tests()) {
    bool wanted = count == 1;
    for (int i = 1; i < count; ++i) wanted = wanted || std::strcmp(names[i], test.name) == 0;
    if (!wanted) continue;
    std::printf("%s\n", test.name);
    std::fflush(stdout);
    test.run();
    ++run;
  }
  if (run < count - 1 || run == 0) check::fail(__FILE__, __LINE__, "there is no test of that name");
  std::printf("%d passed\n", run);
}
