"""Train on a table: settings, the rows held out, the model.

This is the work of ``densenet fit``; what the command prints is made in `densenet.tables.report`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from densenet import _activations, training
from densenet._typing import Array
from densenet._version import __version__
from densenet.layers import Dropout, Layer, Linear
from densenet.losses import MeanSquaredError, SoftmaxCrossEntropy
from densenet.metrics import accuracy, r2
from densenet.network import Network
from densenet.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from densenet.tables.columns import Imputation
from densenet.tables.features import Features
from densenet.tables.model import Evaluation, TableModel, score
from densenet.tables.notes import notes
from densenet.tables.table import Table
from densenet.tables.targets import Classes, Target, Task, fit_target, infer_task
from densenet.training import EarlyStopping, History
from densenet.workers import Workers

__all__ = ["ACTIVATIONS", "OPTIMIZERS", "Fitted", "Settings", "fit"]

ACTIVATIONS: dict[str, type[Layer]] = {
    kind: entry.layer for kind, entry in _activations.ACTIVATIONS.items() if kind != "identity"
}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "sgd": SGD,
}


@dataclass(frozen=True)
class Settings:
    """The settings of a training run on a table: what a user of ``densenet fit`` may choose.

    Attributes
    ----------
    target : str
        The column to predict.
    id : str, optional
        A column that names the rows. Nothing is learned from it; predictions carry it along.
    ignore, text : sequence of str
        Columns to leave out; columns to read as categories even if they hold numbers.
    missing : sequence of str
        Words for a missing cell that the table was read with, in addition to
        `densenet.tables.files.MISSING`.
    task, impute, most_categories
        As in `densenet.tables.targets.fit_target` and `densenet.tables.features.Features.fit`.
    hidden : sequence of int
        Widths of the hidden layers.
    activation, optimizer : str
        Names in `ACTIVATIONS` and `OPTIMIZERS`.
    dropout : float in [0, 1)
        The rate of dropout after each hidden layer.
    lr : float, optional
        Learning rate; by default the optimizer's own.
    epochs, batch_size : int
    validation : float in [0, 1)
        Share of the rows that are held out. With 0 there is no early stopping.
    patience : int
        Epochs without a lower validation loss after which training stops.
    seed : int
        Decides the rows held out, the initial weights, the order of the rows and dropout.
    present : sequence of str
        Words of `densenet.tables.files.MISSING` that were values when the table was read.

    Examples
    --------
    >>> from densenet.tables.fitting import Settings
    >>> from densenet.tables import Classes
    >>> settings = Settings("genre", hidden=(8,), optimizer="sgd")
    >>> settings.make_optimizer().lr
    0.01
    >>> settings.make_network(5, Classes("genre", ("Pop", "Rock"))).n_parameters
    66
    """

    target: str
    id: str | None = None
    ignore: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    task: Task = "auto"
    impute: Imputation = "median"
    most_categories: int = 100
    hidden: tuple[int, ...] = (64, 32)
    activation: str = "relu"
    dropout: float = 0.0
    optimizer: str = "adam"
    lr: float | None = None
    epochs: int = 100
    batch_size: int = 32
    validation: float = 0.2
    patience: int = 10
    seed: int = 0
    present: tuple[str, ...] = ()

    def make_optimizer(self) -> Optimizer:
        """Make the optimizer with the learning rate."""
        rule = OPTIMIZERS[self.optimizer]
        return rule() if self.lr is None else rule(lr=self.lr)

    def make_network(self, inputs: int, target: Target) -> Network:
        """Make the untrained network, with `inputs` inputs and the target's outputs."""
        widths = (inputs, *self.hidden)
        init = _activations.ACTIVATIONS[self.activation].init
        layers: list[Layer] = []
        for width, following in zip(widths, self.hidden, strict=False):
            layers += [Linear(width, following, init=init), ACTIVATIONS[self.activation]()]
            if self.dropout:
                layers.append(Dropout(self.dropout))
        layers.append(Linear(widths[-1], target.outputs))
        loss = SoftmaxCrossEntropy() if isinstance(target, Classes) else MeanSquaredError()
        return Network(layers, loss, seed=self.seed)


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
    >>> from densenet.tables.fitting import Settings, fit
    >>> from densenet.tables import Table
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
    >>> from densenet.tables.fitting import Settings, fit
    >>> from densenet.tables import Table
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
    rows, held_out = _split(table, settings, task)
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

    network = settings.make_network(x.shape[1], target)
    validates = len(held_out) > 0
    history = training.fit(
        network,
        x[rows],
        y[rows],
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimizer=settings.make_optimizer(),
        validation_data=(x[held_out], y[held_out]) if validates else None,
        metrics=(accuracy if isinstance(target, Classes) else r2,),
        early_stopping=EarlyStopping(patience=settings.patience) if validates else None,
        progress=progress,
        seed=settings.seed,
        workers=workers,
    )
    if history.stopped == "diverged" or not np.isfinite(network.forward(x[rows])).all():
        raise ValueError(
            f"lr: expected a learning rate at which training converges, got "
            f"{history.epochs[-1]['lr']:g}"
        )
    model = TableModel(
        network, features, target, settings.id, settings.missing, present=settings.present
    )
    train = score(model, x[rows], y[rows])
    validation = score(model, x[held_out], y[held_out]) if validates else None
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


def _split(table: Table, settings: Settings, task: Task) -> tuple[Array, Array]:
    """Give the numbers of the rows to train on and of those to hold out.

    Rows held out are taken at even distances from all rows sorted by target, so they have every
    class in its proportion. Rows that training must see are not held out: the only ones of a class,
    and those that share their id with a row trained on.
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
    keys = table.keys(column)
    codes = {key: i for i, key in enumerate(sorted(set(keys)))}
    return np.array([codes[key] for key in keys])
