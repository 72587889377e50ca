"""Train on a table: encode it, hold rows out, train, score.

This is the work of ``densenet fit``; what the command prints is made in
`densenet.tables.looking.report`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np

from densenet._typing import Array
from densenet.config import get_num_threads
from densenet.network import Network
from densenet.tables.encoding.targets import Classes, Target, Task
from densenet.tables.model import TableModel, score
from densenet.tables.table import Table
from densenet.tables.training.course import Course
from densenet.tables.training.deciding import check_decisions
from densenet.tables.training.epochs import counts_of
from densenet.tables.training.fitted import Fitted
from densenet.tables.training.going_on import check_rows, gentler, settings_from
from densenet.tables.training.holding_out import hold_out
from densenet.tables.training.labelled import Labelled
from densenet.tables.training.reducing import projection_of, reduction
from densenet.tables.training.settings import Settings
from densenet.tables.training.understanding import (
    encodings,
    missing_targets,
    understand,
    with_targets,
)
from densenet.training import History
from densenet.training.workers import run_all
from densenet.workers import Workers

__all__ = ["fit"]

_T = TypeVar("_T")


def fit(
    table: Table,
    settings: Settings,
    *,
    start: TableModel | None = None,
    validation: Table | None = None,
    progress: bool = False,
    workers: Workers | None = None,
) -> Fitted:
    """Train a model on a table, or go on with new rows from a model.

    Rows without a target are left out. Statistics are computed from the rows trained on alone.

    Parameters
    ----------
    table : Table
    settings : Settings
    start : TableModel, optional
        A model that `fit` made, to go on from with new rows. Its encodings of columns and target
        are taken as they are, and its networks are trained further, by default at a smaller
        learning rate (`densenet.tables.training.going_on`). It does not change itself.
    validation : Table, optional
        Rows to hold out, in place of a share of `table`, which is trained on as a whole. Those
        without a target are left out.
    progress : bool
        True shows a progress bar.
    workers : object with ``rank``, ``size``, ``allreduce`` and ``broadcast``, optional
        Processes that train together, as in `Network.fit`; each calls this with the same table.

    Returns
    -------
    Fitted

    Raises
    ------
    ImportError
        If `progress` is true and tqdm is missing.
    ValueError
        If a column that the settings name is missing, the id is the target, no row has a target,
        the target is neither classes nor values, nothing can be learned from any column, no row
        can be held out, or training diverged; if a setting is another than that of `start`, or
        rows do not fit it, as those of a class that it does not know; or if a weight is missing or
        negative, or all are 0.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit
    >>> x = np.linspace(-1, 1, 200)
    >>> sign = np.where(x > 0, "plus", "minus")
    >>> fitted = fit(Table.from_columns({"x": x, "sign": sign}), Settings("sign"))
    >>> question = Table.from_columns({"x": [-0.9, 0.9]})
    >>> fitted.model.predict(question)
    ['minus', 'plus']
    """
    begun = _anew(table, settings) if start is None else _further(table, settings, start)
    settings, target, said = begun.settings, begun.target, begun.said
    if validation is not None:
        validation, lines = with_targets(validation, target.column, "rows to hold out")
        said[:0] = lines
        settings = replace(settings, validation=0.0)  # of this table
    settings = settings.chosen_for(len(begun.table), target)
    table, parts = _parts(begun.table, settings, target)
    seen = np.unique(np.concatenate([rows for rows, _ in parts]))
    training_rows = table.take(seen)
    if start is None:
        features, target = encodings(training_rows, settings, _task_of(target))
    else:
        features = start.features
    encode = features.encoded if workers is None else features.transform  # ranks compare the array
    rows = Labelled.of(table, encode, target, settings.weight)
    held = [rows.take(at) for _, at in parts if len(at)]
    if validation is not None:
        held = [Labelled.of(validation, encode, target, settings.weight)] * settings.nets
    check_decisions(settings, target, [each.targets for each in held])
    every = rows.take(seen)
    reduced = None
    if start is None and settings.reduce is not None:
        reduced = projection_of(every.x, reduction(settings.reduce), workers)
    course = Course(settings, features, target, start, reduced, progress, workers)

    def trained(number: int) -> tuple[Network, History]:
        data = rows.take(parts[number][0])
        counts = counts_of(target, data.targets)
        held_out = held[number] if held else None
        return course.trained(number, data, held_out, rows=len(data.targets), counts=counts)

    tasks = [partial(trained, number) for number in range(len(parts))]
    if validation is not None:
        judged_rows = [validation]
    else:
        judged_rows = [table.take(at) for _, at in parts] if held else [training_rows]
    return course.fitted(
        [task() for task in tasks] if workers else _side_by_side(tasks),
        held,
        lambda model: score(model.target, model.outputs(every.x), every.targets),
        one_set=validation is not None,
        source=table.source,
        rows=len(seen),
        counts=counts_of(target, every.targets),
        said=said,
        judged_rows=judged_rows,
    )


class _Begun(NamedTuple):
    """What is settled before rows are held out."""

    table: Table  # the rows that have a target
    settings: Settings
    target: Target
    said: list[str]  # notes


def _anew(table: Table, settings: Settings) -> _Begun:
    """Settle what is learned from a table: its target, and which columns name the rows."""
    missing = missing_targets(table, settings)
    _, said = with_targets(table, settings.target)
    rows, _, target, noted = understand(table, settings, missing)
    return _Begun(rows, settings, target, said + noted)


def _further(table: Table, settings: Settings, start: TableModel) -> _Begun:
    """Settle how training goes on from a model, which decides what is read and predicted."""
    settings = settings_from(start, settings)
    missing_targets(table, settings, start.features.columns)
    rows, said = with_targets(table, settings.target)
    said += check_rows(start, [rows]).said
    return _Begun(rows, gentler(settings, start, len(rows)), start.target, said)


def _parts(
    table: Table, settings: Settings, target: Target
) -> tuple[Table, list[tuple[Array, Array]]]:
    """Choose the rows, by number, that each network learns from and holds out.

    A single network has them in the order of their use, so that both are views of x.
    """
    if not settings.validation:
        return table, [(np.arange(len(table)), np.arange(0))] * settings.nets
    task = _task_of(target)
    parts = [hold_out(table, settings, task, number) for number in range(settings.nets)]
    if len(parts) > 1:
        return table, parts
    [(rows, held_out)] = parts
    ordered = table.take(np.concatenate([rows, held_out]))
    return ordered, [(np.arange(len(rows)), np.arange(len(rows), len(ordered)))]


def _task_of(target: Target) -> Task:
    return "classification" if isinstance(target, Classes) else "regression"


def _side_by_side(tasks: Sequence[Callable[[], _T]]) -> list[_T]:
    """Run tasks, several of them on a thread each; raise the error of the first that has one."""
    if len(tasks) == 1:
        return [tasks[0]()]
    values, errors = run_all(tasks, get_num_threads())
    for error in errors.values():
        raise error
    return [value for value in values if value is not None]
