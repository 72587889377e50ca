"""The engine that computes in NumPy: a network's passes and steps, as a textbook has them."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import numpy as np

from densenet import reference
from densenet._engine import Examples, Outcome, PlannedLayer, Steps
from densenet._layout import Layout, Place
from densenet._typing import Array
from densenet.losses import Loss
from densenet.optimizers import Optimizer


class ReferenceEngine:
    """Calls the reference's functions, layer by layer."""

    def __init__(self, layout: Layout, loss: Loss, dtype: np.dtype[Any]) -> None:
        self._layout = layout
        self._loss = loss
        self._dtype = dtype

    def plan(self) -> list[PlannedLayer]:
        return [
            PlannedLayer(
                str(index),
                type(place.layer).__name__,
                "reference",
                "NumPy",
                "NumPy",
                "NumPy" if place.weight else "",
            )
            for index, place in enumerate(self._layout.places)
        ]

    # ---- one pass ------------------------------------------------------------------------------

    def _values(self, flat: Array, x: Array) -> list[Array]:
        """Give the input and every layer's output."""
        values = [np.asarray(x, self._dtype)]
        for place in self._layout.places:
            values.append(self._layer_forward(place, flat, values[-1]))
        return values

    def _layer_forward(self, place: Place, flat: Array, x: Array) -> Array:
        if place.weight:
            bias = place.bias.view(flat) if place.bias else None
            return reference.linear_forward(x, place.weight.view(flat), bias)
        if place.layer.kind == "identity":
            return x
        forward: Callable[[Array], Array] = getattr(reference, f"{place.layer.kind}_forward")
        return forward(x)

    def _backward(self, flat: Array, values: list[Array], dy: Array, dflat: Array | None) -> Array:
        """Send dy back through every layer; collect the parameters' gradients on the way."""
        for place, x, y in zip(
            reversed(self._layout.places), values[-2::-1], values[:0:-1], strict=True
        ):
            if place.weight:
                dy, dweight, dbias = reference.linear_backward(dy, x, place.weight.view(flat))
                if dflat is not None:
                    place.weight.view(dflat)[...] = dweight
                    if place.bias:
                        place.bias.view(dflat)[...] = dbias
            elif place.layer.kind != "identity":
                backward = getattr(reference, f"{place.layer.kind}_backward")
                dy = backward(dy, y)
        return dy

    # ---- the engine's calls --------------------------------------------------------------------

    def forward(self, flat: Array, x: Array) -> Array:
        return self._values(flat, x)[-1]

    def backward(self, flat: Array, x: Array, dy: Array, dflat: Array, dx: Array) -> None:
        dx[...] = self._backward(flat, self._values(flat, x), dy, dflat)

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None
    ) -> float:
        values = self._values(flat, examples.x)
        loss, probabilities = self._loss_forward(
            values[-1], examples.targets, examples.sample_weight
        )
        dy = reference.softmax_cross_entropy_backward(
            probabilities, **self._loss_arguments(examples.targets, examples.sample_weight)
        )
        dinputs = self._backward(flat, values, dy, dflat)
        if dx is not None:
            dx[...] = dinputs
        return loss

    def _loss_arguments(self, targets: Array, sample_weight: Array | None) -> dict[str, Any]:
        if targets.ndim == 2:
            targets = targets.astype(self._dtype)
        if sample_weight is not None:
            sample_weight = sample_weight.astype(self._dtype)
        return {"targets": targets, "sample_weight": sample_weight, **asdict(self._loss)}

    def _loss_forward(
        self, outputs: Array, targets: Array, sample_weight: Array | None
    ) -> tuple[float, Array]:
        return reference.softmax_cross_entropy_forward(
            outputs, **self._loss_arguments(targets, sample_weight)
        )

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        return self._loss_forward(outputs, targets, sample_weight)[0]

    def probabilities(self, outputs: Array) -> Array:
        return reference.softmax_forward(outputs)

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
        gradient = np.empty_like(flat)
        rows = np.arange(len(examples.x)) if steps.order is None else steps.order
        done = 0
        try:
            for lr in steps.lr.tolist():
                begin = (steps.first + done) * steps.batch_size
                batch = rows[begin : begin + steps.batch_size]
                weights = examples.sample_weight
                part = Examples(
                    examples.x[batch],
                    examples.targets[batch],
                    None if weights is None else weights[batch],
                )
                batch_loss[done] = self.gradients(flat, part, gradient, None)
                if part.sample_weight is None or part.sample_weight.sum() > 0:
                    self._update(flat, gradient, states, optimizer, lr, steps.before + done + 1)
                done += 1
                if progress:
                    progress(done)
        except BaseException as error:
            return Outcome(done, 1, error)
        return Outcome(done, 1, None)

    def _update(
        self,
        flat: Array,
        gradient: Array,
        states: list[Array],
        optimizer: Optimizer,
        lr: float,
        step: int,
    ) -> None:
        for slot in self._layout.slots:
            settings = optimizer.settings() | {"lr": lr}
            if not slot.is_weight:
                settings |= {"l1": 0.0, "l2": 0.0}
            arrays = [slot.view(array) for array in (flat, gradient, *states)]
            counted = (step,) if optimizer.rule in _COUNTS_STEPS else ()
            _STEPS[optimizer.rule](*arrays, *counted, **settings)


_STEPS: dict[str, Callable[..., None]] = {
    "gradient_descent": reference.sgd_step,
    "momentum": reference.sgd_step,
    "rmsprop": reference.rmsprop_step,
    "adam": reference.adam_step,
}
_COUNTS_STEPS = {"adam"}
