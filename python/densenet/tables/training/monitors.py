"""The scores of held-out rows that may decide when training stops, and which epoch is kept."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy.typing as npt

from densenet.metrics import (
    accuracy,
    mean_absolute_error,
    mean_squared_error,
    precision_recall_fbeta,
    r2,
)
from densenet.tables.encoding.targets import Classes, Target
from densenet.training import EarlyStopping

__all__ = [
    "HELD_OUT",
    "MONITORS",
    "LatestAsGood",
    "f1",
    "mae",
    "metrics_of",
    "recall",
    "rmse",
    "rule_of",
]

HELD_OUT = 500
"""Rows to hold out, by which an epoch can be told from another."""

Score = Callable[[npt.ArrayLike, npt.ArrayLike], float]


def f1(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the mean over classes of their F1.

    Examples
    --------
    >>> from densenet.tables.training.monitors import f1
    >>> f1([0, 0, 1, 1], [0, 0, 1, 1])
    1.0
    """
    return float(precision_recall_fbeta(y_true, y_pred, 1.0, "macro")[2])


def recall(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the mean over classes of their recall, the balanced accuracy.

    Examples
    --------
    >>> from densenet.tables.training.monitors import recall
    >>> recall([0, 0, 0, 1], [0, 0, 0, 0])
    0.5
    """
    return float(precision_recall_fbeta(y_true, y_pred, 1.0, "macro")[1])


def rmse(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the root of the mean squared error.

    Examples
    --------
    >>> from densenet.tables.training.monitors import rmse
    >>> rmse([0.0, 0.0], [3.0, 3.0])
    3.0
    """
    return math.sqrt(mean_squared_error(y_true, y_pred))


def mae(y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> float:
    """Compute the mean absolute error.

    Examples
    --------
    >>> from densenet.tables.training.monitors import mae
    >>> mae([0.0, 0.0], [1.0, -2.0])
    1.5
    """
    return mean_absolute_error(y_true, y_pred)


_OF_CLASSES: dict[str, Score] = {"accuracy": accuracy, "recall": recall, "f1": f1}
_OF_VALUES: dict[str, Score] = {"r2": r2, "rmse": rmse, "mae": mae}

_LESS_IS_BETTER = ("loss", "rmse", "mae")

MONITORS = ("loss", *_OF_CLASSES, *_OF_VALUES)
"""What may be watched: the loss, scores of classes, scores of values."""


@dataclass(frozen=True)
class LatestAsGood(EarlyStopping):
    """Keep the latest epoch that is as good as the best one, by the share of right rows.

    An epoch is as good if its share is at most half a standard error below p, the best one. Of n
    rows the standard error is ``sqrt(p (1 - p) / n)``. Which of these epochs is the best one is
    luck, and in later ones the learning rate is smaller.

    Parameters
    ----------
    rows : int
        How many rows are held out.

    Examples
    --------
    >>> from densenet.tables.training.monitors import LatestAsGood
    >>> rule = LatestAsGood("val_accuracy", rows=900)
    >>> rule.keeps(0.894, best=0.9), rule.improves(0.896, best=0.9)
    (False, False)
    """

    rows: int = 1

    def keeps(self, score: float, best: float) -> bool:
        """Tell whether an epoch is kept in place of the one kept so far.

        Examples
        --------
        >>> from densenet.tables.training.monitors import LatestAsGood
        >>> LatestAsGood("val_accuracy", rows=900).keeps(0.896, best=0.9)
        True
        """
        if not math.isfinite(best):
            return self.improves(score, best)
        return score >= best - math.sqrt(best * (1 - best) / self.rows) / 2


def rule_of(
    target: Target, monitor: str | None = None, weighted: bool = False, held: int = 0
) -> EarlyStopping:
    """Give the rule by which an epoch is better than another, and which of them is kept.

    Parameters
    ----------
    target : Classes or Values
    monitor : str, optional
        One of `MONITORS`. By default it is the accuracy of classes, the loss of values.
    weighted : bool
        True if classes have weights, as they then have in the loss, which is watched by default.
    held : int
        How many rows a single network holds out. From `HELD_OUT` on, accuracies are watched by
        `LatestAsGood`: fewer rows would count too much as equal. Of networks that are averaged each
        holds out other rows, so their luck evens out; 0 stands for these.

    Raises
    ------
    ValueError
        If the monitor is no score of such a target.

    Examples
    --------
    >>> from densenet.tables import Classes
    >>> from densenet.tables.training.monitors import rule_of
    >>> rule_of(Classes("genre", ("Pop", "Rock")), "f1").monitor
    'val_f1'
    """
    is_classes = isinstance(target, Classes)
    scores = _OF_CLASSES if is_classes else _OF_VALUES
    if monitor is None:
        monitor = "accuracy" if is_classes and not weighted else "loss"
    elif monitor != "loss" and monitor not in scores:
        expected, kind = ", ".join(("loss", *scores)), "classes" if is_classes else "values"
        raise ValueError(f"monitor: expected {expected} for a target of {kind}, got {monitor}")
    if monitor == "accuracy" and held >= HELD_OUT:
        return LatestAsGood("val_accuracy", rows=held)
    return EarlyStopping(f"val_{monitor}", "min" if monitor in _LESS_IS_BETTER else "max")


def metrics_of(target: Target, rule: EarlyStopping) -> list[Score]:
    """Give the scores to record after each epoch: the usual one, and what the rule monitors.

    Parameters
    ----------
    target : Classes or Values
    rule : EarlyStopping
        What `rule_of` gives.

    Examples
    --------
    >>> from densenet.tables import Classes
    >>> from densenet.tables.training.monitors import metrics_of, rule_of
    >>> genre = Classes("genre", ("Pop", "Rock"))
    >>> [score.__name__ for score in metrics_of(genre, rule_of(genre, "f1"))]
    ['accuracy', 'f1']
    """
    scores = _OF_CLASSES if isinstance(target, Classes) else _OF_VALUES
    names = dict.fromkeys([next(iter(scores)), rule.monitor.removeprefix("val_")])
    return [scores[name] for name in names if name in scores]
