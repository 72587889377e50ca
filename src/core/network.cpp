#include "core/network.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "core/workspace.hpp"

namespace densenet {

namespace {

// Rows of a forward pass that go through all layers together, so that they stay in the cache.
constexpr Index kForwardRows = 128;

// Elements of the gradient whose squares are summed as one part of its norm.
constexpr Index kNormPart = 4096;

// Calls a user's poll function at most every 20 ms.
class Poll {
 public:
  explicit Poll(const Epoch& epoch) : epoch_(epoch), last_(Clock::now()) {}

  bool go_on(Index steps_done) {
    if (epoch_.poll == nullptr) return true;
    const auto now = Clock::now();
    if (now - last_ < std::chrono::milliseconds(20)) return true;
    last_ = now;
    return epoch_.poll(epoch_.poll_context, steps_done);
  }

 private:
  using Clock = std::chrono::steady_clock;
  const Epoch& epoch_;
  Clock::time_point last_;
};

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

}  // namespace

// ---- the plan --------------------------------------------------------------------------------

template <class T>
Plan<T>::Plan(const std::vector<Layer>& layers, Loss loss) : loss_(loss) {
  std::vector<std::size_t> open;  // residual blocks around the layer at hand
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
    if (unit.kind == Unit::Linear) parameters_ += unit.inputs * unit.outputs;
    if (unit.kind == Unit::LayerNorm || unit.kind == Unit::BatchNorm) parameters_ += unit.outputs;
    if (unit.bias >= 0) parameters_ += unit.outputs;
    if (unit.kind == Unit::BatchNorm) running_ += 2 * unit.outputs;
    units_.push_back(unit);
  }
}

template <class T>
Plan<T>::~Plan() = default;

// Floating point operations of a forward pass.
template <class T>
double Plan<T>::flop(Index rows) const {
  double terms = 0;
  for (const Unit& unit : units_) {
    const double width = static_cast<double>(unit.outputs);
    terms += unit.kind == Unit::Linear ? width * static_cast<double>(unit.inputs) : 10 * width;
  }
  return 2 * static_cast<double>(rows) * terms;
}

// ---- scratch memory --------------------------------------------------------------------------

template <class T>
void Plan<T>::reserve(Workspace& work, Index rows, int threads) const {
  for (auto* buffers : {&work.y, &work.d, &work.z, &work.transposed, &work.columns}) {
    buffers->resize(units_.size());
  }
  work.moments.resize(units_.size());
  Index deepest = rows;  // of the three products
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    work.y[u].at_least(rows * unit.outputs);
    work.d[u].at_least(rows * unit.outputs);
    if (from_input(unit.activation)) work.z[u].at_least(rows * unit.outputs);
    if (unit.kind == Unit::Linear) work.transposed[u].at_least(unit.inputs * unit.outputs);
    if (unit.kind == Unit::LayerNorm) work.moments[u].at_least(rows);
    if (unit.kind == Unit::BatchNorm) work.columns[u].at_least(4 * unit.outputs);
    deepest = std::max({deepest, unit.inputs, unit.outputs});
  }
  work.row_loss.at_least(rows);
  work.scratch.resize(std::max(work.scratch.size(), static_cast<std::size_t>(threads)));
  for (Buffer<T>& scratch : work.scratch) scratch.at_least(product_scratch<T>(deepest));
  work.tiles.assign(static_cast<std::size_t>(threads), 0);
}

template <class T>
void Plan<T>::reserve_batch(Workspace& work, const Batch& batch) const {
  if (!batch.in_place()) work.x.at_least(batch.rows * inputs());
  if (batch.examples.labels == nullptr) work.targets.at_least(batch.rows * outputs());
}

// ---- the weights' phase ----------------------------------------------------------------------

// Calls use(at, g, lanes, is_weight) for each register of this thread's part of the gradient, where
// `at` is the place of its first element in the flat vector. Returns the number of tiles.
template <class T>
template <class Use>
Index Plan<T>::weight_gradients(const Pass& pass, Matrix<const T> batch, const Use& use) const {
  Index tiles = 0;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    if (unit.weight < 0) continue;
    const Index n = unit.outputs;
    const Matrix<const T> d{pass.d(u), pass.batch, n, n}, x = pass.input(u, unit, batch);
    const Range columns = pass.team.share(n, kLanes<T>);
    if (unit.kind == Unit::Linear) {
      // dW = xᵀ d
      const auto finish = [&](const Tile<T>& tile) {
        ++tiles;
        for (Index r = 0; r < tile.rows; ++r) {
          const Index at = unit.weight + (tile.row + r) * n + tile.col;
          for_each_vector<T>(tile.cols, [&](Index c, auto lanes) {
            use(at + c, load(tile.line(r) + c, Whole{}), lanes, true);
          });
        }
      };
      product<T>(Transposed<T>{x.data, x.stride}, d.data, d.stride,
                 pass.team.share(unit.inputs, kTileRows), Range{0, n}, pass.batch, pass.scratch(),
                 finish);
    } else {
      // dγ = Σ d ∘ x̂
      const bool by_row = unit.kind == Unit::LayerNorm;
      const Moments<T>* moments = pass.work.moments[u].get();
      const T* mean = pass.mode.training ? pass.work.columns[u].get()
                                         : pass.mode.running + std::max<Index>(unit.running, 0);
      const auto along = [&](Index i, Index c, auto lanes) {
        const Vec<T> value = load(x.row(i) + c, lanes), slope = load(d.row(i) + c, lanes);
        if (by_row) return slope * ((value - Vec<T>(moments[i].mean)) * Vec<T>(moments[i].inverse));
        const Vec<T> inverse = inverse_deviation(load(mean + n + c, lanes), unit.parameter);
        return slope * ((value - load(mean + c, lanes)) * inverse);
      };
      column_sums_of<T>(pass.batch, columns, along, [&](Vec<T> g, Index c, auto lanes) {
        use(unit.weight + c, g, lanes, false);
      });
    }
    if (unit.bias >= 0) {
      column_sums<T>(d, columns,
                     [&](Vec<T> g, Index c, auto lanes) { use(unit.bias + c, g, lanes, false); });
    }
  }
  return tiles;
}

// The Euclidean norm of a gradient: the same on every thread, and for any number of them.
template <class T>
double Plan<T>::norm(const T* gradient, double* partial, Team team) const {
  const Index parts = (parameters_ + kNormPart - 1) / kNormPart;
  const Range mine = team.share(parts);
  for (Index part = mine.begin; part < mine.end; ++part) {
    const Index end = std::min(parameters_, (part + 1) * kNormPart);
    double sum = 0;
    for (Index i = part * kNormPart; i < end; ++i) {
      sum += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }
    partial[part] = sum;
  }
  team.barrier();
  double sum = 0;
  for (Index part = 0; part < parts; ++part) sum += partial[part];
  return std::sqrt(sum);
}

// Steps down a whole gradient, times a scale.
template <class T>
template <class Rule>
void Plan<T>::update_all(const Updated<T, Rule::kStates>& updated, const Rule& rule,
                         const Rule& bias_rule, const T* gradient, T scale, Team team) const {
  const auto slot = [&](const Rule& its_rule, Index begin, Index size) {
    const Range mine = team.share(size, kLanes<T>);
    for_each_vector<T>(mine.size(), [&](Index i, auto lanes) {
      const Index at = begin + mine.begin + i;
      updated.apply(its_rule, at, load(gradient + at, lanes) * Vec<T>(scale), lanes);
    });
  };
  for (const Unit& unit : units_) {
    if (unit.kind == Unit::Linear) slot(rule, unit.weight, unit.inputs * unit.outputs);
    if (unit.kind != Unit::Linear && unit.weight >= 0) slot(bias_rule, unit.weight, unit.outputs);
    if (unit.bias >= 0) slot(bias_rule, unit.bias, unit.outputs);
  }
}

// ---- the calls -------------------------------------------------------------------------------

template <class T>
void Plan<T>::forward(const T* params, const Source& x, T* y, const Mode<T>& mode) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const int threads = threads_for(flop(x.rows));
  // In training all rows are one batch; otherwise each thread takes its own block by block.
  const Index block = mode.training ? x.rows : std::min(kForwardRows, x.rows);
  const Index slots = mode.training ? x.rows : block * threads;
  reserve(*work, slots, threads);
  work->x.at_least(slots * inputs());
  parallel(threads, [&](Team team) {
    const Range mine = team.share(x.rows);
    Index begin = mine.begin;
    do {  // at least once: a member without rows must come to the barriers too
      const Index rows = std::min(block, mine.end - begin);
      const Index slot = mode.training ? begin : team.rank * block;
      gather(x.from(begin), nullptr, Range{0, rows}, work->x.get() + slot * inputs());
      forward_rows(Pass{params, *work, mode, team, Range{slot, slot + rows}, slots},
                   {work->x.get(), slots, inputs(), inputs()});
      const T* last = work->y.back().get();
      std::copy(last + slot * outputs(), last + (slot + rows) * outputs(), y + begin * outputs());
      begin += block;
    } while (begin < mine.end);
  });
}

template <class T>
template <class OutputGradient>
void Plan<T>::differentiate(const T* params, const Batch& batch, Workspace& work,
                            const Mode<T>& mode, T* dparams, T* dx,
                            const OutputGradient& output_gradient) {
  const int threads = threads_for(3 * flop(batch.rows));
  reserve(work, batch.rows, threads);
  Mode<T> still = mode;
  still.update_running = false;
  parallel(threads, [&](Team team) {
    const Pass pass{params, work, still, team, team.share(batch.rows), batch.rows};
    transpose_weights(params, work, team, dx != nullptr ? 0 : 1);
    const Matrix<const T> x = load_rows(batch, work, pass.rows);
    forward_rows(pass, x);
    output_gradient(pass);
    team.barrier();
    backward_rows(pass, x, dx);
    if (dparams == nullptr) return;
    team.barrier();
    weight_gradients(pass, x,
                     [&](Index at, Vec<T> g, auto lanes, bool) { store(dparams + at, g, lanes); });
  });
}

template <class T>
double Plan<T>::gradients(const T* params, const Examples& examples, T* dparams, T* dx,
                          const Mode<T>& mode) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Batch batch(examples, nullptr, 0, examples.x.rows);
  reserve_batch(*work, batch);
  differentiate(params, batch, *work, mode, dparams, dx,
                [&](const Pass& pass) { loss_rows(pass, batch); });
  return batch_loss(batch, *work);
}

template <class T>
void Plan<T>::backward(const T* params, const Source& x, const T* dy, T* dparams, T* dx,
                       const Mode<T>& mode) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Examples examples{x, nullptr, {}, nullptr};
  const Batch batch(examples, nullptr, 0, x.rows);
  reserve_batch(*work, batch);
  differentiate(params, batch, *work, mode, dparams, dx, [&](const Pass& pass) {
    T* d = work->d.back().get();
    const Range part{pass.rows.begin * outputs(), pass.rows.end * outputs()};
    std::copy(dy + part.begin, dy + part.end, d + part.begin);
    activation_gradient(pass, units_.size() - 1, d);
  });
}

template <class T>
double Plan<T>::batch_loss(const Batch& batch, const Workspace& work) const {
  if (batch.total_weight == 0) return 0;
  double sum = 0;
  for (Index i = 0; i < batch.rows; ++i) sum += work.row_loss.get()[i];
  return sum / batch.total_weight;
}

template <class T>
Progress Plan<T>::train(T* params, T* const* states, const Optimizer& optimizer,
                        const Examples& examples, const Epoch& epoch, const Mode<T>& mode) {
  Progress progress{};
  with_rule<T>(optimizer.rule, [&](auto* rule) {
    using Rule = std::remove_pointer_t<decltype(rule)>;
    progress = train_by<Rule>(params, states, optimizer.hyperparameters, examples, epoch, mode);
  });
  return progress;
}

template <class T>
template <class Rule>
Progress Plan<T>::train_by(T* params, T* const* states, const Hyperparameters& settings,
                           const Examples& examples, const Epoch& epoch, const Mode<T>& mode) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Index rows = std::min(epoch.batch_size, examples.x.rows);
  const int threads = threads_for(3 * flop(rows));
  reserve(*work, rows, threads);
  reserve_batch(*work, Batch(examples, epoch.order, 0, rows));
  // The update is fused with the weight gradient unless the whole gradient's norm must come first.
  const bool whole = settings.clip_norm > 0 || epoch.tolerance > 0;
  if (whole) {
    work->gradient.at_least(parameters_);
    work->partial_norms.at_least((parameters_ + kNormPart - 1) / kNormPart);
  }
  Updated<T, Rule::kStates> updated{params, {}};
  std::copy_n(states, Rule::kStates, updated.state.begin());
  Progress progress{};
  bool go_on = true;  // like `progress` written by thread 0, between barriers

  parallel(threads, [&](Team team) {
    Poll poll(epoch);
    transpose_weights(params, *work, team, 1);
    for (Index step = 0; step < epoch.n_steps && go_on; ++step) {
      const Index begin = (epoch.first_step + step) * epoch.batch_size;
      const Batch batch(examples, epoch.order, begin, std::min(rows, examples.x.rows - begin));
      const bool moves = batch.total_weight > 0;
      Mode<T> step_mode = mode;
      step_mode.step += static_cast<std::uint32_t>(step);
      step_mode.update_running = moves;
      const Pass pass{params, *work, step_mode, team, team.share(batch.rows), batch.rows};

      const Matrix<const T> x = load_rows(batch, *work, pass.rows);
      forward_rows(pass, x);
      loss_rows(pass, batch);
      if (step == 0) team.barrier();  // the weights are transposed
      backward_rows(pass, x, nullptr);
      team.barrier();

      bool converged = false;
      if (moves) {
        const Index count = epoch.steps_before + step + 1;
        const Rule rule(settings, epoch.lr[step], count);
        const Rule bias_rule(settings.without_penalties(), epoch.lr[step], count);
        const Vec<T> limit(static_cast<T>(settings.clip_value));
        const auto clipped = [&](Vec<T> g) {
          return settings.clip_value > 0 ? max(min(g, limit), -limit) : g;
        };
        Index tiles = 0;
        if (!whole) {
          tiles = weight_gradients(pass, x, [&](Index at, Vec<T> g, auto lanes, bool is_weight) {
            updated.apply(is_weight ? rule : bias_rule, at, clipped(g), lanes);
          });
        } else {
          T* gradient = work->gradient.get();
          tiles = weight_gradients(pass, x, [&](Index at, Vec<T> g, auto lanes, bool) {
            store(gradient + at, clipped(g), lanes);
          });
          team.barrier();
          const double length = norm(gradient, work->partial_norms.get(), team);
          converged = length < epoch.tolerance;
          const bool too_long = settings.clip_norm > 0 && length > settings.clip_norm;
          const double scale = too_long ? settings.clip_norm / length : 1;
          if (!converged) {
            update_all<Rule>(updated, rule, bias_rule, gradient, static_cast<T>(scale), team);
            team.barrier();  // a weight's rows may have been updated by others
          }
        }
        work->tiles[static_cast<std::size_t>(team.rank)] += tiles;
        if (!converged) transpose_weights(params, *work, team, 1);
      }
      if (team.rank == 0) {
        epoch.batch_loss[step] = batch_loss(batch, *work);
        progress.steps = step + (converged ? 0 : 1);
        progress.converged = converged;
        go_on = !converged && poll.go_on(progress.steps);
      }
      team.barrier();
    }
  });
  const auto busy = [](Index tiles) { return tiles > 0; };
  progress.busy_threads = std::count_if(work->tiles.begin(), work->tiles.end(), busy);
  return progress;
}

template <class T>
void Plan<T>::update(T* params, T* const* states, const Optimizer& optimizer, double lr, Index step,
                     const T* gradient) {
  with_rule<T>(optimizer.rule, [&](auto* type) {
    using Rule = std::remove_pointer_t<decltype(type)>;
    Updated<T, Rule::kStates> updated{params, {}};
    std::copy_n(states, Rule::kStates, updated.state.begin());
    const Hyperparameters& settings = optimizer.hyperparameters;
    const Rule rule(settings, lr, step), bias_rule(settings.without_penalties(), lr, step);
    parallel(threads_for_elements(parameters_),
             [&](Team team) { update_all<Rule>(updated, rule, bias_rule, gradient, T(1), team); });
  });
}

template class Plan<float>;
template class Plan<double>;

}  // namespace densenet
