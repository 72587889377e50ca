// The only OpenMP in the project, and with it the only threads.
//
// parallel() runs one body on a team; the body shares work by Team::share and meets at
// Team::barrier. Results never depend on the team: every output has one writer, and its operations
// do not depend on who that is. Inside a team denormal numbers are flushed to zero, because
// decaying moments would otherwise slow an update many times over; the caller's mode is restored.
#pragma once

#include <algorithm>
#include <atomic>

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

// Sets flush-to-zero and denormals-are-zero for this thread while it lives.
class FlushDenormals {
#if defined(__SSE2__) || defined(_M_X64)
 public:
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#elif defined(__aarch64__) && defined(__GNUC__)
 public:
  FlushDenormals() {
    asm volatile("mrs %0, fpcr" : "=r"(saved_));
    asm volatile("msr fpcr, %0" : : "r"(saved_ | (1ull << 24)));
  }
  ~FlushDenormals() { asm volatile("msr fpcr, %0" : : "r"(saved_)); }

 private:
  unsigned long long saved_;
#else
 public:
  FlushDenormals() {}
#endif
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
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

// Threads worth waking for so many floating point operations. Waking and joining a team costs a
// few microseconds, in which one core does about this much.
inline int threads_for(double flop) {
  constexpr double kFlopPerThread = 5e5;
  const double wanted = std::max(1.0, flop / kFlopPerThread);
  return static_cast<int>(std::min<double>(wanted, usable_threads()));
}

struct Team {
  int rank, size;

  // This member's part of n items, in units of `grain`.
  Range share(Index n, Index grain = 1) const {
    const Index units = (n + grain - 1) / grain;
    const auto cut = [&](Index member) { return std::min(n, units * member / size * grain); };
    return {cut(rank), cut(rank + 1)};
  }

  void barrier() const {
#ifdef _OPENMP
    if (size > 1) {
#pragma omp barrier
    }
#endif
  }
};

template <class Body>
void parallel(int threads, const Body& body) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    {
      const FlushDenormals flush;
      body(Team{omp_get_thread_num(), omp_get_num_threads()});
    }
    return;
  }
#else
  static_cast<void>(threads);
#endif
  const FlushDenormals flush;
  body(Team{0, 1});
}

}  // namespace densenet
