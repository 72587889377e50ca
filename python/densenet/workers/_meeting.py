"""Where ranks meet that have no collective calls of their own: an object that all of them ask."""

import asyncio

import numpy as np

from densenet._typing import Array


class Meeting:
    """Takes an array from each rank, waits for the last, and gives all of them the result.

    Dask and Ray keep it in one process, as an actor; its methods wait side by side there. Sums are
    in the order of the ranks, whoever comes first. Ranks number their calls, so that one which an
    engine has begun anew is found. After an error every call is one.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size, self._timeout = size, timeout
        self._number = 0  # of the calls at hand
        self._error: Exception | None = None
        self._begin()

    def _begin(self) -> None:
        self._brought: dict[int, Array] = {}
        self._done: asyncio.Future[list[Array]] | None = None

    async def allreduce(self, rank: int, number: int, array: Array) -> Array:
        """Give the sum of the arrays of all ranks."""
        first, *others = await self._all(rank, number, array)
        total: Array = first.copy()
        for each in others:
            total += each
        return total

    async def broadcast(self, rank: int, number: int, array: Array, root: int) -> Array:
        """Give the array of the rank `root`."""
        return (await self._all(rank, number, array))[root]

    async def end(self, reason: str) -> None:
        """Let no rank wait any more: all calls raise an error with this reason."""
        self._fail(RuntimeError(f"workers: {reason}"))

    def _fail(self, error: Exception) -> None:
        """Raise an error in all calls that wait, and in those to come; the first one counts."""
        if self._error is None:
            self._error = error
            if self._done is not None:
                self._done.set_exception(error)

    async def _all(self, rank: int, number: int, array: Array) -> list[Array]:
        """Give the arrays of all ranks once the last is here.

        Raises
        ------
        TimeoutError
            If one has not come within the time since the first.
        RuntimeError
            If a rank does not go on from its last call.
        """
        if number != self._number:
            text = f"call {self._number} of rank {rank}, got call {number}: it has begun anew"
            self._fail(RuntimeError(f"workers: expected {text}"))
        if self._error is not None:
            raise self._error
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
        done, brought = self._done, self._brought
        brought[rank] = np.asarray(array)
        if len(brought) == self._size:
            self._number += 1
            self._begin()
            done.set_result([brought[each] for each in range(self._size)])
        else:
            await asyncio.wait([done], timeout=self._timeout)
        if not done.done():
            missing = sorted(set(range(self._size)) - set(brought))
            text = f"expected all {self._size} ranks within {self._timeout:g} s, got no rank"
            self._fail(TimeoutError(f"workers: {text} {', '.join(map(str, missing))}"))
        return done.result()
