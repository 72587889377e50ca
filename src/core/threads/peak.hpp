// Measures what this machine can do at most, which the benchmarks compare with: multiply-adds,
// meetings of threads, memory bandwidth.
#pragma once

#include <algorithm>
#include <chrono>

#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/threads/parallel.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Seconds that body() takes.
template <class Body>
double seconds(const Body& body) {
  const auto start = std::chrono::steady_clock::now();
  body();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Sums that do not wait for each other: enough to cover the latency of two units, and few enough
// for 16 registers.
inline constexpr int kChains = 12;

// Makes kChains multiply-adds in registers, `rounds` times. Returns a positive number that depends
// on their results, so that they are computed. (Never inlined: inside a team's body GCC 12 kept the
// sums in memory, which took three times as long.)
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

// GFLOP/s of multiply-adds on `threads` threads.
template <class T>
double multiply_add_peak(int threads, Index rounds) {
  double sink = 0;  // used below, so that the loop is not removed
  const double elapsed = seconds([&] {
    parallel(threads, [&](Team team) {
      const double result = multiply_adds<T>(rounds);
      if (team.rank == 0) sink = result;
    });
  });
  const double flop = 2.0 * kChains * static_cast<double>(kLanes<T> * rounds) * threads;
  return sink > 0 ? flop / elapsed * 1e-9 : 0;
}

// Mean seconds that `threads` threads take to meet once: tells how far apart their cores are.
inline double meeting_time(int threads, Index times) {
  const double elapsed = seconds([&] {
    parallel(threads, [&](Team team) {
      for (Index i = 0; i < times; ++i) team.barrier();
    });
  });
  return elapsed / static_cast<double>(times);
}

// GB/s of memory traffic like that of Adam's update of n parameters: one array is read, three are
// read and written in place (28 bytes a float32 parameter). There are so few operations that memory
// alone sets the time.
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
