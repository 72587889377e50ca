"""Early stopping: when a score no longer improves, and which parameters were the best."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.history import Record

if TYPE_CHECKING:
    from densenet._state import State

__all__ = ["EarlyStopping"]


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a score no longer improves.

    Parameters
    ----------
    monitor : str
        A name in the epochs' records: ``"val_loss"``, ``"val_accuracy"``, ``"loss"``, ...
    mode : "auto", "min" or "max"
        Which way is better; "auto" takes "min" for names that end in loss or error, else "max".
    patience : int
        Epochs without an improvement after which training stops.
    min_delta : float
        A change up to this is no improvement.
    restore_best : bool
        Whether the parameters of the best epoch are restored on every way out of `fit`, Ctrl-C
        included.

    Raises
    ------
    TypeError, ValueError
        If an argument is none of these.

    Examples
    --------
    >>> from densenet import SGD, EarlyStopping, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
    >>> rule = EarlyStopping("loss", patience=2)
    >>> history = network.fit(
    ...     [[1.0]], [5.0], epochs=99, optimizer=SGD(lr=1.0), early_stopping=rule
    ... )
    >>> history.stopped, len(history.epochs)  # at that rate it never improves
    ('early stopping', 3)
    >>> EarlyStopping("val_accuracy").sign
    1.0
    """

    monitor: str = "val_loss"
    mode: Literal["auto", "min", "max"] = "auto"
    patience: int = 10
    min_delta: float = 0.0
    restore_best: bool = True

    def __post_init__(self) -> None:
        if self.mode not in ("auto", "min", "max"):
            raise ValueError(f"mode: expected 'auto', 'min' or 'max', got {self.mode!r}")
        object.__setattr__(self, "patience", _checks.count("patience", self.patience))
        object.__setattr__(self, "min_delta", _checks.setting("min_delta", self.min_delta))

    @property
    def sign(self) -> float:
        """Give 1 where more is better and -1 where less is."""
        if self.mode == "auto":
            return -1.0 if self.monitor.endswith(("loss", "error")) else 1.0
        return 1.0 if self.mode == "max" else -1.0


class Learned(NamedTuple):
    """A copy of what a network has learned: parameters and running moments."""

    flat: Array
    running: Array

    @classmethod
    def of(cls, network: "State") -> "Learned":
        """Copy it."""
        return cls(*network._engine.copies([network._flat, network._running]))

    def put_back(self, network: "State") -> None:
        """Let the network have it again."""
        network._engine.change([(network._flat, self.flat), (network._running, self.running)])


@dataclass(frozen=True)
class Best:
    """The best score so far, the epochs since, and what had been learned by then."""

    score: float = -np.inf
    waited: int = 0
    kept: Learned | None = None

    def after(self, rule: EarlyStopping, record: Record, network: "State") -> "Best":
        """Take note of an epoch."""
        score = rule.sign * record[rule.monitor]
        if score > self.score + rule.min_delta:
            return Best(score, 0, Learned.of(network) if rule.restore_best else None)
        return replace(self, waited=self.waited + 1)
