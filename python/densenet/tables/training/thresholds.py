"""The probability from which a rare class is predicted.

The more probable of two classes is the better guess, but where one is rare it is seldom guessed at
all. Its F1, the harmonic mean of precision and recall, is the higher for a lower threshold.
"""

import numpy as np

from densenet import _checks
from densenet._typing import Array

__all__ = ["best_threshold"]


def best_threshold(shares: Array, is_rare: Array) -> float:
    """Find the threshold for which the F1 of a class is highest.

    It lies in the middle between two of the probabilities. Of several that are as good, the
    highest is taken.

    Parameters
    ----------
    shares : array of shape (rows,)
        Probabilities of the class.
    is_rare : array of bool of shape (rows,)
        The rows that are of the class: at least one.

    Returns
    -------
    float
        From 0 to 1: rows are taken for the class if their probability is at least that.

    Raises
    ------
    ValueError
        If no row is of the class, or the arrays differ in length.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.training.thresholds import best_threshold
    >>> shares = np.array([0.05, 0.1, 0.15, 0.25, 0.35])
    >>> round(best_threshold(shares, np.array([False, False, False, True, True])), 3)
    0.2
    """
    shares = np.asarray(shares, np.float64)
    is_rare = np.asarray(is_rare, bool)
    _checks.same_length("is_rare", is_rare, len(shares))
    if not is_rare.any():
        raise ValueError("is_rare: expected rows of the class, got none")
    order = np.argsort(-shares, kind="stable")
    falling = shares[order]
    found = np.cumsum(is_rare[order])  # rows of the class among the first k
    f1 = 2 * found / (np.arange(1, 1 + len(falling)) + is_rare.sum())
    below = np.append(falling[1:], 0.0)
    f1[falling == below] = -1.0  # no threshold lies between equal probabilities
    best = int(np.argmax(f1))
    return float((falling[best] + below[best]) / 2)
