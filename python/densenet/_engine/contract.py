"""What a network asks of the side that computes."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.plan import PlannedLayer
from densenet.profile import Profile


class Examples(NamedTuple):
    """Rows to learn from, checked: class indices are int64, weights float64."""

    x: Array
    targets: Array
    sample_weight: Array | None = None


def apart(examples: Examples, trained: Iterable[Array]) -> Examples:
    """Copy x where a step would change it."""
    if any(np.may_share_memory(examples.x, each) for each in trained):
        return examples._replace(x=examples.x.copy())
    return examples


def unit_weights(sample_weight: Array, dtype: np.dtype[Any]) -> Array:
    """Scale weights so that the largest is 1: any fit the type, and no weighted mean changes."""
    largest = sample_weight.max()
    return (sample_weight / largest if largest > 0 else sample_weight).astype(dtype)


class Mode(NamedTuple):
    """How layers behave: batch normalisations' running moments, training or not, and the draws.

    ``seed`` and ``step`` (of the optimizer, from 0) decide what dropout draws. With ``update`` a
    forward pass lets the running moments follow the batch's.
    """

    running: Array
    training: bool
    seed: int
    step: int
    update: bool = False


class Steps(NamedTuple):
    """Part of an epoch: one step for each learning rate, from `first` on.

    ``order`` is None for the natural order. ``taken``, of one element, is the optimizer's count of
    steps, which the engine raises with each step. A step whose gradient is shorter than
    ``tolerance`` is not taken and ends the call, unless it is 0.
    """

    order: Array | None
    batch_size: int
    first: int
    taken: Array
    lr: list[float]
    tolerance: float = 0.0


class Outcome(NamedTuple):
    """What became of a call that trains.

    It may have ended early: because a step ``converged`` (its gradient was shorter than the
    tolerance) or ``diverged`` (its loss was not finite), which is then not taken; or with the
    ``error`` that a signal handler or the progress function raised between two steps.
    """

    steps: int
    threads: int
    converged: bool = False
    diverged: bool = False
    error: BaseException | None = None


class Stepper(Protocol):
    """Takes one training step with everything but the batch settled beforehand."""

    def __call__(self, x: object, y: object, /) -> float | None:
        """Give the loss before the step; None, with nothing done, where checks must come first."""


class Engine(Protocol):
    """Computes with parameters, moments and data that belong to others.

    One call trains at a time, and others may read meanwhile: they see parameters, moments and
    counts as they are between two steps. `train`, `update` and `change` raise RuntimeError where
    another call trains.
    """

    def plan(self, unfused: bool) -> list[PlannedLayer]:
        """Tell how each layer is computed; `unfused` where the whole gradient comes first."""

    def fits(self, x: object, y: object) -> bool:
        """Tell at once whether arrays are rows to learn from; False leaves it to the checks."""

    def forward(self, flat: Array, x: Array, mode: Mode) -> Array:
        """Give the output of the last layer."""

    def backward(
        self, flat: Array, x: Array, dy: Array, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> None:
        """Write the gradients that follow from dy, the gradient with respect to the output."""

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> float:
        """Give the loss; write its gradients."""

    def count_probabilities_from(self, least: float) -> None:
        """Count no probability as less, or as more than ``1 - least``, in losses of training.

        So does scikit-learn's log-loss. Gradients stay those of the loss itself; 0 ends it.
        """

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        """Give the loss of outputs that are there already."""

    def softmax(self, outputs: Array) -> Array:
        """Turn logits of classes into probabilities."""

    def sigmoid(self, outputs: Array) -> Array:
        """Turn logits into probabilities, one by one."""

    def train(
        self,
        flat: Array,
        states: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: Steps,
        batch_loss: Array,
        progress: Callable[[int], None] | None,
        mode: Mode,
    ) -> Outcome:
        """Update parameters, running moments and optimizer's state; write each step's loss.

        All of a step is there, its count included, before a signal handler or `progress` runs.
        """

    def update(
        self,
        flat: Array,
        states: list[Array],
        optimizer: Optimizer,
        lr: float,
        taken: Array,
        gradient: Array,
        mode: Mode,
        moved: Array,
    ) -> None:
        """Take a step down a gradient that is there already, all at once.

        It counts the step in `taken`, and the mode's running moments become `moved`.
        """

    def copies(self, arrays: Sequence[Array]) -> list[Array]:
        """Copy arrays that training changes, as they stand between two steps."""

    def change(self, pairs: Sequence[tuple[Array, Array]]) -> None:
        """Give, for each (array, values), the array new values, all at once."""

    def stepper(
        self,
        flat: Array,
        states: list[Array],
        optimizer: Optimizer,
        taken: Array,
        running: Array,
        seed: int,
    ) -> Stepper | None:
        """Prepare steps with this optimizer, where that is of use."""

    def profile(
        self,
        flat: Array,
        states: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: int,
        mode: Mode,
    ) -> Profile:
        """Measure where the time of a step goes; what is given changes as in training."""
