"""Losses on classes: the mean over the batch of a value for each row, and its gradient.

With sample weights a loss is ``Σ w_i l_i / Σ w_i``, and 0 where all weights are 0.
"""

import numpy as np

from densenet import _checks
from densenet._typing import Array


def _distributions(targets: Array, classes: int, label_smoothing: float, like: Array) -> Array:
    """Rows ``T' = (1 - ε) T + ε / C`` from class indices or rows T."""
    if targets.ndim == 1:
        targets = np.eye(classes)[targets]
    keep, rest = like.dtype.type(1 - label_smoothing), like.dtype.type(label_smoothing / classes)
    wanted: Array = keep * targets.astype(like.dtype) + rest
    return wanted


def _row_weights(sample_weight: Array | None, batch: int) -> tuple[Array, float]:
    """Each row's weight and their sum, in float64."""
    weights = np.ones(batch) if sample_weight is None else sample_weight.astype(np.float64)
    return weights, float(weights.sum())


@np.errstate(all="ignore")
def softmax_cross_entropy_forward(
    logits: Array,
    targets: Array,
    *,
    sample_weight: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Measure how surprised the softmax of the logits is by the targets.

    ``loss = -(1/B) Σ_i Σ_c T_ic ln softmax(z_i)_c``, where
    ``ln softmax(z)_c = z_c - max z - ln Σ_k e^(z_k - max z)`` is finite for every finite z.

    Parameters
    ----------
    logits : array of shape (batch, classes)
    targets : array of shape (batch,) or (batch, classes)
        Class indices, or rows >= 0 that sum to 1 within the square root of the machine epsilon.
    sample_weight : array of shape (batch,), optional
        Finite and >= 0; the loss is then ``Σ w_i l_i / Σ w_i``.
    label_smoothing : float in [0, 1)
        ε of ``T' = (1 - ε) T + ε / C`` (Szegedy et al. 2016).

    Returns
    -------
    loss : float
    probabilities : array of shape (batch, classes)
        ``softmax(logits)``, which the backward pass wants.

    Raises
    ------
    TypeError
        If the floating arguments are no arrays of one of float32 and float64, or one-dimensional
        targets are not integers.
    ValueError
        If shapes do not fit, a class index is out of range, a row of targets is no distribution,
        a weight is negative or not finite, or `label_smoothing` is outside its range.
    """
    logits, targets, sample_weight, label_smoothing = _checks.softmax_cross_entropy_forward(
        logits, targets, sample_weight, label_smoothing
    )
    classes = logits.shape[1]
    shifted = (logits - logits.max(axis=1, keepdims=True)).astype(np.float64)
    powers = np.exp(shifted)
    total = powers.sum(axis=1, keepdims=True, dtype=np.longdouble).astype(np.float64)
    probabilities = (powers / total).astype(logits.dtype)

    surprise = np.log(total) - shifted
    wanted = _distributions(targets, classes, label_smoothing, logits).astype(np.float64)
    row_loss = np.multiply(wanted, surprise, where=wanted != 0, out=np.zeros_like(wanted)).sum(1)
    return mean_loss(row_loss, sample_weight), probabilities


@np.errstate(all="ignore")
def softmax_cross_entropy_backward(
    probabilities: Array,
    targets: Array,
    *,
    sample_weight: Array | None = None,
    label_smoothing: float = 0.0,
) -> Array:
    """Differentiate the softmax cross-entropy: ``dlogits = (softmax(z) - T) / B``.

    Parameters
    ----------
    probabilities : array of shape (batch, classes)
        From `softmax_cross_entropy_forward`.
    targets, sample_weight, label_smoothing
        As there. With weights, row i is multiplied by ``w_i / Σ w`` and not by ``1 / B``.

    Returns
    -------
    array of shape (batch, classes)

    Raises
    ------
    TypeError, ValueError
        As `softmax_cross_entropy_forward`.
    """
    probabilities, targets, sample_weight, label_smoothing = _checks.softmax_cross_entropy_backward(
        probabilities, targets, sample_weight, label_smoothing
    )
    batch, classes = probabilities.shape
    wanted = _distributions(targets, classes, label_smoothing, probabilities)
    scale = shares(sample_weight, batch).astype(wanted.dtype)
    dlogits: Array = (probabilities - wanted) * scale[:, None]
    return dlogits


def mean_loss(row_loss: Array, sample_weight: Array | None) -> float:
    """Weigh the rows: ``Σ w_i l_i / Σ w_i``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.losses import mean_loss
    >>> mean_loss(np.array([2.0, 6.0]), sample_weight=np.array([3.0, 1.0]))
    3.0
    """
    weights, total = _row_weights(sample_weight, len(row_loss))
    return float(np.dot(weights, row_loss)) / total if total > 0 else 0.0


def shares(sample_weight: Array | None, batch: int) -> Array:
    """Give what each row counts for in the mean: ``w_i / Σ w``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.losses import shares
    >>> shares(np.array([3.0, 1.0]), batch=2)
    array([0.75, 0.25])
    """
    weights, total = _row_weights(sample_weight, batch)
    return weights / total if total > 0 else np.zeros(batch)


@np.errstate(all="ignore")
def cross_entropy_forward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> float:
    """Measure the cross-entropy of probabilities Y: ``-(1/B) Σ T ln Y``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch,) or (batch, classes)
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
        "cross_entropy", outputs, targets, sample_weight, {}
    )
    wanted = _distributions(targets, outputs.shape[1], 0.0, outputs).astype(np.float64)
    surprise = -np.log(outputs, dtype=np.float64)
    row_loss = np.multiply(wanted, surprise, where=wanted != 0, out=np.zeros_like(wanted)).sum(1)
    return mean_loss(row_loss, sample_weight)


@np.errstate(all="ignore")
def cross_entropy_backward(
    outputs: Array, targets: Array, *, sample_weight: Array | None = None
) -> Array:
    """Differentiate the cross-entropy of probabilities: ``-(1/B) T / Y``.

    Parameters
    ----------
    outputs : array of shape (batch, outputs)
    targets : array of shape (batch,) or (batch, classes)
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
        "cross_entropy", outputs, targets, sample_weight, {}
    )
    wanted = _distributions(targets, outputs.shape[1], 0.0, outputs).astype(np.float64)
    ratio = np.divide(wanted, outputs, where=wanted != 0, out=np.zeros_like(wanted))
    return (-shares(sample_weight, len(outputs))[:, None] * ratio).astype(outputs.dtype)
