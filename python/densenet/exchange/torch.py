"""Weights to and from the state dict of a ``torch.nn.Sequential``.

Names and shapes are PyTorch's own, so that arrays travel by name. PyTorch itself is not imported:
a state dict is a mapping from names to tensors or arrays.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.exchange._common import check_network
from densenet.network import Network

__all__ = ["load_state_dict", "state_dict"]

_COUNTER = "num_batches_tracked"  # of steps that a batch normalisation has seen


def state_dict(network: Network, convert: Callable[[Array], Any] = np.asarray) -> dict[str, Any]:
    """Give all that a ``torch.nn.Sequential`` of the same layers wants to load.

    A `Residual` is a ``torch.nn.Sequential`` within, whose ``forward`` adds its input. PyTorch's
    number of steps that a batch normalisation has seen is not counted here, and 0.

    Parameters
    ----------
    network : Network
    convert : function of an array, optional
        Makes each value: ``torch.from_numpy`` for PyTorch. Arrays are fresh copies.

    Returns
    -------
    dict
        The parameters, and each batch normalisation's moments and number of steps, by name.

    Raises
    ------
    TypeError
        If `network` is no network, or `convert` no function.

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
    """Take over the weights of a ``torch.nn.Sequential`` of the same layers.

    Where the module has a layer without weights that is unknown here, such as ``Flatten``, let the
    network have `Identity` in its place, so that the numbers in the names agree. The optimizer's
    state stays.

    Parameters
    ----------
    network : Network
        Its parameters and running moments are overwritten.
    state : mapping from names to tensors or arrays
        ``module.state_dict()``, with tensors of any real element type on any device, or arrays.

    Raises
    ------
    TypeError
        If `network` is no network, `state` no mapping or a value does not hold real numbers.
    ValueError
        If a name is missing or unknown or a shape does not fit; nothing has changed then.

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
    """Name what PyTorch counts for each batch normalisation."""
    means = (name for name in network.running_moments if name.endswith(".running_mean"))
    return [name.removesuffix("running_mean") + _COUNTER for name in means]


def _array(value: Any) -> Any:
    """Bring a tensor from wherever it is; float64 holds every value of the shorter types."""
    return value.detach().cpu().double().numpy() if hasattr(value, "detach") else value
