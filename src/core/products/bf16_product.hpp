// The three products of a dense layer in bf16, with sums of floats: the lower precisions.
//
// As product.hpp, but each operand is a sum of bf16 pieces (bf16_cells.hpp), and it is their
// products that are added up: of high A and high B alone with one piece; with two, those of low A
// and high B, of high A and high B, and of high A and low B, for every 32 steps of the depth in
// turn. So an output's operations depend on the shape alone here, too.
#pragma once

#include <algorithm>

#include "core/memory/touched.hpp"
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

// Floats of scratch memory that a product of (rows, depth) by (depth, cols) may need.
Index bf16_scratch(Index rows, Index cols, Index depth, int pieces);

// Computes a part of C and calls finish(tile) on each finished tile, as product() does.
void bf16_product(const RowMajor<float>& a, const RowMajor<float>& b, const Part& part, Index depth,
                  int pieces, float* scratch, const Finish<float>& finish,
                  const Touched<float>& touched);
void bf16_product(const RowMajor<float>& a, const Transposed<float>& b, const Part& part,
                  Index depth, int pieces, float* scratch, const Finish<float>& finish,
                  const Touched<float>& touched);
void bf16_product(const Transposed<float>& a, const RowMajor<float>& b, const Part& part,
                  Index depth, int pieces, float* scratch, const Finish<float>& finish,
                  const Touched<float>& touched);

}  // namespace densenet
