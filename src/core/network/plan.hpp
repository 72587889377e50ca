// The plan of a network: how it computes outputs and gradients, and the training step.
//
// The parameters are the caller's, one flat vector in which a linear unit's weight is stored as
// (inputs, outputs). A plan owns scratch memory alone. A step has two phases:
//   rows      each thread takes its rows of the batch through gather, forward pass, loss and input
//             gradients (passes.cpp; linear.cpp has the products)
//   weights   each thread takes its part of every weight through weight gradient and update
//             (weights.hpp, training.cpp)
// with a barrier after each, except
//   - batch normalisation, which looks across rows and has barriers of its own,
//   - clipping by norm, which makes the update a phase of its own, and
//   - layers whose columns or depth the threads share, and not the rows (sharing.hpp).
//
// One parallel region runs many steps. It ends between two steps, when parameters, optimizer state,
// running statistics and count of steps belong together: then others may read them (access.hpp),
// and Python may run.
//
// plan.cpp holds the calls that take no step, training.cpp those that do. Read workspace.hpp next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "core/layers/losses.hpp"
#include "core/memory/buffer.hpp"
#include "core/memory/views.hpp"
#include "core/network/profile.hpp"
#include "core/network/units.hpp"
#include "core/products/bf16_product.hpp"
#include "core/threads/access.hpp"
#include "core/threads/parallel.hpp"
#include "core/updates/optimizers.hpp"
#include "core/vectors/index.hpp"

namespace densenet {

// What a network learns from, n examples.
struct Examples {
  Source x;                     // (n, inputs)
  const std::int64_t* labels;   // (n) class indices; null: the targets are `rows`
  Source rows;                  // (n, outputs)
  const double* sample_weight;  // (n); null: all 1
  double total_weight = 0;      // what the weighted loss is divided by; 0: the sum of the weights
};

// Means over a batch of which a call has some of the rows. compute() replaces sums (n) over these
// rows by the means over all rows of the batch. False: it could not, and the call has to end.
template <class T>
struct BatchMeans {
  bool (*compute)(void* context, T* sums, Index n);
  void* context;
};

// How layers behave that differ in training, dropout and batch normalisation.
template <class T>
struct Mode {
  bool training;        // drop, and normalise by the batch's own statistics
  std::uint64_t seed;   // of the dropout masks, which also depend on
  std::uint32_t step;   // the optimizer's step, counted from 0, modulo 2³²
  T* running;           // running means and variances of all batch normalisations
  bool update_running;  // let a forward pass move them
  Index first_row = 0;  // where the rows begin in the batch whose dropout they take part in
  const BatchMeans<T>* means =
      nullptr;  // of that batch, for loss_and_gradient(); null: of the call
};

// Part of an epoch: n_steps steps from first_step on, each on the next batch of the given order.
struct Epoch {
  const std::int64_t* order;  // (rows) numbers of the examples; null: 0, 1, 2, ...
  Index batch_size;
  Index first_step, n_steps;
  Index steps_before;   // optimizer steps taken before first_step
  const double* lr;     // (n_steps)
  double* batch_loss;   // (n_steps), written
  double tolerance;     // a gradient shorter than this ends the call; 0: none does
  std::int64_t* taken;  // the count of the optimizer's steps, kept up to date; null: is not
  bool (*poll)(void*, Index steps_done);  // called between steps, every 20 ms at most; false stops
  void* poll_context;
  std::vector<Laps>* laps = nullptr;  // filled, one a thread, if not null
  Index rows = 0;                     // of the epoch; 0: all examples
  const double* l2 = nullptr;         // (n_steps), in place of the optimizer's own; null: that
  const double* eps = nullptr;        // the same
  double* penalty = nullptr;          // (n_steps), written: that of the weights before each step

  // An optimizer's settings at a step.
  Hyperparameters at(Index step, Hyperparameters settings) const {
    if (l2 != nullptr) settings.l2 = l2[step];
    if (eps != nullptr) settings.eps = eps[step];
    return settings;
  }
};

// A loss of the user's own. compute() reads y (rows, outputs) of a step, which counts from the
// call's first one, and writes the loss and its gradient d (rows, outputs) with respect to y.
// False: it could not, and training has to stop.
template <class T>
struct OwnLoss {
  bool (*compute)(void* context, Index step, const T* y, Index rows, double* value, T* d);
  void* context;
};

// What train() has done. A step that converged or diverged is the last of the call and is not
// taken: it changes nothing, and only its loss is written.
struct EpochResult {
  Index steps;         // taken
  Index busy_threads;  // threads that computed at least about half of their share of the gradients
  bool converged;      // the gradient was shorter than the tolerance
  bool diverged;       // the loss was not finite
};

// One array of parameters, whose elements follow each other in the flat vector.
struct Array {
  Index at, size;
  bool is_weight;  // a matrix; neither a bias nor scale and shift of a normalisation
};

// A gradient to take a step by, and what keeps the step from being taken: by default, nothing.
template <class T>
struct Given {
  const T* gradient;  // (parameters)
  double lr;
  double tolerance = 0;      // no step if the gradient, clipped by value, is shorter than this
  bool only_finite = false;  // no step if its norm is not finite
};

// What has become of it.
struct Applied {
  double norm;  // before clipping
  bool taken;
};

// How much of a matrix that the team is writing a thread may read without meeting the others: all
// of it, or the rows or columns that it has written itself.
enum class Readable { All, OwnRows, OwnColumns };

template <class T>
class Together;
template <class T>
class Predictor;

template <class T>
class Plan {
 public:
  Plan(const std::vector<Layer>& layers, Loss loss, Precision precision);
  // For predictions alone: with these units of another plan, and so many parameters.
  Plan(const Plan& other, std::vector<Unit> units, Index parameters);
  ~Plan();

  const std::vector<Unit>& units() const { return units_; }
  Index inputs() const { return units_.front().inputs; }
  Index outputs() const { return units_.back().outputs; }
  Index parameters() const { return parameters_; }
  const std::vector<Array>& arrays() const { return arrays_; }  // of parameters, as they lie
  const Precision& precision() const { return precision_; }
  Index running() const { return running_; }  // elements of the running statistics

  // From now on, losses are reported as if no probability were less; see LossSettings.
  void count_probabilities_from(double least) { loss_.settings.least = least; }

  // Computes the output of the last layer, y (n, outputs), from x (n, inputs).
  void forward(const T* params, const Source& x, T* y, const Mode<T>& mode);

  // Returns the loss and computes its gradients: dparams, laid out as the flat vector, and dx (n,
  // inputs). Either may be null.
  double gradients(const T* params, const Examples& examples, T* dparams, T* dx,
                   const Mode<T>& mode);

  // Computes the same gradients from dy (n, outputs), the gradient with respect to the output.
  void backward(const T* params, const Source& x, const T* dy, T* dparams, T* dx,
                const Mode<T>& mode);

  // Trains in place: params and the optimizer's states, one array as long as params each. mode.step
  // is that of the call's first step. Computes no gradient that only frozen parameters would need.
  // Does nothing and returns nothing while another call trains.
  // With `own`, the examples' targets are not used; others may read while it computes.
  std::optional<EpochResult> train(T* params, T* const* states, const Optimizer& optimizer,
                                   const Examples& examples, const Epoch& epoch,
                                   const Mode<T>& mode, const OwnLoss<T>* own = nullptr);

  // A step in two halves. The first returns the loss, computes its gradient, laid out as the flat
  // vector, and moves the running statistics, unless the loss is not finite, no row weighs, or the
  // mode has `means`. With `means` others may read while these are computed; if computing them has
  // ended the call, what it returned and wrote means nothing.
  // The second clips the gradient, updates, counts the step in `taken`, and copies `moved` into
  // `running`, unless that is null. Both do nothing and return nothing while another call trains.
  std::optional<double> loss_and_gradient(const T* params, const Examples& examples, T* gradient,
                                          const Mode<T>& mode);
  std::optional<Applied> apply_gradient(T* params, T* const* states, const Optimizer& optimizer,
                                        const Given<T>& given, std::int64_t* taken, T* running,
                                        const T* moved);

  // Runs copy() between two steps, while the network does not change.
  template <class Copy>
  void look(const Copy& copy) {
    const Access::Reading reading(access_, copy);
    if (reading.in_place()) copy();
  }

  // Runs change() while no other call reads. Does nothing and returns false while one trains.
  template <class Change>
  bool change(const Change& change) {
    const Access::Training turn(access_);
    if (turn) change();
    return static_cast<bool>(turn);
  }

 private:
  friend class Together<T>;
  friend class Predictor<T>;
  struct Workspace;
  struct Batch;
  struct Pass;

  void forward_all(const T* params, const Source& x, T* y, const Mode<T>& mode,
                   Workspace& work) const;
  bool stays_sparse(const Source& x) const;
  double flop(Index rows, const Source& x) const;
  void reserve(Workspace& work, Index rows, int threads) const;
  void reserve_batch(Workspace& work, const Batch& batch, Index entries) const;

  Matrix<const T> load_batch(const Pass& pass, const Batch& batch) const;
  void cut_weights(const Pass& pass) const;
  void cut_x(const Pass& pass, std::size_t unit, Matrix<const T> x, Readable& readable) const;
  void cut_d(const Pass& pass, std::size_t unit, Readable& readable) const;
  void forward_rows(const Pass& pass, Matrix<const T> x, Readable readable) const;
  void linear_forward(const Pass& pass, std::size_t unit, Matrix<const T> x) const;
  void partial_sums(const Pass& pass, std::size_t unit, Matrix<const T> x) const;
  template <class Put>
  void add_partial_sums(const Pass& pass, std::size_t unit, const Put& put) const;
  void batch_norm_forward(const Pass& pass, std::size_t unit, Matrix<const T> x) const;
  void to_means(const Pass& pass, T* sums, Index n, Range mine, Index kinds) const;
  void update_running(const Pass& pass) const;
  void loss_rows(const Pass& pass, const Batch& batch) const;
  void activation_gradient(const Pass& pass, std::size_t unit, T* d) const;
  void linear_backward(const Pass& pass, std::size_t unit, T* dx) const;
  void batch_norm_backward(const Pass& pass, std::size_t unit, Matrix<const T> x, T* dx) const;
  void input_gradient(const Pass& pass, std::size_t unit, Matrix<const T> x, T* dx,
                      Readable& readable) const;
  void backward_rows(const Pass& pass, Matrix<const T> x, T* dx, std::size_t lowest) const;

  template <class Uses>
  Index weight_gradients(const Pass& pass, Matrix<const T> x, const Factors& factors,
                         const Uses& uses, bool cuts = false) const;
  template <class Rule>
  void update_all(const Updated<T, Rule::kStates>& updated, const StepRules<Rule>& rules,
                  const Factors& factors, const T* gradient, T limit, T scale, Team team) const;
  std::size_t lowest_learning(const Factors& factors) const;
  template <class Body>
  void for_each_learning(const Factors& factors, Range range, const Body& body) const;
  double norm(const T* gradient, T limit, const Factors& factors, double* partial, Team team) const;
  void penalties(const T* params, const Hyperparameters& settings, double* partial,
                 Team team) const;

  bool finite_loss(const Pass& pass) const;
  double batch_loss(const Batch& batch, const Workspace& work) const;
  template <class Body>
  void read(const T* params, const Mode<T>& mode, Workspace& work, const Body& body);
  double gradient_flop(Index rows, const Source& x) const { return 3 * flop(rows, x); }
  template <class Call, class OutputGradient, class Finish>
  void differentiate(const Call& call, const T* params, const Batch& batch, Workspace& work,
                     const Mode<T>& mode, T* dparams, T* dx, const OutputGradient& output_gradient,
                     const Finish& finish) const;
  template <class Rule>
  EpochResult train_by(T* params, T* const* states, const Optimizer& optimizer,
                       const Examples& examples, const Epoch& epoch, const Mode<T>& mode,
                       const OwnLoss<T>* own);

  std::vector<Unit> units_;
  std::vector<Array> arrays_;
  Loss loss_;
  Precision precision_;
  Index parameters_ = 0, running_ = 0;
  Pool<Workspace> workspaces_;
  mutable Access access_;  // readers may come in within a pass
};

}  // namespace densenet
