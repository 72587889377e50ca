// The plan of a network, and the one training step that everything else is made of.
//
// Layers become units: a linear layer with the activation that follows it, an activation alone, a
// normalisation, and so on; a residual block becomes the units between an Open and a Close. The
// parameters are the caller's one flat vector; a linear unit's weight is stored there as
// (inputs, outputs).
//
// A step has two phases, with a barrier after each:
//   rows      each thread takes rows of the batch through gather, forward, loss and input gradients
//   weights   each thread takes its part of every weight through weight gradient and update
// One parallel region runs all steps of a call, but for pauses between two steps: parameters,
// moments, running moments and the count of the steps then belong together, and whoever asks may
// look at them (access.hpp tells who asks). Batch normalisation looks across rows, and so meets at
// barriers of its own; clipping by norm puts the update into a phase of its own.
// sharing.hpp tells what the threads share where it is not the rows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/layers/activations.hpp"
#include "core/layers/losses.hpp"
#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/network/profile.hpp"
#include "core/threads/access.hpp"
#include "core/threads/parallel.hpp"
#include "core/updates/optimizers.hpp"

namespace densenet {

// One layer as the specs describe it. Offsets count elements of the flat vector; -1 is none.
struct Layer {
  std::string kind;
  Index inputs, outputs;
  Index weight = -1, bias = -1;  // a normalisation's scale and shift
  Index running = -1;            // place of a batch normalisation's mean and variance
  double parameter = 0;          // an activation's, a dropout's rate, a normalisation's ε
};

struct Unit {
  enum Kind { Linear, Activate, Softmax, Dropout, LayerNorm, BatchNorm, Open, Close };

  Kind kind;
  Index inputs, outputs;
  Index weight = -1, bias = -1, running = -1;
  double parameter = 0;
  Activation activation = {};
  std::size_t place = 0;     // among the units
  std::size_t partner = 0;   // of a Close: its Open, and the other way round
  std::uint32_t number = 0;  // of the layer, for its draws
  bool first = false;        // works on the batch itself
};

// What a network learns from: class indices or a row of values each, and a weight for each row.
struct Examples {
  Source x;
  const std::int64_t* labels;  // null: `rows` count
  Source rows;
  const double* sample_weight;  // null: all 1
};

// Whether layers that behave differently in training do so, and with which draws.
template <class T>
struct Mode {
  bool training;
  std::uint64_t seed;
  std::uint32_t step;  // of the optimizer, counted from 0
  T* running;          // batch normalisations' means and variances
  bool update_running;
};

// Part of an epoch: steps first_step .. first_step + n_steps of mini-batches in the given order.
struct Epoch {
  const std::int64_t* order;  // null: the natural one
  Index batch_size;
  Index first_step, n_steps;
  Index steps_before;   // optimizer steps taken before first_step
  const double* lr;     // one for each step
  double* batch_loss;   // one for each step, written
  double tolerance;     // a step whose gradient is shorter than this ends the call, unless it is 0
  std::int64_t* taken;  // the optimizer's steps, counted as they are taken; null: not counted
  bool (*poll)(void*, Index steps_done);  // between two steps, at most every 20 ms; false stops
  void* poll_context;
  std::vector<Laps>* laps = nullptr;  // filled, one a thread, if it is there
};

// What became of a call. A step that converged or diverged is the call's last one and is not taken:
// it has changed nothing, and only its loss is written.
struct Progress {
  Index steps;         // taken
  Index busy_threads;  // that have computed at least about half of their share of the gradients
  bool converged;      // the gradient was shorter than the tolerance
  bool diverged;       // the loss was not finite
};

// What a thread may read of a matrix: all of it, or what it has written itself.
enum class Held { All, Rows, Columns };

template <class T>
class Plan {
 public:
  Plan(const std::vector<Layer>& layers, Loss loss);
  ~Plan();

  const std::vector<Unit>& units() const { return units_; }
  Index inputs() const { return units_.front().inputs; }
  Index outputs() const { return units_.back().outputs; }
  Index parameters() const { return parameters_; }
  Index running() const { return running_; }

  // Losses that are reported from now on count no probability as less; see LossSettings.
  void count_probabilities_from(double least) { loss_.settings.least = least; }

  // Output of the last layer, (rows, outputs).
  void forward(const T* params, const Source& x, T* y, const Mode<T>& mode);

  // Loss and gradient; either gradient may be null. dparams is laid out as the flat vector.
  double gradients(const T* params, const Examples& examples, T* dparams, T* dx,
                   const Mode<T>& mode);

  // Gradients from the gradient with respect to the output, dy (rows, outputs).
  void backward(const T* params, const Source& x, const T* dy, T* dparams, T* dx,
                const Mode<T>& mode);

  // Trains in place. The mode's step is that of the call's first step. Nothing is done, and nothing
  // returned, where another call trains.
  std::optional<Progress> train(T* params, T* const* states, const Optimizer& optimizer,
                                const Examples& examples, const Epoch& epoch, const Mode<T>& mode);

  // Takes a step down a gradient that is there already: it counts the step, and the running moments
  // become `moved`. False, with nothing done, where another call trains.
  bool update(T* params, T* const* states, const Optimizer& optimizer, double lr,
              std::int64_t* taken, const T* gradient, T* running, const T* moved);

  // Runs copy() between two steps.
  template <class Copy>
  void look(const Copy& copy) {
    const Access::Reading reading(access_, copy);
    if (reading.in_place()) copy();
  }

  // Runs change() while nobody reads. False, with nothing done, where another call trains.
  template <class Change>
  bool change(const Change& change) {
    const Access::Training turn(access_);
    if (turn) change();
    return static_cast<bool>(turn);
  }

 private:
  struct Workspace;
  struct Batch;
  struct Pass;

  void forward_all(const T* params, const Source& x, T* y, const Mode<T>& mode,
                   Workspace& work) const;
  double flop(Index rows) const;
  void reserve(Workspace& work, Index rows, int threads) const;
  void reserve_batch(Workspace& work, const Batch& batch) const;

  Matrix<const T> load_batch(const Pass& pass, const Batch& batch) const;
  void forward_rows(const Pass& pass, Matrix<const T> x, Held held) const;
  void linear_forward(const Pass& pass, std::size_t unit, Matrix<const T> x) const;
  void partial_sums(const Pass& pass, std::size_t unit, Matrix<const T> x) const;
  template <class Put>
  void add_partial_sums(const Pass& pass, std::size_t unit, const Put& put) const;
  void batch_norm_forward(const Pass& pass, std::size_t unit, Matrix<const T> x) const;
  void move_running(const Pass& pass) const;
  void loss_rows(const Pass& pass, const Batch& batch) const;
  void activation_gradient(const Pass& pass, std::size_t unit, T* d) const;
  void linear_backward(const Pass& pass, std::size_t unit, T* dx) const;
  void batch_norm_backward(const Pass& pass, std::size_t unit, Matrix<const T> x, T* dx) const;
  void input_gradient(const Pass& pass, std::size_t unit, Matrix<const T> x, T* dx,
                      Held& held) const;
  void backward_rows(const Pass& pass, Matrix<const T> x, T* dx) const;

  template <class Use>
  Index weight_gradients(const Pass& pass, Matrix<const T> x, const Use& use) const;
  template <class Rule>
  void update_all(const Updated<T, Rule::kStates>& updated, const Rule& rule, const Rule& bias_rule,
                  const T* gradient, T scale, Team team) const;
  double norm(const T* gradient, double* partial, Team team) const;

  bool finite_loss(const Pass& pass) const;
  double batch_loss(const Batch& batch, const Workspace& work) const;
  template <class Body>
  void read(const T* params, const Mode<T>& mode, Workspace& work, const Body& body);
  template <class OutputGradient>
  void differentiate(const T* params, const Batch& batch, Workspace& work, const Mode<T>& mode,
                     T* dparams, T* dx, const OutputGradient& output_gradient);
  template <class Rule>
  Progress train_by(T* params, T* const* states, const Hyperparameters& settings,
                    const Examples& examples, const Epoch& epoch, const Mode<T>& mode);

  std::vector<Unit> units_;
  Loss loss_;
  Index parameters_ = 0, running_ = 0;
  Pool<Workspace> workspaces_;
  Access access_;
};

}  // namespace densenet
