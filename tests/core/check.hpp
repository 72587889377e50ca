// Checks that stop where they fail, so that a debugger stands there, and a list of the tests.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*run)();
};

inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}

struct Registered {
  Registered(const char* name, void (*run)()) { tests().push_back({name, run}); }
};

[[noreturn]] inline void fail(const char* file, int line, const char* what) {
  std::fprintf(stderr, "%s:%d: %s\n", file, line, what);
  std::abort();
}

// Numbers that look random and are the same in every run: in [-1, 1).
class Numbers {
 public:
  explicit Numbers(unsigned long long seed) : state_(seed * 2 + 1) {}
  double next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;  // Knuth's MMIX
    return static_cast<double>(state_ >> 11) / 4503599627370496.0 - 1;
  }
  template <class T>
  std::vector<T> take(long long count) {
    std::vector<T> values(static_cast<std::size_t>(count));
    for (T& value : values) value = static_cast<T>(next());
    return values;
  }

 private:
  unsigned long long state_;
};

}  // namespace check

// Defines a test: TEST(name) { ... }
#define TEST(name)                                                  \
  static void name();                                               \
  static const check::Registered registered_##name(#name, &(name)); \
  static void name()

#define CHECK(condition) \
  if (!(condition)) check::fail(__FILE__, __LINE__, #condition)
