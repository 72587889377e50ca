// The compiled module: what it was built from, its threads, measurements of the machine, and what
// the other files register.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <string>
#include <utility>

#include "bindings/eigen_version.hpp"
#include "bindings/register.hpp"
#include "bindings/unlocked.hpp"
#include "core/products/bf16_product.hpp"
#include "core/threads/lateness.hpp"
#include "core/threads/parallel.hpp"
#include "core/threads/peak.hpp"
#include "core/vectors/simd.hpp"

namespace {

namespace py = pybind11;

std::string compiler() {
#if defined(__clang__)
  return "Clang " __clang_version__;
#elif defined(__GNUC__)
  return "GCC " __VERSION__;
#elif defined(_MSC_VER)
  return "MSVC " + std::to_string(_MSC_VER);
#else
  return "unknown";
#endif
}

std::map<std::string, std::string> config() {
  return {
      {"compiler", compiler()},
      {"eigen", densenet::eigen_version()},
      {"instruction_set", DENSENET_LEVEL},
      {"openmp", densenet::has_openmp() ? "yes" : "no"},
      {"vector_bits", std::to_string(densenet::kLanes<float> * 32)},
  };
}

}  // namespace

// Safe without Python's global lock: all that calls share are the atomic settings of
// core/threads/parallel.hpp and each plan's pool of scratch memory, which has a lock.
PYBIND11_MODULE(DENSENET_MODULE, m, py::mod_gil_not_used()) {
  m.doc() = "The compiled core of densenet.";
  densenet::watch_forks();
  densenet::register_kernels(m);
  densenet::register_losses(m);
  densenet::register_updates(m);
  densenet::register_encoding(m);
  densenet::register_network(m);
  m.def("config", &config, "What this module was built from and for.");
  m.def("get_num_threads", &densenet::allowed_threads);
  m.def("set_num_threads", [](int threads) { densenet::thread_limit() = threads; });
  m.def(
      "limit_this_thread",
      [](int threads) { return std::exchange(densenet::own_thread_limit(), threads); },
      "Set the most threads of calls from this thread, return the last; 0: as the process.");
  m.def("bound_processors", &densenet::bound_processors,
        "All processors to which OpenMP binds threads; none where it does not.");
  m.def("has_bf16_products", &densenet::has_bf16_products);
  m.def("suspend_timing", [](bool suspended) { densenet::timing_suspended() = suspended; });
  m.def("multiply_add_peak", &densenet::multiply_add_peak<float>, py::arg("threads"),
        py::arg("rounds"), py::call_guard<densenet::Unlocked>());
  m.def("meeting_time", &densenet::meeting_time, py::arg("threads"), py::arg("times"),
        py::call_guard<densenet::Unlocked>());
  m.def("update_bandwidth", &densenet::update_bandwidth<float>, py::arg("threads"), py::arg("n"),
        py::call_guard<densenet::Unlocked>());
}
