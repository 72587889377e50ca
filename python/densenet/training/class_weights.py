"""Weights of rows by their class."""

from collections.abc import Mapping

import numpy as np

from densenet import _checks
from densenet._engine.contract import Examples
from densenet._typing import Array
from densenet.training.ranks import Ranks

_AT_ONCE = 2**17  # products, so that a copy of the targets stays small
_OF_ZEROS = -(2**20)  # in place of the exponent of weights that are all 0


def class_weights(
    examples: Examples,
    class_weight: Mapping[int, float] | str,
    classes: int,
    ranks: Ranks | None = None,
) -> Array:
    """Give each row the weight of its class, times its own.

    For targets that are rows of probabilities T, the weight is ``Σ_c T_c w_c``. Balanced weights of
    n rows in C classes are ``n / (C n_c)``, where n_c rows are of class c; with `ranks`, of
    the rows of all of them, who are to scale the weights alike.

    Raises
    ------
    TypeError
        If `class_weight` is neither a dict nor "balanced", or a weight in it is no number.
    ValueError
        If a key is no class in [0, classes), or a weight is negative or not finite.
    """
    targets, weights = examples.targets, examples.sample_weight
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts: Array = (
            np.bincount(targets, minlength=classes)
            if targets.ndim == 1
            else targets.astype(np.float64).sum(axis=0)
        )
        n = float(len(targets))
        if ranks is not None:
            totals = ranks.gather(np.array([*counts, n])).sum(axis=0)
            counts, n = totals[:-1], totals[-1]
        by_class = np.divide(n, classes * counts, where=counts > 0, out=np.zeros(classes))
    else:
        by_class = factors_of_classes(class_weight, classes, "a dict or 'balanced'")
    weights = weighted(by_class, targets, weights)
    return weights if ranks is not None else _checks.scaled(weights)


def factors_of_classes(class_weight: object, classes: int, words: str) -> Array:
    """Check a dict from class to weight, which errors call `words`; give the weight of each class.

    Classes that are not in it have a weight of 1.
    """
    if not isinstance(class_weight, Mapping):
        got = (
            repr(class_weight) if isinstance(class_weight, str) else _checks.describe(class_weight)
        )
        raise TypeError(f"class_weight: expected {words}, got {got}")
    by_class = np.ones(classes)
    for label, weight in class_weight.items():
        if not isinstance(label, int | np.integer) or label not in range(classes):
            raise ValueError(f"class_weight: expected classes in [0, {classes}), got {label!r}")
        by_class[label] = _checks.real("class_weight", weight, ())
    return _checks.weights(by_class, classes, "class_weight")


def weighted(by_class: Array, targets: Array, weights: Array | None) -> Array:
    """Multiply the weights of rows by those of their classes; rows without weights have 1.

    What a row gets does not depend on the rows beside it, as it may in a product of BLAS.
    """
    if targets.ndim == 1:
        of_rows: Array = by_class[targets]
    else:
        of_rows = np.empty(len(targets))
        rows = 1 + _AT_ONCE // len(by_class)
        for begin in range(0, len(targets), rows):
            part = np.multiply(targets[begin : begin + rows], by_class, order="C")
            of_rows[begin : begin + rows] = part.sum(axis=1)
    return of_rows if weights is None else of_rows * weights


def exponent_of(largest: float) -> int:
    """Give the exponent of the largest of some weights, far below any other if all are 0."""
    return int(np.frexp(largest)[1]) if largest > 0 else _OF_ZEROS
