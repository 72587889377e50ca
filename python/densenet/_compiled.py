"""The engine that computes in C++."""

from collections.abc import Callable
from typing import Any

import numpy as np

from densenet import _core, kernels
from densenet._engine import Examples, Outcome, PlannedLayer, Steps
from densenet._layout import Layout
from densenet._typing import Array
from densenet.losses import Loss
from densenet.optimizers import Optimizer


class CompiledEngine:
    """A plan in the compiled core, and nothing else."""

    def __init__(self, layout: Layout, loss: Loss, dtype: np.dtype[Any]) -> None:
        self._layout = layout
        self._loss = loss
        plan = _core.PlanFloat32 if dtype == np.float32 else _core.PlanFloat64
        self._plan = plan(
            [
                (
                    place.layer.kind,
                    place.inputs,
                    place.outputs,
                    place.weight.offset if place.weight else -1,
                    place.bias.offset if place.bias else -1,
                )
                for place in layout.places
            ],
            loss.label_smoothing,
        )

    def plan(self) -> list[PlannedLayer]:
        rows = []
        linear_before = False
        for index, place in enumerate(self._layout.places):
            kind = type(place.layer).__name__
            if place.weight:
                how = ("product", "products", "fused with the weight gradient")
            else:
                fused = "fused with the product before" if linear_before else "elementwise"
                how = (fused, fused.replace("before", "after"), "")
            linear_before = place.weight is not None
            rows.append(PlannedLayer(str(index), kind, "compiled", *how))
        return rows

    def forward(self, flat: Array, x: Array) -> Array:
        return self._plan.forward(flat, x)

    def backward(self, flat: Array, x: Array, dy: Array, dflat: Array, dx: Array) -> None:
        self._plan.backward(flat, x, dy, dflat, dx)

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None
    ) -> float:
        return self._plan.gradients(
            flat, examples.x, examples.targets, examples.sample_weight, dflat, dx
        )

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        if sample_weight is not None:
            sample_weight = sample_weight.astype(outputs.dtype)
        return kernels.softmax_cross_entropy_forward(
            outputs,
            targets,
            sample_weight=sample_weight,
            label_smoothing=self._loss.label_smoothing,
        )[0]

    def probabilities(self, outputs: Array) -> Array:
        return kernels.softmax_forward(outputs)

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
        return Outcome(
            *self._plan.train(
                flat,
                states,
                optimizer.rule,
                optimizer.settings(),
                examples.x,
                examples.targets,
                examples.sample_weight,
                steps.order,
                steps.batch_size,
                steps.first,
                steps.before,
                steps.lr,
                batch_loss,
                progress,
            )
        )
