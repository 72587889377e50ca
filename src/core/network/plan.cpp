// The plan of a network: its units, its scratch memory, and the calls that take no step.
#include "core/network/plan.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/memory/buffer.hpp"
#include "core/memory/gather.hpp"
#include "core/memory/huge_pages.hpp"
#include "core/memory/views.hpp"
#include "core/network/sharing.hpp"
#include "core/network/weights.hpp"
#include "core/network/workspace.hpp"
#include "core/products/product.hpp"
#include "core/threads/access.hpp"
#include "core/threads/pace.hpp"
#include "core/threads/parallel.hpp"
#include "core/tuning.hpp"

namespace densenet {

namespace {

// Any other kind is the name of an activation.
Unit::Kind kind_named(const std::string& kind) {
  if (kind == "linear") return Unit::Linear;
  if (kind == "softmax") return Unit::Softmax;
  if (kind == "dropout") return Unit::Dropout;
  if (kind == "layer_norm") return Unit::LayerNorm;
  if (kind == "batch_norm") return Unit::BatchNorm;
  if (kind == "open") return Unit::Open;
  if (kind == "close") return Unit::Close;
  return Unit::Activate;
}

// So many rows that products are of pieces if a layer's ever are.
constexpr Index kAnyRows = Index{1} << 40;

}  // namespace

// ---- the plan --------------------------------------------------------------------------------

template <class T>
Plan<T>::Plan(const std::vector<Layer>& layers, Loss loss, Precision precision)
    : loss_(loss), precision_(precision) {
  std::vector<std::size_t> open;  // the Opens of the residual blocks around the layer at hand
  for (std::size_t number = 0; number < layers.size(); ++number) {
    const Layer& layer = layers[number];
    Unit unit{kind_named(layer.kind), layer.inputs,   layer.outputs, layer.weight, layer.bias,
              layer.running,          layer.parameter};
    unit.number = static_cast<std::uint32_t>(number);
    if (unit.kind == Unit::Activate) {
      unit.activation = activation_named(layer.kind, layer.parameter);
      if (!units_.empty() && units_.back().kind == Unit::Linear &&
          units_.back().activation.number == kIdentity) {
        units_.back().activation = unit.activation;
        continue;
      }
    }
    if (unit.kind == Unit::Open) open.push_back(units_.size());
    if (unit.kind == Unit::Close) {
      unit.partner = open.back();
      units_[unit.partner].partner = units_.size();
      open.pop_back();
    }
    const bool linear = unit.kind == Unit::Linear;
    unit.array = arrays_.size();
    if (unit.weight >= 0) {
      arrays_.push_back({unit.weight, (linear ? unit.inputs : 1) * unit.outputs, linear});
    }
    if (unit.bias >= 0) arrays_.push_back({unit.bias, unit.outputs, false});
    if (unit.kind == Unit::BatchNorm) running_ += 2 * unit.outputs;
    unit.index = units_.size();
    units_.push_back(unit);
  }
  units_.front().first = true;
  for (const Array& array : arrays_) parameters_ += array.size;
}

template <class T>
Plan<T>::Plan(const Plan& other, std::vector<Unit> units, Index parameters)
    : units_(std::move(units)),
      loss_(other.loss_),
      precision_(other.precision_),
      parameters_(parameters),
      running_(other.running_) {}

template <class T>
Plan<T>::~Plan() = default;

// True if the first layer's products read a sparse x as it is: in floats, and with the weight as it
// lies in the parameters. Otherwise the rows of a batch become dense where they are gathered.
template <class T>
bool Plan<T>::stays_sparse(const Source& x) const {
  const Unit& unit = units_.front();
  return x.is_sparse() && unit.kind == Unit::Linear && !unit.is_rounded() &&
         precision_.pieces_of(kAnyRows, unit.inputs, unit.outputs) == 0;
}

// Floating point operations of a forward pass over so many rows like those of x.
template <class T>
double Plan<T>::flop(Index rows, const Source& x) const {
  double terms = 0;
  for (const Unit& unit : units_) {
    const double width = static_cast<double>(unit.outputs);
    double depth = static_cast<double>(unit.inputs);
    if (unit.first && stays_sparse(x)) {
      depth = static_cast<double>(x.begins[x.rows] - x.begins[0]) / static_cast<double>(x.rows);
    }
    terms += unit.kind == Unit::Linear ? width * depth : kFlopPerElement / 2 * width;
  }
  return 2 * static_cast<double>(rows) * terms;
}

// ---- scratch memory --------------------------------------------------------------------------

// Makes room for what `threads` threads need for a batch of up to `rows` rows.
template <class T>
void Plan<T>::reserve(Workspace& work, Index rows, int threads) const {
  for (auto* buffers : {&work.y, &work.d, &work.z, &work.column_statistics}) {
    buffers->resize(units_.size());
  }
  work.row_statistics.resize(units_.size());
  work.cells.resize(units_.size());
  Index scratch_size = 0;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    work.y[u].at_least(rows * unit.outputs);
    work.d[u].at_least(rows * unit.outputs);
    if (from_input(unit.activation) || unit.kind == Unit::Dropout) {
      work.z[u].at_least(rows * unit.outputs);
    }
    if (unit.kind == Unit::Linear) {
      const Index in = unit.inputs, out = unit.outputs;
      scratch_size =
          std::max({scratch_size, product_scratch<T>(rows, out, forward_depth(in, out)),
                    product_scratch<T>(rows, in, out), product_scratch<T>(in, out, rows)});
      if (const int pieces = precision_.pieces_of(kAnyRows, in, out); pieces > 0) {
        scratch_size =
            std::max({scratch_size, bf16_scratch(rows, out, in, pieces),
                      bf16_scratch(rows, in, out, pieces), bf16_scratch(in, out, rows, pieces)});
        work.cells[u].reserve(rows, unit, pieces);
      }
    }
    if (unit.kind == Unit::LayerNorm) work.row_statistics[u].at_least(rows);
    if (unit.kind == Unit::BatchNorm) work.column_statistics[u].at_least(4 * unit.outputs);
  }
  if (threads > 1) work.partial_sums.at_least(threads * Sharing<T>::partial_sums(units_, rows));
  work.row_loss.at_least(rows);
  work.scratch.resize(std::max(work.scratch.size(), static_cast<std::size_t>(threads)));
  for (Buffer<T>& scratch : work.scratch) {
    const T* const before = scratch.get();
    T* const memory = scratch.at_least(scratch_size);
    if (memory != before) {
      advise_huge_pages(memory, static_cast<std::size_t>(scratch_size) * sizeof(T));
    }
  }
}

// Makes room for what has to be gathered of a batch, and of all that are no larger: rows of a
// sparse x with so many numbers. Decides where its x lies.
template <class T>
void Plan<T>::reserve_batch(Workspace& work, const Batch& batch, Index entries) const {
  work.x_lies = batch.in_place()                 ? XLies::InPlace
                : stays_sparse(batch.examples.x) ? XLies::Sparse
                                                 : XLies::Gathered;
  if (work.x_lies == XLies::Gathered) work.x.at_least(batch.rows * inputs());
  if (work.x_lies == XLies::Sparse) work.sparse.reserve(batch.rows, entries, inputs());
  if (batch.examples.labels == nullptr) work.targets.at_least(batch.rows * outputs());
}

// ---- the calls -------------------------------------------------------------------------------

// Calls body(params, mode) with parameters and running statistics that no other call changes
// meanwhile: the caller's, or copies.
template <class T>
template <class Body>
void Plan<T>::read(const T* params, const Mode<T>& mode, Workspace& work, const Body& body) {
  Mode<T> copied = mode;
  const auto copy = [&] {
    std::copy_n(params, parameters_, work.params.at_least(parameters_));
    if (running_ == 0) return;
    copied.running = work.running.at_least(running_);
    std::copy_n(mode.running, running_, copied.running);
  };
  const Access::Reading reading(access_, copy);
  reading.in_place() ? body(params, mode) : body(work.params.get(), copied);
}

template <class T>
void Plan<T>::forward(const T* params, const Source& x, T* y, const Mode<T>& mode) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  read(params, mode, *work, [&](const T* read_params, const Mode<T>& read_mode) {
    forward_all(read_params, x, y, read_mode, *work);
  });
}

// y (n, outputs) from x (n, inputs).
template <class T>
void Plan<T>::forward_all(const T* params, const Source& x, T* y, const Mode<T>& mode,
                          Workspace& scratch) const {
  Workspace* const work = &scratch;
  const int threads = threads_now(flop(x.rows, x));
  const auto output_rows = [&](const Pass& pass, Matrix<const T> in, Readable readable, T* to) {
    forward_rows(pass, in, readable);
    const T* last = work->y.back().get();
    std::copy(last + pass.rows.begin * outputs(), last + pass.rows.end * outputs(), to);
  };
  // All rows are one batch in training, and if they are few.
  if (mode.training || x.rows <= kForwardRows) {
    const Examples examples{x, nullptr, {}, nullptr};
    const Batch batch(examples, nullptr, 0, x.rows);
    reserve(*work, x.rows, threads);
    reserve_batch(*work, batch, batch.entries(x.rows));
    work->sharing.decide(units_, precision_, x.rows, threads, work->x_lies);
    return parallel_call(threads, [&](Team team) {
      const Pass pass{params, *work,         mode, team, work->sharing.rows(team),
                      x.rows, work->sharing, {}};
      const Readable readable = batch.in_place() ? Readable::All : Readable::OwnRows;
      cut_weights(pass);
      output_rows(pass, load_batch(pass, batch), readable, y + pass.rows.begin * outputs());
      if (mode.update_running) update_running(pass);
    });
  }
  // Otherwise each thread takes the next rows that nobody has, up to kForwardRows at a time, in its
  // slot of `work`: who has no processor for a while holds up nobody but for the rows at hand.
  const Index least = EvenSplit(x.rows, kForwardRows * threads).count * threads;
  const EvenSplit blocks(x.rows, (x.rows + least - 1) / least);
  std::atomic<Index> next{0};
  reserve(*work, kForwardRows * threads, threads);
  work->x_lies = stays_sparse(x) ? XLies::Sparse : XLies::Gathered;
  Index entries = 0;  // of a block, at most
  if (work->x_lies == XLies::Sparse) {
    for (Index block = 0; block < blocks.count; ++block) {
      entries =
          std::max(entries, x.begins[blocks.begin(block + 1)] - x.begins[blocks.begin(block)]);
    }
    work->sparse.reserve(kForwardRows * threads, entries * threads);
  } else {
    work->x.at_least(kForwardRows * threads * inputs());
  }
  work->sharing.decide(units_, precision_, x.rows, 1, XLies::Gathered);
  parallel_call(threads, [&](Team team) {
    const Index slot = team.rank * kForwardRows, slots = team.size * kForwardRows;
    cut_weights({params, *work, mode, team, {}, slots, work->sharing, {}});
    for (Index block; (block = next.fetch_add(1, std::memory_order_relaxed)) < blocks.count;) {
      const Index begin = blocks.begin(block), rows = blocks.begin(block + 1) - begin;
      const Pass pass{params, *work, mode, team, {slot, slot + rows}, slots, work->sharing, {}};
      const Source block_x = x.from(begin);
      if (work->x_lies == XLies::Sparse) {
        work->sparse.load(block_x, nullptr, {0, rows}, slot, team.rank * entries);
      } else {
        gather(block_x, nullptr, Part{{0, rows}, {0, inputs()}}, work->x.get() + slot * inputs());
      }
      output_rows(pass, {work->x.get(), slots, inputs(), inputs()}, Readable::All,
                  y + begin * outputs());
    }
  });
}

// Computes dparams and dx (batch, inputs), where they are not null: forward pass, then
// output_gradient(pass), which computes the last unit's d (batch, outputs), then backward pass.
// Each thread calls finish(pass) in the end, if it has computed dparams.
//
// The first layer goes by rows where it may: then a thread writes the part of its gradient that it
// takes for itself in update_all().
template <class T>
template <class Call, class OutputGradient, class Finish>
void Plan<T>::differentiate(const Call& call, const T* params, const Batch& batch, Workspace& work,
                            const Mode<T>& mode, T* dparams, T* dx,
                            const OutputGradient& output_gradient, const Finish& finish) const {
  reserve(work, batch.rows, call.threads());
  reserve_batch(work, batch, batch.entries(batch.rows));
  work.sharing.decide(units_, precision_, batch.rows, call.threads(), work.x_lies, false);
  work.ended = false;
  const std::size_t lowest = dx != nullptr ? 0 : lowest_learning({});
  const Gradients gradients{dparams != nullptr ? lowest : Gradients::kNone,
                            dx != nullptr ? 0 : lowest + 1};
  call.run([&](Team team) {
    const Pass pass{params,     work,         mode,     team, work.sharing.rows(team),
                    batch.rows, work.sharing, gradients};
    cut_weights(pass);
    const Matrix<const T> x = load_batch(pass, batch);
    forward_rows(pass, x, batch.in_place() ? Readable::All : Readable::OwnRows);
    if (pass.ended()) return;
    output_gradient(pass);
    backward_rows(pass, x, dx, lowest);
    if (dparams == nullptr || pass.ended()) return;
    team.barrier();
    weight_gradients(pass, x, {}, StoredGradient<T>{dparams, 0});
    finish(pass);
  });
}

template <class T>
double Plan<T>::gradients(const T* params, const Examples& examples, T* dparams, T* dx,
                          const Mode<T>& mode) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Batch batch(examples, nullptr, 0, examples.x.rows);
  read(params, mode, *work, [&](const T* read_params, const Mode<T>& read_mode) {
    differentiate(
        SingleCall(gradient_flop(batch.rows, examples.x)), read_params, batch, *work, read_mode,
        dparams, dx, [&](const Pass& pass) { loss_rows(pass, batch); }, [](const Pass&) {});
  });
  return batch_loss(batch, *work);
}

template <class T>
std::optional<double> Plan<T>::loss_and_gradient(const T* params, const Examples& examples,
                                                 T* gradient, const Mode<T>& mode) {
  const Access::Training turn(access_);
  if (!turn) return std::nullopt;
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Batch batch(examples, nullptr, 0, examples.x.rows);
  std::atomic<bool> moves{batch.total_weight > 0};  // written before a barrier, read after it
  differentiate(
      PacedCall(work->gradient_pace, batch.rows, gradient_flop(batch.rows, examples.x)), params,
      batch, *work, mode, gradient, nullptr,
      [&](const Pass& pass) {
        loss_rows(pass, batch);
        if (!finite_loss(pass)) moves = false;
      },
      [&](const Pass& pass) {
        if (moves && mode.means == nullptr) update_running(pass);
      });
  if (access_.wanted()) access_.let_copy();
  return batch_loss(batch, *work);
}

template <class T>
void Plan<T>::backward(const T* params, const Source& x, const T* dy, T* dparams, T* dx,
                       const Mode<T>& mode) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Examples examples{x, nullptr, {}, nullptr};
  const Batch batch(examples, nullptr, 0, x.rows);
  const auto output_gradient = [&](const Pass& pass) {
    T* d = work->d.back().get();
    const Range part{pass.rows.begin * outputs(), pass.rows.end * outputs()};
    std::copy(dy + part.begin, dy + part.end, d + part.begin);
    activation_gradient(pass, units_.size() - 1, d);
  };
  read(params, mode, *work, [&](const T* read_params, const Mode<T>& read_mode) {
    differentiate(SingleCall(gradient_flop(batch.rows, x)), read_params, batch, *work, read_mode,
                  dparams, dx, output_gradient, [](const Pass&) {});
  });
}

// The index of the first unit with an array of parameters that learns; the last unit's if none
// does.
template <class T>
std::size_t Plan<T>::lowest_learning(const Factors& factors) const {
  for (const Unit& unit : units_) {
    const bool weight = unit.weight >= 0 && factors.learns(unit.array);
    if (weight || (unit.bias >= 0 && factors.learns(unit.array + 1))) return unit.index;
  }
  return units_.size() - 1;
}

// The mean of the batch's losses, weighted.
template <class T>
double Plan<T>::batch_loss(const Batch& batch, const Workspace& work) const {
  if (batch.total_weight == 0) return 0;
  double sum = 0;
  for (Index i = 0; i < batch.rows; ++i) sum += work.row_loss.get()[i];
  return sum / batch.total_weight;
}

template class Plan<float>;
template class Plan<double>;

}  // namespace densenet
