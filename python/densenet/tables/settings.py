"""The settings of a training run on a table: what a user of ``densenet fit`` may choose."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from densenet import _activations, _checks
from densenet.layers import BatchNorm, Dropout, Layer, LayerNorm, Linear, Residual
from densenet.losses import Loss, MeanSquaredError, SoftmaxCrossEntropy
from densenet.network import Network
from densenet.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from densenet.tables.columns import Imputation
from densenet.tables.monitors import MONITORS
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
_NORMS: dict[str, type[BatchNorm] | type[LayerNorm]] = {"batch": BatchNorm, "layer": LayerNorm}
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "task": ("auto", "classification", "regression"),
    "impute": ("median", "mean"),
    "activation": tuple(ACTIVATIONS),
    "optimizer": tuple(OPTIMIZERS),
    "monitor": MONITORS,
    "normalization": (None, *_NORMS),
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
    normalization : "batch" or "layer", optional
        The normalisation after each hidden linear layer.
    residual : bool
        True adds to each hidden layer its input, where both have the same width.
    lr : float, optional
        Learning rate; by default the optimizer's own.
    weight_decay : float, optional
        That of AdamW; by default its own.
    l1, l2 : float
        Strengths of the penalties ``l1 ‖W‖₁``, which gives exact zeros, and ``l2 / 2 ‖W‖²``.
    label_smoothing : float in [0, 1)
        Share of a class's target that goes to all classes alike.
    epochs, batch_size : int
    validation : float in [0, 1)
        Share of the rows that are held out. With 0 there is no early stopping.
    patience : int
        Epochs without a better validation score after which training stops.
    seed : int
        Decides the rows held out, the initial weights, the order of the rows and dropout.
    present : sequence of str
        Words of `densenet.tables.files.MISSING` that were values when the table was read.
    class_weight : "balanced" or mapping of str to float, optional
        The weights of the rows of each class in training, 1 for those that are not named.
        "balanced" gives all classes together the same weight.
    monitor : str
        The score of the rows held out that decides when training stops and which epoch is kept,
        one of `densenet.tables.monitors.MONITORS`.
    calibrate : bool
        True divides the logits by the temperature that suits the rows held out.
    threshold : float in [0, 1) or "auto", optional
        The probability from which on the rarer of two classes is predicted. "auto" is the one for
        which its F1 is highest on the rows held out.

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
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None
    monitor: str = "loss"
    calibrate: bool = False
    weight_decay: float | None = None
    l1: float = 0.0
    l2: float = 0.0
    label_smoothing: float = 0.0
    normalization: Literal["batch", "layer"] | None = None
    residual: bool = False
    threshold: float | Literal["auto"] | None = None

    def __post_init__(self) -> None:
        _checks.text("target", self.target)
        if self.id is not None:
            _checks.text("id", self.id)
        for name in ("ignore", "text", "missing", "present"):
            object.__setattr__(self, name, tuple(_checks.texts(name, getattr(self, name))))
        widths = _checks.sequence("hidden", self.hidden, "widths")
        widths = tuple(_checks.count(f"hidden[{i}]", width) for i, width in enumerate(widths))
        object.__setattr__(self, "hidden", widths)
        for name, choices in _CHOICES.items():
            _checks.choice(name, getattr(self, name), choices)
        for name, least in _COUNTS.items():
            object.__setattr__(self, name, _checks.count(name, getattr(self, name), least))
        for name in ("dropout", "validation", "label_smoothing"):
            object.__setattr__(self, name, _checks.share(name, getattr(self, name)))
        object.__setattr__(self, "class_weight", _class_weight(self.class_weight))
        for name in ("calibrate", "residual"):
            object.__setattr__(self, name, _checks.flag(name, getattr(self, name)))
        for name in ("l1", "l2"):
            object.__setattr__(self, name, _checks.rate(name, getattr(self, name)))
        if self.threshold is not None and self.threshold != "auto":
            object.__setattr__(self, "threshold", _checks.share("threshold", self.threshold))
        if self.weight_decay is not None:
            if self.optimizer != "adamw":
                raise ValueError(f"weight_decay: expected optimizer adamw, got {self.optimizer}")
            rate = _checks.rate("weight_decay", self.weight_decay)
            object.__setattr__(self, "weight_decay", rate)
        if self.lr is not None:
            object.__setattr__(self, "lr", _checks.positive("lr", self.lr))

    def make_optimizer(self) -> Optimizer:
        """Make the optimizer with the learning rate and the penalties."""
        own = {"lr": self.lr, "weight_decay": self.weight_decay}
        chosen = {name: value for name, value in own.items() if value is not None}
        return OPTIMIZERS[self.optimizer](**chosen, l1=self.l1, l2=self.l2)

    def make_network(self, inputs: int, target: Target) -> Network:
        """Make the untrained network, with `inputs` inputs and the target's outputs."""
        widths = (inputs, *self.hidden)
        pairs = list(zip(widths, self.hidden, strict=False))
        if self.residual and not any(width == following for width, following in pairs):
            raise ValueError(
                f"residual: expected a hidden layer as wide as its input, got widths {widths}"
            )
        layers: list[Layer] = []
        for width, following in pairs:
            block = self._hidden(width, following)
            layers += [Residual(block)] if self.residual and width == following else block
        layers.append(Linear(widths[-1], target.outputs))
        return Network(layers, self._loss(target), seed=self.seed)

    def _hidden(self, width: int, following: int) -> list[Layer]:
        """Make a hidden layer: linear, then normalisation, activation, dropout as asked for."""
        init = _activations.ACTIVATIONS[self.activation].init
        block: list[Layer] = [Linear(width, following, init=init)]
        if self.normalization is not None:
            block.append(_NORMS[self.normalization](following))
        block.append(ACTIVATIONS[self.activation]())
        if self.dropout:
            block.append(Dropout(self.dropout))
        return block

    def _loss(self, target: Target) -> Loss:
        if isinstance(target, Classes):
            return SoftmaxCrossEntropy(self.label_smoothing)
        if self.label_smoothing:
            raise ValueError(f"label_smoothing: expected classes, but {target.column!r} has values")
        return MeanSquaredError()


def _class_weight(value: object) -> Literal["balanced"] | dict[str, float] | None:
    """Check the weights of classes, given by name."""
    if value is None:
        return None
    words = "'balanced' or a mapping from classes to weights"
    if isinstance(value, str):
        if value != "balanced":
            raise ValueError(f"class_weight: expected {words}, got {value!r}")
        return "balanced"
    given = _checks.mapping("class_weight", value, words)
    return {
        _checks.text("class_weight", name): _checks.rate(f"class_weight[{name!r}]", weight)
        for name, weight in given.items()
    }
