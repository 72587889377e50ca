// Views over memory that the caller owns. Row-major; strides count elements unless they say bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/vectors/simd.hpp"

namespace densenet {

template <class T>
struct Matrix {
  T* data;
  Index rows, cols;
  Index stride;  // from one row to the next

  T* row(Index i) const { return data + i * stride; }
};

// Half-open range of rows, columns or tasks.
struct Range {
  Index begin, end;

  Index size() const { return end - begin; }
};

// Rows and columns of a matrix.
struct Part {
  Range rows, cols;
};

// What an element of a user's array is; `Source` reads any of them.
enum class Scalar : std::uint8_t { Bool, I8, I16, I32, I64, U8, U16, U32, U64, F32, F64 };

// A user's matrix as NumPy holds it: any element type, any strides, either byte order.
struct Source {
  const std::byte* data;
  Index rows, cols;
  Index row_bytes, col_bytes;  // strides
  Scalar scalar;
  bool swapped;  // not in this machine's byte order

  // The same rows without those before `row`.
  Source from(Index row) const {
    Source rest = *this;
    rest.data += row * row_bytes;
    rest.rows -= row;
    return rest;
  }
};

}  // namespace densenet
