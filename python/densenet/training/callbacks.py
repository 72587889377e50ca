"""Who is told of training as it goes on, and may stop it."""

import os
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet.training.history import Record

if TYPE_CHECKING:
    from densenet.network import Network

__all__ = ["Callback", "Checkpoint"]


class Callback:
    """Is told of training as it goes on. Derive from it and override the methods that you need.

    An epoch is one compiled call, unless a callback overrides `on_step_end` or asks for a pause.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import SGD, Callback, Linear, MeanSquaredError, Network
    >>> class Watch(Callback):
    ...     def on_step_end(self, network, step, loss):
    ...         return not np.isfinite(loss)  # stops
    ...
    ...     def on_epoch_end(self, network, record):
    ...         print(f"epoch {record['epoch']}: {record['loss']:.2f}")
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
    >>> history = network.fit([[1.0]], [5.0], epochs=3, optimizer=SGD(lr=0.1), callbacks=[Watch()])
    epoch 1: 25.00
    epoch 2: 9.00
    epoch 3: 3.24
    """

    def on_epoch_begin(
        self, network: "Network", epoch: int
    ) -> tuple[npt.ArrayLike, npt.ArrayLike] | None:
        """Give the rows of an epoch (of this training, from 1), or None for those given to `fit`.

        They are for that epoch alone: x with as many rows and columns as those given to `fit`, and
        y. Row i keeps its weight, of `sample_weight` and `class_weight`. Validation data stay.

        An epoch that is resumed within asks again: to go on to the bit, give the same rows for the
        same epoch, as by a generator that is made from its number.

        Examples
        --------
        New noise in each epoch:

        >>> import numpy as np
        >>> from densenet import Callback, Linear, MeanSquaredError, Network
        >>> x = np.arange(12.0).reshape(6, 2)
        >>> y = x.sum(axis=1)
        >>> class Noise(Callback):
        ...     def on_epoch_begin(self, network, epoch):
        ...         rng = np.random.default_rng([7, epoch])
        ...         return x + rng.normal(0, 0.1, x.shape), y
        >>> network = Network([Linear(2, 1)], MeanSquaredError(), seed=1)
        >>> len(network.fit(x, y, epochs=3, callbacks=[Noise()]).epochs)
        3
        """
        return None

    def on_step_end(self, network: "Network", step: int, loss: float) -> bool | None:
        """Look at a step (of this training, from 1) and its loss; return True to stop."""
        return None

    def is_due(self) -> bool:
        """Return True to pause for `on_pause`. Called every 20 ms or so within an epoch.

        Examples
        --------
        >>> import threading
        >>> from densenet import Callback, Linear, MeanSquaredError, Network
        >>> class StopButton(Callback):
        ...     def __init__(self):
        ...         self.pressed = threading.Event()  # which any thread may set
        ...
        ...     def is_due(self):
        ...         return self.pressed.is_set()
        ...
        ...     def on_pause(self, network):
        ...         return True
        >>> button = StopButton()
        >>> button.pressed.set()
        >>> network = Network([Linear(1, 1)], MeanSquaredError())
        >>> network.fit([[1.0]], [5.0], epochs=10**6, callbacks=[button]).stopped
        'callback'
        """
        return False

    def on_pause(self, network: "Network") -> bool | None:
        """Look at the network between two steps; return True to stop."""
        return None

    def on_epoch_end(self, network: "Network", record: Record) -> bool | None:
        """Look at an epoch's record; return True to stop the training."""
        return None


def overriding(method: str, callbacks: Iterable[Callback]) -> list[Callback]:
    """Pick the callbacks that override a method: an epoch is interrupted for these alone."""
    return [c for c in callbacks if getattr(type(c), method) is not getattr(Callback, method)]


class Checkpoint(Callback):
    """Save the network while it is trained, with everything that resuming needs.

    A network with a parameter that is not finite is not saved: the file keeps the one before.

    Parameters
    ----------
    path : str or path
        A file there stays whole until a new one takes its place.
    epochs : int
        Saves after every `epochs` epochs.
    seconds : float
        Saves within an epoch, between two steps, once the last file is older than this.

    Raises
    ------
    TypeError, ValueError
        If `path` is no path, `epochs` no integer >= 1, or `seconds` no number in [0, inf).
    OSError
        If the folder of `path` is missing, or `path` is a folder.

    Examples
    --------
    A program that may be killed and started again at any time:

    >>> import os, tempfile
    >>> import numpy as np
    >>> from densenet import Checkpoint, Linear, MeanSquaredError, Network
    >>> path = os.path.join(tempfile.mkdtemp(), "model.safetensors")
    >>> x = np.arange(12.0).reshape(6, 2)
    >>> def train():
    ...     again = os.path.exists(path)
    ...     if again:
    ...         network = Network.load(path)
    ...     else:
    ...         network = Network([Linear(2, 1)], MeanSquaredError(), seed=1)
    ...     return network.fit(x, x[:, 0], epochs=3, callbacks=[Checkpoint(path)], resume=again)
    >>> len(train().epochs), len(train().epochs)  # the second has nothing left to do
    (3, 3)
    """

    def __init__(
        self, path: str | os.PathLike[str], *, epochs: int = 1, seconds: float = 60.0
    ) -> None:
        self.path = _checks.path_to_write("path", path)
        self.epochs = _checks.count("epochs", epochs)
        self.seconds = _checks.setting("seconds", seconds)
        self._last = time.monotonic()

    def is_due(self) -> bool:
        """Return True once the last file is older than `seconds`."""
        return time.monotonic() - self._last >= self.seconds

    def on_pause(self, network: "Network") -> None:
        """Save, if all parameters are finite."""
        if np.isfinite(network.flat).all():
            network.save(self.path)
        self._last = time.monotonic()

    def on_epoch_end(self, network: "Network", record: Record) -> None:
        """Save after every `epochs` epochs."""
        if record["epoch"] % self.epochs == 0:
            self.on_pause(network)
