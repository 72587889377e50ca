// Decides, by timing, how training steps, and the halves of one, are taken: on all threads or on
// one; and, of steps, whether threads share the first layer by columns or by depth
// (network/sharing.hpp).
//
// What is fastest depends on where the cores are: two that share a cache exchange what two others
// need four times as long for. A host may move them at any time and does not tell. So some steps
// are timed in each way, about a tenth of a millisecond at a time: every quarter of a second while
// nothing changes, sooner after a change or a pause. On a busy machine threads may come late:
// lateness.hpp decides when one works alone then. Results never depend on it.
//
//   Block block = pace.next(...);  take steps in block.way until block.end;  pace.took(...)
#pragma once

#include <algorithm>
#include <chrono>

#include "core/threads/lateness.hpp"
#include "core/threads/parallel.hpp"
#include "core/tuning.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

// `Clock` gives the time; tests replace it by one of their own.
template <class Clock>
class PaceBy {
 public:
  using Time = typename Clock::time_point;
  struct Way {
    int threads;
    bool by_columns;
  };
  struct Block {
    Way way;
    Time end;     // the step at hand is the last
    bool asleep;  // the threads may have to be woken
  };

  // How to take the next steps, with batches of `rows` rows and `most` as the way with the most
  // threads, which is trusted without trials if steps are `long_steps`. Time runs from here to
  // took().
  Block next(Index rows, Way most, bool long_steps = false) {
    const Call call{rows, most};
    const bool lasts = count_ == 0 || call == passing_ || timing_suspended();
    if (lasts && !(call == call_)) begin(call, long_steps);
    if (timing_suspended()) return {ways_[turn_++ % alone()], Time{}, true};
    start_ = Clock::now();
    passing_ = call == call_ ? Call{} : call;
    if (passes()) return pass(most);
    const bool welcome = lateness_.welcome(start_), rematch = lateness_.in_rematch();
    if (start_ - end_ > kLongPause) {
      wait_ = kFirstWait;
      until_ = std::min(until_, start_ + wait_);
    }
    const double left = std::max(worth_, Seconds(until_ - start_).count());
    if (left <= 0 && !long_steps) trying_ = true;
    on_trial_ = trying_ && welcome && !rematch;
    block_.way = ways_[!welcome ? alone() : on_trial_ ? tried() : chosen_];
    const double budget = on_trial_ ? kTrialSeconds - seen_.seconds
                          : rematch ? kLookSeconds
                                    : kWindowSeconds;
    block_.end = start_ + std::chrono::duration_cast<Duration>(Seconds(budget));
    block_.asleep = start_ - awake_ > kThreadsStayAwake;
    return block_;
  }

  // Record that `steps` steps have been taken, in which the caller has waited for other threads for
  // so many seconds.
  void took(Index steps, double waited) {
    if (timing_suspended()) return;
    end_ = Clock::now();
    if (block_.way.threads > 1) awake_ = end_;
    if (passes()) return;
    // To wait for threads that had to wake up does not tell that they are late.
    const double for_late_ones = block_.asleep ? 0 : waited;
    const Work work{static_cast<double>(steps), Seconds(end_ - start_).count(), for_late_ones};
    if (on_trial_) return end_trial(work);
    worth_ -= work.seconds;
    lateness_.took(block_.way.threads, work, end_, least_[alone()]);
  }

 private:
  using Seconds = std::chrono::duration<double>;
  using Duration = typename Clock::duration;

  struct Call {
    Index rows = 0;
    Way most = {};
    bool operator==(const Call& other) const {
      return rows == other.rows && most.threads == other.most.threads &&
             most.by_columns == other.most.by_columns;
    }
  };

  // Forget all, for steps of another kind.
  void begin(const Call& call, bool long_steps) {
    *this = PaceBy();
    call_ = call;
    if (call.most.by_columns) ways_[count_++] = call.most;
    ways_[count_++] = {call.most.threads, false};
    ways_[count_++] = {1, false};
    trying_ = !long_steps;
  }

  // One step of another batch, as a loop takes it at the end of an epoch, is taken in the way in
  // use and does not count. The second in a row begins anew.
  bool passes() const { return passing_.rows > 0; }
  Block pass(Way most) {
    const bool threads = chosen_ != alone() && lateness_.welcome(start_);
    const bool by_columns = most.by_columns && ways_[chosen_].by_columns;
    block_.way = threads ? Way{most.threads, by_columns} : Way{1, false};
    block_.end = start_;
    block_.asleep = start_ - awake_ > kThreadsStayAwake;
    return block_;
  }

  int alone() const { return count_ - 1; }
  // The way on trial: one thread first, by which the others are judged.
  int tried() const { return alone() - trial_ / kTrials; }

  void end_trial(const Work& work) {
    seen_.add(work);
    const int way = tried();
    if (way != alone() && Lateness<Time>::lost(seen_, least_[alone()])) {
      lateness_.leave_out(seen_, end_);
      return choose(way);
    }
    if (seen_.seconds < kTrialSeconds) return;
    double& least = least_[way];
    // The first trial of a way does not count: it brings the weights to the cores that need them.
    least = trial_ % kTrials < 2 ? seen_.rate() : std::min(least, seen_.rate());
    seen_ = {};
    if (++trial_ == count_ * kTrials) choose(fastest());
  }

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
    trying_ = false;
    trial_ = 0;
    seen_ = {};
  }

  Call call_;                             // what is timed
  Call passing_;                          // another at hand, if any
  Way ways_[3] = {};                      // the most threads first, one thread last
  int count_ = 0;                         // of the ways
  int trial_ = 0;                         // the next of kTrials of each way
  int turn_ = 0;                          // the next way with threads, if each has its turn
  int chosen_ = 0;                        // the way in use
  bool trying_ = true, on_trial_ = true;  // trials are due; the block is one
  Work seen_;                             // in this trial
  double least_[3] = {};                  // seconds of a step in each way, the least of its trials
  double worth_ = 0;  // seconds to train in the chosen way, at least, before the next trials
  Duration wait_ = kFirstWait;
  Time until_ = {}, start_ = {}, end_ = {};
  Time awake_ = {};  // when threads have worked last
  Block block_ = {};
  Lateness<Time> lateness_;
};

using Pace = PaceBy<std::chrono::steady_clock>;

// A call of `flop` operations, one of many alike, on all threads that it is worth or on one: as
// `pace` has found to be faster. Calls with another number of `rows` are timed anew.
template <class Clock>
class PacedCall {
 public:
  PacedCall(PaceBy<Clock>& pace, Index rows, double flop) : pace_(pace) {
    const int most = threads_for(flop);
    if (most > 1) block_ = pace.next(rows, {most, false}, flop >= kLongStep);
    paced_ = most > 1;
  }
  int threads() const { return block_.way.threads; }

  template <class Body>
  void run(const Body& body) const {
    const double waited = parallel(threads(), body, block_.asleep);
    if (paced_) pace_.took(1, waited);
  }

 private:
  PaceBy<Clock>& pace_;
  typename PaceBy<Clock>::Block block_{{1, false}, {}, true};
  bool paced_ = false;
};

}  // namespace densenet
