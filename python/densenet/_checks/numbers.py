"""Checks of hyper-parameters, each against the range that belongs to its name, and of counts."""

import math
import operator
from collections.abc import Callable, Mapping
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from densenet._checks.arrays import describe
from densenet._checks.objects import mapping

_Range: TypeAlias = tuple[str, Callable[[float], bool]]
_DECAY: _Range = ("[0, 1)", lambda value: 0 <= value < 1)
_RATE: _Range = ("[0, inf)", lambda value: 0 <= value < math.inf)
_POSITIVE: _Range = ("(0, inf)", lambda value: 0 < value < math.inf)
_RANGES: dict[str, _Range] = {
    "lr": _RATE,
    "eps": _RATE,
    "l1": _RATE,
    "l2": _RATE,
    "momentum": _DECAY,
    "beta": _DECAY,
    "beta1": _DECAY,
    "beta2": _DECAY,
    "label_smoothing": _DECAY,
    "rate": _DECAY,
    "decay": _DECAY,
    "after": _RATE,
    "min_delta": _RATE,
    "tolerance": _RATE,
    "factor": _RATE,
    "final": _RATE,
    "slope": _RATE,
    "alpha": _RATE,
    "weight_decay": _RATE,
    "seconds": ("[0, inf]", lambda value: value >= 0),
    "delta": _POSITIVE,
    "timeout": _POSITIVE,
    "clip_norm": _POSITIVE,
    "clip_value": _POSITIVE,
    "dampening": ("[0, 1]", lambda value: 0 <= value <= 1),
    "nesterov": ("{False, True}", lambda value: value in (0, 1)),
}
OPTIONAL = ("clip_norm", "clip_value")
"""Settings that may be None, which turns them off."""

MOST_ROWS = 2**32
"""The most rows of a batch that is computed in parts: dropout numbers them by 32 bits."""

MOST_THREADS = 1024
"""The most threads that a caller may ask for."""

MOST_STEPS = 2**31 - 1
"""The most steps that a caller may ask to be measured."""


def setting(name: str, value: Any) -> float:
    """Check a hyper-parameter against the range of its name."""
    return _within(name, value, *_RANGES[name])


def rate(name: str, value: Any) -> float:
    """Check a number in [0, inf)."""
    return _within(name, value, *_RATE)


def share(name: str, value: Any) -> float:
    """Check a number in [0, 1)."""
    return _within(name, value, *_DECAY)


def rates(name: str, value: Any) -> dict[str, float]:
    """Check a mapping from names to numbers in [0, inf)."""
    words = "a mapping from names to numbers in [0, inf)"
    found = mapping(name, value, words)
    for key in found:
        if not isinstance(key, str):
            raise TypeError(f"{name}: expected {words}, got the key {key!r}")
    return {key: rate(f"{name}[{key!r}]", each) for key, each in found.items()}


def rates_of_factors(lr: float, lr_factors: Mapping[str, float]) -> None:
    """Check that a learning rate times each factor is finite."""
    for name, factor in lr_factors.items():
        if not math.isfinite(lr * factor):
            raise ValueError(
                f"lr_factors[{name!r}]: expected a factor that leaves lr finite, got {factor:g} "
                f"for lr={lr:g}"
            )


def positive(name: str, value: Any) -> float:
    """Check a number in (0, inf)."""
    return _within(name, value, *_POSITIVE)


def _within(name: str, value: Any, words: str, fits: Callable[[float], bool]) -> float:
    if not isinstance(value, (float, Real, np.bool_)):  # float first: Real takes time
        raise TypeError(f"{name} must be a number in {words}, got {describe(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the largest float
        number = math.inf
    if not fits(number):
        raise ValueError(f"{name} must be in {words}, got {value}")
    return number


def settings(values: Mapping[str, Any]) -> dict[str, float]:
    """Check hyper-parameters one by one, and `nesterov` against momentum and dampening."""
    numbers = {
        name: setting(name, value)
        for name, value in values.items()
        if not (value is None and name in OPTIONAL)
    }
    if numbers.get("nesterov") and (not numbers["momentum"] or numbers["dampening"]):
        raise ValueError(
            "nesterov must be used with momentum > 0 and dampening 0, got "
            f"momentum {values['momentum']} and dampening {values['dampening']}"
        )
    return numbers


def count(name: str, value: Any, least: int = 1, most: float = math.inf) -> int:
    """Check an integer in [least, most]; True and False do not count as integers."""
    words = f">= {least}" if most == math.inf else f"in [{least}, {most}]"
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool | np.bool_):  # NumPy's is one before 2.3
        raise TypeError(f"{name} must be an integer {words}, got {describe(value)}")
    if not least <= number <= most:
        raise ValueError(f"{name} must be an integer {words}, got {number}")
    return number


def seed(name: str, value: Any) -> int | None:
    """Check the seed of a random generator; None, for a different start each time, is one."""
    return None if value is None else count(name, value, 0)
