"""Checks of what many networks are given, one for each."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from densenet._checks.arrays import indices
from densenet._checks.objects import sequence
from densenet._typing import Array


def each_once(networks: Sequence[object]) -> None:
    """Refuse a network that comes twice."""
    seen: dict[int, int] = {}
    for index, network in enumerate(networks):
        first = seen.setdefault(id(network), index)
        if first != index:
            raise ValueError(
                f"networks: expected each network once, got one at {first} and at {index}"
            )


def one_each(name: str, value: Any, n: int) -> Sequence[Any]:
    """Check a sequence with one element for each network; an array is one, too."""
    if isinstance(value, np.ndarray) and value.ndim > 0:
        value = list(value)
    found = sequence(name, value, "one for each network")
    if len(found) != n:
        raise ValueError(f"{name}: expected one for each of the {n} networks, got {len(found)}")
    return found


def rows_of_each(name: str, given: Any, n: int, rows: int) -> list[Array | None]:
    """Check the rows of each network, or give None for each where none are given."""
    if given is None:
        return [None] * n
    found: dict[int, Array] = {}  # networks may share them
    each = one_each(name, given, n)
    for index, numbers in enumerate(each):
        if id(numbers) not in found:
            found[id(numbers)] = _numbers_of(f"{name}[{index}]", numbers, rows)
    return [found[id(numbers)] for numbers in each]


def _numbers_of(name: str, given: Any, rows: int) -> Array:
    numbers = indices(name, given, rows, "row numbers")
    if not len(numbers):
        raise ValueError(f"{name}: expected at least one row, got none")
    return numbers


def rows_of_one(name: str, numbers: Array, rows: int) -> Array:
    """Copy row numbers for the time that they are used; others may write into what they gave."""
    return indices(name, numbers.astype(np.int64), rows, "row numbers")
