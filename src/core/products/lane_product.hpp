// Products of small matrices, one product in each lane: kLanes networks at a time.
//
// An element of these matrices is a vector register, a number of each network. Each lane adds up
// its products in the order that product.hpp promises, so its bits are those of a product alone.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "core/memory/views.hpp"
#include "core/products/depth.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// A matrix of registers: element [i, j] is at data[(i * row + j * col) * kLanes].
template <class T>
struct LaneMatrix {
  const T* data;
  Index row, col;

  const T* at(Index i, Index j) const { return data + (i * row + j * col) * kLanes<T>; }
};

// The sums of a tile over one chunk of the depth. `sums` holds those that wait, as in depth.hpp:
// the first `completed` are added to this one, which goes to place `to`.
template <class T>
struct LaneTask {
  LaneMatrix<T> a, b;  // from the tile's first row, and its first column, on
  Range chunk;
  T* sums;
  Index completed, to;

  static constexpr Index kSize = kLaneTileRows * kLaneTileCols * kLanes<T>;
  static constexpr Index kAll = 6 * kSize;  // of kMostShares chunks, 32, five wait at most
  T* place(Index number) const { return sums + number * kSize; }
};

template <class T, Index Rows, Index Cols>
void lane_tile(const LaneTask<T>& task) {
  Vec<T> sum[Rows][Cols];
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 16
    for (Index c = 0; c < Cols; ++c) sum[r][c] = Vec<T>(T(0));
  }
  for (Index k = task.chunk.begin; k < task.chunk.end; ++k) {
    Vec<T> right[Cols];
#pragma GCC unroll 16
    for (Index c = 0; c < Cols; ++c) right[c] = load(task.b.at(k, c), Whole{});
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
      const Vec<T> left = load(task.a.at(r, k), Whole{});
#pragma GCC unroll 16
      for (Index c = 0; c < Cols; ++c) sum[r][c] = multiply_add(left, right[c], sum[r][c]);
    }
  }
  for (Index waiting = 0; waiting < task.completed; ++waiting) {
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 16
      for (Index c = 0; c < Cols; ++c) {
        sum[r][c] = load(task.place(waiting) + (r * Cols + c) * kLanes<T>, Whole{}) + sum[r][c];
      }
    }
  }
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 16
    for (Index c = 0; c < Cols; ++c) {
      store(task.place(task.to) + (r * Cols + c) * kLanes<T>, sum[r][c], Whole{});
    }
  }
}

// lane_tile of so many rows and columns, at [(rows - 1) * kLaneTileCols + columns - 1].
template <class T, std::size_t... I>
constexpr auto lane_tiles(std::index_sequence<I...>) {
  return std::array<void (*)(const LaneTask<T>&), sizeof...(I)>{
      &lane_tile<T, static_cast<Index>(I) / kLaneTileCols + 1,
                 static_cast<Index>(I) % kLaneTileCols + 1>...};
}

// Calls put(row, column, sum) on each element of C = A B, where A is (rows, depth) and B (depth,
// cols).
template <class T, class Put>
void lane_product(const LaneMatrix<T>& a, const LaneMatrix<T>& b, Index rows, Index cols,
                  const Depth& depth, const Put& put) {
  static constexpr auto kTiles = lane_tiles<T>(
      std::make_index_sequence<static_cast<std::size_t>(kLaneTileRows * kLaneTileCols)>{});
  alignas(64) T sums[LaneTask<T>::kAll];
  const EvenSplit down(rows, kLaneTileRows), across(cols, kLaneTileCols);
  for (Index i = 0; i < down.count; ++i) {
    for (Index j = 0; j < across.count; ++j) {
      const Range its_rows = down[i], its_cols = across[j];
      const Index height = its_rows.size(), width = its_cols.size();
      const auto tile = kTiles[static_cast<std::size_t>((height - 1) * kLaneTileCols + width - 1)];
      LaneTask<T> task{{a.at(its_rows.begin, 0), a.row, a.col},
                       {b.at(0, its_cols.begin), b.row, b.col},
                       {},
                       sums,
                       0,
                       0};
      for (Index chunk = 0; chunk < depth.count; ++chunk) {
        task.chunk = depth[chunk];
        task.completed = depth.completed(chunk);
        task.to = depth.pairwise ? task.completed : 0;
        tile(task);
      }
      const T* sum = task.place(task.to);
      for (Index row = its_rows.begin; row < its_rows.end; ++row) {
        for (Index col = its_cols.begin; col < its_cols.end; ++col, sum += kLanes<T>) {
          put(row, col, load(sum, Whole{}));
        }
      }
    }
  }
}

}  // namespace densenet
