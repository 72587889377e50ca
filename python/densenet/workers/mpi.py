"""Ranks of MPI."""

from typing import Any

from densenet import _checks
from densenet._extras import require
from densenet._typing import Array
from densenet.workers.contract import Workers


class MPIWorkers(Workers):
    """The processes that ``mpiexec`` has started.

    Parameters
    ----------
    comm : mpi4py.MPI.Comm, optional
        Of which processes; by default all. It is duplicated, so that nobody else's messages mix
        with these.
    exact : bool
        True makes sums that do not depend on the number of processes, to the bit.
    own_rows : bool
        True if each process gives its own rows or chunks to `fit`.

    Raises
    ------
    ImportError
        If mpi4py is missing (extra ``mpi``).

    Examples
    --------
    With ``mpiexec -n 4 python train.py``, this trains in four processes; without, in one:

    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.workers import MPIWorkers
    >>> network = Network([Linear(1, 1)], MeanSquaredError(), seed=0)
    >>> history = network.fit([[1.0]], [5.0], workers=MPIWorkers())  # doctest: +SKIP
    """

    def __init__(self, comm: Any = None, *, exact: bool = False, own_rows: bool = False) -> None:
        require("MPIWorkers", "mpi", "mpi4py")
        from mpi4py import MPI

        self._comm = (MPI.COMM_WORLD if comm is None else comm).Dup()
        self._in_place = MPI.IN_PLACE
        self.rank = self._comm.rank
        self.size = self._comm.size
        self.exact = _checks.flag("exact", exact)
        self.own_rows = _checks.flag("own_rows", own_rows)

    def allreduce(self, array: Array) -> None:
        """Replace an array by the sum of those of all ranks."""
        self._comm.Allreduce(self._in_place, array)

    def broadcast(self, array: Array, root: int) -> None:
        """Replace an array by that of the rank `root`."""
        self._comm.Bcast(array, root)
