// The function that the core calls between two steps of a long call.
#pragma once

#include <pybind11/pybind11.h>

#include "bindings/unlocked.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

namespace py = pybind11;

// Lets Python's signal handlers and a progress function run between two steps of a long call. If
// they raise, the call ends, and the exception is kept in `raised` for the caller to raise.
struct PythonPoll {
  py::object progress;  // None or f(steps_done)
  py::object raised = py::none();
  Unlocked* unlocked = nullptr;

  // An Epoch's poll function; context is a PythonPoll. False: stop.
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
