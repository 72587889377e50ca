// On how many threads steps are taken, all that there are or one, and whether those share the first
// layer by columns or by depth (sharing.hpp): what is fastest here and now.
//
// That depends on where the cores are, which a host may change and does not tell: on two that share
// a cache a step of 128-128-128-10 with a batch of 16 takes 47 us, on two that do not 211, on one
// core 49; one of 784-128-10 with a batch of 128 takes 130 us by columns and 137 by depth there,
// and 175 and 159. So some steps are timed each way, about a tenth of a millisecond at a time:
// every quarter of a second where nothing changes; sooner after a change or a pause, when a core
// may still be asleep or on its way. Results never depend on it.
#pragma once

#include <algorithm>
#include <chrono>

#include "core/vectors/index.hpp"

namespace densenet {

// Reads the time from a clock, which tests replace by one of their own.
template <class Clock>
class PaceBy {
 public:
  struct Way {
    int threads;
    bool by_columns;
  };
  struct Block {
    Way way;
    Index steps;
    bool asleep;  // threads may be
  };

  // How to begin to take so many steps of a batch of so many rows. The time until `took` counts.
  Block next(Index rows, Way most, Index steps) {
    const Way& before = ways_[0];
    if (rows != rows_ || most.threads != before.threads || most.by_columns != before.by_columns) {
      *this = PaceBy();
      rows_ = rows;
      if (most.by_columns) ways_[count_++] = most;
      ways_[count_++] = {most.threads, false};
      ways_[count_++] = {1, false};
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
    block_.way = ways_[trying_ ? trial_ / kTrials : chosen_];
    block_.steps = static_cast<Index>(
        std::clamp<double>(step_ > 0 ? budget / step_ : 1, 1, static_cast<double>(steps)));
    return block_;
  }

  // So many of the block's steps have been taken; a pause may have cut it short.
  void took(Index steps) {
    end_ = Clock::now();
    const double elapsed = Seconds(end_ - start_).count();
    if (!trying_) worth_ -= elapsed;
    seen_.seconds += elapsed;
    seen_.steps += steps;
    step_ = seen_.seconds / static_cast<double>(seen_.steps);
    if (seen_.seconds < (trying_ ? kTrial : kLook)) return;
    seen_ = {};
    if (!trying_) {
      // Threads that had to be woken first, on a machine that was idle, may not be worth it either.
      const int alone = count_ - 1;
      if (chosen_ != alone && least_[alone] < kClearly * step_) choose(alone);
      return;
    }
    double& least = least_[trial_ / kTrials];
    // The first trial brings the weights to the cores that will work on them, and does not count.
    least = trial_ % kTrials < 2 ? step_ : std::min(least, step_);
    if (++trial_ == count_ * kTrials) choose(fastest());
  }

 private:
  using Seconds = std::chrono::duration<double>;

  // A later way has to be clearly faster.
  int fastest() const {
    int best = 0;
    for (int way = 1; way < count_; ++way) {
      if (least_[way] < kClearly * least_[best]) best = way;
    }
    return best;
  }

  // Takes the steps this way for a while: longer and longer if nothing changes.
  void choose(int way) {
    wait_ = way == chosen_ ? std::min(2 * wait_, kLongest) : kShortest;
    chosen_ = way;
    until_ = end_ + wait_;
    worth_ = Seconds(kShortest).count();
    trial_ = 0;
  }

  static constexpr int kTrials = 3;                     // each way
  static constexpr double kTrial = 1e-4, kLook = 1e-3;  // seconds, of steps that are compared
  static constexpr double kClearly = 0.95;
  // Until the next trials, which pay after so long a training at least; and without a call.
  static constexpr
      typename Clock::duration kShortest = std::chrono::milliseconds(20),
                               kLongest = std::chrono::milliseconds(250),
                               kPause = std::chrono::milliseconds(20),
                               kIdle = std::chrono::milliseconds(2);  // OpenMP's spin longer

  Index rows_ = 0;
  Way ways_[3] = {};
  int count_ = 0, trial_ = 0, chosen_ = 0;
  bool trying_ = true;
  double least_[3] = {}, step_ = 0;  // seconds of a step: in each way, and the last one
  double worth_ = 0;                 // seconds of steps in the chosen way, at least
  typename Clock::duration wait_ = kShortest;
  typename Clock::time_point until_ = {}, start_ = {}, end_ = {};
  Block block_ = {};
  struct {
    double seconds;
    Index steps;
  } seen_ = {};  // since the last comparison
};

using Pace = PaceBy<std::chrono::steady_clock>;

}  // namespace densenet
