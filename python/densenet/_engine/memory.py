"""Aligned vectors: for the parameters, and for the optimizer's moments beside them."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from densenet._typing import Array

_PAGE, _APART = 4096, 1344  # bytes; whole cache lines


def aligned(size: int, dtype: np.dtype[Any], lane: int = 0) -> Array:
    """Make a vector of zeros whose first element starts a cache line (64 bytes).

    Vectors that are read side by side get lanes 0, 1, ..., which begin a third of a page apart.
    Equal elements of vectors in one lane would share a few lines of the first-level cache, and an
    update of a weight of 1024 columns would take twice as long.
    """
    raw = np.zeros(size * dtype.itemsize + _PAGE, np.uint8)
    start = (lane * _APART - raw.ctypes.data) % _PAGE
    return raw[start : start + size * dtype.itemsize].view(dtype)


def new_moments(names: Iterable[str], size: int, dtype: np.dtype[Any]) -> dict[str, Array]:
    """Make an optimizer's moments: by name, vectors of zeros in lanes beside the parameters'."""
    return {name: aligned(size, dtype, lane) for lane, name in enumerate(names, 1)}


def copied(array: Array) -> Array:
    """Copy a vector into aligned memory."""
    own = aligned(array.size, array.dtype)
    own[...] = array
    return own
