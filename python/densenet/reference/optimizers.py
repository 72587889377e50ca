"""Optimizers: one step of each, element by element and in place.

Scalars that depend on the step are evaluated in float64 and rounded once. The compiled rules do the
same operations in the same order and give the same bits. Every rule takes two penalties, which a
network applies to weights and not to biases:

- L2, ``(λ/2) ‖w‖²``, adds ``λ w`` to the gradient;
- L1, ``α ‖w‖₁``, is applied after the update as the proximal step
  ``w = sign(w) max(|w| - α s, 0)``, where ``s`` is the rule's step size for this element
  (Yun, Lozano and Yang 2021). It gives exact zeros.
"""

import math

import numpy as np

from densenet import _checks
from densenet._typing import Array


def _with_l2(grad: Array, param: Array, l2: float) -> Array:
    return grad + l2 * param if l2 else grad


def _shrink(param: Array, amount: Array | float) -> None:
    """Move each element towards 0 by `amount`, and no further."""
    amount = np.asarray(amount, param.dtype)
    param -= np.clip(param, -amount, amount)  # w - w is 0, never -0


@np.errstate(all="ignore")
def sgd_step(
    param: Array,
    grad: Array,
    velocity: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """Step down the gradient: ``v = β v + (1 - d) g``, ``w -= η v``.

    Without a velocity, ``w -= η g``. With Nesterov's momentum, ``w -= η (g + β v)`` (Sutskever et
    al. 2013). Dampening ``d = 0`` gives the classical momentum, ``d = β`` a moving average of g.

    Parameters
    ----------
    param : array of any shape, C- or F-contiguous
        Updated in place.
    grad : array of that shape
    velocity : array of that shape, optional
        v, updated in place. Without it there is no momentum.
    lr : float in [0, inf)
    momentum : float in [0, 1)
    dampening : float in [0, 1]
    nesterov : bool
        Needs momentum > 0 and no dampening.
    l1, l2 : float in [0, inf)
        Strengths of the penalties.

    Raises
    ------
    TypeError
        If the arrays are not all of float32 or all of float64, or a setting is not a number.
    ValueError
        If shapes differ, a setting is outside its range, or an array to be updated is read-only,
        misaligned, not in native byte order, or shares memory with another argument.
    """
    arrays = {"param": param, "grad": grad}
    if velocity is not None:
        arrays["velocity"] = velocity
    given = {
        "lr": lr,
        "momentum": momentum,
        "dampening": dampening,
        "nesterov": nesterov,
        "l1": l1,
        "l2": l2,
    }
    (param, grad, *state), _, h = _checks.update(arrays, 1, given)
    lr, momentum, dampening, l1 = h["lr"], h["momentum"], h["dampening"], h["l1"]

    g = _with_l2(grad, param, h["l2"])
    effective = lr
    if state:
        (v,) = state
        v[...] = momentum * v + (1 - dampening) * g
        g = g + momentum * v if nesterov else v
        effective = lr * (1 - dampening) / (1 - momentum)
    param -= lr * g
    if l1:
        _shrink(param, l1 * effective)


@np.errstate(all="ignore")
def rmsprop_step(
    param: Array,
    grad: Array,
    v: Array,
    *,
    lr: float = 1e-3,
    beta: float = 0.9,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """Scale the gradient by its running size: ``v = β v + (1 - β) g²``, ``w -= η g / (√v + ε)``.

    Tieleman and Hinton 2012, with ε outside the root.

    Parameters
    ----------
    param : array of any shape, C- or F-contiguous
        Updated in place.
    grad : array of that shape
    v : array of that shape
        The running mean of g², updated in place.
    lr, eps, l1, l2 : float in [0, inf)
    beta : float in [0, 1)

    Raises
    ------
    TypeError, ValueError
        As `sgd_step`.
    """
    given = {"lr": lr, "beta": beta, "eps": eps, "l1": l1, "l2": l2}
    (param, grad, v), _, h = _checks.update({"param": param, "grad": grad, "v": v}, 1, given)
    lr, beta, eps, l1 = h["lr"], h["beta"], h["eps"], h["l1"]

    g = _with_l2(grad, param, h["l2"])
    v[...] = beta * v + (1 - beta) * (g * g)
    scale = np.sqrt(v) + eps
    param -= lr * g / scale
    if l1:
        _shrink(param, l1 * lr / scale)


@np.errstate(all="ignore")
def adam_step(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
) -> None:
    """Step along the running mean of the gradient, over the root of that of its square.

    ``m = β1 m + (1 - β1) g``, ``v = β2 v + (1 - β2) g²``, ``w -= η m̂ / (√v̂ + ε)`` with
    ``m̂ = m / (1 - β1ᵗ)`` and ``v̂ = v / (1 - β2ᵗ)``, which correct for the means' start at zero
    (Kingma and Ba 2015).

    Parameters
    ----------
    param : array of any shape, C- or F-contiguous
        Updated in place.
    grad : array of that shape
    m, v : arrays of that shape
        The running means of g and g², updated in place.
    step : int
        t, which counts from 1.
    lr, eps, l1, l2 : float in [0, inf)
    beta1, beta2 : float in [0, 1)

    Raises
    ------
    TypeError, ValueError
        As `sgd_step`, and if `step` is not an integer >= 1.
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "l1": l1, "l2": l2}
    (param, grad, m, v), step, h = _checks.update(
        {"param": param, "grad": grad, "m": m, "v": v}, step, given
    )
    lr, beta1, beta2, eps, l1 = h["lr"], h["beta1"], h["beta2"], h["eps"], h["l1"]

    g = _with_l2(grad, param, h["l2"])
    m[...] = beta1 * m + (1 - beta1) * g
    v[...] = beta2 * v + (1 - beta2) * (g * g)
    scale = np.sqrt(v) * (1 / math.sqrt(1 - beta2**step)) + eps  # √v̂ + ε
    param -= lr / (1 - beta1**step) * m / scale
    if l1:
        _shrink(param, l1 * lr / scale)


@np.errstate(all="ignore")
def adamw_step(
    param: Array,
    grad: Array,
    m: Array,
    v: Array,
    step: int,
    *,
    lr: float = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
    l1: float = 0.0,
    l2: float = 0.0,
    weight_decay: float = 0.01,
) -> None:
    """Shrink the parameter, ``w *= 1 - η λ``, then step as Adam does.

    Loshchilov and Hutter 2019. The decay does not enter the running means, as L2 would.

    Parameters
    ----------
    param, grad, m, v, step, lr, beta1, beta2, eps, l1, l2
        As in `adam_step`.
    weight_decay : float in [0, inf)
        λ.

    Raises
    ------
    TypeError, ValueError
        As `adam_step`.
    """
    given = {"lr": lr, "beta1": beta1, "beta2": beta2, "eps": eps, "l1": l1, "l2": l2}
    (param, grad, m, v), step, h = _checks.update(
        {"param": param, "grad": grad, "m": m, "v": v},
        step,
        given | {"weight_decay": weight_decay},
    )
    param *= 1 - h["lr"] * h["weight_decay"]
    adam_step(param, grad, m, v, step, **given)
