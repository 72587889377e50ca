// The three products of a dense layer, with what follows them.
//
//   forward           y  = x W        rows: batch,  columns: outputs, depth: inputs
//   input gradient    dx = dy Wᵀ      rows: batch,  columns: inputs,  depth: outputs
//   weight gradient   dW = xᵀ dy      rows: inputs, columns: outputs, depth: batch
//
// (W is stored (inputs, outputs); the public weight is its transpose.) All three are one loop:
// C[i, j] = Σ_k A[i, k] B[k, j], where B's rows are contiguous and a vector register runs along j.
// A tile keeps kTileRows x 2 registers of C, and each step in k loads two registers of B and
// broadcasts one element of A for each row.
//
// An output is the sum of its products in order of k, in chunks of kChunk terms that are added up
// in order. That depends on nothing but the depth: tile height, packing, position and thread are
// free to change for speed without changing a bit.
//
// A finished tile is handed over in a small buffer, hot in the first-level cache, and `finish` does
// the rest in one pass: bias and activation, an activation's derivative, an optimizer's update.
#pragma once

#include <algorithm>

#include "core/views.hpp"

namespace densenet {

// 14 x 2 accumulators, 2 registers of B and 1 broadcast fill 31 of AVX-512's or NEON's 32
// registers; 6 x 2 fill 15 of 16.
inline constexpr Index kTileRows = EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32 ? 14 : 6;
inline constexpr Index kTileVectors = 2;
inline constexpr Index kChunk = 512;

template <class T>
inline constexpr Index kTileCols = kTileVectors * kLanes<T>;

// A's element [i, k]: rows along memory, or columns (the transpose of a row-major matrix).
template <class T>
struct RowMajor {
  const T* data;
  Index stride;
  const T* at(Index i, Index k) const { return data + i * stride + k; }
  RowMajor from(Index k) const { return {data + k, stride}; }
};
template <class T>
struct Transposed {
  const T* data;
  Index stride;
  const T* at(Index i, Index k) const { return data + k * stride + i; }
  Transposed from(Index k) const { return {data + k * stride, stride}; }
};

// A finished tile: sums[r * kTileCols + c] belongs to C[row + r, col + c].
template <class T>
struct Tile {
  const T* sums;
  Index row, col, rows, cols;

  const T* line(Index r) const { return sums + r * kTileCols<T>; }
};

// Some columns of B, up to kTileCols, over a part of the depth.
template <class T>
struct Strip {
  const T* data;
  Index stride;
  Index depth, cols;
  bool padded;  // lines may be read up to whole registers
};

// sums[r * kTileCols + c] = or += Σ_k A[rows.begin + r, k] B[k, c], for up to kTileRows rows.
template <class T, class A>
void tile_sums(const A& a, Range rows, const Strip<T>& b, bool add, T* sums);

extern template void tile_sums(const RowMajor<float>&, Range, const Strip<float>&, bool, float*);
extern template void tile_sums(const RowMajor<double>&, Range, const Strip<double>&, bool, double*);
extern template void tile_sums(const Transposed<float>&, Range, const Strip<float>&, bool, float*);
extern template void tile_sums(const Transposed<double>&, Range, const Strip<double>&, bool,
                               double*);

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

// Computes C over the given rows and columns and calls finish(tile) on each tile.
// `b` points at B[0, 0]; `memory` has Scratch<T>::size(depth) elements.
template <class T, class A, class Finish>
void product(const A& a, const T* b, Index b_stride, Range rows, Range cols, Index depth, T* memory,
             const Finish& finish) {
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

// Sums the columns of a matrix over its rows, in the same chunks as a product: dbias = 1ᵀ dy.
// Calls finish(sums, column, lanes) a register at a time.
template <class T, class Finish>
void column_sums(const Matrix<const T>& m, Range cols, const Finish& finish) {
  for_each_vector<T>(cols.size(), [&](Index offset, auto lanes) {
    const Index col = cols.begin + offset;
    Vec<T> total(T(0));
    for (Index chunk = 0; chunk < m.rows; chunk += kChunk) {
      Vec<T> sum(T(0));
      const Index end = std::min(m.rows, chunk + kChunk);
      for (Index i = chunk; i < end; ++i) sum = sum + load(m.row(i) + col, lanes);
      total = chunk == 0 ? sum : total + sum;
    }
    finish(total, col, lanes);
  });
}

// to = fromᵀ, over the given rows of `from`. In blocks of a cache line, so that neither side
// strides through memory for long.
template <class T>
void transpose(const T* from, Index from_stride, T* to, Index to_stride, Range rows, Range cols) {
  constexpr Index kBlock = 16;
  for (Index i0 = rows.begin; i0 < rows.end; i0 += kBlock) {
    const Index i1 = std::min(rows.end, i0 + kBlock);
    for (Index j0 = cols.begin; j0 < cols.end; j0 += kBlock) {
      const Index j1 = std::min(cols.end, j0 + kBlock);
      for (Index j = j0; j < j1; ++j) {
        for (Index i = i0; i < i1; ++i) to[j * to_stride + i] = from[i * from_stride + j];
      }
    }
  }
}

}  // namespace densenet
