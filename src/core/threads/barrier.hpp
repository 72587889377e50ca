// How the members of a team wait for each other.
//
// A member looks for some microseconds whether the others have come. Then it gives up its
// processor, for on a busy machine the member it waits for may need that one: in turns, between
// which it looks again, or asleep until it is woken. On a quiet machine turns are faster, because
// nobody takes them and waking takes tens of microseconds. On a busy one sleep is: a member that
// gives up a turn to another program has the processor back after milliseconds, whether the others
// have come or not. So a member sleeps where another program has had its processor lately.
//
// Rejected: OpenMP's own barrier, which keeps the processor for milliseconds (46 times as slow
// beside busy processes).
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "core/threads/processor.hpp"
#include "core/tuning.hpp"

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace densenet {

class Barrier {
 public:
  // Call it where this thread's work begins: it may have slept until now.
  static void begin() {
    watch().turns = turns();
    watch().time = Clock::now();
  }

  // Returns when all `size` members have called it.
  void wait(int rank, int size) {
    const unsigned round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<unsigned>(size)) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1);
      wake(round_);
      return;
    }
    wait_until(rank, round_, [=](unsigned now) { return now != round; });
  }

  // The end of the team's work: member 0 waits for the others. They go on to OpenMP's own barrier,
  // which keeps the processor, or sleep until member 0 comes, where another program wants it.
  void part(int rank, int size) {
    const unsigned others = static_cast<unsigned>(size) - 1;
    if (rank > 0) {
      const unsigned round = round_.load();
      arrived_.fetch_add(1);
      wake(arrived_);
      if (shares_processor()) sleep_until(round_, [=](unsigned now) { return now != round; });
    } else {
      wait_until(0, arrived_, [=](unsigned now) { return now == others; });
      round_.fetch_add(1);
      wake(round_);
    }
  }

  // Seconds that member 0 has waited, spinning not counted.
  double waited() const { return waited_; }

 private:
  using Clock = std::chrono::steady_clock;
  using Seconds = std::chrono::duration<double>;

  template <class Condition>
  void wait_until(int rank, const std::atomic<unsigned>& word, const Condition& condition) {
    const auto over = [&] { return condition(word.load(std::memory_order_acquire)); };
    for (int spin = 0; spin < kBarrierSpins; ++spin) {
      if (over()) return;
      pause();
    }
    const auto start = Clock::now();
    while (!over()) {
      if (shares_processor()) {
        sleep_until(word, condition);
      } else {
        std::this_thread::yield();
      }
    }
    if (rank > 0) return;
    waited_ += Seconds(Clock::now() - start).count();
  }

  // A member counts as a sleeper before it looks for the last time, and who changes the word looks
  // for sleepers afterwards, so that one of the two sees the other.
  template <class Condition>
  void sleep_until(const std::atomic<unsigned>& word, const Condition& condition) {
    sleepers_.fetch_add(1);
    for (unsigned now; !condition(now = word.load());) sleep_while(word, now);
    sleepers_.fetch_sub(1);
    begin();
  }
  void wake(const std::atomic<unsigned>& word) {
    if (sleepers_.load() > 0) wake_sleepers(word);
  }

  // What this thread knows of its processor.
  struct Watch {
    Turns turns;                // up to the last look
    Clock::time_point time{};   // of the last look
    Clock::time_point until{};  // the processor counts as shared
  };
  static Watch& watch() {
    thread_local Watch own;
    return own;
  }
  // True if another program has had this thread's processor for kLostSeconds, now or lately. Time
  // that passes without a change of threads was taken by the host of a virtual machine.
  static bool shares_processor() {
    Watch& own = watch();
    const auto now = Clock::now();
    const double elapsed = Seconds(now - own.time).count();
    if (elapsed > kLostSeconds) {
      const Turns before = own.turns;
      own = {turns(), now, own.until};
      const double away = elapsed - (own.turns.seconds - before.seconds);
      if (away > kLostSeconds && own.turns.lost != before.lost) own.until = now + kSharedProcessor;
    }
    return now < own.until;
  }

  static void pause() {
#if defined(__SSE2__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    asm volatile("yield");
#endif
  }

  alignas(64) std::atomic<unsigned> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  double waited_ = 0;
};

}  // namespace densenet
