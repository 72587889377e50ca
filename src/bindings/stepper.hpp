// Steps, and halves of steps, for which everything but the batch has been checked once.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bindings/arrays.hpp"
#include "bindings/plan_arguments.hpp"
#include "bindings/unlocked.hpp"
#include "core/memory/buffer.hpp"
#include "core/network/plan.hpp"
#include "core/threads/parallel.hpp"

namespace densenet {

// Rows that a batch of any size may have where dropout draws: they are numbered by 32 bits.
inline constexpr Index kMostRows = Index{1} << 32;

// Takes training steps, or halves of them, for which everything but the batch was checked
// beforehand, so that a call from Python costs little. Returns None, with nothing done, if an
// argument cannot be used as it is: then densenet._checks converts it or says what is wrong.
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
    return alone([&] { return step(x, y); });
  }

  // Writes the gradient of a batch's loss into `out` and returns the loss.
  std::optional<double> loss_and_gradient(py::handle x, py::handle y, py::handle out,
                                          py::handle first_row, py::handle total_weight) {
    return alone([&] { return first_half(x, y, out, first_row, total_weight); });
  }

  // Takes a step by a gradient and returns its norm.
  std::optional<double> apply_gradient(py::handle gradient) {
    return alone([&] { return second_half(gradient); });
  }

  // Does nothing from now on, whoever calls: a thread may have it at hand while another one lets
  // `fit` train, or replaces the moments. False, and it stays in use, if a thread is in here. In a
  // forked child there is none: a call that the parent had open ends in the parent alone.
  bool retire() {
    if (!retired_ && busy_.exchange(true) && forked().load() == made_after_fork_) return false;
    retired_ = true;
    return true;
  }

 private:
  // What `work` returns; None if another thread is in here, or it is retired.
  template <class Work>
  std::optional<double> alone(const Work& work) {
    if (busy_.exchange(true)) return std::nullopt;
    struct End {
      std::atomic<bool>& busy;
      ~End() { busy = false; }
    } const end{busy_};
    return work();
  }

  bool writeable() const {
    return std::all_of(written_.begin(), written_.end(),
                       [](const py::array& each) { return each.writeable(); });
  }

  // A vector as long as the parameters, whose memory no other array has that a step works with;
  // null if the object is another.
  py::array own_vector(py::handle object) const {
    const py::array array = array_of<T>(object);
    const bool fits = array && array.ndim() == 1 && c_contiguous(array) &&
                      array.size() == plan_.parameters() &&
                      !is_trained(object, plan_, params_, moments_) &&
                      !overlaps(array, mode_.running, plan_.running());
    return fits ? array : py::reinterpret_borrow<py::array>(py::handle());
  }

  std::optional<double> first_half(py::handle x, py::handle y, py::handle out, py::handle first_row,
                                   py::handle total_weight) {
    auto examples = usable_batch(plan_, x, y, on_classes_, labels_);
    if (!examples) return std::nullopt;
    py::array to = own_vector(out);
    if (!to || !to.writeable()) return std::nullopt;
    for (const py::handle each : {x, y}) {
      const auto array = py::reinterpret_borrow<py::array>(each);
      if (overlaps(array, static_cast<const T*>(to.data()), to.size())) return std::nullopt;
    }
    Mode<T> mode = mode_;
    mode.step = static_cast<std::uint32_t>(*taken_);
    if (!PyLong_CheckExact(first_row.ptr())) return std::nullopt;
    int overflow = 0;
    mode.first_row = PyLong_AsLongLongAndOverflow(first_row.ptr(), &overflow);
    if (overflow != 0 || mode.first_row < 0 || mode.first_row > kMostRows - examples->x.rows) {
      return std::nullopt;
    }
    if (!total_weight.is_none()) {
      if (PyFloat_CheckExact(total_weight.ptr())) {
        examples->total_weight = PyFloat_AS_DOUBLE(total_weight.ptr());
      } else if (PyLong_CheckExact(total_weight.ptr())) {
        const long long total = PyLong_AsLongLongAndOverflow(total_weight.ptr(), &overflow);
        examples->total_weight = overflow == 0 ? static_cast<double>(total) : 0;
      }
      if (!(examples->total_weight > 0) || std::isinf(examples->total_weight)) return std::nullopt;
    }
    T* const gradient = static_cast<T*>(to.mutable_data());
    const Unlocked unlocked;
    return plan_.loss_and_gradient(params_, *examples, gradient, mode);
  }

  std::optional<double> second_half(py::handle gradient) {
    const py::array from = own_vector(gradient);
    if (!from || !writeable()) return std::nullopt;
    const Given<T> given{static_cast<const T*>(from.data()), rule_.lr, 0, true};
    std::optional<Applied> done;
    {
      const Unlocked unlocked;
      done = plan_.apply_gradient(params_, moments_.data(), rule_.optimizer, given, taken_, nullptr,
                                  nullptr);
    }
    if (!done || !done->taken) return std::nullopt;
    return done->norm;
  }

  std::optional<double> step(py::handle x, py::handle y) {
    if (!writeable()) return std::nullopt;
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
  std::atomic<bool> busy_{false}, retired_{false};  // once retired, busy for ever
  const bool made_after_fork_{forked().load()};
};

}  // namespace densenet
