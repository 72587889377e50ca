"""What a network minimises: frozen descriptions, data only."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from densenet import _checks


@dataclass(frozen=True)
class SoftmaxCrossEntropy:
    """Cross-entropy of the softmax of the outputs, which are logits.

    Parameters
    ----------
    label_smoothing : float in [0, 1)
        ε of ``T' = (1 - ε) T + ε / C``.

    Raises
    ------
    TypeError, ValueError
        If `label_smoothing` is no number in its range.
    """

    kind: ClassVar[str] = "softmax_cross_entropy"
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        value = _checks.setting("label_smoothing", self.label_smoothing)
        object.__setattr__(self, "label_smoothing", value)


Loss: TypeAlias = SoftmaxCrossEntropy
