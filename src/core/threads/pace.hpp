// Decides, by timing, how training steps are taken: on all threads or on one, and whether threads
// share the first layer by columns or by depth (network/sharing.hpp).
//
// What is fastest depends on where the cores are: two that share a cache exchange what two others
// need four times as long for. A host may move them at any time and does not tell. So some steps
// are timed in each way, about a tenth of a millisecond at a time: every quarter of a second while
// nothing changes, sooner after a change or a pause. Results never depend on it.
//
//   Block block = pace.next(...);  take up to block.steps steps in block.way;  pace.took(steps)
#pragma once

#include <algorithm>
#include <chrono>

#include "core/tuning.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

// `Clock` gives the time; tests replace it by one of their own.
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
    bool asleep;  // the threads may have to be woken
  };

  // How to take the next of `steps` steps, with batches of `rows` rows and `most` as the way with
  // the most threads. Time runs from here to took().
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
    block_.asleep = start_ - end_ > kThreadsStayAwake;
    if (start_ - end_ > kLongPause) {
      wait_ = kFirstWait;
      until_ = std::min(until_, start_ + wait_);
    }
    const double left = std::max(worth_, Seconds(until_ - start_).count());
    if (trying_ != (left <= 0)) {
      trying_ = !trying_;
      seen_ = {};
    }
    const double budget = trying_ ? kTrialSeconds - seen_.seconds : left;
    block_.way = ways_[trying_ ? trial_ / kTrials : chosen_];
    block_.steps = static_cast<Index>(
        std::clamp<double>(step_ > 0 ? budget / step_ : 1, 1, static_cast<double>(steps)));
    return block_;
  }

  // Record that `steps` of the block's steps have been taken. A pause may have cut it short.
  void took(Index steps) {
    end_ = Clock::now();
    const double elapsed = Seconds(end_ - start_).count();
    if (!trying_) worth_ -= elapsed;
    seen_.seconds += elapsed;
    seen_.steps += steps;
    step_ = seen_.seconds / static_cast<double>(seen_.steps);
    if (seen_.seconds < (trying_ ? kTrialSeconds : kLookSeconds)) return;
    seen_ = {};
    if (!trying_) {
      // The threads may do worse now than in the trials, and worse than one thread did there.
      const int alone = count_ - 1;
      if (chosen_ != alone && least_[alone] < kClearlyFaster * step_) choose(alone);
      return;
    }
    double& least = least_[trial_ / kTrials];
    // The first trial of a way does not count: it brings the weights to the cores that need them.
    least = trial_ % kTrials < 2 ? step_ : std::min(least, step_);
    if (++trial_ == count_ * kTrials) choose(fastest());
  }

 private:
  using Seconds = std::chrono::duration<double>;
  using Duration = typename Clock::duration;

  // The fastest way; a later one has to be clearly faster than those before it.
  int fastest() const {
    int best = 0;
    for (int way = 1; way < count_; ++way) {
      if (least_[way] < kClearlyFaster * least_[best]) best = way;
    }
    return best;
  }

  // Take the next steps this way, for twice as long as last time if it was chosen then, too.
  void choose(int way) {
    wait_ = way == chosen_ ? std::min<Duration>(2 * wait_, kLongestWait) : kFirstWait;
    chosen_ = way;
    until_ = end_ + wait_;
    worth_ = Seconds(kFirstWait).count();
    trial_ = 0;
  }

  Index rows_ = 0;
  Way ways_[3] = {};  // the most threads first, one thread last
  int count_ = 0;     // of the ways
  int trial_ = 0;     // the next of kTrials of each way
  int chosen_ = 0;    // the way in use
  bool trying_ = true;
  double least_[3] = {};  // seconds of a step in each way, the least of its trials
  double step_ = 0;       // seconds of a step, of those that were seen last
  double worth_ = 0;      // seconds to train in the chosen way, at least, before the next trials
  Duration wait_ = kFirstWait;
  typename Clock::time_point until_ = {}, start_ = {}, end_ = {};
  Block block_ = {};
  struct {
    double seconds;
    Index steps;
  } seen_ = {};  // steps since the last comparison
};

using Pace = PaceBy<std::chrono::steady_clock>;

}  // namespace densenet
