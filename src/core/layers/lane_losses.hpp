// The loss of one row of several networks, one in each lane.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/layers/losses.hpp"
#include "core/memory/interleave.hpp"
#include "core/memory/views.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// The element of one lane: [i] is at data[i * kLanes].
template <class T>
struct InLane {
  const T* data;
  T operator[](Index i) const { return data[i * kLanes<T>]; }
};

// Computes doutputs (n, kLanes) from outputs (n, kLanes), as loss.rows() does for the rows of a
// batch: lane by lane for `asked` and `put`, for `count` lanes. `scratch` holds 2 n kLanes
// elements.
template <class T, class Loss, class Asked, class Put>
void loss_in_lanes(const Loss& loss, const T* outputs, Index count, Index n, const Asked& asked,
                   T* doutputs, T* scratch, const Put& put) {
  T* const gradients = scratch + n * kLanes<T>;
  std::array<T*, kLanes<T>> to{};
  std::array<const T*, kLanes<T>> from{};
  for (Index lane = 0; lane < count; ++lane) {
    to[static_cast<std::size_t>(lane)] = scratch + lane * n;
    from[static_cast<std::size_t>(lane)] = gradients + lane * n;
  }
  separate(outputs, count, n, to.data());
  loss.rows(scratch, Range{0, count}, asked, gradients, n, put);
  interleave(from.data(), count, n, doutputs);
}

// The same for softmax and cross-entropy of class indices, where all lanes are computed together.
template <class T, class Asked, class Put>
void classes_in_lanes(const SoftmaxCrossEntropy& loss, const T* outputs, Index count, Index n,
                      const Asked& asked, T* doutputs, const Put& put) {
  constexpr Index kRows = kLanes<T>;
  std::copy_n(outputs, n * kRows, doutputs);
  const T keep = loss.template kept<T>(), rest = loss.template spread<T>(n);
  SoftmaxSums sums[kRows];
  softmax_in_place(doutputs, n, sums);
  T scales[kRows] = {}, hits[kRows];
  Index places[kRows];
  for (Index lane = 0; lane < count; ++lane) {
    const auto [target, scale] = asked(lane);
    places[lane] = target.label * kRows + lane;
    scales[lane] = static_cast<T>(scale);
    hits[lane] = (doutputs[places[lane]] - (keep + rest)) * scales[lane];
    put(lane, loss.value(InLane<T>{outputs + lane}, sums[lane], target, n));
  }
  const Vec<T> scale = load(scales, Whole{}), miss(rest);
  for (Index at = 0; at < n * kRows; at += kRows) {
    store(doutputs + at, (load(doutputs + at, Whole{}) - miss) * scale, Whole{});
  }
  for (Index lane = 0; lane < count; ++lane) doutputs[places[lane]] = hits[lane];
}

}  // namespace densenet
