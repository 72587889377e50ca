// Says what to fetch into the caches while a tile is computed, and when. Private to product.cpp.
//
// Two kinds of memory are fetched: lines, one at each step along the depth, because they are read
// soon; and columns, as wide as a tile, whose rows are spread over the steps so that the last one
// comes just in time.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/memory/touched.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"

namespace densenet {

// Lines of memory, `stride` elements apart: one is fetched at each step along the depth.
template <class T>
struct Lines {
  const T* first;
  Index stride;
};

// Columns of memory, as wide as a tile: some of their rows are fetched every few steps.
template <class T>
class Columns {
 public:
  struct Column {
    const T* first;
    Index stride, rows;
  };

  void add(const T* first, Index stride, Index rows) {
    if (rows == 0) return;
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
  // The arrays of a Touched, a copied strip, the sums that wait for a bundle; and lines of A and of
  // a transposed B of a whole chunk.
  static constexpr auto kMost =
      static_cast<std::size_t>(5 + kBundleTiles + 2 * (kChunk / kTileCols<T> + 1));
  std::array<Column, kMost> columns_;  // undefined from count_ on
  std::size_t count_ = 0;
  Index rows_ = 0;
};

// Tells at which steps along the depth to fetch how many rows of the columns, one column after the
// other: late, but so that the last row comes in time. (Early is 3 % slower: rows are evicted.)
template <class T>
class Fetching {
 public:
  // `depth`: all steps that there will be.
  Fetching(const Columns<T>& columns, Index depth) : next_(columns.begin()), left_(columns.rows()) {
    if (left_ == 0) {
      wait_ = depth;
      return;
    }
    const Index times = std::max<Index>(depth / kFetchSteps, 1);
    at_once_ = std::max(kFetchRows, (left_ + times - 1) / times);
    wait_ =
        std::max<Index>(depth - kFetchLead - (left_ + at_once_ - 1) / at_once_ * kFetchSteps, 0);
  }

  // Consumes up to `most` steps until the next fetch is due; returns how many.
  Index wait(Index most) {
    const Index steps = std::min(wait_, most);
    wait_ -= steps;
    return steps;
  }
  // Consumes the rows of a fetch that is due; returns how many, or 0 if none is due.
  Index now() {
    if (wait_ > 0 || left_ == 0) return 0;
    const Index rows = std::min(left_, at_once_);
    left_ -= rows;
    wait_ = left_ > 0 ? kFetchSteps : kNever;
    return rows;
  }

  // The next row to fetch. (It does not fetch the row itself: GCC 12 took that for a function
  // without effect. It is always inlined: a call would move all of a tile's sums to memory.)
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
  static constexpr Index kNever = Index{1} << 62;

  const typename Columns<T>::Column* next_;
  Index left_, at_once_ = 1, wait_ = 0;
  const T* at_ = nullptr;
  Index stride_ = 0, rows_ = 0;
};

}  // namespace densenet
