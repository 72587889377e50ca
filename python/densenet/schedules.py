"""Learning rates as functions of the step, which counts from 0. They are computed in float64."""

import math
import sys
from dataclasses import dataclass, fields
from typing import Any

from densenet import _checks

__all__ = ["ConstantLR", "CosineLR", "ExponentialLR", "StepLR", "WarmupLR"]


@dataclass(frozen=True)
class Schedule:
    """A learning rate for each step. A schedule checks its settings when it is made.

    This class itself has no rates: a subclass computes them, in `__call__`.
    """

    def __post_init__(self) -> None:
        if type(self).__call__ is Schedule.__call__:
            raise TypeError(
                f"{type(self).__name__}: expected a schedule that computes its rates, such as "
                "CosineLR, got one without a method __call__"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" or field.type is int:
                value = _checks.count(field.name, value)
            elif field.type == "float" or field.type is float:
                value = _checks.setting(field.name, value)
            elif not isinstance(value, Schedule):
                value = ConstantLR(_checks.setting(field.name, value))
            object.__setattr__(self, field.name, value)

    def __call__(self, step: int) -> float:
        """Give the learning rate of a step: a finite number, however large the step is."""
        raise NotImplementedError


def _counted(step: Any) -> int:
    """Check that a step is an integer >= 0."""
    if type(step) is int and step >= 0:  # the usual case, checked fast
        return step
    return _checks.count("step", step, 0)


def _grown(lr: float, factor: float, times: int) -> float:
    """Compute ``lr factor^times``, at most the largest float."""
    if lr == 0:
        return 0.0
    times = min(times, 2**63)  # this power is already 0, 1 or beyond the largest float
    try:
        value = lr * factor**times
    except OverflowError:  # the power alone overflows; times a small lr it may not
        logarithm = math.log(lr) + times * math.log(factor)
        value = math.exp(logarithm) if logarithm < 709 else math.inf
    return min(value, sys.float_info.max)


@dataclass(frozen=True)
class ConstantLR(Schedule):
    """``η = lr``.

    Parameters
    ----------
    lr : float in [0, inf)

    Raises
    ------
    TypeError, ValueError
        If `lr` is not a number in [0, inf).

    Examples
    --------
    >>> from densenet import ConstantLR
    >>> lr = ConstantLR(0.1)
    >>> lr(0), lr(1000)
    (0.1, 0.1)
    """

    lr: float

    def __call__(self, step: int) -> float:
        """Give the learning rate of a step."""
        _counted(step)
        return self.lr


@dataclass(frozen=True)
class StepLR(Schedule):
    """``η = lr factor^⌊step / every⌋``, up to the largest float.

    Parameters
    ----------
    lr : float in [0, inf)
        The rate at the first step.
    every : int
        Number of steps between two changes.
    factor : float in [0, inf)

    Raises
    ------
    TypeError, ValueError
        If `lr` or `factor` is not a number in [0, inf), or `every` not an integer >= 1.

    Examples
    --------
    >>> from densenet import StepLR
    >>> lr = StepLR(1.0, every=10, factor=0.5)
    >>> [lr(step) for step in (0, 9, 10, 20)]
    [1.0, 1.0, 0.5, 0.25]
    """

    lr: float
    every: int
    factor: float = 0.1

    def __call__(self, step: int) -> float:
        """Give the learning rate of a step."""
        return _grown(self.lr, self.factor, _counted(step) // self.every)


@dataclass(frozen=True)
class ExponentialLR(Schedule):
    """``η = lr factor^step``, up to the largest float.

    Parameters
    ----------
    lr : float in [0, inf)
        The rate at the first step.
    factor : float in [0, inf)

    Raises
    ------
    TypeError, ValueError
        If `lr` or `factor` is not a number in [0, inf).

    Examples
    --------
    >>> from densenet import ExponentialLR
    >>> lr = ExponentialLR(1.0, factor=0.5)
    >>> [lr(step) for step in (0, 1, 2, 3)]
    [1.0, 0.5, 0.25, 0.125]
    """

    lr: float
    factor: float

    def __call__(self, step: int) -> float:
        """Give the learning rate of a step."""
        return _grown(self.lr, self.factor, _counted(step))


@dataclass(frozen=True)
class CosineLR(Schedule):
    """``η = final + (lr - final) (1 + cos(π step / steps)) / 2``, then `final`.

    Loshchilov and Hutter 2017, without restarts.

    Parameters
    ----------
    lr, final : float in [0, inf)
        The rate at the first step, and the rate from step `steps` on.
    steps : int

    Raises
    ------
    TypeError, ValueError
        If `lr` or `final` is not a number in [0, inf), or `steps` not an integer >= 1.

    Examples
    --------
    >>> from densenet import CosineLR
    >>> lr = CosineLR(0.5, steps=100)
    >>> [round(lr(step), 3) for step in (0, 50, 100, 1000)]
    [0.5, 0.25, 0.0, 0.0]
    """

    lr: float
    steps: int
    final: float = 0.0

    def __call__(self, step: int) -> float:
        """Give the learning rate of a step."""
        part = min(_counted(step), self.steps) / self.steps
        return self.final + (self.lr - self.final) * ((1 + math.cos(math.pi * part)) / 2)


@dataclass(frozen=True)
class WarmupLR(Schedule):
    """Rise evenly for `steps` steps, then follow another schedule from its start.

    ``η = after(0) (step + 1) / (steps + 1)`` for step < steps, then ``η = after(step - steps)``.

    Parameters
    ----------
    after : schedule or float
        What follows the rise; a number is a constant rate.
    steps : int
        Number of steps that the rise takes.

    Raises
    ------
    TypeError, ValueError
        If `after` is neither a schedule nor a number in [0, inf), or `steps` not an integer >= 1.

    Examples
    --------
    >>> from densenet import CosineLR, WarmupLR
    >>> lr = WarmupLR(CosineLR(0.5, steps=100), steps=4)
    >>> [round(lr(step), 3) for step in (0, 1, 2, 3, 4, 54, 104)]
    [0.1, 0.2, 0.3, 0.4, 0.5, 0.25, 0.0]
    """

    after: Any
    steps: int

    def __call__(self, step: int) -> float:
        """Give the learning rate of a step."""
        after: Schedule = self.after
        if _counted(step) < self.steps:
            return after(0) * ((step + 1) / (self.steps + 1))
        return after(step - self.steps)
