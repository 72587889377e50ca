"""The arguments of an optimizer's step, which changes arrays in place."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from densenet._checks.arrays import floating, not_empty, of_shape, usable
from densenet._checks.numbers import count, settings
from densenet._typing import Array


def writeable(name: str, array: Array) -> None:
    """Require an array that its owner lets others write to."""
    if not array.flags.writeable:
        raise ValueError(f"{name}: expected a writeable array, got a read-only one")


def _in_place(name: str, array: Array) -> None:
    """Require what can be written where it is: no copy can stand in for what the caller holds."""
    writeable(name, array)
    if not array.dtype.isnative:
        raise ValueError(f"{name}: expected native byte order, got {array.dtype.str}")
    if not array.flags.aligned:
        raise ValueError(f"{name}: expected an aligned array, got a misaligned one")
    if any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True)):
        raise ValueError(f"{name}: expected elements of its own, got a broadcast array")


_EFFORT: Any = 1_000_000  # candidate solutions; NumPy's stubs know of -1 and 0 only


def _share_memory(a: Array, b: Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=_EFFORT)
    except np.exceptions.TooHardError:
        return True  # too intricate to be of use


def update(
    arrays: Mapping[str, Any], step: Any, values: Mapping[str, Any]
) -> tuple[list[Array], int, dict[str, float]]:
    """Check the arguments of an optimizer's step: param, grad and its state, by name."""
    numbers = settings(values)
    floating(**arrays)
    param = arrays["param"]
    not_empty("param", param)
    places = dict(arrays)
    for name, array in arrays.items():
        of_shape(name, array, param.shape)
        if name == "grad":
            readable = array.dtype.isnative and array.flags.aligned
            places[name] = array if readable else usable(array)
        else:
            _in_place(name, array)
        for other in list(arrays)[: list(arrays).index(name)]:
            if _share_memory(arrays[other], array):
                raise ValueError(f"{name}: expected memory of its own, got some of {other}'s")
    if not (param.flags.c_contiguous or param.flags.f_contiguous):
        raise ValueError(f"param: expected a C- or F-contiguous array, got strides {param.strides}")
    if "velocity" not in arrays and (numbers.get("momentum") or numbers.get("dampening")):
        raise ValueError(f"velocity: expected an array of shape {param.shape}, got None")
    # A decay factor to the power of a larger step is the same: 0, or 1 to within rounding.
    return list(places.values()), min(count("step", step), 2**53), numbers
