"""What the encodings of columns share: checks, statistics that cannot overflow, JSON."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet.tables.numerals import Numerals

_Spec = TypeVar("_Spec")


def check_numbers(spec: Any) -> None:
    """Check that a spec's numbers are finite and its scale > 0; make `Numerals` of a dict."""
    check_statistics(spec)
    if isinstance(spec.numerals, dict):  # from JSON
        object.__setattr__(spec, "numerals", Numerals(**spec.numerals))
    if not isinstance(spec.numerals, Numerals):
        raise ValueError(f"numerals: expected marks, got {spec.numerals!r}")


def check_statistics(spec: Any) -> None:
    """Check that a spec's column is a name, its numbers are finite and its scale is > 0."""
    _check_column(spec.column)
    for name in _statistics(spec.__class__):
        value = getattr(spec, name)
        if not (isinstance(value, float) and math.isfinite(value)):
            raise ValueError(f"{name}: expected a finite number, got {value!r}")
    if spec.scale <= 0:
        raise ValueError(f"scale: expected a number > 0, got {spec.scale!r}")


def check_values(spec: Any) -> None:
    """Check that a spec's values are texts that differ; make a tuple of them."""
    _check_column(spec.column)
    values = tuple(_checks.texts("values", spec.values))
    if len(set(values)) < len(values):
        raise ValueError(f"values: expected texts that differ, got {list(values)!r}")
    object.__setattr__(spec, "values", values)


@cache  # as a table may have tens of thousands of columns
def _statistics(kind: type) -> list[str]:
    """Give the names of the settings of a spec that are floats."""
    return [setting.name for setting in fields(kind) if setting.type is float]


def _check_column(column: Any) -> None:
    if not isinstance(column, str):
        raise ValueError(f"column: expected a name, got {column!r}")


def mean_and_deviation(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Compute mean and standard deviation; the latter is exactly 0 if all numbers are equal."""
    if values.min() == values.max():
        return float(values[0]), 0.0  # a mean of equal numbers may round away from them
    unit = float(np.abs(values).max())  # no square and no sum of values / unit overflows
    scaled = values / unit
    return unit * float(scaled.mean()), unit * float(scaled.std())


def to_json(spec: Any) -> dict[str, Any]:
    """Give a spec as a dict: its settings, and its class in lower case as ``kind``."""
    settings = {
        name: dict(vars(value)) if is_dataclass(value) else value
        for name, value in vars(spec).items()
    }
    return {"kind": type(spec).__name__.lower(), **settings}


def from_json(kinds: Mapping[str, type[_Spec]], data: Any) -> _Spec:
    """Make a spec of `data`, the dict that `to_json` wrote; `kinds` has the class of each kind.

    It raises ValueError if `data` is no such dict: of another kind, or with other settings.
    """
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"kind: expected one of {', '.join(kinds)}, got {kind!r}")
    settings = {name: value for name, value in data.items() if name != "kind"}
    try:
        return kinds[kind](**settings)
    except TypeError as error:
        raise ValueError(f"{kind}: expected its settings, got others: {error}") from None
