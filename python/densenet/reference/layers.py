"""The linear and the softmax layer: forward and backward pass.

Exponentials are evaluated in float64 and rounded once, and summed in the widest type there is, so
that the specification is right to the last bit or nearly so. NaN and infinity pass through by the
rules of IEEE 754, without a warning.
"""

import numpy as np

from densenet import _checks
from densenet._typing import Array


@np.errstate(all="ignore")
def linear_forward(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """Map each row affinely: ``y = x weightᵀ + bias``.

    Parameters
    ----------
    x : array of shape (batch, inputs)
    weight : array of shape (outputs, inputs)
        In C or Fortran order.
    bias : array of shape (outputs,), optional

    Returns
    -------
    array of shape (batch, outputs)

    Raises
    ------
    TypeError
        If an argument is not an array of float32 or float64, or the element types differ.
    ValueError
        If the shapes do not fit together or an axis is empty.
    """
    x, weight, bias = _checks.linear_forward(x, weight, bias)
    y: Array = x @ weight.T
    return y if bias is None else y + bias


@np.errstate(all="ignore")
def linear_backward(dy: Array, x: Array, weight: Array) -> tuple[Array, Array, Array]:
    """Differentiate ``y = x weightᵀ + bias``.

    ``dx = dy weight``, ``dweight = dyᵀ x``, ``dbias = 1ᵀ dy``: the weights carry each row's ``dy``
    back to its x, and each weight sums ``dy_o x_i`` over the batch.

    Parameters
    ----------
    dy : array of shape (batch, outputs)
    x : array of shape (batch, inputs)
    weight : array of shape (outputs, inputs)
        In C or Fortran order.

    Returns
    -------
    dx : array of shape (batch, inputs)
    dweight : array of shape (outputs, inputs)
    dbias : array of shape (outputs,)

    Raises
    ------
    TypeError, ValueError
        As `linear_forward`.
    """
    dy, x, weight = _checks.linear_backward(dy, x, weight)
    return dy @ weight, dy.T @ x, dy.sum(axis=0)


@np.errstate(all="ignore")
def softmax_forward(x: Array) -> Array:
    """Turn each row into probabilities: ``y_c = e^(x_c - max x) / Σ_k e^(x_k - max x)``.

    Subtracting the largest element changes no probability, and keeps every power at most 1.

    Parameters
    ----------
    x : array of shape (batch, classes)

    Returns
    -------
    array of shape (batch, classes)
        Its rows sum to 1.

    Raises
    ------
    TypeError
        If `x` is not an array of float32 or float64.
    ValueError
        If `x` does not have two axes, or an axis is empty.
    """
    (x,) = _checks.matrix(x)
    powers = np.exp(x - x.max(axis=1, keepdims=True), dtype=np.float64)
    total = powers.sum(axis=1, keepdims=True, dtype=np.longdouble).astype(np.float64)
    y: Array = powers / total
    return y.astype(x.dtype)


@np.errstate(all="ignore")
def softmax_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = softmax(x)``: ``dx = y ∘ (dy - Σ_c dy_c y_c)``.

    Parameters
    ----------
    dy, y : arrays of shape (batch, classes)
        `y` is the output of `softmax_forward`.

    Returns
    -------
    array of shape (batch, classes)

    Raises
    ------
    TypeError, ValueError
        As `softmax_forward`, and if the shapes differ.
    """
    dy, y = _checks.matrix_backward(dy, y)
    mean = np.sum(dy * y, axis=1, keepdims=True, dtype=np.float64).astype(y.dtype)
    dx: Array = y * (dy - mean)
    return dx
