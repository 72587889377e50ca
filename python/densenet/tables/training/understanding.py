"""What is settled about a table before training: targets, what names rows, encodings."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.ids import find_ids
from densenet.tables.encoding.targets import Target, Task, fit_target, infer_task
from densenet.tables.notes import notes
from densenet.tables.table import Table
from densenet.tables.training.settings import Settings


class Understood(NamedTuple):
    """What a table is taken for.

    Attributes
    ----------
    table : Table
        The rows that have a target, with the columns that name them among `unnamed`.
    task : "classification" or "regression"
    target : Classes or Values
    notes : list of str
        What in the table may be other than its owner thinks.

    Examples
    --------
    >>> from densenet.tables import Classes, Table
    >>> from densenet.tables.training.understanding import Understood
    >>> table = Table.from_columns({"y": ["a", "b"]})
    >>> Understood(table, "classification", Classes("y", ("a", "b")), []).task
    'classification'
    """

    table: Table
    task: Task
    target: Target
    notes: list[str]


def missing_targets(
    table: Table, settings: Settings, columns: Sequence[str] | None = None
) -> npt.NDArray[np.bool_]:
    """Tell for each row whether its target is missing.

    Parameters
    ----------
    table : Table
    settings : Settings
    columns : sequence of str, optional
        Those that the table must have beside target and id; by default those that the settings
        name.

    Raises
    ------
    ValueError
        If the id is the target, the weights are in a column with another purpose, a column is
        missing, or no row has a target.

    Examples
    --------
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.training.understanding import missing_targets
    >>> missing_targets(Table.from_columns({"y": ["a", ""]}), Settings("y")).tolist()
    [False, True]
    """
    if settings.id == settings.target:
        raise ValueError(f"id: expected another column than the target, got {settings.id!r}")
    learned = (*settings.text, *settings.numbers) if columns is None else columns
    if settings.weight is not None and settings.weight in (settings.target, settings.id, *learned):
        raise ValueError(
            "weight: expected a column that is neither target nor id nor learned from, got "
            f"{settings.weight!r}"
        )
    table.require([*_known(settings), *(_asked(settings) if columns is None else columns)])
    missing = table.missing(settings.target)
    if missing.all():
        raise ValueError(f"{table.source}, column {settings.target!r}: expected targets, got none")
    return missing


def with_targets(table: Table, target: str, what: str = "rows") -> tuple[Table, list[str]]:
    """Give the rows that have a target, and a note if there are others.

    Parameters
    ----------
    table : Table
    target : str
    what : str
        What the note calls the rows.

    Raises
    ------
    ValueError
        If the table has no such column, or no row has a target.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.training.understanding import with_targets
    >>> rows, said = with_targets(Table.from_columns({"y": ["a", ""]}), "y")
    >>> len(rows), said
    (1, ["1 rows without 'y' are left out"])
    """
    table.require([target])
    missing = table.missing(target)
    if missing.all():
        raise ValueError(f"{table.source}, column {target!r}: expected targets, got none")
    others = int(missing.sum())
    said = [f"{others:,} {what} without {target!r} are left out"] if others else []
    return table.take(np.flatnonzero(~missing)), said


def understand(
    table: Table, settings: Settings, missing: npt.NDArray[np.bool_], rows: int | None = None
) -> Understood:
    """Find the columns that name rows, the task and the target.

    Parameters
    ----------
    table : Table
    settings : Settings
    missing : array of bool of shape (rows,)
        What `missing_targets` gives.
    rows : int, optional
        How many rows there are, if the table is but a sample of them.

    Raises
    ------
    ValueError
        If the target is neither classes nor values, or cells of a column may mean two things.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.training.understanding import understand
    >>> table = Table.from_columns({"id": range(100), "y": ["a", "b"] * 50})
    >>> found = understand(table, Settings("y"), np.zeros(100, bool))
    >>> list(found.table.unnamed), found.target.values
    (['id'], ('a', 'b'))
    """
    asked = _asked(settings)
    open_ = [name for name in table.columns if name not in {*_known(settings), *asked}]
    table = replace(table, unnamed={**table.unnamed, **find_ids(table, open_, rows)})
    labelled = table.take(np.flatnonzero(~missing))
    task = infer_task(labelled, settings.target) if settings.task == "auto" else settings.task
    silent = [*asked, *(name for name in _known(settings) if name != settings.target)]
    said = notes(table, settings.target, task, settings.id, silent)
    target = fit_target(labelled, settings.target, task)  # refuses a bad one before rows are held
    return Understood(labelled, task, target, said)


def encodings(rows: Table, settings: Settings, task: Task) -> tuple[Features, Target]:
    """Choose an encoding for each column of the training rows, and for the target.

    Parameters
    ----------
    rows : Table
    settings : Settings
        Those that `Settings.chosen_for` gives.
    task : "classification" or "regression"

    Raises
    ------
    ValueError
        If nothing can be learned from any column, or all targets are equal.

    Examples
    --------
    >>> from densenet.tables import Settings, Table
    >>> from densenet.tables.training.understanding import encodings
    >>> rows = Table.from_columns({"x": [1, 2, 3, 4], "y": ["a", "b", "a", "b"]})
    >>> features, target = encodings(rows, Settings("y", pieces=0), "classification")
    >>> features.names, target.values
    (['x'], ('a', 'b'))
    """
    skipped = {*_known(settings), *settings.ignore}
    target = fit_target(rows, settings.target, task)
    features = Features.fit(
        rows,
        [name for name in [*rows.columns, *rows.unreadable] if name not in skipped],
        text=settings.text,
        numbers=settings.numbers,
        impute=settings.impute,
        most_categories=settings.most_categories,
        pieces=_checks.count("pieces", settings.pieces, 0),
    )
    return features, target


def _known(settings: Settings) -> list[str]:
    named = (settings.target, settings.id, settings.weight)
    return [name for name in named if name is not None]


def _asked(settings: Settings) -> list[str]:
    return [*settings.ignore, *settings.text, *settings.numbers]
