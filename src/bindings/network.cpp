// The plan of a network as a Python class. Python has checked the arguments; the tests here only
// guard memory, and where one fails its message names what is unusable.
//
// Rows to learn from, the steps of an epoch and the mode of the layers cross as the tuples that
// densenet/_engine/contract.py names: Examples, Steps and Mode.
#include <pybind11/stl.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/copies.hpp"
#include "bindings/poll.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/unlocked.hpp"
#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/network/plan.hpp"
#include "core/network/profile.hpp"

namespace densenet {

namespace {

void require(bool holds, const char* what) {
  if (!holds) throw py::value_error(std::string("densenet core: unusable ") + what);
}

Scalar scalar_of(const py::array& array) {
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

bool swapped(const py::array& array) {
  const std::uint16_t one = 1;
  const bool little = *reinterpret_cast<const unsigned char*>(&one) == 1;
  const char order = array.dtype().byteorder();
  return order == (little ? '>' : '<');
}

// A user's matrix (rows, cols).
Source source_of(const py::array& array, Index cols) {
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

// From the tuple Examples: x (n, inputs), targets (n) of class indices or (n, outputs) of values,
// sample_weight (n) or None.
Examples examples_of(const py::tuple& given, Index inputs, Index outputs) {
  const auto& [x, targets, sample_weight] =
      py::cast<std::tuple<py::array, py::object, py::object>>(given);
  Examples examples{source_of(x, inputs), nullptr, {}, nullptr};
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
// running statistics).
template <class T>
Mode<T> mode_of(const Plan<T>& plan, const py::tuple& given) {
  const auto& [array, training, seed, step, update] =
      py::cast<std::tuple<py::object, bool, std::uint64_t, std::uint32_t, bool>>(given);
  T* running = plan.running() > 0 ? required<T>(array, plan.running(), "running_moments") : nullptr;
  return {training, seed, step, running, update};
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
  return moments;
}

// An optimizer with its settings, checked once for many calls. The learning rate is 0 where a
// schedule gives it.
struct Rule {
  Optimizer optimizer;
  double lr;

  Rule(const std::string& name, const py::dict& settings) {
    const auto found = optimizer_of(name, settings);
    require(found.has_value(), "optimizer");
    std::tie(optimizer, lr) = *found;
  }
};

template <class T>
std::unique_ptr<Plan<T>> new_plan(const py::list& layers, const std::string& loss,
                                  const py::dict& settings) {
  std::vector<Layer> descriptions;
  for (const py::handle layer : layers) {
    const auto [kind, inputs, outputs, weight, bias, running, parameter] =
        py::cast<std::tuple<std::string, Index, Index, Index, Index, Index, double>>(layer);
    descriptions.push_back({kind, inputs, outputs, weight, bias, running, parameter});
  }
  const auto told = loss_settings(settings);
  require(told.has_value(), "loss");
  return std::make_unique<Plan<T>>(descriptions, loss_named(loss, *told));
}

template <class T>
py::object forward(Plan<T>& plan, const py::object& flat, const py::array& x,
                   const py::tuple& mode) {
  const T* params = required<const T>(flat, plan.parameters(), "flat");
  const Source source = source_of(x, plan.inputs());
  const Mode<T> how = mode_of(plan, mode);
  auto y = new_matrix<T>(source.rows, plan.outputs());
  T* out = y.mutable_data();
  {
    const Unlocked unlocked;
    plan.forward(params, source, out, how);
  }
  return std::move(y);
}

template <class T>
double gradients(Plan<T>& plan, const py::object& flat, const py::tuple& given,
                 const py::object& dflat, const py::object& dx, const py::tuple& mode) {
  const T* params = required<const T>(flat, plan.parameters(), "flat");
  const Examples examples = examples_of(given, plan.inputs(), plan.outputs());
  const Mode<T> how = mode_of(plan, mode);
  T* dparams_out = vector_of<T>(dflat, plan.parameters(), "gradient");
  T* dx_out = vector_of<T>(dx, examples.x.rows * plan.inputs(), "input gradient");
  const Unlocked unlocked;
  return plan.gradients(params, examples, dparams_out, dx_out, how);
}

template <class T>
void backward(Plan<T>& plan, const py::object& flat, const py::array& x, const py::object& dy,
              const py::object& dflat, const py::object& dx, const py::tuple& mode) {
  const T* params = required<const T>(flat, plan.parameters(), "flat");
  const Source source = source_of(x, plan.inputs());
  const Mode<T> how = mode_of(plan, mode);
  const T* d = required<const T>(dy, source.rows * plan.outputs(), "output gradient");
  T* dparams_out = vector_of<T>(dflat, plan.parameters(), "gradient");
  T* dx_out = vector_of<T>(dx, source.rows * plan.inputs(), "input gradient");
  const Unlocked unlocked;
  plan.backward(params, source, d, dparams_out, dx_out, how);
}

// Trains for as many steps as there are learning rates. Returns None if another call is training.
// `steps` is the tuple Steps: (order of the rows or None, rows of a step, first step, count of
// steps taken, a learning rate for each step, tolerance, L2 and ε for each step or None, room for
// penalties or None).
template <class T>
py::object train(Plan<T>& plan, const py::object& flat, const py::list& arrays, const Rule& rule,
                 const py::tuple& given, const py::tuple& steps, const py::object& batch_loss,
                 const py::object& progress, const py::tuple& mode) {
  using PerStep = std::optional<std::vector<double>>;
  const auto& [order, batch_size, first_step, taken, lr, tolerance, l2, eps, penalty] =
      py::cast<std::tuple<py::object, Index, Index, py::object, std::vector<double>, double,
                          PerStep, PerStep, py::object>>(steps);
  T* params = required<T>(flat, plan.parameters(), "flat");
  const std::vector<T*> moments = moments_of(plan, rule.optimizer, arrays);
  const Examples examples = examples_of(given, plan.inputs(), plan.outputs());
  const Mode<T> how = mode_of(plan, mode);
  const Index n_steps = static_cast<Index>(lr.size());
  const Index rows = order.is_none() ? examples.x.rows : py::cast<py::array>(order).size();
  require(!l2 || l2->size() == lr.size(), "l2");
  require(!eps || eps->size() == lr.size(), "eps");
  require(batch_size > 0 && first_step >= 0 &&
              first_step + n_steps <= (rows + batch_size - 1) / batch_size,
          "range of steps");
  auto* const count = required<std::int64_t>(taken, 1, "count of steps");
  PythonPoll poll{progress};
  const auto* const numbers = vector_of<const std::int64_t>(order, rows, "order");
  double* const losses = required<double>(batch_loss, n_steps, "batch losses");
  double* const penalties = vector_of<double>(penalty, n_steps, "penalties");
  const double* const own_l2 = l2 ? l2->data() : nullptr;
  const double* const own_eps = eps ? eps->data() : nullptr;
  const Epoch epoch{numbers, batch_size, first_step, n_steps,           *count, lr.data(),
                    losses,  tolerance,  count,      &PythonPoll::call, &poll,  nullptr,
                    rows,    own_l2,     own_eps,    penalties};
  std::optional<EpochResult> done;
  {
    Unlocked unlocked;
    poll.unlocked = &unlocked;
    done = plan.train(params, moments.data(), rule.optimizer, examples, epoch, how);
  }
  if (!done) return py::none();
  return py::make_tuple(done->steps, done->busy_threads, done->converged, done->diverged,
                        poll.raised);
}

// Takes one step down a gradient (parameters), and makes `moved` the running statistics. Returns
// False if another call is training.
template <class T>
bool update(Plan<T>& plan, const py::object& flat, const py::list& arrays, const Rule& rule,
            double lr, const py::object& taken, const py::object& gradient,
            const py::object& running, const py::object& moved) {
  T* params = required<T>(flat, plan.parameters(), "flat");
  const std::vector<T*> moments = moments_of(plan, rule.optimizer, arrays);
  const T* g = required<const T>(gradient, plan.parameters(), "gradient");
  T *to = nullptr, *from = nullptr;
  if (plan.running() > 0) {
    to = required<T>(running, plan.running(), "running_moments");
    from = required<T>(moved, plan.running(), "running_moments");
  }
  auto* const count = required<std::int64_t>(taken, 1, "count of steps");
  const Unlocked unlocked;
  return plan.update(params, moments.data(), rule.optimizer, lr, count, g, to, from);
}

// Copies arrays out of the network, from `from` to `to` of each pair, between two steps.
template <class T>
void look(Plan<T>& plan, const py::list& pairs) {
  const Copies copies(pairs);
  const Unlocked unlocked;
  plan.look(copies);
}

// Copies arrays into the network, all between the same two steps. Returns False, with nothing done,
// if another call is training.
template <class T>
bool change(Plan<T>& plan, const py::list& pairs) {
  const Copies copies(pairs);
  const Unlocked unlocked;
  return plan.change(copies);
}

// Takes the same step `steps` times, with a learning rate of 0, and returns (seconds, units,
// threads): `units` has (number of its layer, whether it is linear) for each unit; `threads` has,
// for each step and thread, seconds as ([gather, loss, update, waiting], [(product, rest), ...])
// with forward, dx and dW of each unit.
template <class T>
py::tuple profile(Plan<T>& plan, const py::object& flat, const py::list& arrays, const Rule& rule,
                  const py::tuple& given, Index steps, const py::tuple& mode) {
  T* params = required<T>(flat, plan.parameters(), "flat");
  const std::vector<T*> moments = moments_of(plan, rule.optimizer, arrays);
  const Examples examples = examples_of(given, plan.inputs(), plan.outputs());
  Mode<T> how = mode_of(plan, mode);
  const double lr = 0;
  double loss = 0, elapsed = 0;
  std::vector<Laps> laps;
  Epoch epoch{nullptr, examples.x.rows, 0, 1, 0, &lr, &loss, 0, nullptr, nullptr, nullptr, &laps};
  py::list spent;
  for (Index step = 0; step < steps; ++step) {
    {
      const Unlocked unlocked;
      const Timer timer(&elapsed);
      plan.train(params, moments.data(), rule.optimizer, examples, epoch, how);
    }
    ++epoch.steps_before;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    for (const Laps& thread : laps) {
      py::list units;
      for (const auto& ways : thread.units) {
        for (const Laps::Lap& lap : ways) units.append(py::make_tuple(lap.product, lap.rest));
      }
      spent.append(py::make_tuple(
          py::cast(std::vector<double>{thread.gather, thread.loss, thread.update, thread.waiting}),
          units));
    }
  }
  py::list units;
  for (const Unit& unit : plan.units()) {
    units.append(py::make_tuple(unit.number, unit.kind == Unit::Linear));
  }
  return py::make_tuple(elapsed, units, spent);
}

// Takes training steps for which everything but the batch was checked beforehand, so that a call
// from Python costs little. Returns None, with nothing done, if x or y cannot be used as they are:
// then densenet._checks converts them or says what is wrong.
template <class T>
class Stepper {
 public:
  Stepper(const py::object& plan, const py::object& flat, const py::list& moments, const Rule& rule,
          const py::object& taken, const py::tuple& mode, bool on_classes)
      : kept_{plan, taken, mode},
        written_{py::cast<std::vector<py::array>>(moments)},
        plan_(py::cast<Plan<T>&>(plan)),
        params_(required<T>(flat, plan_.parameters(), "flat")),
        moments_(moments_of(plan_, rule.optimizer, moments)),
        taken_(required<std::int64_t>(taken, 1, "count of steps")),
        rule_(rule),
        mode_(mode_of(plan_, mode)),
        on_classes_(on_classes) {
    written_.push_back(flat);
  }

  // Takes a step and returns the loss before it; None also if another call is training.
  std::optional<double> operator()(py::handle x, py::handle y) {
    if (busy_.exchange(true)) return std::nullopt;  // another thread is in here
    const auto loss = step(x, y);
    busy_ = false;
    return loss;
  }

 private:
  std::optional<double> step(py::handle x, py::handle y) {
    for (const py::array& each : written_) {
      if (!each.writeable()) return std::nullopt;
    }
    const auto examples = usable_batch(plan_, x, y, on_classes_, labels_);
    if (!examples || is_trained(x, plan_, params_, moments_)) return std::nullopt;
    double loss = 0;
    const Epoch epoch{nullptr, examples->x.rows, 0,       1,      *taken_, &rule_.lr, &loss,
                      0,       taken_,           nullptr, nullptr};
    mode_.step = static_cast<std::uint32_t>(*taken_);
    const Unlocked unlocked;
    if (!plan_.train(params_, moments_.data(), rule_.optimizer, *examples, epoch, mode_)) {
      return std::nullopt;
    }
    return loss;
  }

  std::array<py::object, 3> kept_;  // so that what the pointers below point to stays alive
  std::vector<py::array> written_;
  Plan<T>& plan_;
  T* params_;
  std::vector<T*> moments_;
  std::int64_t* taken_;
  Rule rule_;
  Mode<T> mode_;
  bool on_classes_;
  Buffer<std::int64_t> labels_;
  std::atomic<bool> busy_{false};
};

// Makes the class an instance of `type`, as the stub says, and not of pybind11's own metaclass.
py::metaclass plain_metaclass() { return py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)); }

template <class T>
void register_plan(py::module_& m, const char* name) {
  py::class_<Stepper<T>>(m, (std::string("Stepper") + name).c_str(), plain_metaclass())
      .def("__call__", &Stepper<T>::operator());
  py::class_<Plan<T>>(m, (std::string("Plan") + name).c_str(), plain_metaclass())
      .def(py::init(&new_plan<T>))
      .def("forward", &forward<T>)
      .def("gradients", &gradients<T>)
      .def("backward", &backward<T>)
      .def("train", &train<T>)
      .def("update", &update<T>)
      .def("profile", &profile<T>)
      .def("look", &look<T>)
      .def("change", &change<T>)
      .def("fits", &fits<T>)
      .def("count_probabilities_from", &Plan<T>::count_probabilities_from)
      .def("stepper", [](const py::object& plan, const py::object& flat, const py::list& moments,
                         const Rule& rule, const py::object& taken, const py::tuple& mode,
                         bool on_classes) {
        return std::make_unique<Stepper<T>>(plan, flat, moments, rule, taken, mode, on_classes);
      });
}

}  // namespace

void register_network(py::module_& m) {
  py::class_<Rule>(m, "Rule", plain_metaclass()).def(py::init<std::string, py::dict>());
  register_plan<float>(m, "Float32");
  register_plan<double>(m, "Float64");
}

}  // namespace densenet
