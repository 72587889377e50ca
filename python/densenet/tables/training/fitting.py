"""Train on a table: encode it, hold rows out, train, score.

This is the work of ``densenet fit``; what the command prints is made in
`densenet.tables.looking.report`.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np

from densenet._engine.made_rows import MadeRows
from densenet._rounding import rounded
from densenet._typing import Array
from densenet.config import get_num_threads
from densenet.network import Network
from densenet.tables.encoding.targets import Classes, Target, Task
from densenet.tables.model import Evaluation, TableModel, outputs_of, score
from densenet.tables.table import Table
from densenet.tables.training.calibration import calibrate
from densenet.tables.training.deciding import check_decisions, with_threshold
from densenet.tables.training.epochs import check_converged, counts_of, facts_of, train
from densenet.tables.training.going_on import (
    check_rows,
    gentler,
    network_from,
    settings_from,
    tables_of,
)
from densenet.tables.training.holding_out import hold_out
from densenet.tables.training.reducing import parted, projection_of, reduction
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

__all__ = ["Fitted", "fit"]

_Rows: TypeAlias = Array | MadeRows
_T = TypeVar("_T")


class Fitted(NamedTuple):
    """What `fit` gives: the model, the course of its training, and notes for its user.

    Attributes
    ----------
    model : TableModel
    histories : list of History
        Of each network.
    train, validation : Evaluation
        Of the rows trained on and of those held out; the latter None if there are none. Of several
        networks, each judges the rows that it held out.
    notes : list of str
        Lines about what in the table may be other than its owner thinks.
    judged_rows : list of Table
        For each network the rows that it held out. One table alone is of all networks: rows to
        validate that were given or, if none were held out, those trained on.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit
    >>> x = np.arange(-50, 50)
    >>> fitted = fit(Table.from_columns({"x": x, "y": np.sign(x)}), Settings("y", epochs=2))
    >>> len(fitted.history.epochs), len(fitted.train.y_true), len(fitted.validation.y_true)
    (2, 80, 20)
    >>> fitted.notes[0].partition(": ")[0]
    "'x' has another whole number in each row"
    """

    model: TableModel
    histories: list[History]
    train: Evaluation
    validation: Evaluation | None
    notes: list[str]
    judged_rows: list[Table]

    @property
    def history(self) -> History:
        """That of the first network."""
        return self.histories[0]


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
        rows do not fit it, as those of a class that it does not know.

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
    encode = features.encoded
    if settings.reduce is not None or workers is not None:  # these look at the array as a whole
        encode = features.transform
    x, y = encode(table), target.encode(table)
    held = _held_out(x, y, parts)
    if validation is not None:
        held = [(encode(validation), target.encode(validation))] * settings.nets
    check_decisions(settings, target, [targets for _, targets in held])
    projection, width = None, x.shape[1]
    reduced = None if start is None else start.facts.get("reduced")
    if start is None and settings.reduce is not None:
        wanted = reduction(settings.reduce)
        projection, share = projection_of(np.asarray(_rows_of(x, seen)), wanted, workers)
        reduced = {"inputs": width, "components": len(projection.bias), "share": share}
        width = len(projection.bias)

    def trained(number: int) -> tuple[Network, History]:
        rows, _ = parts[number]
        seed = settings.seed + number
        if start is None:
            first, network = projection, settings.make_network(width, target, seed)
        elif settings.reduce is None:
            first, network = None, network_from(start.networks[number])
        else:
            first, network = parted(start.networks[number], seed)
        inputs, targets = _rows_of(x, rows), _of(y, rows)
        held_out = held[number] if held else None
        if first is not None:
            inputs = first.apply(np.asarray(inputs))
            held_out = held_out and (first.apply(np.asarray(held_out[0])), held_out[1])
        history = train(
            network,
            (inputs, targets),
            held_out,
            settings,
            target,
            rows=len(rows),
            counts=counts_of(target, targets),
            seed=seed,
            progress=progress,
            workers=workers,
        )
        check_converged(network, history, inputs, settings)
        if settings.calibrate and held_out:
            calibrate(network, *held_out)
        return network if first is None else first.before(network), history

    tasks = [partial(trained, number) for number in range(len(parts))]
    pairs = [task() for task in tasks] if workers else _side_by_side(tasks)
    networks, histories = [network for network, _ in pairs], [history for _, history in pairs]
    model = TableModel(
        tuple(networks), features, target, settings.id, settings.missing, present=settings.present
    )
    one_set = validation is not None
    judged = _judged(model, held, one_set)
    if start is not None and (before := _judged(start, held, one_set)):
        said.append(f"before, the validation {headline(score(target, *before))}")
    if isinstance(target, Classes) and settings.threshold is not None:
        chosen = with_threshold(target, settings.threshold, counts_of(target, y[seen]), judged)
        model = replace(model, target=chosen)
    scores = score(model.target, model.outputs(_rows_of(x, seen)), y[seen])
    judgement = score(model.target, *judged) if judged else None
    facts = facts_of(table.source, len(seen), histories[0], settings, scores, judgement)
    if start is not None:
        facts["before"] = tables_of(start)
    if reduced is not None:
        facts["reduced"] = reduced
    if validation is not None:
        judged_rows = [validation]
    elif held:
        judged_rows = [table.take(held_out) for _, held_out in parts]
    else:
        judged_rows = [training_rows]
    return Fitted(replace(model, facts=facts), histories, scores, judgement, said, judged_rows)


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


def _held_out(x: _Rows, y: Array, parts: list[tuple[Array, Array]]) -> list[tuple[_Rows, Array]]:
    """Give what each network holds out; nothing if no rows are held out."""
    return [(_rows_of(x, rows), _of(y, rows)) for _, rows in parts if len(rows)]


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


def _judged(
    model: TableModel, held: Sequence[tuple[_Rows, Array]], one_set: bool
) -> tuple[Array, Array] | None:
    """Give a model's outputs for the rows held out, and their targets; None if there are none.

    With `one_set` all networks hold out the same rows; otherwise each judges its own.
    """
    if not held:
        return None
    if one_set:
        x, targets = held[0]
        return model.outputs(x), targets
    pairs = zip(model.networks, held, strict=True)
    each = [outputs_of(model.target, network, x) for network, (x, _) in pairs]
    return np.concatenate(each), np.concatenate([targets for _, targets in held])


def _rows_of(x: _Rows, rows: Array) -> _Rows:
    """Give rows of features, by growing numbers."""
    return x.part(rows) if isinstance(x, MadeRows) else _of(x, rows)


def _of(array: Array, rows: Array) -> Array:
    """Give rows of an array, by growing numbers: a view if they lie one after the other."""
    first, last = rows[0], rows[-1]
    return array[first : last + 1] if last - first + 1 == len(rows) else array[rows]


def headline(evaluation: Evaluation) -> str:
    """Say in words the score by which a model is judged first.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Values
    >>> from densenet.tables.model import score
    >>> from densenet.tables.training.fitting import headline
    >>> headline(score(Values("price", 0.0, 1.0), np.array([1.0, 2.0]), np.array([1.0, 2.0])))
    'R² was 1.0000'
    """
    scores = evaluation.scores
    if "accuracy" in scores:
        return f"accuracy was {rounded(scores['accuracy'], 2, '%')}"
    return f"R² was {rounded(scores['r2'], 4, 'g')}"
