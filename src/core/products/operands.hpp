// The operands of a product, A and B: matrices whose lines of memory are their rows or columns.
#pragma once

#include "core/vectors/index.hpp"

namespace densenet {

// Element [i, j] is at data[i * stride + j].
template <class T>
struct RowMajor {
  const T* data;
  Index stride;
  const T* at(Index i, Index j) const { return data + i * stride + j; }
};

// The transpose of a row-major matrix: element [i, j] is at data[j * stride + i].
template <class T>
struct Transposed {
  const T* data;
  Index stride;
  const T* at(Index i, Index j) const { return data + j * stride + i; }
};

}  // namespace densenet
