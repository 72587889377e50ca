// The three products of a dense layer, each followed by what the caller does with its tiles.
//
//   forward           y  = x W        rows: batch,  columns: outputs, depth: inputs
//   input gradient    dx = dy Wᵀ      rows: batch,  columns: inputs,  depth: outputs
//   weight gradient   dW = xᵀ dy      rows: inputs, columns: outputs, depth: batch
//
// W is stored (inputs, outputs); the public weight is its transpose. All three are one loop,
// C[i, j] = Σ_k A[i, k] B[k, j], in which a vector register runs along j. product.cpp tells how the
// loop is cut up.
//
// An output is the sum of its products in order of k, in chunks that the shape of the layer alone
// decides (depth.hpp). Tile height, copying, position and thread are free to change for speed
// without changing a bit.
#pragma once

#include "core/memory/touched.hpp"
#include "core/memory/views.hpp"
#include "core/products/depth.hpp"
#include "core/products/operands.hpp"
#include "core/products/tile.hpp"

namespace densenet {

// Elements of scratch memory that a product of (rows, depth) by (depth, cols) may need.
template <class T>
Index product_scratch(Index rows, Index cols, const Depth& depth);

// Computes a part of C (rows, columns of it) and calls finish(tile) on each finished tile. `a` is
// (rows, depth) and `b` (depth, columns), both whole. `touched` says which memory finish() will
// touch, so that it is fetched beforehand: arrays of C's shape.
template <class T>  // forward: x (batch, inputs), W (inputs, outputs)
void product(const RowMajor<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched = {});
template <class T>  // input gradient: dy (batch, outputs), Wᵀ (outputs, inputs)
void product(const RowMajor<T>& a, const Transposed<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched = {});
template <class T>  // weight gradient: xᵀ (inputs, batch), dy (batch, outputs)
void product(const Transposed<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
             T* scratch, const Finish<T>& finish, const Touched<T>& touched = {});

}  // namespace densenet
