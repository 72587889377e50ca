// On how many threads steps are taken: on all that there are or on one, whichever is faster here
// and now.
//
// That depends on where the cores are, which a host may change and does not tell: on two that share
// a cache a step of 128-128-128-10 with a batch of 16 takes 47 us, on two that do not 211, on one
// core 49. So some steps are timed on all threads and on one, about half a millisecond of them
// every quarter of a second. Results never depend on the number of threads.
#pragma once

#include <algorithm>
#include <chrono>

#include "core/simd.hpp"

namespace densenet {

class Pace {
 public:
  struct Block {
    int threads;
    Index steps;
  };

  // How to begin to take so many steps of a batch of so many rows. The time until `took` counts.
  Block next(Index rows, int threads, Index steps) {
    if (rows != rows_ || threads != threads_) {
      *this = Pace();
      rows_ = rows;
      threads_ = threads;
    }
    start_ = Clock::now();
    const double left = std::max(worth_, std::chrono::duration<double>(until_ - start_).count());
    const double fit = step_ > 0 ? (left > 0 ? left : kTrial) / step_ : 1;
    trying_ = left <= 0;
    block_ = {!trying_           ? chosen_
              : trial_ < kTrials ? threads
                                 : 1,
              static_cast<Index>(std::clamp<double>(fit, 1, static_cast<double>(steps)))};
    return block_;
  }

  void took() {
    const Clock::time_point now = Clock::now();
    const double elapsed = std::chrono::duration<double>(now - start_).count();
    step_ = elapsed / static_cast<double>(block_.steps);
    if (!trying_) {
      worth_ -= elapsed;
      // Threads that had to be woken first, on a machine that was idle, may not be worth it either.
      if (one_ < kClearly * step_) chosen_ = 1;
      return;
    }
    double& least = trial_ < kTrials ? all_ : one_;
    // The first trial brings the weights to the cores that will work on them, and does not count.
    least = trial_ % kTrials < 2 ? step_ : std::min(least, step_);
    if (++trial_ < 2 * kTrials) return;
    chosen_ = one_ < kClearly * all_ ? 1 : threads_;
    until_ = now + std::chrono::milliseconds(250);
    worth_ = kWorth;
    trial_ = 0;
  }

 private:
  using Clock = std::chrono::steady_clock;

  static constexpr int kTrials = 3;                      // on all threads, and as many on one
  static constexpr double kTrial = 1e-4, kWorth = 2e-2;  // seconds; of steps for which trials pay
  static constexpr double kClearly = 0.95;

  Index rows_ = 0;
  int threads_ = 0, trial_ = 0, chosen_ = 0;
  bool trying_ = true;
  double all_ = 0, one_ = 0, step_ = 0;  // seconds of a step, the last one
  double worth_ = 0;                     // seconds of steps on the chosen threads, at least
  Clock::time_point until_ = {}, start_ = {};
  Block block_ = {};
};

}  // namespace densenet
