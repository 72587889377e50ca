"""How parameters follow the gradient: frozen descriptions. Their state belongs to a network.

All take a learning rate `lr`, a number or one of `densenet.schedules`; `l1` and `l2`, penalties on
weights (not biases); `clip_value`, the largest size of a gradient's element, and `clip_norm`, that
of the whole gradient, both before the penalties. Other parameters, formulas and errors are those of
the function of the same name in `densenet.reference`.
"""

from dataclasses import dataclass, fields
from typing import ClassVar

from densenet import _checks
from densenet.schedules import Schedule

__all__ = ["SGD", "Adam", "AdamW", "RMSprop"]


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """Any optimizer; its settings are checked when it is made."""

    lr: float | Schedule
    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None

    def __post_init__(self) -> None:
        for name, value in _checks.settings(self.settings()).items():
            kind = bool if name == "nesterov" else float
            object.__setattr__(self, name, kind(value))

    def settings(self) -> dict[str, float]:
        """Give the hyper-parameters by name, without those that are None or a schedule."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if not isinstance(value, Schedule) and not (value is None and name in _checks.OPTIONAL)
        }

    @property
    def rule(self) -> str:
        """Name of the kernel."""
        raise NotImplementedError

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the arrays that the rule keeps between steps."""
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with or without momentum."""

    lr: float | Schedule = 1e-2
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False

    @property
    def rule(self) -> str:
        """Name of the kernel."""
        return "momentum" if self.momentum or self.dampening else "gradient_descent"

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the arrays that the rule keeps between steps."""
        return ("velocity",) if self.rule == "momentum" else ()


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Root mean square propagation."""

    rule: ClassVar[str] = "rmsprop"
    states: ClassVar[tuple[str, ...]] = ("v",)
    lr: float | Schedule = 1e-3
    beta: float = 0.9
    eps: float = 1e-8


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moment estimation."""

    rule: ClassVar[str] = "adam"
    states: ClassVar[tuple[str, ...]] = ("m", "v")
    lr: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: ``w *= 1 - η λ`` first, on weights only."""

    rule: ClassVar[str] = "adamw"
    weight_decay: float = 0.01
