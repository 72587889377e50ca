"""Checks of the arguments of an optimizer's step, which updates arrays in place."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from densenet._checks.arrays import floating, matching, not_empty, of_shape, usable
from densenet._checks.numbers import count, settings
from densenet._typing import Array


def writeable(name: str, array: Array) -> None:
    """Require an array that can be written to."""
    if not array.flags.writeable:
        raise ValueError(f"{name}: expected a writeable array, got a read-only one")


def _in_place(name: str, array: Array) -> None:
    """Require an array that can be updated in place: a copy would not reach the caller."""
    writeable(name, array)
    if not array.dtype.isnative:
        raise ValueError(f"{name}: expected native byte order, got {array.dtype.str}")
    if not array.flags.aligned:
        raise ValueError(f"{name}: expected an aligned array, got a misaligned one")
    if any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True)):
        raise ValueError(f"{name}: expected elements of its own, got a broadcast array")


_EFFORT: Any = 1_000_000  # solutions that NumPy may try; its stubs allow only -1 and 0


def _share_memory(a: Array, b: Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=_EFFORT)
    except np.exceptions.TooHardError:
        return True  # strides so intricate are refused


def _apart(name: str, array: Array, others: Mapping[str, Any]) -> None:
    """Require an array that shares no memory with others, by name."""
    for other, its in others.items():
        if isinstance(its, np.ndarray) and _share_memory(its, array):
            raise ValueError(f"{name}: expected memory of its own, got some of {other}'s")


def vector_to_write(name: str, array: Any, like: Array, others: Mapping[str, Any]) -> Array:
    """Check a vector with the shape and type of another, to be written to and apart from others."""
    matching(name, array, like.shape, like.dtype)
    _in_place(name, array)
    if not array.flags.c_contiguous:
        raise ValueError(f"{name}: expected a contiguous array, got strides {array.strides}")
    _apart(name, array, others)
    given: Array = array
    return given


def gradient(name: str, array: Any, like: Array, others: Mapping[str, Any]) -> Array:
    """Check a vector with the shape and type of another; give it in usable memory."""
    vector = matching(name, array, like.shape, like.dtype)
    _apart(name, array, others)
    return vector


def finite(name: str, vector: Array, besides: Iterable[slice]) -> None:
    """Check that a vector is finite, besides some parts."""
    fits = np.isfinite(vector)
    for part in besides:
        fits[part] = True
    if not fits.all():
        at = int(fits.argmin())
        raise ValueError(f"{name}: expected finite numbers, got {vector[at]} at {at}")


def update(
    arrays: Mapping[str, Any], step: Any, values: Mapping[str, Any]
) -> tuple[list[Array], int, dict[str, float]]:
    """Check the arguments of an optimizer's step; `arrays` are param, grad and moments, by name.

    Parameters and moments are given back as they are; `grad` may be a copy.
    """
    numbers = settings(values)
    floating(**arrays)
    param = arrays["param"]
    not_empty("param", param)
    checked = dict(arrays)
    for name, array in arrays.items():
        of_shape(name, array, param.shape)
        if name == "grad":
            readable = array.dtype.isnative and array.flags.aligned
            checked[name] = array if readable else usable(array)
        else:
            _in_place(name, array)
        before = list(arrays)[: list(arrays).index(name)]
        _apart(name, array, {other: arrays[other] for other in before})
    if not (param.flags.c_contiguous or param.flags.f_contiguous):
        raise ValueError(f"param: expected a C- or F-contiguous array, got strides {param.strides}")
    if "velocity" not in arrays and (numbers.get("momentum") or numbers.get("dampening")):
        raise ValueError(f"velocity: expected an array of shape {param.shape}, got None")
    # beta^step is the same for all larger steps: 0, or 1 to within rounding.
    return list(checked.values()), min(count("step", step), 2**53), numbers
