// Products of a batch of few rows, which need no tile. For product.cpp and weights.hpp only.
//
// A single row's sums through a narrow layer: 784-16-16-10 takes 4.4 us a step on two threads, and
// 6.7 on one; with the chunks of its first layer's sums one after the other it took 4.7 and 7.0.
//
// The weight gradient line after line: an update of far memory is what takes time, and processors
// foresee lines that follow each other better than tiles can fetch them. 3072-512-10 on one thread,
// batches of 1, 4 and 8: 0.63, 0.66 and 1.12 ms, by tiles 1.19, 1.20 and 1.35; 128-128-128-10,
// batch 8: 26 and 31 us. With 16 rows of 1024 it takes 1.5 times as long as tiles, and with 32 of
// 128 as long.
#pragma once

#include <algorithm>

#include "core/products/product.hpp"

namespace densenet {

// The sums of some chunks of a row's depth, for a register of columns. A sum waits for its own last
// term at every step; side by side they do not wait for each other.
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

// The forward product of a single row by no more columns than a tile has, whose depth is shared.
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

// The weight gradient of a single row, in tiles of products that are finished some together: by a
// narrow layer, or alone.
template <class T>
void outer_product(const Transposed<T>& a, const RowMajor<T>& b, const Part& part, T* products,
                   const Finish<T>& finish) {
  constexpr Index kBand = kGroup * kTileRows;
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

// Whether to take the weight gradient of a few rows line after line: not by a narrow layer. More
// rows only for whole lines (of n columns), and where d, which each line reads again, stays in the
// first-level cache.
inline constexpr Index kFewRows = 4, kFewNearRows = 16, kNearBytes = 1 << 14, kTogether = 4;
template <class T>
bool worth_lines(const Part& part, Index n, Index depth) {
  const Index cols = part.cols.size();
  const bool near = cols == n && depth * n * static_cast<Index>(sizeof(T)) <= kNearBytes;
  return depth <= (near ? kFewNearRows : kFewRows) && cols >= kTogether * kLanes<T>;
}

// Calls each(row, column, sum, lanes) on the registers of xᵀ d, line after line.
template <class T, class Each>
void gradient_by_lines(const Matrix<const T>& x, const Matrix<const T>& d, const Part& part,
                       const Each each) {
  for (Index row = part.rows.begin; row < part.rows.end; ++row) {
    Index col = part.cols.begin;
    for (; col + kTogether * kLanes<T> <= part.cols.end; col += kTogether * kLanes<T>) {
      Vec<T> sum[kTogether] = {Vec<T>(T(0)), Vec<T>(T(0)), Vec<T>(T(0)), Vec<T>(T(0))};
      for (Index k = 0; k < d.rows; ++k) {
        const Vec<T> left(x.row(k)[row]);
        const T* const right = d.row(k) + col;
#pragma GCC unroll 4
        for (Index v = 0; v < kTogether; ++v) {
          sum[v] = multiply_add(left, load(right + v * kLanes<T>, Whole{}), sum[v]);
        }
      }
#pragma GCC unroll 4
      for (Index v = 0; v < kTogether; ++v) each(row, col + v * kLanes<T>, sum[v], Whole{});
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
