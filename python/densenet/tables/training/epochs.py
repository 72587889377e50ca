"""The training of one network by the settings of a table, and what is noted of it."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from densenet import _checks, training
from densenet._engine.made_rows import MadeRows, rows_at_once
from densenet._typing import Array
from densenet._version import __version__
from densenet.network import Network
from densenet.tables.encoding.targets import Classes, Target
from densenet.tables.model import Evaluation
from densenet.tables.training.deciding import weights_of
from densenet.tables.training.labelled import Labelled, LabelledChunks, check_sum
from densenet.tables.training.monitors import metrics_of, rule_of
from densenet.tables.training.settings import Settings
from densenet.training import History, WeightAveraging
from densenet.workers import Workers

_MOVES = 8  # of the average of weights, in the steps over which it looks back


def train(
    network: Network,
    data: Labelled | LabelledChunks,
    held: Labelled | None,
    settings: Settings,
    target: Target,
    *,
    rows: int,
    counts: Array,
    seed: int,
    progress: bool = False,
    workers: Workers | None = None,
) -> History:
    """Train a network on some rows; keep an epoch by the rows held out, as `rule_of` has it.

    Parameters
    ----------
    network : Network
    data : Labelled, or function
        Rows, or what gives chunks of them for each epoch.
    held : Labelled, optional
        The rows held out.
    settings : Settings
        Those that `Settings.chosen_for` gives.
    target : Classes or Values
    rows : int
        How many are trained on.
    counts : integer array of shape (classes,)
        Those of each class; of values they are not looked at.
    seed : int
    progress : bool
    workers : optional
        As for `Network.fit`.

    Raises
    ------
    ValueError
        If all weights of rows or of classes are 0; also what `Network.fit` raises.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Classes, Settings
    >>> from densenet.tables.training.epochs import counts_of, train
    >>> from densenet.tables.training.labelled import Labelled
    >>> target = Classes("y", ("a", "b"))
    >>> settings = Settings("y", epochs=3, hidden=()).chosen_for(100, target)
    >>> network, x, y = settings.make_network(1, target), np.ones((100, 1)), np.zeros(100, int)
    >>> counts = counts_of(target, y)
    >>> history = train(
    ...     network, Labelled(x, y), None, settings, target, rows=100, counts=counts, seed=0
    ... )
    >>> counts.tolist(), len(history.epochs)
    ([100, 0], 3)
    """
    epochs = _checks.count("epochs", settings.epochs)
    weights = weights_of(settings, target, counts)
    weighted = weights is not None or settings.weight is not None
    if isinstance(data, Labelled):
        check_sum(data.weights, "train on")
    if held is not None:
        check_sum(held.weights, "hold out")
    alone = len(held.targets) if held and settings.nets == 1 else 0
    rule = rule_of(target, settings.monitor, weighted=weighted, held=alone)
    x: Any
    x, y, own = data if isinstance(data, Labelled) else (data, None, None)
    return training.fit(
        network,
        x,
        y,
        epochs=epochs,
        batch_size=_checks.count("batch_size", settings.batch_size),
        optimizer=settings.make_optimizer(rows),
        sample_weight=own,
        validation_data=None if held is None else _with_class_weights(held, weights),
        metrics=metrics_of(target, rule),
        early_stopping=replace(rule, patience=settings.patience or epochs) if held else None,
        class_weight=None if weights is None else dict(enumerate(weights.tolist())),
        callbacks=averages_of(settings, rows),
        progress=progress,
        seed=seed,
        workers=workers,
    )


def averages_of(settings: Settings, rows: int) -> list[WeightAveraging]:
    """Give what averages the weights while so many rows are trained on, if anything does.

    The average moves eight times in the steps over which it looks back: each move costs as much as
    a step of a small network.

    Examples
    --------
    >>> from densenet.tables import Settings
    >>> from densenet.tables.training.epochs import averages_of
    >>> settings = Settings("y", epochs=40, batch_size=64)
    >>> averages_of(settings, 6400)  # 4,000 steps, of which it looks back over 400
    [WeightAveraging(decay=0.875, start_epoch=1, every=50)]
    """
    epochs = _checks.count("epochs", settings.epochs)
    batch = _checks.count("batch_size", settings.batch_size)
    reach = settings.average * epochs * -(-rows // batch)
    every = max(1, round(reach / _MOVES))
    return [WeightAveraging(decay=1 - every / reach, every=every)] if reach > every else []


def _with_class_weights(rows: Labelled, weights: Array | None) -> Labelled:
    """Multiply the weights of rows by those of their classes, (classes,)."""
    if weights is None:
        return rows
    of_rows = weights[rows.targets]
    return rows._replace(weights=of_rows if rows.weights is None else of_rows * rows.weights)


def counts_of(target: Target, encoded: Array) -> Array:
    """Count the rows of each class, (classes,); none of values."""
    if not isinstance(target, Classes):
        return np.empty(0, np.int64)
    return np.bincount(encoded, minlength=target.outputs)


def check_converged(
    network: Network, history: History, x: Array | MadeRows, settings: Settings
) -> None:
    """Raise a ValueError if training diverged, or outputs for rows x are not finite.

    Of rows that are made when they are asked for, the first are: all others cost as much as a third
    of an epoch.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import History, Linear, Network, MeanSquaredError
    >>> from densenet.tables import Settings
    >>> from densenet.tables.training.epochs import check_converged
    >>> network = Network([Linear(1, 1)], MeanSquaredError(), seed=0)
    >>> check_converged(network, History(), np.ones((1, 1)), Settings("y"))
    """
    some = x[: rows_at_once(x)] if isinstance(x, MadeRows) else x
    if history.stopped == "diverged" or not np.isfinite(network.forward(some)).all():
        raise ValueError(
            f"lr: expected a learning rate at which training converges, got {settings.highest_lr:g}"
        )


def facts_of(
    source: str,
    rows: int,
    history: History,
    settings: Settings,
    train: Evaluation,
    judgement: Evaluation | None,
) -> dict[str, Any]:
    """Give the facts that a model's file has about its training.

    Parameters
    ----------
    source : str
        The table's.
    rows : int
        How many were trained on.
    history : History
        Of the first network.
    settings : Settings
    train, judgement : Evaluation
        Of rows trained on and of those held out, if there are any.
    """
    return {
        "densenet": __version__,
        "source": Path(source).name,
        "training_rows": rows,
        "validation_rows": len(judgement.y_true) if judgement else 0,
        "epochs": len(history.epochs),
        "stopped": history.stopped,
        "settings": asdict(settings),
        "training": train.scores,
        "validation": judgement.scores if judgement else {},
    }
