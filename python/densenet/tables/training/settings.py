"""The settings of a training run on a table: what a user of ``densenet fit`` may choose.

Their defaults are the recipe that did best on the training rows of fourteen tables. `PRESETS` has
two others, one for less time and one for better predictions.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from densenet import _activations, _checks
from densenet.layers import BatchNorm, Dropout, Layer, LayerNorm, Linear, Residual
from densenet.losses import MeanSquaredError, SoftmaxCrossEntropy
from densenet.network import Network
from densenet.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from densenet.schedules import CosineLR, Schedule, WarmupLR
from densenet.tables.encoding.columns import Imputation
from densenet.tables.encoding.targets import Classes, Target, Task
from densenet.tables.training.monitors import HELD_OUT, MONITORS
from densenet.tables.training.reducing import reduction

__all__ = [
    "ACTIVATIONS",
    "CHOICES",
    "DECAY",
    "HELD_OUT_SHARES",
    "OPTIMIZERS",
    "PRESETS",
    "SMOOTHING",
    "Settings",
]

ACTIVATIONS: dict[str, type[Layer]] = {
    kind: entry.layer for kind, entry in _activations.ACTIVATIONS.items() if kind != "identity"
}
OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "sgd": SGD,
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "fast": {"pieces": 16, "hidden": (64, 32), "visits": 60_000, "average": 0.0},
    "default": {},
    "best": {
        "hidden": (256, 128),
        "activation": "gelu",
        "dropout": 0.1,
        "visits": 300_000,
        "nets": 5,
        "average": 0.0,
    },
}
"""For each preset the settings that differ from the defaults."""

_NORMS: dict[str, type[BatchNorm] | type[LayerNorm]] = {"batch": BatchNorm, "layer": LayerNorm}
CHOICES: dict[str, tuple[str | None, ...]] = {
    "task": ("auto", "classification", "regression"),
    "impute": ("median", "mean"),
    "activation": tuple(ACTIVATIONS),
    "optimizer": tuple(OPTIMIZERS),
    "schedule": ("cosine", "constant"),
    "monitor": (None, *MONITORS),
    "normalization": (None, *_NORMS),
}
"""For each setting of a few words what it may be."""

SMOOTHING = 0.05
"""The label smoothing of classes, unless the settings say otherwise."""

DECAY = 0.1
"""The weight decay of AdamW, unless the settings say otherwise."""

HELD_OUT_SHARES = (0.1, 0.2)
"""The least and the largest share of the rows that are held out for that."""

_COUNTS = {
    "most_categories": 0,
    "visits": 1,
    "nets": 1,
    "seed": 0,
}
_OPTIONAL_COUNTS = {"pieces": 0, "epochs": 1, "batch_size": 1, "patience": 1}
_RATES = ("l1", "l2")
_FLAGS = ("calibrate", "residual")
_SHARES = ("dropout", "average")
_OPTIONAL_SHARES = ("label_smoothing", "validation")
_PIECES = 24
_WIDTHS = (128, 64)
_FEW = 2000  # rows, below which widths and pieces are halved
_LR = 3e-3  # of Adam and AdamW, with batches of 64
_BETA2 = 0.99  # of AdamW: trainings are short, and its default looks back a thousand steps
_WARMUP = 0.1  # share of the steps in which a scheduled learning rate rises
_EPOCHS = (5, 60)  # the fewest and the most that are chosen by the number of rows


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
        `densenet.tables.reading.files.MISSING`.
    task, impute, most_categories
        As in `densenet.tables.fit_target` and `densenet.tables.Features.fit`.
    pieces : int, optional
        The most pieces of a column of numbers (`densenet.tables.PiecewiseLinear`), by default 24;
        with 0 it is standardised.
    hidden : sequence of int, optional
        Widths of the hidden layers; by default 128 and 64, twice that for three or more classes.
        Below 2,000 rows these widths and the pieces are halved.
    activation, optimizer : str
        Names in `ACTIVATIONS` and `OPTIMIZERS`.
    dropout : float in [0, 1)
        The rate of dropout after each hidden layer.
    label_smoothing : float in [0, 1), optional
        As of `SoftmaxCrossEntropy`, by default 0.05; values have none.
    weight_decay : float in [0, inf), optional
        Of AdamW, by default 0.1; the other optimizers have none.
    lr : float, optional
        Learning rate; by default 0.003 for Adam and AdamW, otherwise the optimizer's own.
    schedule : "cosine" or "constant"
        Cosine lets the learning rate rise in the first tenth of all steps, then fall to 0.
    epochs : int, optional
        By default as many as `visits` allow.
    visits : int
        How many rows are visited in all if there are two classes or a value to predict; for k
        classes sqrt(k / 2) times as many. It decides the number of epochs, from 5 to 60.
    batch_size : int, optional
        By default from 8 for a few hundred rows to 64 for two thousand, and 256 for a million.
    validation : float in [0, 1), optional
        Share of the rows that are held out; by default that of 500 rows, but 0.1 to 0.2. The epoch
        with the best score on them is kept: the highest accuracy, or the lowest loss of values,
        unless `monitor` is another score. With one network and at least 500 rows held out,
        accuracies within half a standard error of the highest count as equal to it, and the latest
        of these epochs is kept.
    patience : int, optional
        Epochs without a better score after which training stops; by default it does not.
    nets : int
        How many networks are trained and averaged. Each holds out rows of its own, so all rows are
        learned from.
    seed : int
        Decides the rows held out, the initial weights, the order of the rows and dropout.
    present : sequence of str
        Words of `densenet.tables.reading.files.MISSING` that were values when the table was read.
    class_weight : "balanced" or mapping of str to float, optional
        The weights of the rows of each class in training, 1 for those that are not named.
        "balanced" gives all classes together the same weight.
    monitor : str, optional
        The score of the rows held out that decides which epoch is kept and when training stops, one
        of `densenet.tables.training.monitors.MONITORS`; by default the accuracy, or the loss of
        values.
    calibrate : bool
        True divides the logits by the temperature that suits the rows held out.
    threshold : float in [0, 1) or "auto", optional
        The probability from which on the rarer of two classes is predicted. "auto" is the one for
        which its F1 is highest on the rows held out.
    l1, l2 : float
        Strengths of the penalties ``l1 ‖W‖₁``, which gives exact zeros, and ``l2 / 2 ‖W‖²``.
    normalization : "batch" or "layer", optional
        The normalisation after each hidden linear layer.
    residual : bool
        True adds to each hidden layer its input, where both have the same width.
    reduce : str, optional
        Principal components in place of the encoded columns, as inputs of what is trained:
        ``pca:0.95``, as many as explain this share of their variance in the training rows, or
        ``pca:20``, so many. They are the network's first layer, which does not learn.
    weight : str, optional
        A column of the rows' weights, from 0 on. Nothing is learned from it. They count in the loss
        of training and of the rows held out, which is watched unless `monitor` is another score,
        and for `calibrate`; encodings and all other scores count each row once.
    average : float in [0, 1)
        The share of all steps over which an exponential moving average of the weights looks back.
        It is what rows held out judge and what is kept, as the noise of single steps evens out in
        it. With 0, as in the other presets, the weights of an epoch's last step are.

    Raises
    ------
    TypeError
        If a setting is of another type.
    ValueError
        If a setting is outside its range.

    Examples
    --------
    >>> from densenet.tables import Classes, Settings
    >>> genre = Classes("genre", ("Pop", "Rock"))
    >>> settings = Settings("genre", optimizer="sgd", schedule="constant").chosen_for(5000, genre)
    >>> settings.hidden, settings.epochs, settings.batch_size, settings.validation
    ((128, 64), 33, 64, 0.1)
    >>> settings.make_optimizer(4500).lr == settings.highest_lr == 0.01
    True
    >>> settings.make_network(5, genre).n_parameters
    9154
    """

    target: str
    id: str | None = None
    ignore: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    task: Task = "auto"
    impute: Imputation = "median"
    most_categories: int = 100
    pieces: int | None = None
    hidden: tuple[int, ...] | None = None
    activation: str = "relu"
    dropout: float = 0.0
    label_smoothing: float | None = None
    optimizer: str = "adamw"
    weight_decay: float | None = None
    lr: float | None = None
    schedule: Literal["cosine", "constant"] = "cosine"
    epochs: int | None = None
    visits: int = 150_000
    batch_size: int | None = None
    validation: float | None = None
    patience: int | None = None
    nets: int = 1
    seed: int = 0
    present: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    class_weight: Literal["balanced"] | Mapping[str, float] | None = None
    monitor: str | None = None
    calibrate: bool = False
    threshold: float | Literal["auto"] | None = None
    l1: float = 0.0
    l2: float = 0.0
    normalization: Literal["batch", "layer"] | None = None
    residual: bool = False
    reduce: str | None = None
    weight: str | None = None
    average: float = 0.1

    def __post_init__(self) -> None:
        _checks.text("target", self.target)
        for name in ("id", "weight"):
            if getattr(self, name) is not None:
                _checks.text(name, getattr(self, name))
        for name in ("ignore", "text", "missing", "present", "numbers"):
            object.__setattr__(self, name, tuple(_checks.texts(name, getattr(self, name))))
        both = [name for name in self.numbers if name in self.text]
        if both:
            raise ValueError(f"numbers: expected other columns than text, got {both[0]!r} in both")
        if self.hidden is not None:
            widths = _checks.sequence("hidden", self.hidden, "widths")
            widths = tuple(_checks.count(f"hidden[{i}]", width) for i, width in enumerate(widths))
            object.__setattr__(self, "hidden", widths)
        for name, choices in CHOICES.items():
            _checks.choice(name, getattr(self, name), choices)
        for name, least in _COUNTS.items():
            object.__setattr__(self, name, _checks.count(name, getattr(self, name), least))
        for name, least in _OPTIONAL_COUNTS.items():
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _checks.count(name, getattr(self, name), least))
        for name in _SHARES:
            object.__setattr__(self, name, _checks.share(name, getattr(self, name)))
        for name in _OPTIONAL_SHARES:
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _checks.share(name, getattr(self, name)))
        if self.weight_decay is not None:
            decay = _checks.rate("weight_decay", self.weight_decay)
            object.__setattr__(self, "weight_decay", decay)
            if decay and self.optimizer != "adamw":
                raise ValueError(
                    f"weight_decay: expected optimizer adamw, which has it, got {self.optimizer}"
                )
        for name in _RATES:
            object.__setattr__(self, name, _checks.rate(name, getattr(self, name)))
        for name in _FLAGS:
            object.__setattr__(self, name, _checks.flag(name, getattr(self, name)))
        object.__setattr__(self, "class_weight", _class_weight(self.class_weight))
        if self.threshold is not None and self.threshold != "auto":
            object.__setattr__(self, "threshold", _checks.share("threshold", self.threshold))
        if self.lr is not None:
            object.__setattr__(self, "lr", _checks.positive("lr", self.lr))
        if self.reduce is not None:
            reduction(_checks.text("reduce", self.reduce))

    def chosen_for(self, rows: int, target: Target) -> "Settings":
        """Choose what was left open, by the number of rows and the target.

        These are the share of rows held out, pieces, widths, epochs, the batch's size, label
        smoothing and weight decay.

        Parameters
        ----------
        rows : int
            Of the table, with those that will be held out.
        target : Classes or Values

        Returns
        -------
        Settings
            With nothing of these left open.

        Raises
        ------
        TypeError, ValueError
            If `rows` is no integer >= 1, or the target has values and there is label smoothing.
        """
        _checks.count("rows", rows)
        classes = target.outputs if isinstance(target, Classes) else 1
        if classes == 1 and self.label_smoothing:
            raise ValueError(f"label_smoothing: expected classes, but {target.column!r} has values")
        epochs, validation, pieces = self.epochs, self.validation, self.pieces
        if pieces is None:
            pieces = _PIECES // 2 if rows < _FEW else _PIECES
        if validation is None:
            least, largest = HELD_OUT_SHARES
            validation = min(largest, max(least, HELD_OUT / rows))
        trained = max(1, round(rows * (1 - validation)))
        if epochs is None:
            fewest, most = _EPOCHS
            visits = self.visits * math.sqrt(max(classes, 2) / 2)
            epochs = min(most, max(fewest, round(visits / trained)))
        return replace(
            self,
            label_smoothing=self._smoothing(target),
            weight_decay=self._decay(),
            validation=validation,
            pieces=pieces,
            hidden=self._widths_for(target, rows),
            epochs=epochs,
            batch_size=self.batch_size or _batch_for(trained),
        )

    def make_optimizer(self, rows: int) -> Optimizer:
        """Make the optimizer, with a learning rate for the steps of all epochs over the rows."""
        lr = self._rate(_checks.count("rows", rows))
        if self.optimizer == "adamw":
            decay = self._decay()
            return AdamW(lr=lr, beta2=_BETA2, weight_decay=decay, l1=self.l1, l2=self.l2)
        return OPTIMIZERS[self.optimizer](lr=lr, l1=self.l1, l2=self.l2)

    def _decay(self) -> float:
        if self.weight_decay is not None:
            return self.weight_decay
        return DECAY if self.optimizer == "adamw" else 0.0

    def _smoothing(self, target: Target) -> float:
        if self.label_smoothing is not None:
            return self.label_smoothing
        return SMOOTHING if isinstance(target, Classes) else 0.0

    def _widths_for(self, target: Target, rows: int = _FEW) -> tuple[int, ...]:
        if self.hidden is not None:
            return self.hidden
        many = isinstance(target, Classes) and target.outputs > 2
        return tuple(width * (2 if many else 1) // (2 if rows < _FEW else 1) for width in _WIDTHS)

    @property
    def highest_lr(self) -> float:
        """The learning rate from which a schedule falls."""
        if self.lr is not None:
            return self.lr
        of_rule: Any = OPTIMIZERS[self.optimizer]().lr
        return _LR if self.optimizer in ("adam", "adamw") else float(of_rule)

    def _rate(self, rows: int) -> float | Schedule:
        """Give the learning rate, or its course over the steps of all epochs."""
        if self.schedule == "constant":
            return self.highest_lr
        epochs, batch = _checks.count("epochs", self.epochs), self.batch_size or _batch_for(rows)
        steps = epochs * -(-rows // batch)
        rise = int(_WARMUP * steps)
        fall = CosineLR(self.highest_lr, steps=steps - rise)
        return WarmupLR(fall, steps=rise) if rise else fall

    def make_network(self, inputs: int, target: Target, seed: int | None = None) -> Network:
        """Make an untrained network, with `inputs` inputs and the target's outputs.

        Parameters
        ----------
        inputs : int
        target : Classes or Values
        seed : int, optional
            Of its first weights and its dropout; by default that of the settings.
        """
        hidden = self._widths_for(target)
        widths = (inputs, *hidden)
        pairs = list(zip(widths, hidden, strict=False))
        if self.residual and not any(width == following for width, following in pairs):
            raise ValueError(
                f"residual: expected a hidden layer as wide as its input, got widths {widths}"
            )
        layers: list[Layer] = []
        for width, following in pairs:
            block = self._hidden(width, following)
            layers += [Residual(block)] if self.residual and width == following else block
        layers.append(Linear(widths[-1], target.outputs))
        classes = isinstance(target, Classes)
        smoothing = self._smoothing(target)
        loss = SoftmaxCrossEntropy(smoothing) if classes else MeanSquaredError()
        return Network(layers, loss, seed=self.seed if seed is None else seed)

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


def _batch_for(rows: int) -> int:
    """Choose a power of two: steps enough for few rows, and not more than needed for many."""
    few, many = int(math.log2(rows / 32)), int(math.log2(rows / 2048))
    return 1 << max(min(6, max(3, few)), min(8, many))


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
