"""Processes that train one network together: for `Network.fit`, as ``workers``.

MPI, torch.distributed, Dask and Ray start them, connect them and pass arrays around; each of these
classes lends what `Network.fit` asks for to one of them, which is imported when the first object
is made. Any other object with the names of `Workers` will do as well.
"""

from densenet.workers.contract import Workers
from densenet.workers.dask import DaskWorkers
from densenet.workers.mpi import MPIWorkers
from densenet.workers.ray import RayWorkers
from densenet.workers.torch import TorchWorkers

__all__ = ["DaskWorkers", "MPIWorkers", "RayWorkers", "TorchWorkers", "Workers"]
