// Whether a thread's floating point arithmetic flushes denormal numbers to zero.
#pragma once

#if defined(__SSE2__) || defined(_M_X64)
#include <xmmintrin.h>
#endif

namespace densenet {

// While it lives, this thread flushes denormal numbers to zero, or (flush = false) keeps them.
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

}  // namespace densenet
