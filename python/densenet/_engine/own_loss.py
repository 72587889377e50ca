"""An engine around an engine, for a loss of the user's own, which is computed in Python."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from densenet import _checks
from densenet._engine.contract import (
    Applied,
    Engine,
    Examples,
    Mode,
    Outcome,
    OwnLoss,
    Predicting,
    Steps,
)
from densenet._engine.layout import Layout
from densenet._typing import Array
from densenet.losses import CustomLoss
from densenet.optimizers import Optimizer
from densenet.plan import PlannedLayer


class OwnLossEngine:
    """Takes passes and updates from another engine, and the loss from the user's object.

    The other engine never computes its own loss. The user's loss runs in Python, between the
    forward and the backward pass, so a signal handler or another thread may come in there. An epoch
    is one call of the other engine, which calls the loss within each step.
    """

    def __init__(
        self, engine: Engine, layout: Layout, loss: CustomLoss, dtype: np.dtype[Any]
    ) -> None:
        self._engine = engine
        self._layout = layout
        self._loss = loss
        self._dtype = dtype

    def plan(self, optimizer: Optimizer | None) -> list[PlannedLayer]:
        return self._engine.plan(optimizer)

    def fits(self, x: object, y: object) -> bool:
        return False  # what targets the loss takes is not known here

    def forward(self, flat: Array, x: Array, mode: Mode) -> Array:
        return self._engine.forward(flat, x, mode)

    def predictor(self, flat: Array, running: Array) -> Predicting:
        return self._engine.predictor(flat, running)

    def backward(
        self, flat: Array, x: Array, dy: Array, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> None:
        self._engine.backward(flat, x, dy, dflat, dx, mode)

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> float:
        flat, running = self._engine.copies([flat, mode.running])  # others may train in between
        return self._gradients(flat, examples, dflat, dx, mode._replace(running=running))

    def _gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> float:
        outputs = self._engine.forward(flat, examples.x, mode)
        value, dy = self._value_and_gradient(outputs, examples.targets)
        # The running moments have moved in the forward pass.
        mode = mode._replace(update=False)
        self._engine.backward(flat, examples.x, dy, dflat, dx, mode)
        return value

    def _value_and_gradient(self, outputs: Array, targets: Array) -> tuple[float, Array]:
        value = float(self._loss.forward(outputs, targets))
        dy = np.asarray(self._loss.backward(outputs, targets))
        if dy.shape != outputs.shape or dy.dtype.kind != "f":
            dy = _checks.real("backward's result", dy, outputs.shape)
        return value, dy.astype(self._dtype, order="C", copy=False)

    def count_probabilities_from(self, least: float) -> None:
        """Do nothing: a loss of one's own has no probabilities."""

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        return float(self._loss.forward(outputs, targets))

    def softmax(self, outputs: Array) -> Array:
        return self._engine.softmax(outputs)

    def sigmoid(self, outputs: Array) -> Array:
        return self._engine.sigmoid(outputs)

    def train(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: Steps,
        batch_loss: Array,
        progress: Callable[[int], None] | None,
        mode: Mode,
        own: OwnLoss | None = None,
    ) -> Outcome:
        given = (flat, moments, optimizer, examples, steps, batch_loss, progress, mode)
        return self._engine.train(*given, own or self._value_and_gradient)

    def loss_and_gradient(
        self, flat: Array, examples: Examples, gradient: Array, mode: Mode
    ) -> float:
        moved = mode.running.copy()  # which a step that fails leaves behind
        now = mode._replace(running=moved, update=True)
        loss = self._gradients(flat, examples, gradient, None, now)
        if math.isfinite(loss) and moved.size:
            self._engine.change([(mode.running, moved)])
        return loss

    def apply_gradient(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        lr: float,
        taken: Array,
        gradient: Array,
        running: Array,
        moved: Array | None = None,
        tolerance: float = 0.0,
    ) -> Applied:
        given = (flat, moments, optimizer, lr, taken, gradient, running, moved, tolerance)
        return self._engine.apply_gradient(*given)

    def copies(self, arrays: Sequence[Array]) -> list[Array]:
        return self._engine.copies(arrays)

    def change(self, pairs: Sequence[tuple[Array, Array]]) -> None:
        self._engine.change(pairs)

    def together(self, optimizer: Optimizer, rows: int) -> None:
        return None

    def stepper(
        self, flat: Array, moments: list[Array], optimizer: Optimizer, taken: Array, mode: Mode
    ) -> None:
        return None  # the time goes into Python anyway

    def profile(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: int,
        mode: Mode,
    ) -> NoReturn:
        got = type(self._loss).__name__
        raise TypeError(f"profile: expected a loss of densenet, got {got}")
