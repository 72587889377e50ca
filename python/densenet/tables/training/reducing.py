"""Fewer inputs: the principal components of the encoded columns, as the first layer of a network.

The components are found before training, and do not learn. So the rows are projected once, networks
train on what that gives, and the projection is put before them as a `Linear` layer. From then on it
is a part of the network like any other: in files, predictions and exports.
"""

from typing import NamedTuple

import numpy as np

from densenet._engine.made_rows import MadeRows
from densenet._typing import Array
from densenet.layers import Layer, Linear
from densenet.losses import MeanSquaredError
from densenet.network import Network
from densenet.tables.components import principal_components
from densenet.workers import Workers

__all__ = ["Projection", "Reduced", "parted", "projection_of", "reduction"]


def reduction(text: str) -> int | float:
    """Read what is wanted: ``pca:20``, a number of components, or ``pca:0.95``, a share.

    Returns
    -------
    int or float
        The number of components, from 1 on; or the share of the variance that they explain at
        least, above 0 and below 1.

    Raises
    ------
    ValueError
        If the text is neither.

    Examples
    --------
    >>> from densenet.tables.training.reducing import reduction
    >>> reduction("pca:0.95"), reduction("pca:20")
    (0.95, 20)
    """
    kind, _, number = text.partition(":")
    if kind == "pca":
        if number.isascii() and number.isdecimal() and int(number) > 0:
            return int(number)
        try:
            share = float(number)
        except ValueError:
            share = 0.0
        if 0 < share < 1:
            return share
    raise ValueError(
        "reduce: expected pca: and a share of the variance between 0 and 1, as pca:0.95, or a "
        f"number of components, as pca:20, got {text!r}"
    )


class Projection(NamedTuple):
    """A layer that turns inputs into fewer ones.

    Attributes
    ----------
    weight : array of shape (components, inputs)
    bias : array of shape (components,)

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.tables.training.reducing import Projection
    >>> projection = Projection(np.ones((1, 3), np.float32), np.zeros(1, np.float32))
    >>> x = np.ones((2, 3), np.float32)
    >>> projection.apply(x).tolist()
    [[3.0], [3.0]]
    >>> network = projection.before(Network([Linear(1, 1, init=np.eye(1))], MeanSquaredError()))
    >>> network.predict(x).tolist()
    [3.0, 3.0]
    """

    weight: Array
    bias: Array

    def apply(self, x: Array) -> Array:
        """Turn rows of inputs, (rows, inputs), into (rows, components)."""
        components, inputs = self.weight.shape
        layers = (Linear(inputs, components, init=self.weight),)
        network = Network(layers, MeanSquaredError(), dtype=self.weight.dtype)
        network.parameters["0.bias"][...] = self.bias
        return network.forward(x)

    def before(self, network: Network) -> Network:
        """Make a network that begins with the projection, and goes on as another."""
        components, inputs = self.weight.shape
        whole = _of_layers(network, (Linear(inputs, components, init="zeros"), *network.layers), 0)
        whole.parameters["0.weight"][...] = self.weight
        whole.parameters["0.bias"][...] = self.bias
        _copy(network, 0, whole, 1)
        return whole


class Reduced(NamedTuple):
    """The principal components that take the place of inputs.

    Attributes
    ----------
    projection : Projection
    share : float
        Of the variance of the rows that they were found in, what they explain.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.training.reducing import Projection, Reduced
    >>> Reduced(Projection(np.ones((1, 3)), np.zeros(1)), 0.75).fact
    {'inputs': 3, 'components': 1, 'share': 0.75}
    """

    projection: Projection
    share: float

    @property
    def fact(self) -> dict[str, int | float]:
        """What a model's file says of them."""
        components, inputs = self.projection.weight.shape
        return {"inputs": inputs, "components": components, "share": self.share}


def parted(network: Network, seed: int = 0) -> tuple[Projection, Network]:
    """Take the first layer, a projection, from a network: undo `Projection.before`.

    Parameters
    ----------
    network : Network
        It is not changed.
    seed : int
        Of dropout in the network of the other layers.

    Raises
    ------
    ValueError
        If the first layer is no `Linear` layer with a bias, or the only one.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.tables.training.reducing import parted
    >>> projection, network = parted(Network([Linear(3, 2), Linear(2, 1)], MeanSquaredError()))
    >>> projection.weight.shape, network.layers
    ((2, 3), (Linear(inputs=2, outputs=1, bias=True, init='glorot_uniform'),))
    """
    first, *others = network.layers
    if not isinstance(first, Linear) or not first.bias or not others:
        raise ValueError(
            "reduce: expected a network that begins with its principal components, as the settings "
            f"of the model say, got one that begins with {first}"
        )
    parameters = network.parameters
    projection = Projection(parameters["0.weight"].copy(), parameters["0.bias"].copy())
    return projection, after_first(network, seed)


def after_first(network: Network, seed: int = 0) -> Network:
    """Make a network of all layers but the first one, which is `Linear`.

    After an only layer it gives what it is given.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.tables.training.reducing import after_first
    >>> rest = after_first(Network([Linear(3, 2)], MeanSquaredError()))
    >>> rest.forward(np.array([[0.5, -3.0]])).tolist()
    [[0.5, -3.0]]
    """
    first, *others = network.layers
    assert isinstance(first, Linear)
    if not others:
        layer = Linear(first.outputs, first.outputs, bias=False, init=np.eye(first.outputs))
        return _of_layers(network, (layer,), seed)
    rest = _of_layers(network, tuple(others), seed)
    _copy(network, 1, rest, 0)
    return rest


def projection_of(
    x: Array | MadeRows, wanted: int | float, workers: Workers | None = None
) -> Reduced:
    """Find the principal components of rows, and the share of the variance that they explain.

    They are not scaled to a variance of 1 each, which lifts those that are mostly noise to the size
    of the others: docs/measurements.md has what that cost.

    Parameters
    ----------
    x : array of shape (rows, inputs)
        Rows to train on, or rows that are made when they are asked for.
    wanted : int or float
        What `reduction` gives.
    workers : object with ``rank``, ``size``, ``allreduce`` and ``broadcast``, optional
        All take the components of rank 0: those of other processors may differ in their last bits.

    Raises
    ------
    ValueError
        If there are fewer components than wanted, or no input varies.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.training.reducing import projection_of, reduction
    >>> x = np.array([[1, 0], [2, 0.1], [3, 0], [4, 0.1]], np.float32)
    >>> projection, share = projection_of(x, reduction("pca:0.95"))
    >>> projection.weight.round(2), round(share, 3)
    (array([[1.  , 0.02]], dtype=float32), 0.998)
    >>> projection.apply(x).round(1)
    array([[-1.5],
           [-0.5],
           [ 0.5],
           [ 1.5]], dtype=float32)
    """
    mean, variances, directions = principal_components(x)
    rows, inputs = x.shape
    rounding = inputs * float(np.finfo(x.dtype).eps) ** 2
    most = int(np.sum(variances > rounding * max(variances[0], np.max(mean**2))))
    if not most:
        raise ValueError(
            f"reduce: expected inputs that vary in the {rows:,} rows to train on, got {inputs:,} "
            "that do not"
        )
    shares = np.cumsum(variances[:most]) / np.sum(variances[:most])
    enough = 1 + int(np.searchsorted(shares[:-1], wanted))
    count = wanted if isinstance(wanted, int) else enough
    if count > most:
        raise ValueError(
            f"reduce: expected at most {most:,} components, which explain all variance of "
            f"{inputs:,} inputs in {rows:,} rows to train on, got {count:,}"
        )
    weight = np.ascontiguousarray(directions[:count], x.dtype)
    bias = (-directions[:count] @ mean).astype(x.dtype)
    if workers is not None:
        workers.broadcast(weight.reshape(-1), 0)  # a view
        workers.broadcast(bias, 0)
    return Reduced(Projection(weight, bias), float(shares[count - 1]))


def _of_layers(network: Network, layers: tuple[Layer, ...], seed: int) -> Network:
    """Make a network of other layers that is otherwise like one that is there."""
    return Network(
        layers,
        network.loss_function,
        dtype=network.dtype,
        seed=seed,
        backend=network.backend,
        precision=network.precision,
    )


def _copy(source: Network, begin: int, target: Network, at: int) -> None:
    """Copy all arrays of the layers from `begin` on into those from `at` on."""
    for known, new in (
        (source.parameters, target.parameters),
        (source.running_moments, target.running_moments),
    ):
        for name, values in known.items():
            number, _, rest = name.partition(".")
            if int(number) >= begin:
                new[f"{int(number) - begin + at}.{rest}"][...] = values
