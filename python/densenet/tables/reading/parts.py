"""What was read of one file, and several such parts put together as one table."""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import Any, Literal, NamedTuple

import numpy as np

from densenet._typing import Array

_WORDS = {"line": "CSV", "row": "Parquet"}


class Part(NamedTuple):
    """The cells of one file, as pyarrow holds them.

    Attributes
    ----------
    name : str
        The file's, for error messages.
    columns : dict of str to list of pyarrow.Array
        The cells of each column, in the order of rows. Of a whole file some may be
        `densenet.tables.reading.packed_texts.PackedTexts` or
        `densenet.tables.reading.packed_numbers.PackedNumbers`.
    places : integer array of shape (rows,)
        The line that each row of CSV begins with, or the number of each row, from 1.
    unit : "line" or "row"
    unnamed : list of str
        Columns that are an index without a name.
    delimiter : str
        That of CSV.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.parts import Part
    >>> Part("a.csv", {"x": [arrow.array(["1"])]}, np.array([2]), "line", [], ",").unit
    'line'
    """

    name: str
    columns: dict[str, list[Any]]
    places: Array
    unit: Literal["line", "row"]
    unnamed: list[str]
    delimiter: str = ""


def size_of(part: Part) -> int:
    """Give the bytes of a part's cells.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.parts import Part, size_of
    >>> size_of(Part("a", {"x": [arrow.array([1.5, 2.5])]}, np.array([1, 2]), "row", []))
    16
    """
    return sum(array.nbytes for arrays in part.columns.values() for array in arrays)


def of_one_file(
    parts: Iterable[Part], pack: Callable[[Sequence[Any]], Any] | None = None, size: int = 0
) -> Part:
    """Put the parts of one file together, in their order.

    Parameters
    ----------
    parts : iterable of Part
    pack : function, optional
        Makes of some arrays of a column what is held in their place.
    size : int
        The bytes of an average column that are packed together, if rows are like the first ones.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.parts import Part, of_one_file
    >>> cells = {"x": [arrow.array(["1"])]}
    >>> parts = [Part("a.csv", dict(cells), np.array([line]), "line", []) for line in (2, 3)]
    >>> whole = of_one_file(parts)
    >>> len(whole.columns["x"]), whole.places.tolist()
    (2, [2, 3])
    >>> of_one_file(parts, pack=len).columns["x"]
    [1, 1]
    """
    taken = iter(parts)
    first = next(taken)
    columns: dict[str, list[Any]] = {name: [] for name in first.columns}
    waiting: dict[str, list[Any]] = {name: [] for name in first.columns}
    places: list[Array] = []
    rows = 0  # that wait to be packed
    most = size * len(columns) * len(first.places) // max(1, size_of(first)) if pack else 0
    for part in chain((first,), taken):
        places.append(part.places)
        for name, arrays in waiting.items():
            arrays += part.columns[name]
        if pack is None:
            continue
        rows += len(part.places)
        if rows > most:
            for name, arrays in waiting.items():
                columns[name].append(pack(arrays))
                arrays.clear()
            rows = 0
    for name, arrays in waiting.items():
        columns[name] += arrays
    return first._replace(columns=columns, places=np.concatenate(places))


class Joined(NamedTuple):
    """The rows of several files, one after the other.

    Attributes
    ----------
    part : Part
        With the places that go on from file to file.
    files : tuple of (int, str)
        The place that each file's own come after, and its name; empty for a single file.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.parts import Part, join
    >>> one, two = (
    ...     Part(name, {"x": [arrow.array([name])]}, np.array([3]), "line", [], ",")
    ...     for name in ("a.csv", "b.csv")
    ... )
    >>> joined = join([one, two])
    >>> joined.part.places.tolist(), joined.files
    ([3, 6], ((0, 'a.csv'), (3, 'b.csv')))
    >>> joined.file_of(1)
    'b.csv'
    """

    part: Part
    files: tuple[tuple[int, str], ...]

    def file_of(self, row: int) -> str:
        """Give the name of the file that a row is from."""
        place = int(self.part.places[row])
        return [self.part.name, *(name for before, name in self.files if before < place)][-1]


def join(parts: Iterable[Part]) -> Joined:
    """Put parts together; each is asked for when those before it have been taken.

    Raises
    ------
    ValueError
        If one is of another kind than the first, or has other columns.
    """
    taken = iter(parts)
    first = next(taken)
    places, files, before = [first.places], [(0, first.name)], 0
    delimiters = {first.delimiter}
    for part in taken:
        check_alike(first, part)
        before += int(places[-1][-1]) - before
        files.append((before, part.name))
        places.append(part.places.astype(np.int64) + before)
        delimiters.add(part.delimiter)
        for name, arrays in first.columns.items():
            arrays += part.columns[name]
    if len(files) == 1:
        return Joined(first, ())
    delimiter = first.delimiter if len(delimiters) == 1 else ""
    whole = first._replace(places=np.concatenate(places), delimiter=delimiter)
    return Joined(whole, tuple(files))


def check_alike(first: Part, part: Part) -> None:
    """Raise a ValueError unless a part is of the same kind as the first, with the same columns.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.reading.parts import Part, check_alike
    >>> one, other = (Part(x, {x: []}, np.array([2]), "line", []) for x in "ab")
    >>> check_alike(one, other)
    Traceback (most recent call last):
    ValueError: b: expected the columns of a, got no column 'a' and another column 'b'
    """
    if part.unit != first.unit:
        raise ValueError(
            f"{part.name}: expected {_WORDS[first.unit]}, as {first.name} is, "
            f"got {_WORDS[part.unit]}"
        )
    missing = [name for name in first.columns if name not in part.columns]
    further = [name for name in part.columns if name not in first.columns]
    if missing or further:
        got = " and ".join(
            ([f"no column {_first(missing)}"] if missing else [])
            + ([f"another column {_first(further)}"] if further else [])
        )
        raise ValueError(f"{part.name}: expected the columns of {first.name}, got {got}")


def _first(names: Sequence[str]) -> str:
    return repr(names[0]) + (f" (and {len(names) - 1} more)" if len(names) > 1 else "")
