// Losses, a row (one sample) at a time; the batch's loss is their mean.
//
// A loss has value(), a row's loss in double; gradient() or backward(), the row's gradient times a
// scale, its share of the batch; and rows(), both of several rows, which calls
//   asked(row)        for the pair (target, scale) of a row, and
//   put(row, value)   with its loss.
// To add a loss: write its struct and name it in Losses.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "core/layers/softmax.hpp"
#include "core/memory/views.hpp"
#include "core/tuning.hpp"
#include "core/vectors/exp.hpp"
#include "core/vectors/simd.hpp"

namespace densenet {

// The target of one row: a class index, or a value (a probability, say) for each output.
template <class T>
struct Target {
  std::int64_t label;
  const T* values;  // null: the target is `label`
};

// Targets of a batch: class indices (batch), or values (batch, outputs).
template <class T>
struct Targets {
  const std::int64_t* labels;
  const T* values;  // null: the targets are `labels`
  Index outputs;

  Target<T> row(Index i) const {
    if (values != nullptr) return {0, values + i * outputs};
    return {labels[i], nullptr};
  }
};

// The settings of all losses; each uses those it has. With `least`, the value of a cross-entropy on
// logits takes every probability as if it were within [least, 1 - least]; its gradient does not.
struct LossSettings {
  double label_smoothing = 0, delta = 1, least = 0;
};

// Limits a value of -ln p to those of p in [least_probability, 1 - least_probability]; keeps NaN.
// With a least_probability of 0 there is no limit.
struct Surprise {
  double least = 0, most = 0;
  bool bounded;

  explicit Surprise(double least_probability) : bounded(least_probability > 0) {
    if (!bounded) return;
    least = -std::log1p(-least_probability);
    most = -std::log(least_probability);
  }
  double operator()(double value) const {
    return bounded ? std::min(std::max(value, least), most) : value;
  }
};

// Softmax and cross-entropy, on logits. Label smoothing ε turns a target T, over C classes, into
// T' = (1 - ε) T + ε / C.
struct SoftmaxCrossEntropy {
  static constexpr const char* kName = "softmax_cross_entropy";
  double label_smoothing = 0;
  Surprise within;

  explicit SoftmaxCrossEntropy(const LossSettings& settings)
      : label_smoothing(settings.label_smoothing), within(settings.least) {}

  // -Σ_c T'_c ln softmax(logits)_c, where logits[c] is one of them
  template <class T, class Logits>
  double value(const Logits& logits, const SoftmaxSums& sums, Target<T> target,
               Index classes) const {
    const double log_total = std::log(sums.total);
    const auto surprise = [&](Index c) {
      return within(log_total - (static_cast<double>(logits[c]) - sums.largest));
    };
    double loss = 0;
    if (target.values == nullptr) {
      loss = surprise(target.label);
    } else {
      for (Index c = 0; c < classes; ++c) {
        const double t = static_cast<double>(target.values[c]);
        if (t != 0) loss += t * surprise(c);  // 0 ln 0 = 0
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
    const T keep = kept<T>(), rest = spread<T>(classes);
    if (target.values == nullptr) {
      const T hit = (probabilities[target.label] - (keep + rest)) * scale;
      for_each_vector<T>(classes, [&](Index c, auto lanes) {
        store(dlogits + c, (load(probabilities + c, lanes) - Vec<T>(rest)) * Vec<T>(scale), lanes);
      });
      dlogits[target.label] = hit;
    } else {
      for_each_vector<T>(classes, [&](Index c, auto lanes) {
        const Vec<T> wanted = Vec<T>(keep) * load(target.values + c, lanes) + Vec<T>(rest);
        store(dlogits + c, (load(probabilities + c, lanes) - wanted) * Vec<T>(scale), lanes);
      });
    }
  }

  // T' of the target's class is keep + rest, that of the others is rest.
  template <class T>
  T kept() const {
    return static_cast<T>(1 - label_smoothing);
  }
  template <class T>
  T spread(Index classes) const {
    return static_cast<T>(label_smoothing / static_cast<double>(classes));
  }

  // value() and backward() of several rows; doutputs holds the probabilities in between.
  template <class T, class Asked, class Put>
  void rows(const T* outputs, Range rows, const Asked& asked, T* doutputs, Index n,
            const Put& put) const {
    const Matrix<const T> logits{outputs, rows.end, n, n};
    softmax_rows(logits, rows, doutputs, [&](Index i, const SoftmaxSums& sums) {
      const auto [target, scale] = asked(i);
      put(i, value(logits.row(i), sums, target, n));
      backward(doutputs + i * n, target, static_cast<T>(scale), doutputs + i * n, n);
    });
  }
};

// rows() for a loss that has value() and gradient() of one row.
template <class Self>
struct RowByRow {
  template <class T, class Asked, class Put>
  void rows(const T* outputs, Range rows, const Asked& asked, T* doutputs, Index n,
            const Put& put) const {
    const Self& loss = static_cast<const Self&>(*this);
    for (Index i = rows.begin; i < rows.end; ++i) {
      const auto [target, scale] = asked(i);
      loss.gradient(outputs + i * n, target, scale, doutputs + i * n, n);
      put(i, loss.value(outputs + i * n, target, n));
    }
  }
};

// On probabilities Y: -Σ_c T_c ln Y_c, with gradient -T / Y.
struct CrossEntropy : RowByRow<CrossEntropy> {
  static constexpr const char* kName = "cross_entropy";

  explicit CrossEntropy(const LossSettings&) {}

  template <class T>
  double value(const T* outputs, Target<T> target, Index n) const {
    double loss = 0;
    for (Index c = 0; c < n; ++c) {
      const double t = share(target, c);
      if (t != 0) loss -= t * std::log(static_cast<double>(outputs[c]));
    }
    return loss;
  }

  template <class T>
  void gradient(const T* outputs, Target<T> target, double scale, T* doutputs, Index n) const {
    for (Index c = 0; c < n; ++c) {
      const double t = share(target, c), y = static_cast<double>(outputs[c]);
      doutputs[c] = t != 0 ? static_cast<T>(-scale * t / y) : T(0);
    }
  }

 private:
  template <class T>
  static double share(Target<T> target, Index c) {
    return target.values != nullptr ? static_cast<double>(target.values[c])
                                    : static_cast<double>(c == target.label);
  }
};

// The mean of a term over a row's outputs y and targets t. Term has value(y, t), of one output, and
// slope(y, t) = dvalue/dy, of a register of them.
template <class Term>
struct MeanOverOutputs : RowByRow<MeanOverOutputs<Term>> {
  static constexpr const char* kName = Term::kName;
  Term term;

  explicit MeanOverOutputs(const LossSettings& settings) : term{settings} {}

  template <class T>
  double value(const T* outputs, Target<T> target, Index n) const {
    double sum = 0;
    for (Index c = 0; c < n; ++c) {
      sum += term.value(static_cast<double>(outputs[c]), static_cast<double>(target.values[c]));
    }
    return sum / static_cast<double>(n);
  }

  template <class T>
  void gradient(const T* outputs, Target<T> target, double scale, T* doutputs, Index n) const {
    const Vec<double> share(scale / static_cast<double>(n));
    double y[kLossRun], t[kLossRun];
    for (Index begin = 0; begin < n; begin += kLossRun) {
      const Index run = std::min(kLossRun, n - begin);
      std::copy_n(outputs + begin, run, y);
      std::copy_n(target.values + begin, run, t);
      for_each_vector<double>(run, [&](Index i, auto lanes) {
        store(y + i, share * term.slope(load(y + i, lanes), load(t + i, lanes)), lanes);
      });
      for (Index i = 0; i < run; ++i) doutputs[begin + i] = static_cast<T>(y[i]);
    }
  }
};

namespace detail {

// ln(1 + e^x), without overflow.
inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

// 1 / (1 + e^-x), without overflow.
inline Vec<double> logistic(Vec<double> x) {
  const Vec<double> decay = exp(-abs(x)), one(1.0);
  return select(greater(Vec<double>(0.0), x), decay, one) / (one + decay);
}

}  // namespace detail

// On logits z, with targets t in [0, 1]: ln(1 + e^z) - t z.
struct BinaryCrossEntropyTerm {
  static constexpr const char* kName = "binary_cross_entropy";
  Surprise within;
  explicit BinaryCrossEntropyTerm(const LossSettings& settings) : within(settings.least) {}
  double value(double z, double t) const {
    if (!within.bounded) return detail::softplus(z) - t * z;
    return t * within(detail::softplus(-z)) + (1 - t) * within(detail::softplus(z));
  }
  Vec<double> slope(Vec<double> z, Vec<double> t) const { return detail::logistic(z) - t; }
};

// On logits z, with targets t of -1 or 1: ln(1 + e^(-t z)).
struct LogisticTerm {
  static constexpr const char* kName = "logistic";
  explicit LogisticTerm(const LossSettings&) {}
  double value(double z, double t) const { return detail::softplus(-t * z); }
  Vec<double> slope(Vec<double> z, Vec<double> t) const { return -t * detail::logistic(-t * z); }
};

// (y - t)²
struct SquaredErrorTerm {
  static constexpr const char* kName = "mean_squared_error";
  explicit SquaredErrorTerm(const LossSettings&) {}
  double value(double y, double t) const { return (y - t) * (y - t); }
  Vec<double> slope(Vec<double> y, Vec<double> t) const { return Vec<double>(2.0) * (y - t); }
};

// |y - t|
struct AbsoluteErrorTerm {
  static constexpr const char* kName = "mean_absolute_error";
  explicit AbsoluteErrorTerm(const LossSettings&) {}
  double value(double y, double t) const { return std::abs(y - t); }
  Vec<double> slope(Vec<double> y, Vec<double> t) const {  // 0 at 0, NaN at NaN
    const Vec<double> r = y - t, zero(0.0), one(1.0);
    return select(greater(r, zero), one, select(greater(zero, r), -one, r));
  }
};

// With r = y - t: r²/2 for |r| <= δ, otherwise δ (|r| - δ/2). Huber 1964.
struct HuberTerm {
  static constexpr const char* kName = "huber";
  double delta;
  explicit HuberTerm(const LossSettings& settings) : delta(settings.delta) {}
  double value(double y, double t) const {
    const double r = y - t, size = std::abs(r);
    return size <= delta ? 0.5 * r * r : delta * (size - 0.5 * delta);
  }
  Vec<double> slope(Vec<double> y, Vec<double> t) const {
    return max(min(y - t, Vec<double>(delta)), Vec<double>(-delta));
  }
};

using Losses =
    std::tuple<SoftmaxCrossEntropy, CrossEntropy, MeanOverOutputs<BinaryCrossEntropyTerm>,
               MeanOverOutputs<LogisticTerm>, MeanOverOutputs<SquaredErrorTerm>,
               MeanOverOutputs<AbsoluteErrorTerm>, MeanOverOutputs<HuberTerm>>;

inline constexpr std::size_t kLosses = std::tuple_size_v<Losses>;

// One of Losses, by its position there, with its settings.
struct Loss {
  std::size_t number = 0;
  LossSettings settings;
};

// Calls body(loss) with an object of the loss's own type.
template <std::size_t I = 0, class Body>
void with_loss(const Loss& loss, const Body& body) {
  if constexpr (I + 1 < kLosses) {
    if (loss.number != I) return with_loss<I + 1>(loss, body);
  }
  body(std::tuple_element_t<I, Losses>(loss.settings));
}

// The loss of this kName. Throws std::invalid_argument if there is none.
inline Loss loss_named(const std::string& name, const LossSettings& settings) {
  Loss found{kLosses, settings};
  for (std::size_t i = 0; i < kLosses; ++i) {
    with_loss(Loss{i, settings}, [&](const auto& loss) {
      if (name == std::decay_t<decltype(loss)>::kName) found.number = i;
    });
  }
  if (found.number == kLosses) throw std::invalid_argument("unknown loss: " + name);
  return found;
}

}  // namespace densenet
