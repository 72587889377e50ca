// Which processor a thread runs on, where the operating system tells (Linux).
#pragma once

#if defined(__linux__)
#include <sched.h>
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

}  // namespace densenet
