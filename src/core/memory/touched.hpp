// What a later step will touch of some arrays, so that it can be fetched beforehand.
#pragma once

#include "core/vectors/index.hpp"

namespace densenet {

// Up to four arrays of one shape (rows, cols) with a stride of `stride`, by pointers to their
// element [0, 0]: say the parameters and moments that an update reads and writes.
template <class T>
struct Touched {
  const T* array[4] = {};  // null: no more
  Index stride = 0;

  // The same arrays from this row and column on.
  Touched from(Index row, Index col) const {
    Touched part = *this;
    for (const T*& start : part.array)
      start = start != nullptr ? start + row * stride + col : start;
    return part;
  }
};

}  // namespace densenet
