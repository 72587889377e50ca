"""Every activation once, with what the rest of the package has to know of it.

A layer of `densenet.layers` says what an activation computes; its functions in `densenet.reference`
and in the core compute it. Estimators, tables, exports and tests find the rest here, so that an
activation with an entry is known to all of them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from densenet.layers import (
    ELU,
    GELU,
    Activation,
    Identity,
    LeakyReLU,
    Mish,
    ReLU,
    Sigmoid,
    SiLU,
    Tanh,
)

Add: TypeAlias = Callable[..., str]
"""Appends a node to an ONNX graph: ``add(operator, *inputs, **attributes)`` gives the name of its
output. An input is the name of a value, or a constant."""


@dataclass(frozen=True)
class Entry:
    """What is known of an activation besides its layer and its functions.

    Attributes
    ----------
    layer : subclass of Activation
    c : str
        An expression in C99 for y, in the element ``x`` and the layer's settings by their names.
        ``$real`` stands for the element type, ``$f`` for the suffix of its functions in <math.h>.
    onnx : function of (add, x, **settings)
        Appends the nodes that make y of the value named x, and gives y's name. Its operators are of
        operator set 13.
    onnx_float64 : function of (add, x, **settings), optional
        The same for a float64 network, where onnxruntime has the operators of `onnx` in float32
        alone, or where their attributes, which ONNX keeps in float32, would round the settings.
    init : str
        The initializer that suits the weight of the linear layer before (Glorot and Bengio 2010,
        He et al. 2015).
    sklearn : str, optional
        scikit-learn's name; None where it has no such activation.
    """

    layer: type[Activation]
    c: str
    onnx: Callable[..., str]
    onnx_float64: Callable[..., str] | None = None
    init: str = "glorot_uniform"
    sklearn: str | None = None

    @property
    def name(self) -> str:
        """What an estimator's `activation` calls it: scikit-learn's name, or its kind."""
        return self.sklearn or self.layer.kind


# ---- ONNX where one operator does not do -------------------------------------------------------


def _if_positive(add: Add, x: str, then: str, otherwise: str) -> str:
    return add("Where", add("Greater", x, 0.0), then, otherwise)


def _expm1(add: Add, x: str) -> str:
    """``e^x - 1 = 2t / (1 - t)`` with t = tanh(x/2): nothing cancels for x <= 0."""
    t = add("Tanh", add("Mul", 0.5, add("Min", x, 0.0)))
    return add("Div", add("Mul", 2.0, t), add("Sub", 1.0, t))


def _normal_by_erf(add: Add, x: str) -> str:
    """Φ(x) ``= (1 + erf(x / √2)) / 2``, as operator set 20 defines its Gelu."""
    return add("Mul", 0.5, add("Add", 1.0, add("Erf", add("Mul", math.sqrt(0.5), x))))


def _normal(add: Add, x: str) -> str:
    """Φ(x), by the trapezoidal rule for the integral that erfc is (Hunter and Regan 1972).

    With ``t_n = (n + 1/2) h``, for z >= 0,
    ``erfc z = 2hz/π e^(-z²) Σ_n e^(-t_n²) / (z² + t_n²) + [z < π/h] 2 / (1 + e^(2πz/h))``.
    The error is about ``e^(-π²/h²)``, 7e-18 for h = 1/2, and so is the 13th term.
    """
    h = 0.5
    squares = (np.arange(0.5, 13) * h) ** 2
    z = add("Min", add("Mul", math.sqrt(0.5), add("Abs", x)), 30.0)  # where erfc has gone to 0
    square = add("Mul", z, z)
    spread = add("Add", add("Unsqueeze", square, np.array([-1])), squares)
    total = add("ReduceSum", add("Div", np.exp(-squares), spread), np.array([-1]), keepdims=0)
    decay = add("Mul", add("Mul", 2 * h / math.pi, z), add("Exp", add("Neg", square)))
    pole = add("Div", 2.0, add("Add", 1.0, add("Exp", add("Mul", 2 * math.pi / h, z))))
    pole = add("Where", add("Less", z, math.pi / h), pole, 0.0)
    lower = add("Mul", 0.5, add("Add", add("Mul", decay, total), pole))
    return _if_positive(add, x, add("Sub", 1.0, lower), lower)


def _mish(add: Add, x: str) -> str:
    """``x p / (1 + p)`` with ``p = w + w²/2`` and w = e^x, which needs no Softplus."""
    w = add("Exp", add("Min", x, 40.0))
    p = add("Add", w, add("Mul", 0.5, add("Mul", w, w)))
    return add("Mul", x, add("Div", p, add("Add", 1.0, p)))


# ---- the entries -------------------------------------------------------------------------------

_ENTRIES = (
    Entry(
        Identity,
        c="x",
        onnx=lambda _, x: x,
        sklearn="identity",
    ),
    Entry(
        Sigmoid,
        c="1 / (1 + exp$f(-x))",
        onnx=lambda add, x: add("Sigmoid", x),
        sklearn="logistic",
    ),
    Entry(
        Tanh,
        c="tanh$f(x)",
        onnx=lambda add, x: add("Tanh", x),
        sklearn="tanh",
    ),
    Entry(
        ReLU,
        c="x < 0 ? 0 : x",
        onnx=lambda add, x: add("Relu", x),
        init="he_uniform",
        sklearn="relu",
    ),
    Entry(
        LeakyReLU,
        c="x > 0 ? x : slope * x",
        onnx=lambda add, x, slope: add("LeakyRelu", x, alpha=slope),
        onnx_float64=lambda add, x, slope: _if_positive(add, x, x, add("Mul", slope, x)),
        init="he_uniform",
    ),
    Entry(
        ELU,
        c="x > 0 ? x : alpha * expm1$f(x)",
        onnx=lambda add, x, alpha: add("Elu", x, alpha=alpha),
        onnx_float64=lambda add, x, alpha: _if_positive(
            add, x, x, add("Mul", alpha, _expm1(add, x))
        ),
        init="he_uniform",
    ),
    Entry(
        GELU,
        c="($real)((double)x * 0.5 * erfc((double)x * -0.70710678118654752))",
        onnx=lambda add, x: add("Mul", x, _normal_by_erf(add, x)),
        onnx_float64=lambda add, x: add("Mul", x, _normal(add, x)),
        init="he_uniform",
    ),
    Entry(
        SiLU,
        c="x / (1 + exp$f(-x))",
        onnx=lambda add, x: add("Mul", x, add("Sigmoid", x)),
        onnx_float64=lambda add, x: add("Div", x, add("Add", 1.0, add("Exp", add("Neg", x)))),
        init="he_uniform",
    ),
    Entry(
        Mish,
        c="x * tanh$f(log1p$f(exp$f(x)))",
        onnx=lambda add, x: add("Mul", x, add("Tanh", add("Softplus", x))),
        onnx_float64=_mish,
        init="he_uniform",
    ),
)

ACTIVATIONS = {entry.layer.kind: entry for entry in _ENTRIES}
"""The entries by their layers' kinds."""
