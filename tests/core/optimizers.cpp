// Optimizers: a step of Adam from random moments, in scalars of double.
#include "core/updates/optimizers.hpp"

#include <cmath>

#include "check.hpp"

namespace {

using namespace densenet;

TEST(adam_by_hand) {
  Hyperparameters settings;
  settings.beta1 = 0.9;
  settings.beta2 = 0.999;
  settings.eps = 1e-8;
  const double lr = 0.01;
  const Index step = 10;
  std::size_t number = kRules;
  for (std::size_t i = 0; i < kRules; ++i) {
    with_rule<double>(i, [&](auto* rule) {
      if (std::string(std::remove_pointer_t<decltype(rule)>::kName) == "adam") number = i;
    });
  }
  CHECK(number < kRules);
  with_rule<double>(number, [&](auto* type) {
    using Rule = std::remove_pointer_t<decltype(type)>;
    if constexpr (Rule::kStates == 2) {
      check::Numbers numbers(2);
      const Rule rule(settings, lr, step);
      for (int i = 0; i < 50; ++i) {
        const double w = numbers.next(), g = numbers.next(), m = numbers.next();
        const double v = std::abs(numbers.next());
        std::array<Vec<double>, 2> state{Vec<double>(m), Vec<double>(v)};
        double moved[kLanes<double>], mean[kLanes<double>], spread[kLanes<double>];
        store(moved, rule(Vec<double>(w), Vec<double>(g), state), Whole{});
        store(mean, state[0], Whole{});
        store(spread, state[1], Whole{});
        const double m_next = 0.9 * m + (1 - 0.9) * g, v_next = 0.999 * v + (1 - 0.999) * g * g;
        const double m_hat = m_next / (1 - std::pow(0.9, step));
        const double v_hat = v_next / (1 - std::pow(0.999, step));
        CHECK(std::abs(mean[0] - m_next) < 1e-15);
        CHECK(std::abs(spread[0] - v_next) < 1e-15);
        CHECK(std::abs(moved[0] - (w - lr * m_hat / (std::sqrt(v_hat) + 1e-8))) < 1e-14);
      }
    }
  });
}

}  // namespace
