// An optimizer's update of arrays of any layout. The parameters are contiguous in C or Fortran
// order; gradient and state are read in the order of the parameters' memory. Where one of them is
// laid out otherwise, short runs of it are copied to the stack and back.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>

#include "core/memory/views.hpp"
#include "core/tuning.hpp"
#include "core/updates/optimizers.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Elements from one to the next along each axis of Walk::shape.
inline constexpr std::size_t kMaxAxes = 64;  // NumPy's own limit
using Strides = std::array<Index, kMaxAxes>;

// The order in which the parameters lie in memory: their axes, from the slowest to the fastest.
struct Walk {
  std::size_t axes;
  std::array<Index, kMaxAxes> shape;

  Index size() const {
    Index product = 1;
    for (std::size_t a = 0; a < axes; ++a) product *= shape[a];
    return product;
  }
  // Elements along the fastest axis.
  Index inner() const { return axes == 0 ? 1 : shape[axes - 1]; }

  // True if an array with these strides lies in memory in the order of the walk.
  bool contiguous(const Strides& strides) const {
    Index expected = 1;
    for (std::size_t a = axes; a-- > 0;) {
      if (shape[a] != 1 && strides[a] != expected) return false;
      expected *= shape[a];
    }
    return true;
  }

  // The offset of the walk's element `number` in an array with these strides.
  Index offset(Index number, const Strides& strides) const {
    Index at = 0;
    for (std::size_t a = axes; a-- > 0;) {
      at += number % shape[a] * strides[a];
      number /= shape[a];
    }
    return at;
  }
};

// An array with its strides.
template <class T>
struct Strided {
  T* data;
  Strides strides;
};

// Applies the rule to the elements of `range`, counted in the order of the walk.
template <class T, class Rule>
void update(const Rule& rule, const Walk& walk, T* param, const Strided<const T>& grad,
            const std::array<Strided<T>, Rule::kStates>& states, Range range) {
  constexpr std::size_t kStates = Rule::kStates;
  bool contiguous = walk.contiguous(grad.strides);
  Updated<T, kStates> whole{param, {}};
  for (std::size_t s = 0; s < kStates; ++s) {
    contiguous = contiguous && walk.contiguous(states[s].strides);
    whole.state[s] = states[s].data;
  }
  if (contiguous) {
    for_each_vector<T>(range.size(), [&](Index i, auto lanes) {
      whole.apply(rule, range.begin + i, load(grad.data + range.begin + i, lanes), lanes);
    });
    return;
  }
  T buffer[1 + kStates][kStridedRun];
  const Index step_g = walk.axes == 0 ? 0 : grad.strides[walk.axes - 1];
  for (Index begin = range.begin; begin < range.end;) {
    const Index left_in_line = walk.inner() - begin % walk.inner();
    const Index n = std::min({range.end - begin, left_in_line, kStridedRun});
    const T* g = grad.data + walk.offset(begin, grad.strides);
    for (Index i = 0; i < n; ++i) buffer[kStates][i] = g[i * step_g];
    std::array<T*, kStates> from{};
    Updated<T, kStates> run{param + begin, {}};
    for (std::size_t s = 0; s < kStates; ++s) {
      from[s] = states[s].data + walk.offset(begin, states[s].strides);
      run.state[s] = buffer[s];
      const Index step = states[s].strides[walk.axes - 1];
      for (Index i = 0; i < n; ++i) buffer[s][i] = from[s][i * step];
    }
    for_each_vector<T>(n, [&](Index i, auto lanes) {
      run.apply(rule, i, load(buffer[kStates] + i, lanes), lanes);
    });
    for (std::size_t s = 0; s < kStates; ++s) {
      const Index step = states[s].strides[walk.axes - 1];
      for (Index i = 0; i < n; ++i) from[s][i * step] = buffer[s][i];
    }
    begin += n;
  }
}

}  // namespace densenet
