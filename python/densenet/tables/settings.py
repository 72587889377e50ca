"""The settings of a training run on a table: what a user of ``densenet fit`` may choose."""

from collections.abc import Callable
from dataclasses import dataclass

from densenet import _activations, _checks
from densenet.layers import Dropout, Layer, Linear
from densenet.losses import MeanSquaredError, SoftmaxCrossEntropy
from densenet.network import Network
from densenet.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from densenet.tables.columns import Imputation
from densenet.tables.targets import Classes, Target, Task

__all__ = ["ACTIVATIONS", "OPTIMIZERS", "Settings"]

ACTIVATIONS: dict[str, type[Layer]] = {
    kind: entry.layer for kind, entry in _activations.ACTIVATIONS.items() if kind != "identity"
}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "sgd": SGD,
}
_CHOICES = {
    "task": ("auto", "classification", "regression"),
    "impute": ("median", "mean"),
    "activation": tuple(ACTIVATIONS),
    "optimizer": tuple(OPTIMIZERS),
}
_COUNTS = {"most_categories": 0, "epochs": 1, "batch_size": 1, "patience": 1, "seed": 0}


@dataclass(frozen=True)
class Settings:
    """The settings of a training run on a table: what a user of ``densenet fit`` may choose.

    Attributes
    ----------
    target : str
        The column to predict.
    id : str, optional
        A column that names the rows. Nothing is learned from it; predictions carry it along.
    ignore, text, numbers : sequence of str
        Columns to leave out; columns to read as categories even if they hold numbers; columns to
        read as numbers even if they seem to name the rows.
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

    Raises
    ------
    TypeError
        If a setting is of another type.
    ValueError
        If a setting is outside its range.

    Examples
    --------
    >>> from densenet.tables import Classes, Settings
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
    numbers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _checks.text("target", self.target)
        if self.id is not None:
            _checks.text("id", self.id)
        for name in ("ignore", "text", "missing", "present", "numbers"):
            object.__setattr__(self, name, tuple(_checks.texts(name, getattr(self, name))))
        both = [name for name in self.numbers if name in self.text]
        if both:
            raise ValueError(f"numbers: expected other columns than text, got {both[0]!r} in both")
        widths = _checks.sequence("hidden", self.hidden, "widths")
        widths = tuple(_checks.count(f"hidden[{i}]", width) for i, width in enumerate(widths))
        object.__setattr__(self, "hidden", widths)
        for name, choices in _CHOICES.items():
            _checks.choice(name, getattr(self, name), choices)
        for name, least in _COUNTS.items():
            object.__setattr__(self, name, _checks.count(name, getattr(self, name), least))
        for name in ("dropout", "validation"):
            object.__setattr__(self, name, _checks.share(name, getattr(self, name)))
        if self.lr is not None:
            object.__setattr__(self, "lr", _checks.positive("lr", self.lr))

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
