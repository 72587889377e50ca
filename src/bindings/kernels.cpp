// The kernels as functions of NumPy arrays: test, release the GIL, call.
#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/unlocked.hpp"
#include "core/layers/activations.hpp"
#include "core/layers/losses.hpp"
#include "core/memory/buffer.hpp"
#include "core/products/product.hpp"
#include "core/threads/parallel.hpp"

namespace densenet {

namespace {

const py::object kMisfit = py::reinterpret_borrow<py::object>(py::handle());  // null

// A weight (outputs, inputs) whose memory is contiguous along one of its axes.
template <class T>
struct Weight {
  const T* data;
  Index outputs, inputs;
  bool by_outputs;  // memory is (inputs, outputs), as a network stores it
};

template <class T>
std::optional<Weight<T>> weight_of(const py::object& object) {
  const py::array array = array_of<T>(object);
  if (!array || array.ndim() != 2 || !(c_contiguous(array) || f_contiguous(array))) {
    return std::nullopt;
  }
  return Weight<T>{static_cast<const T*>(array.data()), array.shape(0), array.shape(1),
                   !c_contiguous(array)};
}

// C = A B with rows or columns of C shared among threads.
template <class T, class A, class B, class Finish>
void shared_product(const A& a, const B& b, Index rows, Index cols, const Depth& depth,
                    const Finish& finish) {
  const int threads =
      threads_now(2.0 * static_cast<double>(rows * cols) * static_cast<double>(depth.size));
  const Index size = product_scratch<T>(rows, cols, depth);
  Buffer<T> scratch;
  scratch.at_least(size * threads);
  parallel_call(threads, [&](Team team) {
    const Part part = rows >= cols ? Part{team.share(rows, kTileRows), {0, cols}}
                                   : Part{{0, rows}, team.share(cols, kTileCols<T>)};
    product<T>(a, b, part, depth, scratch.get() + size * team.rank, finish);
  });
}

template <class T>
void store_tile(const Tile<T>& tile, const T* bias, T* to, Index stride) {
  for_each_vector(tile, [=](Index row, Index col, Vec<T> sum, auto lanes) {
    if (bias != nullptr) sum = sum + load(bias + col, lanes);
    store(to + row * stride + col, sum, lanes);
  });
}

py::object linear_forward(const py::object& x, const py::object& weight, const py::object& bias) {
  const auto body = [](auto type, const py::object& x_, const py::object& weight_,
                       const py::object& bias_) -> py::object {
    using T = decltype(type);
    const auto in = matrix<T>(x_);
    const auto w = weight_of<T>(weight_);
    const auto b = optional_vector<T>(bias_);
    if (!in || !w || !b || w->inputs != in->cols) return kMisfit;
    if (b->data != nullptr && b->size != w->outputs) return kMisfit;
    auto y = new_matrix<T>(in->rows, w->outputs);
    T* out = y.mutable_data();
    {
      const Unlocked unlocked;
      const RowMajor<T> rows{in->data, in->stride};
      const Depth depth = forward_depth(w->inputs, w->outputs);
      const auto finish = [&](const Tile<T>& tile) { store_tile(tile, b->data, out, w->outputs); };
      if (w->by_outputs) {
        shared_product<T>(rows, RowMajor<T>{w->data, w->outputs}, in->rows, w->outputs, depth,
                          finish);
      } else {
        shared_product<T>(rows, Transposed<T>{w->data, w->inputs}, in->rows, w->outputs, depth,
                          finish);
      }
    }
    return std::move(y);
  };
  return checked("linear_forward", body, x, weight, bias);
}

py::object linear_backward(const py::object& dy, const py::object& x, const py::object& weight) {
  const auto body = [](auto type, const py::object& dy_, const py::object& x_,
                       const py::object& weight_) -> py::object {
    using T = decltype(type);
    const auto d = matrix<T>(dy_);
    const auto in = matrix<T>(x_);
    const auto w = weight_of<T>(weight_);
    if (!d || !in || !w || d->rows != in->rows) return kMisfit;
    if (w->inputs != in->cols || w->outputs != d->cols) return kMisfit;
    auto dx = new_matrix<T>(in->rows, in->cols);
    auto dweight = new_matrix<T>(d->cols, in->cols);
    py::array_t<T> dbias(d->cols);
    T *dx_out = dx.mutable_data(), *dw_out = dweight.mutable_data(), *db_out = dbias.mutable_data();
    {
      const Unlocked unlocked;
      const RowMajor<T> rows{d->data, d->stride};
      const auto store_in = [&](T* to) {
        return [&w, to](const Tile<T>& tile) { store_tile<T>(tile, nullptr, to, w->inputs); };
      };
      if (w->by_outputs) {
        shared_product<T>(rows, Transposed<T>{w->data, w->outputs}, d->rows, w->inputs, w->outputs,
                          store_in(dx_out));
      } else {
        shared_product<T>(rows, RowMajor<T>{w->data, w->inputs}, d->rows, w->inputs, w->outputs,
                          store_in(dx_out));
      }
      shared_product<T>(Transposed<T>{d->data, d->stride}, RowMajor<T>{in->data, in->cols}, d->cols,
                        in->cols, d->rows, store_in(dw_out));
      const int threads = threads_now(static_cast<double>(d->rows * d->cols));
      parallel_call(threads, [&](Team team) {
        column_sums<T>(*d, team.share(d->cols, kLanes<T>),
                       [&](Vec<T> sum, Index col, auto lanes) { store(db_out + col, sum, lanes); });
      });
    }
    return py::make_tuple(dx, dweight, dbias);
  };
  return checked("linear_backward", body, dy, x, weight);
}

// `settings` is {} or the activation's one parameter by name.
py::object activation_forward_(const std::string& name, const py::object& x,
                               const py::dict& settings) {
  const auto body = [&name](auto type, const py::object& x_, const py::object& settings_) {
    using T = decltype(type);
    const auto in = elements<T>(x_);
    const auto parameter = activation_parameter(settings_);
    if (!in || !parameter) return kMisfit;
    auto y = like<T>(x_);
    T* out = y.mutable_data();
    {
      const Unlocked unlocked;
      with_activation<T>(activation_named(name, *parameter), [&](auto rule) {
        parallel_call(threads_now_for_elements(in->size), [&](Team team) {
          activation_forward(rule, in->data, out, team.share(in->size, kLanes<T>));
        });
      });
    }
    return py::object(y);
  };
  return checked("elementwise", body, x, settings);
}

// `from` is y, or x where the activation's derivative wants it.
py::object activation_backward_(const std::string& name, const py::object& dy,
                                const py::object& from, const py::dict& settings) {
  const auto body = [&name](auto type, const py::object& dy_, const py::object& from_,
                            const py::object& settings_) {
    using T = decltype(type);
    const auto d = elements<T>(dy_);
    const auto value = elements<T>(from_);
    const auto parameter = activation_parameter(settings_);
    if (!d || !value || !parameter) return kMisfit;
    if (!same_shape(py::array(dy_), py::array(from_))) return kMisfit;
    auto dx = like<T>(dy_);
    T* to = dx.mutable_data();
    {
      const Unlocked unlocked;
      with_activation<T>(activation_named(name, *parameter), [&](auto rule) {
        parallel_call(threads_now_for_elements(d->size), [&](Team team) {
          activation_backward(rule, d->data, value->data, to, team.share(d->size, kLanes<T>));
        });
      });
    }
    return py::object(dx);
  };
  const bool wants_x = from_input(activation_named(name, 0));
  const char* check_name = wants_x ? "elementwise_backward_from_x" : "elementwise_backward";
  return checked(check_name, body, dy, from, settings);
}

// Shares rows among threads: body(those of one).
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

// Targets that have been checked; of class indices a copy, because another thread may write into
// the caller's array while they are used.
template <class T>
struct CheckedTargets {
  Targets<T> targets;
  Buffer<std::int64_t> labels = {};

  Target<T> row(Index i) const { return targets.row(i); }
};

// Targets of `rows` samples: class indices in range, or rows of probabilities.
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

// Targets of a loss on values. What a loss admits besides a shape is for the Python check.
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

// What each row weighs, and the sum. As in densenet._checks.scaled, a power of two has brought the
// largest into [1/2, 1): no sum overflows, and none of them is flushed to 0.
struct RowWeights {
  std::vector<double> each;  // empty: all 1
  double total;

  double operator()(Index i) const {
    return each.empty() ? 1.0 : each[static_cast<std::size_t>(i)];
  }
  double share(Index i) const { return total > 0 ? (*this)(i) / total : 0.0; }
};

// None where a weight is unusable.
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

// A loss on outputs (batch, outputs): use(loss, outputs, targets, weights) says what becomes of it.
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
      // The softmax's cross-entropy has functions of its own.
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

void register_kernels(py::module_& m) {
  m.def("linear_forward", &linear_forward);
  m.def("linear_backward", &linear_backward);
  m.def("activation_forward", &activation_forward_);
  m.def("activation_backward", &activation_backward_);
  m.def("loss_forward", &loss_forward);
  m.def("loss_backward", &loss_backward);
  m.def("softmax_forward", &softmax_forward);
  m.def("softmax_backward", &softmax_backward);
  m.def("softmax_cross_entropy_forward", &softmax_cross_entropy_forward);
  m.def("softmax_cross_entropy_backward", &softmax_cross_entropy_backward);
}

}  // namespace densenet
