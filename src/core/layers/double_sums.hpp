// Sums in double, with the same bits for every instruction set.
#pragma once

#include <algorithm>
#include <array>

#include "core/tuning.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

namespace detail {

// Sums the n values of each of `Rows` rows side by side, values[i][row], into totals[row]. Each sum
// is made of eight interleaved ones, added up in order: a row's bits do not depend on the number of
// rows. What a sum of doubles loses to rounding is summed beside it (Knuth's TwoSum); sums of
// floats in double lose next to nothing.
template <Index Rows, class T>
void sums_in_double(const T (*values)[Rows], Index n, double* totals) {
  constexpr Index kSums = 8;
  constexpr bool kLoses = sizeof(T) == sizeof(double);
  double sums[kSums][Rows] = {}, lost[kLoses ? kSums : 1][Rows] = {}, error[Rows] = {};
  const auto add = [](double& sum, double& error_, double value) {
    const double next = sum + value;
    if constexpr (kLoses) {
      const double part = next - sum;
      error_ += (sum - (next - part)) + (value - part);
    }
    sum = next;
  };
  for (Index i = 0; i < n; ++i) {
    const Index lane = i % kSums;
    for (Index r = 0; r < Rows; ++r) {
      add(sums[lane][r], lost[kLoses ? lane : 0][r], static_cast<double>(values[i][r]));
    }
  }
  for (Index r = 0; r < Rows; ++r) totals[r] = 0;
  for (Index lane = 0; lane < kSums; ++lane) {
    for (Index r = 0; r < Rows; ++r) {
      if constexpr (kLoses) error[r] += lost[lane][r];
      add(totals[r], error[r], sums[lane][r]);
    }
  }
  if constexpr (kLoses) {
    for (Index r = 0; r < Rows; ++r) totals[r] += error[r];
  }
}

// The sum of n values.
template <class T>
double sum_in_double(const T* values, Index n) {
  double total;
  sums_in_double(reinterpret_cast<const T(*)[1]>(values), n, &total);
  return total;
}

// The sums of `Sums` terms over n elements, each made of eight interleaved sums, added up in order.
// terms(i, term) sets the terms of element i: term(0), term(1) and so on. A run of elements has its
// terms on the stack before they are added, so that both go through vector registers.
template <Index Sums, class Terms>
std::array<double, Sums> sums_of_terms(Index n, const Terms& terms) {
  double sums[Sums][8] = {}, run[Sums][kLossRun];
  for (Index begin = 0; begin < n; begin += kLossRun) {
    const Index size = std::min(kLossRun, n - begin);
    for (Index i = 0; i < size; ++i)
      terms(begin + i, [&](Index s) -> double& { return run[s][i]; });
    for (Index i = size; i % 8 != 0; ++i) {
      for (Index s = 0; s < Sums; ++s) run[s][i] = 0;
    }
    for (Index i = 0; i < size; i += 8) {
      for (Index s = 0; s < Sums; ++s) {
        for (Index lane = 0; lane < 8; ++lane) sums[s][lane] += run[s][i + lane];
      }
    }
  }
  std::array<double, Sums> totals{};
  for (Index s = 0; s < Sums; ++s) {
    for (Index lane = 0; lane < 8; ++lane) totals[s] += sums[s][lane];
  }
  return totals;
}

}  // namespace detail

}  // namespace densenet
