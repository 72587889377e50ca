// Decides, by timing, when threads that come late are left out, and for how long.
//
// A thread whose processor another process has lets all others wait, for milliseconds. Threads that
// have taken longer than one thread would have are left out for a while, for twice as long each
// time. Then they have a rematch, in which the mean counts. It lasts longer than a system lets a
// thread run at a time, because short trials between two interruptions would tell nothing. So work
// takes little longer than on one thread, however busy the machine is. Results never depend on it.
//
//   if (lateness.welcome(now)) { work with threads } else { work on one };  lateness.took(...)
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>

#include "core/tuning.hpp"

namespace densenet {

// True: calls and steps use threads wherever they can, and steps take each way with threads in
// turn. For tests of what threads compute.
inline std::atomic<bool>& timing_suspended() {
  static std::atomic<bool> flag{false};
  return flag;
}

// What was done in some time. `amount` counts steps, or is what else takes time in proportion.
struct Work {
  double amount = 0, seconds = 0;
  double waited = 0;  // seconds for which the caller has waited for the other threads

  void add(const Work& more) {
    amount += more.amount;
    seconds += more.seconds;
    waited += more.waited;
  }
  double rate() const { return seconds / amount; }
};

// `Time` is a clock's time_point; tests replace the clock by one of their own.
template <class Time>
class Lateness {
 public:
  // True: what begins now may use threads.
  bool welcome(Time now) {
    if (stage_ == LeftOut && now >= until_ && seen_.seconds >= alone_at_least()) {
      alone_rate_ = seen_.rate();
      enter(Rematch);
    }
    return stage_ != LeftOut;
  }

  // True while threads have to win back their place: work should be cut into short pieces.
  bool in_rematch() const { return stage_ == Rematch; }

  // Record what `threads` threads have done until `now`. `alone`: seconds that one thread takes for
  // an amount of 1, if it was timed.
  void took(int threads, const Work& work, Time now, double alone = 0) {
    if ((threads > 1) == (stage_ == LeftOut)) return;
    // A rematch begins with a short piece that does not count: the threads may have had to wake up.
    if (stage_ == Rematch && waking_.amount == 0 && work.seconds < kWindowSeconds) {
      waking_ = work;
      return;
    }
    seen_.add(work);
    if (stage_ == Rematch && lost(seen_, alone_rate_)) return leave_out(seen_, now);
    if (stage_ == LeftOut || seen_.seconds < kWindowSeconds) return;
    // Where one thread was not timed, threads are under suspicion only while the caller waits.
    const bool waited = seen_.waited > kMuchWaiting * seen_.seconds;
    if (stage_ == Welcome && !waited) alone_rate_ = 0;
    if (stage_ == Rematch || alone == 0) alone = alone_rate_;
    const bool worse = alone > 0 ? alone < kClearlyFaster * seen_.rate() : waited;
    if (worse) return leave_out(seen_, now);
    if (stage_ == Welcome) patience_ /= 2;
    enter(Welcome);
  }

  // Leave the threads out from `now` on, after they have come late in this work.
  void leave_out(const Work& work, Time now) {
    patience_ = std::clamp<Duration>(2 * patience_, kFirstWait, kLongestPatience);
    until_ = now + patience_;
    late_ = work;
    late_.add(waking_);
    enter(LeftOut);
  }

  // True if work has cost so much more than on one thread that this is clear before its time is up.
  static bool lost(const Work& work, double alone) {
    return work.seconds > work.amount * alone + kMostLostSeconds;
  }

 private:
  using Duration = typename Time::duration;
  using Seconds = std::chrono::duration<double>;
  enum Stage { Welcome, LeftOut, Rematch };

  // Seconds of work on one thread before a rematch: a multiple of what the late threads have cost,
  // which doubles with the patience. Threads that only seemed late are back at once.
  double alone_at_least() const {
    const double least = Seconds(kFirstWait).count();
    if (seen_.amount == 0) return least;
    const double cost = late_.seconds - late_.amount * seen_.rate();
    return std::max(least, cost * std::min(kMostRematchTimes, Seconds(patience_).count() / least));
  }

  void enter(Stage stage) {
    stage_ = stage;
    seen_ = waking_ = {};
  }

  Stage stage_ = Welcome;
  Work seen_;               // since the stage began, or the last comparison
  Work waking_;             // the piece of a rematch that does not count
  Work late_;               // in which the threads were late when they were left out
  double alone_rate_ = 0;   // seconds of an amount of 1 on one thread, in the mean; 0: unknown
  Duration patience_ = {};  // how long the threads are left out
  Time until_ = {};
};

}  // namespace densenet
