"""Ranks of Dask: the worker processes of a cluster."""

from collections.abc import Callable
from typing import Any

from densenet import _checks
from densenet._extras import require
from densenet._typing import Array
from densenet.workers._attendant import Attendant


class DaskWorkers(Attendant):
    """One of a cluster's worker processes, as the function sees it that `run` calls in each.

    Arrays go through one of the workers: that suits few ranks, and steps that take milliseconds.

    Examples
    --------
    >>> from densenet.workers import DaskWorkers
    >>> def train(workers):
    ...     network = Network(layers, loss, seed=0)
    ...     network.fit(x, y, workers=workers)
    ...     return network
    >>> network, *_ = DaskWorkers.run(train, client)  # doctest: +SKIP
    """

    @classmethod
    def run(
        cls,
        function: Callable[["DaskWorkers"], Any],
        client: Any,
        *,
        exact: bool = False,
        own_rows: bool = False,
        timeout: float = 300.0,
    ) -> list[Any]:
        """Call a function in each worker process of a cluster, all at the same time.

        Parameters
        ----------
        function : function of a `DaskWorkers`
            Makes the same network in each process, and hands the object to `Network.fit`.
        client : dask.distributed.Client
            Its workers need a free thread each.
        exact : bool
            True makes sums that do not depend on the number of workers, to the bit.
        own_rows : bool
            True if each worker gives its own rows or chunks to `fit`.
        timeout : float
            Seconds that ranks wait for the last; then it is lost, which is an error on all.

        Returns
        -------
        list
            What the function has returned, by rank.

        Raises
        ------
        ImportError
            If dask.distributed is missing (extra ``dask``).
        TypeError, ValueError
            If `function` is no function, `exact` or `own_rows` no flag, or `timeout` no
            number > 0; or the cluster has no workers.
        Exception
            What the function raises in the process that ends first by an error.
        """
        require("DaskWorkers", "dask", "distributed")
        from distributed import as_completed

        from densenet.workers._meeting import Meeting

        _checks.function("function", function)
        exact, own_rows = _checks.flag("exact", exact), _checks.flag("own_rows", own_rows)
        timeout = _checks.setting("timeout", timeout)
        addresses = sorted(client.scheduler_info(n_workers=-1)["workers"])
        size = len(addresses)
        if not addresses:
            raise ValueError("client: expected a cluster with workers, got none")
        actor = client.submit(Meeting, size, timeout, actor=True, pure=False, workers=addresses[:1])
        ranks = [cls(actor.result(), rank, size, exact, own_rows) for rank in range(size)]
        futures = [
            client.submit(function, rank, workers=[address], pure=False)
            for rank, address in zip(ranks, addresses, strict=True)
        ]
        try:
            for future in as_completed(futures):
                future.result()
            return [future.result() for future in futures]
        finally:
            client.cancel([future for future in futures if not future.done()])

    def _ask(self, method: str, *given: Any) -> Array:
        answer: Array = getattr(self._meeting, method)(self.rank, *given).result()
        return answer
