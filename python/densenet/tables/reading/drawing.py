"""Draw rows at random from a table that comes part by part, and hold no more than these."""

from typing import NamedTuple

import numpy as np

from densenet._typing import Array
from densenet.tables.reading.mixing import taken
from densenet.tables.reading.parts import Part, of_one_file, size_of

MOST_ROWS = 100_000
"""Rows of a sample, by which columns and targets are understood; fewer of wide tables."""
_MOST_CELLS = 8_000_000
_MOST_BYTES = 1 << 26
_SLACK = 1.5  # times the rows are held before some are dropped


class Drawn(NamedTuple):
    """Rows that were drawn.

    Attributes
    ----------
    part : Part
    numbers : integer array of shape (rows,)
        Their numbers in the table, from 0.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.reading.drawing import Drawn
    >>> from densenet.tables.reading.parts import Part
    >>> Drawn(Part("a", {}, np.array([5]), "row", []), np.array([4])).numbers
    array([4])
    """

    part: Part
    numbers: Array


def most_rows(columns: int, most: int | None = None) -> int:
    """Give how many rows of so many columns a sample may have.

    Examples
    --------
    >>> from densenet.tables.reading.drawing import most_rows
    >>> most_rows(10), most_rows(800)
    (100000, 10000)
    """
    return max(1, min(MOST_ROWS if most is None else most, _MOST_CELLS // columns))


class Draw:
    """Rows drawn at random: those with the smallest of numbers that follow from their order.

    So the sample does not depend on how the rows are cut into parts.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.drawing import Draw
    >>> from densenet.tables.reading.parts import Part
    >>> draw = Draw(most=2)
    >>> for i in 0, 2, 4:
    ...     cells = {"x": [arrow.array([i, i + 1])]}
    ...     draw.add(Part("a", cells, np.array([i, i + 1]), "row", []))
    >>> part, numbers = draw.part()
    >>> np.concatenate([array.to_pylist() for array in part.columns["x"]]).tolist(), numbers
    ([2.0, 3.0], array([2, 3]))
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = MOST_ROWS if most is None else most
        self._rng = np.random.default_rng(0)
        self._seen = 0  # rows
        self._limit = np.inf  # of the numbers of rows that may still be drawn
        self._bytes = 0  # of the cells that are held
        self._parts: list[Part] = []
        self._keys: list[Array] = []
        self._numbers: list[Array] = []

    def add(self, part: Part) -> None:
        """Take a part's rows into account."""
        n = len(part.places)
        keys = self._rng.random(n)
        if not self._seen:
            self._most = most_rows(len(part.columns), self._most)
        at = np.flatnonzero(keys < self._limit)
        if len(at):
            self._parts.append(part if len(at) == n else taken(part, at))
            self._bytes += size_of(self._parts[-1])
            self._keys.append(keys[at])
            self._numbers.append(self._seen + at)
        self._seen += n
        if sum(map(len, self._keys)) > _SLACK * self._most:
            self._drop()
        while self._bytes > _MOST_BYTES and self._most > 1:
            self._most = max(1, min(self._most, sum(map(len, self._keys))) // 2)
            self._drop()

    def part(self) -> Drawn:
        """Give the rows that were drawn, in their order, and forget them."""
        self._drop()
        drawn = Drawn(of_one_file(self._parts), np.concatenate(self._numbers))
        self._parts, self._keys, self._numbers = [], [], []
        return drawn

    def _drop(self) -> None:
        """Drop the rows with the largest numbers, if there are too many."""
        keys = np.concatenate(self._keys)
        if len(keys) <= self._most:
            return
        self._limit = np.partition(keys, self._most)[self._most]
        kept = [np.flatnonzero(each < self._limit) for each in self._keys]
        self._parts = [taken(part, at) for part, at in zip(self._parts, kept, strict=True)]
        self._keys = [each[at] for each, at in zip(self._keys, kept, strict=True)]
        self._numbers = [each[at] for each, at in zip(self._numbers, kept, strict=True)]
        self._bytes = sum(map(size_of, self._parts))
