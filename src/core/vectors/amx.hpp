// The matrix registers of AMX, where the compiler and the operating system are those it is written
// for. (Intel calls them tiles; here a tile is a part of a product.)
//
// A matrix register holds 16 lines of 64 bytes. Three kinds take part in a product:
//   sums   16 x 16 floats
//   left   16 rows of 32 bf16 numbers, along the depth
//   right  16 lines of 16 columns, each a pair of bf16 numbers that follow each other in depth
// multiply_add adds, for each of its sums, first the products of the 16 even steps of the depth to
// a zero, each rounded once, and those of the 16 odd ones to another; then the sum of both to the
// sum. It takes denormal numbers for zeros and writes zeros for them, and rounds to nearest,
// whatever the processor's float mode is (Intel's Architecture Instruction Set Extensions
// Programming Reference, TDPBF16PS).
//
// The instructions are written in assembler: the compiler needs no flag for them, so one build
// serves processors with AMX and without.
#pragma once

#if defined(__x86_64__) && defined(__linux__) && defined(__AVX512BW__) && defined(__GNUC__) && \
    !defined(DENSENET_NO_AMX)
#define DENSENET_AMX 1
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cpuid.h>
#include <cstdint>

#include "core/vectors/index.hpp"
#else
#define DENSENET_AMX 0
#endif

namespace densenet::amx {

#if DENSENET_AMX

using Bf16 = std::uint16_t;

inline constexpr Index kLines = 16, kLineBytes = 64;
inline constexpr Index kNumbers = kLines * kLineBytes / static_cast<Index>(sizeof(Bf16));

// Asks the system to let this process use matrix registers. It may refuse, and then has changed
// nothing; what it grants, it grants for good, to all threads and children. (Linux 5.16.)
inline bool granted() {
  unsigned a, b, c, d;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return false;
  const bool has_bf16 = (d >> 22) & 1, has_registers = (d >> 24) & 1;
  if (!has_bf16 || !has_registers) return false;
  if (__get_cpuid_count(7, 1, &a, &b, &c, &d) == 0 || !((a >> 5) & 1)) return false;  // rounded()
  constexpr long kAsk = 0x1023, kTell = 0x1022, kRegisters = 18;  // ARCH_REQ_XCOMP_PERM, ..._GET
  unsigned long permitted = 0;
  if (syscall(SYS_arch_prctl, kAsk, kRegisters) != 0) return false;
  return syscall(SYS_arch_prctl, kTell, &permitted) == 0 && (permitted >> kRegisters) & 1;
}

// The shape of each register, as the processor reads it.
struct alignas(64) Shapes {
  std::uint8_t palette = 1, first_line = 0, reserved[14] = {};
  std::uint16_t line_bytes[16] = {};
  std::uint8_t lines[16] = {};
};

// Makes the registers usable by this thread for as long as it lives, all of full size.
class InUse {
 public:
  InUse() {
    Shapes shapes;
    for (int i = 0; i < 8; ++i) shapes.line_bytes[i] = kLineBytes, shapes.lines[i] = kLines;
    asm volatile("ldtilecfg %0" : : "m"(shapes));
  }
  ~InUse() { asm volatile("tilerelease"); }
  InUse(const InUse&) = delete;
  InUse& operator=(const InUse&) = delete;
};

template <int Register>
void zero() {
  asm volatile("tilezero %%tmm%c0" : : "i"(Register));
}
// Lines are `stride` bytes apart.
template <int Register>
void load(const void* from, Index stride = kLineBytes) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2"
               :
               : "r"(from), "r"(stride), "i"(Register)
               : "memory");
}
template <int Register>
void store(void* to, Index stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(to), "r"(stride), "i"(Register) : "memory");
}
template <int Sums, int Left, int Right>
void multiply_add() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(Left), "i"(Right));
}

// The bf16 numbers next to `low`, then those next to `high`: ties to even, denormal numbers to
// zero; a NaN stays one.
inline __m512i rounded(__m512 low, __m512 high) {
  __m512i both;
  asm("vcvtne2ps2bf16 %1, %2, %0" : "=v"(both) : "v"(low), "v"(high));
  return both;
}
// The floats that a half of these bf16 numbers are.
inline __m512 widened(__m256i half) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

#else

inline bool granted() { return false; }

#endif

}  // namespace densenet::amx
