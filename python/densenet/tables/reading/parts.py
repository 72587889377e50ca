"""What was read of one file, and several such parts put together as one table."""

from collections.abc import Iterable, Sequence
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
        The cells of each column, in the order of rows.
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


def of_one_file(parts: Iterable[Part]) -> Part:
    """Put the parts of one file together, in their order.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.parts import Part, of_one_file
    >>> cells = {"x": [arrow.array(["1"])]}
    >>> parts = (Part("a.csv", dict(cells), np.array([line]), "line", []) for line in (2, 3))
    >>> whole = of_one_file(parts)
    >>> len(whole.columns["x"]), whole.places.tolist()
    (2, [2, 3])
    """
    taken = iter(parts)
    first = next(taken)
    columns = {name: list(arrays) for name, arrays in first.columns.items()}
    places = [first.places]
    for part in taken:
        for name, arrays in columns.items():
            arrays += part.columns[name]
        places.append(part.places)
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
