// In which order the terms of a product's sums are added up: by the shape of a layer alone.
#pragma once

#include <algorithm>

#include "core/memory/views.hpp"
#include "core/tuning.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// `size` terms, cut into `count` chunks as even as they can be. The sums of the chunks are added up
// in order, or pairwise, as ((0 + 1) + (2 + 3)) + ..., if `count` is a power of two: then threads
// can share them. `chunks` are those that are computed: all of them, or a thread's share.
struct Depth {
  Index size, count;
  bool pairwise = false;
  Range chunks{0, count};

  Depth(Index n) : Depth(n, (n + kChunk - 1) / kChunk, false) {}
  Depth(Index n, Index number_of_chunks, bool in_pairs)
      : size(n), count(number_of_chunks), pairwise(in_pairs) {}

  // The terms of a chunk, and of all `chunks`.
  Range operator[](Index chunk) const { return {begin(chunk), begin(chunk + 1)}; }
  Range terms() const { return {begin(chunks.begin), begin(chunks.end)}; }

  // How many sums of earlier chunks are added to this one as soon as it is there.
  Index completed(Index chunk) const {
    if (!pairwise) return chunk > 0 ? 1 : 0;
    Index ones = 0;
    for (; chunk % 2 == 1; chunk /= 2) ++ones;
    return ones;
  }
  // The most sums that wait for later ones at a time.
  Index waiting() const { return completed(count - 1); }

  // How many grains there are; the last one may be short.
  Index grains() const { return (size + kDepthGrain - 1) / kDepthGrain; }

 private:
  Index begin(Index chunk) const { return std::min(size, grains() * chunk / count * kDepthGrain); }
};

// The ends of a depth's chunks, from the first one on: without a division for each.
class ChunkEnds {
 public:
  explicit ChunkEnds(const Depth& depth)
      : size_(depth.size),
        count_(depth.count),
        step_(depth.grains() / depth.count),
        rest_(depth.grains() % depth.count) {}

  Index next() {
    grains_ += step_;
    over_ += rest_;
    if (over_ >= count_) {
      over_ -= count_;
      ++grains_;
    }
    return std::min(size_, grains_ * kDepthGrain);
  }

 private:
  Index size_, count_, step_, rest_;
  Index grains_ = 0, over_ = 0;
};

// Adds up the sums of `count` chunks, a power of two, as ((0 + 1) + (2 + 3)) + ... Overwrites them.
template <class T>
Vec<T> add_pairwise(Vec<T>* sums, Index count) {
  for (Index step = 1; step < count; step *= 2) {
    for (Index i = 0; i < count; i += 2 * step) sums[i] = sums[i] + sums[i + step];
  }
  return sums[0];
}

// The depth of a layer's forward product y = x W, whose sums have `inputs` terms. Where they are
// long and few, they have more chunks than they need, so that threads can share them; but not so
// many that the sums that wait take much memory.
inline Depth forward_depth(Index inputs, Index outputs) {
  Index shares = inputs >= kLongDepth * outputs ? kDepthShares : 1;
  while (shares > 2 && inputs < kLeastShareDepth * shares) shares /= 2;
  if (inputs < kLeastShareDepth) shares = 1;
  while (shares > 1 && inputs > kChunk * shares) shares *= 2;
  return shares > 1 && shares <= kMostShares ? Depth(inputs, shares, true) : Depth(inputs);
}

}  // namespace densenet
