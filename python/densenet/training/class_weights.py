"""Weights of rows by their class."""

from collections.abc import Mapping

import numpy as np

from densenet import _checks
from densenet._engine.contract import Examples
from densenet._typing import Array


def class_weights(
    examples: Examples, class_weight: Mapping[int, float] | str, classes: int
) -> Array:
    """Give each row the weight of its class, times its own.

    For targets that are rows of probabilities T, the weight is ``Σ_c T_c w_c``. Balanced weights of
    n rows in C classes are ``n / (C n_c)``, where n_c rows are of class c.

    Raises
    ------
    TypeError
        If `class_weight` is neither a dict nor "balanced", or a weight in it is no number.
    ValueError
        If a key is no class in [0, classes), or a weight is negative or not finite.
    """
    targets = examples.targets
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = (
            np.bincount(targets, minlength=classes)
            if targets.ndim == 1
            else targets.astype(np.float64).sum(axis=0)
        )
        by_class = np.divide(
            len(targets), classes * counts, where=counts > 0, out=np.zeros(classes)
        )
    elif isinstance(class_weight, Mapping):
        by_class = np.ones(classes)
        for label, weight in class_weight.items():
            if not isinstance(label, int | np.integer) or label not in range(classes):
                raise ValueError(f"class_weight: expected classes in [0, {classes}), got {label!r}")
            by_class[label] = _checks.real("class_weight", weight, ())
        by_class = _checks.weights(by_class, classes, "class_weight")
    else:
        got = (
            repr(class_weight) if isinstance(class_weight, str) else _checks.describe(class_weight)
        )
        raise TypeError(f"class_weight: expected a dict or 'balanced', got {got}")
    weights: Array = by_class[targets] if targets.ndim == 1 else targets @ by_class
    if examples.sample_weight is not None:
        weights = weights * examples.sample_weight
    return _checks.scaled(weights)
