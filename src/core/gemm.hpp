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
// A finished tile is handed over in a small buffer, hot in the cache, and `finish` does the rest in
// one pass: bias and activation, an activation's derivative, an optimizer's update.
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

// What is done with each finished tile: a reference to a function object of the caller's.
template <class T>
class Finish {
 public:
  template <class F>
  Finish(const F& f)
      : object_(&f), call_([](const void* object, const Tile<T>& tile) {
          (*static_cast<const F*>(object))(tile);
        }) {}
  void operator()(const Tile<T>& tile) const { call_(object_, tile); }

 private:
  const void* object_;
  void (*call_)(const void*, const Tile<T>&);
};

// Elements of scratch that a product of this depth needs.
template <class T>
Index product_scratch(Index depth);

// Computes C over the given rows and columns and calls finish(tile) on each tile. `b` points at
// B[0, 0].
template <class T>
void product(const RowMajor<T>& a, const T* b, Index b_stride, Range rows, Range cols, Index depth,
             T* scratch, const Finish<T>& finish);
template <class T>
void product(const Transposed<T>& a, const T* b, Index b_stride, Range rows, Range cols,
             Index depth, T* scratch, const Finish<T>& finish);

// Sums value(row, column, lanes) over the rows, a register of columns at a time, in the same chunks
// as a product. Calls finish(sum, column, lanes).
template <class T, class Value, class Finish>
void column_sums_of(Index rows, Range cols, const Value& value, const Finish& finish) {
  for_each_vector<T>(cols.size(), [&](Index offset, auto lanes) {
    const Index col = cols.begin + offset;
    Vec<T> total(T(0));
    for (Index chunk = 0; chunk < rows; chunk += kChunk) {
      Vec<T> sum(T(0));
      const Index end = std::min(rows, chunk + kChunk);
      for (Index i = chunk; i < end; ++i) sum = sum + value(i, col, lanes);
      total = chunk == 0 ? sum : total + sum;
    }
    finish(total, col, lanes);
  });
}

// Sums the columns of a matrix over its rows: dbias = 1ᵀ dy.
template <class T, class Finish>
void column_sums(const Matrix<const T>& m, Range cols, const Finish& finish) {
  column_sums_of<T>(
      m.rows, cols, [&](Index row, Index col, auto lanes) { return load(m.row(row) + col, lanes); },
      finish);
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
