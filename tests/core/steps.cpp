// A plan's gradients against differences, one of its steps by hand, and its steps on two threads.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "check.hpp"
#include "core/layers/losses.hpp"
#include "core/network/plan.hpp"
#include "core/threads/parallel.hpp"

namespace {

using namespace densenet;

// inputs -> hidden -> outputs, with a tanh between.
std::vector<Layer> layers(Index inputs, Index hidden, Index outputs) {
  const Index first_bias = inputs * hidden, second = first_bias + hidden;
  return {{"linear", inputs, hidden, 0, first_bias},
          {"tanh", hidden, hidden},
          {"linear", hidden, outputs, second, second + hidden * outputs}};
}

template <class T>
Source source(const std::vector<T>& values, Index cols) {
  const Index size = sizeof(T);
  return {reinterpret_cast<const std::byte*>(values.data()),
          static_cast<Index>(values.size()) / cols,
          cols,
          cols * size,
          size,
          size == 4 ? Scalar::F32 : Scalar::F64,
          false};
}

std::size_t rule_named(const char* name) {
  std::size_t found = kRules;
  for (std::size_t i = 0; i < kRules; ++i) {
    with_rule<double>(i, [&](auto* rule) {
      if (std::strcmp(name, std::remove_pointer_t<decltype(rule)>::kName) == 0) found = i;
    });
  }
  CHECK(found < kRules);
  return found;
}

// A network, rows to train it on, and their targets.
template <class T>
struct Training {
  Index inputs, outputs;
  Plan<T> plan;
  std::vector<T> params, x, y;
  Examples examples;

  Training(Index rows, Index inputs_, Index hidden, Index outputs_)
      : inputs(inputs_),
        outputs(outputs_),
        plan(layers(inputs, hidden, outputs), loss_named("mean_squared_error", {}), {}) {
    check::Numbers numbers(3);
    params = numbers.take<T>(plan.parameters());
    x = numbers.take<T>(rows * inputs);
    y = numbers.take<T>(rows * outputs);
    examples = {source(x, inputs), nullptr, source(y, outputs), nullptr};
  }

  // Takes steps of all rows each; the moments are two, as Adam has them.
  void train(const char* rule, double lr, Index steps) {
    std::vector<T> m(params.size()), v(params.size());
    T* const moments[] = {m.data(), v.data()};
    Hyperparameters settings;
    settings.beta1 = 0.9;
    settings.beta2 = 0.999;
    settings.eps = 1e-8;
    const std::int64_t* const natural_order = nullptr;
    for (Index step = 0; step < steps; ++step) {
      double loss = 0;
      const Epoch epoch{natural_order, examples.x.rows, 0,      1, step, &lr, &loss, 0,
                        nullptr,       nullptr,         nullptr};
      const Mode<T> mode{true, 0, static_cast<std::uint32_t>(step), nullptr, false};
      const auto done =
          plan.train(params.data(), moments, {rule_named(rule), settings}, examples, epoch, mode);
      CHECK(done && done->steps == 1);
    }
  }
};

TEST(gradients_are_differences_of_the_loss) {
  Training<double> some(6, 5, 4, 3);
  const Mode<double> mode{false, 0, 0, nullptr, false};
  std::vector<double> gradient(some.params.size());
  some.plan.gradients(some.params.data(), some.examples, gradient.data(), nullptr, mode);
  for (std::size_t i = 0; i < some.params.size(); ++i) {
    const double before = some.params[i];
    const auto loss_at = [&](double value) {
      some.params[i] = value;
      return some.plan.gradients(some.params.data(), some.examples, nullptr, nullptr, mode);
    };
    const double slope = (loss_at(before + 1e-6) - loss_at(before - 1e-6)) / 2e-6;
    some.params[i] = before;
    CHECK(std::abs(gradient[i] - slope) < 1e-8);
  }
}

TEST(a_step_of_gradient_descent_by_hand) {
  Training<double> some(6, 5, 4, 3);
  const Mode<double> mode{false, 0, 0, nullptr, false};
  std::vector<double> expected(some.params.size());
  some.plan.gradients(some.params.data(), some.examples, expected.data(), nullptr, mode);
  const double lr = 0.1;
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = some.params[i] - lr * expected[i];
  some.train("gradient_descent", lr, 1);
  CHECK(some.params == expected);
}

TEST(a_step_counts_on_from_steps_that_others_have_taken_meanwhile) {
  Training<double> some(6, 5, 4, 3);
  double loss = 0;
  const double lr = 0.1;
  const Index read_before = 3;
  std::int64_t taken = 5;
  const Epoch epoch{nullptr, 6, 0, 1, read_before, &lr, &loss, 0, &taken, nullptr, nullptr};
  const Optimizer optimizer{rule_named("gradient_descent"), {}};
  some.plan.train(some.params.data(), nullptr, optimizer, some.examples, epoch,
                  {true, 0, read_before, nullptr, false});
  CHECK(taken == 6);
}

TEST(two_threads_train_to_the_same_bits_as_one) {
  const int before = thread_limit();
  std::vector<float> one;
  for (const int threads : {1, 2}) {
    thread_limit() = threads;
    Training<float> wide(33, 150, 130, 10);
    wide.train("adam", 0.01, 2);
    if (threads == 1) one = wide.params;
    CHECK(std::memcmp(wide.params.data(), one.data(), one.size() * sizeof(float)) == 0);
  }
  thread_limit() = before;
}

}  // namespace
