"""Choose the rows of a table that are held out of training, to watch and judge it by.

Rows are taken at even distances from all rows sorted by target, those of equal targets in random
order. So they have every class in its proportion.
"""

import numpy as np

from densenet._typing import Array
from densenet.tables.cells import key_of
from densenet.tables.settings import Settings
from densenet.tables.table import Table
from densenet.tables.targets import Task

__all__ = ["divide", "hold_out"]


def hold_out(table: Table, settings: Settings, task: Task, number: int = 0) -> tuple[Array, Array]:
    """Give the numbers of the rows to train on and of those to hold out.

    Rows that training must see are not held out: the only ones of a class, and those that share
    their id with a row trained on.

    Of several networks, each has a `number` and holds out other rows, as long as there are others.

    Examples
    --------
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.holding_out import hold_out
    >>> table = Table.from_columns({"x": range(10), "y": ["a", "b"] * 5})
    >>> rows, held_out = hold_out(table, Settings("y", validation=0.2), "classification")
    >>> len(rows), [table.texts("y")[row] for row in held_out]
    (8, ['b', 'a'])
    """
    count = len(table)
    keys, order = _sorted(table, settings, task)
    share = settings.validation or 0.0
    quota = np.floor(np.arange(number, number + count + 1) * share)
    taken = np.diff(quota) > 0
    rows, held_out = order[~taken], order[taken]
    stays = np.isin(keys[held_out], keys[rows], invert=True) & (task == "classification")
    if settings.id is not None:
        ids = _codes(table, settings.id)
        named = ~table.missing(settings.id)
        stays |= np.isin(ids[held_out], ids[rows]) & named[held_out]
    rows = np.sort(np.concatenate([rows, held_out[stays]]))
    held_out = np.sort(held_out[~stays])
    if share > 0 and not len(held_out):
        raise ValueError(
            f"validation: expected rows enough to hold a share of {share:g} out, got "
            f"{count}; 0 trains on all of them"
        )
    return rows, held_out


def divide(table: Table, settings: Settings, task: Task, parts: int) -> Array:
    """Give for each row the number of its part, of several that are about equally large.

    Rows that share their id are in the same part.

    Raises
    ------
    ValueError
        If there are fewer rows than parts.

    Examples
    --------
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.holding_out import divide
    >>> table = Table.from_columns({"x": range(10), "y": ["a", "b"] * 5})
    >>> part = divide(table, Settings("y"), "classification", 5)
    >>> [sorted(table.texts("y")[part == i]) for i in range(2)]
    [['a', 'b'], ['a', 'b']]
    """
    if len(table) < parts:
        raise ValueError(f"folds: expected at least {parts} rows with a target, got {len(table)}")
    _, order = _sorted(table, settings, task)
    part = np.empty(len(table), np.int64)
    part[order] = np.arange(len(table)) % parts
    if settings.id is not None:
        _, first, number = np.unique(
            _codes(table, settings.id), return_index=True, return_inverse=True
        )
        part = np.where(table.missing(settings.id), part, part[first][number])
    return part


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
