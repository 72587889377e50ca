"""What an estimator minimises: the loss, its targets, and the meaning of its outputs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import xlogy

from densenet import _checks, kernels
from densenet._network.state import learner_of
from densenet._typing import Array
from densenet.layers import Layer, Softmax
from densenet.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    CustomLoss,
    Loss,
    MeanSquaredError,
    SoftmaxCrossEntropy,
)
from densenet.network import Network


def same(values: Array) -> Array:
    return values


def _column(values: Array) -> Array:
    return values[:, None] if values.ndim == 1 else values


def _signs(bits: Array) -> Array:
    return _column(2 * bits - 1)


ACTIVATE: dict[str, Callable[[Array], Array]] = {
    "identity": same,
    "logistic": kernels.sigmoid_forward,
    "softmax": kernels.softmax_forward,
    "exp": np.exp,
}
"""The function that each ``out_activation_`` applies to a network's outputs."""


@dataclass(frozen=True)
class HalfPoissonDeviance:
    """Half the Poisson deviance of ``e^z``: ``t ln t - t z - t + e^z`` for each output z.

    It is summed over outputs and averaged over rows. The last column of `targets` holds the weights
    of the rows.
    """

    def forward(self, outputs: Array, targets: Array) -> float:
        """Compute the loss of a batch."""
        t, weight = targets[:, :-1], targets[:, -1]
        loss = (xlogy(t, t) - t * outputs - t + np.exp(outputs)).sum(axis=1)
        return float(weight @ loss / weight.sum())

    def backward(self, outputs: Array, targets: Array) -> Array:
        """Compute the gradient with respect to the outputs, ``(e^z - t) w / Σ w``."""
        weight = targets[:, -1:]
        gradient: Array = (np.exp(outputs) - targets[:, :-1]) * (weight / weight.sum())
        return gradient


@dataclass(frozen=True)
class Objective:
    """A network's loss, its number of outputs, and how scikit-learn's targets and losses relate.

    An estimator minimises `scale` times the network's loss: scikit-learn's squared error is half
    the sum over the outputs and its log-loss their sum, while the network's losses are means.
    `code` turns the targets into what the loss expects.
    """

    loss: Loss | CustomLoss
    outputs: int
    activation: str
    scale: float = 1.0
    code: Callable[[Array], Array] = same
    bounded: bool = False  # True for scikit-learn's log-loss, which bounds probabilities

    @property
    def last_layers(self) -> tuple[Layer, ...]:
        """The layers that the loss needs after the last linear one."""
        return (Softmax(),) if isinstance(self.loss, CrossEntropy) else ()

    @contextmanager
    def watched(self, network: Network) -> Iterator[None]:
        """Make a network report its training losses as scikit-learn does, inside a ``with`` block.

        scikit-learn's log-loss moves every probability into ``[ε, 1 - ε]``, ε the machine epsilon
        of the element type. The gradient does not change.
        """
        engine = learner_of(network).engine
        if self.bounded:
            engine.count_probabilities_from(float(np.finfo(network.dtype).eps))
        try:
            yield
        finally:
            engine.count_probabilities_from(0.0)

    def activate(self, outputs: Array) -> Array:
        """Turn the network's outputs into probabilities or values."""
        return outputs if self.last_layers else ACTIVATE[self.activation](outputs)

    def given(self, targets: Array, weight: Array | None) -> dict[str, Any]:
        """Give the arguments `y` and `sample_weight` of training on these targets."""
        if isinstance(self.loss, HalfPoissonDeviance):
            weights = np.ones(len(targets)) if weight is None else weight
            return {"y": np.column_stack([targets, weights])}
        return {"y": targets, "sample_weight": weight}


def for_values(loss: Any, outputs: int) -> Objective:
    """Choose the objective for a regressor's parameter `loss`."""
    if isinstance(loss, str) and loss == "squared_error":
        return Objective(MeanSquaredError(), outputs, "identity", outputs / 2)
    if isinstance(loss, str) and loss == "poisson":
        return Objective(HalfPoissonDeviance(), outputs, "exp")
    if isinstance(loss, Loss):
        if loss.predicts != "values":
            raise ValueError(f"loss: expected a loss on values, got {type(loss).__name__}")
        return Objective(loss, outputs, "identity", code=_column)
    if isinstance(loss, CustomLoss):
        return Objective(loss, outputs, "identity", code=_column)
    got = repr(loss) if isinstance(loss, str) else _checks.describe(loss)
    raise ValueError(f"loss: expected 'squared_error', 'poisson' or a loss, got {got}")


def for_classes(loss: Any, classes: int, multilabel: bool) -> Objective:
    """Choose the objective for a classifier's parameter `loss`.

    Targets are class indices, or a matrix of labels with `multilabel`.
    """
    bits = multilabel or classes <= 2
    outputs = classes if multilabel else 1
    if isinstance(loss, str) and loss == "log_loss":
        if bits:
            loss_of_bits = BinaryCrossEntropy()
            return Objective(loss_of_bits, outputs, "logistic", outputs, _column, bounded=True)
        return Objective(SoftmaxCrossEntropy(), classes, "softmax", bounded=True)
    if isinstance(loss, Loss):
        if loss.predicts == "classes" and not multilabel:
            return Objective(loss, max(classes, 2), "softmax")
        if loss.predicts in ("bits", "signs") and bits:
            code = _column if loss.predicts == "bits" else _signs
            return Objective(loss, outputs, "logistic", code=code)
        wanted = "labels, each 0 or 1" if multilabel else f"{classes} classes"
        raise ValueError(f"loss: expected a loss on {wanted}, got {type(loss).__name__}")
    if isinstance(loss, CustomLoss):
        if bits:
            return Objective(loss, outputs, "logistic", code=_column)
        return Objective(loss, classes, "softmax", code=np.eye(classes).__getitem__)
    got = repr(loss) if isinstance(loss, str) else _checks.describe(loss)
    raise ValueError(f"loss: expected 'log_loss' or a loss, got {got}")
