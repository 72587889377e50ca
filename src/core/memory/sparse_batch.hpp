// Rows of a batch that stay sparse, and their transpose: what the first layer's products read.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/memory/buffer.hpp"
#include "core/memory/gather.hpp"
#include "core/memory/views.hpp"

namespace densenet {

// A sparse matrix: the numbers of line i, which are not 0, are those of the range line[i], in
// increasing columns. (A column takes half of an Index: there are no more than 2³² of them.)
template <class T>
struct SparseLines {
  const Range* line;
  const std::uint32_t* column;
  const T* number;
};

// Scratch memory for the rows of a batch (batch, inputs), which threads fill and read together.
template <class T>
class SparseBatch {
 public:
  // Makes room for so many rows with so many numbers; with `inputs`, for the transpose, too.
  void reserve(Index rows, Index entries, Index inputs = 0) {
    rows_.reserve(rows, entries);
    if (inputs > 0) columns_.reserve(inputs, entries);
  }

  // Copies `rows` of x, or those that the order has there, to lines from `line` on, and their
  // numbers to those from `entry` on.
  void load(const Source& x, const std::int64_t* order, Range rows, Index line, Index entry) {
    with_entries<T>(x, [&](const auto& entries) {
      for (Index i = rows.begin; i < rows.end; ++i, ++line) {
        const Index begin = entry;
        entries(order != nullptr ? order[i] : i,
                [&](Index column, T number) { rows_.put(entry++, column, number); });
        rows_.line.get()[line] = {begin, entry};
      }
    });
  }
  SparseLines<T> rows() const { return rows_.lines(); }

  // The transpose (inputs, batch), of which these lines are filled. Each thread takes some of the
  // inputs, when all rows are there; lines of two threads never lie in the same memory.
  SparseLines<T> transpose(Index batch, Range inputs) {
    const SparseLines<T> from = rows();
    const auto own = [&](Index row) {
      const Range all = from.line[row];
      const auto at = [&](Index input) {
        const std::uint32_t* const end = from.column + all.end;
        return std::lower_bound(from.column + all.begin, end, input,
                                [](std::uint32_t a, Index b) { return Index{a} < b; }) -
               from.column;
      };
      return Range{at(inputs.begin), at(inputs.end)};
    };
    Range* const line = columns_.line.get();
    std::fill(line + inputs.begin, line + inputs.end, Range{0, 0});
    Index entry = 0;  // where this thread's begin: after those of lower inputs
    for (Index i = 0; i < batch; ++i) {
      const Range its = own(i);
      entry += its.begin - from.line[i].begin;
      for (Index e = its.begin; e < its.end; ++e) ++line[from.column[e]].end;
    }
    for (Index input = inputs.begin; input < inputs.end; ++input) {
      const Index count = line[input].end;
      line[input] = {entry, entry};
      entry += count;
    }
    for (Index i = 0; i < batch; ++i) {
      const Range its = own(i);
      for (Index e = its.begin; e < its.end; ++e) {
        columns_.put(line[from.column[e]].end++, i, from.number[e]);
      }
    }
    return columns_.lines();
  }

 private:
  struct Memory {
    Buffer<Range> line;
    Buffer<std::uint32_t> column;
    Buffer<T> number;

    void reserve(Index lines, Index entries) {
      line.at_least(lines);
      column.at_least(entries);
      number.at_least(entries);
    }
    void put(Index entry, Index its_column, T its_number) {
      column.get()[entry] = static_cast<std::uint32_t>(its_column);
      number.get()[entry] = its_number;
    }
    SparseLines<T> lines() const { return {line.get(), column.get(), number.get()}; }
  };

  Memory rows_, columns_;
};

}  // namespace densenet
