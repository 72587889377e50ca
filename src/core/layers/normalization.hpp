// Layer normalisation, over the columns of each row, and batch normalisation, over the rows of each
// column.
//
//   forward    y = γ ∘ x̂ + β with x̂ = (x - mean) / √(variance + ε)
//   backward   dx = (g - mean(g) - x̂ mean(g ∘ x̂)) / √(variance + ε) with g = γ ∘ dy, all means over
//              the same axis
//
// Without rounding, the mean of the differences x - mean would be 0. What it comes to is added to
// the mean, and its square is taken from the variance (Chan, Golub and LeVeque 1983).
#pragma once

#include <cmath>
#include <limits>

#include "core/layers/double_sums.hpp"
#include "core/memory/views.hpp"
#include "core/products/sums.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Mean and 1 / √(variance + ε) of a row.
template <class T>
struct RowStatistics {
  T mean, inverse;
};

// Computes a row y[n] from a row x[n]; returns what the backward pass needs. Ba et al. 2016.
template <class T>
RowStatistics<T> layer_norm_row(const T* x, const T* gamma, const T* beta, T* y, Index n,
                                double eps) {
  const double count = static_cast<double>(n);
  const auto [sum] = detail::sums_of_terms<1>(
      n, [&](Index j, const auto& term) { term(0) = static_cast<double>(x[j]); });
  const double rough = sum / count;
  const auto [parts, squares] = detail::sums_of_terms<2>(n, [&](Index j, const auto& term) {
    const double part = static_cast<double>(x[j]) - rough;
    term(0) = part;
    term(1) = part * part;
  });
  const double rest = parts / count;
  const double mean = rough + rest, variance = squares / count - rest * rest;
  const RowStatistics<T> row{static_cast<T>(mean), static_cast<T>(1 / std::sqrt(variance + eps))};
  for_each_vector<T>(n, [&](Index j, auto lanes) {
    const Vec<T> xhat = (load(x + j, lanes) - Vec<T>(row.mean)) * Vec<T>(row.inverse);
    store(y + j, xhat * load(gamma + j, lanes) + load(beta + j, lanes), lanes);
  });
  return row;
}

// Computes a row dx[n] from a row dy[n], with what layer_norm_row has returned; dx may be dy.
template <class T>
void layer_norm_backward_row(const T* dy, const T* x, const T* gamma, const RowStatistics<T>& row,
                             T* dx, Index n) {
  const double count = static_cast<double>(n);
  const auto [sum, along] = detail::sums_of_terms<2>(n, [&](Index j, const auto& term) {
    const double g = static_cast<double>(dy[j]) * static_cast<double>(gamma[j]);
    const T xhat = (x[j] - row.mean) * row.inverse;
    term(0) = g;
    term(1) = g * static_cast<double>(xhat);
  });
  const Vec<T> mean(static_cast<T>(sum / count)), slope(static_cast<T>(along / count));
  for_each_vector<T>(n, [&](Index j, auto lanes) {
    const Vec<T> hat = (load(x + j, lanes) - Vec<T>(row.mean)) * Vec<T>(row.inverse);
    const Vec<T> g = load(dy + j, lanes) * load(gamma + j, lanes);
    store(dx + j, (g - mean - hat * slope) * Vec<T>(row.inverse), lanes);
  });
}

// Divides these columns of `kinds` sums, each [n], by the number of rows.
template <class T>
void divide(T* sums, Index n, Index kinds, Range cols, T rows) {
  for (Index kind = 0; kind < kinds; ++kind) {
    T* const own = sums + kind * n + cols.begin;
    for_each_vector<T>(cols.size(), [&](Index c, auto lanes) {
      store(own + c, load(own + c, lanes) / Vec<T>(rows), lanes);
    });
  }
}

// Mean and variance of these columns of x (batch, columns), over all its rows, into mean[columns]
// and, behind it, variance[columns]; the columns behind that are scratch. to_means(sums, kinds)
// turns `kinds` sums over the rows, each [columns], into means. Ioffe and Szegedy 2015.
template <class T, class ToMeans>
void batch_statistics(const Matrix<const T>& x, Range cols, T* mean, const ToMeans& to_means) {
  T *variance = mean + x.cols, *parts = variance + x.cols;
  const auto part = [&](Index row, Index col, auto lanes) {
    return load(x.row(row) + col, lanes) - load(mean + col, lanes);
  };
  column_sums<T>(x, cols,
                 [&](Vec<T> sum, Index col, auto lanes) { store(mean + col, sum, lanes); });
  to_means(mean, 1);
  column_sums_of<T>(
      x.rows, cols,
      [&](Index row, Index col, auto lanes) {
        const Vec<T> difference = part(row, col, lanes);
        return difference * difference;
      },
      [&](Vec<T> sum, Index col, auto lanes) { store(variance + col, sum, lanes); });
  column_sums_of<T>(x.rows, cols, part,
                    [&](Vec<T> sum, Index col, auto lanes) { store(parts + col, sum, lanes); });
  to_means(variance, 2);
  for_each_vector<T>(cols.size(), [&](Index offset, auto lanes) {
    const Index col = cols.begin + offset;
    const Vec<T> rest = load(parts + col, lanes), first = load(mean + col, lanes);
    const Vec<T> finite = greater(Vec<T>(std::numeric_limits<T>::infinity()), abs(first));
    store(mean + col, select(finite, first + rest, first), lanes);
    store(variance + col, load(variance + col, lanes) - rest * rest, lanes);
  });
}

// 1 / √(variance + ε)
template <class T>
Vec<T> inverse_deviation(Vec<T> variance, double eps) {
  return Vec<T>(T(1)) / sqrt(variance + Vec<T>(static_cast<T>(eps)));
}

}  // namespace densenet
