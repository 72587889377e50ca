// What a step needs besides the parameters: private to the plan's own files.
#pragma once

#include "core/gather.hpp"
#include "core/gemm.hpp"
#include "core/network.hpp"
#include "core/normalization.hpp"
#include "core/pace.hpp"
#include "core/profile.hpp"

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
  Buffer<T> partial_sums;  // of the first layer, one matrix a thread
  Buffer<double> row_loss, partial_norms;
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

  Batch(const Examples& all, const std::int64_t* whole_order, Index first, Index count)
      : examples(all),
        order(whole_order != nullptr ? whole_order + first : nullptr),
        begin(first),
        rows(count),
        total_weight(static_cast<double>(count)) {
    if (all.sample_weight == nullptr) return;
    total_weight = 0;
    for (Index i = 0; i < rows; ++i) total_weight += weight(i);
  }

  Index place(Index i) const { return order != nullptr ? order[i] : begin + i; }
  double weight(Index i) const {
    return examples.sample_weight != nullptr ? examples.sample_weight[place(i)] : 1.0;
  }
  bool in_place() const { return order == nullptr && usable_in_place<T>(examples.x); }
  void gather_part(const Source& source, const Part& part, T* to) const {
    gather(order != nullptr ? source : source.from(begin), order, part, to);
  }
};

// What the threads share of a product where it is not the rows of the batch.
template <class T>
struct Sharing {
  Index batch;    // rows of it
  Index threads;  // that pass through the same batch

  static constexpr Index kMostThreads = 16;  // that share depth

  // The columns, for few rows, and where the weight is much larger than what it is multiplied with
  // (a small one costs less than meeting more often). Then a thread's columns of the weight are its
  // own, forward and in the update, and stay in its cache.
  bool by_columns(Index depth, Index cols) const {
    const Index strips = (cols + kTileCols<T> - 1) / kTileCols<T>;
    const Index most_cols = (strips + threads - 1) / threads * kTileCols<T>;
    const Index most_rows = (batch + threads - 1) / threads;
    return threads > 1 && depth * cols >= kLeastWeights && 2 * batch <= std::min(depth, cols) &&
           8 * most_cols * batch <= 9 * most_rows * cols;
  }

  // The depth of the first layer's sums, where the weight is larger than what the threads then
  // exchange. A thread's columns of x are its own, too.
  bool by_depth(const Unit& unit) const { return batch <= most_rows_by_depth(unit); }
  Index most_rows_by_depth(const Unit& unit) const {
    if (!unit.first || unit.kind != Unit::Linear) return 0;
    const Depth depth = forward_depth(unit.inputs, unit.outputs);
    const bool even = depth.pairwise && depth.count % threads == 0;
    if (!even || threads == 1 || threads > kMostThreads) return 0;
    return std::min(unit.inputs / 3, kMostSums / unit.outputs);
  }

 private:
  static constexpr Index kLeastWeights = Index{1} << 16;
  static constexpr Index kMostSums = Index{1} << 17;  // of a thread: they stay in its cache
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
  Sharing<T> sharing{batch, team.size};

  T* y(std::size_t unit) const { return work.y[unit].get(); }
  T* d(std::size_t unit) const { return work.d[unit].get(); }
  // A thread's part of the sums of the first layer.
  T* partial_sums(const Unit& first, Index thread) const {
    return work.partial_sums.get() + thread * batch * first.outputs;
  }
  T* scratch() const { return work.scratch[static_cast<std::size_t>(team.rank)].get(); }

  bool depth_shared(const Unit& unit) const { return sharing.by_depth(unit); }
  bool outputs_shared(const Unit& unit) const {
    return unit.kind == Unit::Linear && !depth_shared(unit) &&
           sharing.by_columns(unit.inputs, unit.outputs);
  }
  bool inputs_shared(const Unit& unit) const {
    return unit.kind == Unit::Linear && sharing.by_columns(unit.outputs, unit.inputs);
  }

  // This thread's part of the batch's x, of a linear unit's y, of the gradient with respect to its
  // x, and of its weight.
  Part x_part(const Unit& first) const {
    return depth_shared(first) ? Part{{0, batch}, own_inputs(first)}
                               : Part{rows, {0, first.inputs}};
  }
  Part y_part(const Unit& unit) const {
    return outputs_shared(unit) ? Part{{0, batch}, own_outputs(unit)}
                                : Part{rows, {0, unit.outputs}};
  }
  Part dx_part(const Unit& unit) const {
    return inputs_shared(unit) ? Part{{0, batch}, team.share(unit.inputs, kTileCols<T>)}
                               : Part{rows, {0, unit.inputs}};
  }
  Part weight_part(const Unit& unit) const {
    return outputs_shared(unit) ? Part{{0, unit.inputs}, own_outputs(unit)}
                                : Part{own_inputs(unit), {0, unit.outputs}};
  }
  Range own_outputs(const Unit& unit) const { return team.share(unit.outputs, kTileCols<T>); }
  Range own_inputs(const Unit& unit) const {
    if (!depth_shared(unit)) return team.share(unit.inputs, kLanes<T>);
    return own_depth(unit).terms();
  }
  Depth own_depth(const Unit& first) const {
    Depth depth = forward_depth(first.inputs, first.outputs);
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
