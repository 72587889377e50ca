// Whether a call that stands by itself is worth calling threads for, in its caller's experience.
//
// Threads that have just worked come at once. After a pause they sleep, and to wake them takes
// 100 us on the machine this was measured on, longer than many a call; and where other processes
// keep the processors busy, to wait for them may take milliseconds. So threads that sleep are woken
// when calls that follow each other have taken one thread as long as waking takes; and threads that
// came so late that one would have been faster are left alone while one works for several times as
// long as was lost. Either way a series of calls takes little longer than on one thread, whatever
// the machine does, and one call after a pause takes as long. Results never depend on it.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

namespace densenet {

class Standby {
 public:
  // That of the calling thread, whose team is its own.
  static Standby& mine() {
    thread_local Standby standby;
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
    if (!called_ && alone_ + seconds >= price_) {
      called_ = true;
      judged_ = false;  // by what comes first: they may have to wake up
    }
    return called_;
  }

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
    const double on_one = threads * (elapsed - waited);
    if (on_one >= elapsed) {
      price_ = kWaking;
    } else if (judged_) {
      price_ = std::min(std::max(2 * price_, kPatience * (elapsed - on_one)), kMost);
      rest();
    }
    judged_ = true;
  }

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  void rest() {
    called_ = false;
    alone_ = 0;
  }

  // OpenMP's threads stay awake for longer than this.
  static constexpr Clock::duration kPause = std::chrono::milliseconds(2);
  static constexpr double kWaking = 1e-4, kMost = 0.25, kPatience = 8;  // seconds, seconds, times

  bool asked_ = false, called_ = false, judged_ = false;
  double alone_ = 0;  // seconds of calls on one thread since a pause, or since threads came late
  double price_ = kWaking;  // as many are worth calling threads
  Clock::time_point start_ = {}, end_ = {};
};

}  // namespace densenet
