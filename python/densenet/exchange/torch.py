"""Weights to and from the state dict of a ``torch.nn.Sequential``.

Parameters have the same names and shapes here and there. PyTorch itself is not imported: a state
dict is a mapping from names to tensors or arrays.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.exchange._common import check_network
from densenet.network import Network

__all__ = ["load_state_dict", "state_dict"]

_COUNTER = "num_batches_tracked"  # PyTorch counts the steps of a batch normalisation


def state_dict(network: Network, convert: Callable[[Array], Any] = np.asarray) -> dict[str, Any]:
    """Give the state dict for a ``torch.nn.Sequential`` of the same layers.

    The twin of a `Residual` is a nested ``torch.nn.Sequential`` whose ``forward`` adds its input.
    PyTorch's number of steps of a batch normalisation is not counted here; it is 0.

    Parameters
    ----------
    network : Network
    convert : function of an array, optional
        Turns each array, a copy, into a value: ``torch.from_numpy`` for PyTorch.

    Returns
    -------
    dict
        By name: parameters, and each batch normalisation's running moments and number of steps.

    Raises
    ------
    TypeError
        If `network` is not a Network, or `convert` is not a function.

    Examples
    --------
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.exchange import state_dict
    >>> network = Network([Linear(2, 3)], MeanSquaredError())
    >>> {name: array.shape for name, array in state_dict(network).items()}
    {'0.weight': (3, 2), '0.bias': (3,)}

    With PyTorch: ``module.load_state_dict(state_dict(network, torch.from_numpy))``.
    """
    check_network(network)
    _checks.function("convert", convert, "a function of an array")
    state = {name: view.copy("C") for name, view in _views(network).items()}
    state |= {name: np.array(0) for name in _counters(network)}
    return {name: convert(array) for name, array in state.items()}


def load_state_dict(network: Network, state: Mapping[str, Any]) -> None:
    """Copy the weights of a ``torch.nn.Sequential`` of the same layers into a network.

    Where the module has a layer without weights that does not exist here, such as ``Flatten``, put
    an `Identity` into the network, so that the numbers in the names agree. The optimizer's state
    does not change.

    Parameters
    ----------
    network : Network
        Its parameters and running moments are overwritten.
    state : mapping from names to tensors or arrays
        ``module.state_dict()``, with tensors of any real element type on any device, or arrays.

    Raises
    ------
    TypeError
        If `network` is not a Network, `state` is not a mapping, or a value is not real numbers.
    ValueError
        If a name is missing or unknown, or a shape does not fit. Then nothing has changed.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.exchange import load_state_dict
    >>> network = Network([Linear(2, 1)], MeanSquaredError())
    >>> load_state_dict(network, {"0.weight": np.array([[3, 4]]), "0.bias": np.array([5])})
    >>> network.predict([[1, 1], [1, 0]])
    array([12.,  8.], dtype=float32)
    """
    check_network(network)
    if not isinstance(state, Mapping):
        raise TypeError(f"state: expected a mapping from names, got {_checks.describe(state)}")
    views = _views(network)
    missing = [name for name in views if name not in state]
    unknown = [name for name in state if name not in {*views, *_counters(network)}]
    if missing or unknown:
        parts = [f"{', '.join(missing)} missing"] if missing else []
        parts += [f"{', '.join(map(str, unknown))} too many"] if unknown else []
        raise ValueError(f"state: expected the network's names, got {' and '.join(parts)}")
    arrays = {
        name: _checks.real(f"state[{name!r}]", _array(state[name]), view.shape).astype(view.dtype)
        for name, view in views.items()
    }
    for name, view in views.items():
        view[...] = arrays[name]


def _views(network: Network) -> dict[str, Array]:
    return network.parameters | network.running_moments


def _counters(network: Network) -> list[str]:
    """Give the name of each batch normalisation's number of steps."""
    means = (name for name in network.running_moments if name.endswith(".running_mean"))
    return [name.removesuffix("running_mean") + _COUNTER for name in means]


def _array(value: Any) -> Any:
    """Copy a tensor from any device to an array of float64, which holds all values of its type."""
    return value.detach().cpu().double().numpy() if hasattr(value, "detach") else value
