"""Choose the rows of a table that are held out of training, to watch and judge it by."""

import numpy as np

from densenet._typing import Array
from densenet.tables.cells import key_of
from densenet.tables.settings import Settings
from densenet.tables.table import Table
from densenet.tables.targets import Task

__all__ = ["hold_out"]


def hold_out(table: Table, settings: Settings, task: Task) -> tuple[Array, Array]:
    """Give the numbers of the rows to train on and of those to hold out.

    Rows held out are taken at even distances from all rows sorted by target, so they have every
    class in its proportion. Rows that training must see are not held out: the only ones of a class,
    and those that share their id with a row trained on.

    Examples
    --------
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.holding_out import hold_out
    >>> table = Table.from_columns({"x": range(10), "y": ["a", "b"] * 5})
    >>> rows, held_out = hold_out(table, Settings("y"), "classification")
    >>> len(rows), [table.texts("y")[row] for row in held_out]
    (8, ['b', 'a'])
    """
    count = len(table)
    is_classes = task == "classification"
    keys = _codes(table, settings.target) if is_classes else table.numbers(settings.target)
    order = np.random.default_rng(settings.seed).permutation(count)
    order = order[np.argsort(keys[order], kind="stable")]
    quota = np.floor(np.arange(count + 1) * settings.validation)
    taken = np.diff(quota) > 0
    rows, held_out = order[~taken], order[taken]
    stays = np.isin(keys[held_out], keys[rows], invert=True) & is_classes
    if settings.id is not None:
        ids = _codes(table, settings.id)
        named = ~table.missing(settings.id)
        stays |= np.isin(ids[held_out], ids[rows]) & named[held_out]
    rows = np.sort(np.concatenate([rows, held_out[stays]]))
    held_out = np.sort(held_out[~stays])
    if settings.validation > 0 and not len(held_out):
        raise ValueError(
            f"validation: expected rows enough to hold a share of {settings.validation:g} out, got "
            f"{count}; 0 trains on all of them"
        )
    return rows, held_out


def _codes(table: Table, column: str) -> Array:
    """Give equal cells of a column equal integers, (rows,): NumPy compares texts slowly."""
    names, rows = table.distinct(column)
    keys = list(map(key_of(table.kind(column)), names))
    codes = {key: i for i, key in enumerate(sorted(set(keys)))}
    each: Array = np.array([codes[key] for key in keys])[rows]
    return each
