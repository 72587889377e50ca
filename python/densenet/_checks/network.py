"""Checks of a network's input and layers."""

from collections.abc import Sequence
from typing import Any, cast

from densenet._checks.arrays import describe, of_shape, readable
from densenet._checks.frames import plain
from densenet._checks.sparse import SparseRows, is_sparse, sparse_rows
from densenet._typing import Array


def inputs(x: Any, width: int, name: str = "x") -> Array:
    """Check a network's input, (batch, width), of any real dtype and strides; or sparse rows.

    It is not converted here: rows are converted when they are gathered. `SparseRows` that were
    checked before may be given again.
    """
    if isinstance(x, SparseRows):
        of_shape(name, cast("Array", x), ("batch", width))
        return cast("Array", x)
    if is_sparse(x):
        return cast("Array", sparse_rows(name, x, width))
    array = plain(name, x)
    whole = array is x or array.ndim == 0  # NumPy makes one object of what it cannot read
    readable(name, array.dtype, describe(x) if whole else array.dtype)
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
