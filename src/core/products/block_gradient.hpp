// The weight gradient dW = xᵀ d of a batch of not too many rows, in blocks of dW that are used as
// soon as they are there. For weights.hpp only.
//
// With such a batch the sums of a register take about as long as the update that follows, which
// waits for a root and a quotient. A tile is copied and handed to finish() by a call; a block is
// used in the same loop, so that the processor computes the next sums during an update.
#pragma once

#include <algorithm>

#include "core/memory/views.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"
#include "core/vectors/registers.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// True if these columns of xᵀ d, for x (batch, inputs) and d (batch, outputs), should be computed
// in blocks. A register that is not whole costs a pass of its own over x, and lines shorter than a
// tile's are better joined. With 16 registers a block has few rows, and each line of x is read by
// several blocks: it has to be there still.
template <class T>
bool worth_blocks(const Matrix<const T>& x, const Matrix<const T>& d, Range cols) {
  const Index n = cols.size(), line = d.cols * static_cast<Index>(sizeof(T));
  if (n % kLanes<T> != 0 && n < std::max(kTileCols<T>, kRaggedCols)) return false;
  if (d.rows <= kFewRows) return line <= kBlockLine;
  const bool evicted =
      !kManyRegisters && x.stride * static_cast<Index>(sizeof(T)) % kAliasedBytes == 0;
  return !evicted && line < kFarBytes &&
         d.rows <= (n > kLanes<T> ? kBlockDepth : kBlockColumnDepth);
}

// Calls each(row, column, sum, lanes) on a block of `Rows` rows and `Vectors` registers.
template <Index Rows, Index Vectors, class T, class Lanes, class Each>
EIGEN_ALWAYS_INLINE void gradient_block(const Matrix<const T>& x, const Matrix<const T>& d,
                                        Index row, Index col, Lanes lanes, const Each& each) {
  Vec<T> sum[Rows][Vectors];
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) std::fill_n(sum[r], Vectors, Vec<T>(T(0)));
  const T *left = x.data + row, *right = d.data + col;
  for (Index k = 0; k < d.rows; ++k, left += x.stride, right += d.stride) {
    Vec<T> line[Vectors];
#pragma GCC unroll 2
    for (Index v = 0; v < Vectors; ++v) line[v] = load(right + v * kLanes<T>, lanes);
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
      const Vec<T> same(left[r]);
#pragma GCC unroll 2
      for (Index v = 0; v < Vectors; ++v) sum[r][v] = multiply_add(same, line[v], sum[r][v]);
    }
  }
  for (Index r = 0; r < Rows; ++r) {  // not unrolled: `each` may be long
#pragma GCC unroll 2
    for (Index v = 0; v < Vectors; ++v) each(row + r, col + v * kLanes<T>, sum[r][v], lanes);
  }
}

// The same for all these rows, in blocks of `Rows`. (One row of x has no sums to wait for.) The
// body is copied, so that what no store can change stays in registers.
template <Index Rows, Index Vectors, class T, class Lanes, class Each>
EIGEN_DONT_INLINE void gradient_columns(const Matrix<const T> x, const Matrix<const T> d,
                                        Range rows, Index col, Lanes lanes, const Each each) {
  if (d.rows > 1) {
    for (; rows.size() >= Rows; rows.begin += Rows) {
      gradient_block<Rows, Vectors>(x, d, rows.begin, col, lanes, each);
    }
  }
  for (; rows.begin < rows.end; ++rows.begin) {
    gradient_block<1, Vectors>(x, d, rows.begin, col, lanes, each);
  }
}

// Calls each(row, column, sum, lanes) on the registers of a part of xᵀ d.
template <class T, class Each>
void gradient_by_blocks(const Matrix<const T>& x, const Matrix<const T>& d, const Part& part,
                        const Each& each) {
  const Range cols = part.cols;
  Index col = cols.begin;
  for (; col + kTileCols<T> <= cols.end; col += kTileCols<T>) {
    gradient_columns<kTileRows, kTileVectors>(x, d, part.rows, col, Whole{}, each);
  }
  for_each_vector<T>(cols.end - col, [&](Index c, auto lanes) {
    gradient_columns<kBlockColumnRows, 1>(x, d, part.rows, col + c, lanes, each);
  });
}

}  // namespace densenet
