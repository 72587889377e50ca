"""Join two tables: add the columns of one to the rows of the other that have the same key."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.tables.cells import Kind, key_of
from densenet.tables.table import Table, as_table

__all__ = ["join"]

KEY = "the key of the join"
"""Why the column that two tables were joined on is no feature."""


def join(table: Table, other: Table, on: str, *, ignore: Iterable[str] = ()) -> Table:
    """Add another table's columns to the rows of a table.

    Several rows may have the same key, but none of the other table's. Keys are compared as classes
    and ids are: where all are numbers, ``01`` and ``1`` are one. The key becomes no feature, as
    `Table.unnamed` notes.

    Parameters
    ----------
    table : Table
    other : Table
    on : str
        The column of both that has the keys.
    ignore : iterable of str
        Columns of `other` that are not added, whether it has them or not.

    Returns
    -------
    Table
        The rows of `table`, in their order, that have a partner in `other`. A column of both is
        there once, an index of `other` without a name is left out.

    Raises
    ------
    ValueError
        If a table lacks the key, two rows of `other` have the same one, no row has a partner, or
        a column of both holds other cells in one than in the other.

    Examples
    --------
    >>> from densenet.tables import Table, join
    >>> tracks = Table.from_columns({"album": ["7", "08", "7", "9"], "genre": ["a", "b", "b", "a"]})
    >>> albums = Table.from_columns({"album": [8, 7], "year": [1999, 2024]})
    >>> joined = join(tracks, albums, "album")
    >>> joined.texts("year").tolist(), joined.texts("genre").tolist()
    (['2024', '1999', '2024'], ['a', 'b', 'b'])
    """
    joining = Joining.of(table, other, on, ignore)
    joining.check(table)
    return joining.join(table)


@dataclass(frozen=True)
class Joining:
    """A table in memory whose columns are added to rows of the same key, table by table.

    Attributes
    ----------
    other : Table
    on : str
    kind : "numbers", "booleans" or "texts"
        How keys are compared.
    row_of : mapping of str to int
        The row of `other` that has a key.
    added : sequence of str
        The columns of `other` that rows get.
    both : sequence of str
        The columns that rows have already, and in which they have to agree with `other`.
    unreadable : mapping of str to str
        Those of `other` that rows get.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.joining import Joining
    >>> tracks = Table.from_columns({"album": ["7", "08", "9"], "genre": ["a", "b", "a"]})
    >>> albums = Table.from_columns({"album": [8, 7], "year": [1999, 2024], "label": ["x", "y"]})
    >>> joining = Joining.of(tracks, albums, "album")
    >>> joining.partners(tracks).tolist(), joining.added
    ([1, 0, -1], ('year', 'label'))
    >>> joining.check(tracks)
    >>> joining.check_both(tracks), joining.needed(["year", "genre"])
    (2, ['album', 'genre'])
    >>> list(joining.remembering().join(tracks.take([1]), ["year"]).columns)
    ['album', 'genre', 'year']
    """

    other: Table
    on: str
    kind: Kind
    row_of: Mapping[str, int]
    added: tuple[str, ...]
    both: tuple[str, ...]
    unreadable: Mapping[str, str]

    @classmethod
    def of(cls, table: Table, other: Table, on: str, ignore: Iterable[str] = ()) -> "Joining":
        """Look at two tables; parameters and errors are those of `join`.

        Of a table that comes piece by piece, `table` is a sample, by which the kind of keys and the
        columns are decided.
        """
        _checks.text("on", on)
        ignored = {*_checks.texts("ignore", ignore), *getattr(other, "unnamed", ())}
        for one in as_table(table), _checks.instance("other", other, Table, "a Table"):
            one.require([on])
        kind = _kind(table, other, on)
        there = {*table.columns, *table.unreadable, *ignored}
        return cls(
            other,
            on,
            kind,
            _row_of(other, other.keys(on, kind), on),
            tuple(name for name in other.columns if name not in there),
            tuple(
                name
                for name in table.columns
                if name in other.columns and name not in {on, *ignored}
            ),
            {name: what for name, what in other.unreadable.items() if name not in there},
        )

    def remembering(self) -> "Joining":
        """Give a joining that adds to a few rows at a time in time that follows from these."""
        return replace(self, other=self.other.remembering())

    def partners(self, table: Table) -> Array:
        """Give for each row the row of the other table that has its key, -1 if none has."""
        names, codes = table.distinct(self.on)
        keys = map(key_of(self.kind), names)
        return np.array([self.row_of.get(key, -1) for key in keys], np.intp)[codes]

    def needed(self, columns: Iterable[str]) -> list[str]:
        """Give the columns of rows that are to be joined, for these columns of joined ones."""
        return list(dict.fromkeys([self.on, *(one for one in columns if one not in self.added)]))

    def join(self, table: Table, columns: Collection[str] | None = None) -> Table:
        """Give the rows that have a partner, with the other table's columns, or some of these."""
        partners = self.partners(table)
        rows = np.flatnonzero(partners >= 0)
        names = [name for name in self.added if columns is None or name in columns]
        joined = table.take(rows).beside(self.other, names, partners[rows])
        return replace(
            joined,
            source=f"{table.source} with {Path(self.other.source).name}",
            unreadable={**table.unreadable, **self.unreadable},
            unnamed={**table.unnamed, self.on: KEY},
        )

    def check(self, table: Table) -> None:
        """Check that some row has a partner, and that rows agree with theirs."""
        if not self.check_both(table):
            raise ValueError(
                f"{table.source}, column {self.on!r}: expected keys that {self.other.source} has, "
                "too, got none"
            )

    def check_both(self, table: Table) -> int:
        """Check that rows agree with their partners in the columns of both; count these rows."""
        partners = self.partners(table)
        rows = np.flatnonzero(partners >= 0)
        left, right = table.take(rows), self.other.take(partners[rows])
        for name in self.both:
            _check_equal(left, right, name)
        return len(rows)


def _kind(left: Table, right: Table, name: str) -> Kind:
    """Give how cells of two tables are compared: as texts if they are not of one kind."""
    kind = left.kind(name)
    return kind if right.kind(name) == kind else "texts"


def _row_of(other: Table, keys: Sequence[str], on: str) -> dict[str, int]:
    """Give for each key the row of the other table that has it."""
    row_of: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key and row_of.setdefault(key, row) != row:
            first = f"{other.unit} {other.places[row_of[key]]}"
            raise ValueError(
                f"{other.where(row, on)}: expected keys that differ, got {key!r} as in {first}"
            )
    return row_of


def _check_equal(left: Table, right: Table, name: str) -> None:
    """Check that a column of two tables with partners side by side holds the same cells in both."""
    kind = _kind(left, right, name)
    pairs = zip(left.keys(name, kind), right.keys(name, kind), strict=True)
    unlike = [row for row, (one, another) in enumerate(pairs) if one != another]
    if unlike:
        one, another = (each.texts(name)[unlike[0]] for each in (left, right))
        raise ValueError(
            f"{left.where(unlike[0], name)}: expected the cell of {right.source}, {right.unit} "
            f"{right.places[unlike[0]]}, {another!r}, as both have that column, got {one!r}: "
            "rename it in one table, or ignore it"
        )
