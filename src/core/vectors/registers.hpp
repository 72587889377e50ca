// How many vector registers the processor has, by what the compiler says of its target.
#pragma once

namespace densenet {

// 32 with AVX-512, 64-bit NEON and VSX; 16 with SSE and AVX2. simd.hpp checks it against Eigen's.
#if defined(__AVX512F__) || defined(__aarch64__) || defined(_M_ARM64) || defined(__VSX__) || \
    defined(__s390x__)
inline constexpr int kVectorRegisters = 32;
#else
inline constexpr int kVectorRegisters = 16;
#endif
inline constexpr bool kManyRegisters = kVectorRegisters >= 32;

}  // namespace densenet
