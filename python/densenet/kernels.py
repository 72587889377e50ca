"""The compiled functions: the same names, defaults, results and errors as `densenet.reference`.

Arrays that are contiguous, aligned and in native byte order are read where they are; others are
copied once. The weight of a linear layer may be in C or Fortran order. A function runs on
`densenet.get_num_threads` threads, releases Python's global lock, and gives the same bits on any
number of threads. The twin of the same name in `densenet.reference` documents mathematics, shapes
and errors in full.
"""

from densenet import _core
from densenet._examples import illustrate
from densenet._typing import Array

__all__ = [
    "adam_step",
    "adamw_step",
    "binary_cross_entropy_backward",
    "binary_cross_entropy_forward",
    "cross_entropy_backward",
    "cross_entropy_forward",
    "elu_backward",
    "elu_forward",
    "gelu_backward",
    "gelu_forward",
    "huber_backward",
    "huber_forward",
    "leaky_relu_backward",
    "leaky_relu_forward",
    "linear_backward",
    "linear_forward",
    "logistic_backward",
    "logistic_forward",
    "mean_absolute_error_backward",
    "mean_absolute_error_forward",
    "mean_squared_error_backward",
    "mean_squared_error_forward",
    "mish_backward",
    "mish_forward",
    "relu_backward",
    "relu_forward",
    "rmsprop_step",
    "sgd_step",
    "sigmoid_backward",
    "sigmoid_forward",
    "silu_backward",
    "silu_forward",
    "softmax_backward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softmax_forward",
    "tanh_backward",
    "tanh_forward",
]


def linear_forward(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Map each row affinely: ``y = x weightᵀ + bias``.

    Shapes: x (batch, inputs), weight (outputs, inputs), bias (outputs,); y (batch, outputs).
    """
    return _core.linear_forward(x, weight, bias)


def linear_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Differentiate a linear layer: ``dx = dy weight``, ``dweight = dyᵀ x``, ``dbias = 1ᵀ dy``.

    Shapes: dy (batch, outputs), x (batch, inputs), weight (outputs, inputs).
    """
    return _core.linear_backward(dy, x, weight)


def sigmoid_forward(x: Array) -> Array:
    """Squash each element into (0, 1): ``y = 1 / (1 + e^-x)``."""
    return _core.activation_forward("sigmoid", x, {})


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = sigmoid(x)``: ``dx = dy ∘ y (1 - y)``."""
    return _core.activation_backward("sigmoid", dy, y, {})


def tanh_forward(x: Array) -> Array:
    """Squash each element into (-1, 1): ``y = tanh x``."""
    return _core.activation_forward("tanh", x, {})


def tanh_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = tanh x``: ``dx = dy ∘ (1 - y²)``."""
    return _core.activation_backward("tanh", dy, y, {})


def relu_forward(x: Array) -> Array:
    """Replace each negative element by 0: ``y = max(x, 0)``."""
    return _core.activation_forward("relu", x, {})


def relu_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = max(x, 0)``: ``dx = dy`` where ``y > 0``, otherwise 0."""
    return _core.activation_backward("relu", dy, y, {})


def leaky_relu_forward(x: Array, slope: float = 0.01) -> Array:
    """Scale each negative element: ``y = x`` for x > 0, otherwise ``slope x``."""
    return _core.activation_forward("leaky_relu", x, {"slope": slope})


def leaky_relu_backward(dy: Array, y: Array, slope: float = 0.01) -> Array:
    """Differentiate the leaky ReLU: ``dx = dy`` where ``y > 0``, otherwise ``slope dy``."""
    return _core.activation_backward("leaky_relu", dy, y, {"slope": slope})


def elu_forward(x: Array, alpha: float = 1.0) -> Array:
    """Bend each negative element: ``y = x`` for x > 0, otherwise ``alpha (e^x - 1)``."""
    return _core.activation_forward("elu", x, {"alpha": alpha})


def elu_backward(dy: Array, y: Array, alpha: float = 1.0) -> Array:
    """Differentiate the ELU: ``dx = dy`` where ``y > 0``, otherwise ``dy ∘ (y + alpha)``."""
    return _core.activation_backward("elu", dy, y, {"alpha": alpha})


def gelu_forward(x: Array) -> Array:
    """Multiply each element by its normal distribution function: ``y = x Φ(x)``."""
    return _core.activation_forward("gelu", x, {})


def gelu_backward(dy: Array, x: Array) -> Array:
    """Differentiate ``y = x Φ(x)``: ``dx = dy ∘ (Φ(x) + x φ(x))``."""
    return _core.activation_backward("gelu", dy, x, {})


def silu_forward(x: Array) -> Array:
    """Multiply each element by its sigmoid: ``y = x σ(x)``."""
    return _core.activation_forward("silu", x, {})


def silu_backward(dy: Array, x: Array) -> Array:
    """Differentiate ``y = x σ(x)``: ``dx = dy ∘ σ(x) (1 + x (1 - σ(x)))``."""
    return _core.activation_backward("silu", dy, x, {})


def mish_forward(x: Array) -> Array:
    """Multiply each element by a smooth step: ``y = x tanh(ln(1 + e^x))``."""
    return _core.activation_forward("mish", x, {})


def mish_backward(dy: Array, x: Array) -> Array:
    """Differentiate Mish, with ``g = tanh(ln(1 + e^x))``: ``dx = dy ∘ (g + x (1 - g²) σ(x))``."""
    return _core.activation_backward("mish", dy, x, {})


def softmax_forward(x: Array) -> Array:
    """Turn each row of x (batch, classes) into probabilities."""
    return _core.softmax_forward(x)


def softmax_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = softmax(x)``: ``dx = y ∘ (dy - Σ_c dy_c y_c)``."""
    return _core.softmax_backward(dy, y)


def softmax_cross_entropy_forward(
    logits: Array,
    targets: Array,
    *,
    sample_weight: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Compute the loss ``-(1/B) Σ_i Σ_c T_ic ln softmax(z_i)_c`` and the probabilities.

    Shapes: logits (batch, classes); targets (batch,) of indices or (batch, classes).
    """
    return _core.softmax_cross_entropy_forward(logits, targets, sample_weight, label_smoothing)


def softmax_cross_entropy_backward(
    probabilities: Array,
    targets: Array,
    *,
    sample_weight: Array | None = None,
    label_smoothing: float = 0.0,
) -> Array:
    """Differentiate the softmax cross-entropy: ``dlogits = (softmax(z) - T) / B``."""
    return _core.softmax_cross_entropy_backward(
        probabilities, targets, sample_weight, label_smoothing
    )


def cross_entropy_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Compute the loss ``-(1/B) Σ T ln Y`` of probabilities Y."""
    return _core.loss_forward("cross_entropy", outputs, targets, sample_weight, {})


def cross_entropy_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the cross-entropy: ``-(1/B) T / Y``."""
    return _core.loss_backward("cross_entropy", outputs, targets, sample_weight, {})


def binary_cross_entropy_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Compute the loss ``mean(ln(1 + e^z) - t z)`` of logits z and targets t in [0, 1]."""
    return _core.loss_forward("binary_cross_entropy", outputs, targets, sample_weight, {})


def binary_cross_entropy_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the binary cross-entropy: ``(σ(z) - t) / n``."""
    return _core.loss_backward("binary_cross_entropy", outputs, targets, sample_weight, {})


def logistic_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Compute the loss ``mean ln(1 + e^(-t z))`` of outputs z and targets t of -1 or 1."""
    return _core.loss_forward("logistic", outputs, targets, sample_weight, {})


def logistic_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the logistic loss: ``-t σ(-t z) / n``."""
    return _core.loss_backward("logistic", outputs, targets, sample_weight, {})


def mean_squared_error_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Compute the loss ``mean (y - t)²``."""
    return _core.loss_forward("mean_squared_error", outputs, targets, sample_weight, {})


def mean_squared_error_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the mean squared error: ``2 (y - t) / n``."""
    return _core.loss_backward("mean_squared_error", outputs, targets, sample_weight, {})


def mean_absolute_error_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Compute the loss ``mean |y - t|``."""
    return _core.loss_forward("mean_absolute_error", outputs, targets, sample_weight, {})


def mean_absolute_error_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the mean absolute error: ``sign(y - t) / n``."""
    return _core.loss_backward("mean_absolute_error", outputs, targets, sample_weight, {})


def huber_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None, delta: float = 1.0
) -> float:
    """Compute the mean of ``r²/2`` for ``|r| <= delta``, otherwise ``delta (|r| - delta/2)``."""
    return _core.loss_forward("huber", outputs, targets, sample_weight, {"delta": delta})


def huber_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None, delta: float = 1.0
) -> Array:
    """Differentiate the Huber loss: the error r, cut off at ±delta, over n."""
    return _core.loss_backward("huber", outputs, targets, sample_weight, {"delta": delta})


def sgd_step(
    param: Array,
    grad: Array,
    velocity: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """Step down the gradient, in place: ``v = β v + (1 - d) g``, ``w -= η v``."""
    arrays = {"param": param, "grad": grad}
    if velocity is not None:
        arrays["velocity"] = velocity
    settings = {
        "lr": lr,
        "momentum": momentum,
        "dampening": dampening,
        "nesterov": nesterov,
        "l1": l1,
        "l2": l2,
    }
    _core.update("gradient_descent" if velocity is None else "momentum", arrays, 1, settings)


def rmsprop_step(
    param: Array,
    grad: Array,
    v: Array,
    *,
    lr: float = 1e-3,
    beta: float = 0.9,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """Divide the gradient by its running size, in place: ``w -= η g / (√v + ε)``."""
    settings = {"lr": lr, "beta": beta, "eps": eps, "l1": l1, "l2": l2}
    _core.update("rmsprop", {"param": param, "grad": grad, "v": v}, 1, settings)


def adam_step(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """Step along the gradient's running mean over its size, in place; `step` counts from 1."""
    settings = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "l1": l1, "l2": l2}
    _core.update("adam", {"param": param, "grad": grad, "m": m, "v": v}, step, settings)


def adamw_step(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
    weight_decay: float = 0.01,
) -> None:
    """Shrink the parameter by ``1 - η λ``, then step as `adam_step` does, in place."""
    settings = {
        "lr": lr,
        "beta1": beta1,
        "beta2": beta2,
        "eps": eps,
        "l1": l1,
        "l2": l2,
        "weight_decay": weight_decay,
    }
    _core.update("adamw", {"param": param, "grad": grad, "m": m, "v": v}, step, settings)


illustrate(globals(), __all__, __name__)
