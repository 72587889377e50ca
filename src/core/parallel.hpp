// The only OpenMP in the project, and with it the only threads.
//
// parallel() runs one body on a team; the body shares work by Team::share and meets at
// Team::barrier. Results never depend on the team: every output has one writer, and its operations
// do not depend on who that is. Inside a team denormal numbers are flushed to zero, because
// decaying moments would otherwise slow an update many times over; the caller's mode is restored.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>

#include "core/views.hpp"

#ifdef _OPENMP
#include <omp.h>
#if !defined(_WIN32)
#include <pthread.h>
#endif
#endif
#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace densenet {

// Flushes denormal numbers to zero in this thread while it lives, or keeps them.
class DenormalMode {
#if defined(__SSE2__) || defined(_M_X64)
 public:
  explicit DenormalMode(bool flush) : saved_(_mm_getcsr()) {
    constexpr unsigned kFlush = 0x8040;  // flush-to-zero, denormals-are-zero
    _mm_setcsr(flush ? saved_ | kFlush : saved_ & ~kFlush);
  }
  ~DenormalMode() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__) && defined(__GNUC__)
 public:
  explicit DenormalMode(bool flush) {
    constexpr unsigned long long kFlush = 1ull << 24;
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(flush ? saved_ | kFlush : saved_ & ~kFlush));
  }
  ~DenormalMode() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  unsigned long long saved_;
#else
 public:
  explicit DenormalMode(bool) {}
#endif
 public:
  DenormalMode(const DenormalMode&) = delete;
  DenormalMode& operator=(const DenormalMode&) = delete;
};

inline std::atomic<int>& thread_limit() {
  static std::atomic<int> limit{1};
  return limit;
}

// After a fork the child has lost its parent's OpenMP threads and would wait for them for ever; it
// computes on the one thread it has.
inline std::atomic<bool>& forked() {
  static std::atomic<bool> flag{false};
  return flag;
}

inline void watch_forks() {
#if defined(_OPENMP) && !defined(_WIN32)
  static const int registered = pthread_atfork(nullptr, nullptr, [] { forked() = true; });
  static_cast<void>(registered);
#endif
}

inline constexpr bool has_openmp() {
#ifdef _OPENMP
  return true;
#else
  return false;
#endif
}

inline int usable_threads() { return has_openmp() && !forked() ? thread_limit().load() : 1; }

// Threads worth waking for a number of steps of so many floating point operations. Waking and
// joining a team costs a few microseconds, and meeting within a step a few tenths of one, in which
// a core does about this much.
inline int threads_for(double flop, Index steps = 1) {
  constexpr double kFlopPerThread = 5e5, kFlopPerMeeting = 2e5;
  const double wanted =
      std::min(flop * static_cast<double>(steps) / kFlopPerThread, flop / kFlopPerMeeting);
  return static_cast<int>(std::clamp<double>(wanted, 1, usable_threads()));
}

// Where a team meets. Members wait a few microseconds at work, then give up their processor: on a
// busy machine it may be the one that the member they wait for needs. (OpenMP's own barrier holds
// on to it for milliseconds there: 3.7 ms and not 0.08 for a step of 784-16-16-10 beside four busy
// processes.)
class Barrier {
 public:
  void wait(int size) {
    const unsigned round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
      if (spin < kSpins) {
        pause();
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  static constexpr int kSpins = 1000;

  static void pause() {
#if defined(__SSE2__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    asm volatile("yield");
#endif
  }

  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
};

// Threads worth waking for elementwise work: a transcendental function costs some 20 operations.
inline int threads_for_elements(Index n) { return threads_for(20 * static_cast<double>(n)); }

struct Team {
  int rank, size;
  Barrier* meeting;  // null for a team of one

  // This member's part of n items, in units of `grain`.
  Range share(Index n, Index grain = 1) const {
    const Index units = (n + grain - 1) / grain;
    const auto cut = [&](Index member) { return std::min(n, units * member / size * grain); };
    return {cut(rank), cut(rank + 1)};
  }

  void barrier() const {
    if (size > 1) meeting->wait(size);
  }
};

template <class Body>
void parallel(int threads, const Body& body) {
#ifdef _OPENMP
  if (threads > 1) {
    Barrier meeting;
#pragma omp parallel num_threads(threads)
    {
      const DenormalMode flush(true);
      body(Team{omp_get_thread_num(), omp_get_num_threads(), &meeting});
    }
    return;
  }
#else
  static_cast<void>(threads);
#endif
  const DenormalMode flush(true);
  body(Team{0, 1, nullptr});
}

}  // namespace densenet
