"""Choose the rows of a table that are held out of training, to watch and judge it by.

Rows are taken at even distances from all rows sorted by target, those of equal targets in random
order. So they have every class in its proportion.
"""

import numpy as np

from densenet._typing import Array
from densenet.tables.cells import key_of
from densenet.tables.encoding.targets import Task
from densenet.tables.table import Table
from densenet.tables.training.settings import Settings

__all__ = ["divide", "hold_out"]


def hold_out(table: Table, settings: Settings, task: Task, number: int = 0) -> tuple[Array, Array]:
    """Give the numbers of the rows to train on and of those to hold out.

    Rows of one id are held out together. Those that training must see are not held out: the only
    ones of a class, and what shares their id.

    Of several networks, each has a `number` and holds out other rows, as long as there are others.

    Examples
    --------
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.training.holding_out import hold_out
    >>> table = Table.from_columns({"x": range(10), "y": ["a", "b"] * 5})
    >>> rows, held_out = hold_out(table, Settings("y", validation=0.2), "classification")
    >>> len(rows), [table.texts("y")[row] for row in held_out]
    (8, ['b', 'a'])
    """
    count = len(table)
    keys, order = _sorted(table, settings, task)
    share = settings.validation or 0.0
    first = _first_of_id(table, settings.id, order)
    leading = order[first[order] == order]
    quota = np.floor(np.arange(number, number + len(leading) + 1) * share)
    is_held = np.zeros(count, bool)
    is_held[leading[np.diff(quota) > 0]] = True
    is_held = is_held[first]
    if task == "classification":
        stays = is_held & np.isin(keys, keys[~is_held], invert=True)
        is_held &= np.isin(first, first[stays], invert=True)
    if share > 0 and not is_held.any():
        of_ids = f" of {len(leading)} different {settings.id!r}" if len(leading) < count else ""
        raise ValueError(
            f"validation: expected rows enough to hold a share of {share:g} out, got "
            f"{count}{of_ids}; 0 trains on all of them"
        )
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)


def divide(table: Table, settings: Settings, task: Task, parts: int) -> Array:
    """Give for each row the number of its part, of several that are about equally large.

    Rows that share their id are in the same part.

    Raises
    ------
    ValueError
        If there are fewer rows, or ids, than parts.

    Examples
    --------
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.training.holding_out import divide
    >>> table = Table.from_columns({"x": range(10), "y": ["a", "b"] * 5})
    >>> part = divide(table, Settings("y"), "classification", 5)
    >>> [sorted(table.texts("y")[part == i]) for i in range(2)]
    [['a', 'b'], ['a', 'b']]
    """
    if len(table) < parts:
        raise ValueError(f"folds: expected at least {parts} rows with a target, got {len(table)}")
    _, order = _sorted(table, settings, task)
    first = _first_of_id(table, settings.id, order)
    leading = order[first[order] == order]
    if len(leading) < parts:
        raise ValueError(
            f"folds: expected at least {parts} ids, as their rows stay together, got "
            f"{len(leading)} in {settings.id!r}"
        )
    part = np.empty(len(table), np.int64)
    part[leading] = np.arange(len(leading)) % parts
    return part[first]


def _first_of_id(table: Table, id_: str | None, order: Array) -> Array:
    """Give for each row, (rows,), the first row in an order that shares its id: itself if none."""
    each = np.arange(len(table))
    if id_ is None:
        return each
    _, first, number = np.unique(_codes(table, id_)[order], return_index=True, return_inverse=True)
    found = np.empty(len(table), np.int64)
    found[order] = order[first][number]
    return np.where(table.missing(id_), each, found)


def _sorted(table: Table, settings: Settings, task: Task) -> tuple[Array, Array]:
    """Give each row's target as a number, and the rows in the order of these numbers."""
    is_classes = task == "classification"
    keys = _codes(table, settings.target) if is_classes else table.numbers(settings.target)
    order = np.random.default_rng(settings.seed).permutation(len(table))
    return keys, order[np.argsort(keys[order], kind="stable")]


def _codes(table: Table, column: str) -> Array:
    """Give equal cells of a column equal integers, (rows,): NumPy compares texts slowly."""
    names, rows = table.distinct(column)
    keys = list(map(key_of(table.kind(column)), names))
    codes = {key: i for i, key in enumerate(sorted(set(keys)))}
    each: Array = np.array([codes[key] for key in keys])[rows]
    return each
