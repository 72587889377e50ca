"""Networks in files, with attachments: safetensors, so that loading never runs code from a file.

`densenet._files.network` describes what a file holds.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from densenet import _checks
from densenet._files import network as files
from densenet._network.state import learner_of
from densenet.losses import CustomLoss
from densenet.network import Network


def save(
    network: Network,
    path: str | os.PathLike[str],
    *,
    attachments: Mapping[str, Any] | None = None,
) -> None:
    """Write what `Network.save` writes, and attachments.

    Parameters
    ----------
    network : Network
    path : str or path
    attachments : dict, optional
        What else belongs to the model: dicts with str keys, lists, str, numbers, bool and None.

    Raises
    ------
    TypeError
        If a layer, the optimizer's rule, the random generator or an attachment is of a kind that
        a file cannot hold.
    OSError
        If the folder is missing, or the file cannot be written; one that was there is as it was.

    Examples
    --------
    >>> import os, tempfile
    >>> from densenet import Linear, MeanSquaredError, Network, serialization
    >>> network = Network([Linear(3, 1)], MeanSquaredError(), seed=1)
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> serialization.save(network, path, attachments={"columns": ["a", "b", "c"]})
    >>> serialization.load(path)[1]
    {'columns': ['a', 'b', 'c']}
    """
    _checks.instance("network", network, Network, "a Network")
    given = {} if attachments is None else attachments
    files.save(learner_of(network), path, given)


def load(
    path: str | os.PathLike[str],
    *,
    backend: Literal["compiled", "reference"] = "compiled",
    loss: CustomLoss | None = None,
) -> tuple[Network, dict[str, Any]]:
    """Read a network and its attachments.

    Parameters and errors are those of `Network.load`.

    Returns
    -------
    network : Network
    attachments : dict
        As given to `save`; empty where there were none.

    Examples
    --------
    >>> import os, tempfile
    >>> from densenet import Linear, MeanSquaredError, Network, serialization
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> network = Network([Linear(3, 1)], MeanSquaredError())
    >>> serialization.save(network, path, attachments={"unit": "m"})
    >>> network, attachments = serialization.load(path, backend="reference")
    >>> network.backend, attachments
    ('reference', {'unit': 'm'})
    """
    return files.load(Network, path, backend, loss)


def save_many(
    networks: Sequence[Network],
    path: str | os.PathLike[str],
    *,
    attachments: Mapping[str, Any] | None = None,
) -> None:
    """Write several networks into one file, such as those of an ensemble, and attachments.

    Parameters
    ----------
    networks : sequence of Network
        At least one.
    path, attachments
        As for `save`.

    Raises
    ------
    TypeError, OSError
        As `save` raises.
    ValueError
        If there are no networks.

    Examples
    --------
    >>> import os, tempfile
    >>> from densenet import Linear, MeanSquaredError, Network, serialization
    >>> networks = [Network([Linear(3, 1)], MeanSquaredError(), seed=seed) for seed in range(5)]
    >>> path = os.path.join(tempfile.mkdtemp(), "ensemble.safetensors")
    >>> serialization.save_many(networks, path)
    >>> loaded, _ = serialization.load_many(path)
    >>> len(loaded), (loaded[4].flat == networks[4].flat).all()
    (5, np.True_)
    """
    given = _checks.sequence_of("networks", networks, Network, "Networks")
    if not given:
        raise ValueError("networks: expected at least one, got none")
    attached = {} if attachments is None else attachments
    files.save_many([learner_of(network) for network in given], path, attached)


def load_many(
    path: str | os.PathLike[str], *, backend: Literal["compiled", "reference"] = "compiled"
) -> tuple[list[Network], dict[str, Any]]:
    """Read all networks of a file, and its attachments.

    Parameters
    ----------
    path : str or path
        What `save_many`, `save` or `Network.save` wrote.
    backend
        As for `Network.load`.

    Returns
    -------
    networks : list of Network
    attachments : dict

    Raises
    ------
    OSError, TypeError, ValueError
        As `Network.load` raises.

    Examples
    --------
    >>> import os, tempfile
    >>> from densenet import Linear, MeanSquaredError, Network, serialization
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> Network([Linear(3, 1)], MeanSquaredError()).save(path)
    >>> [network.n_parameters for network in serialization.load_many(path)[0]]
    [4]
    """
    return files.load_many(Network, path, backend)
