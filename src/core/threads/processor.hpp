// On which processor a thread runs, where the system tells.
#pragma once

#if defined(__linux__)
#include <sched.h>
#endif

namespace densenet {

// -1: unknown.
inline int current_processor() {
#if defined(__linux__)
  return sched_getcpu();
#else
  return -1;
#endif
}

// Moves this thread to another of the processors that it may use, if there is one. It may use all
// of them again at once.
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

}  // namespace densenet
