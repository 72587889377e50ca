// An optimizer's step on NumPy arrays of any layout, in place: test the arguments, release the GIL,
// call the core.
#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "bindings/arrays.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/unlocked.hpp"
#include "core/threads/parallel.hpp"
#include "core/updates/optimizers.hpp"
#include "core/updates/strided.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

namespace {

// The memory of an array, whatever its strides: its first byte, and the one after its last.
std::pair<const char*, const char*> extent(const py::array& array) {
  const char* low = static_cast<const char*>(array.data());
  const char* high = low + array.itemsize();
  for (py::ssize_t a = 0; a < array.ndim(); ++a) {
    const py::ssize_t span = array.strides(a) * (array.shape(a) - 1);
    (span < 0 ? low : high) += span;
  }
  return {low, high};
}

// Updates given = {param, grad, state...} in place by the rule; returns false, with nothing done,
// if the arrays cannot be used as they are. `vouched`: the Python check has found that arrays whose
// memory overlaps share no element.
template <class T, class Rule>
bool update_in_place(const py::list& given, const Rule& rule, bool vouched) {
  constexpr std::size_t kStates = Rule::kStates;
  if (given.size() != 2 + kStates) return false;
  std::array<py::array, 2 + kStates> arrays;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    arrays[i] = array_of<T>(given[i]);
    if (!arrays[i] || (i != 1 && !arrays[i].writeable())) return false;
    if (!same_shape(arrays[0], arrays[i])) return false;
    for (py::ssize_t a = 0; a < arrays[i].ndim(); ++a) {
      // A broadcast array would be written several times.
      if (i != 1 && arrays[i].strides(a) == 0 && arrays[i].shape(a) > 1) return false;
    }
    for (std::size_t j = 0; j < i && !vouched; ++j) {
      const auto [low, high] = extent(arrays[i]);
      const auto [other_low, other_high] = extent(arrays[j]);
      if (low < other_high && other_low < high) return false;
    }
  }
  const py::array& param = arrays[0];
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
  T* p = static_cast<T*>(arrays[0].mutable_data());
  const Strided<const T> grad{static_cast<const T*>(arrays[1].data()), strides(arrays[1])};
  std::array<Strided<T>, kStates> states;
  for (std::size_t s = 0; s < kStates; ++s) {
    states[s] = {static_cast<T*>(arrays[2 + s].mutable_data()), strides(arrays[2 + s])};
  }
  const Unlocked unlocked;
  const Index n = walk.size();
  parallel_call(threads_now_for_elements(n),
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

void register_updates(py::module_& m) { m.def("update", &update_); }

}  // namespace densenet
