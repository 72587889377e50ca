"""Where a call of `fit` stands: with it, training goes on as if it had never been left."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from densenet._typing import Array
from densenet.early_stopping import Best, Learned
from densenet.history import History, Record

if TYPE_CHECKING:
    from densenet._state import State


Settings: TypeAlias = Callable[[], Mapping[str, str]]

_NONE = np.zeros(0)


@dataclass
class Position:
    """What a call of `fit` has come to, beside the network's own state.

    ``settings()`` tells what must be the same when training goes on. ``rng`` orders the rows and is
    None where the network's own generator does; ``draws`` seeds dropout. The epoch at hand has
    its ``order``, the ``batch_loss`` of all its steps and the number of those that are taken;
    ``history`` and ``best`` speak of the epochs before it. ``counted`` is the optimizer's step.
    Where the best parameters have been restored on the way out, ``last`` has those that were left.
    """

    settings: Settings
    rng: "np.random.Generator | None"
    draws: int
    counted: int
    begun: bool = False
    step: int = 0
    order: Array | None = None
    batch_loss: Array = field(default_factory=lambda: _NONE)
    history: History = field(default_factory=History)
    best: Best = field(default_factory=Best)
    last: Learned | None = None

    @property
    def epoch(self) -> int:
        """Number of the epoch at hand, from 1; where none has begun, of the one to come."""
        return len(self.history.epochs) + 1

    def steps(self, n_steps: int) -> int:
        """Count the steps since training began, with so many to an epoch."""
        return (self.epoch - 1) * n_steps + self.step

    def begin(self, order: Array | None, n_steps: int) -> None:
        """Begin an epoch."""
        self.order, self.batch_loss, self.begun = order, np.zeros(n_steps), True

    def end(self, losses: list[float], record: Record, best: Best) -> None:
        """End an epoch, all of whose steps are taken."""
        self.order, self.batch_loss, self.begun, self.step = None, _NONE, False, 0
        self.history.batch_loss += losses
        self.history.epochs.append(record)
        self.best = best

    def __getstate__(self) -> dict[str, Any]:
        """Let settings travel as their description: a schedule of the user's own may not."""
        return vars(self) | {"settings": partial(dict, self.settings())}

    def put_back(self, network: "State") -> None:
        """Let a network have what it had learned when training was left."""
        if self.last is not None:
            self.last.put_back(network)
            self.last = None


def described(value: Any) -> str:
    """Describe a setting; of a spec, what differs from its defaults."""
    if not is_dataclass(value):
        return repr(value)
    given = [
        f"{each.name}={described(getattr(value, each.name))}"
        for each in fields(value)
        if each.default is MISSING or getattr(value, each.name) != each.default
    ]
    return f"{type(value).__name__}({', '.join(given)})"
