#include "core/network.hpp"

#include <algorithm>
#include <array>
#include <chrono>

#include "core/activations.hpp"
#include "core/gather.hpp"
#include "core/gemm.hpp"

namespace densenet {

namespace {

// Rows of a forward pass that go through all layers together, so that they stay in the cache.
constexpr Index kForwardRows = 128;

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

}  // namespace

// What a step needs besides the parameters. For each unit: its output y, the gradient d of the loss
// with respect to z in y = activation(z), and its weight transposed, (outputs, inputs).
template <class T>
struct Plan<T>::Workspace {
  Buffer<T> x, targets;
  std::vector<Buffer<T>> y, d, transposed;
  Buffer<double> row_loss;
  std::vector<Buffer<T>> panels;  // one a thread, for product()
  std::vector<Index> tiles;       // that each thread has computed

  T* panel(Team team) const { return panels[static_cast<std::size_t>(team.rank)].get(); }
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

template <class T>
Plan<T>::Plan(const std::vector<Layer>& layers, SoftmaxCrossEntropy loss) : loss_(loss) {
  for (const Layer& layer : layers) {
    if (layer.kind == "linear") {
      units_.push_back({layer.inputs, layer.outputs, layer.weight, layer.bias, kIdentity});
      parameters_ += layer.inputs * layer.outputs + (layer.bias >= 0 ? layer.outputs : 0);
      continue;
    }
    const std::size_t activation = activation_number(layer.kind);
    const bool fuses =
        !units_.empty() && units_.back().linear() && units_.back().activation == kIdentity;
    if (fuses) {
      units_.back().activation = activation;
    } else {
      units_.push_back({layer.inputs, layer.outputs, -1, -1, activation});
    }
  }
}

template <class T>
Plan<T>::~Plan() = default;

// Floating point operations of a forward pass.
template <class T>
double Plan<T>::flop(Index rows) const {
  double weights = 0;
  for (const Unit& unit : units_) {
    if (unit.linear()) weights += static_cast<double>(unit.inputs * unit.outputs);
  }
  return 2 * static_cast<double>(rows) * weights;
}

template <class T>
void Plan<T>::reserve(Workspace& work, Index rows, int threads) const {
  work.y.resize(units_.size());
  work.d.resize(units_.size());
  work.transposed.resize(units_.size());
  Index deepest = rows;  // of the three products
  for (std::size_t u = 0; u < units_.size(); ++u) {
    work.y[u].at_least(rows * units_[u].outputs);
    work.d[u].at_least(rows * units_[u].outputs);
    if (units_[u].linear()) work.transposed[u].at_least(units_[u].inputs * units_[u].outputs);
    deepest = std::max({deepest, units_[u].inputs, units_[u].outputs});
  }
  work.row_loss.at_least(rows);
  work.panels.resize(std::max(work.panels.size(), static_cast<std::size_t>(threads)));
  for (Buffer<T>& panel : work.panels) panel.at_least(Scratch<T>::size(deepest));
}

// ---- the rows' phase -------------------------------------------------------------------------

// The batch's x: where it is, or gathered. Only the given rows are there after the call.
template <class T>
Matrix<const T> Plan<T>::load_rows(const Batch& batch, Workspace& work, Range rows) const {
  const Examples& examples = batch.examples;
  if (examples.labels == nullptr && examples.rows.data != nullptr) {
    batch.gather_rows(examples.rows, rows, work.targets.get());
  }
  const Source& x = examples.x;
  if (batch.in_place()) {
    const auto* data = reinterpret_cast<const T*>(x.from(batch.begin).data);
    return {data, batch.rows, x.cols, x.row_bytes / static_cast<Index>(sizeof(T))};
  }
  batch.gather_rows(x, rows, work.x.get());
  return {work.x.get(), batch.rows, x.cols, x.cols};
}

template <class T>
void Plan<T>::forward_rows(const T* params, Matrix<const T> x, Workspace& work, Range rows,
                           T* panel) const {
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    const Matrix<T> y{work.y[u].get(), x.rows, unit.outputs, unit.outputs};
    with_activation<T>(unit.activation, [&](auto activation) {
      if (!unit.linear()) {
        for (Index i = rows.begin; i < rows.end; ++i) {
          activation_forward(activation, x.row(i), y.row(i), Range{0, unit.outputs});
        }
        return;
      }
      // y = activation(x W + bias)
      const T* bias = unit.bias >= 0 ? params + unit.bias : nullptr;
      product(RowMajor<T>{x.data, x.stride}, params + unit.weight, unit.outputs, rows,
              Range{0, unit.outputs}, unit.inputs, panel, [&](const Tile<T>& tile) {
                for (Index r = 0; r < tile.rows; ++r) {
                  T* line = y.row(tile.row + r) + tile.col;
                  for_each_vector<T>(tile.cols, [&](Index c, auto lanes) {
                    Vec<T> z = load(tile.line(r) + c, Whole{});
                    if (bias != nullptr) z = z + load(bias + tile.col + c, lanes);
                    store(line + c, activation.forward(z), lanes);
                  });
                }
              });
    });
    x = {y.data, x.rows, unit.outputs, unit.outputs};
  }
}

// d = d ∘ activation'(y), in place: from the gradient with respect to y to that to z.
template <class T>
void Plan<T>::activation_gradient(std::size_t u, const Workspace& work, T* d, Range rows) const {
  const Unit& unit = units_[u];
  if (unit.activation == kIdentity) return;
  with_activation<T>(unit.activation, [&](auto activation) {
    activation_backward(activation, d, work.y[u].get(), d,
                        Range{rows.begin * unit.outputs, rows.end * unit.outputs});
  });
}

template <class T>
void Plan<T>::loss_rows(const Batch& batch, Workspace& work, Range rows) const {
  const Index classes = outputs();
  const Targets<T> targets{batch.examples.labels, work.targets.get(), classes};
  for (Index i = rows.begin; i < rows.end; ++i) {
    const T* logits = work.y.back().get() + i * classes;
    T* d = work.d.back().get() + i * classes;
    const Target<T> target = targets.labels != nullptr
                                 ? Target<T>{targets.labels[batch.place(i)], nullptr}
                                 : Target<T>{0, targets.probabilities + i * classes};
    const double weight = batch.weight(i);
    const double scale = batch.total_weight > 0 ? weight / batch.total_weight : 0;
    work.row_loss.get()[i] = weight * loss_.forward(logits, target, d, classes);
    loss_.backward(d, target, static_cast<T>(scale), d, classes);
  }
  activation_gradient(units_.size() - 1, work, work.d.back().get(), rows);
}

// dx = d Wᵀ of unit u; for u > 0 it goes on through the activation before, dx ∘ activation'(x).
template <class T>
void Plan<T>::input_gradient(std::size_t u, Workspace& work, Range rows, T* panel, T* dx) const {
  const Unit& unit = units_[u];
  const T* d = work.d[u].get();
  if (!unit.linear()) {
    std::copy(d + rows.begin * unit.inputs, d + rows.end * unit.inputs,
              dx + rows.begin * unit.inputs);
    if (u > 0) activation_gradient(u - 1, work, dx, rows);
    return;
  }
  const T* x = u > 0 ? work.y[u - 1].get() : nullptr;
  with_activation<T>(u > 0 ? units_[u - 1].activation : kIdentity, [&](auto activation) {
    product(RowMajor<T>{d, unit.outputs}, work.transposed[u].get(), unit.inputs, rows,
            Range{0, unit.inputs}, unit.outputs, panel, [&](const Tile<T>& tile) {
              for (Index r = 0; r < tile.rows; ++r) {
                const Index at = (tile.row + r) * unit.inputs + tile.col;
                for_each_vector<T>(tile.cols, [&](Index c, auto lanes) {
                  Vec<T> sum = load(tile.line(r) + c, Whole{});
                  if (x != nullptr) sum = sum * activation.derivative(load(x + at + c, lanes));
                  store(dx + at + c, sum, lanes);
                });
              }
            });
  });
}

template <class T>
void Plan<T>::backward_rows(Workspace& work, Range rows, T* panel, T* dx) const {
  for (std::size_t u = units_.size() - 1; u > 0; --u) {
    input_gradient(u, work, rows, panel, work.d[u - 1].get());
  }
  if (dx != nullptr) input_gradient(0, work, rows, panel, dx);
}

// ---- the weights' phase ----------------------------------------------------------------------

// This thread's part of the transposed weights that backward_rows reads, from unit `first` on.
template <class T>
void Plan<T>::transpose_weights(const T* params, Workspace& work, Team team,
                                std::size_t first) const {
  for (std::size_t u = first; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    if (!unit.linear()) continue;
    transpose(params + unit.weight, unit.outputs, work.transposed[u].get(), unit.inputs,
              team.share(unit.inputs, kTileRows), Range{0, unit.outputs});
  }
}

// Calls finish(at, g, lanes, is_bias) for each register of this thread's part of the gradient,
// where `at` is the place of its first element in the flat vector. Returns the number of tiles.
template <class T>
template <class Finish>
Index Plan<T>::weight_gradients(Matrix<const T> x, Workspace& work, Team team, T* panel,
                                const Finish& finish) const {
  Index tiles = 0;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    const Matrix<const T> d{work.d[u].get(), x.rows, unit.outputs, unit.outputs};
    if (unit.linear()) {
      // dW = xᵀ d
      product(Transposed<T>{x.data, x.stride}, d.data, d.stride, team.share(unit.inputs, kTileRows),
              Range{0, unit.outputs}, x.rows, panel, [&](const Tile<T>& tile) {
                ++tiles;
                for (Index r = 0; r < tile.rows; ++r) {
                  const Index at = unit.weight + (tile.row + r) * unit.outputs + tile.col;
                  for_each_vector<T>(tile.cols, [&](Index c, auto lanes) {
                    finish(at + c, load(tile.line(r) + c, Whole{}), lanes, false);
                  });
                }
              });
    }
    if (unit.bias >= 0) {
      column_sums<T>(d, team.share(unit.outputs, kLanes<T>), [&](Vec<T> g, Index col, auto lanes) {
        finish(unit.bias + col, g, lanes, true);
      });
    }
    x = {work.y[u].get(), x.rows, unit.outputs, unit.outputs};
  }
  return tiles;
}

// ---- the calls -------------------------------------------------------------------------------

template <class T>
void Plan<T>::forward(const T* params, const Source& x, T* y) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const int threads = threads_for(flop(x.rows));
  const Index block = std::min(kForwardRows, x.rows);
  reserve(*work, block * threads, threads);
  work->x.at_least(block * threads * inputs());
  parallel(threads, [&](Team team) {
    const Range mine = team.share(x.rows);
    const Index slot = team.rank * block;  // this thread's rows of the workspace
    for (Index begin = mine.begin; begin < mine.end; begin += block) {
      const Index rows = std::min(block, mine.end - begin);
      gather(x.from(begin), nullptr, Range{0, rows}, work->x.get() + slot * inputs());
      forward_rows(params, {work->x.get(), block * threads, inputs(), inputs()}, *work,
                   Range{slot, slot + rows}, work->panel(team));
      const T* last = work->y.back().get();
      std::copy(last + slot * outputs(), last + (slot + rows) * outputs(), y + begin * outputs());
    }
  });
}

template <class T>
template <class OutputGradient>
void Plan<T>::differentiate(const T* params, const Batch& batch, Workspace& work, T* dparams, T* dx,
                            const OutputGradient& output_gradient) {
  const int threads = threads_for(3 * flop(batch.rows));
  reserve(work, batch.rows, threads);
  if (!batch.in_place()) work.x.at_least(batch.rows * inputs());
  parallel(threads, [&](Team team) {
    const Range rows = team.share(batch.rows);
    T* panel = work.panel(team);
    transpose_weights(params, work, team, dx != nullptr ? 0 : 1);
    const Matrix<const T> x = load_rows(batch, work, rows);
    forward_rows(params, x, work, rows, panel);
    output_gradient(rows);
    team.barrier();
    backward_rows(work, rows, panel, dx);
    if (dparams == nullptr) return;
    team.barrier();
    weight_gradients(x, work, team, panel,
                     [&](Index at, Vec<T> g, auto lanes, bool) { store(dparams + at, g, lanes); });
  });
}

template <class T>
double Plan<T>::gradients(const T* params, const Examples& examples, T* dparams, T* dx) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Batch batch(examples, nullptr, 0, examples.x.rows);
  if (examples.labels == nullptr) work->targets.at_least(batch.rows * outputs());
  differentiate(params, batch, *work, dparams, dx,
                [&](Range rows) { loss_rows(batch, *work, rows); });
  return batch_loss(batch, *work);
}

template <class T>
void Plan<T>::backward(const T* params, const Source& x, const T* dy, T* dparams, T* dx) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Examples examples{x, nullptr, {}, nullptr};
  const Batch batch(examples, nullptr, 0, x.rows);
  differentiate(params, batch, *work, dparams, dx, [&](Range rows) {
    T* d = work->d.back().get();
    std::copy(dy + rows.begin * outputs(), dy + rows.end * outputs(), d + rows.begin * outputs());
    activation_gradient(units_.size() - 1, *work, d, rows);
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
                        const Examples& examples, const Epoch& epoch) {
  Progress progress{};
  with_rule<T>(optimizer.rule, [&](auto* rule) {
    using Rule = std::remove_pointer_t<decltype(rule)>;
    progress = train_by<Rule>(params, states, optimizer.hyperparameters, examples, epoch);
  });
  return progress;
}

template <class T>
template <class Rule>
Progress Plan<T>::train_by(T* params, T* const* states, const Hyperparameters& settings,
                           const Examples& examples, const Epoch& epoch) {
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Index rows = std::min(epoch.batch_size, examples.x.rows);
  const int threads = threads_for(3 * flop(rows));
  reserve(*work, rows, threads);
  if (epoch.order != nullptr || !usable_in_place<T>(examples.x)) work->x.at_least(rows * inputs());
  if (examples.labels == nullptr) work->targets.at_least(rows * outputs());
  work->tiles.assign(static_cast<std::size_t>(threads), 0);

  Updated<T, Rule::kStates> updated{params, {}};
  std::copy_n(states, Rule::kStates, updated.state.begin());
  Index done = 0;  // written by thread 0 between barriers, like go_on
  bool go_on = true;

  parallel(threads, [&](Team team) {
    Poll poll(epoch);
    T* panel = work->panel(team);
    transpose_weights(params, *work, team, 1);
    for (Index step = 0; step < epoch.n_steps && go_on; ++step) {
      const Index begin = (epoch.first_step + step) * epoch.batch_size;
      const Batch batch(examples, epoch.order, begin, std::min(rows, examples.x.rows - begin));
      const Range mine = team.share(batch.rows);
      const Matrix<const T> x = load_rows(batch, *work, mine);
      forward_rows(params, x, *work, mine, panel);
      loss_rows(batch, *work, mine);
      if (step == 0) team.barrier();  // the weights are transposed
      backward_rows(*work, mine, panel, nullptr);
      team.barrier();

      if (batch.total_weight > 0) {
        const Index count = epoch.steps_before + step + 1;
        const Rule rule(settings, epoch.lr[step], count);
        const Rule bias_rule(settings.without_penalties(), epoch.lr[step], count);
        work->tiles[static_cast<std::size_t>(team.rank)] += weight_gradients(
            x, *work, team, panel, [&](Index at, Vec<T> g, auto lanes, bool is_bias) {
              updated.apply(is_bias ? bias_rule : rule, at, g, lanes);
            });
        transpose_weights(params, *work, team, 1);
      }
      if (team.rank == 0) {
        epoch.batch_loss[step] = batch_loss(batch, *work);
        done = step + 1;
        go_on = poll.go_on(done);
      }
      team.barrier();
    }
  });
  const auto busy = [](Index tiles) { return tiles > 0; };
  return {done, std::count_if(work->tiles.begin(), work->tiles.end(), busy)};
}

template class Plan<float>;
template class Plan<double>;

}  // namespace densenet
