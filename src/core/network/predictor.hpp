// A network for prediction alone: a copy of what it has learned, which never changes.
//
// Because it does not change, large weights may be held in the form in which they are multiplied:
// as cells of bf16 numbers, half as large as floats. Both kinds of product read the same cells: of
// few rows, in floats (rounded_product.hpp); of many rows, in bf16 by matrix registers, where the
// processor has them (bf16_product.hpp).
#pragma once

#include <cstdint>
#include <optional>

#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/network/plan.hpp"
#include "core/products/bf16_product.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

// Which weights are held as bf16 numbers: those of so many elements at least, of which neither side
// is below `narrowest`. densenet/_precision.py has the numbers, and the same rule for the
// reference.
struct HeldAsBf16 {
  Index least = 0, narrowest = 0;  // least 0: none

  bool operator()(Index inputs, Index outputs) const {
    return least > 0 && inputs * outputs >= least && inputs >= narrowest && outputs >= narrowest;
  }
};

template <class T>
class Predictor {
 public:
  // Copies a network's parameters and running statistics.
  Predictor(const Plan<T>& network, const T* params, const T* running, const HeldAsBf16& held);

  Index inputs() const { return plan_->inputs(); }
  Index outputs() const { return plan_->outputs(); }
  Index bytes() const { return bytes_; }  // of what it holds of the network's parameters

  // Computes the output of the last layer, y (n, outputs), from x (n, inputs).
  void forward(const Source& x, T* y);

 private:
  Buffer<T> params_, running_;     // parameters but for rounded weights; running statistics
  Buffer<std::uint16_t> rounded_;  // cells of the weights that are held as bf16
  Index bytes_ = 0;
  std::optional<Plan<T>> plan_;
};

}  // namespace densenet
