// The rows' phase of a step: this thread's rows of the batch through gather, forward pass, loss and
// input gradients.
//
// Shapes: x of a unit is (batch, inputs), its y and d are (batch, outputs), W is (inputs, outputs).
// d is the gradient of the loss with respect to z, where y = activation(z).
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/layers/activations.hpp"
#include "core/layers/dropout.hpp"
#include "core/layers/losses.hpp"
#include "core/layers/normalization.hpp"
#include "core/layers/softmax.hpp"
#include "core/memory/views.hpp"
#include "core/network/workspace.hpp"
#include "core/products/product.hpp"
#include "core/products/sums.hpp"
#include "core/tuning.hpp"
#include "core/vectors/float_mode.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

// Calls body(row, column, lanes) on each register of these rows, over all columns.
template <class T, class Body>
void for_each_element(Range rows, Index cols, const Body& body) {
  for (Index i = rows.begin; i < rows.end; ++i) {
    for_each_vector<T>(cols, [&](Index c, auto lanes) { body(i, c, lanes); });
  }
}

}  // namespace

// ---- rows: forward ---------------------------------------------------------------------------

// The batch's x (batch, inputs): where it lies, or gathered; none if it stays sparse. Gathers this
// thread's part alone, of x and of the targets (batch, outputs), if they are values.
template <class T>
Matrix<const T> Plan<T>::load_batch(const Pass& pass, const Batch& batch) const {
  const Timer timer(pass.sum(&Laps::gather));
  const Examples& examples = batch.examples;
  if (examples.labels == nullptr && examples.rows.data != nullptr) {
    batch.gather_part(examples.rows, {pass.rows, {0, outputs()}}, pass.work.targets.get());
  }
  const Source& x = examples.x;
  if (batch.in_place()) {
    const auto* data = reinterpret_cast<const T*>(x.from(batch.begin).data);
    return {data, batch.rows, x.cols, x.row_bytes / static_cast<Index>(sizeof(T))};
  }
  if (pass.is_sparse(units_.front())) {
    const Source from = batch.order != nullptr ? x : x.from(batch.begin);
    const Index begin = pass.rows.begin;
    pass.work.sparse.load(from, batch.order, pass.rows, begin, batch.entries(begin));
    return {nullptr, batch.rows, x.cols, x.cols};
  }
  T* gathered = pass.work.x.get();
  batch.gather_part(x, pass.x_part(units_.front()), gathered);
  return {gathered, batch.rows, x.cols, x.cols};
}

// Turns `kinds` sums over the rows, each (n), of which each thread has computed its columns, into
// means: over the rows of the call or, where the mode has means, over a whole batch.
template <class T>
void Plan<T>::to_means(const Pass& pass, T* sums, Index n, Range mine, Index kinds) const {
  const BatchMeans<T>* const means = pass.mode.means;
  if (means == nullptr) return divide(sums, n, kinds, mine, static_cast<T>(pass.batch));
  pass.team.barrier();  // now all columns are written
  if (pass.team.rank == 0 && !pass.work.ended) {
    const DenormalMode keep(false);
    access_.rest();  // others may read, for the step has changed nothing yet
    pass.work.ended = !means->compute(means->context, sums, kinds * n);
    access_.go_on();
  }
  pass.team.barrier();
}

// y (batch, outputs) from x (batch, outputs), whose columns are normalised by the batch's own mean
// and variance (outputs) in training, and by the running ones otherwise.
template <class T>
void Plan<T>::batch_norm_forward(const Pass& pass, std::size_t u, Matrix<const T> x) const {
  const Unit& unit = units_[u];
  const Index n = unit.outputs;
  T* mean = pass.work.column_statistics[u].get();
  T* variance = mean + n;
  if (pass.mode.training) {
    pass.team.barrier();  // now all rows of x are written
    const Range mine = pass.team.share(n, kLanes<T>);
    batch_statistics(x, mine, mean,
                     [&](T* sums, Index kinds) { to_means(pass, sums, n, mine, kinds); });
    pass.team.barrier();
    if (pass.ended()) return;
  } else {
    mean = pass.mode.running + unit.running;
    variance = mean + n;
  }
  const T *gamma = pass.params + unit.weight, *beta = pass.params + unit.bias;
  for_each_element<T>(pass.rows, n, [&](Index i, Index c, auto lanes) {
    const Vec<T> inverse = inverse_deviation(load(variance + c, lanes), unit.parameter);
    const Vec<T> xhat = (load(x.row(i) + c, lanes) - load(mean + c, lanes)) * inverse;
    store(pass.y(u) + i * n + c, xhat * load(gamma + c, lanes) + load(beta + c, lanes), lanes);
  });
}

// running = 0.9 running + 0.1 batch, for the mean and the unbiased variance (outputs) of each batch
// normalisation.
template <class T>
void Plan<T>::update_running(const Pass& pass) const {
  const T keep = T(0.9), rest = T(0.1);
  const T unbiased =
      pass.batch > 1 ? static_cast<T>(pass.batch) / static_cast<T>(pass.batch - 1) : T(1);
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    if (unit.kind != Unit::BatchNorm) continue;
    const Index n = unit.outputs;
    const T *mean = pass.work.column_statistics[u].get(), *variance = mean + n;
    T *running_mean = pass.mode.running + unit.running, *running_variance = running_mean + n;
    const Range mine = pass.team.share(n, kLanes<T>);
    for (Index c = mine.begin; c < mine.end; ++c) {
      running_mean[c] = keep * running_mean[c] + rest * mean[c];
      running_variance[c] = keep * running_variance[c] + rest * (variance[c] * unbiased);
    }
  }
}

// Computes this thread's rows of every unit's y (batch, outputs), from the batch's x (batch,
// inputs). `readable`: how much of that this thread may read.
template <class T>
void Plan<T>::forward_rows(const Pass& pass, Matrix<const T> batch, Readable readable) const {
  const Range rows = pass.rows;
  for (std::size_t u = 0; u < units_.size(); ++u) {
    const Unit& unit = units_[u];
    const Index n = unit.outputs;
    const Matrix<const T> x = pass.input(u, unit, batch);
    const bool by_columns = pass.sharing.by_columns(unit);
    cut_x(pass, u, x, readable);
    if (!pass.sharing.by_depth(unit)) pass.make_readable(by_columns, readable);
    const auto y = [&](Index i) { return pass.y(u) + i * n; };
    const Timer timer(unit.kind == Unit::Linear ? nullptr : pass.rest(u, Laps::Forward));
    switch (unit.kind) {
      case Unit::Linear:
        linear_forward(pass, u, x);
        break;
      case Unit::Activate:
        with_activation<T>(unit.activation, [&](auto rule) {
          for (Index i = rows.begin; i < rows.end; ++i) {
            if constexpr (kFromInput<decltype(rule)>) {
              std::copy_n(x.row(i), n, pass.work.z[u].get() + i * n);
            }
            activation_forward(rule, x.row(i), y(i), Range{0, n});
          }
        });
        break;
      case Unit::Softmax:
        softmax_rows(x, rows, pass.y(u), [](Index, const SoftmaxSums&) {});
        break;
      case Unit::Dropout:
        for (Index i = rows.begin; i < rows.end; ++i) {
          if (pass.mode.training) {
            T* const factors = pass.work.z[u].get() + i * n;
            dropout_factors(factors, n, pass.mode.first_row + i, unit.parameter,
                            DropoutKey{pass.mode.seed, pass.mode.step, unit.number});
            dropout_row(x.row(i), factors, y(i), n);
          } else {
            std::copy_n(x.row(i), n, y(i));
          }
        }
        break;
      case Unit::LayerNorm:
        for (Index i = rows.begin; i < rows.end; ++i) {
          pass.work.row_statistics[u].get()[i] =
              layer_norm_row(x.row(i), pass.params + unit.weight, pass.params + unit.bias, y(i), n,
                             unit.parameter);
        }
        break;
      case Unit::BatchNorm:
        batch_norm_forward(pass, u, x);
        if (pass.ended()) return;
        break;
      case Unit::Open:
        for (Index i = rows.begin; i < rows.end; ++i) std::copy_n(x.row(i), n, y(i));
        break;
      case Unit::Close:
        for_each_element<T>(rows, n, [&](Index i, Index c, auto lanes) {
          const Vec<T> skipped = load(pass.y(unit.partner) + i * n + c, lanes);
          store(y(i) + c, skipped + load(x.row(i) + c, lanes), lanes);
        });
        break;
    }
    readable = by_columns ? Readable::OwnColumns : Readable::OwnRows;
  }
  pass.make_readable(false, readable);
}

// ---- rows: backward --------------------------------------------------------------------------

// d = d ∘ activation'(z), in place, for this thread's rows of d (batch, outputs): from the gradient
// with respect to y to that with respect to z.
template <class T>
void Plan<T>::activation_gradient(const Pass& pass, std::size_t u, T* d) const {
  const Unit& unit = units_[u];
  if (unit.activation.number == kIdentity) return;
  with_activation<T>(unit.activation, [&](auto rule) {
    const T* from = kFromInput<decltype(rule)> ? pass.work.z[u].get() : pass.y(u);
    activation_backward(rule, d, from, d,
                        Range{pass.rows.begin * unit.outputs, pass.rows.end * unit.outputs});
  });
}

// Computes row_loss (batch) and d (batch, outputs) of the last unit from its y (batch, outputs),
// for this thread's rows.
template <class T>
void Plan<T>::loss_rows(const Pass& pass, const Batch& batch) const {
  const Timer timer(pass.sum(&Laps::loss));
  const Index n = outputs();
  const std::size_t last = units_.size() - 1;
  const Targets<T> targets{nullptr, pass.work.targets.get(), n};
  const auto asked = [&](Index i) {
    const std::int64_t* labels = batch.examples.labels;
    const Target<T> target =
        labels != nullptr ? Target<T>{labels[batch.example(i)], nullptr} : targets.row(i);
    return std::pair{target, batch.total_weight > 0 ? batch.weight(i) / batch.total_weight : 0.0};
  };
  const auto put = [&](Index i, double value) {
    pass.work.row_loss.get()[i] = batch.weight(i) * value;
  };
  with_loss(loss_, [&](const auto& loss) {
    loss.rows(pass.y(last), pass.rows, asked, pass.d(last), n, put);
  });
  activation_gradient(pass, last, pass.d(last));
}

// True if the losses of this thread's rows are all finite.
template <class T>
bool Plan<T>::finite_loss(const Pass& pass) const {
  double zero = 0;  // becomes NaN if a loss is NaN or infinite
  for (Index i = pass.rows.begin; i < pass.rows.end; ++i) zero += 0 * pass.work.row_loss.get()[i];
  return zero == 0;
}

// dx (batch, outputs) from d and x (batch, outputs), as in normalization.hpp; mean(g) and mean(g ∘
// x̂) (outputs) are kept in column_statistics. Outside training mean and variance are constants, and
// dx = g / √(variance + ε).
// forward: y = γ ∘ x̂ + β
template <class T>
void Plan<T>::batch_norm_backward(const Pass& pass, std::size_t u, Matrix<const T> x, T* dx) const {
  const Unit& unit = units_[u];
  const Index n = unit.outputs;
  const T* gamma = pass.params + unit.weight;
  const bool training = pass.mode.training;
  T* own = pass.work.column_statistics[u].get();
  const T* mean = training ? own : pass.mode.running + unit.running;
  const T* variance = mean + n;
  T *mean_g = own + 2 * n, *slope = own + 3 * n;
  const auto inverse = [&](Index c, auto lanes) {
    return inverse_deviation(load(variance + c, lanes), unit.parameter);
  };
  const auto xhat = [&](Index i, Index c, auto lanes) {
    return (load(x.row(i) + c, lanes) - load(mean + c, lanes)) * inverse(c, lanes);
  };
  const auto g = [&](Index i, Index c, auto lanes) {
    return load(pass.d(u) + i * n + c, lanes) * load(gamma + c, lanes);
  };
  if (training) {
    pass.team.barrier();  // now all rows of d are written
    const Range mine = pass.team.share(n, kLanes<T>);
    column_sums_of<T>(pass.batch, mine, g,
                      [&](Vec<T> sum, Index c, auto lanes) { store(mean_g + c, sum, lanes); });
    column_sums_of<T>(
        pass.batch, mine,
        [&](Index i, Index c, auto lanes) { return g(i, c, lanes) * xhat(i, c, lanes); },
        [&](Vec<T> sum, Index c, auto lanes) { store(slope + c, sum, lanes); });
    to_means(pass, mean_g, n, mine, 2);
    pass.team.barrier();
    if (pass.ended()) return;
  }
  for_each_element<T>(pass.rows, n, [&](Index i, Index c, auto lanes) {
    Vec<T> part = g(i, c, lanes);
    if (training)
      part = part - load(mean_g + c, lanes) - xhat(i, c, lanes) * load(slope + c, lanes);
    store(dx + i * n + c, part * inverse(c, lanes), lanes);
  });
}

// Computes dx (batch, inputs) of unit u from its d (batch, outputs): d of the unit before or, for
// the first unit, the gradient with respect to the batch's x.
template <class T>
void Plan<T>::input_gradient(const Pass& pass, std::size_t u, Matrix<const T> batch, T* dx,
                             Readable& readable) const {
  const Unit& unit = units_[u];
  const Range rows = pass.rows;
  const Index n = unit.inputs;
  const Matrix<const T> x = pass.input(u, unit, batch);
  const auto d = [&](Index i) { return pass.d(u) + i * n; };
  const bool by_columns = pass.sharing.dx_by_columns(unit);
  pass.make_readable(by_columns, readable);
  readable = by_columns ? Readable::OwnColumns : Readable::OwnRows;
  const Timer timer(unit.kind == Unit::Linear ? nullptr : pass.rest(u, Laps::InputGradient));
  switch (unit.kind) {
    case Unit::Linear:
      return linear_backward(pass, u, dx);
    case Unit::Activate:
    case Unit::Close:
      std::copy(d(rows.begin), d(rows.end), dx + rows.begin * n);
      break;
    case Unit::Softmax:
      for (Index i = rows.begin; i < rows.end; ++i) {
        softmax_backward_row(d(i), pass.y(u) + i * n, dx + i * n, n);
      }
      break;
    case Unit::Dropout:
      for (Index i = rows.begin; i < rows.end; ++i) {
        if (pass.mode.training) {
          dropout_row(d(i), pass.work.z[u].get() + i * n, dx + i * n, n);
        } else {
          std::copy_n(d(i), n, dx + i * n);
        }
      }
      break;
    case Unit::LayerNorm:
      for (Index i = rows.begin; i < rows.end; ++i) {
        layer_norm_backward_row(d(i), x.row(i), pass.params + unit.weight,
                                pass.work.row_statistics[u].get()[i], dx + i * n, n);
      }
      break;
    case Unit::BatchNorm:
      batch_norm_backward(pass, u, x, dx);
      break;
    case Unit::Open:
      for_each_element<T>(rows, n, [&](Index i, Index c, auto lanes) {
        const Vec<T> skipped = load(pass.d(unit.partner) + i * n + c, lanes);
        store(dx + i * n + c, load(d(i) + c, lanes) + skipped, lanes);
      });
      break;
  }
  if (u > 0) activation_gradient(pass, u - 1, dx);
}

// Computes this thread's rows of d (batch, outputs) of every unit down to the `lowest`, from the
// last unit's, and of dx (batch, inputs), the gradient with respect to the batch's x, unless it is
// null: for that, `lowest` must be 0.
template <class T>
void Plan<T>::backward_rows(const Pass& pass, Matrix<const T> x, T* dx, std::size_t lowest) const {
  Readable readable = Readable::OwnRows;
  for (std::size_t u = units_.size() - 1; u > lowest; --u) {
    cut_d(pass, u, readable);
    input_gradient(pass, u, x, pass.d(u - 1), readable);
    if (pass.ended()) return;
  }
  cut_d(pass, lowest, readable);
  if (dx != nullptr) input_gradient(pass, 0, x, dx, readable);
}

// What plan.cpp and training.cpp call.
template Matrix<const float> Plan<float>::load_batch(const Pass&, const Batch&) const;
template void Plan<float>::forward_rows(const Pass&, Matrix<const float>, Readable) const;
template void Plan<float>::loss_rows(const Pass&, const Batch&) const;
template void Plan<float>::update_running(const Pass&) const;
template bool Plan<float>::finite_loss(const Pass&) const;
template void Plan<float>::activation_gradient(const Pass&, std::size_t, float*) const;
template void Plan<float>::backward_rows(const Pass&, Matrix<const float>, float*,
                                         std::size_t) const;
template Matrix<const double> Plan<double>::load_batch(const Pass&, const Batch&) const;
template void Plan<double>::forward_rows(const Pass&, Matrix<const double>, Readable) const;
template void Plan<double>::loss_rows(const Pass&, const Batch&) const;
template void Plan<double>::update_running(const Pass&) const;
template bool Plan<double>::finite_loss(const Pass&) const;
template void Plan<double>::activation_gradient(const Pass&, std::size_t, double*) const;
template void Plan<double>::backward_rows(const Pass&, Matrix<const double>, double*,
                                          std::size_t) const;

}  // namespace densenet
