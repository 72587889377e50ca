// What is brought into the caches while a tile is computed. Private to gemm.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>

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

  void add(const T* first, Index stride, Index rows) { columns_[count_++] = {first, stride, rows}; }
  void add(const Touched<T>& touched, Index rows) {
    for (const T* array : touched.array) {
      if (array != nullptr) add(array, touched.stride, rows);
    }
  }
  // How many to fetch each time, if it is done so often.
  Index rows_at_once(Index times) const {
    Index rows = 0;
    for (const Column& column : *this) rows += column.rows;
    return times < rows ? (rows + times - 1) / std::max<Index>(times, 1) : 1;
  }

  const Column* begin() const { return columns_.data(); }
  const Column* end() const { return columns_.data() + count_; }

 private:
  static constexpr auto kMost = static_cast<std::size_t>(4 + kChunk / kTileCols<T>);
  std::array<Column, kMost> columns_;  // undefined from `count_` on
  std::size_t count_ = 0;
};

// Walks down one column after the other, late, but so that the last row comes in time.
template <class T>
class Fetching {
 public:
  Fetching(const Columns<T>& columns, Index times)
      : next_(columns.begin()), end_(columns.end()), wait_(times - kLead) {
    for (const auto& column : columns) wait_ -= column.rows;
    wait_ = std::max<Index>(wait_, 0);
    go_on();
  }

  // The row to be fetched now, or null. (Where it fetched by itself, GCC 12 took it for a function
  // without effect. It is inline always: a call would put all of a tile's sums into memory.)
  EIGEN_ALWAYS_INLINE const T* next() {
    if (wait_-- > 0) return nullptr;
    const T* row = at_;
    at_ += stride_;
    if (--rows_ == 0) go_on();
    return row;
  }

 private:
  // Times that a row needs to come. With tiles of 14 x 32, 0 to 32 are as good; with 6 x 16, whose
  // steps are short, 784-1024-1024-10 takes 29.0 ms with 0 and 28.0 with 32.
  static constexpr Index kLead = 32;

  void go_on() {
    if (next_ == end_) {
      wait_ = std::numeric_limits<Index>::max();
      return;
    }
    at_ = next_->first;
    stride_ = next_->stride;
    rows_ = next_->rows;
    ++next_;
  }

  const typename Columns<T>::Column *next_, *end_;
  Index wait_;  // times before the first
  const T* at_ = nullptr;
  Index stride_ = 0, rows_ = 0;
};

}  // namespace densenet
