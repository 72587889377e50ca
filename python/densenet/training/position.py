"""Where a call of `fit` stands: with it, training goes on as if it had never been left."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np

from densenet import _checks
from densenet._network.learner import Learned, Learner
from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.training.averaging import Average, WeightAveraging
from densenet.training.early_stopping import Best, EarlyStopping
from densenet.training.history import History, Record

Conditions: TypeAlias = Callable[[], Mapping[str, str]]
"""Describes the arguments of `fit` that have to be the same when training goes on."""

_NONE = np.zeros(0)


@dataclass
class Position:
    """Where a call of `fit` stands, beside what the network itself has learned.

    A signal handler may save the network at any moment, and Python runs it between two bytecodes.
    So the steps are not counted here but by the engine, in ``taken``; attributes that belong
    together change by one call of C; and entries at the end of ``history`` count once ``epochs``
    and ``losses`` include them.

    Attributes
    ----------
    conditions : function
        Describes the arguments that have to be the same when training goes on.
    rng : generator, or None for the network's own
        Orders the rows.
    drawn : dict
        That generator's state after its last draw that counts.
    draws : int
        The seed of dropout.
    taken : int64 array of shape (1,)
        The optimizer's count of steps.
    first : int
        The optimizer's count when the epoch began.
    counted : int, or None while training goes on
        The optimizer's count when training was left.
    begun : bool
        True from an epoch's beginning to its end.
    order : int64 array of shape (rows,), or None for the order in which they lie
        Of the rows in this epoch.
    batch_loss : float64 array of shape (steps,)
        The losses of this epoch's steps.
    history : History
        Of the epochs that have ended; ``epochs`` and ``losses`` are the lengths that count.
    best : Best
        The best of the epochs that have ended.
    last : Learned, or None
        What had been learned in the end, where the network has the best parameters or an average.
    average : Average, or None
        Of the weights, where a callback averages them.
    ended : bool
        True if nothing was left to do; another call may take further epochs.
    """

    conditions: Conditions
    rng: "np.random.Generator | None"
    drawn: Mapping[str, Any]
    draws: int
    taken: Array
    first: int
    counted: int | None = None
    begun: bool = False
    order: Array | None = None
    batch_loss: Array = field(default_factory=lambda: _NONE)
    history: History = field(default_factory=History)
    epochs: int = 0
    losses: int = 0
    best: Best = field(default_factory=Best)
    last: Learned | None = None
    average: Average | None = None
    ended: bool = False

    @property
    def count(self) -> int:
        """The optimizer's count of steps: now, or when training was left."""
        return int(self.taken[0]) if self.counted is None else self.counted

    @property
    def step(self) -> int:
        """Number of steps of this epoch that have been taken."""
        return self.count - self.first

    def past(self) -> History:
        """Copy the history of the epochs that have ended."""
        return History(self.history.batch_loss[: self.losses], self.history.epochs[: self.epochs])

    def begin(self, order: Array | None, n_steps: int, drawn: Mapping[str, Any]) -> None:
        """Begin an epoch of so many steps."""
        self._set(order=order, batch_loss=np.zeros(n_steps), begun=True, drawn=drawn)

    def end(self, losses: list[float], record: Record, best: Best) -> None:
        """End an epoch once all of its steps are taken."""
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

    def show_average(self, learner: Learner) -> None:
        """Put the average of the weights into the network, if there is one."""
        if self.average is not None:
            if self.last is None:
                self.last = learner.learned()
            learner.put_back(self.average.learned)

    def put_last_back(self, learner: Learner) -> None:
        """Put what had been learned last back into the network, if it has other parameters."""
        if self.last is not None:
            learner.put_back(self.last)
            self.last = None

    def leave(self) -> None:
        """Keep the optimizer's count: it may take other steps before training goes on."""
        if self.counted is None:
            self.counted = self.count

    def go_on(self, taken: Array) -> None:
        """Go on with an optimizer that counts its steps in this array."""
        self._set(taken=taken, counted=None)

    def restart(self) -> None:
        """Go on from an optimizer whose count begins at 0 again, unless training was left."""
        if self.counted is None:
            self._set(taken=np.zeros(1, np.int64), first=-self.step)

    def _set(self, **values: Any) -> None:
        vars(self).update(values)

    def still(self, taken: Array) -> "Position":
        """Copy it, for a copy of the network whose optimizer counts in `taken`."""
        position = object.__new__(Position)
        own = {
            "taken": taken,
            "history": self.past(),
            "rng": deepcopy(self.rng),
            "batch_loss": self.batch_loss.copy(),
        }
        vars(position).update(vars(self) | own)
        return position

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the text of the conditions: a schedule of the user's own may not be picklable."""
        return vars(self) | {"conditions": partial(dict, self.conditions())}


def first_position(
    learner: Learner, conditions: Conditions, taken: Array, seed: int | None
) -> Position:
    """Make the position of a training that begins, whose optimizer counts in `taken`."""
    rng, draws = None, learner.draws
    if seed is not None:
        rng = np.random.default_rng(seed)
        draws = int(rng.integers(2**63))
    drawn = (rng or learner.rng).bit_generator.state
    return Position(conditions, rng, drawn, draws, taken, int(taken[0]))


def left_position(
    learner: Learner, conditions: Conditions, optimizer: Optimizer, epochs: int
) -> Position:
    """Give the position at which training was left.

    Raises
    ------
    ValueError
        If there is none, a condition has changed, the optimizer has taken other steps since, or
        `epochs` is less than have been begun.
    """
    position = learner.position
    if not isinstance(position, Position):
        raise ValueError("resume: expected a network that fit has trained, got another one")
    state = learner.optimizer_state
    counted = state.step if state is not None and state.rule is type(optimizer) else 0
    given = conditions()
    for name, was in position.conditions().items():
        if given.get(name) != was:
            raise ValueError(f"{name}: expected {was} to resume, got {given.get(name)}")
    if counted != position.count:
        raise ValueError(
            f"resume: expected the optimizer at step {position.count}, where training was left, "
            f"got step {counted}"
        )
    _checks.count("epochs", epochs, position.epochs + position.begun)
    return position


def conditions_of(
    *,
    rows: int | None,
    holders: str = "",
    sample_weight: str = "None",
    class_weight: str = "None",
    batch_size: int,
    optimizer: Optimizer,
    shuffle: bool | str = True,
    drop_last: bool = False,
    early_stopping: EarlyStopping | None = None,
    averaging: WeightAveraging | None = None,
    tolerance: float = 0.0,
    seed: int | None = None,
) -> Conditions:
    """Give the function that describes what must be the same when training goes on.

    `rows` is the number of rows; None stands for chunks. `holders` says who holds them, if not all.
    """
    specs = {
        "batch_size": batch_size,
        "optimizer": optimizer,
        "shuffle": shuffle,
        "drop_last": drop_last,
        "early_stopping": early_stopping,
        "callbacks": averaging,
        "tolerance": tolerance,
        "seed": seed,
    }

    def conditions() -> dict[str, str]:
        return {
            "x": f"chunks{holders}" if rows is None else f"{rows} rows{holders}",
            "sample_weight": sample_weight,
            "class_weight": class_weight,
            **{name: described(value) for name, value in specs.items()},
        }

    return conditions


def described(value: Any) -> str:
    """Describe an argument; a spec by those of its settings that differ from their defaults."""
    if not is_dataclass(value):
        return repr(value)
    given = [
        f"{each.name}={described(getattr(value, each.name))}"
        for each in fields(value)
        if each.default is MISSING or getattr(value, each.name) != each.default
    ]
    return f"{type(value).__name__}({', '.join(given)})"
