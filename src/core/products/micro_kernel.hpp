// The inner loop of all three products, whose sums stay in registers. Private to product.cpp.
//
// Each step along the depth loads a line of a strip of B (two registers) and, for each row of the
// tile, one element of A, which it multiplies with both and adds to two registers of sums.
#pragma once

#include <array>
#include <cstddef>
#include <utility>

#include "core/products/fetching.hpp"
#include "core/products/operands.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Walks along the depth of `Rows` rows of A: cursor[r] is the element of row r at this step. (One
// pointer serves three rows, as an address of x86 may be pointer + 1 or 2 times an index.)
template <class T, Index Rows>
class RowMajorCursor {
 public:
  explicit RowMajorCursor(const RowMajor<T>& a) : stride_(a.stride) {
#pragma GCC unroll 16
    for (Index g = 0; g < kGroups; ++g) group_[g] = a.at(3 * g, 0);
  }
  T operator[](Index r) const { return group_[r / 3][r % 3 * stride_]; }
  void next() {
#pragma GCC unroll 16
    for (Index g = 0; g < kGroups; ++g) ++group_[g];
  }

 private:
  static constexpr Index kGroups = (Rows + 2) / 3;
  const T* group_[kGroups];
  Index stride_;
};

template <class T, Index Rows>
class TransposedCursor {
 public:
  explicit TransposedCursor(const Transposed<T>& a) : line_(a.data), stride_(a.stride) {}
  T operator[](Index r) const { return line_[r]; }
  void next() {
    line_ += stride_;
    // The lines are too far apart for the processor to foresee them.
    prefetch(line_ + kTransposedAhead * stride_);
    if constexpr (Rows > 8) prefetch(line_ + kTransposedAhead * stride_ + Rows - 1);
  }

 private:
  const T* line_;
  Index stride_;
};

template <Index Rows, class T>
RowMajorCursor<T, Rows> cursor(const RowMajor<T>& a) {
  return RowMajorCursor<T, Rows>(a);
}
template <Index Rows, class T>
TransposedCursor<T, Rows> cursor(const Transposed<T>& a) {
  return TransposedCursor<T, Rows>(a);
}

// One call of the inner loop: tiles of one height below each other, times one strip of B, over one
// chunk of the depth. The *_step members lead from what belongs to a tile to the next one's.
template <class T>
struct Task {
  Index tiles;
  Index a_step;
  const T* b;            // the strip (depth, kTileCols)
  Index line, depth;     // elements from one line of the strip to the next; lines
  const T* before;       // sums of earlier chunks that are added to this one:
  Index waiting, apart;  // how many matrices of them, and how far apart
  T* to;                 // where the sums go: (rows, kTileCols) a tile
  Index before_step, to_step;
  Lines<T> lines;  // fetched during a tile, one at each step along the depth
  Index lines_step;
  Columns<T> columns;  // fetched during all tiles, some rows every few steps
};

// Computes the sums of the task's tiles, of `Rows` rows and `Vectors` registers in a row. `last` is
// how much of a line's last register may be read.
template <class T, class A, Index Rows, Index Vectors, class Last>
void accumulate(A a, const Task<T>& task, Last last) {
  Fetching<T> fetching(task.columns, task.tiles * task.depth);
  for (Index tile = 0; tile < task.tiles; ++tile, a.data += task.a_step) {
    Vec<T> sum[Rows][Vectors];
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (Index v = 0; v < Vectors; ++v) sum[r][v] = Vec<T>(T(0));
    }
    auto left = cursor<Rows>(a);
    const T* line = task.b;
    const T* ahead = task.lines.first + tile * task.lines_step;
    const auto go_down = [&] {
      prefetch(ahead);
      if constexpr (kTileCols<T> * sizeof(T) > 64) prefetch(ahead + kTileCols<T> / 2);
      ahead += task.lines.stride;
      Vec<T> right[Vectors];
      if constexpr (Vectors == 2) right[0] = load(line, Whole{});
      right[Vectors - 1] = load(line + (Vectors - 1) * kLanes<T>, last);
#pragma GCC unroll 16
      for (Index r = 0; r < Rows; ++r) {
        const Vec<T> same(left[r]);
#pragma GCC unroll 2
        for (Index v = 0; v < Vectors; ++v) sum[r][v] = multiply_add(same, right[v], sum[r][v]);
      }
      line += task.line;
      left.next();
    };
    for (Index rest = task.depth; rest > 0;) {
      Index steps = fetching.wait(rest);
      rest -= steps;
      for (; steps >= 2; steps -= 2) {
        go_down();
        go_down();
      }
      if (steps > 0) go_down();
      for (Index n = fetching.now(); n > 0; --n) {
        const T* const next = fetching.next();
        prefetch(next);
        if constexpr (Vectors == 2) prefetch(next + kLanes<T>);
      }
    }

    const T* before = task.before + tile * task.before_step;
    for (Index n = task.waiting; n > 0; --n, before += task.apart) {
#pragma GCC unroll 16
      for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
        for (Index v = 0; v < Vectors; ++v) {
          sum[r][v] = load(before + r * kTileCols<T> + v * kLanes<T>, Whole{}) + sum[r][v];
        }
      }
    }
    T* const to = task.to + tile * task.to_step;
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (Index v = 0; v < Vectors; ++v) {
        store(to + r * kTileCols<T> + v * kLanes<T>, sum[r][v], Whole{});
      }
    }
  }
}

template <class T, class A, class Last>
using Accumulate = void (*)(A, const Task<T>&, Last);

// One function for each height of a tile, so that rows can be cut evenly: 32 into 11 + 11 + 10.
template <class T, class A, class Last, Index Vectors, std::size_t... Heights>
constexpr auto by_height(std::index_sequence<Heights...>) {
  return std::array<Accumulate<T, A, Last>, sizeof...(Heights)>{
      &accumulate<T, A, static_cast<Index>(Heights + 1), Vectors, Last>...};
}

template <class T, class A, class Last>
void accumulate(const A& a, Index height, Index cols, const Task<T>& task, Last last) {
  constexpr auto kHeights = std::make_index_sequence<static_cast<std::size_t>(kTileRows)>{};
  static constexpr auto kOne = by_height<T, A, Last, 1>(kHeights);
  static constexpr auto kTwo = by_height<T, A, Last, 2>(kHeights);
  const auto& table = cols > kLanes<T> ? kTwo : kOne;
  table[static_cast<std::size_t>(height - 1)](a, task, last);
}

// Computes the sums of tiles of `height` rows and `cols` columns, up to kTileRows and kTileCols.
// `padded`: whole registers of the strip may be read, whatever `cols` is.
template <class T, class A>
void tile_sums(const A& a, Index height, Index cols, bool padded, const Task<T>& task) {
  const Index ragged = cols % kLanes<T>;
  if (padded || ragged == 0) {
    accumulate(a, height, cols, task, Whole{});
  } else {
    accumulate(a, height, cols, task, First{ragged});
  }
}

}  // namespace densenet
