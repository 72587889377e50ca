// Dropout, and its random numbers: Philox 4x32 with 10 rounds (Salmon et al. 2011).
//
// Philox computes four numbers from a counter of four. The counter here is where the numbers are
// used (column / 4, row, step, layer), so every thread, and the NumPy reference, gets the same
// mask.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "core/tuning.hpp"
#include "core/vectors/index.hpp"
#include "core/vectors/simd.hpp"
#include "core/vectors/words.hpp"

namespace densenet {

// A counter of four words in each lane; then, four random numbers.
struct Counters {
  Words a, b, c, d;
};

// What Philox adds in each round, which depends on the seed alone.
struct PhiloxKeys {
  static constexpr int kRounds = 10;
  Words low[kRounds], high[kRounds];

  explicit PhiloxKeys(std::uint64_t seed) {
    auto a = static_cast<std::uint32_t>(seed), b = static_cast<std::uint32_t>(seed >> 32);
    for (int round = 0; round < kRounds; ++round) {
      low[round] = every_lane(a);
      high[round] = every_lane(b);
      a += 0x9E3779B9;
      b += 0xBB67AE85;
    }
  }
};

// Replaces these counters by their random numbers.
inline void philox(Counters (&counters)[kCounters], const PhiloxKeys& keys) {
#pragma GCC unroll 10
  for (int round = 0; round < PhiloxKeys::kRounds; ++round) {
#pragma GCC unroll 2
    for (Counters& x : counters) {
      const Words p = product(x.a, every_lane(0xD2511F53));
      const Words q = product(x.c, every_lane(0xCD9E8D57));
      x = {(q >> 32) ^ x.b ^ keys.low[round], q, (p >> 32) ^ x.d ^ keys.high[round], p};
    }
  }
}

// Which random numbers a layer uses in a step.
struct DropoutKey {
  std::uint64_t seed;
  std::uint32_t step, layer;
};

inline constexpr Index kDraws = 4 * kWords * kCounters;

// The random numbers of kDraws columns from column `first` on, a multiple of 4.
inline void draw(Index first, Index row, const DropoutKey& key, const PhiloxKeys& keys,
                 std::uint32_t* to) {
  Counters counters[kCounters];
  Index number = first / 4;
  for (Counters& x : counters) {
    x = {numbered(static_cast<std::uint64_t>(number)), every_lane(static_cast<std::uint64_t>(row)),
         every_lane(key.step), every_lane(key.layer)};
    number += kWords;
  }
  philox(counters, keys);
  const Words lower = every_lane(kWord);
  for (const Counters& x : counters) {
    std::uint64_t pairs[2 * kWords];  // the four numbers of a lane, one after the other
    store_in_turn(pairs, (x.a & lower) | x.b << 32, (x.c & lower) | x.d << 32);
    std::memcpy(to, pairs, sizeof pairs);
    to += 4 * kWords;
  }
}

// Computes what each of the n elements of row `row` of the batch is multiplied by: 1 / (1 - rate)
// where its random number is at least rate 2³², and otherwise 0.
template <class T>
void dropout_factors(T* factors, Index n, Index row, double rate, const DropoutKey& key) {
  const auto threshold = static_cast<std::uint32_t>(rate * 4294967296.0);
  const T scale = static_cast<T>(1 / (1 - rate));
  const PhiloxKeys keys(key.seed);
  std::uint32_t drawn[kDraws];
  for (Index j = 0; j < n; j += kDraws) {
    draw(j, row, key, keys, drawn);
    const Index count = std::min(kDraws, n - j);
    for (Index i = 0; i < count; ++i) factors[j + i] = drawn[i] >= threshold ? scale : T(0);
  }
}

// to = from ∘ factors for a row of n elements, and 0 where a factor is 0, whatever `from` is. The
// forward and the backward pass are alike; `to` may be `from`.
template <class T>
void dropout_row(const T* from, const T* factors, T* to, Index n) {
  const Vec<T> zero(T(0));
  for_each_vector<T>(n, [&](Index j, auto lanes) {
    const Vec<T> factor = load(factors + j, lanes);
    store(to + j, select(greater(factor, zero), load(from + j, lanes) * factor, zero), lanes);
  });
}

}  // namespace densenet
