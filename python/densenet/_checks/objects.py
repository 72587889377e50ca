"""Checks of what an argument is: a flag, a word, a path, a function, a sequence, an object."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from densenet._checks.arrays import describe

_Kind = TypeVar("_Kind")


def instance(name: str, value: Any, kind: type[_Kind], words: str) -> _Kind:
    """Check that a value is an object of a class, which errors call ``words``."""
    if not isinstance(value, kind):
        raise TypeError(f"{name}: expected {words}, got {describe(value)}")
    return value


def flag(name: str, value: Any) -> bool:
    """Check True or False; 1 and 0 stand for them, as everywhere in Python."""
    if value is True or value is False:
        return value
    if not isinstance(value, bool | np.bool_ | int | np.integer):
        raise TypeError(f"{name} must be True or False, got {describe(value)}")
    if value not in (0, 1):
        raise ValueError(f"{name} must be True or False, got {value}")
    return bool(value)


def choice(name: str, value: Any, choices: Sequence[str | None]) -> Any:
    """Check that a value is one of ``choices``, which are words and perhaps None."""
    if not ((value is None or isinstance(value, str)) and value in choices):
        *first, last = map(repr, choices)
        got = repr(value) if isinstance(value, str) else describe(value)
        raise ValueError(f"{name}: expected {', '.join(first)} or {last}, got {got}")
    return value


def text(name: str, value: Any) -> str:
    """Check a str."""
    return instance(name, value, str, "a str")


def path(name: str, value: Any) -> str | os.PathLike[str]:
    """Check the path of a file. A number is refused: `open` takes it for a file descriptor."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise TypeError(f"{name}: expected a str or path, got {describe(value)}")
    where: str | os.PathLike[str] = value
    if not os.fspath(where) or "\0" in os.fspath(where):
        raise ValueError(f"{name}: expected the path of a file, got {os.fspath(where)!r}")
    return where


def path_to_write(name: str, value: Any) -> str | os.PathLike[str]:
    """Check the path of a file to write: its folder exists, and it is no folder itself."""
    where = path(name, value)
    folder = os.path.dirname(os.path.realpath(where))
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{name}: expected an existing folder, got {folder!r}")
    if os.path.isdir(where):
        raise IsADirectoryError(f"{name}: expected a file, got the folder {os.fspath(where)!r}")
    return where


def function(name: str, value: Any, words: str = "a function") -> Callable[..., Any]:
    """Check that a value can be called."""
    if not callable(value):
        raise TypeError(f"{name}: expected {words}, got {describe(value)}")
    made: Callable[..., Any] = value
    return made


def sequence(name: str, value: Any, words: str) -> tuple[Any, ...]:
    """Check a sequence of anything; refuse a single object, a text or a mapping."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise TypeError(f"{name}: expected a sequence of {words}, got {describe(value)}")
    return tuple(value)


def sequence_of(name: str, value: Any, kind: type[_Kind], words: str) -> tuple[_Kind, ...]:
    """Check a sequence of objects of a class."""
    found = sequence(name, value, words)
    for index, each in enumerate(found):
        if not isinstance(each, kind):
            raise TypeError(f"{name}[{index}]: expected {words}, got {describe(each)}")
    return found


def names(name: str, value: Any) -> list[str]:
    """Check a sequence, vector or series of names; give them as texts."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [str(each) for each in value]
    found = np.asarray(value) if hasattr(value, "__array__") else None
    if found is None or found.ndim != 1:
        raise TypeError(f"{name}: expected a sequence of names, got {describe(value)}")
    return [str(each) for each in found.tolist()]


def texts(name: str, value: Any) -> list[str]:
    """Check an iterable of texts, such as the names of columns; refuse a single text."""
    single = isinstance(value, str | bytes) or getattr(value, "ndim", 1) != 1
    if single or not isinstance(value, Iterable):
        raise TypeError(f"{name}: expected names, each a str, got {describe(value)}")
    found = list(value)
    for index, each in enumerate(found):
        text(f"{name}[{index}]", each)
    return found


def pair(name: str, value: Any) -> tuple[Any, Any]:
    """Check a pair (x, y) of rows and targets."""
    if not isinstance(value, tuple | list):
        raise TypeError(f"{name}: expected a pair (x, y), got {describe(value)}")
    if len(value) != 2:
        raise ValueError(f"{name}: expected a pair (x, y), got {len(value)} elements")
    return value[0], value[1]


def weighted_pair(name: str, value: Any) -> tuple[Any, ...]:
    """Check a pair (x, y) of rows and targets, or with the rows' weights (x, y, sample_weight)."""
    if isinstance(value, tuple | list) and len(value) == 3:
        return tuple(value)
    return pair(name, value)


def mapping(name: str, value: Any, words: str = "a mapping") -> Mapping[Any, Any]:
    """Check a mapping."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{name}: expected {words}, got {describe(value)}")
    return value


@contextmanager
def within(name: str) -> Iterator[None]:
    """Within the context, put ``name`` before the message of a TypeError or ValueError."""
    try:
        yield
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
