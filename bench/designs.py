"""What a timed network has besides its widths: its layers' kind, loss, update and precision.

A design is written as words joined by ``+``: an activation, and what differs from the plain design,
sigmoid layers with softmax cross-entropy, Adam and float32 products: ``relu``, ``silu+layer_norm``,
``relu+dropout+sgd``, ``medium``. With ``own_loss`` the loss is one that no library has: each gets
it as its users write one of their own.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise

from densenet import SGD, Adam, AdamW, BatchNorm, Dropout, LayerNorm, Linear, Residual, RMSprop
from densenet._activations import ACTIVATIONS
from densenet._precision import PRECISIONS, PrecisionName
from densenet.layers import Layer
from densenet.optimizers import Optimizer

LEARNING_RATE = 1e-3
DROPOUT = 0.2
CLIP_NORM = 1.0
FOCUS = 2.0  # of the own loss, a focal one: mean of -(1 - p)^FOCUS ln p (Lin et al. 2017)

_NORMS = {"layer_norm": LayerNorm, "batch_norm": BatchNorm}
_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "adam": Adam,
    "adamw": AdamW,
    "rmsprop": RMSprop,
    "sgd": SGD,
}
_PRECISIONS = tuple(name for name in PRECISIONS if name != "highest")
_FLAGS = ("dropout", "residual", "clip", "own_loss")
WORDS = (*ACTIVATIONS, *_NORMS, *_OPTIMIZERS, *_PRECISIONS, *_FLAGS)
_BYTES = {"adam": 24, "adamw": 24, "rmsprop": 16, "sgd": 8}  # float32, each read and written


@dataclass(frozen=True)
class Design:
    """The hidden layers of a network, its loss, and the rule of its updates.

    A hidden layer is a linear one, the norm, the activation and dropout, in this order.
    """

    activation: str = "sigmoid"
    norm: str = ""
    dropout: bool = False
    residual: bool = False  # around each hidden layer as wide as what it gets
    optimizer: str = "adam"
    clip: bool = False  # the norm of all gradients
    own_loss: bool = False
    precision: PrecisionName = "highest"

    @property
    def text(self) -> str:
        """The words that `parse` reads."""
        plain = self.activation, self.norm, self.optimizer, self.precision
        words = [word for word in plain if word not in ("", "adam", "highest")]
        words += [word for word in _FLAGS if getattr(self, word)]
        return "+".join(words)

    @property
    def update_bytes(self) -> int:
        """Bytes read and written for a parameter: it and the optimizer's moments of it."""
        return _BYTES[self.optimizer]

    def layers(self, widths: Sequence[int]) -> list[Layer]:
        """Make densenet's layers of a network with these widths."""
        layers: list[Layer] = []
        for inputs, outputs in pairwise(widths[:-1]):
            block: list[Layer] = [Linear(inputs, outputs)]
            if self.norm:
                block.append(_NORMS[self.norm](outputs))
            block.append(ACTIVATIONS[self.activation].layer())
            if self.dropout:
                block.append(Dropout(DROPOUT))
            layers += [Residual(block)] if self.residual and inputs == outputs else block
        return [*layers, Linear(widths[-2], widths[-1])]

    def rule(self) -> Optimizer:
        """Make densenet's optimizer."""
        rule = _OPTIMIZERS[self.optimizer]
        return rule(lr=LEARNING_RATE, clip_norm=CLIP_NORM if self.clip else None)


def parse(text: str) -> Design:
    """Read a design.

    Raises
    ------
    ValueError
        If a word is unknown, or says again what another one has said.
    """
    kinds: dict[str, Collection[str]]
    kinds = {
        "activation": ACTIVATIONS,
        "norm": _NORMS,
        "optimizer": _OPTIMIZERS,
        "precision": _PRECISIONS,
    }
    found: dict[str, str | bool] = {}
    for word in text.lower().split("+"):
        kind = next((kind for kind, names in kinds.items() if word in names), word)
        if kind in found or kind not in (*kinds, *_FLAGS):
            raise ValueError(
                f"design: expected words of {', '.join(WORDS)}, joined by +, each kind once, "
                f"got {text!r}"
            )
        found[kind] = word if kind in kinds else True
    return Design(**found)  # type: ignore[arg-type]
