// Training: the steps of an epoch, and updates that are not fused with the weight gradients.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <optional>
#include <type_traits>

#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/network/poll.hpp"
#include "core/network/sharing.hpp"
#include "core/network/weights.hpp"
#include "core/network/workspace.hpp"
#include "core/threads/pace.hpp"
#include "core/threads/parallel.hpp"
#include "core/tuning.hpp"
#include "core/updates/optimizers.hpp"
#include "core/updates/penalty.hpp"
#include "core/vectors/float_mode.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

// The sum of the squares of limited(value) of n values, in double: the same bits for every
// instruction set. Made of interleaved sums, because one would wait for each addition.
template <class T, class Limited>
double sum_of_squares(const T* values, Index n, const Limited& limited) {
  constexpr Index kSums = 16;
  double sums[kSums] = {};
  const auto add = [&](Index lane, T value) {
    const double factor = static_cast<double>(limited(value));
    sums[lane] += factor * factor;
  };
  Index i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (Index lane = 0; lane < kSums; ++lane) add(lane, values[i + lane]);
  }
  for (Index lane = 0; i + lane < n; ++lane) add(lane, values[i + lane]);
  double sum = 0;
  for (const double each : sums) sum += each;
  return sum;
}

// What a gradient of this length is multiplied by so that it is not longer than clip_norm; 0 is no
// limit.
double scale_to(double clip_norm, double length) {
  return clip_norm > 0 && length > clip_norm ? clip_norm / length : 1;
}

}  // namespace

// Calls body(part) on each part of this range of the flat vector that learns, from its first
// element that does up to one that does not.
template <class T>
template <class Body>
void Plan<T>::for_each_learning(const Factors& factors, Range range, const Body& body) const {
  Index begin = range.begin;
  for (std::size_t a = 0; a < arrays_.size(); ++a) {
    const Index at = arrays_[a].at, end = at + arrays_[a].size;
    if (factors.learns(a) || end <= begin || at >= range.end) continue;
    if (begin < at) body(Range{begin, at});
    begin = end;
  }
  if (begin < range.end) body(Range{begin, range.end});
}

// The Euclidean norm of a gradient, laid out as the flat vector and limited to [-limit, limit]; 0
// is no limit. That of frozen parameters does not count, and is not read. The same bits on every
// thread, and for any number of threads. `partial`: scratch memory, one number for every kNormPart
// parameters.
template <class T>
double Plan<T>::norm(const T* gradient, T limit, const Factors& factors, double* partial,
                     Team team) const {
  const Index parts = (parameters_ + kNormPart - 1) / kNormPart;
  const Range mine = team.share(parts);
  for (Index part = mine.begin; part < mine.end; ++part) {
    const Index begin = part * kNormPart, end = std::min(begin + kNormPart, parameters_);
    const auto limited = [limit](T value) { return std::max(std::min(value, limit), -limit); };
    const auto whole = [](T value) { return value; };
    partial[part] = 0;
    for_each_learning(factors, {begin, end}, [&](Range learning) {
      const T* values = gradient + learning.begin;
      const Index n = learning.size();
      partial[part] +=
          limit > 0 ? sum_of_squares(values, n, limited) : sum_of_squares(values, n, whole);
    });
  }
  team.barrier();
  double sum = 0;
  for (Index part = 0; part < parts; ++part) sum += partial[part];
  return std::sqrt(sum);
}

// Computes the penalties of this thread's parts of the weights, into `partial`, which has a number
// for every kNormPart parameters of each unit: the same bits for any number of threads.
template <class T>
void Plan<T>::penalties(const T* params, const Hyperparameters& settings, double* partial,
                        Team team) const {
  Index part = 0;
  for (const Unit& unit : units_) {
    const Index size = unit.kind == Unit::Linear ? unit.inputs * unit.outputs : 0;
    for (Index begin = 0; begin < size; begin += kNormPart, ++part) {
      if (part % team.size != team.rank) continue;
      const T* weights = params + unit.weight + begin;
      partial[part] = penalty(weights, std::min(size - begin, kNormPart), settings);
    }
  }
}

// Updates this thread's share of all parameters that learn by a whole gradient, laid out as the
// flat vector, limited to [-limit, limit] and times `scale`.
template <class T>
template <class Rule>
void Plan<T>::update_all(const Updated<T, Rule::kStates>& updated, const StepRules<Rule>& rules,
                         const Factors& factors, const T* gradient, T limit, T scale,
                         Team team) const {
  for (std::size_t a = 0; a < arrays_.size(); ++a) {
    if (!factors.learns(a)) continue;
    const Range mine = team.share(arrays_[a].size, kLanes<T>);
    const Rule rule = rules.of(a, arrays_[a].is_weight);
    // By value: the compiler would have to read references again after each store.
    const auto step = [=, first = arrays_[a].at + mine.begin](Index i, auto lanes) {
      const Vec<T> g = clipped(load(gradient + first + i, lanes), limit);
      updated.apply(rule, first + i, g * Vec<T>(scale), lanes);
    };
    for_each_vector<T>(mine.size(), step);
  }
}

template <class T>
std::optional<EpochResult> Plan<T>::train(T* params, T* const* states, const Optimizer& optimizer,
                                          const Examples& examples, const Epoch& epoch,
                                          const Mode<T>& mode, const OwnLoss<T>* own) {
  const Access::Training turn(access_);
  if (!turn) return std::nullopt;
  // Counted anew: another call may have taken steps since the caller has read the count.
  Epoch now = epoch;
  Mode<T> how = mode;
  if (epoch.taken != nullptr) now.steps_before = *epoch.taken;
  how.step += static_cast<std::uint32_t>(now.steps_before - epoch.steps_before);
  EpochResult result{};
  with_rule<T>(optimizer.rule, [&](auto* rule) {
    using Rule = std::remove_pointer_t<decltype(rule)>;
    result = train_by<Rule>(params, states, optimizer, examples, now, how, own);
  });
  return result;
}

// train() for one rule. Blocks of steps run in one parallel region each; between two blocks
// pace.hpp decides how to take the next one, waiting readers make their copies, and Python may run.
template <class T>
template <class Rule>
EpochResult Plan<T>::train_by(T* params, T* const* states, const Optimizer& optimizer,
                              const Examples& examples, const Epoch& epoch, const Mode<T>& mode,
                              const OwnLoss<T>* own) {
  const Hyperparameters& settings = optimizer.hyperparameters;
  const Factors& factors = optimizer.factors;
  const std::size_t lowest = lowest_learning(factors);
  const typename Pool<Workspace>::Loan work(workspaces_);
  const Index all_rows = epoch.rows > 0 ? epoch.rows : examples.x.rows;
  const Index rows = std::min(epoch.batch_size, all_rows);
  const double step_flop =
      gradient_flop(rows, examples.x) + kUpdateFlop * static_cast<double>(parameters_);
  const int threads = threads_for(step_flop, epoch.n_steps);
  reserve(*work, rows, threads);
  const auto begin_of = [&](Index step) { return (epoch.first_step + step) * epoch.batch_size; };
  const auto rows_of = [&](Index step) { return std::min(rows, all_rows - begin_of(step)); };
  const Batch first(examples, epoch.order, 0, rows);
  Index entries = 0;  // of a batch whose x is sparse, at most
  for (Index step = 0; examples.x.is_sparse() && step < epoch.n_steps; ++step) {
    const Batch batch(examples, epoch.order, begin_of(step), rows_of(step));
    entries = std::max(entries, batch.entries(batch.rows));
  }
  reserve_batch(*work, first, entries);
  // The update is fused with the weight gradients, unless it needs the norm of all of them.
  const bool whole = settings.clip_norm > 0 || epoch.tolerance > 0;
  if (whole) {
    work->gradient.at_least(parameters_);
    work->partial_norms.at_least((parameters_ + kNormPart - 1) / kNormPart);
  }
  Index parts = 0;  // of the weights, whose penalties are computed one by one
  if (epoch.penalty != nullptr) {
    for (const Unit& unit : units_) {
      if (unit.kind == Unit::Linear) parts += (unit.inputs * unit.outputs - 1) / kNormPart + 1;
    }
    work->partial_penalties.at_least(parts);
  }
  Updated<T, Rule::kStates> updated{params, {}};
  std::copy_n(states, Rule::kStates, updated.state.begin());
  EpochResult result{};
  bool pause = false;              // written by thread 0 before a barrier, read by all after it
  std::atomic<bool> finite{true};  // written by any thread before a barrier, read by all after it
  bool stopped = false;            // by the loss; as `pause`
  double own_value = 0;            // of the loss; only thread 0 uses it

  work->laps = epoch.laps;
  if (epoch.laps != nullptr) {
    epoch.laps->assign(static_cast<std::size_t>(threads), Laps{});
    for (Laps& laps : *epoch.laps) laps.units.resize(units_.size());
  }
  const auto sharing_of = [&](Index step) -> const Sharing<T>& {
    return rows_of(step) == rows ? work->sharing : work->sharing_last;
  };
  Poll poll(epoch);  // only thread 0 asks
  const bool paced = threads > 1 && epoch.laps == nullptr;
  work->sharing.decide(units_, precision_, rows, threads, work->x_lies);
  const Pace::Way most{threads, work->sharing.first_by_columns()};
  Pace::Block block{most, Poll::Clock::time_point::max(), true};
  // Lets the user's loss compute value and d from all rows of y. Readers may come in meanwhile, for
  // the step has changed nothing yet: its count is that of the steps before.
  const auto compute_own_loss = [&](const Pass& pass, Index step) {
    const std::size_t last = units_.size() - 1;
    pass.meet();
    if (pass.team.rank == 0) {
      const DenormalMode keep(false);
      if (epoch.taken != nullptr) *epoch.taken = epoch.steps_before + step;
      access_.rest();
      stopped =
          !own->compute(own->context, step, pass.y(last), pass.batch, &own_value, pass.d(last));
      access_.go_on();
      if (!std::isfinite(own_value)) finite = false;
    }
    pass.meet();
    if (!stopped) activation_gradient(pass, last, pass.d(last));
  };
  const auto take_steps = [&](Team team, Range steps) {
    bool cut = false;  // the weights are, as they are now
    for (Index step = steps.begin; step < steps.end; ++step) {
      const Batch batch(examples, epoch.order, begin_of(step), rows_of(step));
      const bool weighs = batch.total_weight > 0;
      Mode<T> step_mode = mode;
      step_mode.step += static_cast<std::uint32_t>(step);
      const Sharing<T>& sharing = sharing_of(step);
      const Pass pass{params,     *work,   step_mode,           team, sharing.rows(team),
                      batch.rows, sharing, {lowest, lowest + 1}};

      if (!cut) cut_weights(pass);
      cut = true;
      const Matrix<const T> x = load_batch(pass, batch);
      forward_rows(pass, x, batch.in_place() ? Readable::All : Readable::OwnRows);
      if (own != nullptr) {
        compute_own_loss(pass, step);
        if (stopped) break;
      } else {
        loss_rows(pass, batch);
        if (weighs && !finite_loss(pass)) finite = false;
      }
      if (team.rank == 0) {
        const auto time = Poll::Clock::now();
        pause = access_.wanted() || poll.due(time) || time >= block.end;
      }
      const Hyperparameters now = epoch.at(step, settings);
      // Every thread has met the others since its last update: nobody changes weights now.
      if (parts > 0) penalties(params, now, work->partial_penalties.get(), team);
      backward_rows(pass, x, nullptr, lowest);
      // Without the first unit's d, the threads have not met since they wrote that of the second.
      if (!sharing.columns_then_depth() || lowest > 0 || parts > 0) pass.meet();
      const bool pauses = pause, diverged = !finite;

      bool converged = false;
      if (weighs && !diverged) {
        const StepRules<Rule> rules(now, epoch.lr[step], epoch.steps_before + step + 1, factors);
        const T limit = static_cast<T>(settings.clip_value);
        Index tiles = 0;
        if (!whole) {
          const FusedUpdates<T, Rule> updates{updated, rules, limit};
          tiles = weight_gradients(pass, x, factors, updates, !pauses && step + 1 < steps.end);
        } else {
          T* gradient = work->gradient.get();
          tiles = weight_gradients(pass, x, factors, StoredGradient<T>{gradient, limit});
          pass.meet();
          const Timer timer(pass.sum(&Laps::update));
          const double length = norm(gradient, T(0), factors, work->partial_norms.get(), team);
          converged = length < epoch.tolerance;
          const T scale = static_cast<T>(scale_to(settings.clip_norm, length));
          if (!converged) {  // it has been limited where it was stored
            update_all<Rule>(updated, rules, factors, gradient, T(0), scale, team);
          }
        }
        cut = !whole;
        if (!converged) update_running(pass);
        work->tiles[static_cast<std::size_t>(team.rank)] += tiles;
      }
      const bool taken = !converged && !diverged;
      if (team.rank == 0) {
        epoch.batch_loss[step] = own != nullptr ? own_value : batch_loss(batch, *work);
        if (parts > 0) {
          const double* partial = work->partial_penalties.get();
          epoch.penalty[step] = std::accumulate(partial, partial + parts, 0.0);
        }
        result.steps = step + (taken ? 1 : 0);
        result.converged = converged;
        result.diverged = diverged;
      }
      if (!taken || pauses) break;
      // Barrier, unless every thread will read only parameters it has updated itself.
      if (whole || !sharing.may_run_ahead() || rows_of(step + 1) != batch.rows) pass.meet();
    }
  };
  bool go_on = true;
  while (go_on && result.steps < epoch.n_steps) {
    const Range steps{result.steps, epoch.n_steps};
    if (paced) block = work->pace.next(rows, most, step_flop >= kLongStep);
    work->tiles.assign(static_cast<std::size_t>(threads), 0);
    const auto decide = [&](Sharing<T>& sharing, Index batch) {
      sharing.decide(units_, precision_, batch, block.way.threads, work->x_lies,
                     block.way.by_columns);
    };
    decide(work->sharing, rows);
    decide(work->sharing_last, rows_of(epoch.n_steps - 1));
    const double waited =
        parallel(block.way.threads, [&](Team team) { take_steps(team, steps); }, block.asleep);
    if (epoch.taken != nullptr) *epoch.taken = epoch.steps_before + result.steps;
    go_on = !result.converged && !result.diverged && !stopped;
    if (paced && go_on) work->pace.took(result.steps - steps.begin, waited);
    if (access_.wanted()) access_.let_copy();
    if (!poll.due(Poll::Clock::now())) continue;
    access_.rest();
    go_on = poll.go_on(result.steps) && go_on;
    access_.go_on();
  }
  work->laps = nullptr;
  const Index all = std::accumulate(work->tiles.begin(), work->tiles.end(), Index{0});
  const auto busy = [&](Index tiles) { return 2 * tiles * threads > all; };
  result.busy_threads = std::count_if(work->tiles.begin(), work->tiles.end(), busy);
  return result;
}

template <class T>
std::optional<Applied> Plan<T>::apply_gradient(T* params, T* const* states,
                                               const Optimizer& optimizer, const Given<T>& given,
                                               std::int64_t* taken, T* running, const T* moved) {
  const Access::Training turn(access_);
  if (!turn) return std::nullopt;
  const typename Pool<Workspace>::Loan work(workspaces_);
  double* partial = work->partial_norms.at_least((parameters_ + kNormPart - 1) / kNormPart);
  const Hyperparameters& settings = optimizer.hyperparameters;
  const Factors& factors = optimizer.factors;
  const T limit = static_cast<T>(settings.clip_value);
  const Index step = *taken + 1;
  Applied result{};
  with_rule<T>(optimizer.rule, [&](auto* type) {
    using Rule = std::remove_pointer_t<decltype(type)>;
    Updated<T, Rule::kStates> updated{params, {}};
    std::copy_n(states, Rule::kStates, updated.state.begin());
    const StepRules<Rule> rules(settings, given.lr, step, factors);
    const double flop = kUpdateFlop * static_cast<double>(parameters_);
    PacedCall(work->update_pace, parameters_, flop).run([&](Team team) {
      const double whole = norm(given.gradient, T(0), factors, partial, team);
      double length = whole;
      if (limit > 0) {
        team.barrier();  // until all have read `partial`
        length = norm(given.gradient, limit, factors, partial, team);
      }
      const bool takes =
          !(length < given.tolerance) && (!given.only_finite || std::isfinite(whole));
      if (team.rank == 0) result = {whole, takes};
      if (!takes) return;
      const T scale = static_cast<T>(scale_to(settings.clip_norm, length));
      update_all<Rule>(updated, rules, factors, given.gradient, limit, scale, team);
    });
  });
  if (result.taken) {
    if (running != nullptr) std::copy_n(moved, running_, running);
    *taken = step;
  }
  if (access_.wanted()) access_.let_copy();
  return result;
}

// What the bindings call.
template std::optional<EpochResult> Plan<float>::train(float*, float* const*, const Optimizer&,
                                                       const Examples&, const Epoch&,
                                                       const Mode<float>&, const OwnLoss<float>*);
template std::optional<EpochResult> Plan<double>::train(double*, double* const*, const Optimizer&,
                                                        const Examples&, const Epoch&,
                                                        const Mode<double>&,
                                                        const OwnLoss<double>*);
template std::optional<Applied> Plan<float>::apply_gradient(float*, float* const*, const Optimizer&,
                                                            const Given<float>&, std::int64_t*,
                                                            float*, const float*);
template std::optional<Applied> Plan<double>::apply_gradient(double*, double* const*,
                                                             const Optimizer&, const Given<double>&,
                                                             std::int64_t*, double*, const double*);

}  // namespace densenet
