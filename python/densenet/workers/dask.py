"""Ranks of Dask: the worker processes of a cluster."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from densenet import _checks
from densenet._extras import require
from densenet._typing import Array
from densenet.workers._attendant import Attendant

_LOOK = 1.0  # seconds between looks for a process that is lost
_LOST = "workers: expected all {} ranks to go on, got no process of rank {} ({}) any more"


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

    def __init__(self, *given: Any, home: str) -> None:
        super().__init__(*given)
        self._home = home  # the address of the process where arrays meet

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
            Seconds that ranks wait for the last, which is then an error on all.

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
        RuntimeError
            If one of the cluster's processes is lost.
        Exception
            What the function raises in the process that ends first by an error.
        """
        require("DaskWorkers", "dask", "distributed")
        from densenet.workers._meeting import Meeting

        _checks.function("function", function)
        exact, own_rows = _checks.flag("exact", exact), _checks.flag("own_rows", own_rows)
        timeout = _checks.setting("timeout", timeout)
        addresses = _addresses(client)
        size = len(addresses)
        if not addresses:
            raise ValueError("client: expected a cluster with workers, got none")
        where = addresses[:1]
        actor = client.submit(Meeting, size, timeout, actor=True, pure=False, workers=where)
        meeting = actor.result()
        futures = []
        for rank, address in enumerate(addresses):
            workers = cls(meeting, rank, size, exact, own_rows, home=addresses[0])
            futures.append(client.submit(function, workers, pure=False, workers=[address]))
        try:
            _wait(client, futures, addresses)
            return [future.result() for future in futures]
        except BaseException as error:
            if addresses[0] in _addresses(client):
                meeting.end(f"expected all {size} ranks to go on, got {error!r} where these began")
            raise
        finally:
            client.cancel([future for future in futures if not future.done()])

    def _ask(self, method: str, *given: Any) -> Array:
        from distributed import get_client

        call = getattr(self._meeting, method)(*given)
        while not call.done():
            # Dask itself would wait for an actor that is lost.
            with suppress(TimeoutError):
                call.result(timeout=_LOOK)
            if not call.done() and self._home not in _addresses(get_client()):
                raise RuntimeError(_LOST.format(self.size, 0, self._home))
        answer: Array = call.result()
        return answer


def _addresses(client: Any) -> list[str]:
    """List a cluster's workers."""
    return sorted(client.scheduler_info(n_workers=-1)["workers"])


def _wait(client: Any, futures: list[Any], addresses: list[str]) -> None:
    """Wait until all futures have ended, or one by an error, which is raised.

    Dask would wait for a worker that is lost, as its task may run nowhere else.
    """
    from distributed import wait

    waiting = list(futures)
    while waiting:
        done = []
        with suppress(TimeoutError):
            done = list(wait(waiting, timeout=_LOOK, return_when="FIRST_COMPLETED").done)
        for future in done:
            waiting.remove(future)
            future.result()
        present = addresses if done else _addresses(client)
        for rank, (future, address) in enumerate(zip(futures, addresses, strict=True)):
            if address not in present and not future.done():
                raise RuntimeError(_LOST.format(len(futures), rank, address))
