"""Checks of a network's input and layers."""

from collections.abc import Sequence
from typing import Any

from densenet._checks.arrays import describe, of_shape
from densenet._checks.frames import plain
from densenet._typing import Array


def inputs(x: Any, width: int, name: str = "x") -> Array:
    """Check a network's input, (batch, width), of any real dtype and strides.

    It is not converted here: rows are converted when they are gathered.
    """
    array = plain(name, x)
    dtype = array.dtype
    if dtype.kind not in "biuf" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
        whole = array is x or array.ndim == 0  # NumPy makes one object of what it cannot read
        got = describe(x) if whole else dtype
        raise TypeError(f"{name}: expected float32, float64, integers or bool, got {got}")
    of_shape(name, array, ("batch", width))
    return array


def layers(name: str, given: Any, kind: type) -> tuple[Any, ...]:
    """Check a sequence of at least one layer."""
    if not isinstance(given, Sequence):
        raise TypeError(f"{name}: expected a sequence of layers, got {describe(given)}")
    if not given:
        raise ValueError(f"{name}: expected at least one layer, got none")
    for index, layer in enumerate(given):
        if not isinstance(layer, kind):
            raise TypeError(f"{name}[{index}]: expected a layer, got {describe(layer)}")
    return tuple(given)
