// The penalty that an optimizer's settings put on weights.
#pragma once

#include "core/updates/optimizers.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

// Returns l1 Σ|w| + l2/2 Σw² over n weights. It adds up in double and always in the same order, in
// eight sums that vector instructions take together.
template <class T>
double penalty(const T* weights, Index n, const Hyperparameters& settings) {
  constexpr Index kSums = 8;
  double absolute[kSums] = {}, squares[kSums] = {};
  const auto add = [&](Index begin, Index count) {
    for (Index i = 0; i < count; ++i) {
      const double w = static_cast<double>(weights[begin + i]);
      absolute[i] += w < 0 ? -w : w;
      squares[i] += w * w;
    }
  };
  Index i = 0;
  for (; i + kSums <= n; i += kSums) add(i, kSums);
  add(i, n - i);
  double ones = 0, twos = 0;
  for (Index s = 0; s < kSums; ++s) {
    ones += absolute[s];
    twos += squares[s];
  }
  return settings.l1 * ones + settings.l2 / 2 * twos;
}

}  // namespace densenet
