// Copies a network into the form in which it predicts.
#include "core/network/predictor.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/memory/huge_pages.hpp"
#include "core/memory/views.hpp"
#include "core/network/units.hpp"
#include "core/products/rounded_product.hpp"

namespace densenet {

template <class T>
Predictor<T>::Predictor(const Plan<T>& network, const T* params, const T* running,
                        const HeldAsBf16& held) {
  std::vector<Unit> units = network.units();
  const auto is_held = [&](const Unit& unit) {
    return std::is_same_v<T, float> && unit.kind == Unit::Linear && held(unit.inputs, unit.outputs);
  };
  Index numbers = 0, left = network.parameters();  // of rounded weights, and of what is left
  for (const Unit& unit : units) {
    if (!is_held(unit)) continue;
    numbers += rounded_size(unit.inputs, unit.outputs);
    left -= unit.inputs * unit.outputs;
  }
  T* to = params_.at_least(left);
  advise_huge_pages(to, static_cast<std::size_t>(left) * sizeof(T));
  std::uint16_t* cells = rounded_.at_least(numbers);
  advise_huge_pages(cells, static_cast<std::size_t>(numbers) * sizeof(*cells));
  bytes_ = left * static_cast<Index>(sizeof(T)) + numbers * static_cast<Index>(sizeof(*cells));

  Index at = 0;
  const auto keep = [&](Index& offset, Index size) {
    if (offset < 0) return;
    std::copy_n(params + offset, size, to + at);
    offset = at;
    at += size;
  };
  for (Unit& unit : units) {
    const bool linear = unit.kind == Unit::Linear;
    if (is_held(unit)) {
      if constexpr (std::is_same_v<T, float>) {
        const Index size = rounded_size(unit.inputs, unit.outputs);
        unit.rounded = {cells, blocks_of(unit.inputs), 1};
        round_weight({params + unit.weight, unit.inputs, unit.outputs, unit.outputs}, unit.rounded);
        unit.weight = -1;
        cells += size;
      }
    }
    keep(unit.weight, (linear ? unit.inputs : 1) * unit.outputs);
    keep(unit.bias, unit.outputs);
  }
  std::copy_n(running, network.running(), running_.at_least(network.running()));
  plan_.emplace(network, std::move(units), left);
}

template <class T>
void Predictor<T>::forward(const Source& x, T* y) {
  plan_->forward(params_.get(), x, y, Mode<T>{false, 0, 0, running_.get(), false});
}

template class Predictor<float>;
template class Predictor<double>;

}  // namespace densenet
