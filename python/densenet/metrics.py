"""Scores of predictions. Those of classes are computed from one confusion matrix of all rows.

Averages over batches would be wrong: the ratio of two means is not the mean of the ratios, and an
F-score of averaged precisions and recalls can lie outside the range of its parts.
"""

from typing import Literal, TypeAlias, overload

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array

__all__ = [
    "accuracy",
    "average_precision",
    "confusion_matrix",
    "mean_absolute_error",
    "mean_squared_error",
    "precision_recall_fbeta",
    "r2",
]

Counts: TypeAlias = npt.NDArray[np.int64]
Scores: TypeAlias = npt.NDArray[np.float64]
Average: TypeAlias = Literal["macro", "micro", "weighted"]

_MOST_CLASSES = 2**29  # an int64 can still count the bytes of their confusion matrix


def _pair(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, kinds: str, wanted: str, second: str = "y_pred"
) -> list[Array]:
    """Check that both are arrays of one shape, not empty, with elements of these dtype kinds.

    `second` is what the caller calls the second one.
    """
    pair = {"y_true": _checks.plain("y_true", y_true), second: _checks.plain(second, y_pred)}
    for name, array in pair.items():
        if array.dtype.kind not in kinds:
            raise TypeError(f"{name}: expected {wanted}, got {array.dtype}")
    true, pred = pair.values()
    if true.ndim == 0 or true.size == 0:
        raise ValueError(f"y_true: expected at least one row, got shape {true.shape}")
    if pred.shape != true.shape:
        raise ValueError(f"{second}: expected shape {true.shape}, got {pred.shape}")
    return [true, pred]


def _classes(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Array, Array]:
    """Check two vectors of integers; their range is checked where the classes are known."""
    true, pred = _pair(y_true, y_pred, "biu", "integer class indices")
    if true.ndim != 1:
        raise ValueError(f"y_true: expected shape (rows,), got {true.shape}")
    return true, pred


def _values(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> tuple[Scores, Scores]:
    """Check two arrays of real numbers; give them in float64, (rows, outputs)."""
    true, pred = (
        array.astype(np.float64).reshape(len(array), -1)
        for array in _pair(y_true, y_pred, "biuf", "real numbers")
    )
    return true, pred


# ---- classes -----------------------------------------------------------------------------------


def accuracy(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the share of rows whose class is predicted correctly.

    Parameters
    ----------
    y_true, y_pred : integer arrays of shape (rows,)
        Class indices.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    TypeError
        If the elements are not integers.
    ValueError
        If the shapes differ or there is no row.

    Examples
    --------
    >>> from densenet.metrics import accuracy
    >>> accuracy([0, 1, 2, 2], [0, 1, 2, 1])
    0.75
    """
    true, pred = _classes(y_true, y_pred)
    return float(np.mean(true == pred))


def confusion_matrix(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, n_classes: int | None = None
) -> Counts:
    """Count for each class how many of its rows were predicted as each class.

    Parameters
    ----------
    y_true, y_pred : integer arrays of shape (rows,)
        Class indices.
    n_classes : int, optional
        By default one more than the largest index.

    Returns
    -------
    int64 array of shape (n_classes, n_classes)
        The element (i, j) counts the rows of class i that were predicted as class j.

    Raises
    ------
    TypeError
        If the elements are not integers.
    ValueError
        If the shapes differ, there is no row, or an index is not in [0, n_classes).

    Examples
    --------
    >>> from densenet.metrics import confusion_matrix
    >>> confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1])
    array([[2, 1],
           [0, 1]])
    """
    true, pred = _classes(y_true, y_pred)
    if n_classes is None:
        n = 1 + max(int(true.max()), int(pred.max()), 0)
    else:
        n = _checks.count("n_classes", n_classes, most=_MOST_CLASSES)
    n = min(n, _MOST_CLASSES)
    for name, array in ("y_true", true), ("y_pred", pred):
        for extreme in array.min(), array.max():
            if not 0 <= extreme < n:
                raise ValueError(f"{name}: expected class indices in [0, {n}), got {extreme}")
    cells = true.astype(np.int64) * n + pred.astype(np.int64)
    return np.bincount(cells, minlength=n * n).reshape(n, n)


@overload
def precision_recall_fbeta(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, beta: float = ..., average: None = ...
) -> tuple[Scores, Scores, Scores]: ...
@overload
def precision_recall_fbeta(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, beta: float = ..., *, average: Average
) -> tuple[float, float, float]: ...
@overload
def precision_recall_fbeta(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, beta: float, average: Average
) -> tuple[float, float, float]: ...
def precision_recall_fbeta(
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    beta: float = 1.0,
    average: Average | None = None,
) -> tuple[Scores, Scores, Scores] | tuple[float, float, float]:
    """Compute precision, recall and their weighted harmonic mean.

    With TP the number of rows that are correctly predicted as a class::

        P = TP / rows predicted as the class
        R = TP / rows of the class
        F = (1 + β²) P R / (β² P + R)

    A ratio with denominator 0 is 0, such as the precision of a class that is never predicted.

    Parameters
    ----------
    y_true, y_pred : integer arrays of shape (rows,)
        Class indices.
    beta : float in [0, inf)
        How many times as much recall counts as precision.
    average : {None, "macro", "micro", "weighted"}
        None gives one score for each class up to the largest index. "macro" is their mean over the
        classes that occur in either array, "weighted" their mean weighted by the rows of each class
        in `y_true`, and "micro" one ratio of the counts of all classes, which is the accuracy.

    Returns
    -------
    precision, recall, fbeta : float64 arrays of shape (n_classes,), or floats
        Floats if `average` is not None.

    Raises
    ------
    TypeError
        If an element of `y_true` or `y_pred` is no integer, or `beta` is no number.
    ValueError
        If the shapes differ, there is no row, an index is negative, `beta` is negative or not
        finite, or `average` is another word.

    References
    ----------
    C. J. van Rijsbergen, "Information Retrieval", 2nd edition, 1979, chapter 7.

    Examples
    --------
    >>> from densenet.metrics import precision_recall_fbeta
    >>> precision, recall, f1 = precision_recall_fbeta([0, 0, 0, 1], [0, 0, 1, 1])
    >>> precision
    array([1. , 0.5])
    >>> recall.round(3)
    array([0.667, 1.   ])
    >>> precision_recall_fbeta([0, 0, 0, 1], [0, 0, 1, 1], average="micro")
    (0.75, 0.75, 0.75)
    """
    beta = _checks.rate("beta", beta)
    _checks.choice("average", average, (None, "macro", "micro", "weighted"))

    matrix = confusion_matrix(y_true, y_pred)
    right, predicted, actual = matrix.diagonal(), matrix.sum(axis=0), matrix.sum(axis=1)
    if average == "micro":
        right, predicted, actual = (
            counts.sum(keepdims=True) for counts in (right, predicted, actual)
        )
    # F as a ratio of counts avoids 0 / 0 where precision and recall are both 0. Both weights are
    # divided by the larger one, for the square of a large beta would be infinite.
    of_actual, of_predicted = (beta**2, 1.0) if beta < 1 else (1.0, (1 / beta) ** 2)
    precision, recall, fbeta = (
        _ratio(right, predicted),
        _ratio(right, actual),
        _ratio((of_actual + of_predicted) * right, of_actual * actual + of_predicted * predicted),
    )
    if average is None:
        return precision, recall, fbeta
    weights = actual if average == "weighted" else predicted + actual > 0
    return (
        float(np.average(precision, weights=weights)),
        float(np.average(recall, weights=weights)),
        float(np.average(fbeta, weights=weights)),
    )


def _ratio(part: Array, whole: Array) -> Scores:
    """Divide element by element, and give 0 where the denominator is 0."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)


# ---- order -------------------------------------------------------------------------------------


def average_precision(y_true: npt.ArrayLike, y_score: npt.ArrayLike) -> float:
    """Compute the precision of one class, averaged over the thresholds that find its rows.

    Rows are taken in the order of their scores, the highest first. With P the precision and R the
    recall of all rows that score as high as the k-th different score or higher::

        AP = Σ_k (R_k - R_(k-1)) P_k

    Rows of equal scores are taken at once, so their order does not matter (as in scikit-learn). It
    is the area below the steps of precision over recall; chance gives the share of the class.

    Parameters
    ----------
    y_true : boolean or integer array of shape (rows,)
        1 or True for rows of the class, 0 for others. Of several classes, ``y == k`` are those
        of class k.
    y_score : array of shape (rows,)
        Probabilities of the class, or anything else that is higher the surer it is, as a logit.

    Returns
    -------
    float
        Between 0 and 1; 0 if no row is of the class.

    Raises
    ------
    TypeError
        If the elements of `y_true` are not integers, or those of `y_score` not real numbers.
    ValueError
        If the shapes differ, there is no row, an element of `y_true` is neither 0 nor 1, or a score
        is NaN.

    References
    ----------
    M. Zhu, "Recall, Precision and Average Precision", University of Waterloo, 2004.

    Examples
    --------
    >>> from densenet.metrics import average_precision
    >>> round(average_precision([1, 0, 1, 0], [0.9, 0.8, 0.3, 0.1]), 4)  # (1/1 + 2/3) / 2
    0.8333
    >>> average_precision([1, 0, 1, 0], [0.5, 0.5, 0.5, 0.5])
    0.5
    """
    true, score = _pair(y_true, y_score, "biuf", "real numbers", second="y_score")
    _classes(true, true)
    for extreme in true.min(), true.max():
        if extreme not in (0, 1):
            raise ValueError(f"y_true: expected 0 or 1 in each row, got {extreme}")
    if np.isnan(score).any():
        raise ValueError("y_score: expected numbers, got NaN")
    order = np.argsort(score, kind="stable")[::-1]
    score = score[order]
    last = np.append(np.flatnonzero(score[1:] != score[:-1]), len(score) - 1)  # of equal scores
    found = np.cumsum(true[order], dtype=np.int64)[last]
    if not found[-1]:
        return 0.0
    return float(np.sum(np.diff(found, prepend=0) / found[-1] * (found / (last + 1))))


# ---- values ------------------------------------------------------------------------------------


def r2(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the coefficient of determination, the share of the variance that is explained.

    ``R² = 1 - Σ (y - t)² / Σ (t - mean t)²`` for each output, then the mean over the outputs. An
    output whose targets are all equal has no variance to explain: it counts 1 if it is predicted
    exactly, else 0 (as in scikit-learn).

    Parameters
    ----------
    y_true, y_pred : arrays of shape (rows,) or (rows, outputs)
        Targets t and predictions y.

    Returns
    -------
    float
        1 for exact predictions, 0 for predicting the mean, negative for worse.

    Raises
    ------
    TypeError
        If the elements are not real numbers.
    ValueError
        If the shapes differ or there is no row.

    Examples
    --------
    >>> from densenet.metrics import r2
    >>> r2([1.0, 2.0, 3.0], [1.0, 2.0, 4.0])
    0.5
    >>> r2([1.0, 2.0, 3.0], [2.0, 2.0, 2.0])
    0.0
    """
    true, pred = _values(y_true, y_pred)
    residual = np.square(pred - true).sum(axis=0)
    total = np.square(true - true.mean(axis=0)).sum(axis=0)
    total[np.ptp(true, axis=0) == 0] = 0  # the mean of equal numbers may round away from them
    explained = 1 - np.divide(residual, total, out=np.ones_like(total), where=total > 0)
    explained[(total == 0) & (residual == 0)] = 1
    return float(explained.mean())


def mean_squared_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute ``(1/n) Σ (y - t)²`` over all n elements.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (rows,) or (rows, outputs)
        Targets t and predictions y.

    Returns
    -------
    float
        In the square of the targets' unit.

    Raises
    ------
    TypeError
        If the elements are not real numbers.
    ValueError
        If the shapes differ or there is no row.

    Examples
    --------
    >>> from densenet.metrics import mean_squared_error
    >>> mean_squared_error([1.0, 2.0], [1.5, 1.0])
    0.625
    """
    true, pred = _values(y_true, y_pred)
    return float(np.mean(np.square(pred - true)))


def mean_absolute_error(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute ``(1/n) Σ |y - t|`` over all n elements.

    Parameters
    ----------
    y_true, y_pred : arrays of shape (rows,) or (rows, outputs)
        Targets t and predictions y.

    Returns
    -------
    float
        In the targets' unit.

    Raises
    ------
    TypeError
        If the elements are not real numbers.
    ValueError
        If the shapes differ or there is no row.

    Examples
    --------
    >>> from densenet.metrics import mean_absolute_error
    >>> mean_absolute_error([1.0, 2.0], [1.5, 1.0])
    0.75
    """
    true, pred = _values(y_true, y_pred)
    return float(np.mean(np.abs(pred - true)))
