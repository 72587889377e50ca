// Steps of several networks together: each register holds a number of every network, a lane each.
//
// A step gathers the rows of all networks, computes layer by layer forward, then the loss, then
// backward, and updates, as Plan does for one network and in the same order.
#include "core/network/together.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include "core/layers/activations.hpp"
#include "core/layers/lane_losses.hpp"
#include "core/layers/losses.hpp"
#include "core/memory/gather.hpp"
#include "core/memory/interleave.hpp"
#include "core/memory/views.hpp"
#include "core/network/poll.hpp"
#include "core/network/weights.hpp"
#include "core/network/workspace.hpp"
#include "core/products/lane_product.hpp"
#include "core/products/sums.hpp"
#include "core/tuning.hpp"
#include "core/vectors/float_mode.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

std::int64_t example(const Epoch& epoch, Index i) {
  return epoch.order != nullptr ? epoch.order[i] : i;
}

// True for the kinds of units that can be computed in lanes.
bool known(const Unit& unit) { return unit.kind == Unit::Linear || unit.kind == Unit::Activate; }

// Calls body(i) with the place of each of n registers in memory.
template <class T, class Body>
void for_each_register(Index n, const Body& body) {
  for (Index i = 0; i < n * kLanes<T>; i += kLanes<T>) body(i);
}

}  // namespace

template <class T>
Index Together<T>::size(const Plan<T>& plan, const Hyperparameters& settings, Index rows) {
  if (plan.precision().pieces > 0) return 1;
  Index registers = 3 * plan.parameters() + rows * plan.inputs();
  for (const Unit& unit : plan.units()) {
    if (!known(unit)) return 1;
    registers += 3 * rows * unit.outputs;
  }
  return settings.clip_norm == 0 && registers <= kMostTogether ? kLanes<T> : 1;
}

template <class T>
bool Together<T>::possible(const Members& members, const Hyperparameters& settings) {
  if (members.empty() || static_cast<Index>(members.size()) > kLanes<T>) return false;
  const Epoch& first = members.front().epoch;
  const auto alike = [&](const Unit& a, const Unit& b) {
    return known(a) && a.kind == b.kind && a.inputs == b.inputs && a.outputs == b.outputs &&
           a.bias == b.bias && a.activation.number == b.activation.number &&
           a.activation.parameter == b.activation.parameter;
  };
  return settings.clip_norm == 0 &&
         std::all_of(members.begin(), members.end(), [&](const Member& member) {
           const auto &units = member.plan->units(), &like = members.front().plan->units();
           const Epoch& own = member.epoch;
           return std::equal(units.begin(), units.end(), like.begin(), like.end(), alike) &&
                  member.plan->precision_.pieces == 0 &&
                  member.plan->loss_.number == members.front().plan->loss_.number &&
                  member.examples.sample_weight == nullptr && own.rows == first.rows &&
                  own.batch_size == first.batch_size && own.first_step == first.first_step &&
                  own.steps_before == first.steps_before &&
                  std::equal(own.lr, own.lr + own.n_steps, first.lr, first.lr + first.n_steps) &&
                  own.tolerance == 0 && own.l2 == nullptr && own.eps == nullptr &&
                  own.penalty == nullptr;
         });
}

template <class T>
std::optional<std::vector<EpochResult>> Together<T>::train(Members& members,
                                                           const Optimizer& optimizer) {
  std::deque<Access::Training> turns;
  for (const Member& member : members) {
    if (!turns.emplace_back(member.plan->access_)) return std::nullopt;
  }
  shape_ = members.front().plan;
  std::vector<EpochResult> results(members.size());
  const DenormalMode flush(true);
  with_rule<T>(optimizer.rule, [&](auto* rule) {
    using Rule = std::remove_pointer_t<decltype(rule)>;
    reserve(members, static_cast<Index>(Rule::kStates));
    train_by<Rule>(members, optimizer, results);
  });
  return results;
}

template <class T>
void Together<T>::reserve(const Members& members, Index states) {
  const Epoch& epoch = members.front().epoch;
  const Index rows = std::min(epoch.batch_size, epoch.rows);
  const Index all = shape_->parameters() * kLanes<T>;
  params_.at_least(all);
  for (Index s = 0; s < states; ++s) states_[s].at_least(all);
  x_.at_least(rows * shape_->inputs() * kLanes<T>);
  copies_.at_least(rows * shape_->inputs() * kLanes<T>);
  line_.at_least(shape_->outputs() * kLanes<T>);
  losses_.at_least(2 * shape_->outputs() * kLanes<T>);
  layers_.resize(shape_->units().size());
  for (std::size_t u = 0; u < layers_.size(); ++u) {
    const Unit& unit = shape_->units()[u];
    const Index size = rows * unit.outputs * kLanes<T>;
    layers_[u].y.at_least(size);
    layers_[u].d.at_least(size);
    if (from_input(unit.activation)) layers_[u].z.at_least(size);
  }
}

// Copies parameters and moments of all networks into the lanes.
template <class T>
void Together<T>::load_all(const Members& members) {
  const Index count = static_cast<Index>(members.size()), n = shape_->parameters();
  std::array<const T*, kLanes<T>> lines{};
  const auto load_from = [&](const auto& of, T* to) {
    std::transform(members.begin(), members.end(), lines.begin(), of);
    interleave(lines.data(), count, n, to);
  };
  load_from([](const Member& member) { return member.params; }, params_.get());
  for (std::size_t s = 0; s < members.front().states.size(); ++s) {
    load_from([s](const Member& member) { return member.states[s]; }, states_[s].get());
  }
}

// Copies them back, and counts the steps.
template <class T>
void Together<T>::save_all(const Members& members, Index steps) {
  const Index count = static_cast<Index>(members.size()), n = shape_->parameters();
  std::array<T*, kLanes<T>> lines{};
  const auto save_to = [&](const auto& of, const T* from) {
    std::transform(members.begin(), members.end(), lines.begin(), of);
    separate(from, count, n, lines.data());
  };
  save_to([](const Member& member) { return member.params; }, params_.get());
  for (std::size_t s = 0; s < members.front().states.size(); ++s) {
    save_to([s](const Member& member) { return member.states[s]; }, states_[s].get());
  }
  for (const Member& member : members) *member.epoch.taken = member.epoch.steps_before + steps;
}

// Copies these rows of every network's epoch into x (batch, inputs).
template <class T>
void Together<T>::load_batch(const Members& members, Range rows) {
  const Index count = static_cast<Index>(members.size()), size = rows.size() * shape_->inputs();
  std::array<const T*, kLanes<T>> copies{};
  for (Index lane = 0; lane < count; ++lane) {
    const Member& member = members[static_cast<std::size_t>(lane)];
    const typename Plan<T>::Batch batch(member.examples, member.epoch.order, rows.begin,
                                        rows.size());
    T* const copy = copies_.get() + lane * size;
    batch.gather_part(member.examples.x, Part{{0, rows.size()}, {0, shape_->inputs()}}, copy);
    copies[static_cast<std::size_t>(lane)] = copy;
  }
  interleave(copies.data(), count, size, x_.get());
}

// Computes y (batch, outputs) of every unit, and z where the derivative is computed from it.
template <class T>
void Together<T>::forward(Index rows) {
  for (std::size_t u = 0; u < layers_.size(); ++u) {
    const Unit& unit = shape_->units()[u];
    const Index n = unit.outputs;
    T *y = layers_[u].y.get(), *z_out = layers_[u].z.get();
    with_activation<T>(unit.activation, [&](auto activation) {
      const auto put = [=](Index at, Vec<T> z) {
        if constexpr (kFromInput<decltype(activation)>) store(z_out + at, z, Whole{});
        store(y + at, activation.forward(z), Whole{});
      };
      if (unit.kind == Unit::Activate) {
        const T* x = input(u);
        return for_each_register<T>(rows * n, [&](Index at) { put(at, load(x + at, Whole{})); });
      }
      const LaneMatrix<T> x{input(u), unit.inputs, 1},
          w{params_.get() + unit.weight * kLanes<T>, n, 1};
      const T* bias = unit.bias >= 0 ? params_.get() + unit.bias * kLanes<T> : nullptr;
      lane_product(x, w, rows, n, forward_depth(unit.inputs, n),
                   [=](Index row, Index col, Vec<T> z) {
                     if (bias != nullptr) z = z + load(bias + col * kLanes<T>, Whole{});
                     put((row * n + col) * kLanes<T>, z);
                   });
    });
  }
}

// Computes d (batch, outputs) of the last unit, each network's loss, and whether it is finite.
template <class T>
void Together<T>::loss(const Members& members, Range rows, Index step,
                       std::vector<EpochResult>& results) {
  const Index count = static_cast<Index>(members.size()), n = shape_->outputs();
  const double batch = static_cast<double>(rows.size()), share = 1.0 / batch;
  Layer& last = layers_.back();
  const bool on_classes = members.front().examples.labels != nullptr;
  std::array<double, kLanes<T>> sums{}, zeros{};  // a zero becomes NaN if a loss is not finite
  with_loss(shape_->loss_, [&](const auto& loss) {
    const auto of_row = [&](Index i) {
      const Index at = (i - rows.begin) * n * kLanes<T>;
      const auto asked = [&](Index lane) {  // as if the networks were the rows of a batch
        const Member& member = members[static_cast<std::size_t>(lane)];
        const std::int64_t row = example(member.epoch, i);
        const Examples& examples = member.examples;
        const Target<T> target = examples.labels != nullptr
                                     ? Target<T>{examples.labels[row], nullptr}
                                     : Target<T>{0, member.targets(row, line_.get() + lane * n)};
        return std::pair{target, share};
      };
      const auto put = [&](Index lane, double value) {
        sums[static_cast<std::size_t>(lane)] += value;
        zeros[static_cast<std::size_t>(lane)] += 0 * value;
      };
      const T* y = last.y.get() + at;
      T* d = last.d.get() + at;
      if constexpr (std::is_same_v<std::decay_t<decltype(loss)>, SoftmaxCrossEntropy>) {
        if (on_classes) return classes_in_lanes(loss, y, count, n, asked, d, put);
      }
      loss_in_lanes(loss, y, count, n, asked, d, losses_.get(), put);
    };
    for (Index i = rows.begin; i < rows.end; ++i) of_row(i);
  });
  for (std::size_t lane = 0; lane < members.size(); ++lane) {
    members[lane].epoch.batch_loss[step] = sums[lane] / batch;
    results[lane].diverged = zeros[lane] != 0;
  }
}

// Computes d (batch, outputs) of all other units: the gradient with respect to z.
template <class T>
void Together<T>::backward(Index rows) {
  for (std::size_t u = layers_.size(); u-- > 0;) {
    const Unit& unit = shape_->units()[u];
    T* d = layers_[u].d.get();
    if (u + 1 < layers_.size()) {
      const Unit& after = shape_->units()[u + 1];
      const T* d_after = layers_[u + 1].d.get();
      if (after.kind == Unit::Activate) {
        std::copy_n(d_after, rows * unit.outputs * kLanes<T>, d);
      } else {
        const Index n = after.outputs;
        const LaneMatrix<T> left{d_after, n, 1},
            transposed{params_.get() + after.weight * kLanes<T>, 1, n};
        lane_product(left, transposed, rows, unit.outputs, Depth(n),
                     [d, cols = unit.outputs](Index row, Index col, Vec<T> sum) {
                       store(d + (row * cols + col) * kLanes<T>, sum, Whole{});
                     });
      }
    }
    if (unit.activation.number == kIdentity) continue;
    with_activation<T>(unit.activation, [&](auto rule) {
      const T* from = kFromInput<decltype(rule)> ? layers_[u].z.get() : layers_[u].y.get();
      activation_backward(rule, d, from, d, Range{0, rows * unit.outputs * kLanes<T>});
    });
  }
}

// Updates all parameters by their gradients, as soon as each is there.
template <class T>
template <class Rule>
void Together<T>::update(Index rows, const StepRules<Rule>& rules, const Factors& factors,
                         T limit) {
  Updated<T, Rule::kStates> updated{params_.get(), {}};
  for (std::size_t s = 0; s < Rule::kStates; ++s) updated.state[s] = states_[s].get();
  for (std::size_t u = 0; u < layers_.size(); ++u) {
    const Unit& unit = shape_->units()[u];
    if (unit.kind != Unit::Linear) continue;
    const Index n = unit.outputs;
    const LaneMatrix<T> x{input(u), 1, unit.inputs}, d{layers_[u].d.get(), n, 1};
    const auto taken = [&](std::size_t array, bool is_weight) {
      return [=, rule = rules.of(array, is_weight)](Index at, Vec<T> gradient) {
        updated.apply(rule, at * kLanes<T>, clipped(gradient, limit), Whole{});
      };
    };
    if (factors.learns(unit.array)) {
      const auto take = taken(unit.array, true);
      lane_product(x, d, unit.inputs, n, Depth(rows), [&](Index row, Index col, Vec<T> sum) {
        take(unit.weight + row * n + col, sum);
      });
    }
    if (unit.bias < 0 || !factors.learns(unit.array + 1)) continue;
    const auto of_row = [&](Index row, Index at, auto) { return load(d.at(row, 0) + at, Whole{}); };
    const auto take = taken(unit.array + 1, false);
    column_sums_of<T>(rows, Range{0, n * kLanes<T>}, of_row,
                      [&](Vec<T> sum, Index at, auto) { take(unit.bias + at / kLanes<T>, sum); });
  }
}

template <class T>
template <class Rule>
void Together<T>::train_by(Members& members, const Optimizer& optimizer,
                           std::vector<EpochResult>& results) {
  const Epoch& epoch = members.front().epoch;
  Poll poll(epoch);
  load_all(members);
  Index steps = 0;
  for (bool go_on = true; go_on && steps < epoch.n_steps;) {
    const Index begin = (epoch.first_step + steps) * epoch.batch_size;
    const Range rows{begin, std::min(begin + epoch.batch_size, epoch.rows)};
    load_batch(members, rows);
    forward(rows.size());
    loss(members, rows, steps, results);
    const auto diverged = [](const EpochResult& result) { return result.diverged; };
    go_on = std::none_of(results.begin(), results.end(), diverged);
    if (go_on) {
      backward(rows.size());
      const StepRules<Rule> rules(optimizer.hyperparameters, epoch.lr[steps],
                                  epoch.steps_before + steps + 1, optimizer.factors);
      const T limit = static_cast<T>(optimizer.hyperparameters.clip_value);
      update(rows.size(), rules, optimizer.factors, limit);
      ++steps;
    }
    const auto wanted = [](const Member& member) { return member.plan->access_.wanted(); };
    const bool due = poll.due(Poll::Clock::now());
    if (go_on && steps < epoch.n_steps && !due &&
        std::none_of(members.begin(), members.end(), wanted)) {
      continue;
    }
    save_all(members, steps);
    for (Member& member : members) {
      if (wanted(member)) member.plan->access_.let_copy();
    }
    if (!due) continue;
    for (Member& member : members) member.plan->access_.rest();
    go_on = poll.go_on(steps) && go_on;
    for (Member& member : members) member.plan->access_.go_on();
    load_all(members);
  }
  for (EpochResult& result : results) {
    result.steps = steps;
    result.busy_threads = 1;
  }
}

template class Together<float>;
template class Together<double>;

}  // namespace densenet
