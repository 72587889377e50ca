"""What `Network.fit` asks of processes that train together."""

from typing import Protocol

from densenet._typing import Array


class Workers(Protocol):
    """Processes that train one network together, as one of them, a *rank*, sees them.

    `Network.fit` takes any object with these four names. Both methods are called by all ranks in
    the same order, with C-contiguous vectors of float32 or float64 of the same length, and return
    once the array holds the result. Where a rank is lost, they raise.

    An object may also have ``exact``: with True, sums do not depend on the number of ranks, to the
    bit. And it may have ``own_rows``: with True, each rank gives its own rows or chunks to
    `fit`; without, all give the same.

    Attributes
    ----------
    rank : int
        The number of this process, from 0.
    size : int
        The number of processes.

    Examples
    --------
    One process, which has nobody to talk to:

    >>> from densenet import Linear, MeanSquaredError, Network
    >>> class Alone:
    ...     rank, size = 0, 1
    ...
    ...     def allreduce(self, array):
    ...         pass
    ...
    ...     def broadcast(self, array, root):
    ...         pass
    >>> network = Network([Linear(1, 1)], MeanSquaredError(), seed=0)
    >>> len(network.fit([[1.0]], [5.0], epochs=3, workers=Alone()).epochs)
    3
    """

    rank: int
    size: int

    def allreduce(self, array: Array) -> object:
        """Replace an array by the sum of those of all ranks, the same bits on each."""

    def broadcast(self, array: Array, root: int) -> object:
        """Replace an array by that of the rank `root`."""
