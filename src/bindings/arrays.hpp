// From NumPy arrays to views of their memory.
//
// A function here returns null or nullopt if an argument cannot be used as it is. Then the check of
// the same name in densenet._checks converts the argument, or raises.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "core/memory/views.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

namespace py = pybind11;

// True for a numpy.ma.MaskedArray, whose mask the core would ignore: densenet._checks refuses it.
// As long as numpy.ma, which is slow to import, has not been imported, there is none.
inline bool masked(py::handle array) {
  const py::handle plain(reinterpret_cast<PyObject*>(py::detail::npy_api::get().PyArray_Type_));
  if (py::type::handle_of(array).is(plain)) return false;
  const auto module = py::reinterpret_borrow<py::object>(
      PyDict_GetItemString(PyImport_GetModuleDict(), "numpy.ma"));
  return module && py::isinstance(array, module.attr("MaskedArray"));
}

// The object as an array, if it is one of this very element type, not empty, not masked, aligned
// and in native byte order; null otherwise.
template <class T>
py::array array_of(py::handle object) {
  if (!py::isinstance<py::array_t<T>>(object) || masked(object))
    return py::reinterpret_borrow<py::array>(py::handle());
  auto array = py::reinterpret_borrow<py::array>(object);
  const bool aligned = array.flags() & py::detail::npy_api::NPY_ARRAY_ALIGNED_;
  return aligned && array.size() > 0 ? array : py::reinterpret_borrow<py::array>(py::handle());
}

inline bool c_contiguous(const py::array& array) { return array.flags() & py::array::c_style; }
inline bool f_contiguous(const py::array& array) { return array.flags() & py::array::f_style; }

// A C-contiguous (rows, columns) array.
template <class T>
std::optional<Matrix<const T>> matrix(py::handle object) {
  const py::array array = array_of<T>(object);
  if (!array || array.ndim() != 2 || !c_contiguous(array)) return std::nullopt;
  return Matrix<const T>{static_cast<const T*>(array.data()), array.shape(0), array.shape(1),
                         array.shape(1)};
}

// A contiguous array of one axis.
template <class T>
struct Vector {
  const T* data;
  Index size;
};

// A contiguous array of one axis, or None, which gives data = nullptr.
template <class T>
std::optional<Vector<T>> optional_vector(py::handle object) {
  if (object.is_none()) return Vector<T>{nullptr, 0};
  const py::array array = array_of<T>(object);
  if (!array || array.ndim() != 1 || !c_contiguous(array)) return std::nullopt;
  return Vector<T>{static_cast<const T*>(array.data()), array.size()};
}

// Copies class indices; returns false if one is not in 0 ... classes - 1.
inline bool copy_labels(const Vector<std::int64_t>& from, Index classes, std::int64_t* to) {
  std::uint64_t most = 0;  // as an unsigned number, a negative label is very large
  for (Index i = 0; i < from.size; ++i) {
    to[i] = from.data[i];
    most = std::max(most, static_cast<std::uint64_t>(to[i]));
  }
  return most < static_cast<std::uint64_t>(classes);
}

// The elements of a C-contiguous array of any shape.
template <class T>
std::optional<Vector<T>> elements(py::handle object) {
  const py::array array = array_of<T>(object);
  if (!array || !c_contiguous(array)) return std::nullopt;
  return Vector<T>{static_cast<const T*>(array.data()), array.size()};
}

inline bool same_shape(const py::array& a, const py::array& b) {
  return a.ndim() == b.ndim() && std::equal(a.shape(), a.shape() + a.ndim(), b.shape());
}

template <class T>
py::array_t<T> new_matrix(Index rows, Index cols) {
  return py::array_t<T>({rows, cols});
}

// A new C-contiguous array of the same shape as another.
template <class T>
py::array_t<T> like(const py::object& other) {
  const auto array = py::reinterpret_borrow<py::array>(other);
  return py::array_t<T>(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
}

// What a body of checked(), below, returns for arguments that it cannot use: null.
inline const py::object kMisfit = py::reinterpret_borrow<py::object>(py::handle());

// A function of densenet._checks.
inline py::object check(const char* name) {
  return py::module_::import("densenet._checks").attr(name);
}

// Returns body(T{}, objects...) for T = float or else double; null if both return null.
template <class Body, class... Objects>
py::object for_either_type(const Body& body, const Objects&... objects) {
  py::object result = body(float{}, objects...);
  return result ? result : body(double{}, objects...);
}

template <class Body, std::size_t... I>
py::object for_either_type(const Body& body, const py::tuple& objects, std::index_sequence<I...>) {
  return for_either_type(body, py::object(objects[I])...);
}

// Returns what body makes of the arguments as they are. If that is null, calls the Python check of
// this name, which raises or returns arguments that can be used, and runs body on those.
template <class Body, class... Objects>
py::object checked(const char* name, const Body& body, const Objects&... objects) {
  py::object result = for_either_type(body, objects...);
  if (result) return result;
  // Another thread may write into an argument between the check and the body: then both look again.
  for (int attempt = 0; attempt < 100; ++attempt) {
    const py::tuple usable = check(name)(objects...);
    result = for_either_type(body, usable, std::index_sequence_for<Objects...>{});
    if (result) return result;
  }
  throw std::logic_error(std::string(name) + ": the checks and the tests disagree");
}

}  // namespace densenet
