// What the core calls between two steps of a long call.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/unlocked.hpp"
#include "core/memory/views.hpp"

namespace densenet {

namespace py = pybind11;

// Lets Python's signal handlers and a progress function run inside a long call, between two steps.
// What they raise is kept, and raised when the call is over.
struct PythonPoll {
  py::object progress;  // None or f(steps_done)
  py::object raised = py::none();
  Unlocked* unlocked = nullptr;

  static bool call(void* context, Index steps_done) {
    auto* self = static_cast<PythonPoll*>(context);
    self->unlocked->locked([&] {
      try {
        if (PyErr_CheckSignals() != 0) throw py::error_already_set();
        if (!self->progress.is_none()) self->progress(steps_done);
      } catch (py::error_already_set& error) {
        self->raised = error.value();
      }
    });
    return self->raised.ptr() == Py_None;
  }
};

}  // namespace densenet
