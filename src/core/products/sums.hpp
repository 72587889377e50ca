// Sums of columns over all rows of a batch: dbias = 1ᵀ dy, and a normalisation's means.
#pragma once

#include <algorithm>

#include "core/memory/views.hpp"
#include "core/products/depth.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Sums value(row, column, lanes) over the rows, for `Vectors` registers of columns from `first` on,
// in the same chunks as a product. Calls put(sum, column, lanes) on each register.
template <Index Vectors, class T, class Lanes, class Value, class Put>
void sums_below(Index rows, Index first, Lanes lanes, const Value& value, const Put& put) {
  Vec<T> total[Vectors];
  const Depth depth(rows);
  for (Index chunk = 0; chunk < depth.count; ++chunk) {
    const Range terms = depth[chunk];
    Vec<T> sum[Vectors];
    std::fill_n(sum, Vectors, Vec<T>(T(0)));
    for (Index i = terms.begin; i < terms.end; ++i) {
#pragma GCC unroll 4
      for (Index v = 0; v < Vectors; ++v) sum[v] = sum[v] + value(i, first + v * kLanes<T>, lanes);
    }
    for (Index v = 0; v < Vectors; ++v) total[v] = chunk == 0 ? sum[v] : total[v] + sum[v];
  }
  for (Index v = 0; v < Vectors; ++v) put(total[v], first + v * kLanes<T>, lanes);
}

// Sums value(row, column, lanes) over the rows, for each of these columns. Calls put(sum, column,
// lanes) on each register of sums.
template <class T, class Value, class Put>
void column_sums_of(Index rows, Range cols, const Value& value, const Put& put) {
  constexpr Index kWidth = kSumVectors * kLanes<T>;
  for (; cols.size() >= kWidth; cols.begin += kWidth) {
    sums_below<kSumVectors, T>(rows, cols.begin, Whole{}, value, put);
  }
  for_each_vector<T>(cols.size(), [&](Index offset, auto lanes) {
    sums_below<1, T>(rows, cols.begin + offset, lanes, value, put);
  });
}

// Sums columns of a matrix m over its rows. Calls put(sum, column, lanes) on each register of sums.
template <class T, class Put>
void column_sums(const Matrix<const T>& m, Range cols, const Put& put) {
  column_sums_of<T>(
      m.rows, cols, [&](Index row, Index col, auto lanes) { return load(m.row(row) + col, lanes); },
      put);
}

}  // namespace densenet
