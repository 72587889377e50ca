// On how many threads to work, decided by a clock that the test turns; tests/threads/test_pace.py
// has more of it.
#include "check.hpp"
#include "turned_clock.hpp"

namespace {

TEST(nearly_all_steps_are_taken_in_the_faster_way) {
  Pace pace;
  long taken[3] = {};  // on so many threads
  for (long left = 100'000; left > 0;) {
    const Pace::Block block = pace.next(16, {2, false});
    CHECK(block.way.threads == 1 || block.way.threads == 2);
    long steps = 0;
    do {
      Turned::turn(block.way.threads == 2 ? 1e-5 : 2e-5);
      ++steps;
    } while (Turned::now() < block.end && steps < left);
    pace.took(steps, 0);
    taken[block.way.threads] += steps;
    left -= steps;
  }
  CHECK(taken[1] > 0);
  CHECK(taken[2] > 95'000);
}

}  // namespace
