// What is brought into the caches while a tile is computed. Private to product.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/products/product.hpp"

namespace densenet {

// Lines of memory that are so far apart: one is fetched at each step along the depth.
template <class T>
struct Lines {
  const T* first;
  Index stride;
};

// Columns of memory, as wide as a tile: rows of them are fetched every few steps.
template <class T>
class Columns {
 public:
  struct Column {
    const T* first;
    Index stride, rows;
  };

  void add(const T* first, Index stride, Index rows) {
    columns_[count_++] = {first, stride, rows};
    rows_ += rows;
  }
  void add(const Touched<T>& touched, Index rows) {
    for (const T* array : touched.array) {
      if (array != nullptr) add(array, touched.stride, rows);
    }
  }
  Index rows() const { return rows_; }
  const Column* begin() const { return columns_.data(); }

 private:
  static constexpr auto kMost = static_cast<std::size_t>(4 + kChunk / kTileCols<T>);
  std::array<Column, kMost> columns_;  // undefined from `count_` on
  std::size_t count_ = 0;
  Index rows_ = 0;
};

// Walks down one column after the other, a row or more every few steps along the depth: late, but
// so that the last row comes in time.
template <class T>
class Fetching {
 public:
  Fetching(const Columns<T>& columns, Index depth) : next_(columns.begin()), left_(columns.rows()) {
    if (left_ == 0) {
      wait_ = depth;
      return;
    }
    const Index times = std::max<Index>(depth / kPace, 1);
    at_once_ = std::max(kLeast, (left_ + times - 1) / times);
    wait_ = std::max<Index>(depth - kLead - (left_ + at_once_ - 1) / at_once_ * kPace, 0);
  }

  // Steps before the next time, of at most so many; they are taken.
  Index wait(Index most) {
    const Index steps = std::min(wait_, most);
    wait_ -= steps;
    return steps;
  }
  // How many rows to fetch.
  Index now() {
    if (wait_ > 0 || left_ == 0) return 0;
    const Index rows = std::min(left_, at_once_);
    left_ -= rows;
    wait_ = left_ > 0 ? kPace : kNever;
    return rows;
  }

  // A row to be fetched. (Where it fetched by itself, GCC 12 took it for a function without effect.
  // It is inline always: a call would put all of a tile's sums into memory.)
  EIGEN_ALWAYS_INLINE const T* next() {
    if (rows_ == 0) {
      at_ = next_->first;
      stride_ = next_->stride;
      rows_ = next_->rows;
      ++next_;
    }
    --rows_;
    const T* const row = at_;
    at_ += stride_;
    return row;
  }

 private:
  // Steps from one time to the next, and rows at a time, at least.
  static constexpr Index kPace = kManyRegisters ? 4 : 16, kLeast = kManyRegisters ? 1 : 4;
  // Steps that a row needs to come. With tiles of 14 x 32, 0 to 64 are as good; with 6 x 16, whose
  // steps are short, 784-1024-1024-10 takes 29.0 ms with 0 and 28.0 with 64.
  static constexpr Index kLead = 64;
  static constexpr Index kNever = Index{1} << 62;

  const typename Columns<T>::Column* next_;
  Index left_, at_once_ = 1, wait_ = 0;
  const T* at_ = nullptr;
  Index stride_ = 0, rows_ = 0;
};

}  // namespace densenet
