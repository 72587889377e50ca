// The forward product of a weight that is held as bf16 numbers: y = x W, with x and sums of floats.
//
// A predictor of precision "medium" holds a large weight once, as the cells of bf16_product.hpp,
// and a row reads half as many bytes as of floats. A float's sum adds up what product.hpp adds up,
// in the same order and chunks: the result is that of a weight of floats that have been rounded, to
// the bit. No processor needs more for it than a shift and a mask, as a bf16 number is the upper
// half of a float.
#pragma once

#include "core/memory/views.hpp"
#include "core/products/bf16_product.hpp"
#include "core/products/depth.hpp"
#include "core/products/operands.hpp"
#include "core/products/tile.hpp"

namespace densenet {

// Numbers in the cells of a weight (inputs, outputs) of one piece.
constexpr Index rounded_size(Index inputs, Index outputs) {
  return blocks_of(inputs) * blocks_of(outputs) * kBlockSide * kBlockSide;
}

// Writes the cells of a weight (inputs, outputs): its numbers rounded to nearest, ties to even,
// denormal numbers to zero. A NaN stays one. These are the cells that cut_right() makes where there
// are matrix registers; this needs none.
void round_weight(const Matrix<const float>& weight, const Cells& cells);

// Computes a part of y = x W, and calls finish(tile) on finished tiles, as product() does: x
// (batch, inputs), W (inputs, outputs) as such cells. The part's columns begin at a strip.
void rounded_product(const RowMajor<float>& x, const Cells& weight, const Part& part,
                     const Depth& depth, const Finish<float>& finish);

}  // namespace densenet
