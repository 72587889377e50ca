// Linear layers and activations as functions of NumPy arrays: test the arguments, release the GIL,
// call the core.
//
// Each function has a body for one element type, which returns kMisfit if the arguments cannot be
// used as they are; checked() of arrays.hpp calls it, and densenet._checks where it has to.
#include <optional>
#include <string>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/unlocked.hpp"
#include "core/layers/activations.hpp"
#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/products/product.hpp"
#include "core/products/sums.hpp"
#include "core/threads/parallel.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

// A weight (outputs, inputs), C- or F-contiguous.
template <class T>
struct Weight {
  const T* data;
  Index outputs, inputs;
  bool by_outputs;  // F-contiguous: its memory is (inputs, outputs), as a network stores it
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

// C (rows, cols) = A B on several threads, which share the rows of C, or its columns if it has more
// of them. Calls finish(tile) on each tile.
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

// to[i, j] = tile[i, j] + bias[j], in a matrix of this stride; bias may be null.
template <class T>
void store_tile(const Tile<T>& tile, const T* bias, T* to, Index stride) {
  for_each_vector(tile, [=](Index row, Index col, Vec<T> sum, auto lanes) {
    if (bias != nullptr) sum = sum + load(bias + col, lanes);
    store(to + row * stride + col, sum, lanes);
  });
}

// y (batch, outputs) = x weightᵀ + bias, from x (batch, inputs), weight (outputs, inputs) and bias
// (outputs) or None.
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

// dx (batch, inputs) = dy weight, dweight (outputs, inputs) = dyᵀ x and dbias (outputs) = 1ᵀ dy,
// from dy (batch, outputs), x (batch, inputs) and weight (outputs, inputs).
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

// `settings` is {} or {name: value} of the activation's parameter.
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

// `from` is y, or x for an activation whose derivative is computed from x.
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

}  // namespace

void register_kernels(py::module_& m) {
  m.def("linear_forward", &linear_forward);
  m.def("linear_backward", &linear_backward);
  m.def("activation_forward", &activation_forward_);
  m.def("activation_backward", &activation_backward_);
}

}  // namespace densenet
