// Products of batches of so few rows that tiles do not pay. For product.cpp and weights.hpp only.
//
//   row_product        y = x W for one row, with several chunks of its sums at a time
//   outer_product      dW = xᵀ dy for one row, and dx = dy Wᵀ for one output
//   gradient_by_lines  dW = xᵀ dy for a few rows, one line of dW after the other: the update of far
//                      memory takes most of the time, and processors foresee lines that follow each
//                      other better than tiles can fetch them
#pragma once

#include <algorithm>

#include "core/memory/views.hpp"
#include "core/products/depth.hpp"
#include "core/products/operands.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Computes the sums of `Chunks` chunks from `first` on, of a row of x times a register of columns
// of W, into to[Chunks]. At every step a sum waits for its last term; several sums side by side do
// not wait for each other.
template <Index Chunks, class T, class Lanes>
void chunk_sums(const T* row, const RowMajor<T>& b, const Depth& depth, Index first, Index col,
                Lanes lanes, Vec<T>* to) {
  const T *left[Chunks], *line[Chunks];
  Vec<T> sum[Chunks];
  Index least = depth.size;
#pragma GCC unroll 4
  for (Index i = 0; i < Chunks; ++i) {
    const Range terms = depth[first + i];
    left[i] = row + terms.begin;
    line[i] = b.at(terms.begin, col);
    sum[i] = Vec<T>(T(0));
    least = std::min(least, terms.size());
  }
  const auto add = [&](Index i, Index k) {
    sum[i] = multiply_add(Vec<T>(left[i][k]), load(line[i] + k * b.stride, lanes), sum[i]);
  };
  for (Index k = 0; k < least; ++k) {
#pragma GCC unroll 4
    for (Index i = 0; i < Chunks; ++i) add(i, k);
  }
#pragma GCC unroll 4
  for (Index i = 0; i < Chunks; ++i) {
    for (Index k = least; k < depth[first + i].size(); ++k) add(i, k);
    to[i] = sum[i];
  }
}

// The forward product of one row of x with no more columns than a tile has, whose depth is
// pairwise. `sums` is scratch memory for one tile.
template <class T>
void row_product(const RowMajor<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
                 T* sums, const Finish<T>& finish) {
  const T* const row = a.at(part.rows.begin, 0);
  for_each_vector<T>(part.cols.size(), [&](Index c, auto lanes) {
    const Index col = part.cols.begin + c, count = depth.chunks.size();
    Vec<T> chunks[kMostShares];
    for (Index i = 0; i < count;) {
      const Index left = count - i, first = depth.chunks.begin + i;
      if (left >= 4) {
        chunk_sums<4>(row, b, depth, first, col, lanes, chunks + i);
        i += 4;
      } else if (left >= 2) {
        chunk_sums<2>(row, b, depth, first, col, lanes, chunks + i);
        i += 2;
      } else {
        chunk_sums<1>(row, b, depth, first, col, lanes, chunks + i);
        i += 1;
      }
    }
    store(sums + c, add_pairwise(chunks, count), Whole{});
  });
  finish(Tile<T>{sums, part.rows.begin, part.cols.begin, 1, part.cols.size()});
}

// A product one term deep, in bundles of tiles: the weight gradient of a single row, for narrow
// layers and as a kernel of its own, and the input gradient of a single output. `products` is
// scratch memory for a bundle.
template <class T, class A>
void outer_product(const A& a, const RowMajor<T>& b, const Part& part, T* products,
                   const Finish<T>& finish) {
  constexpr Index kBand = kBundleTiles * kTileRows;
  for (Index row = part.rows.begin; row < part.rows.end; row += kBand) {
    const Index rows = std::min(kBand, part.rows.end - row);
    for (Index col = part.cols.begin; col < part.cols.end; col += kTileCols<T>) {
      const Index cols = std::min(kTileCols<T>, part.cols.end - col);
      for_each_vector<T>(cols, [&](Index c, auto lanes) {
        const Vec<T> right = load(b.at(0, col + c), lanes);
        for (Index r = 0; r < rows; ++r) {
          const Vec<T> left(*a.at(row + r, 0));
          store(products + r * kTileCols<T> + c, multiply_add(left, right, Vec<T>(T(0))), Whole{});
        }
      });
      finish(Tile<T>{products, row, col, rows, cols});
    }
  }
}

// True if these columns of xᵀ d, for d (batch, outputs), should be computed line after line: few
// rows, and no narrow layer. More rows only where lines are whole and d, which each line reads
// again, stays in the first-level cache.
template <class T>
bool worth_lines(const Matrix<const T>& d, Range cols) {
  const bool near =
      cols.size() == d.cols && d.rows * d.cols * static_cast<Index>(sizeof(T)) <= kNearBytes;
  return d.rows <= (near ? kFewNearRows : kFewRows) && cols.size() >= kLineVectors * kLanes<T>;
}

// Calls each(row, column, sum, lanes) on the registers of a part of xᵀ d, line after line, for x
// (batch, inputs) and d (batch, outputs).
template <class T, class Each>
void gradient_by_lines(const Matrix<const T>& x, const Matrix<const T>& d, const Part& part,
                       const Each each) {
  for (Index row = part.rows.begin; row < part.rows.end; ++row) {
    Index col = part.cols.begin;
    for (; col + kLineVectors * kLanes<T> <= part.cols.end; col += kLineVectors * kLanes<T>) {
      Vec<T> sum[kLineVectors] = {Vec<T>(T(0)), Vec<T>(T(0)), Vec<T>(T(0)), Vec<T>(T(0))};
      for (Index k = 0; k < d.rows; ++k) {
        const Vec<T> left(x.row(k)[row]);
        const T* const right = d.row(k) + col;
#pragma GCC unroll 4
        for (Index v = 0; v < kLineVectors; ++v) {
          sum[v] = multiply_add(left, load(right + v * kLanes<T>, Whole{}), sum[v]);
        }
      }
#pragma GCC unroll 4
      for (Index v = 0; v < kLineVectors; ++v) each(row, col + v * kLanes<T>, sum[v], Whole{});
    }
    for_each_vector<T>(part.cols.end - col, [&](Index c, auto lanes) {
      Vec<T> sum(T(0));
      for (Index k = 0; k < d.rows; ++k) {
        sum = multiply_add(Vec<T>(x.row(k)[row]), load(d.row(k) + col + c, lanes), sum);
      }
      each(row, col + c, sum, lanes);
    });
  }
}

}  // namespace densenet
