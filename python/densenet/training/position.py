"""Where a call of `fit` stands: with it, training goes on as if it had never been left."""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from densenet._typing import Array
from densenet.training.early_stopping import Best, Learned
from densenet.training.history import History, Record

if TYPE_CHECKING:
    from densenet._network.state import State


Settings: TypeAlias = Callable[[], Mapping[str, str]]

_NONE = np.zeros(0)


@dataclass
class Position:
    """What a call of `fit` has come to, beside the network's own state.

    ``settings()`` tells what must be the same when training goes on. ``rng`` orders the rows and is
    None where the network's own generator does; ``drawn`` is that generator's state after the draws
    that count; ``draws`` seeds dropout. The epoch at hand has its ``order`` and the ``batch_loss``
    of all its steps; ``history`` and ``best`` speak of the epochs before it. Where the best
    parameters have been restored on the way out, ``last`` has those that were left.

    A signal handler may save the network at any moment, and Python runs it between two bytecodes.
    So the steps are not counted here: ``taken`` is the optimizer's count, which the engine raises
    with each step, and ``first`` its value when the epoch began. What changes together is changed
    by one call of C; and what is appended to the history counts when ``epochs`` and ``losses`` do.
    """

    settings: Settings
    rng: "np.random.Generator | None"
    drawn: Mapping[str, Any]
    draws: int
    taken: Array
    first: int
    counted: int | None = None  # the optimizer's steps when training was left
    begun: bool = False
    order: Array | None = None
    batch_loss: Array = field(default_factory=lambda: _NONE)
    history: History = field(default_factory=History)
    epochs: int = 0
    losses: int = 0
    best: Best = field(default_factory=Best)
    last: Learned | None = None
    ended: bool = False  # nothing is left of that call; another one may take further epochs

    @property
    def epoch(self) -> int:
        """Number of the epoch at hand, from 1; where none has begun, of the one to come."""
        return self.epochs + 1

    @property
    def count(self) -> int:
        """The optimizer's steps: now, or when training was left."""
        return int(self.taken[0]) if self.counted is None else self.counted

    @property
    def step(self) -> int:
        """Steps of the epoch at hand that are taken."""
        return self.count - self.first

    def steps(self, n_steps: int) -> int:
        """Count the steps since training began, with so many to an epoch."""
        return self.epochs * n_steps + self.step

    def past(self) -> History:
        """Give the history of the epochs that have ended."""
        return History(self.history.batch_loss[: self.losses], self.history.epochs[: self.epochs])

    def begin(self, order: Array | None, n_steps: int, drawn: Mapping[str, Any]) -> None:
        """Begin an epoch."""
        self._set(order=order, batch_loss=np.zeros(n_steps), begun=True, drawn=drawn)

    def end(self, losses: list[float], record: Record, best: Best) -> None:
        """End an epoch, all of whose steps are taken."""
        self.history.batch_loss[self.losses :] = losses
        self.history.epochs[self.epochs :] = [record]
        self._set(
            order=None,
            batch_loss=_NONE,
            begun=False,
            first=self.count,
            epochs=self.epochs + 1,
            losses=self.losses + len(losses),
            best=best,
        )

    def leave(self) -> None:
        """Keep the count: the optimizer may take other steps before training goes on."""
        if self.counted is None:
            self.counted = self.count

    def go_on(self, taken: Array) -> None:
        """Count by this array, the optimizer's."""
        self._set(taken=taken, counted=None)

    def count_anew(self) -> None:
        """Count from 0, as an optimizer without state does."""
        self._set(taken=np.zeros(1, np.int64), first=-self.step)

    def _set(self, **values: Any) -> None:
        vars(self).update(values)

    def still(self, taken: Array) -> "Position":
        """Copy it, for a copy of the network whose optimizer counts here."""
        position = object.__new__(Position)
        vars(position).update(vars(self) | {"taken": taken, "history": self.past()})
        return position

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
