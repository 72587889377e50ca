"""Digests: words of 64 bits by which ranks find out whether they hold the same."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from densenet._typing import Array

Words: TypeAlias = dict[str, int]
"""A word for each thing that is to be equal, by its name."""

_BLOCK = 2**24  # bytes that are copied at once, of an array that is not contiguous


def digest(*values: Any) -> int:
    """Give a word of 64 bits of arrays, texts, numbers, and mappings and sequences of these."""
    import hashlib  # late: it takes time, and few trainings have ranks

    words = hashlib.blake2b(digest_size=8)
    for part in _parts(values):
        words.update(part)
    return int.from_bytes(words.digest(), "little")


def _parts(value: Any) -> Iterator[Any]:
    if isinstance(value, np.ndarray):
        yield f"array {value.dtype.str} {value.shape}".encode()
        yield from _blocks(value)
    elif isinstance(value, Mapping):
        yield f"mapping {len(value)}".encode()
        for name in sorted(value):
            yield from _parts((name, value[name]))
    elif isinstance(value, tuple | list):
        yield f"sequence {len(value)}".encode()
        for each in value:
            yield from _parts(each)
    else:
        yield repr(value.item() if isinstance(value, np.generic) else value).encode()


def _blocks(array: Array) -> Iterator[Array]:
    """Give an array as bytes, without a copy of the whole."""
    if array.ndim == 0 or array.size == 0:
        yield np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        return
    rows = max(1, _BLOCK // (array[:1].size * array.itemsize))
    for begin in range(0, len(array), rows):
        part = np.ascontiguousarray(array[begin : begin + rows])
        yield part.reshape(-1).view(np.uint8)
