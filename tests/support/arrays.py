"""The same values in awkward memory."""

import numpy as np


def misaligned(array):
    """The same values where no element is aligned."""
    raw = np.empty(array.nbytes + 1, np.uint8)
    copy = raw[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert not copy.flags.aligned or array.itemsize == 1
    return copy


def spread(array):
    """The same values with gaps between them, in both directions."""
    gap = np.nan if array.dtype.kind == "f" else 1
    wide = np.full([2 * n + 1 for n in array.shape], gap, array.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_axes(array):
    """The same values with negative strides."""
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[backwards])[backwards]


def swapped(array):
    """The same values in the other byte order."""
    return array.astype(array.dtype.newbyteorder("S"))


LAYOUTS = {
    "C": lambda array: array.copy("C"),
    "F": lambda array: array.copy("F"),
    "spread": spread,
    "reversed": reversed_axes,
    "swapped": swapped,
    "misaligned": misaligned,
}
