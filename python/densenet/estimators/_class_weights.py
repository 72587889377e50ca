"""Weights of rows by their classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_sample_weight

from densenet import _checks
from densenet._typing import Array


def by_class(class_weight: Any, y: Array, classes: Array) -> Array:
    """Give each row the weight of its class, (n,).

    Classes that a dict does not name weigh 1. It is matched with all classes: scikit-learn's own
    function looks for those of these rows, of which a batch or a validation set may lack the very
    class that is named, and that of 1.9 takes a text such as "7" for the integer (its issue 34883).

    Raises
    ------
    TypeError
        If a weight is no number.
    ValueError
        If a weight is negative or not finite, a dict names a class that is none of `classes` while
        it does not name all of them, or `class_weight` is neither a dict nor "balanced".
    """
    if isinstance(class_weight, str) or y.ndim == 2:
        weights: Array = compute_sample_weight(class_weight, y)
        return weights
    if not isinstance(class_weight, Mapping):
        got = _checks.describe(class_weight)
        raise ValueError(f"class_weight: expected a dict, 'balanced' or None, got {got}")
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    if unknown and not all(label in class_weight for label in labels):
        raise ValueError(f"class_weight: expected classes among {labels}, got {unknown[0]!r}")
    each = [
        _checks.rate(f"class_weight[{label!r}]", class_weight[label])
        if label in class_weight
        else 1.0
        for label in labels
    ]
    return np.array(each)[np.searchsorted(classes, y)]
