// The plan of a network, and the one training step that everything else is made of.
//
// Consecutive layers are fused into units: a linear layer with the activation that follows it. The
// parameters are the caller's one flat vector; a unit's weight is stored there as (inputs,
// outputs).
//
// A step has two phases, with a barrier after each:
//   rows      each thread takes rows of the batch through gather, forward, loss and input gradients
//   weights   each thread takes rows of every weight through weight gradient and update
// The weights' phase ends by refreshing the transposed weights that the next rows' phase reads.
// One parallel region runs all steps of a call.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/buffer.hpp"
#include "core/losses.hpp"
#include "core/optimizers.hpp"
#include "core/parallel.hpp"
#include "core/views.hpp"

namespace densenet {

// One layer as the specs describe it. Offsets count elements of the flat vector; -1 is none.
struct Layer {
  std::string kind;  // "linear" or an activation
  Index inputs, outputs;
  Index weight = -1, bias = -1;
};

// A linear layer and the activation after it, or an activation alone (weight < 0).
struct Unit {
  Index inputs, outputs;
  Index weight, bias;
  std::size_t activation;  // number in Activations

  bool linear() const { return weight >= 0; }
};

// What a network learns from: class indices or rows of probabilities, and a weight for each row.
struct Examples {
  Source x;
  const std::int64_t* labels;  // null: `rows` count
  Source rows;
  const double* sample_weight;  // null: all 1
};

// Part of an epoch: steps first_step .. first_step + n_steps of mini-batches in the given order.
struct Epoch {
  const std::int64_t* order;  // null: the natural one
  Index batch_size;
  Index first_step, n_steps;
  Index steps_before;                     // optimizer steps taken before first_step
  const double* lr;                       // one for each step
  double* batch_loss;                     // one for each step, written
  bool (*poll)(void*, Index steps_done);  // thread 0, at most every 20 ms; false stops
  void* poll_context;
};

struct Progress {
  Index steps;         // taken
  Index busy_threads;  // that have computed a part of the weights' gradient
};

template <class T>
class Plan {
 public:
  Plan(const std::vector<Layer>& layers, SoftmaxCrossEntropy loss);
  ~Plan();

  Index inputs() const { return units_.front().inputs; }
  Index outputs() const { return units_.back().outputs; }
  Index parameters() const { return parameters_; }
  const std::vector<Unit>& units() const { return units_; }

  // Output of the last layer, (rows, outputs).
  void forward(const T* params, const Source& x, T* y);

  // Loss and gradient; either gradient may be null. dparams is laid out as the flat vector.
  double gradients(const T* params, const Examples& examples, T* dparams, T* dx);

  // Gradients from the gradient with respect to the output, dy (rows, outputs).
  void backward(const T* params, const Source& x, const T* dy, T* dparams, T* dx);

  // Trains in place.
  Progress train(T* params, T* const* states, const Optimizer& optimizer, const Examples& examples,
                 const Epoch& epoch);

 private:
  struct Workspace;
  struct Batch;

  double flop(Index rows) const;
  void reserve(Workspace& work, Index rows, int threads) const;

  Matrix<const T> load_rows(const Batch& batch, Workspace& work, Range rows) const;
  void forward_rows(const T* params, Matrix<const T> x, Workspace& work, Range rows,
                    T* panel) const;
  void loss_rows(const Batch& batch, Workspace& work, Range rows) const;
  void activation_gradient(std::size_t unit, const Workspace& work, T* d, Range rows) const;
  void input_gradient(std::size_t unit, Workspace& work, Range rows, T* panel, T* dx) const;
  void backward_rows(Workspace& work, Range rows, T* panel, T* dx) const;

  void transpose_weights(const T* params, Workspace& work, Team team, std::size_t first) const;
  template <class Finish>
  Index weight_gradients(Matrix<const T> x, Workspace& work, Team team, T* panel,
                         const Finish& finish) const;

  double batch_loss(const Batch& batch, const Workspace& work) const;
  template <class OutputGradient>
  void differentiate(const T* params, const Batch& batch, Workspace& work, T* dparams, T* dx,
                     const OutputGradient& output_gradient);
  template <class Rule>
  Progress train_by(T* params, T* const* states, const Hyperparameters& settings,
                    const Examples& examples, const Epoch& epoch);

  std::vector<Unit> units_;
  SoftmaxCrossEntropy loss_;
  Index parameters_ = 0;
  Pool<Workspace> workspaces_;
};

extern template class Plan<float>;
extern template class Plan<double>;

}  // namespace densenet
