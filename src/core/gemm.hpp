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
// An output is the sum of its products in order of k, in chunks of kChunk terms that are added up in
// order. That depends on nothing but the depth: tile height, packing, position and thread are free to
// change for speed without changing a bit.
//
// A finished tile is handed over in a small buffer, hot in the first-level cache, and `finish` does
// the rest in one pass: bias and activation, an activation's derivative, an optimizer's update.
#pragma once

#include <algorithm>

#include "core/views.hpp"

namespace densenet {

// 14 x 2 accumulators, 2 registers of B and 1 broadcast fill 31 of AVX-512's or NEON's 32
// registers; 6 x 2 fill 15 of 16.
#if EIGEN_ARCH_DEFAULT_NUMBER_OF_REGISTERS >= 32
inline constexpr Index kTileRows = 14;
#else
inline constexpr Index kTileRows = 6;
#endif
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
};
template <class T>
struct Transposed {
  const T* data;
  Index stride;
  const T* at(Index i, Index k) const { return data + k * stride + i; }
};

// A finished tile: sums[r * kTileCols + c] belongs to C[row + r, col + c].
template <class T>
struct Tile {
  const T* sums;
  Index row, col, rows, cols;

  const T* line(Index r) const { return sums + r * kTileCols<T>; }
};

// Sums of the products of up to kTileRows rows of A and kTileCols columns of B, whose first column
// `b` points at. B's lines may be read up to whole registers if they are `padded`.
template <class T, class A>
void tile_sums(const A& a, Range rows, const T* b, Index b_stride, Index cols, bool padded,
               Index depth, T* sums);

extern template void tile_sums(const RowMajor<float>&, Range, const float*, Index, Index, bool,
                               Index, float*);
extern template void tile_sums(const RowMajor<double>&, Range, const double*, Index, Index, bool,
                               Index, double*);
extern template void tile_sums(const Transposed<float>&, Range, const float*, Index, Index, bool,
                               Index, float*);
extern template void tile_sums(const Transposed<double>&, Range, const double*, Index, Index, bool,
                               Index, double*);

// Elements of scratch that product() may use for a panel of B.
template <class T>
constexpr Index panel_size(Index depth) {
  return depth * kTileCols<T>;
}

// Computes C over the given rows and columns, tile by tile, and calls finish(tile) on each.
// `b` points at B[0, 0]; `panel` has panel_size(depth) elements, or is null to forbid packing.
template <class T, class A, class Finish>
void product(const A& a, const T* b, Index b_stride, Range rows, Range cols, Index depth, T* panel,
             const Finish& finish) {
  alignas(64) T sums[kTileRows * kTileCols<T>];
  const Index tiles = (rows.size() + kTileRows - 1) / kTileRows;
  for (Index col = cols.begin; col < cols.end; col += kTileCols<T>) {
    const Index width = std::min(kTileCols<T>, cols.end - col);
    const T* strip = b + col;
    Index stride = b_stride;
    // A strip of B that several tiles read is copied once: lines side by side spare the address
    // translation and the cache's few ways, and its padding makes every load whole.
    const bool packed = panel != nullptr && tiles > 1;
    if (packed) {
      for (Index k = 0; k < depth; ++k) {
        T* line = panel + k * kTileCols<T>;
        std::copy_n(strip + k * stride, width, line);
        std::fill(line + width, line + kTileCols<T>, T(0));
      }
      strip = panel;
      stride = kTileCols<T>;
    }
    for (Index t = 0; t < tiles; ++t) {
      const Range part{rows.begin + rows.size() * t / tiles,
                       rows.begin + rows.size() * (t + 1) / tiles};
      tile_sums(a, part, strip, stride, width, packed, depth, sums);
      finish(Tile<T>{sums, part.begin, col, part.size(), width});
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

// to = fromᵀ, over the given rows of `from`. In blocks of a cache line, so that neither side strides
// through memory for long.
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
