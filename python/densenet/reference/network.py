"""The engine that computes in NumPy: a network's passes and steps, as a textbook has them."""

import math
from collections import deque
from collections.abc import Callable, Sequence
from itertools import repeat
from operator import setitem
from typing import Any, NoReturn, TypeAlias

import numpy as np

from densenet import _checks, reference
from densenet._engine.contract import (
    Applied,
    Examples,
    Mode,
    Outcome,
    OwnLoss,
    Steps,
    unit_weights,
)
from densenet._engine.factors import frozen, lr_factors
from densenet._engine.layout import Layout, Place
from densenet._engine.penalty import penalty_of
from densenet._engine.turn import ONE_AT_A_TIME
from densenet._precision import HELD, Precision
from densenet._typing import Array
from densenet.layers import Activation
from densenet.losses import BinaryCrossEntropy, Loss, SoftmaxCrossEntropy
from densenet.optimizers import Optimizer
from densenet.plan import PlannedLayer
from densenet.reference.losses import bounded_loss
from densenet.reference.normalization import mean_and_variance, norm_backward, norm_forward
from densenet.reference.predictor import ReferencePredictor
from densenet.reference.products import product
from densenet.reference.regularization import dropout

_Moments: TypeAlias = dict[str, tuple[Array, Array]]  # mean and variance, by a layer's name


class ReferenceEngine:
    """Calls the reference's functions, layer by layer.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError(), backend="reference")
    >>> network.plan()[0].forward
    'NumPy'
    """

    def __init__(
        self, layout: Layout, loss: Loss, dtype: np.dtype[Any], precision: Precision
    ) -> None:
        self._layout = layout
        self._loss = loss
        self._dtype = dtype
        self._precision = precision
        self._least = 0.0

    def plan(self, optimizer: Optimizer | None) -> list[PlannedLayer]:
        still = frozen(self._layout, optimizer) if optimizer else []
        return [
            PlannedLayer(
                place.name,
                type(place.layer).__name__,
                "reference",
                "NumPy",
                "NumPy",
                "frozen" if place.within(still) else "NumPy" if place.weight else "",
            )
            for place in self._layout.places
        ]

    def fits(self, x: object, y: object) -> bool:
        return False  # the checks come first

    # ---- one pass ------------------------------------------------------------------------------

    @np.errstate(all="ignore")
    def _values(self, flat: Array, x: Array, mode: Mode, moments: _Moments) -> list[Array]:
        """Give the input and every layer's output; keep the moments of each normalisation."""
        x = x.toarray() if isinstance(x, _checks.SparseRows) else x
        values = [np.asarray(x, self._dtype)]
        skipped: list[Array] = []  # inputs of the residual blocks around the layer at hand
        for number, place in enumerate(self._layout.places):
            x = values[-1]
            if place.kind == "open":
                skipped.append(x)
                values.append(x)
            elif place.kind == "close":
                values.append(skipped.pop() + x)
            else:
                values.append(self._layer_forward(number, place, flat, x, mode, moments))
        return values

    def _layer_forward(
        self, number: int, place: Place, flat: Array, x: Array, mode: Mode, moments: _Moments
    ) -> Array:
        layer = place.layer
        if isinstance(layer, Activation):
            return _activation(layer, "forward", x)
        if place.kind == "linear" and place.weight:
            bias = place.bias.view(flat) if place.bias else None
            weight = place.weight.view(flat)
            pieces = self._precision.pieces_of(len(x), place.inputs, place.outputs)
            if pieces == 0:
                return reference.linear_forward(x, weight, bias)
            y = product(x, weight.T, pieces)
            return y if bias is None else y + bias
        if place.kind == "softmax":
            return reference.softmax_forward(x)
        if place.kind == "dropout":
            return dropout(x, place.parameter, **_draws(mode, number)) if mode.training else x
        assert place.weight
        assert place.bias
        found = moments[place.name] = self._moments_of(place, x, mode)
        return norm_forward(
            x, place.weight.view(flat), place.bias.view(flat), *found, place.parameter
        )

    def _moments_of(self, place: Place, x: Array, mode: Mode) -> tuple[Array, Array]:
        if place.running is None:
            return mean_and_variance(x, axis=1)
        running = [slot.view(mode.running) for slot in place.running]
        if not mode.training:
            return running[0], running[1]
        mean, variance = mean_and_variance(x, 0, mode.means)
        if mode.update:  # the running moments follow by a tenth, the variance unbiased
            unbiased = variance * (len(x) / max(len(x) - 1, 1))
            for held, new in zip(running, (mean, unbiased), strict=True):
                held[...] = 0.9 * held + 0.1 * new[0]
        return mean, variance

    @np.errstate(all="ignore")
    def _backward(
        self,
        flat: Array,
        values: list[Array],
        dy: Array,
        dflat: Array | None,
        mode: Mode,
        moments: _Moments,
    ) -> Array:
        """Send dy back through every layer; collect the parameters' gradients on the way."""
        first = next((place for place in self._layout.places if place.weight), None)
        skipped: list[Array] = []
        for number, place in reversed(list(enumerate(self._layout.places))):
            x, y = values[number], values[number + 1]
            layer = place.layer
            if place.kind == "close":
                skipped.append(dy)
            elif place.kind == "open":
                dy = dy + skipped.pop()
            elif isinstance(layer, Activation):
                dy = _activation(layer, "backward", dy, x if layer.from_input else y)
            elif place.kind == "softmax":
                dy = reference.softmax_backward(dy, y)
            elif place.kind == "dropout":
                if mode.training:
                    dy = dropout(dy, place.parameter, **_draws(mode, number))
            else:
                if place is first:  # nobody asks for the gradient of the input of a part of a batch
                    mode = mode._replace(means=None)
                given = (dy, x, mode, moments)
                dy, *gradients = self._parametric_backward(place, flat, *given)
                slots = (place.weight, place.bias)
                for slot, gradient in zip(slots, gradients, strict=True):
                    if slot and dflat is not None:
                        slot.view(dflat)[...] = gradient
        return dy

    def _parametric_backward(
        self, place: Place, flat: Array, dy: Array, x: Array, mode: Mode, moments: _Moments
    ) -> tuple[Array, Array, Array]:
        """Compute the gradients of a layer's input, weight and bias, in this order."""
        assert place.weight
        weight = place.weight.view(flat)
        if place.kind == "linear":
            pieces = self._precision.pieces_of(len(x), place.inputs, place.outputs)
            if pieces == 0:
                return reference.linear_backward(dy, x, weight)
            # xᵀ dy and not dyᵀ x: the pieces of the first operand are taken in another order.
            return product(dy, weight, pieces), product(x.T, dy, pieces).T, dy.sum(axis=0)
        axis = 1 if place.running is None else 0 if mode.training else None
        means = None if place.running is None else mode.means
        return norm_backward(dy, x, weight, *moments[place.name], place.parameter, axis, means)

    # ---- the engine's calls --------------------------------------------------------------------

    def _still(self, flat: Array, mode: Mode) -> tuple[Array, Mode]:
        """Give parameters and running moments that no training changes meanwhile."""
        if mode.update:  # it is the training that asks
            return flat, mode
        flat, running = self.copies([flat, mode.running])
        return flat, mode._replace(running=running)

    def forward(self, flat: Array, x: Array, mode: Mode) -> Array:
        flat, mode = self._still(flat, mode)
        return self._values(flat, x, mode, {})[-1]

    def predictor(self, flat: Array, running: Array) -> ReferencePredictor:
        return ReferencePredictor(self, self._layout, HELD[self._precision.pieces], flat, running)

    def backward(
        self, flat: Array, x: Array, dy: Array, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> None:
        flat, mode = self._still(flat, mode)
        moments: _Moments = {}
        values = self._values(flat, x, mode, moments)
        dinputs = self._backward(flat, values, dy, dflat, mode, moments)
        if dx is not None:
            dx[...] = dinputs

    def gradients(
        self, flat: Array, examples: Examples, dflat: Array | None, dx: Array | None, mode: Mode
    ) -> float:
        return self._gradients(*self._still(flat, mode), examples, dflat, dx)

    def _gradients(
        self,
        flat: Array,
        mode: Mode,
        examples: Examples,
        dflat: Array | None,
        dx: Array | None,
        own: OwnLoss | None = None,
    ) -> float:
        moments: _Moments = {}
        values = self._values(flat, examples.x, mode, moments)
        if own is not None:
            loss, dy = own(values[-1], examples.targets)
        else:
            loss, dy = self._loss_and_gradient(values[-1], examples)
        dinputs = self._backward(flat, values, dy, dflat, mode, moments)
        if dx is not None:
            dx[...] = dinputs
        return loss

    def _loss_and_gradient(self, outputs: Array, examples: Examples) -> tuple[float, Array]:
        targets, weights = examples.targets, examples.sample_weight
        if targets.ndim == 2:
            targets = targets.astype(self._dtype, copy=False)
        value = self._loss_forward(outputs, targets, weights)
        loss, saved = value if isinstance(value, tuple) else (value, outputs)
        if self._least:
            unit = None if weights is None else unit_weights(weights, self._dtype)
            loss = bounded_loss(self._loss, outputs, targets, unit, self._least)
        dy = self._call_loss("backward", saved, targets, weights)
        return loss * examples.share, dy * dy.dtype.type(examples.share)

    def _loss_forward(self, outputs: Array, targets: Array, weights: Array | None) -> Any:
        return self._call_loss("forward", outputs, targets, weights)

    def _call_loss(self, way: str, outputs: Array, targets: Array, weights: Array | None) -> Any:
        if weights is not None:
            weights = unit_weights(weights, self._dtype)
        function = getattr(reference, f"{self._loss.kind}_{way}")
        return function(outputs, targets, sample_weight=weights, **self._loss.settings())

    def count_probabilities_from(self, least: float) -> None:
        bounded = isinstance(self._loss, SoftmaxCrossEntropy | BinaryCrossEntropy)
        self._least = least if bounded else 0.0

    def loss(self, outputs: Array, targets: Array, sample_weight: Array | None) -> float:
        if targets.ndim == 2:
            targets = targets.astype(self._dtype, copy=False)
        value = self._loss_forward(outputs, targets, sample_weight)
        return float(value[0] if isinstance(value, tuple) else value)

    def softmax(self, outputs: Array) -> Array:
        return reference.softmax_forward(outputs)

    def sigmoid(self, outputs: Array) -> Array:
        return reference.sigmoid_forward(outputs)

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
        gradient = np.empty_like(flat)
        rows = np.arange(len(examples.x)) if steps.order is None else steps.order
        weights = examples.sample_weight
        done, before = 0, int(steps.taken[0])
        try:
            for lr in steps.lr:
                begin = (steps.first + done) * steps.batch_size
                batch = rows[begin : begin + steps.batch_size]
                part = Examples(
                    examples.x[batch],
                    examples.targets[batch],
                    None if weights is None else weights[batch],
                )
                now = mode._replace(step=mode.step + done)
                batch_loss[done], moved = self._begin(flat, part, gradient, now, own)
                rule = steps.optimizer_at(done, optimizer)
                if steps.penalty is not None:
                    steps.penalty[done] = penalty_of(flat, self._layout.slots, rule)
                if part.weigh:
                    if not math.isfinite(batch_loss[done]):
                        return Outcome(done, 1, diverged=True)
                    given = (flat, moments, rule, lr, steps.taken, gradient, mode.running, moved)
                    if not self.apply_gradient(*given, steps.tolerance).taken:
                        return Outcome(done, 1, converged=True)
                else:
                    self.change([(steps.taken, steps.taken + 1)])
                done += 1
                if progress:
                    progress(done)
        except BaseException as error:
            return Outcome(int(steps.taken[0]) - before, 1, error=error)
        return Outcome(done, 1)

    def _begin(
        self,
        flat: Array,
        examples: Examples,
        gradient: Array,
        mode: Mode,
        own: OwnLoss | None = None,
    ) -> tuple[float, Array]:
        """Give the loss and the running moments as a step moves them; write the gradient."""
        moved = mode.running.copy()
        mode = mode._replace(running=moved, update=examples.weigh and mode.means is None)
        return self._gradients(flat, mode, examples, gradient, None, own), moved

    def loss_and_gradient(
        self, flat: Array, examples: Examples, gradient: Array, mode: Mode
    ) -> float:
        loss, moved = self._begin(flat, examples, gradient, mode)
        if math.isfinite(loss):
            self.change([(mode.running, moved)])
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
        names = ("flat", *optimizer.states)
        for name, array in zip(names, (flat, *moments), strict=True):
            _checks.writeable(name, array)
        factors = lr_factors(self._layout, optimizer)
        learns = np.ones(len(gradient), bool)
        for slot in frozen(self._layout, optimizer):
            slot.view(learns)[...] = False
        gradient = np.where(learns, gradient, 0)
        norm = _norm(gradient[learns])
        gradient, length = _clipped(gradient, optimizer, learns)
        if length < tolerance:
            return Applied(norm, taken=False)
        step = taken + 1
        new = [array.copy() for array in (flat, *moments)]
        counted = (int(step[0]),) if optimizer.rule in _COUNTS_STEPS else ()
        for slot, factor in zip(self._layout.slots, factors, strict=True):
            if factor == 0:
                continue
            settings = optimizer.settings() | {"lr": factor * lr}
            settings.pop("clip_norm", None)
            settings.pop("clip_value", None)
            if not slot.is_weight:
                settings |= {name: 0.0 for name in _FOR_WEIGHTS if name in settings}
            arrays = [slot.view(array) for array in (new[0], gradient, *new[1:])]
            _STEPS[optimizer.rule](*arrays, *counted, **settings)
        moved = running.copy() if moved is None else moved
        old = (flat, *moments, running, taken)
        self.change(list(zip(old, (*new, moved, step), strict=True)))
        return Applied(norm, taken=True)

    def copies(self, arrays: Sequence[Array]) -> list[Array]:
        with ONE_AT_A_TIME:
            return [array.copy() for array in arrays]

    def change(self, pairs: Sequence[tuple[Array, Array]]) -> None:
        arrays, values = zip(*pairs, strict=True)
        with ONE_AT_A_TIME:
            # One call of C, within which Python runs no signal handler.
            deque(map(setitem, arrays, repeat(...), values), maxlen=0)

    def together(self, optimizer: Optimizer, rows: int) -> None:
        return None

    def stepper(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        taken: Array,
        mode: Mode,
    ) -> None:
        return None  # nothing to be gained

    def profile(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: int,
        mode: Mode,
    ) -> NoReturn:
        raise ValueError("profile: expected a network with backend='compiled', got 'reference'")


def _draws(mode: Mode, layer: int) -> dict[str, int]:
    return {"seed": mode.seed, "step": mode.step, "layer": layer, "first_row": mode.first_row}


def _norm(gradient: Array) -> float:
    with np.errstate(over="ignore"):
        return float(np.linalg.norm(gradient.astype(np.float64)))


def _clipped(gradient: Array, optimizer: Optimizer, learns: Array) -> tuple[Array, float]:
    """Clip a gradient by value and then by its norm; give its norm between the two, too.

    The norm is that of the elements that learn alone: others among them, even zeros, would change
    the order in which squares are added, and so the last bit.
    """
    if optimizer.clip_value is not None:
        gradient = np.clip(gradient, -optimizer.clip_value, optimizer.clip_value)
    length = _norm(gradient[learns])
    if optimizer.clip_norm is not None and length > optimizer.clip_norm:
        gradient = gradient * (optimizer.clip_norm / length)
    return gradient, length


def _activation(layer: Activation, way: str, *arrays: Array) -> Array:
    """Call an activation's function; the identity has none."""
    if layer.kind == "identity":
        return arrays[0]
    function = getattr(reference, f"{layer.kind}_{way}")
    result: Array = function(*arrays, **layer.settings())
    return result


_STEPS: dict[str, Callable[..., None]] = {
    "gradient_descent": reference.sgd_step,
    "momentum": reference.sgd_step,
    "rmsprop": reference.rmsprop_step,
    "adam": reference.adam_step,
    "adamw": reference.adamw_step,
}
_COUNTS_STEPS = {"adam", "adamw"}
_FOR_WEIGHTS = ("l1", "l2", "weight_decay")
