"""What a network asks of the side that computes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from densenet._typing import Array
from densenet.optimizers import Optimizer


@dataclass(frozen=True)
class Examples:
    """Rows to learn from, checked: class indices are int64, weights float64."""

    x: Array
    targets: Array
    sample_weight: Array | None = None


@dataclass(frozen=True)
class Steps:
    """Part of an epoch: one step for each learning rate, from `first` on.

    ``order`` is None for the natural order; ``before`` counts the optimizer's steps so far.
    """

    order: Array | None
    batch_size: int
    first: int
    before: int
    lr: Array


class Outcome(NamedTuple):
    """What became of a call: a signal or a progress function may have ended it early."""

    steps: int
    threads: int
    error: BaseException | None


class PlannedLayer(NamedTuple):
    """How one layer is computed."""

    name: str
    layer: str
    backend: str
    forward: str
    backward: str
    update: str


class Engine(Protocol):
    """Computes with parameters, moments and data that belong to others."""

    def plan(self) -> list[PlannedLayer]:
        """Tell how each layer is computed."""

    def forward(self, flat: Array, x: Array) -> Array:
        """Give the output of the last layer."""

    def backward(self, flat: Array, x: Array, dy: Array, dflat: Array, dx: Array) -> None:
        """Write the gradients that follow from dy, the gradient with respect to the output."""

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None
    ) -> float:
        """Give the loss; write its gradients."""

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        """Give the loss of outputs that are there already."""

    def probabilities(self, outputs: Array) -> Array:
        """Turn outputs into probabilities."""

    def train(
        self,
        flat: Array,
        states: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: Steps,
        batch_loss: Array,
        progress: Callable[[int], None] | None,
    ) -> Outcome:
        """Update the parameters and the optimizer's state; write the loss of each step."""
