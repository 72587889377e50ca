"""Parts of a table, put together in groups of some megabytes, whose rows may be mixed.

A group takes the next parts, so it has rows of many places if segments come in a random order and
several of them are read side by side.
"""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from densenet._typing import Array
from densenet.tables.reading.parquet import of_one_type
from densenet.tables.reading.parts import Joined, Part, size_of

GROUP = 1 << 25
"""Bytes of cells in a group, as in `fit` on a file of an array."""
_SIDE_BY_SIDE = 8  # segments that are read at the same time
_PAGES = 48  # columns of all of them, as a page of Parquet takes one to two megabytes


def interleaved(
    segments: Sequence[Iterable[Part]], rng: np.random.Generator, columns: int
) -> Iterator[Part]:
    """Give the parts of segments, which are begun in a random order, several side by side.

    There are the fewer at the same time, the more columns they have.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.reading.mixing import interleaved
    >>> found = list(interleaved([["a1", "a2"], ["b1"], ["c1"]], np.random.default_rng(0), 2))
    >>> sorted(found), found.index("a1") < found.index("a2")
    (['a1', 'a2', 'b1', 'c1'], True)
    """
    most = max(1, min(_SIDE_BY_SIDE, _PAGES // columns))
    waiting = iter(rng.permutation(len(segments)).tolist())
    begun: list[Iterator[Part]] = []
    while True:
        while len(begun) < most and (at := next(waiting, None)) is not None:
            begun.append(iter(segments[at]))
        if not begun:
            return
        chosen = int(rng.integers(len(begun)))
        part = next(begun[chosen], None)
        if part is None:
            begun.pop(chosen)
        else:
            yield part


def grouped(
    parts: Iterable[Part], rows: int, rng: np.random.Generator | None = None
) -> Iterator[Part]:
    """Put parts together in groups, and cut these again into parts of so many rows.

    Parameters
    ----------
    parts : iterable of Part
    rows : int
        The most of a part.
    rng : numpy.random.Generator, optional
        Mixes the rows of a group; by default they stay in their order.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.mixing import grouped
    >>> from densenet.tables.reading.parts import Part
    >>> parts = [Part("a", {"x": [arrow.array([i, -i])]}, np.array([i, i + 1]), "row", [])
    ...          for i in (0, 2)]
    >>> for part in grouped(parts, 3):
    ...     print(part.columns["x"][0].to_pylist(), part.places.tolist())
    [0, 0, 2] [0, 1, 2]
    [-2] [3]
    """
    group: list[Part] = []
    size = 0
    for part in parts:
        group.append(part)
        size += size_of(part)
        if size >= GROUP:
            yield from _cut(group, rows, rng)
            size = 0
    if group:
        yield from _cut(group, rows, rng)


def _cut(group: list[Part], rows: int, rng: np.random.Generator | None) -> Iterator[Part]:
    """Empty a group, and give its rows in parts."""
    first = group[0]
    places = np.concatenate([one.places for one in group])
    whole = first._replace(columns={}, places=places)
    for name in first.columns:
        arrays = [one for part in group for one in part.columns[name]]
        whole.columns[name] = [of_one_type(Joined(whole, ()), name, arrays).combine_chunks()]
    group.clear()
    order = np.arange(len(whole.places))
    if rng is not None:
        rng.shuffle(order)
    for begin in range(0, len(order), rows):
        yield taken(whole, order[begin : begin + rows])


def taken(part: Part, rows: Array) -> Part:
    """Give some rows of a part, copied, by their numbers in it.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.mixing import taken
    >>> from densenet.tables.reading.parts import Part
    >>> part = Part("a.csv", {"x": [arrow.array(["1", "2"])]}, np.array([2, 3]), "line", [], ",")
    >>> taken(part, np.array([1])).columns["x"][0].to_pylist()
    ['2']
    """
    import pyarrow as arrow

    at = np.ascontiguousarray(rows, np.int64)
    # `pyarrow.array` would import pandas.
    numbers = arrow.Array.from_buffers(arrow.int64(), len(at), [None, arrow.py_buffer(at)])
    columns = {
        name: [array.take(numbers) for array in arrays] for name, arrays in part.columns.items()
    }
    return part._replace(columns=columns, places=part.places[at])
