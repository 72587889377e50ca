// Optimizers: one small struct each, a rule that works on vector registers.
//
// A rule is constructed once a step, when it computes, in double, the scalars that depend on the
// step. Called with a parameter w, its gradient g and its state, it returns the new w and changes
// the state. It does what the reference does in the same order, so both give the same bits.
// Rejected: estimated reciprocals and roots with a Newton step each (no faster than the exact
// instructions). To add an optimizer: write its struct and name it in Rules.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <tuple>
#include <vector>

#include "core/memory/touched.hpp"
#include "core/vectors/index.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// The settings of all rules; each uses those it has.
struct Hyperparameters {
  double momentum = 0, dampening = 0, nesterov = 0;
  double beta = 0, beta1 = 0, beta2 = 0, eps = 0;
  double l1 = 0, l2 = 0, weight_decay = 0;
  double clip_value = 0, clip_norm = 0;  // 0: no clipping

  // Weights are penalised; biases are not, and take a rule without penalties.
  bool penalised() const { return l1 != 0 || l2 != 0 || weight_decay != 0; }
  Hyperparameters without_penalties() const {
    Hyperparameters copy = *this;
    copy.l1 = copy.l2 = copy.weight_decay = 0;
    return copy;
  }
};

// The L2 penalty adds λw to the gradient. The L1 penalty moves w towards 0 by `amount` and no
// further (the proximal step w = sign(w) max(|w| - amount, 0)), which gives exact zeros.
template <class T>
struct Penalties {
  T l1, l2;

  explicit Penalties(const Hyperparameters& h)
      : l1(static_cast<T>(h.l1)), l2(static_cast<T>(h.l2)) {}

  Vec<T> gradient(Vec<T> g, Vec<T> w) const { return l2 == 0 ? g : g + Vec<T>(l2) * w; }

  static Vec<T> shrink(Vec<T> w, Vec<T> amount) { return w - max(min(w, amount), -amount); }
};

template <class T>
using NoState = std::array<Vec<T>, 0>;

// w -= η g
template <class T>
struct GradientDescent {
  static constexpr const char* kName = "gradient_descent";
  static constexpr std::size_t kStates = 0;
  Penalties<T> penalties;
  T lr, shrinkage;

  GradientDescent(const Hyperparameters& h, double lr_, Index)
      : penalties(h), lr(static_cast<T>(lr_)), shrinkage(static_cast<T>(h.l1 * lr_)) {}

  Vec<T> operator()(Vec<T> w, Vec<T> g, NoState<T>&) const {
    w = w - Vec<T>(lr) * penalties.gradient(g, w);
    return penalties.l1 == 0 ? w : penalties.shrink(w, Vec<T>(shrinkage));
  }
};

// v = β v + (1-d) g; w -= η v, or with Nesterov w -= η (g + β v). Sutskever et al. 2013. A constant
// gradient moves w by η (1-d) / (1-β) times itself at each step in the end, and so does the L1
// penalty: `shrinkage`.
template <class T>
struct Momentum {
  static constexpr const char* kName = "momentum";
  static constexpr std::size_t kStates = 1;
  Penalties<T> penalties;
  T lr, momentum, gain, shrinkage;
  bool nesterov;

  Momentum(const Hyperparameters& h, double lr_, Index)
      : penalties(h),
        lr(static_cast<T>(lr_)),
        momentum(static_cast<T>(h.momentum)),
        gain(static_cast<T>(1 - h.dampening)),
        shrinkage(static_cast<T>(h.l1 * (lr_ * (1 - h.dampening) / (1 - h.momentum)))),
        nesterov(h.nesterov != 0) {}

  Vec<T> operator()(Vec<T> w, Vec<T> g, std::array<Vec<T>, 1>& state) const {
    auto& [v] = state;
    g = penalties.gradient(g, w);
    v = Vec<T>(momentum) * v + Vec<T>(gain) * g;
    w = w - Vec<T>(lr) * (nesterov ? g + Vec<T>(momentum) * v : v);
    return penalties.l1 == 0 ? w : penalties.shrink(w, Vec<T>(shrinkage));
  }
};

// v = β v + (1-β) g²; w -= η g / (√v + ε). Tieleman and Hinton 2012.
template <class T>
struct RMSprop {
  static constexpr const char* kName = "rmsprop";
  static constexpr std::size_t kStates = 1;
  Penalties<T> penalties;
  T lr, beta, rest, eps, shrinkage;

  RMSprop(const Hyperparameters& h, double lr_, Index)
      : penalties(h),
        lr(static_cast<T>(lr_)),
        beta(static_cast<T>(h.beta)),
        rest(static_cast<T>(1 - h.beta)),
        eps(static_cast<T>(h.eps)),
        shrinkage(static_cast<T>(h.l1 * lr_)) {}

  Vec<T> operator()(Vec<T> w, Vec<T> g, std::array<Vec<T>, 1>& state) const {
    auto& [v] = state;
    g = penalties.gradient(g, w);
    v = Vec<T>(beta) * v + Vec<T>(rest) * (g * g);
    const Vec<T> scale = sqrt(v) + Vec<T>(eps);
    w = w - Vec<T>(lr) * g / scale;
    return penalties.l1 == 0 ? w : penalties.shrink(w, Vec<T>(shrinkage) / scale);
  }
};

// m = β1 m + (1-β1) g; v = β2 v + (1-β2) g²; w -= η m̂ / (√v̂ + ε) with m̂ = m / (1-β1ᵗ) and
// v̂ = v / (1-β2ᵗ). Kingma and Ba 2015. The members lr and correction are η / (1-β1ᵗ) and
// 1 / √(1-β2ᵗ).
template <class T>
struct Adam {
  static constexpr const char* kName = "adam";
  static constexpr std::size_t kStates = 2;
  Penalties<T> penalties;
  T lr, beta1, rest1, beta2, rest2, correction, eps, shrinkage;

  Adam(const Hyperparameters& h, double lr_, Index step)
      : penalties(h),
        lr(static_cast<T>(lr_ / (1 - std::pow(h.beta1, static_cast<double>(step))))),
        beta1(static_cast<T>(h.beta1)),
        rest1(static_cast<T>(1 - h.beta1)),
        beta2(static_cast<T>(h.beta2)),
        rest2(static_cast<T>(1 - h.beta2)),
        correction(static_cast<T>(1 / std::sqrt(1 - std::pow(h.beta2, static_cast<double>(step))))),
        eps(static_cast<T>(h.eps)),
        shrinkage(static_cast<T>(h.l1 * lr_)) {}

  Vec<T> operator()(Vec<T> w, Vec<T> g, std::array<Vec<T>, 2>& state) const {
    auto& [m, v] = state;
    g = penalties.gradient(g, w);
    m = Vec<T>(beta1) * m + Vec<T>(rest1) * g;
    v = Vec<T>(beta2) * v + Vec<T>(rest2) * (g * g);
    const Vec<T> scale = sqrt(v) * Vec<T>(correction) + Vec<T>(eps);
    w = w - Vec<T>(lr) * m / scale;
    return penalties.l1 == 0 ? w : penalties.shrink(w, Vec<T>(shrinkage) / scale);
  }
};

// w *= 1 - ηλ, then Adam. Loshchilov and Hutter 2019.
template <class T>
struct AdamW : Adam<T> {
  static constexpr const char* kName = "adamw";
  T keep;

  AdamW(const Hyperparameters& h, double lr_, Index step)
      : Adam<T>(h, lr_, step), keep(static_cast<T>(1 - lr_ * h.weight_decay)) {}

  Vec<T> operator()(Vec<T> w, Vec<T> g, std::array<Vec<T>, 2>& state) const {
    return Adam<T>::operator()(Vec<T>(keep) * w, g, state);
  }
};

template <class T>
using Rules = std::tuple<GradientDescent<T>, Momentum<T>, RMSprop<T>, Adam<T>, AdamW<T>>;

inline constexpr std::size_t kRules = std::tuple_size_v<Rules<float>>;

// Factors of the learning rate, one for each array of parameters, in their order in the flat
// vector. An array whose factor is 0 is frozen: it keeps its bits, and so does its state. None
// given: all are 1.
struct Factors {
  std::vector<double> given = {};

  double operator[](std::size_t array) const { return given.empty() ? 1 : given[array]; }
  bool learns(std::size_t array) const { return (*this)[array] != 0; }
};

// One of Rules, by its position there, with its settings.
struct Optimizer {
  std::size_t rule = 0;
  Hyperparameters hyperparameters;
  Factors factors = {};
};

// The rule of each array of parameters at one step, the count-th from 1. Weights are penalised, all
// other parameters are not.
template <class Rule>
class StepRules {
 public:
  StepRules(const Hyperparameters& settings, double lr, Index count, const Factors& factors)
      : settings_(settings),
        lr_(lr),
        count_(count),
        factors_(factors),
        weights_(settings, lr, count),
        others_(settings.penalised() ? Rule(settings.without_penalties(), lr, count) : weights_) {}

  Rule of(std::size_t array, bool is_weight) const {
    if (factors_[array] == 1) return is_weight ? weights_ : others_;
    return Rule(is_weight ? settings_ : settings_.without_penalties(), factors_[array] * lr_,
                count_);
  }

 private:
  const Hyperparameters& settings_;
  double lr_;
  Index count_;
  const Factors& factors_;
  Rule weights_, others_;  // where the factor is 1
};

// Calls body(type), where `type` is a null pointer to the rule at this position in Rules: it tells
// the rule's type alone.
template <class T, std::size_t I = 0, class Body>
void with_rule(std::size_t number, const Body& body) {
  if constexpr (I + 1 < kRules) {
    if (number != I) return with_rule<T, I + 1>(number, body);
  }
  body(static_cast<std::tuple_element_t<I, Rules<T>>*>(nullptr));
}

// What a rule updates: parameters, and for each of them the rule's state (Adam's two moments).
template <class T, std::size_t States>
struct Updated {
  T* param;
  std::array<T*, States> state;

  // What apply() touches from element `at` on, as matrices of this stride.
  Touched<T> touches(Index at, Index stride) const {
    Touched<T> result{{param + at}, stride};
    for (std::size_t s = 0; s < States; ++s) result.array[s + 1] = state[s] + at;
    return result;
  }

  // Applies the rule to a register of elements from `at` on, whose gradient is g.
  template <class Rule, class Lanes>
  void apply(const Rule& rule, Index at, Vec<T> g, Lanes lanes) const {
    std::array<Vec<T>, States> values;
    for (std::size_t s = 0; s < States; ++s) values[s] = load(state[s] + at, lanes);
    store(param + at, rule(load(param + at, lanes), g, values), lanes);
    for (std::size_t s = 0; s < States; ++s) store(state[s] + at, values[s], lanes);
  }
};

}  // namespace densenet
