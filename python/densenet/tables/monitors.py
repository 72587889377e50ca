"""The scores of held-out rows that may decide when training stops, and which epoch is kept."""

import math
from collections.abc import Callable

import numpy.typing as npt

from densenet.metrics import (
    accuracy,
    mean_absolute_error,
    mean_squared_error,
    precision_recall_fbeta,
    r2,
)
from densenet.tables.targets import Classes, Target

__all__ = ["MONITORS", "f1", "mae", "metrics_of", "recall", "rmse"]

Score = Callable[[npt.ArrayLike, npt.ArrayLike], float]


def f1(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the mean over classes of their F1.

    Examples
    --------
    >>> from densenet.tables.monitors import f1
    >>> f1([0, 0, 1, 1], [0, 0, 1, 1])
    1.0
    """
    return float(precision_recall_fbeta(y_true, y_pred, 1.0, "macro")[2])


def recall(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the mean over classes of their recall, the balanced accuracy.

    Examples
    --------
    >>> from densenet.tables.monitors import recall
    >>> recall([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    return float(precision_recall_fbeta(y_true, y_pred, 1.0, "macro")[1])


def rmse(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the root of the mean squared error.

    Examples
    --------
    >>> from densenet.tables.monitors import rmse
    >>> rmse([0.0, 0.0], [3.0, 3.0])
    3.0
    """
    return math.sqrt(mean_squared_error(y_true, y_pred))


def mae(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the mean absolute error.

    Examples
    --------
    >>> from densenet.tables.monitors import mae
    >>> mae([0.0, 0.0], [1.0, -2.0])
    1.5
    """
    return mean_absolute_error(y_true, y_pred)


_OF_CLASSES: dict[str, Score] = {"accuracy": accuracy, "recall": recall, "f1": f1}
_OF_VALUES: dict[str, Score] = {"r2": r2, "rmse": rmse, "mae": mae}

MONITORS = ("loss", *_OF_CLASSES, *_OF_VALUES)
"""What may be watched: the loss, scores of classes, scores of values."""


def metrics_of(target: Target, monitor: str) -> tuple[list[Score], str]:
    """Give the scores to record after each epoch, and the name of the record to watch.

    Raises
    ------
    ValueError
        If the monitor is no score of such a target.

    Examples
    --------
    >>> from densenet.tables import Classes
    >>> from densenet.tables.monitors import metrics_of
    >>> scores, watched = metrics_of(Classes("genre", ("Pop", "Rock")), "f1")
    >>> [score.__name__ for score in scores], watched
    (['accuracy', 'f1'], 'val_f1')
    """
    scores, usual = (_OF_CLASSES, accuracy) if isinstance(target, Classes) else (_OF_VALUES, r2)
    if monitor == "loss":
        return [usual], "val_loss"
    if monitor not in scores:
        expected = ", ".join(("loss", *scores))
        kind = "classes" if isinstance(target, Classes) else "values"
        raise ValueError(f"monitor: expected {expected} for a target of {kind}, got {monitor}")
    chosen = scores[monitor]
    return [usual] if chosen is usual else [usual, chosen], f"val_{chosen.__name__}"
