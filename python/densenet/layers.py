"""What a network is made of: frozen descriptions, data only."""

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from densenet import _checks
from densenet.initializers import INITIALIZERS


@dataclass(frozen=True)
class Linear:
    """``y = x weightᵀ + bias``.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of columns of x and of y.
    bias : bool
        Whether there is a bias.
    init : str
        How the weight starts, a name in `densenet.initializers`; a bias starts at 0.

    Raises
    ------
    TypeError, ValueError
        If a width is no integer >= 1, or `init` is unknown.
    """

    kind: ClassVar[str] = "linear"
    inputs: int
    outputs: int
    bias: bool = True
    init: str = "glorot_uniform"

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            object.__setattr__(self, name, _checks.count(name, getattr(self, name)))
        if self.init not in INITIALIZERS:
            raise ValueError(f"init: expected one of {', '.join(INITIALIZERS)}, got {self.init!r}")


@dataclass(frozen=True)
class Identity:
    """``y = x``."""

    kind: ClassVar[str] = "identity"


@dataclass(frozen=True)
class Sigmoid:
    """``y = 1 / (1 + e^-x)``."""

    kind: ClassVar[str] = "sigmoid"


Activation: TypeAlias = Identity | Sigmoid
Layer: TypeAlias = Linear | Activation
