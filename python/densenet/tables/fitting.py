"""Train on a table: encode it, hold rows out, train, score.

This is the work of ``densenet fit``; what the command prints is made in `densenet.tables.report`.
"""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from densenet import training
from densenet._typing import Array
from densenet._version import __version__
from densenet.tables.calibration import calibrate
from densenet.tables.cells import index_of
from densenet.tables.features import Features
from densenet.tables.holding_out import hold_out
from densenet.tables.model import Evaluation, TableModel, score
from densenet.tables.monitors import metrics_of
from densenet.tables.notes import notes
from densenet.tables.settings import Settings
from densenet.tables.table import Table
from densenet.tables.targets import Classes, Target, Values, fit_target, infer_task
from densenet.tables.thresholds import best_threshold
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
    if validation is None:
        rows, held_out = hold_out(table, settings, task)
    else:
        rows, held_out = np.arange(len(table)), np.arange(0)
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
    x, y = features.transform(table), target.encode(table)
    held: tuple[Array, Array] | None = None
    if validation is not None:
        held = _encoded(validation, features, target)
    elif len(held_out):
        held = x[held_out], y[held_out]
    metrics, monitor = metrics_of(target, settings.monitor)
    _check_decisions(settings, target, held)

    network = settings.make_network(x.shape[1], target)
    history = training.fit(
        network,
        x[rows],
        y[rows],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=settings.make_optimizer(),
        validation_data=held,
        metrics=metrics,
        early_stopping=EarlyStopping(monitor, patience=settings.patience) if held else None,
        class_weight=_weights(settings, target),
        progress=progress,
        seed=settings.seed,
        workers=workers,
    )
    if history.stopped == "diverged" or not np.isfinite(network.forward(x[rows])).all():
        raise ValueError(
            f"lr: expected a learning rate at which training converges, got "
            f"{history.epochs[-1]['lr']:g}"
        )
    if settings.calibrate and held:
        calibrate(network, *held)
    if settings.threshold is not None and isinstance(target, Classes):
        rare = int(np.argmin(np.bincount(y[rows], minlength=2)))
        least = settings.threshold
        if least == "auto":
            assert held, "checked before training"
            x_held, classes = held
            least = best_threshold(network.predict_proba(x_held)[:, rare], classes == rare)
        target = replace(target, threshold=(rare, least))
    model = TableModel(
        network, features, target, settings.id, settings.missing, present=settings.present
    )
    train = score(model, x[rows], y[rows])
    judged = score(model, *held) if held else None
    facts = {
        "densenet": __version__,
        "source": Path(table.source).name,
        "training_rows": len(rows),
        "validation_rows": len(held[0]) if held else 0,
        "epochs": len(history.epochs),
        "stopped": history.stopped,
        "settings": asdict(settings),
        "training": train.scores,
        "validation": judged.scores if judged else {},
    }
    model = replace(model, facts=facts)
    return Fitted(model, history, train, judged, said)


def _encoded(table: Table, features: Features, target: Target) -> tuple[Array, Array]:
    """Encode the rows of a table that have a target, to hold them out."""
    table = table.take(np.flatnonzero(~table.missing(target.column)))
    if not len(table):
        raise ValueError(f"{table.source}, column {target.column!r}: expected targets, got none")
    return features.transform(table), target.encode(table)


def _weights(settings: Settings, target: Target) -> dict[int, float] | Literal["balanced"] | None:
    """Give the weights of classes by their indices."""
    given = settings.class_weight
    if given is None:
        return None
    if isinstance(target, Values):
        raise ValueError(f"class_weight: expected classes, but {target.column!r} has values")
    if isinstance(given, str):
        return "balanced"
    index = index_of(target.values)
    unknown = [name for name in given if index(name) < 0]
    if unknown:
        expected = ", ".join(map(repr, target.values[:6])) + (", ..." if target.outputs > 6 else "")
        raise ValueError(f"class_weight: expected classes of {expected}, got {unknown[0]!r}")
    return {index(name): weight for name, weight in given.items()}


def _check_decisions(settings: Settings, target: Target, held: tuple[Array, Array] | None) -> None:
    """Check before training that probabilities can be calibrated, and a threshold found."""
    classes = target.outputs if isinstance(target, Classes) else 0
    if settings.calibrate and not classes:
        raise ValueError(f"calibrate: expected classes, but {target.column!r} has values")
    if settings.calibrate and held is None:
        raise ValueError("calibrate: expected rows held out, got none: give them or a share")
    if settings.threshold is not None and classes != 2:
        got = f"{classes} classes" if classes else "values"
        raise ValueError(f"threshold: expected a target of two classes, got {got}")
    if settings.threshold == "auto" and (held is None or len(np.unique(held[1])) < 2):
        raise ValueError("threshold: expected rows of both classes held out, got none of one")
