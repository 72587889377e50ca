// The whole result of a product, for tests that compare it.
#pragma once

#include <cstddef>
#include <vector>

#include "core/memory/buffer.hpp"
#include "core/products/product.hpp"

namespace densenet {

// C (rows, cols), of which multiply(part, scratch, finish) computes a part.
template <class T, class Multiply>
std::vector<T> result(Index rows, Index cols, const Depth& depth, const Multiply& multiply) {
  std::vector<T> c(static_cast<std::size_t>(rows * cols));
  Buffer<T> scratch;
  scratch.at_least(product_scratch<T>(rows, cols, depth));
  const auto finish = [&](const Tile<T>& tile) {
    for_each_vector(tile, [&](Index row, Index col, Vec<T> sum, auto lanes) {
      store(c.data() + row * cols + col, sum, lanes);
    });
  };
  multiply(Part{{0, rows}, {0, cols}}, scratch.get(), Finish<T>(finish));
  return c;
}

}  // namespace densenet
