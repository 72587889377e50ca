"""A file of arrays and a description: safetensors with a checksum, written whole or not at all.

The description is JSON under the one key ``"densenet"`` of the metadata. It begins with the
format's version and the SHA-256 of all bytes of the file, where the digest itself counts as zeros.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from densenet._files import safetensors
from densenet._files.whole import written_whole
from densenet._typing import Array

VERSION = 1
"""Of the format; files of a version that was released stay readable."""

_KEY = "densenet"
_BLANK = b"0" * 64
_MALFORMED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)  # what reading JSON of another form may raise


def write(
    path: str | os.PathLike[str], about: Mapping[str, Any], arrays: Mapping[str, Array]
) -> None:
    """Write a file in place of the one that is there, which stays whole until the new one is.

    Raises
    ------
    TypeError
        If JSON cannot hold the description.
    ValueError
        If the description is longer than the format allows, 100 MB.
    OSError
        If the file cannot be written.
    """
    text = json.dumps({"version": VERSION, "sha256": _BLANK.decode(), **about}, default=_number)
    dense = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    try:
        data = safetensors.pack(dense, {_KEY: text})
    except ValueError as error:
        raise ValueError(f"{path}: expected what safetensors can hold, got {error}") from error
    at = data.index(_BLANK)
    digest = _digest(data, at).encode()
    with written_whole(path) as file:
        file.write(data[:at] + digest)
        file.write(memoryview(data)[at + len(digest) :])


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read a description and arrays; nothing in the file is trusted before its checksum fits.

    Raises
    ------
    ValueError
        If the file is another program's, of another version, truncated or altered.
    OSError
        If it cannot be read.
    """
    with open(path, "rb") as file:
        data = file.read(8)
        length = int.from_bytes(data, "little")
        fits = length <= os.fstat(file.fileno()).st_size - len(data)
        data += file.read(length if fits else 0)
        try:
            about = json.loads(json.loads(data[8:])["__metadata__"][_KEY])
            version, digest = about["version"], about["sha256"]
            at = data.index(digest.encode())
        except _MALFORMED:
            raise ValueError(
                f"{path}: expected a densenet file, got a foreign or damaged one"
            ) from None
        if version != VERSION:
            raise ValueError(f"{path}: expected version {VERSION} of the format, got {version!r}")
        data += file.read()
    if _digest(data, at) != digest:
        raise ValueError(f"{path}: expected a whole file, got a truncated or altered one")
    try:
        return about, safetensors.unpack(data)
    except _MALFORMED as error:
        raise ValueError(f"{path}: expected arrays of NumPy's types, got {error!r}") from error


def _digest(data: bytes, at: int) -> str:
    """Give the SHA-256 of all bytes, with zeros where the digest lies."""
    digest = hashlib.sha256(data[:at] + _BLANK)
    digest.update(memoryview(data)[at + len(_BLANK) :])
    return digest.hexdigest()


def _number(value: object) -> Any:
    """Turn NumPy's scalars into Python's, for JSON."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")
