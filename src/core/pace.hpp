// On how many threads steps are taken: on all that there are or on one, whichever is faster here
// and now.
//
// That depends on where the cores are, which a host may change and does not tell: on two that share
// a cache a step of 128-128-128-10 with a batch of 16 takes 47 us, on two that do not 211, on one
// core 49. So some steps are timed on all threads and on one, about half a millisecond of them:
// every quarter of a second where nothing changes; sooner after a change or a pause, when a core
// may still be asleep or on its way. Results never depend on the number of threads.
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
    bool asleep;  // threads may be
  };

  // How to begin to take so many steps of a batch of so many rows. The time until `took` counts.
  Block next(Index rows, int threads, Index steps) {
    if (rows != rows_ || threads != threads_) {
      *this = Pace();
      rows_ = rows;
      threads_ = threads;
    }
    start_ = Clock::now();
    block_.asleep = start_ - end_ > kIdle;
    if (start_ - end_ > kPause) {
      wait_ = kShortest;
      until_ = std::min(until_, start_ + wait_);
    }
    const double left = std::max(worth_, Seconds(until_ - start_).count());
    if (trying_ != (left <= 0)) {
      trying_ = !trying_;
      seen_ = {};
    }
    const double budget = trying_ ? kTrial - seen_.seconds : left;
    block_.threads = !trying_ ? chosen_ : trial_ < kTrials ? threads : 1;
    block_.steps = static_cast<Index>(
        std::clamp<double>(step_ > 0 ? budget / step_ : 1, 1, static_cast<double>(steps)));
    return block_;
  }

  void took() {
    end_ = Clock::now();
    const double elapsed = Seconds(end_ - start_).count();
    if (!trying_) worth_ -= elapsed;
    seen_.seconds += elapsed;
    seen_.steps += block_.steps;
    step_ = seen_.seconds / static_cast<double>(seen_.steps);
    if (seen_.seconds < (trying_ ? kTrial : kLook)) return;
    seen_ = {};
    if (!trying_) {
      // Threads that had to be woken first, on a machine that was idle, may not be worth it either.
      if (chosen_ > 1 && one_ < kClearly * step_) choose(1);
      return;
    }
    double& least = trial_ < kTrials ? all_ : one_;
    // The first trial brings the weights to the cores that will work on them, and does not count.
    least = trial_ % kTrials < 2 ? step_ : std::min(least, step_);
    if (++trial_ == 2 * kTrials) choose(one_ < kClearly * all_ ? 1 : threads_);
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  // Takes the steps on so many threads for a while: longer and longer if nothing changes.
  void choose(int threads) {
    wait_ = threads == chosen_ ? std::min(2 * wait_, kLongest) : kShortest;
    chosen_ = threads;
    until_ = end_ + wait_;
    worth_ = Seconds(kShortest).count();
    trial_ = 0;
  }

  static constexpr int kTrials = 3;                     // on all threads, and as many on one
  static constexpr double kTrial = 1e-4, kLook = 1e-3;  // seconds, of steps that are compared
  static constexpr double kClearly = 0.95;
  // Until the next trials, which pay after so long a training at least; and without a call.
  static constexpr Clock::duration kShortest = std::chrono::milliseconds(20),
                                   kLongest = std::chrono::milliseconds(250),
                                   kPause = std::chrono::milliseconds(20),
                                   kIdle = std::chrono::milliseconds(2);  // OpenMP's spin longer

  Index rows_ = 0;
  int threads_ = 0, trial_ = 0, chosen_ = 0;
  bool trying_ = true;
  double all_ = 0, one_ = 0, step_ = 0;  // seconds of a step, the last one
  double worth_ = 0;                     // seconds of steps on the chosen threads, at least
  Clock::duration wait_ = kShortest;
  Clock::time_point until_ = {}, start_ = {}, end_ = {};
  Block block_ = {};
  struct {
    double seconds;
    Index steps;
  } seen_ = {};  // since the last comparison
};

}  // namespace densenet
