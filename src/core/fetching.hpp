// What is brought into the caches while a tile is computed. Private to gemm.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/gemm.hpp"

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
  static constexpr Index kPace = 4;  // steps from one time to the next

  Fetching(const Columns<T>& columns, Index depth) : next_(columns.begin()), left_(columns.rows()) {
    const Index times = depth / kPace;
    if (left_ > times) {
      at_once_ = (left_ + times - 1) / std::max<Index>(times, 1);
    } else {
      wait_ = left_ == 0 ? depth : std::max<Index>(depth - kLead - left_ * kPace, 0);
    }
  }

  Index wait() const { return wait_; }  // steps before the first time
  Index left() const { return left_; }  // rows
  Index now() const { return std::min(left_, at_once_); }

  // A row to be fetched. (Where it fetched by itself, GCC 12 took it for a function without effect.
  // It is inline always: a call would put all of a tile's sums into memory.)
  EIGEN_ALWAYS_INLINE const T* next() {
    --left_;
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
  // Steps that a row needs to come. With tiles of 14 x 32, 0 to 64 are as good; with 6 x 16, whose
  // steps are short, 784-1024-1024-10 takes 29.0 ms with 0 and 28.0 with 64.
  static constexpr Index kLead = 64;

  const typename Columns<T>::Column* next_;
  Index left_, at_once_ = 1, wait_ = 0;
  const T* at_ = nullptr;
  Index stride_ = 0, rows_ = 0;
};

}  // namespace densenet
