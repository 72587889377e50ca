"""How parameters follow the gradient: frozen descriptions. Their state belongs to a network."""

from dataclasses import dataclass, fields
from typing import ClassVar, TypeAlias

from densenet import _checks


@dataclass(frozen=True)
class _Rule:
    """Checks every setting when a description is made."""

    def __post_init__(self) -> None:
        numbers = _checks.settings(self.settings())
        for name, value in numbers.items():
            object.__setattr__(self, name, type(getattr(type(self), name))(value))

    def settings(self) -> dict[str, float]:
        """Give the hyper-parameters by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class SGD(_Rule):
    """Stochastic gradient descent, with or without momentum.

    Parameters and errors are those of `densenet.reference.sgd_step`; biases are not penalised.
    """

    lr: float = 1e-2
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    l1: float = 0.0
    l2: float = 0.0

    @property
    def rule(self) -> str:
        """The kernel's name."""
        return "momentum" if self.momentum or self.dampening else "gradient_descent"

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the arrays that the rule keeps between steps."""
        return ("velocity",) if self.rule == "momentum" else ()


@dataclass(frozen=True)
class RMSprop(_Rule):
    """Root mean square propagation.

    Parameters and errors are those of `densenet.reference.rmsprop_step`; biases are not penalised.
    """

    rule: ClassVar[str] = "rmsprop"
    states: ClassVar[tuple[str, ...]] = ("v",)
    lr: float = 1e-3
    beta: float = 0.9
    eps: float = 1e-8
    l1: float = 0.0
    l2: float = 0.0


@dataclass(frozen=True)
class Adam(_Rule):
    """Adaptive moment estimation.

    Parameters and errors are those of `densenet.reference.adam_step`; biases are not penalised.
    """

    rule: ClassVar[str] = "adam"
    states: ClassVar[tuple[str, ...]] = ("m", "v")
    lr: float = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    l1: float = 0.0
    l2: float = 0.0


Optimizer: TypeAlias = SGD | RMSprop | Adam
