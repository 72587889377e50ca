// The only OpenMP in the project, and with it the only threads.
//
// parallel() runs one body on a team of threads. The body divides the work with Team::share and
// waits for the other members at Team::barrier. Results never depend on the size of the team: every
// output has one writer, and its operations do not depend on which thread that is. Inside a team
// denormal numbers are flushed to zero, because decaying moments would slow an update many times
// over; the caller's mode comes back afterwards.
//
// How many threads to use is decided in one of two ways:
//   training       threads_for() gives the most that the work is worth; steps, or the halves of
//                  one, are then timed with that many and with one (pace.hpp)
//   a single call  threads_now() gives one thread unless waking more is worth it (standby.hpp), and
//                  parallel_call() runs the call and records how long the others took to come
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "core/memory/views.hpp"
#include "core/threads/barrier.hpp"
#include "core/threads/processor.hpp"
#include "core/threads/standby.hpp"
#include "core/tuning.hpp"
#include "core/vectors/float_mode.hpp"

#ifdef _OPENMP
#include <omp.h>
#if !defined(_WIN32)
#include <pthread.h>
#endif
#endif

namespace densenet {

// The most threads that a call may use, for the whole process.
inline std::atomic<int>& thread_limit() {
  static std::atomic<int> limit{1};
  return limit;
}

// The most threads that a call from this thread may use; 0: as many as the process allows.
inline int& own_thread_limit() {
  thread_local int limit = 0;
  return limit;
}

// True in a process that was forked from one that had loaded this module. It has lost its parent's
// OpenMP threads and would wait for them for ever, so it computes on one thread.
inline std::atomic<bool>& forked() {
  static std::atomic<bool> flag{false};
  return flag;
}

// Lets forked() become true in children of this process.
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

// `threads`, or fewer where something outside has lowered OpenMP's number of threads for this
// thread (omp_set_num_threads, as threadpoolctl does). OpenMP keeps that number for each thread, so
// a thread that has just begun tells what it was at first.
inline int openmp_leaves(int threads) {
#ifdef _OPENMP
  static const int first = [] {
    int number = 0;
    std::thread([&number] { number = omp_get_max_threads(); }).join();
    return number;
  }();
  const int now = omp_get_max_threads();  // takes 2 ns
  return now < first ? std::min(now, threads) : threads;
#else
  return threads;
#endif
}

// The most threads that a call from this thread may use, by all limits there are. OpenMP is not
// asked where it will not be called.
inline int allowed_threads() {
  const int own = own_thread_limit(), limit = own > 0 ? own : thread_limit().load();
  return limit > 1 && !forked() ? openmp_leaves(limit) : limit;
}

// The most threads that a call from this thread can have: one without OpenMP and after a fork.
inline int usable_threads() { return has_openmp() && !forked() ? allowed_threads() : 1; }

// True if OpenMP binds each thread to processors of its own (OMP_PROC_BIND, OMP_PLACES and others).
inline bool binds_threads() {
#if defined(_OPENMP) && _OPENMP >= 201511
  return omp_get_proc_bind() != omp_proc_bind_false;
#else
  return false;
#endif
}

// The processors to which OpenMP binds the threads of this thread's teams; empty if it binds none.
inline std::vector<int> bound_processors() {
  std::vector<int> processors;
#if defined(_OPENMP) && _OPENMP >= 201511
  // 2: in the place of this thread. GCC 16 deprecates its old name, omp_proc_bind_master; LLVM
  // lacks the new one, omp_proc_bind_primary.
  const bool together = static_cast<int>(omp_get_proc_bind()) == 2;
  for (int place = 0; binds_threads() && place < omp_get_num_places(); ++place) {
    if (together && place != omp_get_place_num()) continue;
    std::vector<int> some(static_cast<std::size_t>(omp_get_place_num_procs(place)));
    omp_get_place_proc_ids(place, some.data());
    processors.insert(processors.end(), some.begin(), some.end());
  }
#endif
  return processors;
}

// How many threads to use for `steps` steps of `flop` floating point operations each. A thread more
// has to save more than it costs: once to wake and join it, and in each step to meet it.
inline int threads_for(double flop, Index steps = 1) {
  const double wanted =
      std::min(flop * static_cast<double>(steps) / kFlopPerThread, flop / kFlopPerMeeting);
  return static_cast<int>(std::clamp<double>(wanted, 1, usable_threads()));
}

// How many threads to use for a single call of `flop` operations, which parallel_call() then runs.
inline int threads_now(double flop) {
  const int threads = threads_for(flop);
  return threads > 1 && Standby::mine().worth_calling(flop / kFlopPerSecond) ? threads : 1;
}

// The same for a single call that works on n elements one by one.
inline int threads_now_for_elements(Index n) {
  return threads_now(kFlopPerElement * static_cast<double>(n));
}

// What a body that parallel() runs knows of its team: this member's rank, and how many there are.
struct Team {
  int rank, size;
  Barrier* meeting;  // null for a team of one

  // This member's share of n items, in whole units of `grain` items but for the last.
  Range share(Index n, Index grain = 1) const {
    const Index units = (n + grain - 1) / grain;
    const auto cut = [&](Index member) { return std::min(n, units * member / size * grain); };
    return {cut(rank), cut(rank + 1)};
  }

  // Returns when all members have called it.
  void barrier() const {
    if (size > 1) meeting->wait(rank, size);
  }
};

// Runs body(team) on each of `threads` threads, the caller among them, and returns the seconds that
// the caller has waited for the others. `asleep`: the others may have to be woken.
//
// Linux may wake a thread on the very processor of the caller that waits for it, where it would not
// run for milliseconds. So the caller yields to threads that were asleep, and a thread that finds
// itself on the caller's processor moves to another, unless OpenMP has bound it there.
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
      Barrier::begin();
      const DenormalMode flush(true);
      body(team);
      // Before OpenMP's own barrier at the end of a region, which would keep the processor.
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

// Runs the body of a single call on the threads that threads_now() has given.
template <class Body>
void parallel_call(int threads, const Body& body) {
  Standby& standby = Standby::mine();
  standby.done(threads, parallel(threads, body, standby.asleep()));
}

// A single call whose number of threads is known before its body runs. A function that is handed
// one, such as Plan::differentiate(), can be handed a PacedCall (pace.hpp) instead.
class SingleCall {
 public:
  explicit SingleCall(double flop) : threads_(threads_now(flop)) {}
  int threads() const { return threads_; }

  template <class Body>
  void run(const Body& body) const {
    parallel_call(threads_, body);
  }

 private:
  int threads_;
};

}  // namespace densenet
