// Activations y = f(x): one small struct each, which works on a vector register.
//
// forward(x) gives y. derivative(y) gives dy/dx, so that the backward pass does not need x; where
// the struct has kFromInput, it is derivative(x). An activation with a parameter is constructed
// from it. To add one: write its struct and name it in Activations.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "core/memory/views.hpp"
#include "core/vectors/exp.hpp"
#include "core/vectors/normal.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

template <class T>
struct Identity {
  static constexpr const char* kName = "identity";
  Vec<T> forward(Vec<T> x) const { return x; }
  Vec<T> derivative(Vec<T>) const { return Vec<T>(T(1)); }
};

// y = 1 / (1 + e^-x). Where e^-x overflows, y is 0, which is right to the smallest normal number.
template <class T>
inline Vec<T> sigmoid(Vec<T> x) {
  return Vec<T>(T(1)) / (Vec<T>(T(1)) + exp(-x));
}

template <class T>
struct Sigmoid {
  static constexpr const char* kName = "sigmoid";
  Vec<T> forward(Vec<T> x) const { return sigmoid(x); }
  Vec<T> derivative(Vec<T> y) const { return y * (Vec<T>(T(1)) - y); }
};

// |y| = -t / (2 + t) with t = e^(-2|x|) - 1. y has the sign of x, that of zero included.
template <class T>
struct Tanh {
  static constexpr const char* kName = "tanh";
  Vec<T> forward(Vec<T> x) const {
    const Vec<T> t = expm1_negative(Vec<T>(T(-2)) * abs(x));
    return copy_sign(t / (Vec<T>(T(2)) + t), x);
  }
  Vec<T> derivative(Vec<T> y) const { return Vec<T>(T(1)) - y * y; }
};

// y = max(x, 0). abs() removes the sign of a -0.
template <class T>
struct ReLU {
  static constexpr const char* kName = "relu";
  Vec<T> forward(Vec<T> x) const { return abs(max(x, Vec<T>(T(0)))); }
  Vec<T> derivative(Vec<T> y) const {
    return select(greater(y, Vec<T>(T(0))), Vec<T>(T(1)), Vec<T>(T(0)));
  }
};

// y = x for x > 0, otherwise slope x.
template <class T>
struct LeakyReLU {
  static constexpr const char* kName = "leaky_relu";
  T slope;
  explicit LeakyReLU(double parameter) : slope(static_cast<T>(parameter)) {}
  Vec<T> forward(Vec<T> x) const { return select(greater(x, Vec<T>(T(0))), x, Vec<T>(slope) * x); }
  Vec<T> derivative(Vec<T> y) const {
    return select(greater(y, Vec<T>(T(0))), Vec<T>(T(1)), Vec<T>(slope));
  }
};

// y = α (e^x - 1) for x < 0, otherwise x. Clevert et al. 2016.
template <class T>
struct ELU {
  static constexpr const char* kName = "elu";
  T alpha;
  explicit ELU(double parameter) : alpha(static_cast<T>(parameter)) {}
  Vec<T> forward(Vec<T> x) const {
    const Vec<T> zero(T(0));
    return select(greater(zero, x), Vec<T>(alpha) * expm1_negative(min(x, zero)), x);
  }
  Vec<T> derivative(Vec<T> y) const {
    return select(greater(y, Vec<T>(T(0))), Vec<T>(T(1)), y + Vec<T>(alpha));
  }
};

// y = x Φ(x), where Φ is the normal distribution's. Hendrycks and Gimpel 2016.
template <class T>
struct GELU {
  static constexpr const char* kName = "gelu";
  static constexpr bool kFromInput = true;
  Vec<T> forward(Vec<T> x) const { return times_normal(x); }
  Vec<T> derivative(Vec<T> x) const { return normal_slope(x); }
};

// y = x sigmoid(x). Elfwing et al. 2018.
template <class T>
struct SiLU {
  static constexpr const char* kName = "silu";
  static constexpr bool kFromInput = true;
  Vec<T> forward(Vec<T> x) const { return x * sigmoid(x); }
  Vec<T> derivative(Vec<T> x) const {
    const Vec<T> s = sigmoid(x), one(T(1));
    return s * (one + x * (one - s));
  }
};

// y = x g with g = tanh(ln(1 + e^x)) = p / (1 + p), p = w + w²/2 and w = e^x. Misra 2019.
template <class T>
struct Mish {
  static constexpr const char* kName = "mish";
  static constexpr bool kFromInput = true;
  struct Powers {
    Vec<T> w, p;
  };
  // From x = 40 on g is 1 in either type, and e^x need not grow.
  static Vec<T> bounded(Vec<T> x) { return min(x, Vec<T>(T(40))); }
  static Powers powers(Vec<T> x) {
    const auto [n, power] = detail::exponential(bounded(x));  // w = 2ⁿ (1 + power)
    const Vec<T> one(T(1)), w = times_power_of_two(one + power, n);
    // p = w + w²/2 = 2ⁿ (1 + rest), without the rounding of w
    const Vec<T> rest = multiply_add(Vec<T>(T(0.5)) * w, one + power, power);
    return {w, times_power_of_two(one + rest, n)};
  }
  Vec<T> forward(Vec<T> x) const {
    const Vec<T> p = powers(x).p;
    return x * (p / (Vec<T>(T(1)) + p));
  }
  // g + x (1 - g²) σ(x)
  Vec<T> derivative(Vec<T> x) const {
    const auto [w, p] = powers(x);
    const Vec<T> one(T(1)), q = one + p;
    return p / q + bounded(x) * (w / q * ((one + w) / q));
  }
};

template <class T>
using Activations = std::tuple<Identity<T>, Sigmoid<T>, Tanh<T>, ReLU<T>, LeakyReLU<T>, ELU<T>,
                               GELU<T>, SiLU<T>, Mish<T>>;

inline constexpr std::size_t kActivations = std::tuple_size_v<Activations<float>>;
inline constexpr std::size_t kIdentity = 0;  // its position in Activations

// One of Activations, by its position there, with its parameter, if it has one.
struct Activation {
  std::size_t number = kIdentity;
  double parameter = 0;
};

// Calls body(rule) with an object of the activation's own type.
template <class T, std::size_t I = 0, class Body>
void with_activation(const Activation& activation, const Body& body) {
  if constexpr (I + 1 < kActivations) {
    if (activation.number != I) return with_activation<T, I + 1>(activation, body);
  }
  using Rule = std::tuple_element_t<I, Activations<T>>;
  if constexpr (std::is_constructible_v<Rule, double>) {
    body(Rule(activation.parameter));
  } else {
    body(Rule{});
  }
}

// True if Rule's derivative is computed from x and not from y.
template <class Rule, class = void>
inline constexpr bool kFromInput = false;
template <class Rule>
inline constexpr bool kFromInput<Rule, std::void_t<decltype(Rule::kFromInput)>> = true;

// The activation of this kName. Throws std::invalid_argument if there is none.
inline Activation activation_named(const std::string& name, double parameter) {
  Activation found{kActivations, parameter};
  for (std::size_t i = 0; i < kActivations; ++i) {
    with_activation<float>(Activation{i, 0}, [&](auto rule) {
      if (name == rule.kName) found.number = i;
    });
  }
  if (found.number == kActivations) throw std::invalid_argument("unknown activation: " + name);
  return found;
}

// True if the derivative is computed from x and not from y.
inline bool from_input(const Activation& activation) {
  bool result = false;
  with_activation<float>(activation, [&](auto rule) { result = kFromInput<decltype(rule)>; });
  return result;
}

// y = rule(x), for a range of elements.
template <class T, class Rule>
void activation_forward(const Rule& rule, const T* x, T* y, Range range) {
  for_each_vector<T>(range.size(), [&](Index i, auto lanes) {
    store(y + range.begin + i, rule.forward(load(x + range.begin + i, lanes)), lanes);
  });
}

// dx = dy ∘ derivative(y), for a range of elements; `y` is x where the rule has kFromInput. dx
// may be dy.
template <class T, class Rule>
void activation_backward(const Rule& rule, const T* dy, const T* y, T* dx, Range range) {
  for_each_vector<T>(range.size(), [&](Index i, auto lanes) {
    const Vec<T> slope = rule.derivative(load(y + range.begin + i, lanes));
    store(dx + range.begin + i, load(dy + range.begin + i, lanes) * slope, lanes);
  });
}

}  // namespace densenet
