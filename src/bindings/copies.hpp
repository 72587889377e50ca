// Copies of arrays into a network or out of it, made between two training steps.
#pragma once

#include <cstddef>
#include <cstring>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"

namespace densenet {

// From pairs (to, from) of contiguous arrays of the same size: copies all of them when called.
struct Copies {
  struct Block {
    const void* from;
    void* to;
    std::size_t bytes;
  };
  std::vector<Block> blocks;

  explicit Copies(const py::list& pairs) {
    for (const py::handle pair : pairs) {
      auto [to, from] = py::cast<std::pair<py::array, py::array>>(pair);
      const bool fits = to.nbytes() == from.nbytes() && to.writeable();
      if (!fits || !c_contiguous(to) || !c_contiguous(from)) {
        throw py::value_error("densenet core: unusable copy");
      }
      blocks.push_back({from.data(), to.mutable_data(), static_cast<std::size_t>(to.nbytes())});
    }
  }

  void operator()() const {
    for (const Block& block : blocks) std::memcpy(block.to, block.from, block.bytes);
  }
};

}  // namespace densenet
