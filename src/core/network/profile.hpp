// Where the time of a training step goes, for Network.profile. Nothing is measured otherwise.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <vector>

namespace densenet {

// Seconds that one thread has spent. A unit's product and what is done with its finished tiles are
// told apart; a unit without a product has only the second.
struct Laps {
  enum Way : std::size_t { Forward, InputGradient, WeightGradient, kWays };
  struct Lap {
    double product = 0, rest = 0;
  };
  std::vector<std::array<Lap, kWays>> units;
  double gather = 0, loss = 0, update = 0, waiting = 0;  // update: if not fused
};

// Adds the time of its life to a number, if there is one.
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
