// A network as the specs describe it, in layers, and as a plan computes it, in units.
//
// A unit is a linear layer together with the activation that follows it, or any other layer by
// itself. A residual block is the units between an Open and a Close.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/layers/activations.hpp"
#include "core/products/bf16_product.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

// One layer of the specs. Offsets count elements of the flat vector of parameters; -1: has none.
struct Layer {
  std::string kind;
  Index inputs, outputs;
  Index weight = -1, bias = -1;  // of a normalisation: its scale and shift
  Index running = -1;            // offset of a batch normalisation's running mean and variance
  double parameter = 0;          // of an activation; a dropout's rate; a normalisation's ε
};

struct Unit {
  enum Kind { Linear, Activate, Softmax, Dropout, LayerNorm, BatchNorm, Open, Close };

  Kind kind;
  Index inputs, outputs;
  Index weight = -1, bias = -1, running = -1;
  double parameter = 0;
  Activation activation = {};
  std::size_t index = 0;     // of this unit in the plan
  std::size_t array = 0;     // number of its weight in the plan's arrays; its bias is the next
  std::size_t partner = 0;   // index of an Open's Close, and of a Close's Open
  std::uint32_t number = 0;  // of the layer in the specs: its dropout masks depend on it
  bool first = false;        // its x is the batch itself
  // Its weight, if it is held as bf16 numbers and not among the parameters (predictor.hpp).
  Cells rounded = {};

  bool is_rounded() const { return rounded.data != nullptr; }
};

}  // namespace densenet
