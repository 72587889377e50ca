// When a call that trains lets Python run.
#pragma once

#include <chrono>

#include "core/network/plan.hpp"
#include "core/tuning.hpp"

namespace densenet {

// Calls the poll function of an epoch, if it has one, every kPollInterval.
class Poll {
 public:
  using Clock = std::chrono::steady_clock;

  explicit Poll(const Epoch& epoch) : epoch_(epoch), last_(Clock::now()) {}

  bool due(Clock::time_point now) const {
    return epoch_.poll != nullptr && now - last_ >= kPollInterval;
  }

  // False: training has to stop.
  bool go_on(Index steps_done) {
    last_ = Clock::now();
    return epoch_.poll(epoch_.poll_context, steps_done);
  }

 private:
  const Epoch& epoch_;
  Clock::time_point last_;
};

}  // namespace densenet
