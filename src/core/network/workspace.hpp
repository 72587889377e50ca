// What a step needs besides the parameters: private to the plan's own files.
#pragma once

#include <algorithm>
#include <cmath>

#include "core/layers/normalization.hpp"
#include "core/memory/gather.hpp"
#include "core/network/plan.hpp"
#include "core/network/profile.hpp"
#include "core/network/sharing.hpp"
#include "core/products/product.hpp"
#include "core/threads/pace.hpp"

namespace densenet {

// For each unit: its output y; the gradient d of the loss with respect to z in y = activation(z); z
// itself, where the activation's derivative wants it; and what a normalisation found, by row or by
// column.
template <class T>
struct Plan<T>::Workspace {
  Buffer<T> x, targets, gradient;
  std::vector<Buffer<T>> y, d, z;
  std::vector<Buffer<Moments<T>>> moments;
  std::vector<Buffer<T>> columns;
  Sharing<T> sharing, sharing_last;  // with the rows of most batches, and with those of the last
  Buffer<T> partial_sums;            // where depth is shared, one matrix a thread
  Buffer<double> row_loss, partial_norms;
  Buffer<T> params, running;          // copies, where the network is trained meanwhile
  std::vector<Buffer<T>> scratch;     // one a thread, for product()
  std::vector<Index> tiles;           // that each thread has computed
  Pace pace;                          // of training
  std::vector<Laps>* laps = nullptr;  // one a thread, while a step is profiled
};

// The rows of the examples that one step works on.
template <class T>
struct Plan<T>::Batch {
  const Examples& examples;
  const std::int64_t* order;  // null: begin, begin + 1, ...
  Index begin, rows;
  double total_weight;
  double unit = 1;  // a power of two that brings the largest weight into [1/2, 1)

  Batch(const Examples& all, const std::int64_t* whole_order, Index first, Index count)
      : examples(all),
        order(whole_order != nullptr ? whole_order + first : nullptr),
        begin(first),
        rows(count),
        total_weight(static_cast<double>(count)) {
    if (all.sample_weight == nullptr) return;
    total_weight = 0;
    double largest = 0;
    for (Index i = 0; i < rows; ++i) largest = std::max(largest, weight(i));
    if (largest == 0) return;
    unit = std::ldexp(1.0, -std::ilogb(largest) - 1);
    for (Index i = 0; i < rows; ++i) total_weight += weight(i);
  }

  Index place(Index i) const { return order != nullptr ? order[i] : begin + i; }
  double weight(Index i) const {
    return examples.sample_weight != nullptr ? examples.sample_weight[place(i)] * unit : 1.0;
  }
  bool in_place() const { return order == nullptr && usable_in_place<T>(examples.x); }
  void gather_part(const Source& source, const Part& part, T* to) const {
    gather(order != nullptr ? source : source.from(begin), order, part, to);
  }
};

// One thread's part of a pass over a batch: some of its rows, or what else the threads share.
template <class T>
struct Plan<T>::Pass {
  const T* params;
  Workspace& work;
  Mode<T> mode;
  Team team;
  Range rows;   // this thread's
  Index batch;  // rows of the whole batch
  const Sharing<T>& sharing;

  T* y(std::size_t unit) const { return work.y[unit].get(); }
  T* d(std::size_t unit) const { return work.d[unit].get(); }
  // A thread's part of the sums of a unit whose depth is shared.
  T* partial_sums(const Unit& unit, Index thread) const {
    return work.partial_sums.get() + thread * batch * unit.outputs;
  }
  T* scratch() const { return work.scratch[static_cast<std::size_t>(team.rank)].get(); }

  // This thread's part of the batch's x, of a linear unit's y, of the gradient with respect to its
  // x, and of its weight.
  Part x_part(const Unit& first) const {
    return sharing.depth(first) ? Part{{0, batch}, own_inputs(first)}
                                : Part{rows, {0, first.inputs}};
  }
  Part y_part(const Unit& unit) const {
    return sharing.outputs(unit) ? Part{{0, batch}, own_outputs(unit)}
                                 : Part{rows, {0, unit.outputs}};
  }
  Part dx_part(const Unit& unit) const {
    return sharing.inputs(unit) ? Part{{0, batch}, team.share(unit.inputs, kTileCols<T>)}
                                : Part{rows, {0, unit.inputs}};
  }
  Part weight_part(const Unit& unit) const {
    return sharing.outputs(unit) ? Part{{0, unit.inputs}, own_outputs(unit)}
                                 : Part{own_inputs(unit), {0, unit.outputs}};
  }
  Range own_outputs(const Unit& unit) const { return team.share(unit.outputs, kTileCols<T>); }
  Range own_inputs(const Unit& unit) const {
    if (!sharing.depth(unit)) return team.share(unit.inputs, kLanes<T>);
    return own_depth(unit).terms();
  }
  Depth own_depth(const Unit& unit) const {
    Depth depth = forward_depth(unit.inputs, unit.outputs);
    depth.chunks = team.share(depth.count);
    return depth;
  }

  // Meets the other threads if a product by columns, or work on rows, needs more of the matrix at
  // hand than this thread has.
  void need(bool all, Held& held) const {
    if (held == Held::All || (held == Held::Rows && !all)) return;
    meet();
    held = Held::All;
  }

  // Meets the other threads.
  void meet() const {
    const Timer timer(sum(&Laps::waiting));
    team.barrier();
  }

  // Runs a product; `finish` is what becomes of its tiles.
  template <class Done, class Run>
  void product_of(std::size_t unit, Laps::Way way, const Done& finish, const Run& run) const {
    if (work.laps == nullptr) return run(Finish<T>(finish));
    Laps::Lap& lap = laps()->units[unit][way];
    const auto timed = [&](const Tile<T>& tile) {
      const Timer timer(&lap.rest);
      finish(tile);
    };
    const double rest = lap.rest;
    {
      const Timer timer(&lap.product);
      run(Finish<T>(timed));
    }
    lap.product -= lap.rest - rest;
  }

  // Where the time of a part of the step is added up, if it is.
  Laps* laps() const {
    return work.laps != nullptr ? &(*work.laps)[static_cast<std::size_t>(team.rank)] : nullptr;
  }
  double* sum(double Laps::*part) const {
    return work.laps != nullptr ? &(laps()->*part) : nullptr;
  }
  double* rest(std::size_t unit, Laps::Way way) const {
    return work.laps != nullptr ? &laps()->units[unit][way].rest : nullptr;
  }

  // What a unit works on: the output of the unit before, or the batch.
  Matrix<const T> input(std::size_t unit, const Unit& description, Matrix<const T> x) const {
    if (unit == 0) return x;
    return {y(unit - 1), batch, description.inputs, description.inputs};
  }
};

}  // namespace densenet
