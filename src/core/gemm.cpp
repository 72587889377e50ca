// The register tile: the inner loop of all three products.
#include "core/gemm.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace densenet {

namespace {

template <class T, class A, Index Rows, Index Vectors, class Last>
void accumulate(const A& a, Index row, Index depth, const T* b, Index b_stride, Last last, T* sums) {
  constexpr Index kLast = (Vectors - 1) * kLanes<T>;
  for (Index chunk = 0; chunk < depth; chunk += kChunk) {
    const Index end = std::min(depth, chunk + kChunk);
    Vec<T> sum[Rows][Vectors];
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (Index v = 0; v < Vectors; ++v) sum[r][v] = Vec<T>(T(0));
    }
    for (Index k = chunk; k < end; ++k) {
      const T* line = b + k * b_stride;
      Vec<T> right[Vectors];
      if constexpr (Vectors == 2) right[0] = load(line, Whole{});
      right[Vectors - 1] = load(line + kLast, last);
#pragma GCC unroll 16
      for (Index r = 0; r < Rows; ++r) {
        const Vec<T> left(*a.at(row + r, k));
#pragma GCC unroll 2
        for (Index v = 0; v < Vectors; ++v) {
          sum[r][v] = multiply_add(left, right[v], sum[r][v]);
        }
      }
    }
#pragma GCC unroll 16
    for (Index r = 0; r < Rows; ++r) {
#pragma GCC unroll 2
      for (Index v = 0; v < Vectors; ++v) {
        T* to = sums + r * kTileCols<T> + v * kLanes<T>;
        store(to, chunk == 0 ? sum[r][v] : load(to, Whole{}) + sum[r][v], Whole{});
      }
    }
  }
}

template <class T, class A, class Last>
using Accumulate = void (*)(const A&, Index, Index, const T*, Index, Last, T*);

// One function for each height of a tile, so that rows can be shared out evenly: 32 are 11+11+10.
template <class T, class A, class Last, Index Vectors, std::size_t... Heights>
constexpr auto accumulators(std::index_sequence<Heights...>) {
  return std::array<Accumulate<T, A, Last>, sizeof...(Heights)>{
      &accumulate<T, A, static_cast<Index>(Heights + 1), Vectors, Last>...};
}

template <class T, class A, class Last>
void accumulate(const A& a, Range rows, Index depth, const T* b, Index b_stride, Index cols,
                Last last, T* sums) {
  constexpr auto kHeights = std::make_index_sequence<static_cast<std::size_t>(kTileRows)>{};
  static constexpr auto kOne = accumulators<T, A, Last, 1>(kHeights);
  static constexpr auto kTwo = accumulators<T, A, Last, 2>(kHeights);
  const auto& table = cols > kLanes<T> ? kTwo : kOne;
  table[static_cast<std::size_t>(rows.size() - 1)](a, rows.begin, depth, b, b_stride, last, sums);
}

}  // namespace

template <class T, class A>
void tile_sums(const A& a, Range rows, const T* b, Index b_stride, Index cols, bool padded,
               Index depth, T* sums) {
  const Index ragged = cols % kLanes<T>;
  if (padded || ragged == 0) {
    accumulate(a, rows, depth, b, b_stride, cols, Whole{}, sums);
  } else {
    accumulate(a, rows, depth, b, b_stride, cols, First{ragged}, sums);
  }
}

template void tile_sums(const RowMajor<float>&, Range, const float*, Index, Index, bool, Index,
                        float*);
template void tile_sums(const RowMajor<double>&, Range, const double*, Index, Index, bool, Index,
                        double*);
template void tile_sums(const Transposed<float>&, Range, const float*, Index, Index, bool, Index,
                        float*);
template void tile_sums(const Transposed<double>&, Range, const double*, Index, Index, bool,
                        Index, double*);

}  // namespace densenet
