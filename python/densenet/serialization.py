"""Networks in files, with attachments: safetensors, so that loading never runs code from a file.

`densenet._files.network` describes what a file holds.
"""

import os
from collections.abc import Mapping
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
