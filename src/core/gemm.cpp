// The register tile, the inner loop of all three products, and the loops around it.
#include "core/gemm.hpp"

#include <array>
#include <cstddef>
#include <utility>

namespace densenet {

namespace {

// Some columns of B, up to kTileCols, over a part of the depth.
template <class T>
struct Strip {
  const T* data;
  Index stride;
  Index depth, cols;
  bool padded;  // lines may be read up to whole registers
};

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

// sums[r * kTileCols + c] = or += Σ_k A[rows.begin + r, k] B[k, c], for up to kTileRows rows.
template <class T, class A>
void tile_sums(const A& a, Range rows, const Strip<T>& b, bool add, T* sums) {
  const Index ragged = b.cols % kLanes<T>;
  if (b.padded || ragged == 0) {
    accumulate(a, rows, b, Whole{}, add, sums);
  } else {
    accumulate(a, rows, b, First{ragged}, add, sums);
  }
}

// Scratch of product(): copies of parts of A and B in which the inner loop reads lines side by
// side, and sums of tiles that are not finished. Packing spares the address translation and the
// cache's few ways, and its padding makes every load whole; it is done where a copy is read several
// times, and changes no result. The block sizes keep A's copy and the sums in the second-level
// cache.
template <class T>
struct Scratch {
  static constexpr Index kLine = (kTileRows + kLanes<T> - 1) / kLanes<T> * kLanes<T>;
  static constexpr Index kTiles = 126 / kTileRows;  // of rows, whose A is packed at a time
  static constexpr Index kStrips = 8;               // of columns, whose sums are kept at a time
  static constexpr Index kSums = kTileRows * kTileCols<T>;

  T* data;

  static Index size(Index depth) {
    return kStrips * kTiles * kSums + std::min(depth, kChunk) * (kTileCols<T> + kTiles * kLine);
  }
  T* sums(Index tile, Index strip) const { return data + (strip * kTiles + tile) * kSums; }
  T* strip() const { return data + kStrips * kTiles * kSums; }
  T* tile(Index t, Index depth) const {
    return strip() + std::min(depth, kChunk) * (kTileCols<T> + t * kLine);
  }
};

template <class T>
Strip<T> pack_strip(const Strip<T>& b, T* to) {
  for (Index k = 0; k < b.depth; ++k) {
    T* line = to + k * kTileCols<T>;
    if (b.cols <= kLanes<T>) store(line + kLanes<T>, Vec<T>(T(0)), Whole{});
    for_each_vector<T>(b.cols, [&](Index c, auto lanes) {
      store(line + c, load(b.data + k * b.stride + c, lanes), Whole{});
    });
  }
  return {to, kTileCols<T>, b.depth, b.cols, true};
}

// to[k * kLine + r] = a[rows.begin + r, depth.begin + k]
template <class T>
void pack_tile(const Transposed<T>& a, Range rows, Range depth, T* to) {
  for (Index k = depth.begin; k < depth.end; ++k, to += Scratch<T>::kLine) {
    const T* line = a.at(rows.begin, k);
    for_each_vector<T>(rows.size(),
                       [&](Index r, auto lanes) { store(to + r, load(line + r, lanes), Whole{}); });
  }
}

template <class T>
void pack_tile(const RowMajor<T>& a, Range rows, Range depth, T* to) {
  constexpr Index kLine = Scratch<T>::kLine;
  for (Index r = 0; r < rows.size(); r += kLanes<T>) {
    for_each_vector<T>(depth.size(), [&](Index k, auto lanes) {
      // A square of registers, transposed in place; rows beyond the tile repeat its last one.
      Eigen::internal::PacketBlock<Packet<T>, static_cast<int>(kLanes<T>)> block;
      for (Index i = 0; i < kLanes<T>; ++i) {
        const Index row = std::min(rows.begin + r + i, rows.end - 1);
        block.packet[i] = load(a.at(row, depth.begin + k), lanes).packet;
      }
      if constexpr (kLanes < T >> 1) Eigen::internal::ptranspose(block);
      const Index lines = std::min(kLanes<T>, depth.size() - k);
      for (Index i = 0; i < lines; ++i) {
        store(to + (k + i) * kLine + r, Vec<T>(block.packet[i]), Whole{});
      }
    });
  }
}

template <class T, class A>
void compute(const A& a, const T* b, Index b_stride, Range rows, Range cols, Index depth, T* memory,
             const Finish<T>& finish) {
  const Scratch<T> scratch{memory};
  const Index n_tiles = (rows.size() + kTileRows - 1) / kTileRows;
  const Index n_strips = (cols.size() + kTileCols<T> - 1) / kTileCols<T>;
  const auto rows_of = [&](Index t) {  // evenly high tiles
    return Range{rows.begin + rows.size() * t / n_tiles,
                 rows.begin + rows.size() * (t + 1) / n_tiles};
  };
  const bool pack_a = n_strips > 1, pack_b = n_tiles > 1;

  for (Index t0 = 0; t0 < n_tiles; t0 += Scratch<T>::kTiles) {
    const Index t1 = std::min(n_tiles, t0 + Scratch<T>::kTiles);
    for (Index s0 = 0; s0 < n_strips; s0 += Scratch<T>::kStrips) {
      const Index s1 = std::min(n_strips, s0 + Scratch<T>::kStrips);
      for (Index k = 0; k < depth; k += kChunk) {
        const Range chunk{k, std::min(depth, k + kChunk)};
        for (Index t = t0; pack_a && t < t1; ++t) {
          pack_tile(a, rows_of(t), chunk, scratch.tile(t - t0, depth));
        }
        for (Index s = s0; s < s1; ++s) {
          const Index col = cols.begin + s * kTileCols<T>;
          const Index width = std::min(kTileCols<T>, cols.end - col);
          Strip<T> strip{b + k * b_stride + col, b_stride, chunk.size(), width, false};
          if (pack_b) strip = pack_strip(strip, scratch.strip());
          for (Index t = t0; t < t1; ++t) {
            const Range part = rows_of(t);
            T* sums = scratch.sums(t - t0, s - s0);
            if (pack_a) {
              const Transposed<T> lines{scratch.tile(t - t0, depth), Scratch<T>::kLine};
              tile_sums(lines, Range{0, part.size()}, strip, k > 0, sums);
            } else {
              tile_sums(a.from(k), part, strip, k > 0, sums);
            }
            if (chunk.end == depth) finish(Tile<T>{sums, part.begin, col, part.size(), width});
          }
        }
      }
    }
  }
}

}  // namespace

template <class T>
Index product_scratch(Index depth) {
  return Scratch<T>::size(depth);
}

template <class T>
void product(const RowMajor<T>& a, const T* b, Index b_stride, Range rows, Range cols, Index depth,
             T* scratch, const Finish<T>& finish) {
  compute(a, b, b_stride, rows, cols, depth, scratch, finish);
}

template <class T>
void product(const Transposed<T>& a, const T* b, Index b_stride, Range rows, Range cols,
             Index depth, T* scratch, const Finish<T>& finish) {
  compute(a, b, b_stride, rows, cols, depth, scratch, finish);
}

template Index product_scratch<float>(Index);
template Index product_scratch<double>(Index);
template void product(const RowMajor<float>&, const float*, Index, Range, Range, Index, float*,
                      const Finish<float>&);
template void product(const RowMajor<double>&, const double*, Index, Range, Range, Index, double*,
                      const Finish<double>&);
template void product(const Transposed<float>&, const float*, Index, Range, Range, Index, float*,
                      const Finish<float>&);
template void product(const Transposed<double>&, const double*, Index, Range, Range, Index, double*,
                      const Finish<double>&);

}  // namespace densenet
