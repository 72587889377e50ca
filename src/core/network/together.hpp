// Trains several small networks of one shape together, one in each lane of the vector registers.
//
// A network of a few layers of a dozen units leaves most lanes of a register empty, and each of its
// steps is over before its loops have begun. Here an element of every array is a register that
// holds a number of each network: parameters, moments, x, y and d. Every lane does what the network
// would do alone, in the same order, so that its bits are the same, whoever is beside it.
//
// The networks need the same layers, loss, optimizer, counts of rows, batch size and step. Rows,
// targets and order are each network's own. Layers are linear ones and activations; rows have no
// weights, and gradients no norm to be clipped by.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "core/memory/buffer.hpp"
#include "core/memory/gather.hpp"
#include "core/memory/views.hpp"
#include "core/network/plan.hpp"
#include "core/threads/access.hpp"
#include "core/updates/optimizers.hpp"

namespace densenet {

template <class T>
class Together {
 public:
  // One of the networks. Its epoch has the steps that Plan::train() would take by itself.
  struct Member {
    Plan<T>* plan;
    T* params;
    std::vector<T*> states;
    Examples examples;
    Epoch epoch;
    Rows<T> targets{examples.rows};
  };

  // How many networks of this plan to train together with batches of `rows` rows: as many as there
  // are lanes, or 1 where they are faster one by one.
  static Index size(const Plan<T>& plan, const Hyperparameters& settings, Index rows);

  // True if these can be trained together.
  static bool possible(const std::vector<Member>& members, const Hyperparameters& settings);

  // Takes the steps of the members' epochs; result[i] is member i's. If a step's loss is not finite
  // in one of the networks, none takes that step. Does nothing and returns nothing while another
  // call trains one of them. All polls are those of the first member.
  std::optional<std::vector<EpochResult>> train(std::vector<Member>& members,
                                                const Optimizer& optimizer);

 private:
  using Members = std::vector<Member>;

  // Scratch memory of a unit, as in Plan::Workspace.
  struct Layer {
    Buffer<T> y, z, d;
  };

  void reserve(const Members& members, Index states);
  void load_all(const Members& members);
  void save_all(const Members& members, Index steps);
  void load_batch(const Members& members, Range rows);
  void forward(Index rows);
  void loss(const Members& members, Range rows, Index step, std::vector<EpochResult>& results);
  void backward(Index rows);
  template <class Rule>
  void update(Index rows, const StepRules<Rule>& rules, const Factors& factors, T limit);
  template <class Rule>
  void train_by(Members& members, const Optimizer& optimizer, std::vector<EpochResult>& results);

  const T* input(std::size_t unit) const {
    return unit == 0 ? x_.get() : layers_[unit - 1].y.get();
  }

  const Plan<T>* shape_ = nullptr;  // the plan of the first member
  Buffer<T> params_, states_[2], copies_, x_, line_, losses_;
  std::vector<Layer> layers_;  // one for each unit
};

}  // namespace densenet
