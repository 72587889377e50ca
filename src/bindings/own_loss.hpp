// The function of a user's own loss, which the core calls within a step.
#pragma once

#include <pybind11/pybind11.h>

#include <algorithm>
#include <exception>

#include "bindings/arrays.hpp"
#include "bindings/plan_arguments.hpp"
#include "bindings/unlocked.hpp"
#include "core/network/plan.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

// Calls f(outputs, step), which gives (loss, gradient with respect to the outputs); both arrays are
// (rows, outputs). If it raises, the step is not taken, and the exception is kept in `raised` for
// the caller to raise.
template <class T>
struct PythonLoss {
  py::object function;
  Index outputs;
  py::object* raised;
  Unlocked* unlocked = nullptr;

  // An OwnLoss's compute function; context is a PythonLoss.
  static bool compute(void* context, Index step, const T* y, Index rows, double* value, T* d) {
    auto* self = static_cast<PythonLoss*>(context);
    const Index size = rows * self->outputs;
    bool done = false;
    self->unlocked->locked([&] {
      try {
        auto copy = new_matrix<T>(rows, self->outputs);
        std::copy_n(y, size, copy.mutable_data());
        const py::tuple result = self->function(copy, step);
        *value = py::cast<double>(result[0]);
        std::copy_n(required<const T>(result[1], size, "gradient"), size, d);
        done = true;
      } catch (py::error_already_set& error) {
        *self->raised = error.value();
      } catch (const std::exception& error) {
        *self->raised = py::reinterpret_borrow<py::object>(PyExc_RuntimeError)(error.what());
      }
    });
    return done;
  }
};

}  // namespace densenet
