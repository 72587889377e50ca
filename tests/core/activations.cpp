// Activations: their values at some points, and their derivatives against differences.
#include "core/layers/activations.hpp"

#include <cmath>

#include "check.hpp"

namespace {

using namespace densenet;

// The first lane of what a function of registers gives for x.
template <class Function>
double at(const Function& function, double x) {
  double lanes[kLanes<double>];
  store(lanes, function(Vec<double>(x)), Whole{});
  return lanes[0];
}

TEST(sigmoid_and_tanh_are_those_of_the_standard_library) {
  for (const double x : {-30.0, -1.5, -1e-9, 0.0, 0.3, 2.0, 25.0}) {
    const double sigmoid_of_x = at([](Vec<double> v) { return Sigmoid<double>().forward(v); }, x);
    const double tanh_of_x = at([](Vec<double> v) { return Tanh<double>().forward(v); }, x);
    CHECK(std::abs(sigmoid_of_x * (1 + std::exp(-x)) - 1) < 1e-15);
    CHECK(std::abs(tanh_of_x - std::tanh(x)) <= 4e-16 * std::abs(std::tanh(x)));
  }
}

TEST(derivatives_of_activations_are_slopes) {
  for (std::size_t number = 0; number < kActivations; ++number) {
    with_activation<double>({number, 0.3}, [](const auto& rule) {
      using Rule = std::decay_t<decltype(rule)>;
      const auto forward = [&](Vec<double> v) { return rule.forward(v); };
      const auto derivative = [&](Vec<double> v) { return rule.derivative(v); };
      for (const double x : {-3.0, -0.7, 0.2, 1.9}) {
        const double slope = (at(forward, x + 1e-6) - at(forward, x - 1e-6)) / 2e-6;
        const double of = kFromInput<Rule> ? x : at(forward, x);
        CHECK(std::abs(at(derivative, of) - slope) < 1e-8);
      }
    });
  }
}

}  // namespace
