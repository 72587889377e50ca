// The function that gives the core the means over a batch, within a pass over some of its rows.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <exception>

#include "bindings/unlocked.hpp"
#include "core/network/plan.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

namespace py = pybind11;

// Calls f(sums), which replaces what the array has by means. If it raises, the pass ends, and the
// exception is kept for the caller to raise.
template <class T>
struct PythonMeans {
  py::object function;
  Unlocked* unlocked = nullptr;
  std::exception_ptr raised = nullptr;

  // A BatchMeans's compute function; context is a PythonMeans.
  static bool compute(void* context, T* sums, Index n) {
    auto* self = static_cast<PythonMeans*>(context);
    self->unlocked->locked([&] {
      try {
        // A base says that the memory, the core's own, is not to be copied; with None as base, GCC
        // 16 warns of reading beyond it.
        self->function(py::array_t<T>(n, sums, self->function));
      } catch (const std::exception&) {
        self->raised = std::current_exception();
      }
    });
    return self->raised == nullptr;
  }
};

}  // namespace densenet
