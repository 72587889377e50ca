// Decides whether a single call should use more threads, by what its caller's last calls have seen.
//
// Threads that have just worked start at once. After a pause they sleep: waking them may take
// longer than the call, and on a busy machine waiting for them may take milliseconds. So
//   - sleeping threads are woken only after a series of calls has taken as long on one thread as
//     waking takes, and
//   - threads that came so late that one thread would have been faster are not used for several
//     times the time that was lost.
// Either way a series of calls takes little longer than on one thread, whatever the machine does,
// and a single call after a pause takes as long as on one. Results never depend on it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

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

  // True: every call that is large enough uses threads. For tests of what threads compute.
  static std::atomic<bool>& suspended() {
    static std::atomic<bool> flag{false};
    return flag;
  }

  // Should work that takes about `seconds` on one thread use more threads?
  bool worth_calling(double seconds) {
    if (suspended()) return true;
    asked_ = true;
    start_ = Clock::now();
    if (start_ - end_ > kThreadsStayAwake) rest();
    if (start_ < until_) return false;
    if (!called_ && alone_ + seconds >= kWakingSeconds) {
      called_ = true;
      judged_ = false;  // the first call does not count against them: they may have to wake up
    }
    return called_;
  }

  // True if the threads have not worked for a while and may have to be woken.
  bool asleep() const { return !judged_; }

  // Record a finished call: its threads, and the seconds that the caller waited for the others.
  void done(int threads, double waited) {
    if (!asked_) return;
    asked_ = false;
    end_ = Clock::now();
    const double elapsed = Seconds(end_ - start_).count();
    if (threads == 1) {
      alone_ += elapsed;
      return;
    }
    const double lost = elapsed - threads * (elapsed - waited);
    if (lost <= 0) {
      patience_ = {};
    } else if (judged_) {
      patience_ = std::min(std::max(2 * patience_, Seconds(kPatienceTimes * lost)),
                           Seconds(kMostPatienceSeconds));
      until_ = end_ + std::chrono::duration_cast<typename Clock::duration>(patience_);
      rest();
    }
    judged_ = true;
  }

 private:
  using Seconds = std::chrono::duration<double>;

  // Let the threads sleep: count again from the next call on one thread.
  void rest() {
    called_ = false;
    alone_ = 0;
  }

  bool asked_ = false;     // worth_calling() was asked, and done() has not been called
  bool called_ = false;    // calls use threads now
  bool judged_ = false;    // the threads have worked once since they were woken
  double alone_ = 0;       // seconds of a series of calls on one thread
  Seconds patience_ = {};  // how long threads that came late are not used
  typename Clock::time_point start_ = {}, end_ = {}, until_ = {};
};

using Standby = StandbyBy<std::chrono::steady_clock>;

}  // namespace densenet
