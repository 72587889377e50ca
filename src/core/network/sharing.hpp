// What the threads share of each layer's products: the rows of the batch, unless a weight is larger
// than what it is multiplied with. By rows, most of such a weight would go from core to core at
// every step, because a thread reads what others have updated; shared otherwise, each thread has
// its own part of the weight for good:
//   columns   its outputs. A thread reads all of x and computes its own columns of y; the threads
//             meet before the next layer (256-256-256-10, batch 128: 534 us a step, 572 by rows)
//   depth     its inputs. A thread reads its own columns of x and computes chunks of the sums; the
//             threads meet and add them up by rows (3072-128-10, batch 128: 1,097 us, 1,219 by
//             rows; where the cores are far from each other 1,191 and 2,082)
// The two go together (Shoeybi et al. 2019): what a layer by columns leaves to a thread is what the
// next one by depth wants of it, and only the sums of that are exchanged, which are fewer. On two
// cores of Zen 5, near each other, 518-256-128-16 with a batch of 64 takes 127 us a step, and 133
// with the first layer by depth and the second by rows; 784-128-10 with a batch of 128, 130 and
// 137.
//
// Columns have a price where cores are far from each other: processors foresee lines beyond a
// thread's columns, and take them from the core that updates them. Halves of the columns of 784 x
// 128 and two moments, updated by two such cores: 9.5 us strip by strip, 80 to 95 line by line; 518
// x 256: 15 to 19, and 80 to 95; halves of their rows 9 and 12. So 784-128-10 takes 175 us there by
// columns and 159 by depth: which is better here and now is timed (pace.hpp).
//
// Rejected: by depth, sums of other threads' rows first, and theirs fetched while a thread computes
// those of its own (784-128-10, far: 165 us and 159; 3072-128-10: no gain).
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/network/plan.hpp"
#include "core/products/product.hpp"

namespace densenet {

// Decided once for all steps with as many rows and threads. Private to the plan's own files.
template <class T>
class Sharing {
 public:
  static constexpr Index kMostThreads = 16;  // that share depth

  // Where x is in place, all of it is there for every thread; otherwise they gather it.
  void decide(const std::vector<Unit>& units, Index batch, Index threads, bool in_place,
              bool by_columns = true) {
    batch_ = batch;
    threads_ = threads;
    in_place_ = in_place;
    ahead_ = by_columns && in_place && threads > 1 && units.size() > 1 &&
             batch * units[0].inputs <= kMostX && goes_on(units[0], units[1]);
    units_.assign(units.size(), Shared{});
    for (std::size_t u = 0; u < units.size() && threads > 1; ++u) {
      const Unit& unit = units[u];
      if (unit.kind != Unit::Linear) continue;
      Shared& its = units_[u];
      const bool after = u > 0 && units_[u - 1].outputs && goes_on(units[u - 1], unit);
      const bool ahead = ahead_ && unit.first;
      its.depth = after || (unit.first && !ahead && depth_pays(unit));
      its.outputs = ahead || (!its.depth && columns_pay(unit.inputs, unit.outputs));
      its.inputs = after || columns_pay(unit.outputs, unit.inputs);
    }
  }

  bool outputs(const Unit& unit) const { return units_[unit.place].outputs; }
  bool depth(const Unit& unit) const { return units_[unit.place].depth; }
  // The columns of the gradient with respect to x.
  bool inputs(const Unit& unit) const { return units_[unit.place].inputs; }

  // Whether the first layer is by columns, where it could be otherwise.
  bool ahead() const { return ahead_; }
  // Whether the first layer is by columns and the second by depth: then what a thread wants of the
  // first one's gradient, and of the second one's x, is its own.
  bool leads() const { return units_.size() > 1 && units_[0].outputs && units_[1].depth; }
  // Whether a thread may begin a step while others update what is theirs.
  bool apart() const { return units_[0].depth || (leads() && in_place_); }

  // Elements of a thread's part of the sums, with batches of up to so many rows.
  static Index partial_sums(const std::vector<Unit>& units, Index batch) {
    Index most = 0;
    for (const Unit& unit : units) {
      if (unit.kind != Unit::Linear || !forward_depth(unit.inputs, unit.outputs).pairwise) continue;
      const Index rows = unit.first ? std::min(batch, unit.inputs / 3) : batch;
      most = std::max(most, std::min(rows * unit.outputs, kMostSums));
    }
    return most;
  }

 private:
  struct Shared {
    bool outputs = false, depth = false, inputs = false;
  };

  // Few rows, or a weight much larger than x and y (a small one costs less than meeting more
  // often), of columns that can be shared evenly.
  bool columns_pay(Index depth, Index cols) const {
    const Index strips = (cols + kTileCols<T> - 1) / kTileCols<T>;
    const Index most_cols = (strips + threads_ - 1) / threads_ * kTileCols<T>;
    const Index most_rows = (batch_ + threads_ - 1) / threads_;
    return depth * cols >= kLeastWeights && 2 * batch_ <= std::min(depth, cols) &&
           8 * most_cols * batch_ <= 9 * most_rows * cols;
  }

  bool can_share_depth(const Unit& unit) const {
    const Depth depth = forward_depth(unit.inputs, unit.outputs);
    return unit.kind == Unit::Linear && depth.pairwise && depth.count % threads_ == 0 &&
           threads_ <= kMostThreads && batch_ * unit.outputs <= kMostSums;
  }
  // The first layer's weight is larger than the sums that are exchanged.
  bool depth_pays(const Unit& first) const {
    return can_share_depth(first) && batch_ <= first.inputs / 3;
  }
  // The columns that a thread has of one layer are its depth of the next.
  bool goes_on(const Unit& unit, const Unit& next) const {
    if (unit.kind != Unit::Linear || !can_share_depth(next)) return false;
    const Depth depth = forward_depth(next.inputs, next.outputs);
    for (int member = 1; member < threads_; ++member) {
      const Team team{member, static_cast<int>(threads_), nullptr};
      const Index chunk = team.share(depth.count).begin;
      if (depth[chunk].begin != team.share(unit.outputs, kTileCols<T>).begin) return false;
    }
    return true;
  }

  static constexpr Index kLeastWeights = Index{1} << 16;
  static constexpr Index kMostSums = Index{1} << 17;  // of a thread: they stay in its cache
  static constexpr Index kMostX = Index{1} << 17;     // as does x, which every thread reads

  std::vector<Shared> units_;
  Index batch_ = 0, threads_ = 1;
  bool in_place_ = false, ahead_ = false;
};

}  // namespace densenet
