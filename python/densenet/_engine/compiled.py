"""The engine that computes in C++."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from densenet import _core, kernels
from densenet._engine.contract import (
    Applied,
    Call,
    Examples,
    Mode,
    Outcome,
    OwnLoss,
    Predicting,
    Stepper,
    Steps,
    unit_weights,
)
from densenet._engine.factors import frozen, lr_factors
from densenet._engine.layout import Layout, Place, Slot
from densenet._engine.memory import aligned
from densenet._engine.timings import profile_of
from densenet._engine.turn import refused
from densenet._precision import HELD, HIGHEST, PIECES, Precision
from densenet._typing import Array
from densenet.config import has_bf16_products
from densenet.layers import Activation
from densenet.losses import Loss
from densenet.optimizers import Optimizer
from densenet.plan import PlannedLayer
from densenet.profile import Profile
from densenet.schedules import Schedule


def _offset(slot: Slot | None) -> int:
    return slot.offset if slot else -1


class CompiledEngine:
    """Hands a network's calls to its plan in the compiled core."""

    def __init__(
        self, layout: Layout, loss: Loss, dtype: np.dtype[Any], precision: Precision
    ) -> None:
        self._layout = layout
        self._loss = loss
        self._dtype = dtype
        # The targets of the other losses must lie in a range, which takes a check in Python.
        self._plain_targets = loss.predicts in ("classes", "values")
        self._on_classes = loss.predicts == "classes"
        self._last_rule: tuple[Optimizer, _core.Rule] | None = None
        layers = [
            (
                place.kind,
                place.inputs,
                place.outputs,
                _offset(place.weight),
                _offset(place.bias),
                _offset(place.running[0] if place.running else None),
                place.parameter,
            )
            for place in layout.places
        ]
        plan = _core.PlanFloat32 if dtype == np.float32 else _core.PlanFloat64
        self._asked = precision
        self._precision = precision if not precision.pieces or has_bf16_products() else HIGHEST
        self._plan = plan(layers, loss.kind, loss.settings(), self._precision)
        self._shape = (dtype, loss.kind, tuple(loss.settings().items()), tuple(layers))

    def _rule_of(self, optimizer: Optimizer) -> _core.Rule:
        """Translate an optimizer for the core; the last one used is kept."""
        if self._last_rule is None or self._last_rule[0] is not optimizer:
            names_none = optimizer.trainable is None and optimizer.lr_factors is None
            factors = [] if names_none else lr_factors(self._layout, optimizer)
            rule = _core.Rule(optimizer.rule, optimizer.settings(), factors)
            self._last_rule = optimizer, rule
        return self._last_rule[1]

    def plan(self, optimizer: Optimizer | None) -> list[PlannedLayer]:
        rows = []
        unfused = optimizer is not None and optimizer.clip_norm is not None
        when_updated = "after the gradient's norm" if unfused else "fused with the weight gradient"
        still = frozen(self._layout, optimizer) if optimizer else []
        learns = after_product = False  # a layer up to the one at hand; the one at hand is
        for place in self._layout.places:
            name = type(place.layer).__name__
            update = when_updated if place.weight else ""
            if place.within(still):
                update = "frozen"
            learns = learns or (place.weight is not None and update != "frozen")
            if place.kind == "linear":
                of = self._numbers(place)
                products = "product" if place.weight in still else "two products"
                how = (f"product{of}", f"{products}{of}")
            elif isinstance(place.layer, Activation) and after_product:
                how = ("fused with the product before", "fused with the product after")
            else:
                how = (_HOW.get(place.kind, "elementwise"),) * 2
            if place.kind in ("open", "close"):
                name = f"{name} ({place.kind})"
            after_product = place.kind == "linear"
            if still and not learns:
                how = (how[0], "left out")
            rows.append(PlannedLayer(place.name, name, "compiled", *how, update))
        return rows

    def _numbers(self, place: Place) -> str:
        """Say of what numbers a layer's products are, unless all are of floats as they are."""
        rows = self._asked.fewest_rows(place.inputs, place.outputs)
        if rows is None:
            return ""
        if not self._precision.pieces:
            return " of float32 (no bf16 products here)"
        return f" of {PIECES[self._precision.pieces]} from {rows} rows on"

    def fits(self, x: object, y: object) -> bool:
        return self._plain_targets and self._plan.fits(x, y, self._on_classes)

    def forward(self, flat: Array, x: Array, mode: Mode) -> Array:
        return self._plan.forward(flat, x, mode)

    def predictor(self, flat: Array, running: Array) -> Predicting:
        return self._plan.predictor(flat, running, HELD[self._asked.pieces])

    def backward(
        self, flat: Array, x: Array, dy: Array, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> None:
        self._plan.backward(flat, x, dy, dflat, dx, mode)

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> float:
        return self._plan.gradients(flat, examples, dflat, dx, mode)

    def count_probabilities_from(self, least: float) -> None:
        self._plan.count_probabilities_from(least)

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        if targets.ndim == 2:
            targets = targets.astype(self._dtype, copy=False)
        if sample_weight is not None:
            sample_weight = unit_weights(sample_weight, self._dtype)
        forward = getattr(kernels, f"{self._loss.kind}_forward")
        value = forward(outputs, targets, sample_weight=sample_weight, **self._loss.settings())
        return float(value[0] if isinstance(value, tuple) else value)

    def softmax(self, outputs: Array) -> Array:
        return kernels.softmax_forward(outputs)

    def sigmoid(self, outputs: Array) -> Array:
        return kernels.sigmoid_forward(outputs)

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
        rule = self._rule_of(optimizer)
        of_step = None
        rows: tuple[Array, Array | None, Array | None, float | None] = examples
        if own is not None:
            of_step = _of_step(own, examples.targets, steps)
            rows = (examples.x, None, None, None)  # a loss of one's own weighs all alike
        given = (flat, moments, rule, rows, steps, batch_loss, progress, mode, of_step)
        outcome = self._plan.train(*given)
        if outcome is None:
            raise _refused("train")
        return Outcome(*outcome)

    def loss_and_gradient(
        self, flat: Array, examples: Examples, gradient: Array, mode: Mode
    ) -> float:
        loss = self._plan.loss_and_gradient(flat, examples, gradient, mode)
        if loss is None:
            raise _refused("loss_and_gradient")
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
        rule = self._rule_of(optimizer)
        given = (flat, moments, rule, lr, taken, gradient, running, moved, tolerance)
        applied = self._plan.apply_gradient(*given)
        if applied is None:
            raise _refused("apply_gradient")
        return Applied(*applied)

    def copies(self, arrays: Sequence[Array]) -> list[Array]:
        own = [aligned(array.size, array.dtype) for array in arrays]
        self._plan.look(list(zip(own, arrays, strict=True)))
        return own

    def change(self, pairs: Sequence[tuple[Array, Array]]) -> None:
        if not self._plan.change(list(pairs)):
            raise _refused("train")

    def together(self, optimizer: Optimizer, rows: int) -> "CompiledTogether | None":
        rule = self._rule_of(optimizer)
        group = _core.TogetherFloat32 if self._dtype == np.float32 else _core.TogetherFloat64
        size = group.size(self._plan, rule, rows)
        return CompiledTogether(group(), rule, size, self._shape) if size > 1 else None

    def profile(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: int,
        mode: Mode,
    ) -> Profile:
        rule = self._rule_of(optimizer)
        given = (flat, moments, rule, examples, steps, mode)
        seconds, units, spent = self._plan.profile(*given)
        unfused = optimizer.clip_norm is not None
        rows = len(examples.x)
        places = self._layout.places

        def numbers(place: Place) -> str:
            pieces = self._precision.pieces_of(rows, place.inputs, place.outputs)
            return PIECES[pieces] if pieces else self._dtype.name

        return profile_of(places, units, spent, seconds, steps, rows, unfused, numbers)

    def stepper(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        taken: Array,
        mode: Mode,
    ) -> Stepper | None:
        if not self._plain_targets or isinstance(optimizer.lr, Schedule):
            return None
        rule = self._rule_of(optimizer)
        return self._plan.stepper(flat, moments, rule, taken, mode, self._on_classes)


class CompiledTogether:
    """Hands the calls of a group of networks to the compiled core."""

    def __init__(self, group: Any, rule: _core.Rule, size: int, shape: object) -> None:
        self._group, self._rule = group, rule
        self.size, self.shape = size, shape

    def train(self, calls: Sequence[Call], progress: Callable[[int], None] | None) -> list[Outcome]:
        given = []
        for engine, *rest in calls:
            assert isinstance(engine, CompiledEngine)
            given.append((engine._plan, *rest))
        outcomes = self._group.train(given, self._rule, progress)
        if outcomes is None:
            raise _refused("train")
        return [Outcome(*outcome) for outcome in outcomes]


def _of_step(
    own: OwnLoss, targets: Array, steps: Steps
) -> Callable[[Array, int], tuple[float, Array]]:
    """Make a function of the outputs and the number of a step, which finds the step's targets."""

    def of_step(outputs: Array, step: int) -> tuple[float, Array]:
        begin = (steps.first + step) * steps.batch_size
        rows = slice(begin, begin + len(outputs))
        return own(outputs, targets[rows] if steps.order is None else targets[steps.order[rows]])

    return of_step


def _refused(method: str) -> RuntimeError:
    return refused(method, "one that takes steps in another thread")


_HOW = {
    "softmax": "by rows",
    "layer_norm": "by rows",
    "batch_norm": "by columns, then by rows",
    "open": "copy",
    "close": "sum",
}
