"""Processes that train one network together: for `Network.fit`, as ``workers``.

MPI, torch.distributed, Dask or Ray starts the processes, connects them and passes arrays around.
Each class here gives `Network.fit` one of these four as the sums and broadcasts that `Workers`
describes; its package is imported when the first object is made. Any other object with the names of
`Workers` will do as well.
"""

from densenet.workers.contract import Workers
from densenet.workers.dask import DaskWorkers
from densenet.workers.mpi import MPIWorkers
from densenet.workers.ray import RayWorkers
from densenet.workers.torch import TorchWorkers

__all__ = ["DaskWorkers", "MPIWorkers", "RayWorkers", "TorchWorkers", "Workers"]
