"""How a step moves the parameters: frozen descriptions. What a rule remembers belongs to a network.

A step first clips the gradient, then adds L2's part to it, applies the rule, and shrinks for L1.
Formulas and sources are at the function of the same name in `densenet.reference`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from densenet import _checks
from densenet.schedules import Schedule

__all__ = ["SGD", "Adam", "AdamW", "RMSprop"]

_BY_NAME = ("trainable", "lr_factors")
"""Fields that name parameters; all others are settings of the update."""


class _Factors(Mapping[str, float]):
    """Factors by name, in the order of the names, which no one changes."""

    def __init__(self, factors: Mapping[str, float]) -> None:
        self._factors = dict(sorted(factors.items()))

    def __getitem__(self, name: str) -> float:
        return self._factors[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._factors)

    def __len__(self) -> int:
        return len(self._factors)

    def __hash__(self) -> int:
        return hash(tuple(self._factors.items()))

    def __repr__(self) -> str:
        return repr(self._factors)


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """What every optimizer has. Settings are checked at once; only `lr` may be a schedule.

    The names in `trainable` and `lr_factors` are checked when a network is trained.
    """

    lr: float | Schedule
    l1: float = 0.0
    l2: float = 0.0
    clip_norm: float | None = None
    clip_value: float | None = None
    trainable: Collection[str] | None = None
    lr_factors: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        for name, value in _checks.settings(self.settings()).items():
            kind = bool if name == "nesterov" else float
            object.__setattr__(self, name, kind(value))
        if self.trainable is not None:
            names = _checks.texts("trainable", self.trainable)
            object.__setattr__(self, "trainable", tuple(sorted(set(names))))
        if self.lr_factors is not None:
            factors = _Factors(_checks.rates("lr_factors", self.lr_factors))
            object.__setattr__(self, "lr_factors", factors)
            if not isinstance(self.lr, Schedule):
                _checks.rates_of_factors(self.lr, factors)

    def settings(self) -> dict[str, float]:
        """Give the settings of the update by name, without those that are None and a schedule.

        Examples
        --------
        >>> from densenet import SGD
        >>> sorted(SGD(lr=0.1, clip_norm=1.0).settings())
        ['clip_norm', 'dampening', 'l1', 'l2', 'lr', 'momentum', 'nesterov']
        """
        return {
            name: value
            for name, value in vars(self).items()
            if name not in _BY_NAME
            and not (name == "lr" and isinstance(value, Schedule))
            and not (value is None and name in _checks.OPTIONAL)
        }

    @property
    def rule(self) -> str:
        """Name of the update in the kernels."""
        raise NotImplementedError

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the arrays that the update keeps from step to step, each as long as `flat`."""
        raise NotImplementedError


@dataclass(frozen=True)
class SGD(Optimizer):
    """Stochastic gradient descent, with or without momentum.

    Parameters
    ----------
    lr : float in [0, inf) or schedule
        η of ``w -= η v``.
    momentum, dampening : float in [0, 1) and [0, 1]
        β and d of ``v = β v + (1 - d) g``.
    nesterov : bool
        True takes the step ``w -= η (g + β v)``; it needs momentum > 0 and no dampening.
    l1, l2 : float in [0, inf)
        Strengths of the penalties on weights, not on biases.
    clip_norm, clip_value : float in (0, inf), optional
        A longer gradient is scaled down to this norm; larger elements are cut off at this size.
    trainable : collection of str, optional
        Names of what learns, by default everything: parameters as in `Network.parameters`, such as
        "4.weight", or layers, such as "4" for all parameters in it. All else is frozen.
    lr_factors : mapping from str to float in [0, inf), optional
        Factors of `lr`, by such names. Of several names that fit, the longest counts. A factor of 0
        freezes.

    Raises
    ------
    TypeError
        If a setting is not a number. Only `lr` may be a schedule instead. Or if `trainable` or
        `lr_factors` is no collection or mapping of names.
    ValueError
        If a setting or a factor is outside its range, or `lr` times a factor overflows. Names that
        a network does not have, and rates of a schedule, are refused by the call that trains it.

    Notes
    -----
    The velocity starts at 0, so the first step is dampened like any other. PyTorch starts with
    ``v = g``, which is not.

    With every optimizer, parameters that are frozen keep their bits, and so do their moments. No
    penalty changes them, and their gradient does not count in the norm that clips. In frozen layers
    dropout draws, and batch normalisation normalises by the batch's moments and moves the running
    ones, as in PyTorch.

    Examples
    --------
    >>> from densenet import SGD, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros", bias=False)], MeanSquaredError())
    >>> loss = network.train_step([[1.0]], [5.0], SGD(lr=0.05))
    >>> network.flat.round(3)  # down a gradient of -10
    array([0.5], dtype=float32)
    >>> SGD(lr=0.05).rule, SGD(lr=0.05).states
    ('gradient_descent', ())
    >>> SGD(lr=0.05, momentum=0.9).rule, SGD(lr=0.05, momentum=0.9).states
    ('momentum', ('velocity',))

    A first layer that learns at a tenth of the rate, and one that is frozen:

    >>> network = Network([Linear(2, 3), Linear(3, 1)], MeanSquaredError(), seed=1)
    >>> loss = network.train_step([[1.0, 2.0]], [5.0], SGD(lr=0.05, lr_factors={"0": 0.1}))
    >>> before = network.parameters["0.weight"].copy()
    >>> loss = network.train_step([[1.0, 2.0]], [5.0], SGD(lr=0.05, trainable={"1"}))
    >>> bool((network.parameters["0.weight"] == before).all())
    True
    """

    lr: float | Schedule = 1e-2
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False

    @property
    def rule(self) -> str:
        """Name of the update in the kernels."""
        return "momentum" if self.momentum or self.dampening else "gradient_descent"

    @property
    def states(self) -> tuple[str, ...]:
        """Names of the arrays that the update keeps from step to step, each as long as `flat`."""
        return ("velocity",) if self.rule == "momentum" else ()


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """Root mean square propagation.

    Parameters
    ----------
    lr : float in [0, inf) or schedule
        η of ``w -= η g / (√v + ε)``.
    beta : float in [0, 1)
        Of ``v = β v + (1 - β) g²``.
    eps : float in [0, inf)
    l1, l2 : float in [0, inf)
        Strengths of the penalties on weights, not on biases.
    clip_norm, clip_value : float in (0, inf), optional
        A longer gradient is scaled down to this norm; larger elements are cut off at this size.
    trainable : collection of str, optional
        Names of what learns, by default everything: parameters as in `Network.parameters`, such as
        "4.weight", or layers, such as "4" for all parameters in it. All else is frozen.
    lr_factors : mapping from str to float in [0, inf), optional
        Factors of `lr`, by such names. Of several names that fit, the longest counts. A factor of 0
        freezes.

    Raises
    ------
    TypeError
        If a setting is not a number. Only `lr` may be a schedule instead. Or if `trainable` or
        `lr_factors` is no collection or mapping of names.
    ValueError
        If a setting or a factor is outside its range, or `lr` times a factor overflows. Names that
        a network does not have, and rates of a schedule, are refused by the call that trains it.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network, RMSprop
    >>> network = Network([Linear(1, 1, init="zeros", bias=False)], MeanSquaredError())
    >>> loss = network.train_step([[1.0]], [5.0], RMSprop(lr=0.1, beta=0.75))
    >>> network.flat.round(3)  # a first step of lr / sqrt(1 - beta), whatever the gradient
    array([0.2], dtype=float32)
    """

    rule: ClassVar[str] = "rmsprop"
    states: ClassVar[tuple[str, ...]] = ("v",)
    lr: float | Schedule = 1e-3
    beta: float = 0.9
    eps: float = 1e-8


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adaptive moment estimation.

    Parameters
    ----------
    lr : float in [0, inf) or schedule
        η of ``w -= η m̂ / (√v̂ + ε)``.
    beta1, beta2 : float in [0, 1)
        Of ``m = β1 m + (1 - β1) g`` and ``v = β2 v + (1 - β2) g²``, before their start at zero is
        undone.
    eps : float in [0, inf)
    l1, l2 : float in [0, inf)
        Strengths of the penalties on weights, not on biases.
    clip_norm, clip_value : float in (0, inf), optional
        A longer gradient is scaled down to this norm; larger elements are cut off at this size.
    trainable : collection of str, optional
        Names of what learns, by default everything: parameters as in `Network.parameters`, such as
        "4.weight", or layers, such as "4" for all parameters in it. All else is frozen.
    lr_factors : mapping from str to float in [0, inf), optional
        Factors of `lr`, by such names. Of several names that fit, the longest counts. A factor of 0
        freezes.

    Raises
    ------
    TypeError
        If a setting is not a number. Only `lr` may be a schedule instead. Or if `trainable` or
        `lr_factors` is no collection or mapping of names.
    ValueError
        If a setting or a factor is outside its range, or `lr` times a factor overflows. Names that
        a network does not have, and rates of a schedule, are refused by the call that trains it.

    Examples
    --------
    >>> from densenet import Adam, CosineLR, Linear, MeanSquaredError, Network, WarmupLR
    >>> network = Network([Linear(1, 1, init="zeros", bias=False)], MeanSquaredError())
    >>> loss = network.train_step([[1.0]], [5.0], Adam(lr=0.1))
    >>> network.flat.round(3)  # a first step of lr, whatever the gradient
    array([0.1], dtype=float32)
    >>> optimizer = Adam(lr=WarmupLR(CosineLR(0.1, steps=900), steps=100), l2=1e-4, clip_norm=1.0)
    """

    rule: ClassVar[str] = "adam"
    states: ClassVar[tuple[str, ...]] = ("m", "v")
    lr: float | Schedule = 1e-3
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay: ``w *= 1 - η λ`` first, on weights only.

    Parameters
    ----------
    lr, beta1, beta2, eps, l1, l2, clip_norm, clip_value, trainable, lr_factors
        As in `Adam`.
    weight_decay : float in [0, inf)
        λ.

    Raises
    ------
    TypeError
        If a setting is not a number. Only `lr` may be a schedule instead. Or if `trainable` or
        `lr_factors` is no collection or mapping of names.
    ValueError
        If a setting or a factor is outside its range, or `lr` times a factor overflows. Names that
        a network does not have, and rates of a schedule, are refused by the call that trains it.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import AdamW, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init=np.eye(1), bias=False)], MeanSquaredError())
    >>> loss = network.train_step([[1.0]], [5.0], AdamW(lr=0.1, weight_decay=0.5))
    >>> network.flat.round(3)  # 1 - 0.1 * 0.5, then a first step of lr
    array([1.05], dtype=float32)
    """

    rule: ClassVar[str] = "adamw"
    weight_decay: float = 0.01
