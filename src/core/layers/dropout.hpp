// Dropout, and its random numbers: Philox 4x32 with 10 rounds (Salmon et al. 2011).
//
// Philox computes a number from a counter. The counter here is where the number is used (column,
// row, step, layer), so every thread, and the NumPy reference, gets the same mask.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/vectors/index.hpp"

namespace densenet {

using Four = std::array<std::uint32_t, 4>;

// Four random numbers, as a function of counter and seed.
inline Four philox(Four counter, std::uint64_t seed) {
  auto low = static_cast<std::uint32_t>(seed), high = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * counter[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * counter[2];
    counter = {
        static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ low, static_cast<std::uint32_t>(b),
        static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ high, static_cast<std::uint32_t>(a)};
    low += 0x9E3779B9;
    high += 0xBB67AE85;
  }
  return counter;
}

// Which random numbers a layer uses in a step.
struct DropoutKey {
  std::uint64_t seed;
  std::uint32_t step, layer;
};

// An element is kept where its random number is at least this: rate 2³².
inline std::uint64_t dropout_threshold(double rate) {
  return static_cast<std::uint64_t>(rate * 4294967296.0);
}

// to = from ∘ mask / (1 - rate) for row `row` of the batch, of n columns. Four columns share one
// counter. Forward and backward pass are alike.
template <class T>
void dropout_row(const T* from, T* to, Index n, Index row, double rate, const DropoutKey& key) {
  const std::uint64_t threshold = dropout_threshold(rate);
  const T scale = static_cast<T>(1 / (1 - rate));
  for (Index j = 0; j < n; j += 4) {
    const Four draw = philox(
        {static_cast<std::uint32_t>(j / 4), static_cast<std::uint32_t>(row), key.step, key.layer},
        key.seed);
    for (Index lane = 0; lane < 4 && j + lane < n; ++lane) {
      const bool kept = draw[static_cast<std::size_t>(lane)] >= threshold;
      to[j + lane] = kept ? from[j + lane] * scale : T(0);
    }
  }
}

}  // namespace densenet
