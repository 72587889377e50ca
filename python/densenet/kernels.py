"""The compiled functions: the same names, defaults, results and errors as `densenet.reference`.

Arguments that are contiguous, aligned and in native byte order are used where they are; others are
converted once. The weight of a linear layer may be in C or Fortran order. The computation runs on
`densenet.get_num_threads` threads, without Python's global lock, and gives the same bits on any
number of them. The mathematics, shapes and errors are written out at each function's twin.
"""

from densenet import _core
from densenet._typing import Array

__all__ = [
    "adam_step",
    "linear_backward",
    "linear_forward",
    "rmsprop_step",
    "sgd_step",
    "sigmoid_backward",
    "sigmoid_forward",
    "softmax_backward",
    "softmax_cross_entropy_backward",
    "softmax_cross_entropy_forward",
    "softmax_forward",
]


def linear_forward(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Map each row affinely: ``y = x weightᵀ + bias``.

    Shapes: x (batch, inputs), weight (outputs, inputs), bias (outputs,); y (batch, outputs).

    See Also
    --------
    densenet.reference.linear_forward : the specification.
    """
    return _core.linear_forward(x, weight, bias)


def linear_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Differentiate a linear layer: ``dx = dy weight``, ``dweight = dyᵀ x``, ``dbias = 1ᵀ dy``.

    Shapes: dy (batch, outputs), x (batch, inputs), weight (outputs, inputs).

    See Also
    --------
    densenet.reference.linear_backward : the specification.
    """
    return _core.linear_backward(dy, x, weight)


def sigmoid_forward(x: Array) -> Array:
    """Squash each element into (0, 1): ``y = 1 / (1 + e^-x)``.

    See Also
    --------
    densenet.reference.sigmoid_forward : the specification.
    """
    return _core.activation_forward("sigmoid", x)


def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = sigmoid(x)``: ``dx = dy ∘ y (1 - y)``.

    See Also
    --------
    densenet.reference.sigmoid_backward : the specification.
    """
    return _core.activation_backward("sigmoid", dy, y)


def softmax_forward(x: Array) -> Array:
    """Turn each row of x (batch, classes) into probabilities.

    See Also
    --------
    densenet.reference.softmax_forward : the specification.
    """
    return _core.softmax_forward(x)


def softmax_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = softmax(x)``: ``dx = y ∘ (dy - Σ_c dy_c y_c)``.

    See Also
    --------
    densenet.reference.softmax_backward : the specification.
    """
    return _core.softmax_backward(dy, y)


def softmax_cross_entropy_forward(
    logits: Array,
    targets: Array,
    *,
    sample_weight: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Loss ``-(1/B) Σ_i Σ_c T_ic ln softmax(z_i)_c`` and the probabilities ``softmax(z)``.

    Shapes: logits (batch, classes); targets (batch,) of indices or (batch, classes).

    See Also
    --------
    densenet.reference.softmax_cross_entropy_forward : the specification.
    """
    return _core.softmax_cross_entropy_forward(logits, targets, sample_weight, label_smoothing)


def softmax_cross_entropy_backward(
    probabilities: Array,
    targets: Array,
    *,
    sample_weight: Array | None = None,
    label_smoothing: float = 0.0,
) -> Array:
    """Differentiate the softmax cross-entropy: ``dlogits = (softmax(z) - T) / B``.

    See Also
    --------
    densenet.reference.softmax_cross_entropy_backward : the specification.
    """
    return _core.softmax_cross_entropy_backward(
        probabilities, targets, sample_weight, label_smoothing
    )


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
    """Step down the gradient, in place: ``v = β v + (1 - d) g``, ``w -= η v``.

    See Also
    --------
    densenet.reference.sgd_step : the specification.
    """
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
    """Divide the gradient by its running size, in place: ``w -= η g / (√v + ε)``.

    See Also
    --------
    densenet.reference.rmsprop_step : the specification.
    """
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
    """Follow the gradient's running mean over its running size, in place; step counts from 1.

    See Also
    --------
    densenet.reference.adam_step : the specification.
    """
    settings = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "l1": l1, "l2": l2}
    _core.update("adam", {"param": param, "grad": grad, "m": m, "v": v}, step, settings)
