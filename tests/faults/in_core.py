"""Faults to put into src, by name. The text of each must be found just once in its file."""

from typing import NamedTuple


class Fault(NamedTuple):
    """What to replace in a file, what that breaks, and which tests are asked.

    Each name of a test stands for the one file test_NAME.py in the folders of tests.

    In C++ both texts are whole expressions, or whole statements.
    """

    file: str
    old: str
    new: str
    breaks: str
    tests: str


OPTIMIZERS = "src/core/updates/optimizers.hpp"
LOSSES = "src/core/layers/losses.hpp"
SOFTMAX = "src/core/layers/softmax.hpp"
GATHER = "src/core/memory/gather.hpp"
NORMS = "src/core/layers/normalization.hpp"
PASSES = "src/core/network/passes.cpp"
TRAINING = "src/core/network/training.cpp"

FAULTS = {
    "adam-mean-correction": Fault(
        OPTIMIZERS,
        "lr_ / (1 - std::pow(h.beta1, static_cast<double>(step)))",
        "lr_",
        "Adam does not correct the mean of its first steps",
        "optimizers",
    ),
    "nesterov-sign": Fault(
        OPTIMIZERS,
        "g + Vec<T>(momentum) * v",
        "g - Vec<T>(momentum) * v",
        "Nesterov's momentum looks backwards",
        "optimizers",
    ),
    "rmsprop-eps": Fault(
        OPTIMIZERS,
        "sqrt(v) + Vec<T>(eps)",
        "sqrt(v + Vec<T>(eps))",
        "RMSprop adds ε under the root",
        "optimizers",
    ),
    "adamw-decay-without-rate": Fault(
        OPTIMIZERS,
        "lr_ * h.weight_decay",
        "h.weight_decay",
        "AdamW's decay is not scaled by the learning rate",
        "faults_once_missed",
    ),
    "momentum-l1": Fault(
        OPTIMIZERS,
        "h.l1 * (lr_ * (1 - h.dampening) / (1 - h.momentum))",
        "h.l1 * lr_",
        "With momentum, L1 pulls less than the gradient does in the long run",
        "optimizers",
    ),
    "decay-of-biases": Fault(
        TRAINING,
        "rules.of(a, arrays_[a].is_weight)",
        "rules.of(a, true)",
        "Penalties apply to biases where the update is not fused",
        "faults_once_missed",
    ),
    "decay-of-biases-fused": Fault(
        "src/core/network/weights.hpp",
        "uses.of(unit.array + 1, false)",
        "uses.of(unit.array + 1, true)",
        "Penalties apply to biases where the update is fused",
        "network layers",
    ),
    "clip-norm-scale": Fault(
        TRAINING,
        "clip_norm > 0 && length > clip_norm ? clip_norm / length : 1",
        "clip_norm > 0 && length > clip_norm ? clip_norm : 1",
        "A gradient that is too long is not scaled to the norm asked for",
        "schedules",
    ),
    "shorter-batch-barrier": Fault(
        TRAINING,
        "rows_of(step + 1) != batch.rows",
        "false",
        "No barrier before a shorter last batch, which threads share otherwise",
        "faults_once_missed",
    ),
    "dropout-layers-alike": Fault(
        "src/core/layers/dropout.hpp",
        "key.layer",
        "0u",
        "All dropout layers of a step draw the same",
        "layers",
    ),
    "dropout-scale": Fault(
        "src/core/layers/dropout.hpp",
        "static_cast<T>(1 / (1 - rate))",
        "static_cast<T>(1)",
        "What dropout keeps is not scaled up",
        "layers",
    ),
    "layer-norm-mean": Fault(
        NORMS,
        "rough + rest",
        "rough",
        "Layer normalisation keeps the rounding of its mean",
        "faults_once_missed",
    ),
    "batch-norm-mean": Fault(
        NORMS,
        "first + rest",
        "first",
        "Batch normalisation keeps the rounding of its mean",
        "faults_once_missed",
    ),
    "layer-norm-gradient": Fault(
        NORMS,
        "g - mean - hat * slope",
        "g - hat * slope",
        "Layer normalisation's gradient lacks the mean's part",
        "layers",
    ),
    "batch-norm-unbiased": Fault(
        PASSES,
        "variance[c] * unbiased",
        "variance[c]",
        "The running variance follows the biased one",
        "layers",
    ),
    "residual-gradient": Fault(
        PASSES,
        "load(d(i) + c, lanes) + skipped",
        "load(d(i) + c, lanes)",
        "A residual block's input gets no gradient past the block",
        "layers",
    ),
    "stride-in-place": Fault(
        PASSES,
        "x.row_bytes / static_cast<Index>(sizeof(T))",
        "x.cols",
        "Rows used in place are taken to lie next to each other",
        "faults_once_missed",
    ),
    "zero-ln-zero": Fault(
        LOSSES,
        "if (t != 0) loss += t * surprise(c);",
        "loss += t * surprise(c);",
        "0 · ln 0 at an infinite logit is NaN",
        "faults_once_missed",
    ),
    "cross-entropy-zero": Fault(
        LOSSES,
        "if (t != 0) loss -= t * std::log(static_cast<double>(outputs[c]));",
        "loss -= t * std::log(static_cast<double>(outputs[c]));",
        "0 · ln 0 at a probability of 0 is NaN",
        "faults_once_missed",
    ),
    "smoothing-gradient": Fault(
        LOSSES,
        "(probabilities[target.label] - (keep + rest)) * scale",
        "(probabilities[target.label] - keep) * scale",
        "Label smoothing leaves out the wanted class in the gradient",
        "kernels",
    ),
    "softplus-overflow": Fault(
        LOSSES,
        "std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)))",
        "std::log1p(std::exp(x))",
        "ln(1 + e^x) overflows",
        "faults_once_missed",
    ),
    "odd-stride-in-place": Fault(
        GATHER,
        "x.row_bytes % static_cast<Index>(sizeof(T)) == 0",
        "x.row_bytes != 0",
        "Rows an odd number of bytes apart are used in place",
        "faults_once_missed",
    ),
    "gather-byte-order": Fault(
        GATHER,
        "if (swapped) std::reverse(bytes, bytes + sizeof(From));",
        "static_cast<void>(swapped);",
        "The other byte order is read as this one",
        "network_data",
    ),
    "gather-negative-columns": Fault(
        GATHER,
        "std::is_same_v<From, T> && !x.swapped && x.col_bytes == sizeof(T)",
        "std::is_same_v<From, T> && !x.swapped && std::abs(x.col_bytes) == sizeof(T)",
        "Columns in reverse order are copied as if they were in order",
        "network_data",
    ),
    "own-rows-inside": Fault(
        "src/bindings/plan_arguments.hpp",
        "low < begin + n * static_cast<Index>(sizeof(T)) && begin < high",
        "low == begin",
        "Rows that begin within the network's parameters are not copied before a step",
        "train_step faults_once_missed",
    ),
    "label-out-of-range": Fault(
        "src/bindings/arrays.hpp",
        "most < static_cast<std::uint64_t>(classes)",
        "most <= static_cast<std::uint64_t>(classes)",
        "A label one past the last class is taken",
        "train_step network_arguments",
    ),
    "barrier-of-two": Fault(
        "src/core/threads/parallel.hpp",
        "if (size > 1) meeting->wait(rank, size);",
        "if (size > 2) meeting->wait(rank, size);",
        "Two threads do not wait for each other",
        "same_bits",
    ),
    "exp-range": Fault(
        "src/core/vectors/exp.hpp",
        "Vec<T>(C::kLowest)",
        "Vec<T>(C::kLowest * T(0.75))",
        "Small powers of e are too large",
        "faults_once_missed",
    ),
    "elu-slope": Fault(
        "src/core/layers/activations.hpp",
        "y + Vec<T>(alpha)",
        "y + Vec<T>(T(1))",
        "ELU's gradient does not know α",
        "faults_once_missed",
    ),
    "standby-pause": Fault(
        "src/core/threads/standby.hpp",
        "if (!welcome || start_ - end_ > kThreadsStayAwake) rest();",
        "if (!welcome) rest();",
        "Calls far apart wake threads",
        "pace",
    ),
    "pace-hardly-faster": Fault(
        "src/core/threads/pace.hpp",
        "least_[way] < kClearlyFaster * least_[best]",
        "least_[way] < least_[best]",
        "Steps change to fewer threads for next to nothing",
        "pace",
    ),
    "softmax-overflow": Fault(
        SOFTMAX,
        "load(logits + c, lanes) - Vec<T>(largest)",
        "load(logits + c, lanes)",
        "Large logits overflow",
        "kernels",
    ),
    "labels-out-of-order": Fault(
        PASSES,
        "labels[batch.example(i)]",
        "labels[i]",
        "Rows that are shuffled get the labels of others",
        "network_data training",
    ),
    "dropout-steps-alike": Fault(
        TRAINING,
        "step_mode.step += static_cast<std::uint32_t>(step);",
        "",
        "Dropout draws the same in all steps of an epoch",
        "layers random_networks",
    ),
    "poll-unheard": Fault(
        "src/core/network/poll.hpp",
        "return epoch_.poll(epoch_.poll_context, steps_done);",
        "epoch_.poll(epoch_.poll_context, steps_done); return true;",
        "Training goes on when the poll function says stop",
        "checkpoint",
    ),
    "own-moments": Fault(
        "src/bindings/plan_arguments.hpp",
        "shared(params) || std::any_of(moments.begin(), moments.end(), shared)",
        "shared(params)",
        "Rows that are the optimizer's moments are not copied before a step",
        "train_step faults_once_missed",
    ),
    "running-moments-of-no-step": Fault(
        TRAINING,
        "if (!converged) update_running(pass);",
        "update_running(pass);",
        "A step that the tolerance ends moves the running moments",
        "faults_once_missed",
    ),
    "lopsided-shares": Fault(
        "src/core/threads/parallel.hpp",
        "units * member / size * grain",
        "units * member * member / (size * size) * grain",
        "Threads get shares of the work that are far from equal",
        "threads",
    ),
    "signals-unheard": Fault(
        "src/bindings/poll.hpp",
        "if (PyErr_CheckSignals() != 0) throw py::error_already_set();\n"
        "        if (!self->progress.is_none()) self->progress(steps_done);",
        "if (!self->progress.is_none()) self->progress(steps_done);",
        "Ctrl-C does not end a long call",
        "threads",
    ),
}
