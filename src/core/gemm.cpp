// The register tile: the inner loop of all three products.
#include "core/gemm.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace densenet {

namespace {

template <class T, class A, Index Rows, Index Vectors, class Last>
void accumulate(const A& a, Index row, const Strip<T>& b, Last last, bool add, T* sums) {
  Vec<T> sum[Rows][Vectors];
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (Index v = 0; v < Vectors; ++v) sum[r][v] = Vec<T>(T(0));
  }
  const T* line = b.data;
  for (Index k = 0; k < b.depth; ++k, line += b.stride) {
    Vec<T> right[Vectors];
    if constexpr (Vectors == 2) right[0] = load(line, Whole{});
    right[Vectors - 1] = load(line + (Vectors - 1) * kLanes<T>, last);
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
      const Vec<T> left(*a.at(row + r, k));
#pragma GCC unroll 2
      for (Index v = 0; v < Vectors; ++v) sum[r][v] = multiply_add(left, right[v], sum[r][v]);
    }
  }
#pragma GCC unroll 16
  for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
    for (Index v = 0; v < Vectors; ++v) {
      T* to = sums + r * kTileCols<T> + v * kLanes<T>;
      store(to, add ? load(to, Whole{}) + sum[r][v] : sum[r][v], Whole{});
    }
  }
}

template <class T, class A, class Last>
using Accumulate = void (*)(const A&, Index, const Strip<T>&, Last, bool, T*);

// One function for each height of a tile, so that rows can be shared out evenly: 32 are 11+11+10.
template <class T, class A, class Last, Index Vectors, std::size_t... Heights>
constexpr auto by_height(std::index_sequence<Heights...>) {
  return std::array<Accumulate<T, A, Last>, sizeof...(Heights)>{
      &accumulate<T, A, static_cast<Index>(Heights + 1), Vectors, Last>...};
}

template <class T, class A, class Last>
void accumulate(const A& a, Range rows, const Strip<T>& b, Last last, bool add, T* sums) {
  constexpr auto kHeights = std::make_index_sequence<static_cast<std::size_t>(kTileRows)>{};
  static constexpr auto kOne = by_height<T, A, Last, 1>(kHeights);
  static constexpr auto kTwo = by_height<T, A, Last, 2>(kHeights);
  const auto& table = b.cols > kLanes<T> ? kTwo : kOne;
  table[static_cast<std::size_t>(rows.size() - 1)](a, rows.begin, b, last, add, sums);
}

}  // namespace

template <class T, class A>
void tile_sums(const A& a, Range rows, const Strip<T>& b, bool add, T* sums) {
  const Index ragged = b.cols % kLanes<T>;
  if (b.padded || ragged == 0) {
    accumulate(a, rows, b, Whole{}, add, sums);
  } else {
    accumulate(a, rows, b, First{ragged}, add, sums);
  }
}

template void tile_sums(const RowMajor<float>&, Range, const Strip<float>&, bool, float*);
template void tile_sums(const RowMajor<double>&, Range, const Strip<double>&, bool, double*);
template void tile_sums(const Transposed<float>&, Range, const Strip<float>&, bool, float*);
template void tile_sums(const Transposed<double>&, Range, const Strip<double>&, bool, double*);

}  // namespace densenet
