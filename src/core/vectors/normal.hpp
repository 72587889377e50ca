// x Φ(x) of a vector register and its slope, where Φ is the standard normal distribution.
//
// Far out, Φ(-a) is tiny, but e^(a²/2) Φ(-a) is not. It is 1 / (√(2π) a + h(a)), where h(a) falls
// from 2 to 0. So Φ(-a) = e^(-a²/2) / (√(2π) a + h(a)), and a Φ(a) = a - a Φ(-a).
//
// The slope of x Φ(x) is Φ(x) + x φ(x), with φ(x) = e^(-x²/2) / √(2π). At -a it is
// e^(-a²/2) (r - a) (1/√(2π) + g(a)), where r is its only zero and g(a) falls from 0.27 to 0. At a
// it is 1 less that. As a factor, r - a keeps the digits that the sum loses near the zero.
//
// h and g are quotients of polynomials with positive coefficients, which docs/normal.py computes.
// They make an error of less than half a unit in the last place of Φ(-a), up to where e^(-a²/2) is
// 0. Rejected: std::erfc for each lane, 15 to 29 times as slow as PyTorch's GELU; one quotient for
// all but e^(-a²/2), and a polynomial in 5 / (5 + a), whose errors were 6 and 7 units in float.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#include "core/vectors/exp.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {
namespace detail {

// above(a) / below(a): the coefficients, that of a⁰ first.
template <class T, std::size_t Above, std::size_t Below>
struct Quotient {
  std::array<T, Above> above;
  std::array<T, Below> below;
};

template <class T>
struct NormalConstants;

template <>
struct NormalConstants<float> {
  static constexpr float kLargest = 14.5f;  // e^(-a²/2) is 0 from here on
  static constexpr float kZero = 0.75179154f, kZeroLow = -1.211445e-08f;
  static constexpr Quotient<float, 4, 6> kTail{
      {1.2611166f, 0.41671458f, 0.074883334f, 0.0062653446f},
      {1.0f, 1.0859879f, 0.5663278f, 0.17097415f, 0.029886441f, 0.0024992658f}};
  static constexpr Quotient<float, 4, 5> kSlope{
      {0.2661357f, 0.2048283f, 0.06684225f, 0.008955842f},
      {1.0f, 1.4334077f, 0.8360525f, 0.24005885f, 0.029862618f}};
};

template <>
struct NormalConstants<double> {
  static constexpr double kLargest = 38.75;
  static constexpr double kZero = 0.7517915246935645, kZeroLow = -1.4956759177009883e-17;
  static constexpr Quotient<double, 9, 11> kTail{
      {2.4768882879837695, 1.568614982991396, 0.6448951042323929, 0.18693084892524223,
       0.03932368701415405, 0.005987398625790386, 0.0006370383570221093, 4.32130587214915e-05,
       1.440923989436718e-06},
      {1.0, 1.693873720504519, 1.4191279103234011, 0.7613176862781997, 0.28715167532061786,
       0.07924839950503053, 0.016192716747951818, 0.002423105454663537, 0.0002552912266150279,
       1.7239516180642726e-05, 5.748455022775126e-07}};
  static constexpr Quotient<double, 10, 11> kSlope{
      {0.2661357147300016, 0.4311233707910817, 0.3379941874980127, 0.16592247668845664,
       0.055850505962168895, 0.013338226850246335, 0.002261612921366978, 0.0002634177901568713,
       1.9247728279984815e-05, 6.798237156552632e-07},
      {1.0, 2.2837100998705595, 2.4192810768622617, 1.5691418710014873, 0.6918868379427714,
       0.21739765245372517, 0.049486988442914506, 0.008097332062938318, 0.0009171501855337508,
       6.548686591333901e-05, 2.2666727296823133e-06}};
};

// A mask for sign, exponent and half of the digits.
template <class T>
inline T leading_bits() {
  using Bits = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;
  constexpr Bits kBits = ~Bits{0} << ((std::numeric_limits<T>::digits + 1) / 2);
  T mask;
  std::memcpy(&mask, &kBits, sizeof mask);
  return mask;
}

template <class T, std::size_t N>
inline Vec<T> polynomial(const std::array<T, N>& coefficients, Vec<T> x) {
  Vec<T> sum(coefficients[N - 1]);
#pragma GCC unroll 16
  for (std::size_t k = N - 1; k > 0; --k) sum = multiply_add(sum, x, Vec<T>(coefficients[k - 1]));
  return sum;
}

// e^(-a²/2) factor. a is split in two, the first so short that its square is exact: the rounding of
// a² would be a relative error of the power.
template <class T>
inline Vec<T> times_bell(Vec<T> factor, Vec<T> a) {
  const Vec<T> high = bits_of_both(a, Vec<T>(leading_bits<T>())), minus_half(T(-0.5));
  const Vec<T> low = a - high;
  const auto [n, r] = reduced(minus_half * high * high);
  const Vec<T> power = power_less_one(multiply_add(minus_half * low, a + high, r));
  return times_power_of_two(multiply_add(factor, power, factor), n);
}

// |x|, or a number beyond which the power is 0.
template <class T>
inline Vec<T> bounded_size(Vec<T> x) {
  return min(abs(x), Vec<T>(NormalConstants<T>::kLargest));
}

}  // namespace detail

// x Φ(x). Minus infinity gives NaN, as the product does.
template <class T>
inline Vec<T> times_normal(Vec<T> x) {
  constexpr auto& h = detail::NormalConstants<T>::kTail;
  constexpr T kRoot = static_cast<T>(2.5066282746310005024);  // √(2π)
  const Vec<T> a = detail::bounded_size(x), below = detail::polynomial(h.below, a);
  const Vec<T> slope = multiply_add(Vec<T>(kRoot), below, detail::polynomial(h.above, a));
  const Vec<T> all = multiply_add(slope, a, Vec<T>(T(2)));
  const Vec<T> tail = detail::times_bell(a * (below / all), a);  // a Φ(-a)
  return select(greater(Vec<T>(T(0)), x), x * Vec<T>(T(0)), x) - tail;
}

// Φ(x) + x φ(x). Infinite x gives NaN, as the product does.
template <class T>
inline Vec<T> normal_slope(Vec<T> x) {
  using C = detail::NormalConstants<T>;
  constexpr T kInverseRoot = static_cast<T>(0.39894228040143267794);
  const Vec<T> a = detail::bounded_size(x);
  const Vec<T> g = detail::polynomial(C::kSlope.above, a) / detail::polynomial(C::kSlope.below, a);
  const Vec<T> from_zero = (Vec<T>(C::kZero) - a) + Vec<T>(C::kZeroLow);
  const Vec<T> left = detail::times_bell(from_zero * (Vec<T>(kInverseRoot) + g), a) + (x - x);
  return select(greater(Vec<T>(T(0)), x), left, Vec<T>(T(1)) - left);
}

}  // namespace densenet
