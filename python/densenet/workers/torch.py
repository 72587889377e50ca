"""Ranks of torch.distributed."""

from typing import Any

from densenet import _checks
from densenet._extras import require
from densenet._typing import Array
from densenet.workers.contract import Workers


class TorchWorkers(Workers):
    """The processes of a group of ``torch.distributed``, which gloo connects.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup, optional
        By default the one that ``init_process_group`` has made.
    exact : bool
        True makes sums that do not depend on the number of processes, to the bit.
    own_rows : bool
        True if each process gives its own rows or chunks to `fit`.

    Raises
    ------
    ImportError
        If PyTorch is missing (extra ``torch``).
    RuntimeError
        If ``init_process_group`` has not been called.

    Examples
    --------
    With ``torchrun --nproc-per-node 4 train.py``:

    >>> import torch.distributed  # doctest: +SKIP
    >>> from densenet.workers import TorchWorkers
    >>> torch.distributed.init_process_group("gloo")  # doctest: +SKIP
    >>> history = network.fit(x, y, workers=TorchWorkers())  # doctest: +SKIP
    """

    def __init__(self, group: Any = None, *, exact: bool = False, own_rows: bool = False) -> None:
        require("TorchWorkers", "torch", "torch")
        from torch import distributed, from_numpy

        if not distributed.is_initialized():
            raise RuntimeError(
                "TorchWorkers: expected a group of processes, got none: call "
                'torch.distributed.init_process_group("gloo") before'
            )
        self._all, self._group, self._tensor = distributed, group, from_numpy
        self.rank = distributed.get_rank(group)
        self.size = distributed.get_world_size(group)
        self.exact = _checks.flag("exact", exact)
        self.own_rows = _checks.flag("own_rows", own_rows)

    def allreduce(self, array: Array) -> None:
        """Replace an array by the sum of those of all ranks."""
        self._all.all_reduce(self._tensor(array), group=self._group)

    def broadcast(self, array: Array, root: int) -> None:
        """Replace an array by that of the rank `root`."""
        if self._group is not None:
            root = self._all.get_global_rank(self._group, root)
        self._all.broadcast(self._tensor(array), root, group=self._group)
