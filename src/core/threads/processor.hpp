// What the operating system tells of a thread's processor, and how a thread sleeps (Linux).
#pragma once

#include <atomic>

#if defined(__linux__)
#include <linux/futex.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#endif

namespace densenet {

// The number of the processor that this thread runs on; -1 where it is not known.
inline int current_processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Moves this thread from a processor to another that it may use, if there is one. Afterwards it may
// use all of them again, the one it has left included.
inline void leave_processor(int processor) {
#if defined(__linux__)
  cpu_set_t usable, others;
  if (sched_getaffinity(0, sizeof(usable), &usable) != 0) return;
  others = usable;
  CPU_CLR(static_cast<unsigned>(processor), &others);
  if (sched_setaffinity(0, sizeof(others), &others) == 0) {
    sched_setaffinity(0, sizeof(usable), &usable);
  }
#else
  static_cast<void>(processor);
#endif
}

// Seconds for which this thread has run, and how often it has lost its processor to another thread
// without going to sleep; zeros where that is not known. Takes half a microsecond.
struct Turns {
  double seconds = 0;
  long lost = 0;
};
inline Turns turns() {
#if defined(__linux__)
  rusage usage{};
  timespec time{};
  getrusage(RUSAGE_THREAD, &usage);
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return {static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec),
          usage.ru_nivcsw};
#else
  return {};
#endif
}

// Sleeps until wake_sleepers(word) is called. May return before, and returns at once if the word is
// not `value`, or where the system has no such call: the caller looks at the word again.
inline void sleep_while(const std::atomic<unsigned>& word, unsigned value) {
#if defined(__linux__)
  syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, value, nullptr, nullptr, 0);
#else
  static_cast<void>(word);
  static_cast<void>(value);
#endif
}

// Wakes all threads that sleep while this word does not change.
inline void wake_sleepers(const std::atomic<unsigned>& word) {
#if defined(__linux__)
  syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1 << 30, nullptr, nullptr, 0);
#else
  static_cast<void>(word);
#endif
}

}  // namespace densenet
