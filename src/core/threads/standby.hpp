// Whether a call that stands by itself is worth calling threads for, in its caller's experience.
//
// Threads that have just worked come at once. After a pause they sleep, and to wake them takes
// 100 us on the machine this was measured on, longer than many a call; and where other processes
// keep the processors busy, to wait for them may take milliseconds. So threads that sleep are woken
// when calls that follow each other have taken one thread as long as waking takes; and threads that
// came so late that one would have been faster are left alone for several times as long as was
// lost. Either way a series of calls takes little longer than on one thread, whatever the machine
// does, and one call after a pause takes as long. Results never depend on it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

namespace densenet {

// Reads the time from a clock, which tests replace by one of their own.
template <class Clock>
class StandbyBy {
 public:
  // That of the calling thread, whose team is its own.
  static StandbyBy& mine() {
    thread_local StandbyBy standby;
    return standby;
  }

  // Lets every call that is large enough have threads: for tests of what threads compute.
  static std::atomic<bool>& suspended() {
    static std::atomic<bool> flag{false};
    return flag;
  }

  // Whether to call threads for what takes one about so many seconds.
  bool worth_calling(double seconds) {
    if (suspended()) return true;
    asked_ = true;
    start_ = Clock::now();
    if (start_ - end_ > kPause) rest();
    if (start_ < until_) return false;
    if (!called_ && alone_ + seconds >= kWaking) {
      called_ = true;
      judged_ = false;  // by what comes first: they may have to wake up
    }
    return called_;
  }

  // Whether those who are called have not worked for a while.
  bool asleep() const { return !judged_; }

  // It is done on so many, for whom the caller has waited so many seconds.
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
      patience_ = std::min(std::max(2 * patience_, Seconds(kTimes * lost)), kMost);
      until_ = end_ + std::chrono::duration_cast<typename Clock::duration>(patience_);
      rest();
    }
    judged_ = true;
  }

 private:
  using Seconds = std::chrono::duration<double>;

  void rest() {
    called_ = false;
    alone_ = 0;
  }

  // OpenMP's threads stay awake for longer than this.
  static constexpr typename Clock::duration kPause = std::chrono::milliseconds(2);
  static constexpr double kWaking = 1e-4, kTimes = 8;
  static constexpr Seconds kMost{0.25};

  bool asked_ = false, called_ = false, judged_ = false;
  double alone_ = 0;       // seconds of calls on one thread that follow each other
  Seconds patience_ = {};  // how long threads that came late are left alone
  typename Clock::time_point start_ = {}, end_ = {}, until_ = {};
};

using Standby = StandbyBy<std::chrono::steady_clock>;

}  // namespace densenet
