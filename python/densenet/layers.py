"""The layers of a network: frozen descriptions, data only.

A layer's ``kind`` is the name under which both backends look up what to compute. CONTRIBUTING.md
has the recipes for a new activation and for a new kind of layer.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.initializers import INITIALIZERS

__all__ = [
    "ELU",
    "GELU",
    "BatchNorm",
    "Dropout",
    "Identity",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "Mish",
    "ReLU",
    "Residual",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Tanh",
]


class Layer:
    """What every layer has: the name of its kind."""

    kind: ClassVar[str]


@dataclass(frozen=True)
class Linear(Layer):
    """``y = x weightᵀ + bias``.

    Parameters
    ----------
    inputs, outputs : int
        Numbers of columns of x and of y.
    bias : bool
        True adds a bias to each output.
    init : str or array of shape (outputs, inputs)
        How the weight starts: the name of an initializer in `densenet.initializers`, or the weight
        itself. The bias starts at 0 but with "pytorch", the default of ``torch.nn.Linear``, which
        draws both evenly from ``[-1/√inputs, 1/√inputs]``.

    Raises
    ------
    TypeError
        If `inputs` or `outputs` is not an integer, `bias` is not True or False, or `init` is
        neither a name nor real numbers.
    ValueError
        If `inputs` or `outputs` is less than 1, or `init` is an unknown name or an array of
        another shape.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> network = Network([Linear(2, 1, init=np.array([[3.0, 4.0]]))], MeanSquaredError())
    >>> network.parameters["0.bias"][0] = 0.5
    >>> network.forward([[1, 2]])
    array([[11.5]], dtype=float32)
    """

    kind: ClassVar[str] = "linear"
    inputs: int
    outputs: int
    bias: bool = True
    init: str | Array = "glorot_uniform"

    def __post_init__(self) -> None:
        for name in ("inputs", "outputs"):
            object.__setattr__(self, name, _checks.count(name, getattr(self, name)))
        object.__setattr__(self, "bias", _checks.flag("bias", self.bias))
        if not isinstance(self.init, str):
            weight = np.array(_checks.real("init", self.init, (self.outputs, self.inputs)))
            object.__setattr__(self, "init", weight)
        elif self.init not in INITIALIZERS:
            raise ValueError(f"init: expected one of {', '.join(INITIALIZERS)}, got {self.init!r}")


@dataclass(frozen=True)
class Activation(Layer):
    """A function of each element, with at most one parameter.

    Its derivative is computed from its output y; from its input x where `from_input` is True.
    """

    from_input: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, value in _checks.settings(self.settings()).items():
            object.__setattr__(self, name, value)

    def settings(self) -> dict[str, float]:
        """Give the parameter by its name; empty where there is none.

        Examples
        --------
        >>> from densenet import ELU
        >>> ELU(alpha=0.5).settings()
        {'alpha': 0.5}
        """
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Identity(Activation):
    """``y = x``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Identity, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init=np.eye(1)), Identity()], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([-1. ,  0.5], dtype=float32)
    """

    kind: ClassVar[str] = "identity"


@dataclass(frozen=True)
class Sigmoid(Activation):
    """``y = 1 / (1 + e^-x)``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network, Sigmoid
    >>> network = Network([Linear(1, 1, init=np.eye(1)), Sigmoid()], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([0.269, 0.622], dtype=float32)
    """

    kind: ClassVar[str] = "sigmoid"


@dataclass(frozen=True)
class Tanh(Activation):
    """``y = tanh x``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network, Tanh
    >>> network = Network([Linear(1, 1, init=np.eye(1)), Tanh()], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([-0.762,  0.462], dtype=float32)
    """

    kind: ClassVar[str] = "tanh"


@dataclass(frozen=True)
class ReLU(Activation):
    """``y = max(x, 0)``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network, ReLU
    >>> network = Network([Linear(1, 1, init=np.eye(1)), ReLU()], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([0. , 0.5], dtype=float32)
    """

    kind: ClassVar[str] = "relu"


@dataclass(frozen=True)
class LeakyReLU(Activation):
    """``y = x`` for x > 0, otherwise ``slope x``.

    Parameters
    ----------
    slope : float in [0, inf)

    Raises
    ------
    TypeError, ValueError
        If `slope` is not a number, or outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import LeakyReLU, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init=np.eye(1)), LeakyReLU(slope=0.1)], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([-0.1,  0.5], dtype=float32)
    """

    kind: ClassVar[str] = "leaky_relu"
    slope: float = 0.01


@dataclass(frozen=True)
class ELU(Activation):
    """``y = x`` for x > 0, otherwise ``alpha (e^x - 1)`` (Clevert et al. 2016).

    Parameters
    ----------
    alpha : float in [0, inf)

    Raises
    ------
    TypeError, ValueError
        If `alpha` is not a number, or outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import ELU, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init=np.eye(1)), ELU(alpha=2.0)], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([-1.264,  0.5  ], dtype=float32)
    """

    kind: ClassVar[str] = "elu"
    alpha: float = 1.0


@dataclass(frozen=True)
class GELU(Activation):
    """``y = x Φ(x)``, Φ the normal distribution function (Hendrycks and Gimpel 2016).

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import GELU, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init=np.eye(1)), GELU()], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([-0.159,  0.346], dtype=float32)
    """

    kind: ClassVar[str] = "gelu"
    from_input: ClassVar[bool] = True


@dataclass(frozen=True)
class SiLU(Activation):
    """``y = x σ(x)``, σ the sigmoid (Elfwing et al. 2018).

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network, SiLU
    >>> network = Network([Linear(1, 1, init=np.eye(1)), SiLU()], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([-0.269,  0.311], dtype=float32)
    """

    kind: ClassVar[str] = "silu"
    from_input: ClassVar[bool] = True


@dataclass(frozen=True)
class Mish(Activation):
    """``y = x tanh(ln(1 + e^x))`` (Misra 2019).

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Mish, Network
    >>> network = Network([Linear(1, 1, init=np.eye(1)), Mish()], MeanSquaredError())
    >>> network.predict([[-1.0], [0.5]]).round(3)
    array([-0.303,  0.375], dtype=float32)
    """

    kind: ClassVar[str] = "mish"
    from_input: ClassVar[bool] = True


@dataclass(frozen=True)
class Softmax(Layer):
    """``y_c = e^(x_c) / Σ_k e^(x_k)`` in each row.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import CrossEntropy, Linear, Network, Softmax
    >>> network = Network([Linear(2, 2, init=np.eye(2)), Softmax()], CrossEntropy())
    >>> network.forward([[0.0, 0.0], [1.0, 3.0]]).round(3)
    array([[0.5  , 0.5  ],
           [0.119, 0.881]], dtype=float32)
    """

    kind: ClassVar[str] = "softmax"


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, set elements to 0 with probability `rate` and scale the rest by ``1/(1-rate)``.

    Whether an element is kept depends on its row and column, the layer, the step and the seed alone
    (Salmon et al. 2011), so both backends and any number of threads drop the same elements.

    Parameters
    ----------
    rate : float in [0, 1)

    Raises
    ------
    TypeError, ValueError
        If `rate` is not a number, or outside its range.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Dropout, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(4, 4, init=np.eye(4)), Dropout(0.5)], MeanSquaredError(), seed=1)
    >>> network.forward(np.ones((1, 4)))
    array([[1., 1., 1., 1.]], dtype=float32)
    >>> sorted(set(network.forward(np.ones((25, 4)), training=True).ravel().tolist()))
    [0.0, 2.0]
    """

    kind: ClassVar[str] = "dropout"
    rate: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "rate", _checks.setting("rate", self.rate))


@dataclass(frozen=True)
class _Norm(Layer):
    width: int
    eps: float = 1e-5

    def __post_init__(self) -> None:
        object.__setattr__(self, "width", _checks.count("width", self.width))
        object.__setattr__(self, "eps", _checks.setting("eps", self.eps))


@dataclass(frozen=True)
class LayerNorm(_Norm):
    """Give each row mean 0 and variance 1, then scale and shift each column (Ba et al. 2016).

    Parameters
    ----------
    width : int
        Number of columns.
    eps : float in [0, inf)
        Added to the variance before its root is taken.

    Raises
    ------
    TypeError, ValueError
        If `width` is not an integer >= 1, or `eps` not a number in [0, inf).

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import LayerNorm, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(3, 3, init=np.eye(3)), LayerNorm(3)], MeanSquaredError())
    >>> network.forward([[1.0, 2.0, 3.0], [0.0, 0.0, 60.0]]).round(2)
    array([[-1.22,  0.  ,  1.22],
           [-0.71, -0.71,  1.41]], dtype=float32)
    """

    kind: ClassVar[str] = "layer_norm"


@dataclass(frozen=True)
class BatchNorm(_Norm):
    """Give each column mean 0 and variance 1, then scale and shift it (Ioffe and Szegedy 2015).

    Training uses the mean and variance of the batch, also where many processes share it. Prediction
    uses running ones, which move a tenth of the way to the batch's at each training step.

    Parameters
    ----------
    width : int
        Number of columns.
    eps : float in [0, inf)
        Added to the variance before its root is taken.

    Raises
    ------
    TypeError, ValueError
        If `width` is not an integer >= 1, or `eps` not a number in [0, inf).

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import BatchNorm, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init=np.eye(1)), BatchNorm(1)], MeanSquaredError())
    >>> network.forward([[1.0], [2.0], [3.0]], training=True).round(2)
    array([[-1.22],
           [ 0.  ],
           [ 1.22]], dtype=float32)
    """

    kind: ClassVar[str] = "batch_norm"


@dataclass(frozen=True)
class Residual(Layer):
    """``y = x + block(x)``, with a block of equal width in and out (He et al. 2016).

    Parameters
    ----------
    layers : sequence of layers
        The block. A network refuses one whose output is not as wide as its input.

    Raises
    ------
    TypeError
        If `layers` is not a sequence of layers.
    ValueError
        If `layers` is empty.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network, ReLU, Residual
    >>> block = Residual([Linear(2, 8), ReLU(), Linear(8, 2, init=np.zeros((2, 8)))])
    >>> network = Network([block], MeanSquaredError())
    >>> network.forward([[3.0, -4.0]])
    array([[ 3., -4.]], dtype=float32)
    >>> list(network.parameters)
    ['0.0.weight', '0.0.bias', '0.2.weight', '0.2.bias']
    """

    kind: ClassVar[str] = "residual"
    layers: Sequence[Layer]

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _checks.layers("layers", self.layers, Layer))


def parameter(layer: Any) -> float:
    """Give the one number that a layer's kernels need: slope, alpha, rate or eps; 0 if none."""
    if isinstance(layer, Activation):
        return next(iter(layer.settings().values()), 0.0)
    return float(getattr(layer, "rate", getattr(layer, "eps", 0.0)))


def walk(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Give each layer, and those within a `Residual` after it.

    Examples
    --------
    >>> from densenet.layers import Linear, ReLU, Residual, walk
    >>> [type(layer).__name__ for layer in walk([Residual([Linear(2, 2)]), ReLU()])]
    ['Residual', 'Linear', 'ReLU']
    """
    for layer in layers:
        yield layer
        if isinstance(layer, Residual):
            yield from walk(layer.layers)
