"""Checks of those who are told of training: metrics, callbacks and early stopping."""

from collections.abc import Callable, Sequence
from typing import Any

from densenet import _checks
from densenet.training.callbacks import Callback
from densenet.training.early_stopping import EarlyStopping


def check_listeners(
    metrics: Sequence[Callable[..., Any]],
    callbacks: Sequence[Callback],
    early_stopping: EarlyStopping | None,
    validates: bool,
) -> None:
    """Check metrics, callbacks and early stopping before training starts."""
    for index, metric in enumerate(metrics):
        if not callable(metric) or not hasattr(metric, "__name__"):
            got = _checks.describe(metric)
            raise TypeError(f"metrics[{index}]: expected a function with a name, got {got}")
    for index, callback in enumerate(callbacks):
        if not isinstance(callback, Callback):
            got = _checks.describe(callback)
            raise TypeError(f"callbacks[{index}]: expected a Callback, got {got}")
    if early_stopping is None:
        return
    if not isinstance(early_stopping, EarlyStopping):
        got = _checks.describe(early_stopping)
        raise TypeError(f"early_stopping: expected EarlyStopping, got {got}")
    names = ["loss"]
    if validates:
        names += ["val_loss", *(f"val_{metric.__name__}" for metric in metrics)]
    if early_stopping.monitor not in names:
        raise ValueError(
            f"monitor: expected one of {', '.join(names)}, got {early_stopping.monitor!r}"
        )
