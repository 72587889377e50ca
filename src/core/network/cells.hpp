// The operands of a linear unit's products of bf16 pieces. Private to the plan's own files.
//
// Each of three matrices takes part in two products, and is cut into cells for either:
//   x (batch, inputs)     A of y = x W          and, transposed, A of dW = xᵀ d
//   W (inputs, outputs)   B of y = x W          and, transposed, B of dx = d Wᵀ
//   d (batch, outputs)    A of dx = d Wᵀ        and B of dW = xᵀ d
// The threads share all cells. Who computes a block of a matrix cuts it at once, if its product is
// of pieces, too, and so computed in blocks.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "core/memory/buffer.hpp"
#include "core/memory/huge_pages.hpp"
#include "core/memory/views.hpp"
#include "core/network/units.hpp"
#include "core/products/bf16_product.hpp"
#include "core/products/tile.hpp"
#include "core/tuning.hpp"

namespace densenet {

// In which of its two products a matrix takes part, in the order above.
struct Roles {
  bool first, second;
};

// The part of C that a tile is.
template <class T>
Part part_of(const Tile<T>& tile) {
  return {{tile.row, tile.row + tile.rows}, {tile.col, tile.col + tile.cols}};
}

// Only floats have pieces: for another type nothing is done.
template <class T>
class UnitCells {
 public:
  Cells x, x_transposed, weight, weight_transposed, d, d_right;

  // Makes room for a batch of up to so many rows. A predictor, which has cut its weight once and
  // for all, needs x alone.
  void reserve(Index rows, const Unit& unit, int pieces) {
    const Index in = unit.inputs, out = unit.outputs;
    if (unit.is_rounded()) {
      reserve(std::array<Shape, 1>{{{&x, rows, in}}}, pieces);
      weight = unit.rounded;
      return;
    }
    reserve(std::array<Shape, 6>{{{&x, rows, in},
                                  {&x_transposed, in, rows},
                                  {&weight, out, in},
                                  {&weight_transposed, in, out},
                                  {&d, rows, out},
                                  {&d_right, out, rows}}},
            pieces);
    weight.far = weight_transposed.far =
        in * out * pieces * static_cast<Index>(sizeof(*weight.data)) > kBf16NearBytes;
  }

  // Each cuts a part of a matrix, which begins at a multiple of 32 and ends at one or at an end of
  // the matrix.
  void cut_x(const Matrix<const T>& from, const Part& part, Roles roles) const {
    for_each_block(part, [&](const auto& block, const auto& transposed) {
      if (roles.first) cut_left(RowMajor<T>{from.data, from.stride}, block, x);
      if (roles.second) {
        cut_left(Transposed<T>{from.data, from.stride}, transposed, x_transposed);
      }
    });
  }
  void cut_weight(const Matrix<const T>& from, const Part& part, Roles roles) const {
    for_each_block(part, [&](const auto& block, const auto& transposed) {
      if (roles.first) cut_right(RowMajor<T>{from.data, from.stride}, block, weight);
      if (roles.second) {
        cut_right(Transposed<T>{from.data, from.stride}, transposed, weight_transposed);
      }
    });
    if (weight.far) settle();
  }
  void cut_d(const Matrix<const T>& from, const Part& part, Roles roles) const {
    for_each_block(part, [&](const auto& block, const auto&) {
      if (roles.first) cut_left(RowMajor<T>{from.data, from.stride}, block, d);
      if (roles.second) cut_right(RowMajor<T>{from.data, from.stride}, block, d_right);
    });
  }

 private:
  struct Shape {
    Cells* cells;
    Index lines, depth;
  };

  template <std::size_t N>
  void reserve(const std::array<Shape, N>& shapes, int pieces) {
    Index size = 0;
    for (const auto& [cells, lines, depth] : shapes) {
      *cells = {nullptr, blocks_of(depth), pieces, false};
      size += blocks_of(lines) * cells->along * cells->cell();
    }
    std::uint16_t* const before = memory_.get();
    std::uint16_t* at = memory_.at_least(size);
    if (at != before) advise_huge_pages(at, static_cast<std::size_t>(size) * sizeof(*at));
    for (const auto& [cells, lines, depth] : shapes) {
      cells->data = at;
      at += blocks_of(lines) * cells->along * cells->cell();
    }
  }

  // Calls body(block, transposed) on each block of a part.
  template <class Body>
  static void for_each_block(const Part& part, const Body& body) {
    if constexpr (std::is_same_v<T, float>) {
      const auto [rows, cols] = part;
      for (Index row = rows.begin; row < rows.end; row += kBlockSide) {
        const Range its_rows{row, std::min(row + kBlockSide, rows.end)};
        for (Index col = cols.begin; col < cols.end; col += kBlockSide) {
          const Range its_cols{col, std::min(col + kBlockSide, cols.end)};
          body(Part{its_rows, its_cols}, Part{its_cols, its_rows});
        }
      }
    }
  }

  Buffer<std::uint16_t> memory_;
};

}  // namespace densenet
