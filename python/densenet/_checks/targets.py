"""Checks of targets and sample weights, for losses and networks."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from densenet._checks.arrays import common, describe, of_shape, unmasked, usable
from densenet._checks.frames import plain
from densenet._checks.numbers import positive
from densenet._typing import Array


def class_targets(
    targets: Any, batch: int, classes: int, dtype: np.dtype[Any], name: str = "targets"
) -> Array:
    """Check class indices (batch,), given back as int64, or rows of probabilities."""
    unmasked(name, targets)
    if not isinstance(targets, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array, got {describe(targets)}")
    kind = targets.dtype.kind
    wrong_kind = kind not in "biuf" or (kind == "f" and targets.ndim == 1)
    if wrong_kind or (targets.shape == (batch, 1) and classes > 1):  # a column of class indices
        raise (TypeError if wrong_kind else ValueError)(
            f"{name}: expected integer class indices of shape ({batch},) or rows of "
            f"probabilities of shape ({batch}, {classes}), got {describe(targets)}"
        )
    if targets.ndim == 1:
        of_shape(name, targets, (batch,))
        # argmin and argmax are faster than min and max, which run Python.
        for label in (targets[targets.argmin()], targets[targets.argmax()]):
            if not 0 <= label < classes:
                raise ValueError(f"{name}: expected class indices in [0, {classes}), got {label}")
        return usable(targets.astype(np.int64, copy=False))
    of_shape(name, targets, (batch, classes))
    given = targets.dtype if kind == "f" else dtype
    tolerance = math.sqrt(max(np.finfo(dtype).eps, np.finfo(given).eps))
    rows = 1 + (1 << 20) // classes  # of a part, so that the float64 copy stays small
    for begin in range(0, batch, rows):
        part = np.asarray(targets[begin : begin + rows], np.float64)
        with np.errstate(invalid="ignore"):
            sums = part.sum(axis=1)
        wrong = ~((part >= 0).all(axis=1) & (np.abs(sums - 1) <= tolerance))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"{name}: expected rows >= 0 that sum to 1, got a smallest value of "
                f"{part[row].min():g} and a sum of {sums[row]:.9g} in row {begin + row}"
            )
    if kind == "f" and np.finfo(given).eps > np.finfo(dtype).eps:  # correct for their rounding
        wide = targets.astype(dtype)
        targets = wide / wide.sum(axis=1, keepdims=True)
    return common(targets, dtype)


_ADMITTED: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "binary_cross_entropy": ("numbers in [0, 1]", lambda t: (t >= 0) & (t <= 1)),
    "logistic": ("-1 or 1", lambda t: np.abs(t) == 1),
}


def value_targets(
    targets: Any, loss: str, batch: int, outputs: int, dtype: np.dtype[Any], name: str = "targets"
) -> Array:
    """Check targets that are real numbers; give them as (batch, outputs)."""
    unmasked(name, targets)
    if not isinstance(targets, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array, got {describe(targets)}")
    if targets.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got {describe(targets)}")
    if outputs == 1 and targets.ndim == 1:
        targets = targets[:, None]
    of_shape(name, targets, (batch, outputs))
    if loss in _ADMITTED:
        words, admits = _ADMITTED[loss]
        wrong = ~admits(targets)
        if wrong.any():
            raise ValueError(f"{name}: expected {words}, got {targets[wrong][0]}")
    return common(targets, dtype)


def weights(sample_weight: Any, batch: int, name: str = "sample_weight") -> Array:
    """Check sample weights, (batch,), finite and >= 0; give them `scaled`."""
    array = plain(name, sample_weight)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got {describe(sample_weight)}")
    of_shape(name, array, (batch,))
    wrong = ~((array >= 0) & np.isfinite(array))
    if wrong.any():
        first = array[np.argmax(wrong)]
        raise ValueError(f"{name}: expected finite numbers >= 0, got {first:g}")
    return scaled(usable(array))


def scaled(sample_weight: Array) -> Array:
    """Multiply weights by the power of two that brings the largest into [1/2, 1), in float64.

    Weighted means stay the same, and the sum of the weights cannot overflow. Weights that are then
    below the smallest normal number become 0, as they do where a processor flushes such numbers.
    """
    weights: Array = sample_weight.astype(np.float64)
    weights = np.ldexp(weights, -np.frexp(weights.max())[1])
    weights[weights < np.finfo(np.float64).tiny] = 0
    return weights


def total_weight(name: str, total: Any, sample_weight: Any) -> float:
    """Check what weighted losses are divided by; give it `scaled` as its rows' weights are."""
    number = positive(name, total)
    if sample_weight is None:
        return number
    exponent = math.frexp(float(plain("sample_weight", sample_weight).max()))[1]
    limits = np.finfo(np.float64)
    with np.errstate(over="ignore", under="ignore"):
        return float(np.clip(np.ldexp(number, -exponent), limits.tiny, limits.max))
