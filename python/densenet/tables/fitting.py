"""Train on a table: encode it, hold rows out, train, score.

This is the work of ``densenet fit``; what the command prints is made in `densenet.tables.report`.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from densenet import _checks, training
from densenet._typing import Array
from densenet._version import __version__
from densenet.network import Network
from densenet.tables.calibration import calibrate
from densenet.tables.deciding import check_decisions, weights_of, with_threshold
from densenet.tables.features import Features
from densenet.tables.holding_out import hold_out
from densenet.tables.ids import find_ids
from densenet.tables.model import Evaluation, TableModel, outputs_of, score
from densenet.tables.monitors import metrics_of, rule_of
from densenet.tables.notes import notes
from densenet.tables.settings import Settings
from densenet.tables.table import Table
from densenet.tables.targets import Classes, Target, fit_target, infer_task
from densenet.training import History
from densenet.workers import Workers

__all__ = ["Fitted", "fit"]


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
    >>> fitted.notes
    ["'x' numbers the rows: leave it out unless that is meant (--id x or --ignore x)"]
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
    validation: Table | None = None,
    progress: bool = False,
    workers: Workers | None = None,
) -> Fitted:
    """Train a model on a table.

    Rows without a target are left out. Statistics are computed from the rows trained on alone.

    Parameters
    ----------
    table : Table
    settings : Settings
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
        can be held out, or training diverged.

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
    known = [name for name in (settings.target, settings.id) if name is not None]
    if len(set(known)) < len(known):
        raise ValueError(f"id: expected another column than the target, got {settings.id!r}")
    asked = [*settings.ignore, *settings.text, *settings.numbers]
    table.require([*known, *asked])
    missing = table.missing(settings.target)
    if missing.all():
        raise ValueError(f"{table.source}, column {settings.target!r}: expected targets, got none")
    ids = find_ids(table, [name for name in table.columns if name not in {*known, *asked}])
    table = replace(table, unnamed={**table.unnamed, **ids})
    whole, table = table, table.take(np.flatnonzero(~missing))
    task = infer_task(table, settings.target) if settings.task == "auto" else settings.task
    said = notes(whole, settings.target, task, settings.id, asked)
    if missing.any():
        said.insert(0, f"{int(missing.sum()):,} rows without {settings.target!r} are left out")
    target = fit_target(table, settings.target, task)  # refuses a bad one before rows are held out
    if validation is None:
        settings = settings.chosen_for(len(table), target)
        parts = [hold_out(table, settings, task, number) for number in range(settings.nets)]
    else:
        bare = int(validation.missing(settings.target).sum())
        if bare:
            said.insert(0, f"{bare:,} rows to hold out without {settings.target!r} are left out")
        settings = replace(settings, validation=0.0).chosen_for(len(table), target)
        parts = [(np.arange(len(table)), np.arange(0))] * settings.nets
    if len(parts) == 1:  # in the order of their use, rows of x are views
        [(rows, held_out)] = parts
        table = table.take(np.concatenate([rows, held_out]))
        parts = [(np.arange(len(rows)), np.arange(len(rows), len(table)))]
    seen = np.unique(np.concatenate([rows for rows, _ in parts]))
    training_rows = table.take(seen)
    target = fit_target(training_rows, settings.target, task)
    skipped = {*known, *settings.ignore}
    features = Features.fit(
        training_rows,
        [name for name in [*table.columns, *table.unreadable] if name not in skipped],
        text=settings.text,
        numbers=settings.numbers,
        impute=settings.impute,
        most_categories=settings.most_categories,
        pieces=settings.pieces,
    )
    x, y = features.transform(table), target.encode(table)
    if validation is None:
        held = [(_of(x, rows), _of(y, rows)) for _, rows in parts if len(rows)]
    else:
        held = [_encoded(validation, features, target)] * settings.nets
    check_decisions(settings, target, [targets for _, targets in held])
    networks, histories = [], []
    for number, (rows, _) in enumerate(parts):
        network, history = _train(
            (_of(x, rows), _of(y, rows)),
            held[number] if held else None,
            settings,
            target,
            number,
            progress,
            workers,
        )
        if settings.calibrate:
            calibrate(network, *held[number])
        networks.append(network)
        histories.append(history)
    model = TableModel(
        tuple(networks), features, target, settings.id, settings.missing, present=settings.present
    )
    judged = None
    if validation is not None:
        judged = model.outputs(held[0][0]), held[0][1]
    elif held:
        each = [
            outputs_of(target, network, of[0]) for network, of in zip(networks, held, strict=True)
        ]
        judged = np.concatenate(each), np.concatenate([classes for _, classes in held])
    if isinstance(target, Classes) and settings.threshold is not None:
        target = with_threshold(target, settings.threshold, y[seen], judged)
        model = replace(model, target=target)
    train = score(target, model.outputs(_of(x, seen)), y[seen])
    judgement = score(target, *judged) if judged else None
    facts = {
        "densenet": __version__,
        "source": Path(table.source).name,
        "training_rows": len(seen),
        "validation_rows": len(judged[1]) if judged else 0,
        "epochs": len(histories[0].epochs),
        "stopped": histories[0].stopped,
        "settings": asdict(settings),
        "training": train.scores,
        "validation": judgement.scores if judgement else {},
    }
    model = replace(model, facts=facts)
    if validation is not None:
        judged_rows = [_labelled(validation, target)]
    elif held:
        judged_rows = [table.take(held_out) for _, held_out in parts]
    else:
        judged_rows = [training_rows]
    return Fitted(model, histories, train, judgement, said, judged_rows)


def _train(
    rows: tuple[Array, Array],
    held: tuple[Array, Array] | None,
    settings: Settings,
    target: Target,
    number: int,
    progress: bool,
    workers: Workers | None,
) -> tuple[Network, History]:
    """Train network `number` on some rows; keep its best epoch by the rows held out."""
    seed = settings.seed + number
    network = settings.make_network(rows[0].shape[1], target, seed)
    epochs = _checks.count("epochs", settings.epochs)
    weights = weights_of(settings, target, rows[1])
    rule = rule_of(target, settings.monitor, weighted=weights is not None)
    history = training.fit(
        network,
        *rows,
        epochs=epochs,
        batch_size=_checks.count("batch_size", settings.batch_size),
        optimizer=settings.make_optimizer(len(rows[0])),
        validation_data=held if held is None or weights is None else (*held, weights[held[1]]),
        metrics=metrics_of(target, rule),
        early_stopping=replace(rule, patience=settings.patience or epochs) if held else None,
        class_weight=None if weights is None else dict(enumerate(weights.tolist())),
        progress=progress,
        seed=seed,
        workers=workers,
    )
    if history.stopped == "diverged" or not np.isfinite(network.forward(rows[0])).all():
        raise ValueError(
            f"lr: expected a learning rate at which training converges, got {settings.highest_lr:g}"
        )
    return network, history


def _encoded(table: Table, features: Features, target: Target) -> tuple[Array, Array]:
    """Encode the rows of a table that have a target, to hold them out."""
    table = _labelled(table, target)
    if not len(table):
        raise ValueError(f"{table.source}, column {target.column!r}: expected targets, got none")
    return features.transform(table), target.encode(table)


def _of(array: Array, rows: Array) -> Array:
    """Give rows of an array, by growing numbers: a view if they lie one after the other."""
    first, last = rows[0], rows[-1]
    return array[first : last + 1] if last - first + 1 == len(rows) else array[rows]


def _labelled(table: Table, target: Target) -> Table:
    """Give the rows of a table that have a target."""
    return table.take(np.flatnonzero(~table.missing(target.column)))
