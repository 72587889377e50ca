// The only OpenMP in the project, and with it the only threads.
//
// parallel() runs one body on a team; the body shares work by Team::share and meets at
// Team::barrier. Results never depend on the team: every output has one writer, and its operations
// do not depend on who that is. Inside a team denormal numbers are flushed to zero, because
// decaying moments would otherwise slow an update many times over; the caller's mode is restored.
//
// How many threads to take: threads_for() tells from the size of the work. Where training takes
// many steps, they are timed (pace.hpp). A single call asks threads_now() and runs by
// parallel_call(): its caller remembers how threads have come (standby.hpp).
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "core/memory/views.hpp"
#include "core/threads/processor.hpp"
#include "core/threads/standby.hpp"
#include "core/vectors/float_mode.hpp"

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

// The threads that a call may use, in the whole process.
inline std::atomic<int>& thread_limit() {
  static std::atomic<int> limit{1};
  return limit;
}

// The same for calls from this thread alone; 0: as the process.
inline int& own_thread_limit() {
  thread_local int limit = 0;
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

// The number to which others have lowered OpenMP's for this thread (omp_set_num_threads, as
// threadpoolctl calls it); `threads` where it is what OpenMP began with, or more. OpenMP keeps that
// number for each thread: one that has just begun has the first.
inline int openmp_leaves(int threads) {
#ifdef _OPENMP
  static const int first = [] {
    int number = 0;
    std::thread([&number] { number = omp_get_max_threads(); }).join();
    return number;
  }();
  const int now = omp_get_max_threads();  // 2 ns
  return now < first ? std::min(now, threads) : threads;
#else
  return threads;
#endif
}

// What a call from this thread may use. OpenMP is not asked where it will not be called.
inline int allowed_threads() {
  const int own = own_thread_limit(), limit = own > 0 ? own : thread_limit().load();
  return limit > 1 && !forked() ? openmp_leaves(limit) : limit;
}

inline int usable_threads() { return has_openmp() && !forked() ? allowed_threads() : 1; }

// Whether OpenMP keeps each thread to processors of its own (OMP_PROC_BIND, OMP_PLACES and others).
inline bool binds_threads() {
#if defined(_OPENMP) && _OPENMP >= 201511
  return omp_get_proc_bind() != omp_proc_bind_false;
#else
  return false;
#endif
}

// All processors to which OpenMP binds the threads that this one calls; none where it does not.
inline std::vector<int> bound_processors() {
  std::vector<int> processors;
#if defined(_OPENMP) && _OPENMP >= 201511
  const bool together = omp_get_proc_bind() == omp_proc_bind_master;  // in the place of this one
  for (int place = 0; binds_threads() && place < omp_get_num_places(); ++place) {
    if (together && place != omp_get_place_num()) continue;
    std::vector<int> some(static_cast<std::size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, some.data());
    processors.insert(processors.end(), some.begin(), some.end());
  }
#endif
  return processors;
}

// Threads worth waking for a number of steps of so many floating point operations. Waking and
// joining a team costs a few microseconds, and meeting within a step a few tenths of one, in which
// a core does about this much.
inline int threads_for(double flop, Index steps = 1) {
  constexpr double kFlopPerThread = 5e5, kFlopPerMeeting = 2e5;
  const double wanted =
      std::min(flop * static_cast<double>(steps) / kFlopPerThread, flop / kFlopPerMeeting);
  return static_cast<int>(std::clamp<double>(wanted, 1, usable_threads()));
}

// The same for a call that stands by itself, to be run by parallel_call.
inline int threads_now(double flop) {
  constexpr double kFlopPerSecond = 1e11;
  const int threads = threads_for(flop);
  return threads > 1 && Standby::mine().worth_calling(flop / kFlopPerSecond) ? threads : 1;
}

// For elementwise work: a transcendental function costs some 20 operations.
inline int threads_now_for_elements(Index n) { return threads_now(20 * static_cast<double>(n)); }

// Where a team meets. Members wait a few microseconds at work, then give up their processor: on a
// busy machine it may be the one that the member they wait for needs. (OpenMP's own barrier holds
// on to it for milliseconds there: 3.7 ms and not 0.08 for a step of 784-16-16-10 beside four busy
// processes.)
class Barrier {
 public:
  void wait(int rank, int size) {
    const unsigned round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    wait_until(rank, [&] { return round_.load(std::memory_order_acquire) != round; });
  }

  // The last time: thread 0 waits for the others, who wait for nobody.
  void part(int rank, int size) {
    if (rank > 0) {
      arrived_.fetch_add(1, std::memory_order_release);
    } else {
      wait_until(0, [&] { return arrived_.load(std::memory_order_acquire) == size - 1; });
    }
  }

  // Seconds that thread 0 has waited, without moments that are too short to count.
  double waited() const { return waited_; }

 private:
  static constexpr int kSpins = 1000;

  template <class Condition>
  void wait_until(int rank, const Condition& condition) {
    for (int spin = 0; spin < kSpins; ++spin) {
      if (condition()) return;
      pause();
    }
    const auto start = std::chrono::steady_clock::now();
    while (!condition()) std::this_thread::yield();
    if (rank > 0) return;
    waited_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  static void pause() {
#if defined(__SSE2__) || defined(_M_X64)
    _mm_pause();
#elif defined(__aarch64__) && defined(__GNUC__)
    asm volatile("yield");
#endif
  }

  alignas(64) std::atomic<int> arrived_{0};
  alignas(64) std::atomic<unsigned> round_{0};
  double waited_ = 0;
};

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
    if (size > 1) meeting->wait(rank, size);
  }
};

// Returns the seconds that the caller has waited for the others. They may be asleep, or are known
// to have worked a moment ago.
//
// A system may wake a thread on the processor of the one that is going to wait for it, where it
// would not run for milliseconds: in 3 to 30 % of all calls after a pause of 20 ms, on a quiet
// machine with two processors, that call and the next took 8 ms and not 0.14. So the caller lets
// those who sleep begin, and whoever finds itself on the caller's processor goes to another, unless
// OpenMP has bound it there.
template <class Body>
double parallel(int threads, const Body& body, bool asleep = true) {
#ifdef _OPENMP
  if (threads > 1) {
    Barrier meeting;
    const int callers = current_processor();
#pragma omp parallel num_threads(threads)
    {
      const Team team{omp_get_thread_num(), omp_get_num_threads(), &meeting};
      if (team.rank == 0) {
        if (asleep) std::this_thread::yield();
      } else if (callers >= 0 && current_processor() == callers && !binds_threads() &&
                 team.size <= omp_get_num_procs()) {
        leave_processor(callers);
      }
      const DenormalMode flush(true);
      body(team);
      // OpenMP's own end of a region would hold on to the processor, too.
      meeting.part(team.rank, team.size);
    }
    return meeting.waited();
  }
#else
  static_cast<void>(threads);
  static_cast<void>(asleep);
#endif
  const DenormalMode flush(true);
  body(Team{0, 1, nullptr});
  return 0;
}

// A call that stands by itself, on as many threads as threads_now() has given.
template <class Body>
void parallel_call(int threads, const Body& body) {
  Standby& standby = Standby::mine();
  standby.done(threads, parallel(threads, body, standby.asleep()));
}

}  // namespace densenet
