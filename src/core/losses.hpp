// Softmax and the softmax cross-entropy, a row (one sample) at a time.
//
// Exponentials are of z - max(z), so none overflows; sums run in double in a fixed order.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/exp.hpp"
#include "core/views.hpp"

namespace densenet {

// What one row should be: a class, or a probability for each class.
template <class T>
struct Target {
  std::int64_t label;
  const T* probabilities;  // null: `label` counts
};

// Targets of many rows: class indices, or one row of probabilities each.
template <class T>
struct Targets {
  const std::int64_t* labels;
  const T* probabilities;  // null: `labels` count
  Index classes;

  Target<T> row(Index i) const {
    if (probabilities != nullptr) return {0, probabilities + i * classes};
    return {labels[i], nullptr};
  }
};

namespace detail {

// Eight interleaved sums, added up in order: the same for every instruction set. What a sum of
// doubles loses to rounding is kept beside it (Knuth's TwoSum); sums of floats lose nothing to
// speak of.
template <class T>
double sum_in_double(const T* values, Index n) {
  double sums[8] = {}, lost[8] = {};
  const auto add = [](double& sum, double& error, double value) {
    const double next = sum + value;
    if constexpr (sizeof(T) == sizeof(double)) {
      const double part = next - sum;
      error += (sum - (next - part)) + (value - part);
    }
    sum = next;
  };
  for (Index i = 0; i < n; ++i) add(sums[i % 8], lost[i % 8], static_cast<double>(values[i]));
  double total = 0, error = 0;
  for (int lane = 0; lane < 8; ++lane) {
    error += lost[lane];
    add(total, error, sums[lane]);
  }
  return total + error;
}

}  // namespace detail

// probabilities = softmax(logits). What the cross-entropy needs besides is returned.
struct SoftmaxSums {
  double largest;    // max_c z_c
  double log_total;  // ln Σ_c e^(z_c - largest)
};

template <class T>
SoftmaxSums softmax_row(const T* logits, T* probabilities, Index classes) {
  T largest = logits[0];
  for (Index c = 1; c < classes; ++c) largest = largest < logits[c] ? logits[c] : largest;
  for_each_vector<T>(classes, [&](Index c, auto lanes) {
    store(probabilities + c, exp(load(logits + c, lanes) - Vec<T>(largest)), lanes);
  });
  const double total = detail::sum_in_double(probabilities, classes);
  const Vec<T> sum(static_cast<T>(total));
  for_each_vector<T>(classes, [&](Index c, auto lanes) {
    store(probabilities + c, load(probabilities + c, lanes) / sum, lanes);
  });
  return {static_cast<double>(largest), std::log(total)};
}

// dx = y ∘ (dy - Σ_c dy_c y_c)
template <class T>
void softmax_backward_row(const T* dy, const T* y, T* dx, Index classes) {
  double dot = 0;
  for (Index c = 0; c < classes; ++c) dot += static_cast<double>(dy[c]) * static_cast<double>(y[c]);
  const Vec<T> mean(static_cast<T>(dot));
  for_each_vector<T>(classes, [&](Index c, auto lanes) {
    store(dx + c, load(y + c, lanes) * (load(dy + c, lanes) - mean), lanes);
  });
}

// Label smoothing ε turns a target T into T' = (1 - ε) T + ε / C.
struct SoftmaxCrossEntropy {
  double label_smoothing = 0;

  // probabilities = softmax(logits); returns -Σ_c T'_c ln softmax(logits)_c.
  template <class T>
  double forward(const T* logits, Target<T> target, T* probabilities, Index classes) const {
    const SoftmaxSums sums = softmax_row(logits, probabilities, classes);
    const auto surprise = [&](Index c) {
      return sums.log_total - (static_cast<double>(logits[c]) - sums.largest);
    };
    double loss = 0;
    if (target.probabilities == nullptr) {
      loss = surprise(target.label);
    } else {
      for (Index c = 0; c < classes; ++c) {
        const double t = static_cast<double>(target.probabilities[c]);
        if (t != 0) loss += t * surprise(c);  // 0 ln 0 is 0
      }
    }
    if (label_smoothing == 0) return loss;
    double uniform = 0;
    for (Index c = 0; c < classes; ++c) uniform += surprise(c);
    return (1 - label_smoothing) * loss + label_smoothing / static_cast<double>(classes) * uniform;
  }

  // dlogits = scale (probabilities - T'); dlogits may be probabilities.
  template <class T>
  void backward(const T* probabilities, Target<T> target, T scale, T* dlogits,
                Index classes) const {
    const T keep = static_cast<T>(1 - label_smoothing);
    const T rest = static_cast<T>(label_smoothing / static_cast<double>(classes));
    if (target.probabilities == nullptr) {
      const T hit = (probabilities[target.label] - (keep + rest)) * scale;
      for_each_vector<T>(classes, [&](Index c, auto lanes) {
        store(dlogits + c, (load(probabilities + c, lanes) - Vec<T>(rest)) * Vec<T>(scale), lanes);
      });
      dlogits[target.label] = hit;
    } else {
      for_each_vector<T>(classes, [&](Index c, auto lanes) {
        const Vec<T> wanted = Vec<T>(keep) * load(target.probabilities + c, lanes) + Vec<T>(rest);
        store(dlogits + c, (load(probabilities + c, lanes) - wanted) * Vec<T>(scale), lanes);
      });
    }
  }
};

}  // namespace densenet
