// The kernels as functions of NumPy arrays: test, release the GIL, call.
#include <algorithm>
#include <cmath>
#include <limits>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "core/activations.hpp"
#include "core/buffer.hpp"
#include "core/gemm.hpp"
#include "core/losses.hpp"
#include "core/parallel.hpp"

namespace densenet {

namespace {

const py::object kMisfit = py::reinterpret_borrow<py::object>(py::handle());  // null

// Elements of elementwise work worth a thread: a transcendental function costs some 20 operations.
double elementwise_flop(Index n) { return 20.0 * static_cast<double>(n); }

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

// C = A B with rows of C shared among threads. B is (depth, cols), or its transpose is given.
template <class T, class A, class Finish>
void shared_product(const A& a, const T* b, bool transposed, Index rows, Index cols, Index depth,
                    const Finish& finish) {
  const int threads =
      threads_for(2.0 * static_cast<double>(rows * cols) * static_cast<double>(depth));
  Buffer<T> panels, turned;
  panels.at_least(Scratch<T>::size(depth) * threads);
  if (transposed) {
    transpose(b, depth, turned.at_least(depth * cols), cols, Range{0, cols}, Range{0, depth});
    b = turned.get();
  }
  parallel(threads, [&](Team team) {
    T* panel = panels.get() + Scratch<T>::size(depth) * team.rank;
    if (rows >= cols) {
      product(a, b, cols, team.share(rows, kTileRows), Range{0, cols}, depth, panel, finish);
    } else {
      product(a, b, cols, Range{0, rows}, team.share(cols, kTileCols<T>), depth, panel, finish);
    }
  });
}

template <class T>
void store_tile(const Tile<T>& tile, const T* bias, T* to, Index stride) {
  for (Index r = 0; r < tile.rows; ++r) {
    T* line = to + (tile.row + r) * stride + tile.col;
    for_each_vector<T>(tile.cols, [&](Index c, auto lanes) {
      Vec<T> sum = load(tile.line(r) + c, Whole{});
      if (bias != nullptr) sum = sum + load(bias + tile.col + c, lanes);
      store(line + c, sum, lanes);
    });
  }
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
      const py::gil_scoped_release release;
      shared_product(RowMajor<T>{in->data, in->stride}, w->data, !w->by_outputs, in->rows,
                     w->outputs, w->inputs,
                     [&](const Tile<T>& tile) { store_tile(tile, b->data, out, w->outputs); });
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
      const py::gil_scoped_release release;
      shared_product(RowMajor<T>{d->data, d->stride}, w->data, w->by_outputs, d->rows, w->inputs,
                     w->outputs,
                     [&](const Tile<T>& tile) { store_tile<T>(tile, nullptr, dx_out, w->inputs); });
      shared_product(Transposed<T>{d->data, d->stride}, in->data, false, d->cols, in->cols, d->rows,
                     [&](const Tile<T>& tile) { store_tile<T>(tile, nullptr, dw_out, w->inputs); });
      column_sums<T>(*d, Range{0, d->cols},
                     [&](Vec<T> sum, Index col, auto lanes) { store(db_out + col, sum, lanes); });
    }
    return py::make_tuple(dx, dweight, dbias);
  };
  return checked("linear_backward", body, dy, x, weight);
}

py::object activation_forward_(std::size_t number, const py::object& x) {
  const auto body = [number](auto type, const py::object& x_) -> py::object {
    using T = decltype(type);
    const auto in = elements<T>(x_);
    if (!in) return kMisfit;
    const auto array = py::reinterpret_borrow<py::array>(x_);
    py::array_t<T> y(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
    T* out = y.mutable_data();
    {
      const py::gil_scoped_release release;
      with_activation<T>(number, [&](auto rule) {
        parallel(threads_for(elementwise_flop(in->size)), [&](Team team) {
          activation_forward(rule, in->data, out, team.share(in->size, kLanes<T>));
        });
      });
    }
    return std::move(y);
  };
  return checked("elementwise", body, x);
}

py::object activation_backward_(std::size_t number, const py::object& dy, const py::object& y) {
  const auto body = [number](auto type, const py::object& dy_, const py::object& y_) -> py::object {
    using T = decltype(type);
    const auto d = elements<T>(dy_);
    const auto out = elements<T>(y_);
    if (!d || !out) return kMisfit;
    const auto array = py::reinterpret_borrow<py::array>(y_);
    if (!same_shape(py::reinterpret_borrow<py::array>(dy_), array)) return kMisfit;
    py::array_t<T> dx(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
    T* to = dx.mutable_data();
    {
      const py::gil_scoped_release release;
      with_activation<T>(number, [&](auto rule) {
        parallel(threads_for(elementwise_flop(d->size)), [&](Team team) {
          activation_backward(rule, d->data, out->data, to, team.share(d->size, kLanes<T>));
        });
      });
    }
    return std::move(dx);
  };
  return checked("elementwise_backward", body, dy, y);
}

// Shares rows among threads: body(row).
template <class Body>
void for_each_row(Index rows, Index cols, const Body& body) {
  const py::gil_scoped_release release;
  parallel(threads_for(elementwise_flop(rows * cols)), [&](Team team) {
    const Range mine = team.share(rows);
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
    for_each_row(in->rows, in->cols,
                 [&](Index i) { softmax_row(in->row(i), out + i * in->cols, in->cols); });
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

// Targets of `rows` samples: class indices in range, or rows of probabilities.
template <class T>
std::optional<Targets<T>> targets_of(const py::object& object, Index rows, Index classes) {
  if (const auto labels = elements<std::int64_t>(object)) {
    if (py::reinterpret_borrow<py::array>(object).ndim() != 1 || labels->size != rows) {
      return std::nullopt;
    }
    const auto in_range = [classes](std::int64_t label) { return label >= 0 && label < classes; };
    if (!std::all_of(labels->data, labels->data + rows, in_range)) return std::nullopt;
    return Targets<T>{labels->data, nullptr, classes};
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
  return Targets<T>{nullptr, soft->data, classes};
}

// Σ w over the rows, or their number where there are no weights; none where a weight is unusable.
template <class T>
std::optional<double> total_weight(const Vector<T>& weights, Index rows) {
  if (weights.data == nullptr) return static_cast<double>(rows);
  if (weights.size != rows) return std::nullopt;
  double total = 0;
  for (Index i = 0; i < rows; ++i) {
    if (!(weights.data[i] >= 0) || std::isinf(weights.data[i])) return std::nullopt;
    total += static_cast<double>(weights.data[i]);
  }
  return total;
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
    const auto target = targets_of<T>(targets_, z->rows, z->cols);
    const auto total = total_weight(*weight, z->rows);
    if (!target || !total) return kMisfit;
    auto probabilities = new_matrix<T>(z->rows, z->cols);
    T* p = probabilities.mutable_data();
    Buffer<double> row_loss;
    row_loss.at_least(z->rows);
    const SoftmaxCrossEntropy loss{*smoothing};
    for_each_row(z->rows, z->cols, [&](Index i) {
      row_loss.get()[i] = loss.forward(z->row(i), target->row(i), p + i * z->cols, z->cols);
    });
    double sum = 0;
    for (Index i = 0; i < z->rows; ++i) {
      sum += (weight->data != nullptr ? static_cast<double>(weight->data[i]) : 1.0) *
             row_loss.get()[i];
    }
    return py::make_tuple(*total > 0 ? sum / *total : 0.0, probabilities);
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
    const auto target = targets_of<T>(targets_, p->rows, p->cols);
    const auto total = total_weight(*weight, p->rows);
    if (!target || !total) return kMisfit;
    auto dlogits = new_matrix<T>(p->rows, p->cols);
    T* d = dlogits.mutable_data();
    const SoftmaxCrossEntropy loss{*smoothing};
    for_each_row(p->rows, p->cols, [&](Index i) {
      const double w = weight->data != nullptr ? static_cast<double>(weight->data[i]) : 1.0;
      const T scale = static_cast<T>(*total > 0 ? w / *total : 0.0);
      loss.backward(p->row(i), target->row(i), scale, d + i * p->cols, p->cols);
    });
    return std::move(dlogits);
  };
  return checked("softmax_cross_entropy_backward", body, probabilities, targets, sample_weight,
                 label_smoothing);
}

// ---- optimizers ------------------------------------------------------------------------------

// First and last byte of an array, whatever its strides.
std::pair<const char*, const char*> extent(const py::array& array) {
  const char* low = static_cast<const char*>(array.data());
  const char* high = low + array.itemsize();
  for (py::ssize_t a = 0; a < array.ndim(); ++a) {
    const py::ssize_t span = array.strides(a) * (array.shape(a) - 1);
    (span < 0 ? low : high) += span;
  }
  return {low, high};
}

// The rule's update of arrays = {param, grad, state...}, in place. `vouched`: the Python check has
// found that arrays whose extents meet share no element.
template <class T, class Rule>
bool update_in_place(const py::list& arrays, const Rule& rule, bool vouched) {
  constexpr std::size_t kStates = Rule::kStates;
  if (arrays.size() != 2 + kStates) return false;
  std::array<py::array, 2 + kStates> places;
  for (std::size_t i = 0; i < places.size(); ++i) {
    places[i] = array_of<T>(arrays[i]);
    if (!places[i] || (i != 1 && !places[i].writeable())) return false;
    if (!same_shape(places[0], places[i])) return false;
    for (py::ssize_t a = 0; a < places[i].ndim(); ++a) {
      // A broadcast array would be written several times.
      if (i != 1 && places[i].strides(a) == 0 && places[i].shape(a) > 1) return false;
    }
    for (std::size_t j = 0; j < i && !vouched; ++j) {
      const auto [low, high] = extent(places[i]);
      const auto [other_low, other_high] = extent(places[j]);
      if (low < other_high && other_low < high) return false;
    }
  }
  const py::array& param = places[0];
  const bool by_rows = c_contiguous(param);
  if (!by_rows && !f_contiguous(param)) return false;

  Walk walk{static_cast<std::size_t>(param.ndim()), {}};
  const auto axis = [&](std::size_t a) { return by_rows ? a : walk.axes - 1 - a; };
  for (std::size_t a = 0; a < walk.axes; ++a) walk.shape[a] = param.shape(axis(a));
  const auto strides = [&](const py::array& array) {
    Strides steps{};
    for (std::size_t a = 0; a < walk.axes; ++a) {
      steps[a] = array.strides(axis(a)) / static_cast<py::ssize_t>(sizeof(T));
    }
    return steps;
  };
  T* p = static_cast<T*>(places[0].mutable_data());
  const Strided<const T> grad{static_cast<const T*>(places[1].data()), strides(places[1])};
  std::array<Strided<T>, kStates> states;
  for (std::size_t s = 0; s < kStates; ++s) {
    states[s] = {static_cast<T*>(places[2 + s].mutable_data()), strides(places[2 + s])};
  }
  const py::gil_scoped_release release;
  const Index n = walk.size();
  parallel(threads_for(elementwise_flop(n)),
           [&](Team team) { update(rule, walk, p, grad, states, team.share(n, kLanes<T>)); });
  return true;
}

void update_(const std::string& name, const py::dict& arrays, const py::object& step,
             const py::dict& settings) {
  const auto attempt = [&](const py::list& given, const py::object& step_,
                           const py::dict& settings_, bool vouched) {
    const auto optimizer = optimizer_of(name, settings_);
    if (!optimizer || !PyLong_CheckExact(step_.ptr())) return false;
    int overflow = 0;
    const long long count = PyLong_AsLongLongAndOverflow(step_.ptr(), &overflow);
    if (overflow != 0 || count < 1) return false;
    bool done = false;
    const auto by_type = [&](auto type) {
      using T = decltype(type);
      with_rule<T>(optimizer->first.rule, [&](auto* rule) {
        using Rule = std::remove_pointer_t<decltype(rule)>;
        done = update_in_place<T>(
            given, Rule(optimizer->first.hyperparameters, optimizer->second, count), vouched);
      });
    };
    by_type(float{});
    if (!done) by_type(double{});
    return done;
  };
  py::list given;
  for (const auto& item : arrays) given.append(item.second);
  if (attempt(given, step, settings, false)) return;
  const py::tuple usable = check("update")(arrays, step, settings);
  if (!attempt(usable[0], usable[1], usable[2], true)) {
    throw std::logic_error("update: the checks and the tests disagree");
  }
}

}  // namespace

void register_kernels(py::module_& m) {
  m.def("linear_forward", &linear_forward);
  m.def("linear_backward", &linear_backward);
  m.def("activation_forward", [](const std::string& name, const py::object& x) {
    return activation_forward_(activation_number(name), x);
  });
  m.def("activation_backward",
        [](const std::string& name, const py::object& dy, const py::object& y) {
          return activation_backward_(activation_number(name), dy, y);
        });
  m.def("softmax_forward", &softmax_forward);
  m.def("softmax_backward", &softmax_backward);
  m.def("softmax_cross_entropy_forward", &softmax_cross_entropy_forward);
  m.def("softmax_cross_entropy_backward", &softmax_cross_entropy_backward);
  m.def("update", &update_);
}

}  // namespace densenet
