// Decides what the threads share of each layer's products: the rows of the batch, or columns or
// depth of a weight that is larger than what it is multiplied with. And which products are of bf16
// pieces: they go by rows, in whole blocks.
//
// By rows, most of such a weight would go from core to core at every step, because a thread reads
// what others have updated. Shared otherwise, each thread owns a part of the weight:
//   by columns  its outputs. A thread reads all of x (batch, inputs) and computes its own columns
//               of y (batch, outputs); the threads meet before the next layer
//   by depth    its inputs. A thread reads its own columns of x and computes chunks of the sums of
//               all of y; the threads meet and add them up by rows
// The two go together (Shoeybi et al. 2019): the columns that a thread computes of one layer are
// the inputs that it reads of the next, and only the sums of the second layer are exchanged.
//
// Columns have a price where cores are far from each other: the processor foresees lines beyond a
// thread's columns and takes them from the core that updates them. So pace.hpp times both ways
// where the first layer could go either way. Products of pieces are never shared by columns: on two
// threads that took a third longer (docs/tuning.md).
//
// Rejected: by depth, sums of other threads' rows first, fetched while a thread computes its own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "core/memory/views.hpp"
#include "core/network/units.hpp"
#include "core/products/bf16_product.hpp"
#include "core/products/depth.hpp"
#include "core/products/tile.hpp"
#include "core/threads/parallel.hpp"
#include "core/tuning.hpp"

namespace densenet {

// Where the x of a batch lies: in the user's array, gathered, or gathered and sparse.
enum class XLies { InPlace, Gathered, Sparse };

// The decision for one number of rows and threads. Private to the plan's own files.
template <class T>
class Sharing {
 public:
  // Decides for batches of `batch` rows. Every thread can read all of an x that is in place, unless
  // the first product is of bf16 pieces, for which each thread cuts its own rows. Where x is
  // sparse, the first layer goes by rows. `by_columns`: share the first layer by columns where that
  // is possible.
  void decide(const std::vector<Unit>& units, const Precision& precision, Index batch,
              Index threads, XLies x, bool by_columns = true) {
    batch_ = batch;
    threads_ = threads;
    grain_ = 1;
    units_.assign(units.size(), Shared{});
    for (const Unit& unit : units) {
      if (unit.kind != Unit::Linear) continue;
      const int pieces = precision.pieces_of(batch, unit.inputs, unit.outputs);
      units_[unit.index].pieces = pieces;
      if (pieces > 0) grain_ = kBlockSide;
    }
    in_place_ = x == XLies::InPlace && units_[0].pieces == 0;
    first_by_columns_ = by_columns && in_place_ && threads > 1 && units.size() > 1 &&
                        batch * units[0].inputs <= kMostSharedX && goes_on(units[0], units[1]);
    for (std::size_t u = 0; u < units.size() && threads > 1; ++u) {
      const Unit& unit = units[u];
      if (unit.kind != Unit::Linear) continue;
      Shared& its = units_[u];
      if (its.pieces > 0 || (unit.first && x == XLies::Sparse)) continue;
      const bool follows = u > 0 && units_[u - 1].columns && goes_on(units[u - 1], unit);
      const bool leads = first_by_columns_ && unit.first;
      its.depth = follows || (unit.first && !leads && depth_pays(unit));
      its.columns = leads || (!its.depth && columns_pay(unit.inputs, unit.outputs));
      its.input_columns = follows || columns_pay(unit.outputs, unit.inputs);
    }
  }

  // Pieces of the numbers in a unit's products; 0: they are of floats.
  int pieces(const Unit& unit) const { return units_[unit.index].pieces; }
  // True if y of this unit and dx of the next are computed in blocks, and needed as cells.
  bool in_blocks(std::size_t unit) const {
    return unit + 1 < units_.size() && units_[unit].pieces > 0 && units_[unit + 1].pieces > 0;
  }
  // A thread's rows of the batch.
  Range rows(const Team& team) const { return team.share(batch_, grain_); }

  // What the threads share of a unit's forward product and weight: columns (outputs) or depth
  // (inputs). Neither: the rows.
  bool by_columns(const Unit& unit) const { return units_[unit.index].columns; }
  bool by_depth(const Unit& unit) const { return units_[unit.index].depth; }
  // True if they share the columns of dx = dy Wᵀ, and not its rows.
  bool dx_by_columns(const Unit& unit) const { return units_[unit.index].input_columns; }

  // True if the first layer is by columns because decide() was asked to, and could be otherwise.
  bool first_by_columns() const { return first_by_columns_; }
  // True if the first layer is by columns and the second by depth: what a thread reads of the first
  // one's gradient, and of the second one's x, it has computed itself.
  bool columns_then_depth() const {
    return units_.size() > 1 && units_[0].columns && units_[1].depth;
  }
  // True if a thread may begin a step while others still update: up to the next barrier it reads
  // only parameters that it has updated itself.
  bool may_run_ahead() const { return units_[0].depth || (columns_then_depth() && in_place_); }

  // Elements of one thread's sums of all products that may be shared by depth, for batches of up to
  // this many rows.
  static Index partial_sums(const std::vector<Unit>& units, Index batch) {
    Index most = 0;
    for (const Unit& unit : units) {
      if (unit.kind != Unit::Linear || !forward_depth(unit.inputs, unit.outputs).pairwise) continue;
      const Index rows = unit.first ? std::min(batch, unit.inputs / kDepthRows) : batch;
      most = std::max(most, std::min(rows * unit.outputs, kMostSharedSums));
    }
    return most;
  }

 private:
  struct Shared {
    bool columns = false, depth = false, input_columns = false;
    int pieces = 0;
  };

  // True if a product of this depth and these columns should be shared by columns: its weight is
  // large by itself and beside the batch, and its columns can be cut evenly.
  bool columns_pay(Index depth, Index cols) const {
    const Index strips = (cols + kTileCols<T> - 1) / kTileCols<T>;
    const Index most_cols = (strips + threads_ - 1) / threads_ * kTileCols<T>;
    const Index most_rows = (batch_ + threads_ - 1) / threads_;
    return depth * cols >= kLeastColumnWeights && kColumnRows * batch_ <= std::min(depth, cols) &&
           kUnevenDenominator * most_cols * batch_ <= kUnevenNumerator * most_rows * cols;
  }

  // A product of pieces is not cut along its depth.
  bool can_share_depth(const Unit& unit) const {
    if (pieces(unit) > 0) return false;
    const Depth depth = forward_depth(unit.inputs, unit.outputs);
    return unit.kind == Unit::Linear && depth.pairwise && depth.count % threads_ == 0 &&
           threads_ <= kMostDepthThreads && batch_ * unit.outputs <= kMostSharedSums;
  }
  // True if the first layer should be shared by depth: its weight is larger than the sums that the
  // threads exchange.
  bool depth_pays(const Unit& first) const {
    return can_share_depth(first) && batch_ <= first.inputs / kDepthRows;
  }
  // True if the columns that a thread computes of one unit are the depth that it reads of the next.
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

  std::vector<Shared> units_;
  Index batch_ = 0, threads_ = 1, grain_ = 1;  // rows of the batch begin at multiples of the grain
  bool in_place_ = false, first_by_columns_ = false;
};

}  // namespace densenet
