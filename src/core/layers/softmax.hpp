// Softmax, forward and backward, a row of logits (one sample) at a time.
#pragma once

#include <algorithm>

#include "core/layers/double_sums.hpp"
#include "core/memory/views.hpp"
#include "core/tuning.hpp"
#include "core/vectors/exp.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// What the cross-entropy needs of a row of logits z besides its probabilities.
struct SoftmaxSums {
  double largest;  // max_c z_c
  double total;    // Σ_c e^(z_c - largest)
};

// probabilities_c = e^(z_c - max z) / Σ_c e^(z_c - max z), in which no exponential overflows.
template <class T>
SoftmaxSums softmax_row(const T* logits, T* probabilities, Index classes) {
  T largest = logits[0];
  for (Index c = 1; c < classes; ++c) largest = largest < logits[c] ? logits[c] : largest;
  for_each_vector<T>(classes, [&](Index c, auto lanes) {
    store(probabilities + c, exp(load(logits + c, lanes) - Vec<T>(largest)), lanes);
  });
  const double total = detail::sum_in_double(probabilities, classes);
  const Vec<T> sum(static_cast<T>(total));
  for_each_vector<T>(classes, [&](Index c, auto lanes) {
    store(probabilities + c, load(probabilities + c, lanes) / sum, lanes);
  });
  return {static_cast<double>(largest), total};
}

// The same for kLanes rows side by side, in place: values[c * kLanes + row] is a row's logit, and
// becomes its probability.
template <class T>
void softmax_in_place(T* values, Index classes, SoftmaxSums* sums) {
  constexpr Index kRows = kLanes<T>;
  const auto of_class = [&](Index c) { return load(values + c * kRows, Whole{}); };
  const auto put = [&](Index c, Vec<T> value) { store(values + c * kRows, value, Whole{}); };
  Vec<T> most = of_class(0);
  for (Index c = 1; c < classes; ++c) most = max(most, of_class(c));
  for (Index c = 0; c < classes; ++c) put(c, exp(of_class(c) - most));
  T largest[kRows], divisors[kRows];
  double totals[kRows];
  store(largest, most, Whole{});
  detail::sums_in_double(reinterpret_cast<const T(*)[kRows]>(values), classes, totals);
  std::transform(totals, totals + kRows, divisors, [](double sum) { return static_cast<T>(sum); });
  const Vec<T> sum = load(divisors, Whole{});
  for (Index c = 0; c < classes; ++c) put(c, of_class(c) / sum);
  for (Index row = 0; row < kRows; ++row) {
    sums[row] = {static_cast<double>(largest[row]), totals[row]};
  }
}

// The same for up to kLanes rows of up to kFewClasses classes, a row in each lane: twice as fast as
// row by row.
template <class T>
void softmax_in_lanes(const Matrix<const T>& logits, Range rows, T* probabilities,
                      SoftmaxSums* sums) {
  constexpr Index kRows = kLanes<T>;
  const Index n = logits.cols;
  T values[kFewClasses * kRows] = {};
  for (Index i = rows.begin; i < rows.end; ++i) {
    for (Index c = 0; c < n; ++c) values[c * kRows + i - rows.begin] = logits.row(i)[c];
  }
  softmax_in_place(values, n, sums);
  for (Index i = rows.begin; i < rows.end; ++i) {
    for (Index c = 0; c < n; ++c) probabilities[i * n + c] = values[c * kRows + i - rows.begin];
  }
}

// The softmax of these rows of logits (batch, classes) into probabilities (batch, classes). Calls
// done(row, sums) after each row. A row's bits do not depend on the rows beside it.
template <class T, class Done>
void softmax_rows(const Matrix<const T>& logits, Range rows, T* probabilities, const Done& done) {
  const Index n = logits.cols, together = n <= kFewClasses ? kLanes<T> : 1;
  for (Range some = rows; some.begin < rows.end; some.begin = some.end) {
    some.end = std::min(some.begin + together, rows.end);
    SoftmaxSums sums[kLanes<T>];
    if (some.size() > 1) {
      softmax_in_lanes(logits, some, probabilities, sums);
    } else {
      sums[0] = softmax_row(logits.row(some.begin), probabilities + some.begin * n, n);
    }
    for (Index i = some.begin; i < some.end; ++i) done(i, sums[i - some.begin]);
  }
}

// dx = y ∘ (dy - Σ_c dy_c y_c), for one row of y = softmax(x).
template <class T>
void softmax_backward_row(const T* dy, const T* y, T* dx, Index classes) {
  double dot = 0;
  for (Index c = 0; c < classes; ++c) dot += static_cast<double>(dy[c]) * static_cast<double>(y[c]);
  const Vec<T> mean(static_cast<T>(dot));
  for_each_vector<T>(classes, [&](Index c, auto lanes) {
    store(dx + c, load(y + c, lanes) * (load(dy + c, lanes) - mean), lanes);
  });
}

}  // namespace densenet
