// Copies rows of a user's array, of any element type, strides and byte order, into a batch. Sparse
// rows become dense here; sparse_batch.hpp leaves them sparse.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "core/memory/views.hpp"
#include "core/tuning.hpp"

namespace densenet {

// Calls body(x) with an x of this element type.
template <class Body>
void with_scalar(Scalar scalar, const Body& body) {
  switch (scalar) {
    case Scalar::Bool:
      return body(bool{});
    case Scalar::I8:
      return body(std::int8_t{});
    case Scalar::I16:
      return body(std::int16_t{});
    case Scalar::I32:
      return body(std::int32_t{});
    case Scalar::I64:
      return body(std::int64_t{});
    case Scalar::U8:
      return body(std::uint8_t{});
    case Scalar::U16:
      return body(std::uint16_t{});
    case Scalar::U32:
      return body(std::uint32_t{});
    case Scalar::U64:
      return body(std::uint64_t{});
    case Scalar::F32:
      return body(float{});
    case Scalar::F64:
      return body(double{});
  }
}

template <class T>
inline constexpr Scalar kScalar = sizeof(T) == 4 ? Scalar::F32 : Scalar::F64;

// True if rows of x can be read as T where they are, without a copy.
template <class T>
bool usable_in_place(const Source& x) {
  return !x.is_sparse() && x.scalar == kScalar<T> && !x.swapped && x.col_bytes == sizeof(T) &&
         x.row_bytes % static_cast<Index>(sizeof(T)) == 0 &&
         reinterpret_cast<std::uintptr_t>(x.data) % alignof(T) == 0;
}

// Reads one element, which may be misaligned.
template <class From>
From read(const std::byte* from, bool swapped) {
  std::byte bytes[sizeof(From)];
  std::memcpy(bytes, from, sizeof(From));
  if (swapped) std::reverse(bytes, bytes + sizeof(From));
  From value;
  std::memcpy(&value, bytes, sizeof(From));
  return value;
}

// Calls body(entries) with a function entries(row, each), which calls each(column, number) for the
// numbers of a sparse row. Columns increase and are less than x.cols, whatever another thread may
// write into the user's arrays meanwhile.
template <class T, class Body>
void with_entries(const Source& x, const Body& body) {
  with_scalar(x.scalar, [&](auto type) {
    using From = decltype(type);
    const auto by_columns_of = [&](auto column) {
      using Column = decltype(column);
      body([&x](Index row, const auto& each) {
        Index least = 0;
        for (Index e = x.begins[row]; e < x.begins[row + 1]; ++e) {
          const auto given = read<Column>(x.columns + e * Index{sizeof(Column)}, false);
          least = std::clamp(static_cast<Index>(given), least, x.cols - 1);
          each(least, static_cast<T>(read<From>(x.data + e * Index{sizeof(From)}, x.swapped)));
        }
      });
    };
    x.wide ? by_columns_of(std::int64_t{}) : by_columns_of(std::int32_t{});
  });
}

// Makes a part of sparse rows dense: as gather(), below.
template <class T>
void gather_sparse(const Source& x, const std::int64_t* order, const Part& part, T* to) {
  with_entries<T>(x, [&](const auto& entries) {
    for (Index i = part.rows.begin; i < part.rows.end; ++i) {
      T* const row = to + i * x.cols;
      std::fill(row + part.cols.begin, row + part.cols.end, T(0));
      entries(order != nullptr ? order[i] : i, [&](Index column, T number) {
        if (part.cols.begin <= column && column < part.cols.end) row[column] = number;
      });
    }
  });
}

// Fills a part of `to` (rows, x.cols): its row i becomes row order[i] of x, or row i of x if
// `order` is null.
template <class T>
void gather(const Source& x, const std::int64_t* order, const Part& part, T* to) {
  if (x.is_sparse()) return gather_sparse(x, order, part, to);
  with_scalar(x.scalar, [&](auto type) {
    using From = decltype(type);
    const Range rows = part.rows, cols = part.cols;
    const auto at = [&](Index i, Index j) {
      return x.data + (order != nullptr ? order[i] : i) * x.row_bytes + j * x.col_bytes;
    };
    if (std::is_same_v<From, T> && !x.swapped && x.col_bytes == sizeof(T)) {
      for (Index i = rows.begin; i < rows.end; ++i) {
        std::memcpy(to + i * x.cols + cols.begin, at(i, cols.begin),
                    static_cast<std::size_t>(cols.size()) * sizeof(T));
      }
      return;
    }
    // By a stride that the compiler knows, several numbers of a row are converted at a time.
    if (x.col_bytes == sizeof(From) && !x.swapped) {
      for (Index i = rows.begin; i < rows.end; ++i) {
        const std::byte* const from = at(i, 0);
        for (Index j = cols.begin; j < cols.end; ++j) {
          to[i * x.cols + j] = static_cast<T>(read<From>(from + j * sizeof(From), false));
        }
      }
      return;
    }
    // Where columns lie one after another, a line of the cache holds many rows of one column: take
    // few columns of many rows at a time, so that each line is read once.
    const bool by_columns = std::abs(x.row_bytes) < std::abs(x.col_bytes);
    const Index most_rows = by_columns ? kGatherRows : 1;
    const Index most_cols = by_columns ? kGatherCols : std::max<Index>(cols.size(), 1);
    for (Index row = rows.begin; row < rows.end; row += most_rows) {
      const Index last_row = std::min(row + most_rows, rows.end);
      for (Index col = cols.begin; col < cols.end; col += most_cols) {
        const Index last_col = std::min(col + most_cols, cols.end);
        for (Index i = row; i < last_row; ++i) {
          const std::byte* const from = at(i, 0);
          for (Index j = col; j < last_col; ++j) {
            to[i * x.cols + j] = static_cast<T>(read<From>(from + j * x.col_bytes, x.swapped));
          }
        }
      }
    }
  });
}

// The rows of a user's array, one at a time.
template <class T>
class Rows {
 public:
  explicit Rows(const Source& source) : source_(source), in_place_(usable_in_place<T>(source)) {}

  // Row i: where it lies, or copied to `copy`.
  const T* operator()(Index i, T* copy) const {
    if (in_place_) return reinterpret_cast<const T*>(source_.data + i * source_.row_bytes);
    gather(source_.from(i), nullptr, Part{{0, 1}, {0, source_.cols}}, copy);
    return copy;
  }

 private:
  Source source_;
  bool in_place_;
};

}  // namespace densenet
