"""Turns an estimator's parameters into a network with its first weights, and an optimizer."""

import math
from copy import deepcopy
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._activations import ACTIVATIONS
from densenet._typing import Array
from densenet.estimators import _parameters
from densenet.estimators._objective import Objective
from densenet.layers import (
    Activation,
    BatchNorm,
    Dropout,
    Identity,
    Layer,
    LayerNorm,
    Linear,
    Residual,
    Sigmoid,
)
from densenet.network import Network
from densenet.optimizers import SGD, Adam, AdamW, Optimizer, RMSprop
from densenet.schedules import Schedule

_LAYERS: dict[str, Layer] = {entry.name: entry.layer() for entry in ACTIVATIONS.values()}
_NORMS = {"batch": BatchNorm, "layer": LayerNorm}


# ---- the network -------------------------------------------------------------------------------


def same_specs(a: Any, b: Any) -> bool:
    """Compare layers, losses and sequences of them by their settings, arrays among these included.

    Their ``==`` fails where `init` is an array. Their text does not tell either: a dataclass whose
    ``repr`` an exception of a signal handler has interrupted may read ``...`` from then on.
    """
    if is_dataclass(a):
        return type(a) is type(b) and all(
            same_specs(getattr(a, field.name), getattr(b, field.name)) for field in fields(a)
        )
    if isinstance(a, tuple | list):
        return isinstance(b, tuple | list) and len(a) == len(b) and all(map(same_specs, a, b))
    return a is b or np.array_equal(a, b)


def _activations(estimator: Any, hidden: int) -> list[Layer]:
    """Give the activation of each hidden layer."""
    given = _parameters.each_layer("activation", estimator.activation, hidden)
    for activation in given:
        if not isinstance(activation, Activation):
            _parameters.one_of("activation", activation, _LAYERS)
    return [_LAYERS[a] if isinstance(a, str) else a for a in given]


def _hidden(estimator: Any, inputs: int) -> tuple[list[Layer], int]:
    """Give the hidden layers and the last one's width.

    Each is a linear layer, then normalisation, activation and dropout, as far as asked for.
    """
    widths = _parameters.hidden_layer_sizes(estimator.hidden_layer_sizes)
    rates = _parameters.each_layer("dropout", estimator.dropout, len(widths))
    layers: list[Layer] = []
    for width, activation, rate in zip(
        widths, _activations(estimator, len(widths)), rates, strict=True
    ):
        block: list[Layer] = [Linear(inputs, width)]
        if estimator.normalization is not None:
            block.append(_NORMS[estimator.normalization](width))
        block.append(activation)
        if _parameters.number("dropout", rate, "[0, 1)"):
            block.append(Dropout(rate))
        layers += [Residual(block)] if estimator.residual and inputs == width else block
        inputs = width
    return layers, inputs


def layers_of(estimator: Any, inputs: int, objective: Objective) -> list[Layer]:
    """Give all layers that the parameters ask for."""
    if estimator.layers is not None:
        return [*estimator.layers(inputs, objective.outputs), *objective.last_layers]
    hidden, width = _hidden(estimator, inputs)
    return [*hidden, Linear(width, objective.outputs), *objective.last_layers]


def dtype_of(estimator: Any, of_x: Any) -> Any:
    """Give the element type of the network, where that of x is known."""
    if estimator.dtype is not None:
        return estimator.dtype
    return of_x if estimator.precision == "highest" else "float32"


def network_of(
    estimator: Any, inputs: int, objective: Objective, dtype: npt.DTypeLike, random_state: Any
) -> Network:
    """Make the network, with the weights that scikit-learn would draw from this generator.

    Weights and biases are uniform in ±``√(6 / (inputs + outputs))``, or ±``√(2 / (inputs +
    outputs))`` before the logistic function (Glorot and Bengio 2010). Layers that the user gives
    start as they say.
    """
    seed = int(
        deepcopy(random_state).randint(2**31 - 1)
    )  # the same number of draws as in scikit-learn
    network = Network(
        layers_of(estimator, inputs, objective),
        objective.loss,
        dtype=dtype_of(estimator, dtype),
        seed=seed,
        precision=estimator.precision,
    )
    if network.outputs != objective.outputs:
        raise ValueError(f"layers: expected {objective.outputs} outputs, got {network.outputs}")
    if estimator.layers is None:
        activations = _activations(estimator, len(coefs(network)) - 1)
        shaping = [*activations, *activations[-1:]] or [Identity()]
        for weight, bias, activation in zip(
            coefs(network), intercepts(network), shaping, strict=True
        ):
            bound = np.sqrt((2.0 if isinstance(activation, Sigmoid) else 6.0) / sum(weight.shape))
            weight[...] = random_state.uniform(-bound, bound, weight.shape)
            bias[...] = random_state.uniform(-bound, bound, bias.shape)
    return network


def coefs(network: Network) -> list[Array]:
    """Give each linear layer's weight as a live view of shape (inputs, outputs)."""
    return [value.T for value in network.parameters.values() if value.ndim == 2]


def intercepts(network: Network) -> list[Array]:
    """Give each linear layer's bias as a live view; read-only zeros where it has none."""
    found = network.parameters
    biases = []
    for name, value in found.items():
        if value.ndim == 2:
            bias = found.get(name.removesuffix("weight") + "bias")
            biases.append(_no_bias(value) if bias is None else bias)
    return biases


def _no_bias(weight: Array) -> Array:
    zeros = np.zeros(len(weight), weight.dtype)
    zeros.setflags(write=False)
    return zeros


# ---- the optimizer -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Scaled(Schedule):
    """The learning rate ``factor * of(step)``, for another schedule `of`."""

    of: Any
    factor: float

    def __post_init__(self) -> None:
        pass  # `of` and `factor` are checked already

    def __call__(self, step: int) -> float:
        """Give the learning rate of a step."""
        return self.factor * float(self.of(step))


def optimizer_of(estimator: Any) -> Optimizer:
    """Give the optimizer that `solver` names, at the present learning rate.

    A `solver` that is an optimizer itself is given as it is, with a learning rate of its own.
    """
    lr, betas = estimator.learning_rate_, (estimator.beta_1, estimator.beta_2)
    match estimator.solver:
        case "sgd":
            nesterov = bool(estimator.nesterovs_momentum and estimator.momentum)
            return SGD(lr, estimator.momentum, nesterov=nesterov)
        case "adam":
            return Adam(lr, *betas, estimator.epsilon)
        case "adamw":
            return AdamW(lr, *betas, estimator.epsilon)
        case "rmsprop":
            return RMSprop(lr, eps=estimator.epsilon)
    rule: Optimizer = estimator.solver
    return rule


def eps_of_steps(estimator: Any, scale: float, first: int, n: int) -> list[float] | None:
    """Give ε for each of n steps, `first` on, which counts from 1; None if it is always the same.

    scikit-learn's Adam adds ε to ``√v``, ours to ``√v / √(1 - β2^t)``: ε is divided by that root,
    and by `scale` as in `for_loss`.
    """
    if estimator.solver != "adam":
        return None
    eps, beta = estimator.epsilon, estimator.beta_2
    return [eps / math.sqrt(1 - beta**step) / scale for step in range(first, first + n)]


def for_loss(rule: Optimizer, scale: float, l1: float, l2: float) -> Optimizer:
    """Give a rule that minimises a network's loss as `rule` would `scale` times that loss.

    The network's gradient is ``1 / scale`` times the wanted one, so what is added to it or compared
    with it is divided by `scale`, too: penalties, limits of clipping, ε. SGD's step is proportional
    to the gradient, so its learning rate is multiplied by `scale`.
    """
    changes: dict[str, Any] = {"l1": (rule.l1 + l1) / scale, "l2": (rule.l2 + l2) / scale}
    for name in ("eps", *_checks.OPTIONAL):
        if getattr(rule, name, None) is not None:
            changes[name] = getattr(rule, name) / scale
    if isinstance(rule, SGD):
        lr = rule.lr
        changes["lr"] = _Scaled(lr, scale) if isinstance(lr, Schedule) else lr * scale
    return replace(rule, **changes)
