"""What all training rows tell beside a sample of them: categories, classes, ranges, gaps.

Encodings are chosen by a sample where a table is read in chunks. What rare rows decide is then
settled by all of them, in one pass: which categories are the most frequent, which classes there
are, how far numbers reach, and whether cells are missing.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from densenet._typing import Array
from densenet.tables.cells import index_of, kind_of, number
from densenet.tables.encoding.columns import Categories
from densenet.tables.encoding.dates import Dates, moments
from densenet.tables.encoding.features import ColumnEncoding, Features
from densenet.tables.encoding.pieces import PiecewiseLinear
from densenet.tables.encoding.targets import MOST_CLASSES, Classes, Target, Values
from densenet.tables.table import Table

MOST_TEXTS = 200_000
"""The most different texts of a column that are counted, in some 20 MB."""


class Tally:
    """Counts rows that come table by table, after encodings were chosen by a sample of them.

    Parameters
    ----------
    features : Features
        The encodings by the sample.
    target : Classes or Values
        That of the sample.

    Attributes
    ----------
    rows : int
        How many were counted.
    uncounted : list of str
        Columns with more than `MOST_TEXTS` different texts, whose categories stay those of the
        sample.

    Examples
    --------
    >>> from densenet.tables import Classes, Features, Table
    >>> from densenet.tables.encoding.tally import Tally
    >>> rows = {"x": [1, 9, 3, 4], "pet": ["cat", "dog"] * 2, "y": ["a", "b"] * 2}
    >>> table = Table.from_columns(rows)
    >>> features = Features.fit(table.take([2, 3]), ["x", "pet"], text=["pet"], pieces=1)
    >>> tally = Tally(features, Classes("y", ("a", "b")))
    >>> for some in [0, 1], [2, 3]:
    ...     tally.add(table.take(some))
    >>> tally.features(table.take([2, 3]), pieces=1).parts[0].edges
    (1.0, 9.0)
    >>> tally.target("table").values, tally.class_counts().tolist(), tally.rows, tally.uncounted
    (('a', 'b'), [2, 2], 4, [])
    >>> tally.is_regression()
    False
    """

    def __init__(self, features: Features, target: Target) -> None:
        self._features = features
        self._target = target
        self.rows = 0
        self.uncounted: list[str] = []
        self._counts: dict[str, dict[str, int]] = {
            part.column: {} for part in features.parts if isinstance(part, Categories)
        }
        self._classes: dict[str, int] = {}
        self._low: dict[str, float] = {}
        self._high: dict[str, float] = {}
        self._gaps: set[str] = set()

    def add(self, table: Table) -> None:
        """Count the rows of a table, each with its target."""
        self.rows += len(table)
        if not len(table):
            return
        if isinstance(self._target, Classes):
            self._count(self._classes, table, self._target.column)
            if len(self._classes) > MOST_TEXTS:
                raise ValueError(
                    f"{table.source}, column {self._target.column!r}: expected classes that "
                    f"repeat, got more than {MOST_TEXTS:,} different ones"
                )
        for part in self._features.parts:
            self._add_column(part, table)

    def features(self, sample: Table, pieces: int, most_categories: int = 100) -> Features:
        """Give the encodings, with what all rows have told.

        Parameters
        ----------
        sample : Table
            The rows that they were chosen by.
        pieces, most_categories : int
            As in `Features.fit`.
        """
        settled = (
            self._settled(part, sample, pieces, most_categories) for part in self._features.parts
        )
        return Features(tuple(settled), self._features.left_out)

    def is_regression(self) -> bool:
        """Return whether numbers that the sample shows as classes are values, by all rows."""
        if isinstance(self._target, Values) or kind_of(self._classes) != "numbers":
            return isinstance(self._target, Values)
        different = {number(text) for text in self._classes}
        return len(different) > MOST_CLASSES or any(one is None or one % 1 for one in different)

    def target(self, source: str) -> Target:
        """Give the target, with all classes; ValueError if there are too many of them."""
        if isinstance(self._target, Values):
            return self._target
        column, counts = self._target.column, self._classes
        return Classes.of_counts(column, counts, kind_of(counts), source)

    def class_counts(self) -> Array:
        """Give the rows of each class of the target, (classes,)."""
        target = self.target("")
        if isinstance(target, Values):
            return np.empty(0, np.int64)
        found, index = np.zeros(target.outputs, np.int64), index_of(target.values)
        for text, rows in self._classes.items():
            found[index(text)] += rows
        return found

    def _add_column(self, part: ColumnEncoding, table: Table) -> None:
        column = part.column
        if isinstance(part, Categories):
            if column in self._counts:
                self._count(self._counts[column], table, column)
                if len(self._counts[column]) > MOST_TEXTS:
                    del self._counts[column]
                    self.uncounted.append(column)
        elif isinstance(part, PiecewiseLinear):
            values = table.numbers(column, part.numerals)
            known = values[values == values]
            if len(known) < len(values):
                self._gaps.add(column)
            if len(known):
                self._low[column] = min(float(known.min()), self._low.get(column, np.inf))
                self._high[column] = max(float(known.max()), self._high.get(column, -np.inf))
        elif isinstance(part, Dates) and np.isnat(moments(table, column, part.format)).any():
            self._gaps.add(column)

    def _count(self, counts: dict[str, int], table: Table, column: str) -> None:
        for text, rows in table.name_counts(column).items():
            counts[text] = counts.get(text, 0) + rows

    def _settled(
        self, part: ColumnEncoding, sample: Table, pieces: int, most_categories: int
    ) -> ColumnEncoding:
        column = part.column
        if isinstance(part, Categories) and column in self._counts:
            counts: Mapping[str, int] = self._counts[column]
            return Categories.of_counts(column, counts, kind_of(counts), most_categories)
        if isinstance(part, PiecewiseLinear) and column in self._low:
            values = sample.numbers(column, part.numerals)
            many = np.sum(values == values) / pieces
            ends = part.edges[0], part.edges[-1]
            first, last = (bool(np.sum(values == end) > many) for end in ends)
            gaps = column in self._gaps
            return part.reaching(self._low[column], self._high[column], gaps, (first, last))
        if isinstance(part, Dates) and column in self._gaps:
            return replace(part, missing=True)
        return part
