"""The losses that a network minimises: frozen descriptions, data only.

A loss's ``kind`` is the name under which both backends look up what to compute. Any other object
with ``forward(outputs, targets)`` and ``backward(outputs, targets)`` is a loss, too.
"""

from dataclasses import dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

from densenet import _checks
from densenet._typing import Array

__all__ = [
    "BinaryCrossEntropy",
    "CrossEntropy",
    "Huber",
    "LogisticLoss",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "SoftmaxCrossEntropy",
]


@dataclass(frozen=True)
class Loss:
    """A loss that both backends compute. Its settings are checked when it is made.

    ``predicts`` says what the targets are: class indices, bits, signs or values.
    """

    kind: ClassVar[str]
    predicts: ClassVar[Literal["classes", "bits", "signs", "values"]]

    def __post_init__(self) -> None:
        for name, value in _checks.settings(self.settings()).items():
            object.__setattr__(self, name, value)

    def settings(self) -> dict[str, float]:
        """Give the settings by name.

        Examples
        --------
        >>> from densenet import Huber
        >>> Huber(delta=2.0).settings()
        {'delta': 2.0}
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class SoftmaxCrossEntropy(Loss):
    """Cross-entropy of the softmax of the outputs, which are logits.

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        With ε, a target T counts as ``(1 - ε) T + ε / C`` (Szegedy et al. 2016).

    Raises
    ------
    TypeError, ValueError
        If `label_smoothing` is not a number, or outside its range.

    Examples
    --------
    >>> from densenet import Linear, Network, SoftmaxCrossEntropy
    >>> network = Network([Linear(1, 4, init="zeros")], SoftmaxCrossEntropy())
    >>> network.predict_proba([[7.0]])
    array([[0.25, 0.25, 0.25, 0.25]], dtype=float32)
    >>> round(network.loss([[7.0]], [2]), 4)  # ln 4
    1.3863
    """

    kind: ClassVar[str] = "softmax_cross_entropy"
    predicts: ClassVar[Literal["classes"]] = "classes"
    label_smoothing: float = 0.0


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy of the outputs, which are probabilities: ``-(1/B) Σ T ln Y``.

    Examples
    --------
    >>> from densenet import CrossEntropy, Linear, Network, Softmax
    >>> network = Network([Linear(1, 4, init="zeros"), Softmax()], CrossEntropy())
    >>> round(network.loss([[7.0]], [2]), 4)  # ln 4
    1.3863
    """

    kind: ClassVar[str] = "cross_entropy"
    predicts: ClassVar[Literal["classes"]] = "classes"


@dataclass(frozen=True)
class BinaryCrossEntropy(Loss):
    """Cross-entropy of the sigmoid of each output, a logit, with a target in [0, 1].

    Examples
    --------
    >>> from densenet import BinaryCrossEntropy, Linear, Network
    >>> network = Network([Linear(1, 2, init="zeros")], BinaryCrossEntropy())
    >>> network.parameters["0.bias"][:] = [2, -2]
    >>> network.predict_proba([[7.0]]).round(3)
    array([[0.881, 0.119]], dtype=float32)
    >>> network.predict([[7.0]])
    array([[1, 0]])
    >>> round(network.loss([[7.0]], [[1, 0]]), 3)
    0.127
    """

    kind: ClassVar[str] = "binary_cross_entropy"
    predicts: ClassVar[Literal["bits"]] = "bits"


@dataclass(frozen=True)
class LogisticLoss(Loss):
    """The mean of ``ln(1 + e^(-t z))`` over outputs z and rows, with targets t of -1 or 1.

    Examples
    --------
    >>> from densenet import Linear, LogisticLoss, Network
    >>> network = Network([Linear(1, 1, init="zeros")], LogisticLoss())
    >>> network.parameters["0.bias"][:] = 2
    >>> network.predict([[7.0]])
    array([1])
    >>> round(network.loss([[7.0]], [1]), 3), round(network.loss([[7.0]], [-1]), 3)
    (0.127, 2.127)
    """

    kind: ClassVar[str] = "logistic"
    predicts: ClassVar[Literal["signs"]] = "signs"


@dataclass(frozen=True)
class MeanSquaredError(Loss):
    """The mean of ``(y - t)²`` over outputs and rows.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
    >>> network.loss([[7.0], [8.0]], [1.0, 3.0])
    5.0
    """

    kind: ClassVar[str] = "mean_squared_error"
    predicts: ClassVar[Literal["values"]] = "values"


@dataclass(frozen=True)
class MeanAbsoluteError(Loss):
    """The mean of ``|y - t|`` over outputs and rows.

    Examples
    --------
    >>> from densenet import Linear, MeanAbsoluteError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanAbsoluteError())
    >>> network.loss([[7.0], [8.0]], [1.0, 3.0])
    2.0
    """

    kind: ClassVar[str] = "mean_absolute_error"
    predicts: ClassVar[Literal["values"]] = "values"


@dataclass(frozen=True)
class Huber(Loss):
    """``r²/2`` of the error r up to `delta`, linear beyond (Huber 1964).

    Parameters
    ----------
    delta : float in (0, inf)

    Raises
    ------
    TypeError, ValueError
        If `delta` is not a number, or outside its range.

    Examples
    --------
    >>> from densenet import Huber, Linear, Network
    >>> network = Network([Linear(1, 1, init="zeros")], Huber(delta=2.0))
    >>> network.loss([[7.0], [8.0]], [1.0, 3.0])
    2.25
    """

    kind: ClassVar[str] = "huber"
    predicts: ClassVar[Literal["values"]] = "values"
    delta: float = 1.0


@runtime_checkable
class CustomLoss(Protocol):
    """A loss of the user's own. It runs in Python; the layers around it stay compiled."""

    def forward(self, outputs: Array, targets: Any) -> float:
        """Compute the loss of a batch: a number."""

    def backward(self, outputs: Array, targets: Any) -> Array:
        """Compute the gradient of that loss with respect to the outputs, of their shape."""
