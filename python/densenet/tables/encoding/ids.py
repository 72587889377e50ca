"""Which columns are ids: they name the rows, so nothing is learned from them."""

import re
from collections.abc import Iterable

import numpy as np

from densenet import _checks
from densenet.tables.encoding.targets import MOST_CLASSES
from densenet.tables.table import Table, as_table

__all__ = ["are_uuids", "differ_in_each_row", "find_ids"]

_UUID = re.compile(r"\{?[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\}?|[0-9a-f]{32}", re.IGNORECASE)
_NAME = re.compile(
    r"(?:.*[^A-Za-z])?(?:[Ii][Dd]|[Uu][Uu][Ii][Dd]|[Gg][Uu][Ii][Dd])|.*[a-z0-9](?:Id|ID|Uuid|UUID)"
    r"|index|key|row"
)
_EXACT = 2**53  # up to which float64 tells every whole number from the next


def find_ids(table: Table, columns: Iterable[str], rows: int | None = None) -> dict[str, str]:
    """Find columns of whole numbers that name the rows, and say why they do.

    They `differ_in_each_row`, and one of these holds: the column's name ends in *id*, or is
    *index*, *key* or *row*; the numbers begin near 0 and fill at least half of their range, as
    those that count rows do; or they are longer than float64 can tell apart. Texts that hardly
    repeat, UUIDs among them, are left out by `densenet.tables.encoding.features.Features.fit`.

    Parameters
    ----------
    table : Table
    columns : iterable of str
        The columns to look at.
    rows : int, optional
        How many rows there are, if these are but a sample of them.

    Raises
    ------
    ValueError
        If a few cells of a column, at most a tenth, are no numbers while the others are, or if its
        numbers may mean two things.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.encoding.ids import find_ids
    >>> rows = {"n": range(100), "PassengerId": range(0, 900, 9), "height": range(150, 250)}
    >>> for column, reason in find_ids(Table.from_columns(rows), rows).items():
    ...     print(f"{column}: {reason}")
    n: a count of the rows
    PassengerId: an id, another in each row
    """
    found = {}
    for name in _checks.texts("columns", columns):
        if name in table.date_guesses or name in table.unreadable or name in table.unnamed:
            continue
        reason = "" if as_table(table).is_text(name) else _reason(table, name, rows or len(table))
        if reason:
            found[name] = reason
    return found


def differ_in_each_row(table: Table, column: str) -> bool:
    """Return whether a column's numbers are whole, and another in each of many rows.

    Many are more than `densenet.tables.encoding.targets.MOST_CLASSES`; missing cells do not count.

    Parameters
    ----------
    table : Table
    column : str
        One of numbers.

    Raises
    ------
    ValueError
        If some of the cells are no numbers, or may mean two of them.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.encoding.ids import differ_in_each_row
    >>> table = Table.from_columns({"year": range(1900, 2000), "age": [30, 31] * 50})
    >>> differ_in_each_row(table, "year"), differ_in_each_row(table, "age")
    (True, False)
    """
    values = table.numbers(column)
    if len(values) and values[0] % 1 > 0:  # at once, for the usual column
        return False
    known = values[values == values]
    if len(known) <= MOST_CLASSES or bool(np.any(known != np.rint(known))):
        return False
    least, most = float(known.min()), float(known.max())
    if _too_long(least, most):
        keys = [key for key in table.keys(column) if key]
        return len(set(keys)) == len(keys)
    return most - least + 1 >= len(known) == len(np.unique(known))


def are_uuids(texts: Iterable[str]) -> bool:
    """Return whether all cells that are not missing are UUIDs.

    Examples
    --------
    >>> from densenet.tables.encoding.ids import are_uuids
    >>> are_uuids(["123e4567-e89b-12d3-a456-426614174000", ""]), are_uuids(["x"]), are_uuids([""])
    (True, False, False)
    """
    present = {text for text in texts if text}
    return bool(present) and all(_UUID.fullmatch(text) for text in present)


def _reason(table: Table, name: str, rows: int) -> str:
    """Say why a column of numbers is an id; give "" if it is none."""
    if not differ_in_each_row(table, name):
        return ""
    values = table.numbers(name)
    least, most = float(np.nanmin(values)), float(np.nanmax(values))
    if _too_long(least, most):
        return "an id, another long number in each row"
    if _NAME.fullmatch(name.strip()):
        return "an id, another in each row"
    of_all = np.count_nonzero(values == values) / len(table) * rows
    return "a count of the rows" if least >= 0 and most < 2 * of_all else ""


def _too_long(least: float, most: float) -> bool:
    return max(-least, most) > _EXACT
