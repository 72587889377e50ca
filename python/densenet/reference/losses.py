"""Losses on classes, and their gradients. A loss is the mean over the rows of the batch.

With sample weights w it is the weighted mean ``Σ w_i l_i / Σ w_i``, and 0 if all weights are 0.
"""

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.losses import CustomLoss, Loss, SoftmaxCrossEntropy


def _distributions(targets: Array, classes: int, label_smoothing: float, like: Array) -> Array:
    """Turn class indices or rows T into smoothed rows ``T' = (1 - ε) T + ε / C``."""
    if targets.ndim == 1:
        targets = np.eye(classes)[targets]
    keep, rest = like.dtype.type(1 - label_smoothing), like.dtype.type(label_smoothing / classes)
    wanted: Array = keep * targets.astype(like.dtype) + rest
    return wanted


def _powers(logits: Array) -> tuple[Array, Array, Array]:
    """Give ``z - max z`` in float64, its exponentials, and their sum for each row.

    The exponentials are those of the difference in the logits' own type, where it may overflow to
    -inf; in float64 no difference of float32 overflows.
    """
    largest = logits.max(axis=1, keepdims=True)
    powers = np.exp((logits - largest).astype(np.float64))
    total = powers.sum(axis=1, keepdims=True, dtype=np.longdouble).astype(np.float64)
    return logits.astype(np.float64) - largest, powers, total


def _row_weights(sample_weight: Array | None, batch: int) -> tuple[Array, float]:
    """Give each row's weight and the sum of the weights, in float64."""
    weights = np.ones(batch) if sample_weight is None else _checks.scaled(sample_weight)
    return weights, float(weights.sum())


@np.errstate(all="ignore")
def softmax_cross_entropy_forward(
    logits: Array,
    targets: Array,
    *,
    sample_weight: Array | None = None,
    label_smoothing: float = 0.0,
) -> tuple[float, Array]:
    """Compute the cross-entropy between the softmax of the logits and the targets.

    ``loss = -(1/B) Σ_i Σ_c T_ic ln softmax(z_i)_c``, with
    ``ln softmax(z)_c = z_c - max z - ln Σ_k e^(z_k - max z)``. In float64, in which it is
    evaluated, that is finite for every finite z of float32.

    Parameters
    ----------
    logits : array of shape (batch, classes)
    targets : array of shape (batch,) or (batch, classes)
        Class indices, or rows >= 0 that sum to 1 within the square root of the machine epsilon.
    sample_weight : array of shape (batch,), optional
        Finite and >= 0; the loss is then ``Σ w_i l_i / Σ w_i``. A weight below 2⁻¹⁰²² times the
        largest counts as 0.
    label_smoothing : float in [0, 1)
        ε of ``T' = (1 - ε) T + ε / C`` (Szegedy et al. 2016).

    Returns
    -------
    loss : float
    probabilities : array of shape (batch, classes)
        ``softmax(logits)``, an argument of the backward pass.

    Raises
    ------
    TypeError
        If the floating arguments are not all arrays of float32 or all of float64, or
        one-dimensional targets are not integers.
    ValueError
        If shapes do not fit, a class index is out of range, a row of targets is negative somewhere
        or does not sum to 1, a weight is negative or not finite, or `label_smoothing` is outside
        its range.
    """
    logits, targets, sample_weight, label_smoothing = _checks.softmax_cross_entropy_forward(
        logits, targets, sample_weight, label_smoothing
    )
    classes = logits.shape[1]
    shifted, powers, total = _powers(logits)
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
        As in the forward pass. With weights, row i is scaled by ``w_i / Σ w`` instead of ``1 / B``.

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


@np.errstate(all="ignore")
def bounded_loss(
    loss: Loss | CustomLoss,
    logits: Array,
    targets: Array,
    sample_weight: Array | None,
    least: float,
) -> float:
    """Compute a cross-entropy on logits with each probability moved into [least, 1 - least].

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import BinaryCrossEntropy
    >>> from densenet.reference.losses import bounded_loss
    >>> logits, targets = np.array([[-1000.0]]), np.array([[1.0]])
    >>> round(bounded_loss(BinaryCrossEntropy(), logits, targets, None, least=0.01), 3)  # -ln 0.01
    4.605
    """
    bounds = -np.log1p(-least), -np.log(least)
    if isinstance(loss, SoftmaxCrossEntropy):
        shifted, _, total = _powers(logits)
        surprise = np.clip(np.log(total) - shifted, *bounds)
        wanted = _distributions(targets, logits.shape[1], loss.label_smoothing, logits)
        row_loss = (wanted * surprise).sum(axis=1)
    else:
        z, t = logits.astype(np.float64), targets.astype(np.float64)
        hit, miss = (np.clip(np.logaddexp(0, side), *bounds) for side in (-z, z))
        row_loss = (t * hit + (1 - t) * miss).mean(axis=1)
    return mean_loss(row_loss, sample_weight)


def mean_loss(row_loss: Array, sample_weight: Array | None) -> float:
    """Take the weighted mean of the rows' losses: ``Σ w_i l_i / Σ w_i``.

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
    """Give each row's share in the mean: ``w_i / Σ w``.

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
    """Compute the cross-entropy of probabilities Y: ``-(1/B) Σ T ln Y``.

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
        As `softmax_cross_entropy_forward`.
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
        As `softmax_cross_entropy_forward`.
    """
    _, outputs, targets, sample_weight, _ = _checks.loss(
        "cross_entropy", outputs, targets, sample_weight, {}
    )
    wanted = _distributions(targets, outputs.shape[1], 0.0, outputs).astype(np.float64)
    ratio = np.divide(wanted, outputs, where=wanted != 0, out=np.zeros_like(wanted))
    return (-shares(sample_weight, len(outputs))[:, None] * ratio).astype(outputs.dtype)
