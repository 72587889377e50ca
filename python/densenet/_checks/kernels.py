"""Checks of the arguments of forward and backward kernels."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from densenet._checks.arrays import floating, not_empty, of_shape, usable
from densenet._checks.numbers import setting, settings
from densenet._checks.targets import class_targets, value_targets, weights
from densenet._typing import Array


def elementwise(x: Any, parameter: Mapping[str, Any]) -> tuple[Array, dict[str, float]]:
    """Check the arguments of an activation's forward pass: x of any shape, and its parameter."""
    floating(x=x)
    not_empty("x", x)
    return usable(x), settings(parameter)


def _elementwise_backward(
    dy: Any, name: str, value: Any, parameter: Mapping[str, Any]
) -> tuple[Array, Array, dict[str, float]]:
    floating(**{"dy": dy, name: value})
    not_empty("dy", dy)
    of_shape(name, value, dy.shape)
    return usable(dy), usable(value), settings(parameter)


def elementwise_backward(
    dy: Any, y: Any, parameter: Mapping[str, Any]
) -> tuple[Array, Array, dict[str, float]]:
    """Check the arguments of a backward pass from the output y; dy and y have one shape."""
    return _elementwise_backward(dy, "y", y, parameter)


def elementwise_backward_from_x(
    dy: Any, x: Any, parameter: Mapping[str, Any]
) -> tuple[Array, Array, dict[str, float]]:
    """Check the arguments of a backward pass from the input x; dy and x have one shape."""
    return _elementwise_backward(dy, "x", x, parameter)


def matrix(x: Any) -> tuple[Array]:
    """Check the argument of a forward pass on rows, such as softmax: x (batch, classes)."""
    floating(x=x)
    of_shape("x", x, ("batch", "classes"))
    return (usable(x),)


def matrix_backward(dy: Any, y: Any) -> tuple[Array, Array]:
    """Check the arguments of its backward pass: dy and y, (batch, classes)."""
    floating(dy=dy, y=y)
    of_shape("dy", dy, ("batch", "classes"))
    of_shape("y", y, dy.shape)
    return usable(dy), usable(y)


def linear_forward(x: Any, weight: Any, bias: Any) -> tuple[Array, Array, Array | None]:
    """Check the arguments of ``linear_forward``."""
    given = {"x": x, "weight": weight}
    floating(**(given if bias is None else given | {"bias": bias}))
    of_shape("x", x, ("batch", "inputs"))
    of_shape("weight", weight, ("outputs", x.shape[1]))
    if bias is not None:
        of_shape("bias", bias, (weight.shape[0],))
        bias = usable(bias)
    return usable(x), usable(weight, either_order=True), bias


def linear_backward(dy: Any, x: Any, weight: Any) -> tuple[Array, Array, Array]:
    """Check the arguments of ``linear_backward``."""
    floating(dy=dy, x=x, weight=weight)
    of_shape("dy", dy, ("batch", "outputs"))
    of_shape("x", x, (dy.shape[0], "inputs"))
    of_shape("weight", weight, (dy.shape[1], x.shape[1]))
    return usable(dy), usable(x), usable(weight, either_order=True)


def _loss_arrays(
    loss: str, name: str, scores: Any, axis: str, targets: Any, sample_weight: Any
) -> tuple[Array, Array, Array | None]:
    """Check what every loss takes: a matrix called ``name``, its targets, sample weights or None.

    The matrix has shape (batch, ``axis``). Targets are classes or values, as ``loss`` needs them.
    """
    given = {name: scores}
    floating(**(given if sample_weight is None else given | {"sample_weight": sample_weight}))
    of_shape(name, scores, ("batch", axis))
    batch, width = scores.shape
    if isinstance(targets, np.ndarray) and targets.dtype.kind == "f" and targets.ndim == 2:
        floating(**given, targets=targets)
    dtype = scores.dtype.newbyteorder("=")
    if loss.endswith("cross_entropy") and not loss.startswith("binary"):
        targets = class_targets(targets, batch, width, dtype)
    else:
        targets = value_targets(targets, loss, batch, width, dtype)
    if targets.ndim == 2:
        targets = usable(targets.astype(dtype, copy=False))
    if sample_weight is not None:
        sample_weight = weights(sample_weight, batch).astype(dtype)
    return usable(scores), targets, sample_weight


def softmax_cross_entropy_forward(
    logits: Any, targets: Any, sample_weight: Any, label_smoothing: Any
) -> tuple[Array, Array, Array | None, float]:
    """Check the arguments of ``softmax_cross_entropy_forward``."""
    loss = "softmax_cross_entropy"
    arrays = _loss_arrays(loss, "logits", logits, "classes", targets, sample_weight)
    return *arrays, setting("label_smoothing", label_smoothing)


def softmax_cross_entropy_backward(
    probabilities: Any, targets: Any, sample_weight: Any, label_smoothing: Any
) -> tuple[Array, Array, Array | None, float]:
    """Check the arguments of ``softmax_cross_entropy_backward``."""
    loss = "softmax_cross_entropy"
    arrays = _loss_arrays(loss, "probabilities", probabilities, "classes", targets, sample_weight)
    return *arrays, setting("label_smoothing", label_smoothing)


def loss(
    name: str, outputs: Any, targets: Any, sample_weight: Any, values: Mapping[str, Any]
) -> tuple[str, Array, Array, Array | None, dict[str, float]]:
    """Check the arguments of a loss of this name, forward or backward."""
    arrays = _loss_arrays(name, "outputs", outputs, "outputs", targets, sample_weight)
    return name, *arrays, settings(values)
