"""Losses on values, and their gradients: a term for each output, its mean over outputs and rows.

Terms and their derivatives are evaluated in float64. Sample weights weigh the mean over the rows,
as in `densenet.reference.losses`.
"""

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.reference.activations import sigmoid_forward
from densenet.reference.losses import mean_loss, shares


@np.errstate(all="ignore")
def binary_cross_entropy_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Compute the binary cross-entropy of logits z: ``mean(ln(1 + e^z) - t z)``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit, or a target lies outside [0, 1].
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "binary_cross_entropy", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    terms = np.logaddexp(0, y) - t * y
    return mean_loss(terms.mean(axis=1), sample_weight)


@np.errstate(all="ignore")
def binary_cross_entropy_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the binary cross-entropy: ``(σ(z) - t) / n``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    array of shape (batch, outputs)

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit, or a target lies outside [0, 1].
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "binary_cross_entropy", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    slopes = sigmoid_forward(y) - t
    doutputs: Array = slopes / t.shape[1] * shares(sample_weight, len(t))[:, None]
    return doutputs.astype(outputs.dtype)


@np.errstate(all="ignore")
def logistic_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Compute the logistic loss of outputs z: ``mean ln(1 + e^(-t z))``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit, or a target is neither -1 nor 1.
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "logistic", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    terms = np.logaddexp(0, -t * y)
    return mean_loss(terms.mean(axis=1), sample_weight)


@np.errstate(all="ignore")
def logistic_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the logistic loss: ``-t σ(-t z) / n``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    array of shape (batch, outputs)

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit, or a target is neither -1 nor 1.
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "logistic", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    slopes = -t * sigmoid_forward(-t * y)
    doutputs: Array = slopes / t.shape[1] * shares(sample_weight, len(t))[:, None]
    return doutputs.astype(outputs.dtype)


@np.errstate(all="ignore")
def mean_squared_error_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Measure ``mean (y - t)²``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit.
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "mean_squared_error", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    terms = (y - t) ** 2
    return mean_loss(terms.mean(axis=1), sample_weight)


@np.errstate(all="ignore")
def mean_squared_error_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the mean squared error: ``2 (y - t) / n``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    array of shape (batch, outputs)

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit.
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "mean_squared_error", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    slopes = 2 * (y - t)
    doutputs: Array = slopes / t.shape[1] * shares(sample_weight, len(t))[:, None]
    return doutputs.astype(outputs.dtype)


@np.errstate(all="ignore")
def mean_absolute_error_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Measure ``mean |y - t|``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit.
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "mean_absolute_error", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    terms = np.abs(y - t)
    return mean_loss(terms.mean(axis=1), sample_weight)


@np.errstate(all="ignore")
def mean_absolute_error_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the mean absolute error: ``sign(y - t) / n``, 0 at 0.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional

    Returns
    -------
    array of shape (batch, outputs)

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit.
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "mean_absolute_error", outputs, targets, sample_weight, {}
    )
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    slopes = np.sign(y - t)
    doutputs: Array = slopes / t.shape[1] * shares(sample_weight, len(t))[:, None]
    return doutputs.astype(outputs.dtype)


@np.errstate(all="ignore")
def huber_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None, delta: float = 1.0
) -> float:
    """Measure ``r²/2`` of the error r up to delta, then ``delta (|r| - delta/2)``; the mean.

    Huber 1964.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional
    delta : float in (0, inf)

    Returns
    -------
    float

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit.
    """
    _, outputs, targets, sample_weight, h = _checks.loss(
        "huber", outputs, targets, sample_weight, {"delta": delta}
    )
    delta = h["delta"]
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    r = np.abs(y - t)
    terms = np.where(r <= delta, 0.5 * r * r, delta * (r - 0.5 * delta))
    return mean_loss(terms.mean(axis=1), sample_weight)


@np.errstate(all="ignore")
def huber_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None, delta: float = 1.0
) -> Array:
    """Differentiate the Huber loss: the error cut off at ±delta, divided by n.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch, outputs)
    sample_weight : array of shape (batch,), optional
    delta : float in (0, inf)

    Returns
    -------
    array of shape (batch, outputs)

    Raises
    ------
    TypeError, ValueError
        If types or shapes do not fit.
    """
    _, outputs, targets, sample_weight, h = _checks.loss(
        "huber", outputs, targets, sample_weight, {"delta": delta}
    )
    delta = h["delta"]
    y, t = outputs.astype(np.float64), targets.astype(np.float64)
    slopes = np.clip(y - t, -delta, delta)
    doutputs: Array = slopes / t.shape[1] * shares(sample_weight, len(t))[:, None]
    return doutputs.astype(outputs.dtype)
