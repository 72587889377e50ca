// Decides whether a single call should use more threads, by what its caller's last calls have seen.
//
// Threads that have just worked start at once. After a pause they sleep, and waking them may take
// longer than the call. So sleeping threads are woken only after a series of calls has taken as
// long on one thread as waking takes: a single call after a pause takes as long as on one thread.
// On a busy machine threads may come late: lateness.hpp decides when one works alone then. Results
// never depend on it.
#pragma once

#include <chrono>

#include "core/threads/lateness.hpp"
#include "core/tuning.hpp"

namespace densenet {

// `Clock` gives the time; tests replace it by one of their own.
template <class Clock>
class StandbyBy {
 public:
  // The calling thread's own: each thread that calls has a team of its own.
  static StandbyBy& mine() {
    thread_local StandbyBy standby;
    return standby;
  }

  // Should work that takes about `seconds` on one thread use more threads?
  bool worth_calling(double seconds) {
    if (timing_suspended()) return true;
    asked_ = true;
    seconds_ = seconds;
    start_ = Clock::now();
    const bool welcome = lateness_.welcome(start_);
    if (!welcome || start_ - end_ > kThreadsStayAwake) rest();
    if (!welcome) return false;
    if (!called_ && alone_ + seconds >= kWakingSeconds) {
      called_ = true;
      awake_ = false;
    }
    return called_;
  }

  // True if the threads have not worked for a while and may have to be woken.
  bool asleep() const { return !awake_; }

  // Record a finished call: its threads, and the seconds that the caller waited for the others.
  void done(int threads, double waited) {
    if (!asked_) return;
    asked_ = false;
    end_ = Clock::now();
    const double elapsed = std::chrono::duration<double>(end_ - start_).count();
    if (threads == 1) alone_ += elapsed;
    // The first call does not count against threads that may have had to wake up.
    if (threads == 1 || awake_ || lateness_.in_rematch()) {
      lateness_.took(threads, {seconds_, elapsed, waited}, end_);
    }
    if (threads > 1) awake_ = true;
  }

 private:
  // Let the threads sleep: count again from the next call on one thread.
  void rest() {
    called_ = false;
    alone_ = 0;
  }

  bool asked_ = false;   // worth_calling() was asked, and done() has not been called
  bool called_ = false;  // calls use threads now
  bool awake_ = false;   // the threads have worked since they were called
  double seconds_ = 0;   // about what the call at hand takes on one thread
  double alone_ = 0;     // seconds of a series of calls on one thread
  typename Clock::time_point start_ = {}, end_ = {};
  Lateness<typename Clock::time_point> lateness_;
};

using Standby = StandbyBy<std::chrono::steady_clock>;

}  // namespace densenet
