// Views of memory that the caller owns: row-major matrices, ranges, how they are cut, and a user's
// arrays.
//
// Strides count elements, unless their name says bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "core/vectors/index.hpp"

namespace densenet {

template <class T>
struct Matrix {
  T* data;
  Index rows, cols;
  Index stride;  // from one row to the next

  T* row(Index i) const { return data + i * stride; }
};

// The half-open range [begin, end) of rows, columns, elements or steps.
struct Range {
  Index begin, end;

  Index size() const { return end - begin; }
};

// n items, split into pieces that are as even as can be and no larger than `most`: the first
// `larger` pieces have size + 1 items, the others `size`.
struct EvenSplit {
  Index count, size, larger;

  EvenSplit(Index n, Index most)
      : count((n + most - 1) / most), size(n / count), larger(n % count) {}
  Index begin(Index piece) const { return piece * size + std::min(piece, larger); }
  Range operator[](Index piece) const { return {begin(piece), begin(piece + 1)}; }
  // The end of the first of these pieces that all have one size.
  Index alike(Range pieces) const {
    return pieces.begin < larger ? std::min(larger, pieces.end) : pieces.end;
  }
};

// The part of a matrix in these rows and columns.
struct Part {
  Range rows, cols;
};

// The element types that a user's array may have.
enum class Scalar : std::uint8_t { Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64 };

// A user's (rows, cols) matrix as NumPy holds it: any element type, strides and byte order. Or as
// SciPy holds sparse rows (CSR): `data` has those numbers alone that are not 0, one row after the
// other, each in increasing columns. Then nothing else has strides.
struct Source {
  const std::byte* data;
  Index rows, cols;
  Index row_bytes, col_bytes;  // strides
  Scalar scalar;
  bool swapped;                          // true: not in this machine's byte order
  const std::int64_t* begins = nullptr;  // (rows + 1): row i's numbers begin there; null: dense
  const std::byte* columns = nullptr;    // of the numbers, int32 or, if they are wide, int64
  bool wide = false;

  bool is_sparse() const { return begins != nullptr; }
  // How many numbers a sparse row has; of a dense one nobody counts them.
  Index entries(Index row) const { return is_sparse() ? begins[row + 1] - begins[row] : 0; }
  // The matrix from this row on.
  Source from(Index row) const {
    Source rest = *this;
    if (is_sparse()) {
      rest.begins += row;
    } else {
      rest.data += row * row_bytes;
    }
    rest.rows -= row;
    return rest;
  }
};

}  // namespace densenet
