// Two products of a dense layer whose x is sparse: y = x W, and dW = xᵀ dy, whose A is the
// transpose.
//
// C[i, j] = Σ_k A[i, k] B[k, j] over the numbers that line i of A has, in order of k and in the
// chunks of depth.hpp: to the bit what product() computes, because a product with 0 changes no sum.
// Two differences are left, which no training that goes well meets: 0 times infinity or NaN in B is
// not computed; and where a sum of products too small for T has become -0, it stays so.
#pragma once

#include "core/memory/sparse_batch.hpp"
#include "core/memory/views.hpp"
#include "core/products/depth.hpp"
#include "core/products/operands.hpp"
#include "core/products/tile.hpp"

namespace densenet {

// Computes a part of C and calls finish(tile) on each finished tile, as product() does. `scratch`
// has room for kBundleTiles tiles, as that of any product.
template <class T>
void sparse_product(const SparseLines<T>& a, const RowMajor<T>& b, const Part& part,
                    const Depth& depth, T* scratch, const Finish<T>& finish);

}  // namespace densenet
