// A vector register of 64-bit lanes, in which 32-bit words are multiplied in full.
//
// Of a lane, the lower half is the word; what is above it may be anything. So a product is a lane
// that holds its lower word already, and a shift away from its upper one.
#pragma once

#include <Eigen/Core>
#include <cstdint>
#include <cstring>

#include "core/vectors/index.hpp"

namespace densenet {

// GCC and Clang have the operators of an integer for the whole register: +, ^, &, << and >>.
#if !defined(__GNUC__)
using Words = std::uint64_t;
#elif defined(EIGEN_VECTORIZE_AVX512)
typedef std::uint64_t Words __attribute__((vector_size(64)));
#elif defined(EIGEN_VECTORIZE_AVX2)
typedef std::uint64_t Words __attribute__((vector_size(32)));
#else
typedef std::uint64_t Words __attribute__((vector_size(16)));
#endif

inline constexpr Index kWords = sizeof(Words) / sizeof(std::uint64_t);

inline constexpr std::uint64_t kWord = 0xFFFFFFFF;

// The same word in every lane.
inline Words every_lane(std::uint64_t word) { return Words{} + word; }

// The 64 bits of each product of two words.
inline Words product(Words a, Words b) {
#if !defined(__GNUC__)
  return (a & kWord) * (b & kWord);
#elif defined(EIGEN_VECTORIZE_AVX512)
  return (Words)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(EIGEN_VECTORIZE_AVX2)
  return (Words)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(EIGEN_VECTORIZE_SSE)
  return (Words)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined(EIGEN_VECTORIZE_NEON)
  return (Words)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
  return (a & kWord) * (b & kWord);
#endif
}

// Stores the lanes of a and b in turn, each beside the other's: all even lanes first, then all odd
// ones, which is one instruction each.
inline void store_in_turn(std::uint64_t* to, Words a, Words b) {
#if !defined(__GNUC__)
  to[0] = a, to[1] = b;
#else
  Words even, odd;
#if defined(EIGEN_VECTORIZE_AVX512)
  even = (Words)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
  odd = (Words)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
#elif defined(EIGEN_VECTORIZE_AVX2)
  even = (Words)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
  odd = (Words)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
#else
  even = Words{a[0], b[0]};
  odd = Words{a[1], b[1]};
#endif
  std::memcpy(to, &even, sizeof even);
  std::memcpy(to + kWords, &odd, sizeof odd);
#endif
}

// The number that each lane has in that order, after `first`.
inline Words numbered(std::uint64_t first) {
#if !defined(__GNUC__)
  return first;
#elif defined(EIGEN_VECTORIZE_AVX512)
  return Words{0, 4, 1, 5, 2, 6, 3, 7} + first;
#elif defined(EIGEN_VECTORIZE_AVX2)
  return Words{0, 2, 1, 3} + first;
#else
  return Words{0, 1} + first;
#endif
}

}  // namespace densenet
