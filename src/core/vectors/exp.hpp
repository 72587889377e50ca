// e^x of a vector register, with an error of less than one unit in the last place.
//
// x = n ln 2 + r with |r| <= ln 2 / 2, so e^x = 2ⁿ eʳ. n ln 2 is subtracted in two parts, the first
// so short that its product with n is exact (Cody and Waite 1980). eʳ is its Taylor polynomial,
// whose remainder at this degree is below a tenth of a unit. Rejected: Eigen's own pexp, which was
// up to 4 units off in float and 8 in double, and differs from release to release.
#pragma once

#include "core/vectors/simd.hpp"

namespace densenet {

template <class T>
struct ExpConstants;

template <>
struct ExpConstants<float> {
  static constexpr float kLowest = -104, kHighest = 89;  // e^x is 0 below, infinite above
  static constexpr float kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr float kRounder = 12582912.0f;  // 1.5 2²³: adding it rounds to an integer
  static constexpr int kDegree = 7;
};

template <>
struct ExpConstants<double> {
  static constexpr double kLowest = -746, kHighest = 710;
  static constexpr double kLn2High = 6.93145751953125e-1, kLn2Low = 1.42860682030941723212e-6;
  static constexpr double kRounder = 6755399441055744.0;  // 1.5 2⁵²
  static constexpr int kDegree = 13;
};

namespace detail {

template <class T>
struct Reduced {
  Vec<T> n, r;
};

// For x = n ln 2 + r: n, and eʳ - 1.
template <class T>
struct Exponential {
  Vec<T> n, power_less_one;
};

// n and r of x = n ln 2 + r.
template <class T>
inline Reduced<T> reduced(Vec<T> x) {
  using C = ExpConstants<T>;
  constexpr T kLog2E = static_cast<T>(1.4426950408889634074);
  x = min(max(x, Vec<T>(C::kLowest)), Vec<T>(C::kHighest));
  const Vec<T> n = multiply_add(x, Vec<T>(kLog2E), Vec<T>(C::kRounder)) - Vec<T>(C::kRounder);
  const Vec<T> r = multiply_add(n, Vec<T>(-C::kLn2High), x);
  return {n, multiply_add(n, Vec<T>(-C::kLn2Low), r)};
}

// eʳ - 1.
template <class T>
inline Vec<T> power_less_one(Vec<T> r) {
  using C = ExpConstants<T>;
  // 1/2 + r/3! + r²/4! + ..., from the highest power down
  T factorial = 1;
  for (int k = 2; k <= C::kDegree; ++k) factorial *= static_cast<T>(k);
  Vec<T> tail(1 / factorial);
#pragma GCC unroll 16
  for (int k = C::kDegree; k > 2; --k) {
    factorial /= static_cast<T>(k);
    tail = multiply_add(tail, r, Vec<T>(1 / factorial));
  }
  return multiply_add(r * r, tail, r);
}

template <class T>
inline Exponential<T> exponential(Vec<T> x) {
  const auto [n, r] = reduced(x);
  return {n, power_less_one(r)};
}

}  // namespace detail

template <class T>
inline Vec<T> exp(Vec<T> x) {
  const auto [n, power] = detail::exponential(x);
  return times_power_of_two(Vec<T>(T(1)) + power, n);
}

// e^x - 1 for x <= 0, as 2ⁿ (eʳ - 1) + (2ⁿ - 1), which does not cancel near 0.
template <class T>
inline Vec<T> expm1_negative(Vec<T> x) {
  const auto [n, power] = detail::exponential(x);
  const Vec<T> one(T(1));
  const Vec<T> scaled = times_power_of_two(power, n);
  return scaled + (times_power_of_two(one, n) - one);
}

}  // namespace densenet
