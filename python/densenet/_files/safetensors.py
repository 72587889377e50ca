"""The safetensors format: a header in JSON, and then the bytes of all arrays.

====================  =============================================================================
bytes                 hold
====================  =============================================================================
8                     the length n of the header, little-endian
n                     ``{"__metadata__": {key: text}, name: {"dtype": "F32", "shape": [3, 2],``
                      ``"data_offsets": [begin, end]}, ...}``, padded with spaces
all others            the arrays: C-contiguous, little-endian, one after the other
====================  =============================================================================

What is written here equals, byte for byte, what the package safetensors writes; the tests compare.
densenet does without that package because it has no build for some Pythons that densenet runs on.

References
----------
Hugging Face, *Safetensors*, https://github.com/huggingface/safetensors
"""

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from densenet._typing import Array

_TYPES = {  # in the order in which files hold arrays; those of one type are in that of their names
    "U64": "<u8",
    "I64": "<i8",
    "F64": "<f8",
    "C64": "<c8",
    "F32": "<f4",
    "U32": "<u4",
    "I32": "<i4",
    "F16": "<f2",
    "U16": "<u2",
    "I16": "<i2",
    "I8": "|i1",
    "U8": "|u1",
    "BOOL": "|b1",
}
_NAMES = {np.dtype(text): name for name, text in _TYPES.items()}
_LONGEST = 100_000_000  # bytes of a header; readers refuse longer ones


def pack(arrays: Mapping[str, Array], metadata: Mapping[str, str]) -> bytes:
    """Make the bytes of a file.

    Parameters
    ----------
    arrays : dict of arrays that are C-contiguous
    metadata : dict of str

    Raises
    ------
    ValueError
        If an array's element type is not one of the format's, or the header is too long.
    """
    little = {name: _little_endian(array) for name, array in arrays.items()}
    for name, array in little.items():
        if array.dtype not in _NAMES:
            raise ValueError(f"{name} of the type {array.dtype}")
    order = list(_NAMES)
    names = sorted(little, key=lambda name: (order.index(little[name].dtype), name))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        array = little[name]
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": _NAMES[array.dtype],
            "shape": list(array.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # so that arrays begin at a multiple of 8
    if len(text) > _LONGEST:
        raise ValueError(f"a header of {len(text):,} bytes, more than {_LONGEST:,}")
    parts: list[Any] = [len(text).to_bytes(8, "little"), text, *map(little.__getitem__, names)]
    return b"".join(parts)


def _little_endian(array: Array) -> Array:
    swapped: Array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return swapped


def unpack(data: bytes) -> dict[str, Array]:
    """Copy the arrays out of the bytes of a file.

    Raises
    ------
    KeyError
        If an array has an element type that NumPy has not.
    ValueError
        If the arrays do not fill the file, one after the other.
    TypeError, AttributeError, ArithmeticError
        If the header is JSON of another form.
    """
    at = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:at])
    header.pop("__metadata__", None)
    start, arrays = at, {}
    for name, about in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        dtype, shape = np.dtype(_TYPES[about["dtype"]]), about["shape"]
        begin, end = about["data_offsets"]
        if start + begin != at or end - begin != math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} of shape {shape} at {begin} to {end}")
        array: Array = np.ndarray(shape, dtype, data, start + begin)
        arrays[name] = array.astype(dtype.newbyteorder("="))
        at = start + end
    if at != len(data):
        raise ValueError(f"arrays of {at - start} bytes in {len(data) - start}")
    return arrays
