// A clock that goes on only when it is turned, and what decides by it.
#pragma once

#include <chrono>

#include "core/threads/pace.hpp"
#include "core/threads/standby.hpp"

struct Turned {
  using rep = long long;
  using period = std::nano;
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<Turned>;
  static constexpr bool is_steady = true;
  inline static time_point time{std::chrono::hours(1)};
  static time_point now() { return time; }
  static void turn(double seconds) { time += duration(static_cast<long long>(seconds * 1e9)); }
};

using Pace = densenet::PaceBy<Turned>;
using Standby = densenet::StandbyBy<Turned>;
