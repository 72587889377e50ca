// One vector register as a value with the usual operators, over Eigen's packet primitives.
//
// A function written with Vec reads like its formula and compiles to SSE, AVX2, AVX-512 or NEON.
// Every lane computes by itself and rounds once an operation, so an element's result does not
// depend on its position: the end of an array runs the same code on a partly filled register.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "core/vectors/index.hpp"
#include "core/vectors/registers.hpp"

namespace densenet {

static_assert(kVectorRegisters <= EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS, "registers.hpp");

template <class T>
using Packet = typename Eigen::internal::packet_traits<T>::type;

template <class T>
inline constexpr Index kLanes = Eigen::internal::unpacket_traits<Packet<T>>::size;

template <class T>
struct Vec {
  Packet<T> packet;

  Vec() = default;
  explicit Vec(const Packet<T>& value) : packet(value) {}
  Vec(T value) : packet(Eigen::internal::pset1<Packet<T>>(value)) {}  // in every lane

  friend Vec operator+(Vec a, Vec b) { return Vec(Eigen::internal::padd(a.packet, b.packet)); }
  friend Vec operator-(Vec a, Vec b) { return Vec(Eigen::internal::psub(a.packet, b.packet)); }
  friend Vec operator*(Vec a, Vec b) { return Vec(Eigen::internal::pmul(a.packet, b.packet)); }
  friend Vec operator/(Vec a, Vec b) { return Vec(Eigen::internal::pdiv(a.packet, b.packet)); }
  // Flips the sign, that of zero too. (Eigen's pnegate is 0 - a in some builds.)
  friend Vec operator-(Vec a) { return Vec(Eigen::internal::pxor(a.packet, Vec(T(-0.0)).packet)); }
};

// a b + c, rounded once where the processor has FMA and twice where it has not. Only for products
// and for exp(): everything else rounds alike on all processors.
template <class T>
inline Vec<T> multiply_add(Vec<T> a, Vec<T> b, Vec<T> c) {
  return Vec<T>(Eigen::internal::pmadd(a.packet, b.packet, c.packet));
}

template <class T>
inline Vec<T> sqrt(Vec<T> a) {
  return Vec<T>(Eigen::internal::psqrt(a.packet));
}

// A mask for `select` of the lanes in which a > b. A NaN is not greater than anything.
template <class T>
inline Vec<T> greater(Vec<T> a, Vec<T> b) {
  return Vec<T>(Eigen::internal::pcmp_lt(b.packet, a.packet));
}

template <class T>
inline Vec<T> select(Vec<T> mask, Vec<T> yes, Vec<T> no) {
  return Vec<T>(Eigen::internal::pselect(mask.packet, yes.packet, no.packet));
}

template <class T>
inline Vec<T> abs(Vec<T> a) {
  return Vec<T>(Eigen::internal::pabs(a.packet));
}

// The bits that are set in both.
template <class T>
inline Vec<T> bits_of_both(Vec<T> a, Vec<T> b) {
  return Vec<T>(Eigen::internal::pand(a.packet, b.packet));
}

// The magnitude of `size` with the sign of `from`; zeros have signs, too.
template <class T>
inline Vec<T> copy_sign(Vec<T> size, Vec<T> from) {
  const Vec<T> sign = bits_of_both(from, Vec<T>(T(-0.0)));
  return Vec<T>(Eigen::internal::por(abs(size).packet, sign.packet));
}

#if defined(EIGEN_VECTORIZE_SSE)
namespace detail {

// These instructions give b where both are zero or one is NaN.
inline __m128 larger(__m128 a, __m128 b) { return _mm_max_ps(a, b); }
inline __m128d larger(__m128d a, __m128d b) { return _mm_max_pd(a, b); }
inline __m128 smaller(__m128 a, __m128 b) { return _mm_min_ps(a, b); }
inline __m128d smaller(__m128d a, __m128d b) { return _mm_min_pd(a, b); }
#if defined(EIGEN_VECTORIZE_AVX)
inline __m256 larger(__m256 a, __m256 b) { return _mm256_max_ps(a, b); }
inline __m256d larger(__m256d a, __m256d b) { return _mm256_max_pd(a, b); }
inline __m256 smaller(__m256 a, __m256 b) { return _mm256_min_ps(a, b); }
inline __m256d smaller(__m256d a, __m256d b) { return _mm256_min_pd(a, b); }
#endif
#if defined(EIGEN_VECTORIZE_AVX512)
inline __m512 larger(__m512 a, __m512 b) { return _mm512_max_ps(a, b); }
inline __m512d larger(__m512d a, __m512d b) { return _mm512_max_pd(a, b); }
inline __m512 smaller(__m512 a, __m512 b) { return _mm512_min_ps(a, b); }
inline __m512d smaller(__m512d a, __m512d b) { return _mm512_min_pd(a, b); }
#endif

}  // namespace detail
#endif

// std::max(a, b) and std::min(a, b) of each lane: `a` where both are zero or one is NaN. (Eigen's
// pmax and pmin leave these two cases to the processor.)
template <class T>
inline Vec<T> max(Vec<T> a, Vec<T> b) {
#if defined(EIGEN_VECTORIZE_SSE)
  return Vec<T>(detail::larger(b.packet, a.packet));
#else
  return select(greater(b, a), b, a);
#endif
}

template <class T>
inline Vec<T> min(Vec<T> a, Vec<T> b) {
#if defined(EIGEN_VECTORIZE_SSE)
  return Vec<T>(detail::smaller(b.packet, a.packet));
#else
  return select(greater(a, b), b, a);
#endif
}

// x 2ⁿ, where n holds whole numbers, of the size that exp() asks for.
template <class T>
inline Vec<T> times_power_of_two(Vec<T> x, Vec<T> n) {
  return Vec<T>(Eigen::internal::pldexp(x.packet, n.packet));
}

#if defined(EIGEN_VECTORIZE_AVX512)
// One instruction instead of the fifteen of Eigen's pldexp.
template <>
inline Vec<float> times_power_of_two(Vec<float> x, Vec<float> n) {
  return Vec<float>(_mm512_scalef_ps(x.packet, n.packet));
}
template <>
inline Vec<double> times_power_of_two(Vec<double> x, Vec<double> n) {
  return Vec<double>(_mm512_scalef_pd(x.packet, n.packet));
}
#elif defined(EIGEN_VECTORIZE_AVX2)
// For |n| <= 250 in float and 2000 in double, as of exp(), two factors will do: Eigen's pldexp
// takes any n, by four. Each factor is made of its exponent.
template <>
inline Vec<float> times_power_of_two(Vec<float> x, Vec<float> n) {
  const auto power = [](__m256i k) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(k, _mm256_set1_epi32(127)), 23));
  };
  const __m256i whole = _mm256_cvtps_epi32(n.packet), half = _mm256_srai_epi32(whole, 1);
  return x * Vec<float>(power(half)) * Vec<float>(power(_mm256_sub_epi32(whole, half)));
}
template <>
inline Vec<double> times_power_of_two(Vec<double> x, Vec<double> n) {
  const auto power = [](__m128i k) {
    const __m256i exponent = _mm256_cvtepi32_epi64(_mm_add_epi32(k, _mm_set1_epi32(1023)));
    return _mm256_castsi256_pd(_mm256_slli_epi64(exponent, 52));
  };
  const __m128i whole = _mm256_cvtpd_epi32(n.packet), half = _mm_srai_epi32(whole, 1);
  return x * Vec<double>(power(half)) * Vec<double>(power(_mm_sub_epi32(whole, half)));
}
#endif

// Tells a load or a store how much of a register to move: all of it, or the first `count` lanes.
struct Whole {};
struct First {
  Index count;
};

template <class T>
inline Vec<T> load(const T* from, Whole) {
  return Vec<T>(Eigen::internal::ploadu<Packet<T>>(from));
}

template <class T>
inline void store(T* to, Vec<T> value, Whole) {
  Eigen::internal::pstoreu(to, value.packet);
}

// Lanes that a partial load does not fill are zero.
template <class T>
inline Vec<T> load(const T* from, First lanes) {
  alignas(64) T buffer[kLanes<T>] = {};
  std::memcpy(buffer, from, static_cast<std::size_t>(lanes.count) * sizeof(T));
  return Vec<T>(Eigen::internal::pload<Packet<T>>(buffer));
}

template <class T>
inline void store(T* to, Vec<T> value, First lanes) {
  alignas(64) T buffer[kLanes<T>];
  Eigen::internal::pstore(buffer, value.packet);
  std::memcpy(to, buffer, static_cast<std::size_t>(lanes.count) * sizeof(T));
}

#if defined(EIGEN_VECTORIZE_AVX512)
template <>
inline Vec<float> load(const float* from, First lanes) {
  return Vec<float>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << lanes.count) - 1), from));
}
template <>
inline Vec<double> load(const double* from, First lanes) {
  return Vec<double>(_mm512_maskz_loadu_pd(static_cast<__mmask8>((1u << lanes.count) - 1), from));
}
template <>
inline void store(float* to, Vec<float> value, First lanes) {
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << lanes.count) - 1), value.packet);
}
template <>
inline void store(double* to, Vec<double> value, First lanes) {
  _mm512_mask_storeu_pd(to, static_cast<__mmask8>((1u << lanes.count) - 1), value.packet);
}
#endif

#if defined(EIGEN_VECTORIZE_AVX) && !defined(EIGEN_VECTORIZE_AVX512)
namespace detail {

// Masks for partial loads: all bits are set in the lanes to fill, none in the others.
template <class Int, Index Lanes>
struct LaneMasks {
  Int bits[2 * Lanes] = {};
  constexpr LaneMasks() {
    for (Index i = 0; i < Lanes; ++i) bits[i] = -1;
  }
  __m256i of(First lanes) const {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bits + Lanes - lanes.count));
  }
};
inline constexpr LaneMasks<std::int32_t, 8> kFloatMasks;
inline constexpr LaneMasks<std::int64_t, 4> kDoubleMasks;

}  // namespace detail

// Loads go by masks. Stores write four, two and one lane, as the bits of `count` say: masked stores
// are microcode on some processors. Rejected: the general forms above, whose call of memcpy makes a
// tile move its sums to memory at every step (5 times as slow).
template <>
inline Vec<float> load(const float* from, First lanes) {
  return Vec<float>(_mm256_maskload_ps(from, detail::kFloatMasks.of(lanes)));
}
template <>
inline Vec<double> load(const double* from, First lanes) {
  return Vec<double>(_mm256_maskload_pd(from, detail::kDoubleMasks.of(lanes)));
}
template <>
inline void store(float* to, Vec<float> value, First lanes) {
  __m128 rest = _mm256_castps256_ps128(value.packet);
  if (lanes.count & 4) {
    _mm_storeu_ps(to, rest);
    rest = _mm256_extractf128_ps(value.packet, 1);
    to += 4;
  }
  if (lanes.count & 2) {
    _mm_storel_pi(reinterpret_cast<__m64*>(to), rest);
    rest = _mm_movehl_ps(rest, rest);
    to += 2;
  }
  if (lanes.count & 1) _mm_store_ss(to, rest);
}
template <>
inline void store(double* to, Vec<double> value, First lanes) {
  __m128d rest = _mm256_castpd256_pd128(value.packet);
  if (lanes.count & 2) {
    _mm_storeu_pd(to, rest);
    rest = _mm256_extractf128_pd(value.packet, 1);
    to += 2;
  }
  if (lanes.count & 1) _mm_store_sd(to, rest);
}
#endif

// Asks for the cache line of an address. Any address will do, valid or not.
inline void prefetch(const void* address) {
#if defined(__GNUC__)
  __builtin_prefetch(address);
#elif defined(_M_X64)
  _mm_prefetch(static_cast<const char*>(address), _MM_HINT_T0);
#else
  static_cast<void>(address);
#endif
}

// Calls body(offset, Whole) for each full register of n elements, and body(offset, First) for the
// rest, if there is one.
template <class T, class Body>
inline void for_each_vector(Index n, const Body& body) {
  Index i = 0;
  for (; i + kLanes<T> <= n; i += kLanes<T>) body(i, Whole{});
  if (i < n) body(i, First{n - i});
}

}  // namespace densenet
