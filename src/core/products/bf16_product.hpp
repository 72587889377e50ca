// The three products of a dense layer in bf16, with sums of floats: the lower precisions.
//
// As product.hpp, but each operand is a sum of bf16 pieces, and it is their products that are added
// up: of high A and high B alone with one piece; with two, those of low A and high B, of high A and
// high B, and of high A and low B, for every 32 steps of the depth in turn. So an output's
// operations depend on the shape alone here, too.
//
// Operands are cut into cells beforehand, each cell from a block of 32 x 32 numbers. A product that
// computes such blocks can have them cut while they are in a near cache.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/memory/views.hpp"
#include "core/products/operands.hpp"
#include "core/products/tile.hpp"

namespace densenet {

// How many bf16 pieces a float has in a product, and from which size on products are of pieces. The
// numbers, and the same rule for the reference, are in densenet/_precision.py.
struct Precision {
  int pieces = 0;       // 0: floats as they are
  double least = 0;     // multiply-adds of a product of pieces, at least
  Index narrowest = 0;  // rows, inputs and outputs of one, at least

  // Pieces in the products of a layer of this shape, for so many rows.
  int pieces_of(Index rows, Index inputs, Index outputs) const {
    const double work = static_cast<double>(rows) * static_cast<double>(inputs * outputs);
    return std::min({rows, inputs, outputs}) < narrowest || work < least ? 0 : pieces;
  }
};

// True if this processor and system have such products. Asks the system, see amx.hpp.
bool has_bf16_products();

// Rows and columns of a block.
inline constexpr Index kBlockSide = 32;

constexpr Index blocks_of(Index n) { return (n + kBlockSide - 1) / kBlockSide; }

// One operand of a product as its cells. A's cell is a block of rows and steps of the depth, B's
// one of steps and columns; those of the same rows or columns follow each other along the depth.
struct Cells {
  std::uint16_t* data = nullptr;
  Index along = 0;  // cells from one block of rows or columns to the next
  int pieces = 0;
  bool far = false;  // too large to be read from a cache, and written past all of them

  Index cell() const { return pieces * kBlockSide * kBlockSide; }
  std::uint16_t* at(Index block, Index step) const {
    return data + (block * along + step) * cell();
  }
};

// Makes the cell of a block: of rows and steps of A, or of steps and columns of B. Blocks begin at
// multiples of 32, and are smaller only at the end of a matrix: a cell is filled up with zeros.
void cut_left(const RowMajor<float>& a, const Part& block, const Cells& cells);
void cut_left(const Transposed<float>& a, const Part& block, const Cells& cells);
void cut_right(const RowMajor<float>& b, const Part& block, const Cells& cells);
void cut_right(const Transposed<float>& b, const Part& block, const Cells& cells);

// Lets other threads see all cells that this one has cut, once they have met.
void settle();

// Floats of scratch memory that a product of (rows, depth) by (depth, cols) may need.
Index bf16_scratch(Index rows, Index cols, Index depth, int pieces);

// Computes a part of C = A B and calls finish(tile) on finished tiles, as product() does. Rows and
// columns of the part begin at multiples of 32, as do those of tiles.
void bf16_product(const Cells& a, const Cells& b, const Part& part, Index depth, float* scratch,
                  const Finish<float>& finish);

}  // namespace densenet
