// Products of a batch of one row, which need no tile. Private to gemm.cpp.
//
// A step of 784-16-16-10 takes 4.4 us on two threads, and 6.7 on one; with the chunks of its first
// layer's sums one after the other it took 4.7 and 7.0.
#pragma once

#include <algorithm>

#include "core/gemm.hpp"

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

// The weight gradient of a single row.
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

}  // namespace densenet
