// Losses, a row (one sample) at a time; the batch's loss is their mean.
//
// A loss gives a row's value, in double, and its gradient times a scale (the row's share of the
// batch). rows() gives both of some rows: it asks for the target and the scale of each, and puts
// its value. To add a loss: write its struct and name it in Losses.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#include "core/memory/views.hpp"
#include "core/vectors/exp.hpp"

namespace densenet {

// What one row should be: a class, or a value (a probability, say) for each output.
template <class T>
struct Target {
  std::int64_t label;
  const T* values;  // null: `label` counts
};

// Targets of many rows: class indices, or a row of values each.
template <class T>
struct Targets {
  const std::int64_t* labels;
  const T* values;  // null: `labels` count
  Index outputs;

  Target<T> row(Index i) const {
    if (values != nullptr) return {0, values + i * outputs};
    return {labels[i], nullptr};
  }
};

namespace detail {

// Eight interleaved sums, added up in order: the same for every instruction set, and for one row or
// some side by side, values[i][row]. What a sum of doubles loses to rounding is kept beside it
// (Knuth's TwoSum); sums of floats lose nothing to speak of.
template <Index Rows, class T>
void sums_in_double(const T (*values)[Rows], Index n, double* totals) {
  double sums[8][Rows] = {}, lost[8][Rows] = {}, error[Rows] = {};
  const auto add = [](double& sum, double& error_, double value) {
    const double next = sum + value;
    if constexpr (sizeof(T) == sizeof(double)) {
      const double part = next - sum;
      error_ += (sum - (next - part)) + (value - part);
    }
    sum = next;
  };
  for (Index i = 0; i < n; ++i) {
    for (Index r = 0; r < Rows; ++r) {
      add(sums[i % 8][r], lost[i % 8][r], static_cast<double>(values[i][r]));
    }
  }
  for (Index r = 0; r < Rows; ++r) totals[r] = 0;
  for (int lane = 0; lane < 8; ++lane) {
    for (Index r = 0; r < Rows; ++r) {
      error[r] += lost[lane][r];
      add(totals[r], error[r], sums[lane][r]);
    }
  }
  for (Index r = 0; r < Rows; ++r) totals[r] += error[r];
}
template <class T>
double sum_in_double(const T* values, Index n) {
  double total;
  sums_in_double(reinterpret_cast<const T(*)[1]>(values), n, &total);
  return total;
}

}  // namespace detail

// Softmax: exponentials are of z - max(z), so that none overflows. What the cross-entropy needs
// besides is returned.
struct SoftmaxSums {
  double largest;  // max_c z_c
  double total;    // Σ_c e^(z_c - largest)
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
  return {static_cast<double>(largest), total};
}

// The same for some rows of few classes, one in each lane. A row of 10 takes some 50 cycles, and
// 130 by itself.
inline constexpr Index kFewClasses = 32;
template <class T>
void softmax_in_lanes(const Matrix<const T>& logits, Range rows, T* probabilities,
                      SoftmaxSums* sums) {
  constexpr Index kRows = kLanes<T>;
  const Index n = logits.cols;
  T values[kFewClasses][kRows] = {};
  const auto of_class = [&](Index c) { return load(values[c], Whole{}); };
  for (Index i = rows.begin; i < rows.end; ++i) {
    for (Index c = 0; c < n; ++c) values[c][i - rows.begin] = logits.row(i)[c];
  }
  Vec<T> most = of_class(0);
  for (Index c = 1; c < n; ++c) most = max(most, of_class(c));
  for (Index c = 0; c < n; ++c) store(values[c], exp(of_class(c) - most), Whole{});
  T largest[kRows], divisors[kRows];
  double totals[kRows];
  store(largest, most, Whole{});
  detail::sums_in_double(values, n, totals);
  std::transform(totals, totals + kRows, divisors, [](double sum) { return static_cast<T>(sum); });
  const Vec<T> sum = load(divisors, Whole{});
  for (Index c = 0; c < n; ++c) store(values[c], of_class(c) / sum, Whole{});
  for (Index i = rows.begin; i < rows.end; ++i) {
    const Index lane = i - rows.begin;
    for (Index c = 0; c < n; ++c) probabilities[i * n + c] = values[c][lane];
    sums[lane] = {static_cast<double>(largest[lane]), totals[lane]};
  }
}

// Calls done(row, sums) after each row. A row's probabilities do not depend on those beside it.
template <class T, class Done>
void softmax_rows(const Matrix<const T>& logits, Range rows, T* probabilities, const Done& done) {
  const Index n = logits.cols, together = n <= kFewClasses ? kLanes<T> : 1;
  for (Range some = rows; some.begin < rows.end; some.begin = some.end) {
    some.end = std::min(some.begin + together, rows.end);
    SoftmaxSums sums[kLanes<T>];
    if (some.size() > 1) {
      softmax_in_lanes(logits, some, probabilities, sums);
    } else {
      sums[0] = softmax_row(logits.row(some.begin), probabilities + some.begin * n, n);
    }
    for (Index i = some.begin; i < some.end; ++i) done(i, sums[i - some.begin]);
  }
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

// What all losses may be told. With `least`, the value of a cross-entropy on logits counts every
// probability as within [least, 1 - least]; its gradient does not.
struct LossSettings {
  double label_smoothing = 0, delta = 1, least = 0;
};

// -ln of a probability, within these bounds; NaN stays what it is.
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

// On logits. Label smoothing ε turns a target T into T' = (1 - ε) T + ε / C.
struct SoftmaxCrossEntropy {
  static constexpr const char* kName = "softmax_cross_entropy";
  double label_smoothing = 0;
  Surprise within;

  explicit SoftmaxCrossEntropy(const LossSettings& settings)
      : label_smoothing(settings.label_smoothing), within(settings.least) {}

  // -Σ_c T'_c ln softmax(logits)_c
  template <class T>
  double value(const T* logits, const SoftmaxSums& sums, Target<T> target, Index classes) const {
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

  // Both at once, of some rows; doutputs holds the probabilities in between.
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

// Both at once, of some rows, for losses that have value() and gradient() of one.
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

// A loss that is the mean of a term for each output: Term has value(y, t) and slope(y, t),
// dvalue/dy, of a register of doubles.
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
    constexpr Index kRun = 32;
    const Vec<double> share(scale / static_cast<double>(n));
    double y[kRun], t[kRun];
    for (Index begin = 0; begin < n; begin += kRun) {
      const Index run = std::min(kRun, n - begin);
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

inline double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

inline Vec<double> logistic(Vec<double> x) {
  const Vec<double> decay = exp(-abs(x)), one(1.0);
  return select(greater(Vec<double>(0.0), x), decay, one) / (one + decay);
}

}  // namespace detail

// On logits z, targets in [0, 1]: ln(1 + e^z) - t z.
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

// Targets ±1: ln(1 + e^(-t z)).
struct LogisticTerm {
  static constexpr const char* kName = "logistic";
  explicit LogisticTerm(const LossSettings&) {}
  double value(double z, double t) const { return detail::softplus(-t * z); }
  Vec<double> slope(Vec<double> z, Vec<double> t) const { return -t * detail::logistic(-t * z); }
};

struct SquaredErrorTerm {
  static constexpr const char* kName = "mean_squared_error";
  explicit SquaredErrorTerm(const LossSettings&) {}
  double value(double y, double t) const { return (y - t) * (y - t); }
  Vec<double> slope(Vec<double> y, Vec<double> t) const { return Vec<double>(2.0) * (y - t); }
};

struct AbsoluteErrorTerm {
  static constexpr const char* kName = "mean_absolute_error";
  explicit AbsoluteErrorTerm(const LossSettings&) {}
  double value(double y, double t) const { return std::abs(y - t); }
  Vec<double> slope(Vec<double> y, Vec<double> t) const {  // 0 at 0, NaN at NaN
    const Vec<double> r = y - t, zero(0.0), one(1.0);
    return select(greater(r, zero), one, select(greater(zero, r), -one, r));
  }
};

// r²/2 for |r| <= δ, then δ (|r| - δ/2). Huber 1964.
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

// One of Losses by its number, with its settings.
struct Loss {
  std::size_t number = 0;
  LossSettings settings;
};

// Calls body(loss).
template <std::size_t I = 0, class Body>
void with_loss(const Loss& loss, const Body& body) {
  if constexpr (I + 1 < kLosses) {
    if (loss.number != I) return with_loss<I + 1>(loss, body);
  }
  body(std::tuple_element_t<I, Losses>(loss.settings));
}

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
