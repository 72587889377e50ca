// What the methods of a plan are called with, taken apart: rows to learn from, the mode of the
// layers, parameters and moments. Python has checked them; the tests here only guard memory, and
// where one fails its message names what is unusable.
//
// Rows to learn from and the mode cross as the tuples that densenet/_engine/contract.py names.
#pragma once

#include <pybind11/stl.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/settings.hpp"
#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/network/plan.hpp"

namespace densenet {

inline void require(bool holds, const char* what) {
  if (!holds) throw py::value_error(std::string("densenet core: unusable ") + what);
}

inline Scalar scalar_of(const py::array& array) {
  const char kind = array.dtype().kind();
  const py::ssize_t size = array.itemsize();
  const auto by_size = [&](Scalar one, Scalar two, Scalar four, Scalar eight) {
    return size == 1 ? one : size == 2 ? two : size == 4 ? four : eight;
  };
  if (kind == 'b') return Scalar::Bool;
  if (kind == 'i') return by_size(Scalar::I8, Scalar::I16, Scalar::I32, Scalar::I64);
  if (kind == 'u') return by_size(Scalar::U8, Scalar::U16, Scalar::U32, Scalar::U64);
  require(kind == 'f' && (size == 4 || size == 8), "element type");
  return size == 4 ? Scalar::F32 : Scalar::F64;
}

inline bool swapped(const py::array& array) {
  const std::uint16_t one = 1;
  const bool little = *reinterpret_cast<const unsigned char*>(&one) == 1;
  const char order = array.dtype().byteorder();
  return order == (little ? '>' : '<');
}

// Sparse rows, as SparseRows of densenet/_checks/sparse.py has them.
inline Source sparse_source_of(const py::object& given, Index cols) {
  const auto begins = optional_vector<std::int64_t>(given.attr("begins"));
  const py::array columns = given.attr("columns"), numbers = given.attr("numbers");
  require(begins && begins->size > 1 && py::cast<Index>(given.attr("width")) == cols, "matrix");
  const Index rows = begins->size - 1, entries = numbers.size();
  require(std::max(rows, cols) < Index{1} << 32, "matrix");
  const std::int64_t* const row = begins->data;
  require(row[0] >= 0 && row[rows] <= entries && std::is_sorted(row, row + rows + 1), "matrix");
  const Scalar index = scalar_of(columns);
  require(index == Scalar::I32 || index == Scalar::I64, "columns");
  require(c_contiguous(columns) && !swapped(columns) && columns.size() == entries, "columns");
  require(c_contiguous(numbers), "numbers");
  const auto bytes = [](const py::array& array) {
    return static_cast<const std::byte*>(array.data());
  };
  return {bytes(numbers),
          rows,
          cols,
          0,
          0,
          scalar_of(numbers),
          swapped(numbers),
          row,
          bytes(columns),
          index == Scalar::I64};
}

// A user's matrix (rows, cols).
inline Source source_of(const py::object& given, Index cols) {
  if (!py::isinstance<py::array>(given)) return sparse_source_of(given, cols);
  const auto array = py::reinterpret_borrow<py::array>(given);
  require(array.ndim() == 2 && array.shape(1) == cols && array.shape(0) > 0, "matrix");
  return {static_cast<const std::byte*>(array.data()),
          array.shape(0),
          array.shape(1),
          array.strides(0),
          array.strides(1),
          scalar_of(array),
          swapped(array)};
}

// The memory of a contiguous array of this type and size, writeable unless T is const; None: null.
// densenet._checks refuses an array that its owner has made read-only.
template <class T>
T* vector_of(const py::object& object, Index size, const char* what) {
  using Element = std::remove_const_t<T>;
  if (object.is_none()) return nullptr;
  const py::array array = array_of<Element>(object);
  require(array && (c_contiguous(array) || f_contiguous(array)) && array.size() == size, what);
  if constexpr (std::is_const_v<T>) {
    return static_cast<T*>(array.data());
  } else {
    if (!array.writeable()) check("writeable")(what, array);
    return static_cast<T*>(py::array(array).mutable_data());
  }
}

// The same where None is not allowed.
template <class T>
T* required(const py::object& object, Index size, const char* what) {
  T* data = vector_of<T>(object, size, what);
  require(data != nullptr, what);
  return data;
}

// From the tuple Examples: x (n, inputs), targets (n) of class indices, (n, outputs) of values or
// None, sample_weight (n) or None, total_weight or None.
inline Examples examples_of(const py::tuple& given, Index inputs, Index outputs) {
  const auto& [x, targets, sample_weight, total_weight] =
      py::cast<std::tuple<py::object, py::object, py::object, std::optional<double>>>(given);
  Examples examples{source_of(x, inputs), nullptr, {}, nullptr, total_weight.value_or(0)};
  if (targets.is_none()) return examples;
  const auto array = py::cast<py::array>(targets);
  if (array.ndim() == 1) {
    examples.labels = required<const std::int64_t>(targets, examples.x.rows, "class indices");
  } else {
    examples.rows = source_of(array, outputs);
    require(examples.rows.rows == examples.x.rows, "targets");
  }
  examples.sample_weight =
      vector_of<const double>(sample_weight, examples.x.rows, "sample weights");
  return examples;
}

// True if the memory of an array overlaps with these n elements.
template <class T>
bool overlaps(const py::array& array, const T* data, Index n) {
  const auto* low = static_cast<const std::byte*>(array.data());
  const auto* high = low + array.itemsize();
  for (py::ssize_t axis = 0; axis < array.ndim(); ++axis) {
    const Index reach = (array.shape(axis) - 1) * array.strides(axis);
    (reach < 0 ? low : high) += reach;
  }
  const auto* begin = reinterpret_cast<const std::byte*>(data);
  return low < begin + n * static_cast<Index>(sizeof(T)) && begin < high;
}

// True if x, which a step reads, shares memory with parameters or optimizer state, which it
// changes.
template <class T>
bool is_trained(py::handle x, const Plan<T>& plan, const T* params,
                const std::vector<T*>& moments) {
  const auto array = py::reinterpret_borrow<py::array>(x);
  const auto shared = [&](const T* data) { return overlaps(array, data, plan.parameters()); };
  return shared(params) || std::any_of(moments.begin(), moments.end(), shared);
}

// x (rows, inputs) and y as a batch, if they can be used as they are; nullopt if densenet._checks
// has to convert them or say what is wrong. y is (rows) class indices or (rows, outputs) values.
// Class indices are copied into `labels`, and the copy is checked: another Python thread may write
// into y.
template <class T>
std::optional<Examples> usable_batch(const Plan<T>& plan, py::handle x, py::handle y,
                                     bool on_classes, Buffer<std::int64_t>& labels) {
  const py::array in = array_of<T>(x);
  if (!in || in.ndim() != 2 || in.shape(1) != plan.inputs()) return std::nullopt;
  Examples examples{source_of(in, plan.inputs()), nullptr, {}, nullptr};
  const Index rows = examples.x.rows;
  if (on_classes) {
    const auto given = optional_vector<std::int64_t>(y);
    if (!given || given->size != rows) return std::nullopt;
    if (!copy_labels(*given, plan.outputs(), labels.at_least(rows))) return std::nullopt;
    examples.labels = labels.get();
  } else {
    const auto targets = matrix<T>(y);
    if (!targets || targets->rows != rows || targets->cols != plan.outputs()) return std::nullopt;
    examples.rows = source_of(py::reinterpret_borrow<py::array>(y), plan.outputs());
  }
  return examples;
}

// True if x and y are such a batch, and no subclasses of arrays, which Python code may treat in
// another way.
template <class T>
bool fits(const Plan<T>& plan, py::handle x, py::handle y, bool on_classes) {
  const py::handle array(reinterpret_cast<PyObject*>(py::detail::npy_api::get().PyArray_Type_));
  Buffer<std::int64_t> labels;
  return py::type::handle_of(x).is(array) && py::type::handle_of(y).is(array) &&
         usable_batch(plan, x, y, on_classes, labels);
}

// From the tuple Mode: (running statistics, training, seed of dropout, step, whether to update
// running statistics, first row, means of the batch or None). The means are left out.
template <class T>
Mode<T> mode_of(const Plan<T>& plan, const py::tuple& given) {
  const auto& [array, training, seed, step, update, first_row, means] =
      py::cast<std::tuple<py::object, bool, std::uint64_t, std::int64_t, bool, Index, py::object>>(
          given);
  static_cast<void>(means);
  T* running = plan.running() > 0 ? required<T>(array, plan.running(), "running_moments") : nullptr;
  return {training, seed, static_cast<std::uint32_t>(step), running, update, first_row};
}

// The function of the tuple Mode that gives the means of a batch, or None.
inline py::object means_of(const py::tuple& mode) { return mode[6]; }

// Requires no factors of the learning rate, or one for each of the plan's arrays of parameters.
template <class T>
void require_factors(const Plan<T>& plan, const Optimizer& optimizer) {
  const std::vector<double>& given = optimizer.factors.given;
  require(given.empty() || given.size() == plan.arrays().size(), "factors");
}

// The optimizer's moments: as many arrays, each as long as the parameters, as its rule keeps.
template <class T>
std::vector<T*> moments_of(const Plan<T>& plan, const Optimizer& optimizer,
                           const py::list& arrays) {
  std::vector<T*> moments;
  for (const py::handle array : arrays) {
    moments.push_back(required<T>(py::reinterpret_borrow<py::object>(array), plan.parameters(),
                                  "optimizer_state"));
  }
  with_rule<T>(optimizer.rule, [&](auto* type) {
    require(moments.size() == std::remove_pointer_t<decltype(type)>::kStates, "optimizer_state");
  });
  require_factors(plan, optimizer);
  return moments;
}

// An optimizer with its settings, and factors of the learning rate for each array of parameters
// or none, checked once for many calls. The learning rate is 0 where a schedule gives it.
struct Rule {
  Optimizer optimizer;
  double lr;

  Rule(const std::string& name, const py::dict& settings, std::vector<double> factors) {
    const auto found = optimizer_of(name, settings);
    require(found.has_value(), "optimizer");
    std::tie(optimizer, lr) = *found;
    optimizer.factors.given = std::move(factors);
  }
};

}  // namespace densenet
