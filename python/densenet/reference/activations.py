"""Activations: functions of each element, and their derivatives.

A derivative is computed from y where y determines it, otherwise from x. At a corner (x = 0) it is
the one from the left. ReLU turns -0 into 0; the other activations with a zero there give -0.
Transcendental functions are evaluated in float64 and rounded once.
"""

import math

import numpy as np

from densenet import _checks
from densenet._typing import Array


@np.errstate(all="ignore")
def sigmoid_forward(x: Array) -> Array:
    """Squash each element into (0, 1): ``y = 1 / (1 + e^-x)``.

    It is computed from ``e^-|x|``, which cannot overflow.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError
        If `x` is not an array of float32 or float64.
    ValueError
        If `x` is empty.
    """
    x, _ = _checks.elementwise(x, {})
    decay = np.exp(-np.abs(x), dtype=np.float64)
    y: Array = np.where(x >= 0, 1, decay) / (1 + decay)
    return np.asarray(y, x.dtype)


@np.errstate(all="ignore")
def sigmoid_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = sigmoid(x)``: ``dx = dy ∘ y (1 - y)``.

    Parameters
    ----------
    dy, y : arrays of one shape
        `y` is the output of `sigmoid_forward`.

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`, and if the shapes differ.
    """
    dy, y, _ = _checks.elementwise_backward(dy, y, {})
    dx: Array = dy * (y * (1 - y))
    return np.asarray(dx)


@np.errstate(all="ignore")
def tanh_forward(x: Array) -> Array:
    """Squash each element into (-1, 1): ``y = tanh x``.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`.
    """
    x, _ = _checks.elementwise(x, {})
    y: Array = np.tanh(x, dtype=np.float64)
    return np.asarray(y, x.dtype)


@np.errstate(all="ignore")
def tanh_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = tanh x``: ``dx = dy ∘ (1 - y²)``.

    Parameters
    ----------
    dy, y : arrays of one shape
        `y` is the output of `tanh_forward`.

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `tanh_forward`, and if the shapes differ.
    """
    dy, y, _ = _checks.elementwise_backward(dy, y, {})
    dx: Array = dy * (1 - y * y)
    return np.asarray(dx)


@np.errstate(all="ignore")
def relu_forward(x: Array) -> Array:
    """Replace each negative element by 0: ``y = max(x, 0)``. -0 becomes 0.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`.
    """
    x, _ = _checks.elementwise(x, {})
    y: Array = np.where(x <= 0, x.dtype.type(0), x)  # NaN stays
    return np.asarray(y)


@np.errstate(all="ignore")
def relu_backward(dy: Array, y: Array) -> Array:
    """Differentiate ``y = max(x, 0)``: ``dx = dy`` where ``y > 0``, otherwise 0.

    Parameters
    ----------
    dy, y : arrays of one shape
        `y` is the output of `relu_forward`.

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `relu_forward`, and if the shapes differ.
    """
    dy, y, _ = _checks.elementwise_backward(dy, y, {})
    dx: Array = dy * np.where(y > 0, y.dtype.type(1), y.dtype.type(0))
    return np.asarray(dx)


@np.errstate(all="ignore")
def leaky_relu_forward(x: Array, slope: float = 0.01) -> Array:
    """Scale each negative element: ``y = x`` for x > 0, otherwise ``slope x``.

    Parameters
    ----------
    x : array of any shape
    slope : float in [0, inf)

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`, and if `slope` is outside its range.
    """
    x, h = _checks.elementwise(x, {"slope": slope})
    slope = h["slope"]
    y: Array = np.where(x > 0, x, slope * x)
    return np.asarray(y)


@np.errstate(all="ignore")
def leaky_relu_backward(dy: Array, y: Array, slope: float = 0.01) -> Array:
    """Differentiate the leaky ReLU: ``dx = dy`` where ``y > 0``, otherwise ``slope dy``.

    Parameters
    ----------
    dy, y : arrays of one shape
        `y` is the output of `leaky_relu_forward`.
    slope : float in [0, inf)

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `leaky_relu_forward`, and if the shapes differ.
    """
    dy, y, h = _checks.elementwise_backward(dy, y, {"slope": slope})
    slope = h["slope"]
    dx: Array = dy * np.where(y > 0, y.dtype.type(1), y.dtype.type(slope))
    return np.asarray(dx)


@np.errstate(all="ignore")
def elu_forward(x: Array, alpha: float = 1.0) -> Array:
    """Bend each negative element: ``y = x`` for x >= 0, otherwise ``alpha (e^x - 1)``.

    Clevert, Unterthiner and Hochreiter 2016.

    Parameters
    ----------
    x : array of any shape
    alpha : float in [0, inf)

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`, and if `alpha` is outside its range.
    """
    x, h = _checks.elementwise(x, {"alpha": alpha})
    alpha = h["alpha"]
    bent = np.expm1(np.minimum(x, 0), dtype=np.float64).astype(x.dtype)
    y: Array = np.where(x < 0, alpha * bent, x)
    return np.asarray(y)


@np.errstate(all="ignore")
def elu_backward(dy: Array, y: Array, alpha: float = 1.0) -> Array:
    """Differentiate the ELU: ``dx = dy`` where ``y > 0``, otherwise ``dy ∘ (y + alpha)``.

    Parameters
    ----------
    dy, y : arrays of one shape
        `y` is the output of `elu_forward`.
    alpha : float in [0, inf)

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `elu_forward`, and if the shapes differ.
    """
    dy, y, h = _checks.elementwise_backward(dy, y, {"alpha": alpha})
    alpha = h["alpha"]
    dx: Array = dy * np.where(y > 0, y.dtype.type(1), y + y.dtype.type(alpha))
    return np.asarray(dx)


_erfc = np.frompyfunc(math.erfc, 1, 1)


def _normal(x: Array) -> Array:
    """Compute the normal distribution function ``Φ(x) = erfc(-x / √2) / 2`` in float64."""
    lower: Array = 0.5 * np.asarray(_erfc(x * -math.sqrt(0.5)), np.float64)
    return lower


@np.errstate(all="ignore")
def gelu_forward(x: Array) -> Array:
    """Multiply each element by its normal distribution function: ``y = x Φ(x)``.

    Hendrycks and Gimpel 2016; Φ itself and not an approximation by tanh. Far left, this function
    magnifies the rounding of ``x / √2``: in float64, to about `x²` units in the last place of y.
    `densenet.kernels.gelu_forward` stays within five.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`.
    """
    x, _ = _checks.elementwise(x, {})
    wide = x.astype(np.float64)
    y: Array = wide * _normal(wide)
    return np.asarray(y, x.dtype)


@np.errstate(all="ignore")
def gelu_backward(dy: Array, x: Array) -> Array:
    """Differentiate ``y = x Φ(x)``: ``dx = dy ∘ (Φ(x) + x φ(x))``.

    Parameters
    ----------
    dy, x : arrays of one shape
        `x` is the input of `gelu_forward`.

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `gelu_forward`, and if the shapes differ.
    """
    dy, x, _ = _checks.elementwise_backward_from_x(dy, x, {})
    wide = x.astype(np.float64)
    density = np.exp(-0.5 * wide * wide) / math.sqrt(2 * math.pi)
    slope = (_normal(wide) + wide * density).astype(x.dtype) + 0  # 0, where it rounds to -0
    dx: Array = dy * slope
    return np.asarray(dx)


@np.errstate(all="ignore")
def silu_forward(x: Array) -> Array:
    """Multiply each element by its sigmoid: ``y = x σ(x)``.

    Elfwing, Uchibe and Doya 2018.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`.
    """
    x, _ = _checks.elementwise(x, {})
    y: Array = x * sigmoid_forward(x)
    return np.asarray(y)


@np.errstate(all="ignore")
def silu_backward(dy: Array, x: Array) -> Array:
    """Differentiate ``y = x σ(x)``: ``dx = dy ∘ σ(x) (1 + x (1 - σ(x)))``.

    Parameters
    ----------
    dy, x : arrays of one shape
        `x` is the input of `silu_forward`.

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `silu_forward`, and if the shapes differ.
    """
    dy, x, _ = _checks.elementwise_backward_from_x(dy, x, {})
    s = sigmoid_forward(x)
    dx: Array = dy * (s * (1 + x * (1 - s)))
    return np.asarray(dx)


def _mish_powers(x: Array) -> tuple[Array, Array]:
    """Give, in float64, ``w = e^x`` and ``p = w + w²/2``: then ``tanh(ln(1 + e^x)) = p / (1 + p)``.

    From x = 40 on that is 1, and e^x need not grow.
    """
    w = np.exp(np.minimum(x, 40), dtype=np.float64)
    return w, w + 0.5 * w * w


@np.errstate(all="ignore")
def mish_forward(x: Array) -> Array:
    """Multiply each element by a smooth step: ``y = x tanh(ln(1 + e^x))``.

    Misra 2019.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array of the shape of `x`

    Raises
    ------
    TypeError, ValueError
        As `sigmoid_forward`.
    """
    x, _ = _checks.elementwise(x, {})
    _, p = _mish_powers(x)
    y: Array = x * (p / (1 + p))
    return np.asarray(y, x.dtype)


@np.errstate(all="ignore")
def mish_backward(dy: Array, x: Array) -> Array:
    """Differentiate Mish, with ``g = tanh(ln(1 + e^x))``: ``dx = dy ∘ (g + x (1 - g²) σ(x))``.

    With w and p as powers of e, ``g = p / (1 + p)`` and ``(1 - g²) σ(x) = w (1 + w) / (1 + p)²``.

    Parameters
    ----------
    dy, x : arrays of one shape
        `x` is the input of `mish_forward`.

    Returns
    -------
    array of that shape

    Raises
    ------
    TypeError, ValueError
        As `mish_forward`, and if the shapes differ.
    """
    dy, x, _ = _checks.elementwise_backward_from_x(dy, x, {})
    w, p = _mish_powers(x)
    slope = p / (1 + p) + np.minimum(x, 40) * (w / (1 + p) * ((1 + w) / (1 + p)))
    dx: Array = dy * slope.astype(x.dtype)
    return np.asarray(dx)
