// The plan of a network as a Python class. Steps of an epoch cross as the tuple that
// densenet/_engine/contract.py names; plan_arguments.hpp has the others.
#include <pybind11/stl.h>

#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/batch_means.hpp"
#include "bindings/copies.hpp"
#include "bindings/own_loss.hpp"
#include "bindings/plan_arguments.hpp"
#include "bindings/poll.hpp"
#include "bindings/register.hpp"
#include "bindings/settings.hpp"
#include "bindings/stepper.hpp"
#include "bindings/unlocked.hpp"
#include "core/memory/views.hpp"
#include "core/network/plan.hpp"
#include "core/network/predictor.hpp"
#include "core/network/profile.hpp"
#include "core/network/together.hpp"

namespace densenet {

namespace {

template <class T>
std::unique_ptr<Plan<T>> new_plan(const py::list& layers, const std::string& loss,
                                  const py::dict& settings,
                                  const std::tuple<int, double, Index>& precision) {
  std::vector<Layer> descriptions;
  for (const py::handle layer : layers) {
    const auto [kind, inputs, outputs, weight, bias, running, parameter] =
        py::cast<std::tuple<std::string, Index, Index, Index, Index, Index, double>>(layer);
    descriptions.push_back({kind, inputs, outputs, weight, bias, running, parameter});
  }
  const auto told = loss_settings(settings);
  require(told.has_value(), "loss");
  const auto [pieces, least, narrowest] = precision;
  return std::make_unique<Plan<T>>(descriptions, loss_named(loss, *told),
                                   Precision{pieces, least, narrowest});
}

template <class T>
py::object forward(Plan<T>& plan, const py::object& flat, const py::object& x,
                   const py::tuple& mode) {
  // The first layers of a network may have no parameters.
  const Index size = plan.parameters();
  const T* params = size > 0 ? required<const T>(flat, size, "flat") : nullptr;
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

// A predictor that holds a copy of these parameters and running statistics; weights as bf16 numbers
// if they have at least `held` elements, (least, narrowest).
template <class T>
std::unique_ptr<Predictor<T>> predictor(const Plan<T>& plan, const py::object& flat,
                                        const py::object& running,
                                        const std::tuple<Index, Index>& held) {
  const T* params = required<const T>(flat, plan.parameters(), "flat");
  const Index size = plan.running();
  const T* moments = size > 0 ? required<const T>(running, size, "running_moments") : nullptr;
  const auto [least, narrowest] = held;
  const Unlocked unlocked;
  return std::make_unique<Predictor<T>>(plan, params, moments, HeldAsBf16{least, narrowest});
}

template <class T>
py::array_t<T> predict(Predictor<T>& predictor, const py::object& x) {
  const Source source = source_of(x, predictor.inputs());
  auto y = new_matrix<T>(source.rows, predictor.outputs());
  T* out = y.mutable_data();
  const Unlocked unlocked;
  predictor.forward(source, out);
  return y;
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
void backward(Plan<T>& plan, const py::object& flat, const py::object& x, const py::object& dy,
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

// The first half of a step: returns the loss and writes its gradient. Returns None if another call
// is training. The mode may have means: see PythonMeans.
template <class T>
std::optional<double> loss_and_gradient(Plan<T>& plan, const py::object& flat,
                                        const py::tuple& given, const py::object& gradient,
                                        const py::tuple& mode) {
  const T* params = required<const T>(flat, plan.parameters(), "flat");
  const Examples examples = examples_of(given, plan.inputs(), plan.outputs());
  Mode<T> how = mode_of(plan, mode);
  T* out = required<T>(gradient, plan.parameters(), "gradient");
  PythonMeans<T> python{means_of(mode)};
  const BatchMeans<T> means{&PythonMeans<T>::compute, &python};
  if (!python.function.is_none()) how.means = &means;
  std::optional<double> loss;
  {
    Unlocked unlocked;
    python.unlocked = &unlocked;
    loss = plan.loss_and_gradient(params, examples, out, how);
  }
  if (python.raised) std::rethrow_exception(python.raised);
  return loss;
}

// What trains a network for as many steps as there are learning rates, taken apart. `given` is the
// tuple Examples, `steps` the tuple Steps: (order of the rows or None, rows of a step, first step,
// count of steps taken, a learning rate for each step, tolerance, L2 and ε for each step or None,
// room for penalties or None).
template <class T>
struct Training {
  using PerStep = std::optional<std::vector<double>>;
  T* params;
  std::vector<T*> moments;
  Examples examples;
  std::vector<double> lr;
  PerStep l2, eps;
  Epoch epoch{};

  Training(const Plan<T>& plan, const py::object& flat, const py::list& arrays, const Rule& rule,
           const py::tuple& given, const py::tuple& steps, const py::object& batch_loss)
      : params(required<T>(flat, plan.parameters(), "flat")),
        moments(moments_of(plan, rule.optimizer, arrays)),
        examples(examples_of(given, plan.inputs(), plan.outputs())) {
    py::object order, taken, penalty;
    std::tie(order, epoch.batch_size, epoch.first_step, taken, lr, epoch.tolerance, l2, eps,
             penalty) =
        py::cast<std::tuple<py::object, Index, Index, py::object, std::vector<double>, double,
                            PerStep, PerStep, py::object>>(steps);
    epoch.n_steps = static_cast<Index>(lr.size());
    epoch.rows = order.is_none() ? examples.x.rows : py::cast<py::array>(order).size();
    require(!l2 || l2->size() == lr.size(), "l2");
    require(!eps || eps->size() == lr.size(), "eps");
    require(epoch.batch_size > 0 && epoch.first_step >= 0 &&
                epoch.first_step + epoch.n_steps <=
                    (epoch.rows + epoch.batch_size - 1) / epoch.batch_size,
            "range of steps");
    epoch.order = vector_of<const std::int64_t>(order, epoch.rows, "order");
    epoch.taken = required<std::int64_t>(taken, 1, "count of steps");
    epoch.steps_before = *epoch.taken;
    epoch.lr = lr.data();
    epoch.l2 = l2 ? l2->data() : nullptr;
    epoch.eps = eps ? eps->data() : nullptr;
    epoch.batch_loss = required<double>(batch_loss, epoch.n_steps, "batch losses");
    epoch.penalty = vector_of<double>(penalty, epoch.n_steps, "penalties");
  }
  Training(const Training&) = delete;  // its epoch points into it
  Training& operator=(const Training&) = delete;

  void poll_by(PythonPoll& poll) {
    epoch.poll = &PythonPoll::call;
    epoch.poll_context = &poll;
  }
};

// The tuple Outcome.
py::tuple outcome_of(const EpochResult& done, const PythonPoll& poll) {
  return py::make_tuple(done.steps, done.busy_threads, done.converged, done.diverged, poll.raised);
}

// Takes the steps, with the plan's loss or, unless it is None, `own`: see PythonLoss. Returns None
// if another call is training.
template <class T>
py::object train(Plan<T>& plan, const py::object& flat, const py::list& arrays, const Rule& rule,
                 const py::tuple& given, const py::tuple& steps, const py::object& batch_loss,
                 const py::object& progress, const py::tuple& mode, const py::object& own) {
  Training<T> training(plan, flat, arrays, rule, given, steps, batch_loss);
  const Mode<T> how = mode_of(plan, mode);
  PythonPoll poll{progress};
  training.poll_by(poll);
  PythonLoss<T> loss{own, plan.outputs(), &poll.raised};
  const OwnLoss<T> own_loss{&PythonLoss<T>::compute, &loss};
  std::optional<EpochResult> done;
  {
    Unlocked unlocked;
    poll.unlocked = loss.unlocked = &unlocked;
    done = plan.train(training.params, training.moments.data(), rule.optimizer, training.examples,
                      training.epoch, how, own.is_none() ? nullptr : &own_loss);
  }
  if (!done) return py::none();
  return outcome_of(*done, poll);
}

// Takes steps of several networks together. `calls` has a tuple (plan, flat, moments, examples,
// steps, batch losses) for each of them, as train() takes them. Returns the outcome of each; None
// if another call is training one of them.
template <class T>
std::optional<py::list> train_together(Together<T>& together, const py::list& calls,
                                       const Rule& rule, const py::object& progress) {
  std::deque<Training<T>> trainings;
  std::vector<typename Together<T>::Member> members;
  PythonPoll poll{progress};
  for (const py::handle call : calls) {
    const auto [plan, flat, arrays, given, steps, losses] =
        py::cast<std::tuple<Plan<T>*, py::object, py::list, py::tuple, py::tuple, py::object>>(
            call);
    Training<T>& own = trainings.emplace_back(*plan, flat, arrays, rule, given, steps, losses);
    own.poll_by(poll);
    members.push_back({plan, own.params, own.moments, own.examples, own.epoch});
  }
  require(Together<T>::possible(members, rule.optimizer.hyperparameters), "group of networks");
  std::optional<std::vector<EpochResult>> done;
  {
    Unlocked unlocked;
    poll.unlocked = &unlocked;
    done = together.train(members, rule.optimizer);
  }
  if (!done) return std::nullopt;
  py::list outcomes;
  for (const EpochResult& each : *done) outcomes.append(outcome_of(each, poll));
  return outcomes;
}

// The second half of a step: takes it down a gradient (parameters) and, unless it is None, makes
// `moved` the running statistics. Returns (norm, whether the step was taken); None if another call
// is training.
template <class T>
py::object apply_gradient(Plan<T>& plan, const py::object& flat, const py::list& arrays,
                          const Rule& rule, double lr, const py::object& taken,
                          const py::object& gradient, const py::object& running,
                          const py::object& moved, double tolerance) {
  T* params = required<T>(flat, plan.parameters(), "flat");
  const std::vector<T*> moments = moments_of(plan, rule.optimizer, arrays);
  const T* g = required<const T>(gradient, plan.parameters(), "gradient");
  T *to = nullptr, *from = nullptr;
  if (plan.running() > 0 && !moved.is_none()) {
    to = required<T>(running, plan.running(), "running_moments");
    from = required<T>(moved, plan.running(), "running_moments");
  }
  auto* const count = required<std::int64_t>(taken, 1, "count of steps");
  const Given<T> how{g, lr, tolerance};
  std::optional<Applied> done;
  {
    const Unlocked unlocked;
    done = plan.apply_gradient(params, moments.data(), rule.optimizer, how, count, to, from);
  }
  if (!done) return py::none();
  return py::make_tuple(done->norm, done->taken);
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

// Makes the class an instance of `type`, as the stub says, and not of pybind11's own metaclass.
py::metaclass plain_metaclass() { return py::metaclass(reinterpret_cast<PyObject*>(&PyType_Type)); }

template <class T>
void register_plan(py::module_& m, const char* name) {
  py::class_<Stepper<T>>(m, (std::string("Stepper") + name).c_str(), plain_metaclass())
      .def("__call__", &Stepper<T>::operator())
      .def("loss_and_gradient", &Stepper<T>::loss_and_gradient)
      .def("apply_gradient", &Stepper<T>::apply_gradient)
      .def("retire", &Stepper<T>::retire);
  py::class_<Predictor<T>>(m, (std::string("Predictor") + name).c_str(), plain_metaclass())
      .def("forward", &predict<T>)
      .def_property_readonly("nbytes", &Predictor<T>::bytes);
  py::class_<Plan<T>>(m, (std::string("Plan") + name).c_str(), plain_metaclass())
      .def(py::init(&new_plan<T>))
      .def("forward", &forward<T>)
      .def("gradients", &gradients<T>)
      .def("backward", &backward<T>)
      .def("train", &train<T>)
      .def("loss_and_gradient", &loss_and_gradient<T>)
      .def("apply_gradient", &apply_gradient<T>)
      .def("profile", &profile<T>)
      .def("look", &look<T>)
      .def("change", &change<T>)
      .def("fits", &fits<T>)
      .def("predictor", &predictor<T>)
      .def("count_probabilities_from", &Plan<T>::count_probabilities_from)
      .def("stepper", [](const py::object& plan, const py::object& flat, const py::list& moments,
                         const Rule& rule, const py::object& taken, const py::tuple& mode,
                         bool on_classes) {
        return std::make_unique<Stepper<T>>(plan, flat, moments, rule, taken, mode, on_classes);
      });
}

template <class T>
void register_together(py::module_& m, const char* name) {
  py::class_<Together<T>>(m, (std::string("Together") + name).c_str(), plain_metaclass())
      .def(py::init<>())
      .def_static("size",
                  [](const Plan<T>& plan, const Rule& rule, Index rows) {
                    return Together<T>::size(plan, rule.optimizer.hyperparameters, rows);
                  })
      .def("train", &train_together<T>);
}

}  // namespace

void register_network(py::module_& m) {
  py::class_<Rule>(m, "Rule", plain_metaclass())
      .def(py::init<std::string, py::dict, std::vector<double>>());
  register_plan<float>(m, "Float32");
  register_plan<double>(m, "Float64");
  register_together<float>(m, "Float32");
  register_together<double>(m, "Float64");
}

}  // namespace densenet
