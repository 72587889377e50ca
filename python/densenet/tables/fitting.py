"""Train on a table: encode it, hold rows out, train, score.

This is the work of ``densenet fit``; what the command prints is made in `densenet.tables.report`.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from densenet import training
from densenet._version import __version__
from densenet.metrics import accuracy, r2
from densenet.tables.features import Features
from densenet.tables.holding_out import hold_out
from densenet.tables.model import Evaluation, TableModel, score
from densenet.tables.notes import notes
from densenet.tables.settings import Settings
from densenet.tables.table import Table
from densenet.tables.targets import Classes, fit_target, infer_task
from densenet.training import EarlyStopping, History
from densenet.workers import Workers

__all__ = ["Fitted", "fit"]


class Fitted(NamedTuple):
    """What `fit` gives: the model, the course of its training, and notes for its user.

    Attributes
    ----------
    model : TableModel
    history : History
    train, validation : Evaluation
        Of the rows trained on and of those held out; the latter None if there are none.
    notes : list of str
        Lines about what in the table may be other than its owner thinks.

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
    history: History
    train: Evaluation
    validation: Evaluation | None
    notes: list[str]


def fit(
    table: Table, settings: Settings, *, progress: bool = False, workers: Workers | None = None
) -> Fitted:
    """Train a model on a table.

    Rows without a target are left out. Statistics are computed from the rows trained on alone.

    Parameters
    ----------
    table : Table
    settings : Settings
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
    table.require([*known, *settings.ignore, *settings.text])
    missing = table.missing(settings.target)
    if missing.all():
        raise ValueError(f"{table.source}, column {settings.target!r}: expected targets, got none")
    whole, table = table, table.take(np.flatnonzero(~missing))
    task = infer_task(table, settings.target) if settings.task == "auto" else settings.task
    said = notes(whole, settings.target, task, settings.id, {*settings.ignore, *settings.text})
    if missing.any():
        said.insert(0, f"{int(missing.sum()):,} rows without {settings.target!r} are left out")
    fit_target(table, settings.target, task)  # refuses a bad target before rows are held out
    rows, held_out = hold_out(table, settings, task)
    training_rows = table.take(rows)
    target = fit_target(training_rows, settings.target, task)
    skipped = {*known, *settings.ignore}
    features = Features.fit(
        training_rows,
        [name for name in [*table.columns, *table.unreadable] if name not in skipped],
        text=settings.text,
        impute=settings.impute,
        most_categories=settings.most_categories,
    )
    ordered = table.take(np.concatenate([rows, held_out]))
    all_x, all_y = features.transform(ordered), target.encode(ordered)
    x, x_held_out = np.split(all_x, [len(rows)])  # views
    y, y_held_out = np.split(all_y, [len(rows)])

    network = settings.make_network(x.shape[1], target)
    validates = len(held_out) > 0
    history = training.fit(
        network,
        x,
        y,
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=settings.make_optimizer(),
        validation_data=(x_held_out, y_held_out) if validates else None,
        metrics=(accuracy if isinstance(target, Classes) else r2,),
        early_stopping=EarlyStopping(patience=settings.patience) if validates else None,
        progress=progress,
        seed=settings.seed,
        workers=workers,
    )
    if history.stopped == "diverged" or not np.isfinite(network.forward(x)).all():
        raise ValueError(
            f"lr: expected a learning rate at which training converges, got "
            f"{history.epochs[-1]['lr']:g}"
        )
    model = TableModel(
        network, features, target, settings.id, settings.missing, present=settings.present
    )
    train = score(model, x, y)
    validation = score(model, x_held_out, y_held_out) if validates else None
    facts = {
        "densenet": __version__,
        "source": Path(table.source).name,
        "training_rows": len(rows),
        "validation_rows": len(held_out),
        "epochs": len(history.epochs),
        "stopped": history.stopped,
        "settings": asdict(settings),
        "training": train.scores,
        "validation": validation.scores if validation else {},
    }
    model = replace(model, facts=facts)
    return Fitted(model, history, train, validation, said)
