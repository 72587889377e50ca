// Hyper-parameters from Python: their names and ranges. densenet._checks raises the messages for
// values out of range.
#pragma once

#include <pybind11/pybind11.h>

#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "core/layers/losses.hpp"
#include "core/updates/optimizers.hpp"

namespace densenet {

namespace py = pybind11;

// The value of a setting, if it is a number in its range; nullopt otherwise. Rates, slopes and
// penalties are finite and >= 0, decay factors in [0, 1), dampening in [0, 1], switches 0 or 1,
// clipping and a loss's delta finite and > 0. None, for clipping alone, gives 0: no clipping.
inline std::optional<double> setting(const std::string& name, py::handle object) {
  const bool clip = name == "clip_norm" || name == "clip_value";
  if (clip && object.is_none()) return 0;
  const bool number = PyFloat_Check(object.ptr()) || PyLong_Check(object.ptr());
  if (!number) return std::nullopt;
  const double value = PyFloat_AsDouble(object.ptr());
  if (PyErr_Occurred()) {
    PyErr_Clear();  // an int too large for a double
    return std::nullopt;
  }
  const bool decay = name == "momentum" || name == "beta" || name == "beta1" || name == "beta2" ||
                     name == "label_smoothing";
  const bool fits = decay                     ? value >= 0 && value < 1
                    : name == "dampening"     ? value >= 0 && value <= 1
                    : name == "nesterov"      ? value == 0 || value == 1
                    : clip || name == "delta" ? value > 0 && !std::isinf(value)
                                              : value >= 0 && !std::isinf(value);
  return fits ? std::optional<double>(value) : std::nullopt;
}

// The optimizer of this name with its settings, and the learning rate; nullopt if one does not fit.
inline std::optional<std::pair<Optimizer, double>> optimizer_of(const std::string& name,
                                                                const py::dict& settings) {
  std::pair<Optimizer, double> result;
  Optimizer& optimizer = result.first;  // C++17 lambdas cannot capture structured bindings
  double& lr = result.second;
  for (std::size_t i = 0; i < kRules; ++i) {
    with_rule<float>(i, [&](auto* rule) {
      if (name == std::remove_pointer_t<decltype(rule)>::kName) optimizer.rule = i;
    });
  }
  Hyperparameters& h = optimizer.hyperparameters;
  const std::pair<const char*, double*> fields[] = {{"lr", &lr},
                                                    {"momentum", &h.momentum},
                                                    {"dampening", &h.dampening},
                                                    {"beta", &h.beta},
                                                    {"nesterov", &h.nesterov},
                                                    {"beta1", &h.beta1},
                                                    {"eps", &h.eps},
                                                    {"beta2", &h.beta2},
                                                    {"l1", &h.l1},
                                                    {"l2", &h.l2},
                                                    {"weight_decay", &h.weight_decay},
                                                    {"clip_norm", &h.clip_norm},
                                                    {"clip_value", &h.clip_value}};
  for (const auto& [key, object] : settings) {
    const auto key_name = key.cast<std::string>();
    const auto value = setting(key_name, object);
    if (!value) return std::nullopt;
    for (const auto& [field_name, field] : fields) {
      if (key_name == field_name) *field = *value;
    }
  }
  if (h.nesterov != 0 && (h.momentum == 0 || h.dampening != 0)) return std::nullopt;
  const bool needs_state = h.momentum != 0 || h.dampening != 0;
  if (needs_state && name == "gradient_descent") return std::nullopt;
  return result;
}

// The settings of a loss; nullopt if one does not fit.
inline std::optional<LossSettings> loss_settings(const py::dict& settings) {
  LossSettings result;
  for (const auto& [key, object] : settings) {
    const auto name = key.cast<std::string>();
    const auto value = setting(name, object);
    if (!value) return std::nullopt;
    if (name == "label_smoothing") result.label_smoothing = *value;
    if (name == "delta") result.delta = *value;
  }
  return result;
}

// The parameter of an activation, the only value in `settings`; 0 if it has none, nullopt if the
// value does not fit.
inline std::optional<double> activation_parameter(const py::dict& settings) {
  double parameter = 0;
  for (const auto& [key, object] : settings) {
    const auto value = setting(key.cast<std::string>(), object);
    if (!value) return std::nullopt;
    parameter = *value;
  }
  return parameter;
}

}  // namespace densenet
