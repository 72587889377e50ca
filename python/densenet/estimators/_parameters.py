"""Checks of an estimator's parameters: what each of them may be."""

import math
from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

import numpy as np

from densenet import _checks
from densenet._precision import PRECISIONS
from densenet.optimizers import Optimizer
from densenet.training import Callback, WeightAveraging
from densenet.training.callbacks import overriding

_NUMBERS = {
    "alpha": "[0, inf)",
    "learning_rate_init": "(0, inf)",
    "power_t": "[0, inf)",
    "tol": "[0, inf)",
    "momentum": "[0, 1)",
    "validation_fraction": "[0, 1)",
    "beta_1": "[0, 1)",
    "beta_2": "[0, 1)",
    "epsilon": "(0, inf)",
    "l1": "[0, inf)",
    "l2": "[0, inf)",
}
_COUNTS = ("max_iter", "max_fun")
_FLAGS = ("shuffle", "warm_start", "nesterovs_momentum", "early_stopping", "residual")
_CHOICES: dict[str, tuple[Any, ...]] = {
    "learning_rate": ("constant", "invscaling", "adaptive"),
    "normalization": (None, "batch", "layer"),
    "dtype": (None, "float32", "float64"),
    "precision": tuple(PRECISIONS),
}
SOLVERS = ("lbfgs", "sgd", "adam", "adamw", "rmsprop")


def number(name: str, value: Any, interval: str) -> float:
    """Check that a number lies in an interval, written like "[0, inf)"."""
    if not isinstance(value, Real) or isinstance(value, bool):
        raise TypeError(f"{name} must be a number in {interval}, got {_checks.describe(value)}")
    low, high = map(float, interval[1:-1].split(","))
    try:
        found = float(value)
    except OverflowError:  # an integer beyond the largest float
        found = math.inf
    if not (low < found < high or (found == low and interval[0] == "[")):
        raise ValueError(f"{name} must be in {interval}, got {value}")
    return found


def one_of(name: str, value: Any, choices: Iterable[Any]) -> None:
    """Check that a value is one of a few choices, mostly words."""
    if not any(
        value is choice or (isinstance(value, str) and value == choice) for choice in choices
    ):
        expected = ", ".join(map(repr, choices))
        raise ValueError(f"{name}: expected one of {expected}, got {value!r}")


def _several(value: Any) -> bool:
    """Tell whether a setting is a sequence of values, not a single one."""
    if isinstance(value, np.ndarray):
        return value.ndim == 1
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def hidden_layer_sizes(value: Any) -> list[int]:
    """Give the widths of the hidden layers, from one width or a sequence."""
    widths = list(value) if _several(value) else [value]
    return [_checks.count("hidden_layer_sizes", width) for width in widths]


def each_layer(name: str, value: Any, layers: int) -> list[Any]:
    """Give a setting's value for each hidden layer, from one for all or a sequence."""
    if not _several(value):
        return [value] * layers
    if len(value) != layers:
        raise ValueError(
            f"{name}: expected one for each of the {layers} hidden layers, got {len(value)}"
        )
    return list(value)


def random_state(value: Any) -> None:
    """Check the source of random numbers: None, a seed or a RandomState."""
    if value is None or isinstance(value, np.random.RandomState) or value is np.random:
        return
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not (whole and 0 <= value < 2**32):
        got = value if whole else _checks.describe(value)
        raise ValueError(
            f"random_state: expected None, an integer in [0, 2**32) or a RandomState, got {got}"
        )


def check(estimator: Any) -> None:
    """Check all parameters of an estimator before anything is computed.

    Raises
    ------
    TypeError, ValueError
        If a parameter has a wrong type or is outside its range; the message names it.
    """
    for name, interval in _NUMBERS.items():
        number(name, getattr(estimator, name), interval)
    for name in _COUNTS:
        _checks.count(name, getattr(estimator, name))
    for name in _FLAGS:
        value = getattr(estimator, name)
        if not isinstance(value, (bool, np.bool_)):
            raise TypeError(f"{name} must be True or False, got {_checks.describe(value)}")
    for name, choices in _CHOICES.items():
        one_of(name, getattr(estimator, name), choices)
    if estimator.precision != "highest" and estimator.dtype == "float64":
        raise ValueError(f"precision: expected 'highest' with float64, got {estimator.precision!r}")
    if not isinstance(estimator.solver, Optimizer):
        one_of("solver", estimator.solver, SOLVERS)
    if not (isinstance(estimator.batch_size, str) and estimator.batch_size == "auto"):
        _checks.count("batch_size", estimator.batch_size)
    patience = estimator.n_iter_no_change
    if not (isinstance(patience, Real) and patience == math.inf):
        _checks.count("n_iter_no_change", patience)
    random_state(estimator.random_state)
    if estimator.n_threads is not None:
        _checks.count("n_threads", estimator.n_threads, most=_checks.MOST_THREADS)
    callbacks = _checks.sequence_of("callbacks", estimator.callbacks, Callback, "a Callback")
    for index, callback in enumerate(callbacks):
        if isinstance(callback, WeightAveraging) or overriding("on_epoch_begin", [callback]):
            got = type(callback).__name__
            raise TypeError(
                f"callbacks[{index}]: expected a Callback that neither gives rows nor averages "
                f"weights, which the fit of a Network alone provides for, got {got}"
            )
    if not isinstance(estimator.verbose, (bool, np.bool_)):
        _checks.count("verbose", estimator.verbose, 0)
    if estimator.layers is not None and not callable(estimator.layers):
        got = _checks.describe(estimator.layers)
        raise TypeError(f"layers: expected a function or None, got {got}")
    hidden_layer_sizes(estimator.hidden_layer_sizes)
