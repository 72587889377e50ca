// What a step needs besides the parameters: private to the plan's own files.
#pragma once

#include "core/gather.hpp"
#include "core/gemm.hpp"
#include "core/network.hpp"
#include "core/normalization.hpp"
#include "core/profile.hpp"

namespace densenet {

// For each unit: its output y; the gradient d of the loss with respect to z in y = activation(z); z
// itself, where the activation's derivative wants it; its weight and that transposed as panels, for
// the products of the rows' phase; and what a normalisation found, by row or by column.
template <class T>
struct Plan<T>::Workspace {
  Buffer<T> x, targets, gradient;
  std::vector<Buffer<T>> y, d, z, panel, transposed;
  std::vector<char> reads_panel;  // whether forward products do, or read the weight as it is
  std::vector<Buffer<Moments<T>>> moments;
  std::vector<Buffer<T>> columns;
  Buffer<double> row_loss, partial_norms;
  std::vector<Buffer<T>> scratch;     // one a thread, for product()
  std::vector<Index> tiles;           // that each thread has computed
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
  void gather_rows(const Source& source, Range part, T* to) const {
    gather(order != nullptr ? source : source.from(begin), order, part, to);
  }
};

// One thread's part of a pass over a batch: some of its rows.
template <class T>
struct Plan<T>::Pass {
  const T* params;
  Workspace& work;
  Mode<T> mode;
  Team team;
  Range rows;   // this thread's
  Index batch;  // rows of the whole batch

  T* y(std::size_t unit) const { return work.y[unit].get(); }
  T* d(std::size_t unit) const { return work.d[unit].get(); }
  T* scratch() const { return work.scratch[static_cast<std::size_t>(team.rank)].get(); }

  // A unit's weight as forward products read it.
  Strips<T> weight(std::size_t unit, const Unit& description) const {
    if (work.reads_panel[unit]) {
      return Strips<T>::panel(work.panel[unit].get(), description.inputs);
    }
    return Strips<T>::row_major(params + description.weight, description.outputs);
  }

  // This thread's rows of a unit's weight.
  Range weight_rows(const Unit& unit) const { return team.share(unit.inputs, kLanes<T>); }

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
  double* rest(const Unit& description, std::size_t unit, Laps::Way way) const {
    const bool timed = work.laps != nullptr && description.kind != Unit::Linear;
    return timed ? &laps()->units[unit][way].rest : nullptr;
  }

  // What a unit works on: the output of the unit before, or the batch.
  Matrix<const T> input(std::size_t unit, const Unit& description, Matrix<const T> x) const {
    if (unit == 0) return x;
    return {y(unit - 1), batch, description.inputs, description.inputs};
  }
};

}  // namespace densenet
