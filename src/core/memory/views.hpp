// Views of memory that the caller owns: row-major matrices, ranges, and a user's arrays.
//
// Strides count elements, unless their name says bytes.
#pragma once

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

// The part of a matrix in these rows and columns.
struct Part {
  Range rows, cols;
};

// The element types that a user's array may have.
enum class Scalar : std::uint8_t { Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64 };

// A user's (rows, cols) matrix as NumPy holds it: any element type, strides and byte order.
struct Source {
  const std::byte* data;
  Index rows, cols;
  Index row_bytes, col_bytes;  // strides
  Scalar scalar;
  bool swapped;  // true: not in this machine's byte order

  // The matrix from this row on.
  Source from(Index row) const {
    Source rest = *this;
    rest.data += row * row_bytes;
    rest.rows -= row;
    return rest;
  }
};

}  // namespace densenet
