// Softmax and the losses as functions of NumPy arrays: as kernels.cpp, with checks of targets and
// weights besides.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/unlocked.hpp"
#include "core/layers/double_sums.hpp"
#include "core/layers/losses.hpp"
#include "core/layers/softmax.hpp"
#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/threads/parallel.hpp"

namespace densenet {

namespace {

// Calls body(range of rows) on several threads, which share the rows.
template <class Body>
void share_rows(Index rows, Index cols, const Body& body) {
  const Unlocked unlocked;
  parallel_call(threads_now_for_elements(rows * cols), [&](Team team) { body(team.share(rows)); });
}
template <class Body>
void for_each_row(Index rows, Index cols, const Body& body) {
  share_rows(rows, cols, [&](Range mine) {
    for (Index i = mine.begin; i < mine.end; ++i) body(i);
  });
}

py::object softmax_forward(const py::object& x) {
  const auto body = [](auto type, const py::object& x_) -> py::object {
    using T = decltype(type);
    const auto in = matrix<T>(x_);
    if (!in) return kMisfit;
    auto y = new_matrix<T>(in->rows, in->cols);
    T* out = y.mutable_data();
    share_rows(in->rows, in->cols,
               [&](Range mine) { softmax_rows(*in, mine, out, [](Index, const SoftmaxSums&) {}); });
    return std::move(y);
  };
  return checked("matrix", body, x);
}

py::object softmax_backward(const py::object& dy, const py::object& y) {
  const auto body = [](auto type, const py::object& dy_, const py::object& y_) -> py::object {
    using T = decltype(type);
    const auto d = matrix<T>(dy_);
    const auto out = matrix<T>(y_);
    if (!d || !out || d->rows != out->rows || d->cols != out->cols) return kMisfit;
    auto dx = new_matrix<T>(d->rows, d->cols);
    T* to = dx.mutable_data();
    for_each_row(d->rows, d->cols, [&](Index i) {
      softmax_backward_row(d->row(i), out->row(i), to + i * d->cols, d->cols);
    });
    return std::move(dx);
  };
  return checked("matrix_backward", body, dy, y);
}

// Targets that have been checked. Class indices are a copy, because another Python thread may write
// into the caller's array meanwhile.
template <class T>
struct CheckedTargets {
  Targets<T> targets;
  Buffer<std::int64_t> labels = {};

  Target<T> row(Index i) const { return targets.row(i); }
};

// The targets of `rows` samples: class indices (rows), all in range, or probabilities (rows,
// classes). nullopt if they are neither.
template <class T>
std::optional<CheckedTargets<T>> class_targets_of(const py::object& object, Index rows,
                                                  Index classes) {
  if (const auto given = elements<std::int64_t>(object)) {
    if (py::array(object).ndim() != 1 || given->size != rows) return std::nullopt;
    Buffer<std::int64_t> labels;
    if (!copy_labels(*given, classes, labels.at_least(rows))) return std::nullopt;
    const std::int64_t* data = labels.get();
    return CheckedTargets<T>{{data, nullptr, classes}, std::move(labels)};
  }
  const auto soft = matrix<T>(object);
  if (!soft || soft->rows != rows || soft->cols != classes) return std::nullopt;
  const double tolerance = std::sqrt(static_cast<double>(std::numeric_limits<T>::epsilon()));
  for (Index i = 0; i < rows; ++i) {
    const T* row = soft->row(i);
    const bool positive = std::all_of(row, row + classes, [](T t) { return t >= 0; });
    const double sum = detail::sum_in_double(row, classes);
    if (!positive || !(std::abs(sum - 1) <= tolerance)) return std::nullopt;
  }
  return CheckedTargets<T>{{nullptr, soft->data, classes}};
}

// The targets (rows, outputs) of a loss on values; nullopt if their shape or a value does not fit.
template <class T>
std::optional<CheckedTargets<T>> value_targets_of(const py::object& object, const std::string& loss,
                                                  Index rows, Index outputs) {
  const auto values = matrix<T>(object);
  if (!values || values->rows != rows || values->cols != outputs) return std::nullopt;
  const auto all = [&](const auto& admits) {
    return std::all_of(values->data, values->data + rows * outputs, admits);
  };
  const auto share = [](T t) { return t >= 0 && t <= 1; };
  const auto sign = [](T t) { return std::abs(t) == 1; };
  if (loss == "binary_cross_entropy" && !all(share)) return std::nullopt;
  if (loss == "logistic" && !all(sign)) return std::nullopt;
  return CheckedTargets<T>{{nullptr, values->data, outputs}};
}

// The weight of each row, and their sum. As in densenet._checks.scaled, all are multiplied by a
// power of two that brings the largest into [1/2, 1), so that no sum overflows or is flushed to 0.
struct RowWeights {
  std::vector<double> each;  // empty: all 1
  double total;

  double operator()(Index i) const {
    return each.empty() ? 1.0 : each[static_cast<std::size_t>(i)];
  }
  double share(Index i) const { return total > 0 ? (*this)(i) / total : 0.0; }
};

// The weights `given` for the rows, scaled as RowWeights says; all 1 if none are given. nullopt if
// there is not one weight a row, or one of them is negative, infinite or NaN.
template <class T>
std::optional<RowWeights> row_weights(const Vector<T>& given, Index rows) {
  if (given.data == nullptr) return RowWeights{{}, static_cast<double>(rows)};
  if (given.size != rows) return std::nullopt;
  const auto usable = [](T weight) { return weight >= 0 && !std::isinf(weight); };
  if (!std::all_of(given.data, given.data + rows, usable)) return std::nullopt;
  RowWeights weights{{given.data, given.data + rows}, 0};
  int exponent = 0;
  std::frexp(*std::max_element(weights.each.begin(), weights.each.end()), &exponent);
  for (double& weight : weights.each) {
    weight = std::ldexp(weight, -exponent);
    if (weight < std::numeric_limits<double>::min()) weight = 0;
    weights.total += weight;
  }
  return weights;
}

py::object softmax_cross_entropy_forward(const py::object& logits, const py::object& targets,
                                         const py::object& sample_weight,
                                         const py::object& label_smoothing) {
  const auto body = [](auto type, const py::object& logits_, const py::object& targets_,
                       const py::object& weight_, const py::object& smoothing_) -> py::object {
    using T = decltype(type);
    const auto z = matrix<T>(logits_);
    const auto weight = optional_vector<T>(weight_);
    const auto smoothing = setting("label_smoothing", smoothing_);
    if (!z || !weight || !smoothing) return kMisfit;
    const auto target = class_targets_of<T>(targets_, z->rows, z->cols);
    const auto weights = row_weights(*weight, z->rows);
    if (!target || !weights) return kMisfit;
    auto probabilities = new_matrix<T>(z->rows, z->cols);
    T* p = probabilities.mutable_data();
    Buffer<double> row_loss;
    row_loss.at_least(z->rows);
    const SoftmaxCrossEntropy loss(LossSettings{*smoothing, 1});
    share_rows(z->rows, z->cols, [&](Range mine) {
      softmax_rows(*z, mine, p, [&](Index i, const SoftmaxSums& sums) {
        row_loss.get()[i] = loss.value(z->row(i), sums, target->row(i), z->cols);
      });
    });
    double sum = 0;
    for (Index i = 0; i < z->rows; ++i) sum += (*weights)(i)*row_loss.get()[i];
    return py::make_tuple(weights->total > 0 ? sum / weights->total : 0.0, probabilities);
  };
  return checked("softmax_cross_entropy_forward", body, logits, targets, sample_weight,
                 label_smoothing);
}

py::object softmax_cross_entropy_backward(const py::object& probabilities,
                                          const py::object& targets,
                                          const py::object& sample_weight,
                                          const py::object& label_smoothing) {
  const auto body = [](auto type, const py::object& probabilities_, const py::object& targets_,
                       const py::object& weight_, const py::object& smoothing_) -> py::object {
    using T = decltype(type);
    const auto p = matrix<T>(probabilities_);
    const auto weight = optional_vector<T>(weight_);
    const auto smoothing = setting("label_smoothing", smoothing_);
    if (!p || !weight || !smoothing) return kMisfit;
    const auto target = class_targets_of<T>(targets_, p->rows, p->cols);
    const auto weights = row_weights(*weight, p->rows);
    if (!target || !weights) return kMisfit;
    auto dlogits = new_matrix<T>(p->rows, p->cols);
    T* d = dlogits.mutable_data();
    const SoftmaxCrossEntropy loss(LossSettings{*smoothing, 1});
    for_each_row(p->rows, p->cols, [&](Index i) {
      const T scale = static_cast<T>(weights->share(i));
      loss.backward(p->row(i), target->row(i), scale, d + i * p->cols, p->cols);
    });
    return std::move(dlogits);
  };
  return checked("softmax_cross_entropy_backward", body, probabilities, targets, sample_weight,
                 label_smoothing);
}

// Checks the arguments of a loss on outputs (batch, outputs), and returns use(loss, outputs,
// targets, weights).
template <class Use>
py::object use_loss(const std::string& name, const py::object& outputs, const py::object& targets,
                    const py::object& sample_weight, const py::dict& settings, const Use& use) {
  const auto body = [&](auto type, const py::object&, const py::object& outputs_,
                        const py::object& targets_, const py::object& weight_,
                        const py::object& settings_) -> py::object {
    using T = decltype(type);
    const auto y = matrix<T>(outputs_);
    const auto weight = optional_vector<T>(weight_);
    const auto told = loss_settings(settings_);
    if (!y || !weight || !told) return kMisfit;
    const auto target = name == "cross_entropy"
                            ? class_targets_of<T>(targets_, y->rows, y->cols)
                            : value_targets_of<T>(targets_, name, y->rows, y->cols);
    const auto weights = row_weights(*weight, y->rows);
    if (!target || !weights) return kMisfit;
    py::object result;
    with_loss(loss_named(name, *told), [&](const auto& loss) {
      // SoftmaxCrossEntropy has functions of its own, above.
      if constexpr (!std::is_same_v<decltype(loss), const SoftmaxCrossEntropy&>) {
        result = use(loss, *y, *target, *weights);
      }
    });
    return result;
  };
  return checked("loss", body, py::str(name), outputs, targets, sample_weight, settings);
}

py::object loss_forward(const std::string& name, const py::object& outputs,
                        const py::object& targets, const py::object& sample_weight,
                        const py::dict& settings) {
  const auto value = [](const auto& loss, const auto& y, const auto& target,
                        const RowWeights& weights) -> py::object {
    Buffer<double> row_loss;
    row_loss.at_least(y.rows);
    for_each_row(y.rows, y.cols,
                 [&](Index i) { row_loss.get()[i] = loss.value(y.row(i), target.row(i), y.cols); });
    double sum = 0;
    for (Index i = 0; i < y.rows; ++i) sum += weights(i) * row_loss.get()[i];
    return py::float_(weights.total > 0 ? sum / weights.total : 0.0);
  };
  return use_loss(name, outputs, targets, sample_weight, settings, value);
}

py::object loss_backward(const std::string& name, const py::object& outputs,
                         const py::object& targets, const py::object& sample_weight,
                         const py::dict& settings) {
  const auto gradient = [](const auto& loss, const auto& y, const auto& target,
                           const RowWeights& weights) -> py::object {
    auto doutputs = new_matrix<std::decay_t<decltype(*y.data)>>(y.rows, y.cols);
    auto* d = doutputs.mutable_data();
    for_each_row(y.rows, y.cols, [&](Index i) {
      loss.gradient(y.row(i), target.row(i), weights.share(i), d + i * y.cols, y.cols);
    });
    return std::move(doutputs);
  };
  return use_loss(name, outputs, targets, sample_weight, settings, gradient);
}

}  // namespace

void register_losses(py::module_& m) {
  m.def("loss_forward", &loss_forward);
  m.def("loss_backward", &loss_backward);
  m.def("softmax_forward", &softmax_forward);
  m.def("softmax_backward", &softmax_backward);
  m.def("softmax_cross_entropy_forward", &softmax_cross_entropy_forward);
  m.def("softmax_cross_entropy_backward", &softmax_cross_entropy_backward);
}

}  // namespace densenet
