// Layer normalisation, over the columns of a row, and batch normalisation, over the rows of a
// column.
//
// Both give y = γ ∘ x̂ + β with x̂ = (x - mean) / √(variance + ε). With g = γ ∘ dy, the gradient is
// dx = (g - mean(g) - x̂ mean(g ∘ x̂)) / √(variance + ε), the means over the same axis.
#pragma once

#include <cmath>
#include <limits>

#include "core/memory/views.hpp"
#include "core/products/product.hpp"

namespace densenet {

// Mean and 1 / √(variance + ε) of a row, or of a column.
template <class T>
struct Moments {
  T mean, inverse;
};

// y from one row of x. Ba et al. 2016.
template <class T>
Moments<T> layer_norm_row(const T* x, const T* gamma, const T* beta, T* y, Index n, double eps) {
  const double count = static_cast<double>(n);
  double sum = 0, squares = 0, rest = 0;
  for (Index j = 0; j < n; ++j) sum += static_cast<double>(x[j]);
  const double rough = sum / count;
  for (Index j = 0; j < n; ++j) {
    const double part = static_cast<double>(x[j]) - rough;
    rest += part;
    squares += part * part;
  }
  rest /= count;  // what rounding has kept from the mean
  const double mean = rough + rest, variance = squares / count - rest * rest;
  const Moments<T> moments{static_cast<T>(mean), static_cast<T>(1 / std::sqrt(variance + eps))};
  for_each_vector<T>(n, [&](Index j, auto lanes) {
    const Vec<T> xhat = (load(x + j, lanes) - Vec<T>(moments.mean)) * Vec<T>(moments.inverse);
    store(y + j, xhat * load(gamma + j, lanes) + load(beta + j, lanes), lanes);
  });
  return moments;
}

// dx from one row of dy; dx may be dy.
template <class T>
void layer_norm_backward_row(const T* dy, const T* x, const T* gamma, const Moments<T>& moments,
                             T* dx, Index n) {
  const double count = static_cast<double>(n);
  double sum = 0, along = 0;
  const auto xhat = [&](Index j) { return (x[j] - moments.mean) * moments.inverse; };
  for (Index j = 0; j < n; ++j) {
    const double g = static_cast<double>(dy[j]) * static_cast<double>(gamma[j]);
    sum += g;
    along += g * static_cast<double>(xhat(j));
  }
  const Vec<T> mean(static_cast<T>(sum / count)), slope(static_cast<T>(along / count));
  for_each_vector<T>(n, [&](Index j, auto lanes) {
    const Vec<T> hat = (load(x + j, lanes) - Vec<T>(moments.mean)) * Vec<T>(moments.inverse);
    const Vec<T> g = load(dy + j, lanes) * load(gamma + j, lanes);
    store(dx + j, (g - mean - hat * slope) * Vec<T>(moments.inverse), lanes);
  });
}

// Mean and variance of some columns of a batch, over all its rows (Ioffe and Szegedy 2015). The sum
// of the differences from a mean is what rounding has kept from it, and corrects both.
template <class T>
void batch_moments(const Matrix<const T>& x, Range cols, T* mean, T* variance) {
  const Vec<T> count(static_cast<T>(x.rows));
  const auto part = [&](Index row, Index col, auto lanes) {
    return load(x.row(row) + col, lanes) - load(mean + col, lanes);
  };
  column_sums<T>(x, cols,
                 [&](Vec<T> sum, Index col, auto lanes) { store(mean + col, sum / count, lanes); });
  column_sums_of<T>(
      x.rows, cols,
      [&](Index row, Index col, auto lanes) {
        const Vec<T> difference = part(row, col, lanes);
        return difference * difference;
      },
      [&](Vec<T> sum, Index col, auto lanes) { store(variance + col, sum / count, lanes); });
  column_sums_of<T>(x.rows, cols, part, [&](Vec<T> sum, Index col, auto lanes) {
    const Vec<T> rest = sum / count, first = load(mean + col, lanes);
    const Vec<T> finite = greater(Vec<T>(std::numeric_limits<T>::infinity()), abs(first));
    store(mean + col, select(finite, first + rest, first), lanes);
    store(variance + col, load(variance + col, lanes) - rest * rest, lanes);
  });
}

template <class T>
Vec<T> inverse_deviation(Vec<T> variance, double eps) {
  return Vec<T>(T(1)) / sqrt(variance + Vec<T>(static_cast<T>(eps)));
}

}  // namespace densenet
