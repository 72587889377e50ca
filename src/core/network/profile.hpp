// Measures where the time of a training step goes, for Network.profile alone.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

namespace densenet {

// Seconds that one thread has spent. For each unit and way: in its product, and in the rest, which
// is what is done with finished tiles. A unit without a product has a rest alone.
struct Laps {
  enum Way : std::size_t { Forward, InputGradient, WeightGradient, kWays };
  struct Lap {
    double product = 0, rest = 0;
  };
  std::vector<std::array<Lap, kWays>> units;
  double gather = 0, loss = 0, waiting = 0;
  double update = 0;  // where it is not fused with the weight gradients
};

// Adds the seconds that it lives to a number, unless that is null.
class Timer {
 public:
  explicit Timer(double* sum) : sum_(sum) {
    if (sum_ != nullptr) start_ = Clock::now();
  }
  ~Timer() {
    if (sum_ != nullptr) *sum_ += std::chrono::duration<double>(Clock::now() - start_).count();
  }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

 private:
  using Clock = std::chrono::steady_clock;
  double* sum_;
  Clock::time_point start_;
};

}  // namespace densenet
