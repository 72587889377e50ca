"""Join two tables: add the columns of one to the rows of the other that have the same key."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.tables.cells import Kind
from densenet.tables.table import Table, as_table

__all__ = ["join"]

_T = TypeVar("_T")

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
    _checks.text("on", on)
    ignored = {*_checks.texts("ignore", ignore), *getattr(other, "unnamed", ())}
    for one in as_table(table), _checks.instance("other", other, Table, "a Table"):
        one.require([on])
    kind = _kind(table, other, on)
    partners = _partners(table.keys(on, kind), other, other.keys(on, kind), on)
    rows = np.flatnonzero(partners >= 0)
    if not len(rows):
        raise ValueError(
            f"{table.source}, column {on!r}: expected keys that {other.source} has, too, got none"
        )
    left, right = table.take(rows), other.take(partners[rows])
    there = {*left.columns, *left.unreadable, *ignored}
    for name in left.columns:
        if name in right.columns and name not in {on, *ignored}:
            _check_equal(left, right, name)

    def joined(ours: Mapping[str, _T], others: Mapping[str, _T]) -> dict[str, _T]:
        return {**ours, **{name: others[name] for name in others if name not in there}}

    return replace(
        left,
        source=f"{table.source} with {Path(other.source).name}",
        columns=joined(left.columns, right.columns),
        unreadable=joined(left.unreadable, right.unreadable),
        guesses=joined(left.guesses, right.guesses),
        date_guesses=joined(left.date_guesses, right.date_guesses),
        unnamed={**left.unnamed, on: KEY},
    )


def _kind(left: Table, right: Table, name: str) -> Kind:
    """Give how cells of two tables are compared: as texts if they are not of one kind."""
    kind = left.kind(name)
    return kind if right.kind(name) == kind else "texts"


def _partners(keys: Sequence[str], other: Table, others: Sequence[str], on: str) -> Array:
    """Give for each key the row of the other table that has it, -1 if none has."""
    row_of: dict[str, int] = {}
    for row, key in enumerate(others):
        if key and row_of.setdefault(key, row) != row:
            first = f"{other.unit} {other.places[row_of[key]]}"
            raise ValueError(
                f"{other.where(row, on)}: expected keys that differ, got {key!r} as in {first}"
            )
    return np.array([row_of.get(key, -1) for key in keys], np.intp)


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
