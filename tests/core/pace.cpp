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

// Each of a row of calls, in which one thread is faster or slower by a clock that the test turns.
long calls_on_one(double on_one, double on_two) {
  const int limit = densenet::thread_limit().exchange(2);
  Pace pace;
  long alone = 0;
  for (int call = 0; call < 10'000; ++call) {
    const densenet::PacedCall paced(pace, 16, 1e7);
    paced.run([&](densenet::Team team) {
      if (team.rank == 0) Turned::turn(team.size == 1 ? on_one : on_two);
      if (team.size == 1) ++alone;
    });
  }
  densenet::thread_limit() = limit;
  return alone;
}

TEST(a_call_of_many_takes_the_threads_that_are_faster) {
  if (!densenet::has_openmp()) return;
  CHECK(calls_on_one(1e-5, 2e-5) > 9'500);
  CHECK(calls_on_one(2e-5, 1e-5) < 500);
}

TEST(a_call_of_little_work_is_on_one_thread_and_not_timed) {
  Pace pace;
  const densenet::PacedCall little(pace, 16, 1e3);
  CHECK(little.threads() == 1);
  bool ran = false;
  little.run([&](densenet::Team team) { ran = team.size == 1; });
  CHECK(ran);
}

}  // namespace
