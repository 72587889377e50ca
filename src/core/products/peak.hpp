// What this machine can do at most, measured: the yardstick of the benchmarks.
#pragma once

#include <chrono>

#include "core/memory/buffer.hpp"
#include "core/threads/parallel.hpp"
#include "core/updates/optimizers.hpp"

namespace densenet {

template <class Body>
double seconds(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

inline constexpr int kChains = 12;  // enough to cover two units' latency; fits 16 registers

// Independent multiply-adds in registers, and something of their results, which is positive. (A
// function of its own: in the body of a team of one GCC 12 kept the sums in memory, and one thread
// seemed to make a third of what it makes.)
template <class T>
EIGEN_DONT_INLINE double multiply_adds(Index rounds) {
  Vec<T> sums[kChains];
#pragma GCC unroll 12
  for (int c = 0; c < kChains; ++c) sums[c] = Vec<T>(static_cast<T>(c));
  const Vec<T> factor(static_cast<T>(0.999)), term(static_cast<T>(1e-3));
  for (Index round = 0; round < rounds; ++round) {
#pragma GCC unroll 12
    for (int c = 0; c < kChains; ++c) sums[c] = multiply_add(sums[c], factor, term);
  }
  Vec<T> total = sums[0];
#pragma GCC unroll 12
  for (int c = 1; c < kChains; ++c) total = total + sums[c];
  T lanes[kLanes<T>];
  store(lanes, total, Whole{});
  return static_cast<double>(lanes[0]);
}

// GFLOP/s of them on so many threads.
template <class T>
double multiply_add_peak(int threads, Index rounds) {
  double sink = 0;  // using it keeps the loop alive
  const double elapsed = seconds([&] {
    parallel(threads, [&](Team team) {
      const double result = multiply_adds<T>(rounds);
      if (team.rank == 0) sink = result;
    });
  });
  const double flop = 2.0 * kChains * static_cast<double>(kLanes<T> * rounds) * threads;
  return sink > 0 ? flop / elapsed * 1e-9 : 0;
}

// Seconds that so many threads take to meet: how far apart their cores are.
inline double meeting_time(int threads, Index times) {
  const double elapsed = seconds([&] {
    parallel(threads, [&](Team team) {
      for (Index i = 0; i < times; ++i) team.barrier();
    });
  });
  return elapsed / static_cast<double>(times);
}

// GB/s of an update's traffic, 28 bytes a float32 parameter: one array is read and three are read
// and written in place. Few operations, so that memory alone sets the time.
template <class T>
double update_bandwidth(int threads, Index n) {
  Buffer<T> buffers[4];
  for (Buffer<T>& buffer : buffers) {
    T* data = buffer.at_least(n);
    parallel(threads, [&](Team team) {
      const Range mine = team.share(n, kLanes<T>);
      std::fill(data + mine.begin, data + mine.end, T(1));
    });
  }
  T *a = buffers[0].get(), *b = buffers[1].get(), *c = buffers[2].get();
  const T* g = buffers[3].get();
  const double elapsed = seconds([&] {
    parallel(threads, [&](Team team) {
      const Range mine = team.share(n, kLanes<T>);
      for_each_vector<T>(mine.size(), [&](Index offset, auto lanes) {
        const Index i = mine.begin + offset;
        const Vec<T> gradient = load(g + i, lanes);
        store(a + i, load(a + i, lanes) + gradient, lanes);
        store(b + i, load(b + i, lanes) + gradient, lanes);
        store(c + i, load(c + i, lanes) + gradient, lanes);
      });
    });
  });
  return 7.0 * static_cast<double>(n) * sizeof(T) / elapsed * 1e-9;
}

}  // namespace densenet
