// The types that the plan's own files share: scratch memory, a batch, and a thread's pass over it.
// Private to them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "core/layers/normalization.hpp"
#include "core/memory/buffer.hpp"
#include "core/memory/gather.hpp"
#include "core/memory/sparse_batch.hpp"
#include "core/memory/touched.hpp"
#include "core/memory/views.hpp"
#include "core/network/cells.hpp"
#include "core/network/plan.hpp"
#include "core/network/profile.hpp"
#include "core/network/sharing.hpp"
#include "core/network/units.hpp"
#include "core/products/bf16_product.hpp"
#include "core/products/depth.hpp"
#include "core/products/product.hpp"
#include "core/products/rounded_product.hpp"
#include "core/products/sparse_product.hpp"
#include "core/products/tile.hpp"
#include "core/threads/pace.hpp"
#include "core/threads/parallel.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// Scratch memory of one call.
template <class T>
struct Plan<T>::Workspace {
  Buffer<T> x, targets;   // gathered: (batch, inputs), (batch, outputs)
  SparseBatch<T> sparse;  // in the place of x, if the call's x stays sparse:
  XLies x_lies = XLies::Gathered;
  Buffer<T> gradient;  // of all parameters, where the update is not fused

  // One for each unit, which computes y = activation(z):
  std::vector<Buffer<T>> y;  // (batch, outputs)
  std::vector<Buffer<T>> d;  // (batch, outputs), the loss's gradient with respect to z
  // (batch, outputs), where the derivative is computed from it; of a dropout, its factors
  std::vector<Buffer<T>> z;
  std::vector<Buffer<RowStatistics<T>>> row_statistics;  // (batch), of a layer normalisation
  // (4, outputs), of a batch normalisation: mean, variance, mean(g), mean(g ∘ x̂)
  std::vector<Buffer<T>> column_statistics;
  std::vector<UnitCells<T>> cells;  // of a linear unit whose products may be of pieces
  bool ended;  // the call, by its BatchMeans; written by thread 0 between two barriers

  Sharing<T> sharing, sharing_last;   // for batches of full size, and for the last of an epoch
  Buffer<T> partial_sums;             // where depth is shared, (batch, outputs) a thread
  Buffer<double> row_loss;            // (batch)
  Buffer<double> partial_norms;       // sums of squares of parts of the gradient
  Buffer<double> partial_penalties;   // of parts of the weights
  Buffer<T> params, running;          // copies, where the network is trained meanwhile
  std::vector<Buffer<T>> scratch;     // one a thread, for product()
  std::vector<Index> tiles;           // how many each thread has computed
  Pace pace;                          // of training steps
  Pace gradient_pace, update_pace;    // of the halves of a step, each in a call of its own
  std::vector<Laps>* laps = nullptr;  // one a thread, while a step is profiled
};

// The rows of the examples that one step works on.
template <class T>
struct Plan<T>::Batch {
  const Examples& examples;
  const std::int64_t* order;  // null: begin, begin + 1, ...
  Index begin, rows;
  double total_weight;      // what the weighted loss is divided by; 0 if no row weighs
  double weight_scale = 1;  // the power of two that brings the largest weight into [1/2, 1)

  Batch(const Examples& all, const std::int64_t* whole_order, Index first, Index count)
      : examples(all),
        order(whole_order != nullptr ? whole_order + first : nullptr),
        begin(first),
        rows(count),
        total_weight(all.total_weight > 0 ? all.total_weight : static_cast<double>(count)) {
    if (all.sample_weight == nullptr) return;
    total_weight = 0;
    double largest = 0;
    for (Index i = 0; i < rows; ++i) largest = std::max(largest, weight(i));
    if (largest == 0) return;
    weight_scale = std::ldexp(1.0, -std::ilogb(largest) - 1);
    for (Index i = 0; i < rows; ++i) total_weight += weight(i);
    if (all.total_weight > 0) total_weight = all.total_weight * weight_scale;
  }

  // The number of the example in row i of the batch, and its weight.
  Index example(Index i) const { return order != nullptr ? order[i] : begin + i; }
  double weight(Index i) const {
    return examples.sample_weight != nullptr ? examples.sample_weight[example(i)] * weight_scale
                                             : 1.0;
  }
  bool in_place() const { return order == nullptr && usable_in_place<T>(examples.x); }
  // How many numbers the first so many rows of a sparse x have.
  Index entries(Index first) const {
    Index sum = 0;
    for (Index i = 0; i < first; ++i) sum += examples.x.entries(example(i));
    return sum;
  }
  // Copies a part of the batch's rows of `source` into `to`, which is as large as the batch.
  void gather_part(const Source& source, const Part& part, T* to) const {
    gather(order != nullptr ? source : source.from(begin), order, part, to);
  }
};

// Which gradients a pass computes: of the parameters of units from `params` on, and with respect to
// the inputs of those from `inputs` on.
struct Gradients {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t params = kNone, inputs = kNone;
};

// What one thread needs to know in a pass over a batch: parameters, scratch memory, and its part.
template <class T>
struct Plan<T>::Pass {
  const T* params;
  Workspace& work;
  Mode<T> mode;
  Team team;
  Range rows;   // of the batch: this thread's
  Index batch;  // rows of the whole batch
  const Sharing<T>& sharing;
  Gradients gradients;

  // (batch, outputs) of a unit.
  T* y(std::size_t unit) const { return work.y[unit].get(); }
  T* d(std::size_t unit) const { return work.d[unit].get(); }
  // W (inputs, outputs) of a linear unit.
  Matrix<const T> weight(const Unit& unit) const {
    return {params + unit.weight, unit.inputs, unit.outputs, unit.outputs};
  }
  // A thread's sums (batch, outputs) of a unit whose depth is shared.
  T* partial_sums(const Unit& unit, Index thread) const {
    return work.partial_sums.get() + thread * batch * unit.outputs;
  }
  T* scratch() const { return work.scratch[static_cast<std::size_t>(team.rank)].get(); }
  // The cells of a unit's operands; null where its products are of floats.
  const UnitCells<T>* cells(const Unit& unit) const {
    return sharing.pieces(unit) > 0 ? &work.cells[unit.index] : nullptr;
  }
  // In which of their products, in the order of cells.hpp, x, W and d of a unit take part.
  Roles x_roles(std::size_t unit) const { return {true, unit >= gradients.params}; }
  Roles weight_roles(std::size_t unit) const { return {true, unit >= gradients.inputs}; }
  Roles d_roles(std::size_t unit) const {
    return {unit >= gradients.inputs, unit >= gradients.params};
  }

  // True if the x of a unit is sparse, and its products read it as it is.
  bool is_sparse(const Unit& unit) const { return unit.first && work.x_lies == XLies::Sparse; }

  // This thread's part of the batch's x (batch, inputs); and of a linear unit's y (batch, outputs),
  // dx (batch, inputs) and weight (inputs, outputs).
  Part x_part(const Unit& first) const {
    return sharing.by_depth(first) ? Part{{0, batch}, own_inputs(first)}
                                   : Part{rows, {0, first.inputs}};
  }
  Part y_part(const Unit& unit) const {
    return sharing.by_columns(unit) ? Part{{0, batch}, own_outputs(unit)}
                                    : Part{rows, {0, unit.outputs}};
  }
  Part dx_part(const Unit& unit) const {
    return sharing.dx_by_columns(unit) ? Part{{0, batch}, team.share(unit.inputs, kTileCols<T>)}
                                       : Part{rows, {0, unit.inputs}};
  }
  Part weight_part(const Unit& unit) const {
    return sharing.by_columns(unit) ? Part{{0, unit.inputs}, own_outputs(unit)}
                                    : Part{own_inputs(unit), {0, unit.outputs}};
  }
  Range own_outputs(const Unit& unit) const { return team.share(unit.outputs, kTileCols<T>); }
  Range own_inputs(const Unit& unit) const {
    if (sharing.pieces(unit) > 0) return team.share(unit.inputs, kBlockSide);
    if (!sharing.by_depth(unit)) return team.share(unit.inputs, kLanes<T>);
    return own_depth(unit).terms();
  }
  Depth own_depth(const Unit& unit) const {
    Depth depth = forward_depth(unit.inputs, unit.outputs);
    depth.chunks = team.share(depth.count);
    return depth;
  }

  // Meets the other threads unless this one may already read all of the matrix at hand or, if `all`
  // is false, its own rows of it.
  void make_readable(bool all, Readable& readable) const {
    if (readable == Readable::All || (readable == Readable::OwnRows && !all)) return;
    meet();
    readable = Readable::All;
  }

  // True if the call's BatchMeans have ended it.
  bool ended() const { return mode.means != nullptr && work.ended; }

  // Meets the other threads.
  void meet() const {
    const Timer timer(sum(&Laps::waiting));
    team.barrier();
  }

  // Calls run(finish), which computes a product of this unit, and times it if asked to.
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

  // C = A B, of bf16 pieces.
  void multiply(const Cells& a, const Cells& b, const Part& part, Index depth,
                const Finish<T>& finish) const {
    if constexpr (std::is_same_v<T, float>) {
      bf16_product(a, b, part, depth, scratch(), finish);
    }
  }
  // y = x W of floats: W as it lies in the parameters, or as a predictor holds it.
  void multiply(Matrix<const T> x, const Unit& unit, const Part& part, const Depth& depth,
                const Finish<T>& finish, const Touched<T>& touched) const {
    const RowMajor<T> left{x.data, x.stride};
    if constexpr (std::is_same_v<T, float>) {
      if (unit.is_rounded()) return rounded_product(left, unit.rounded, part, depth, finish);
    }
    multiply(left, RowMajor<T>{params + unit.weight, unit.outputs}, part, depth, finish, touched);
  }
  // C = A B, where A is sparse.
  void multiply(const SparseLines<T>& a, const RowMajor<T>& b, const Part& part, const Depth& depth,
                const Finish<T>& finish) const {
    sparse_product(a, b, part, depth, scratch(), finish);
  }
  // C = A B, of floats.
  template <class A, class B>
  void multiply(const A& a, const B& b, const Part& part, const Depth& depth,
                const Finish<T>& finish, const Touched<T>& touched) const {
    product<T>(a, b, part, depth, scratch(), finish, touched);
  }

  // Where this thread adds up its seconds; null while no step is profiled.
  Laps* laps() const {
    return work.laps != nullptr ? &(*work.laps)[static_cast<std::size_t>(team.rank)] : nullptr;
  }
  double* sum(double Laps::*part) const {
    return work.laps != nullptr ? &(laps()->*part) : nullptr;
  }
  double* rest(std::size_t unit, Laps::Way way) const {
    return work.laps != nullptr ? &laps()->units[unit][way].rest : nullptr;
  }

  // The x of a unit (batch, inputs): the output of the unit before, or the batch's x.
  Matrix<const T> input(std::size_t unit, const Unit& description, Matrix<const T> x) const {
    if (unit == 0) return x;
    return {y(unit - 1), batch, description.inputs, description.inputs};
  }
};

}  // namespace densenet
