// Activations: one small struct a rule, elementwise on a vector register.
//
// `forward` maps x to y; `derivative` gives dy/dx from y, so that the backward pass needs no x.
// To add one: write its struct and name it in Activations.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <tuple>

#include "core/exp.hpp"
#include "core/views.hpp"

namespace densenet {

template <class T>
struct Identity {
  static constexpr const char* kName = "identity";
  Vec<T> forward(Vec<T> x) const { return x; }
  Vec<T> derivative(Vec<T>) const { return Vec<T>(T(1)); }
};

// y = 1 / (1 + e^-x). Where e^-x is too large to hold, y is 0 to within the smallest normal number.
template <class T>
struct Sigmoid {
  static constexpr const char* kName = "sigmoid";
  Vec<T> forward(Vec<T> x) const { return Vec<T>(T(1)) / (Vec<T>(T(1)) + exp(-x)); }
  Vec<T> derivative(Vec<T> y) const { return y * (Vec<T>(T(1)) - y); }
};

template <class T>
using Activations = std::tuple<Identity<T>, Sigmoid<T>>;

inline constexpr std::size_t kActivations = std::tuple_size_v<Activations<float>>;

// Calls body(activation) with the one of this number in Activations.
template <class T, std::size_t I = 0, class Body>
void with_activation(std::size_t number, const Body& body) {
  if constexpr (I + 1 < kActivations) {
    if (number != I) return with_activation<T, I + 1>(number, body);
  }
  body(std::tuple_element_t<I, Activations<T>>{});
}

// Its number in Activations.
inline std::size_t activation_number(const std::string& name) {
  std::size_t found = kActivations;
  for (std::size_t i = 0; i < kActivations; ++i) {
    with_activation<float>(i, [&](auto rule) {
      if (name == rule.kName) found = i;
    });
  }
  if (found == kActivations) throw std::invalid_argument("unknown activation: " + name);
  return found;
}

inline constexpr std::size_t kIdentity = 0;

template <class T, class Activation>
void activation_forward(const Activation& rule, const T* x, T* y, Range part) {
  for_each_vector<T>(part.size(), [&](Index i, auto lanes) {
    store(y + part.begin + i, rule.forward(load(x + part.begin + i, lanes)), lanes);
  });
}

// dx = dy ∘ derivative(y); dx may be dy.
template <class T, class Activation>
void activation_backward(const Activation& rule, const T* dy, const T* y, T* dx, Range part) {
  for_each_vector<T>(part.size(), [&](Index i, auto lanes) {
    const Vec<T> slope = rule.derivative(load(y + part.begin + i, lanes));
    store(dx + part.begin + i, load(dy + part.begin + i, lanes) * slope, lanes);
  });
}

}  // namespace densenet
