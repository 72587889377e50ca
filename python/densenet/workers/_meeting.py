"""Where ranks meet that have no collective calls of their own: an object that all of them ask."""

import asyncio

import numpy as np

from densenet._typing import Array


class Meeting:
    """Takes an array from each rank, waits for the last, and gives all of them the result.

    Dask and Ray keep it in one process, as an actor; its methods wait side by side there. Sums are
    in the order of the ranks, whoever comes first.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self._size, self._timeout = size, timeout
        self._begin()

    def _begin(self) -> None:
        self._brought: dict[int, Array] = {}
        self._done: asyncio.Future[list[Array]] | None = None

    async def allreduce(self, rank: int, array: Array) -> Array:
        """Give the sum of the arrays of all ranks."""
        first, *others = await self._all(rank, array)
        total: Array = first.copy()
        for each in others:
            total += each
        return total

    async def broadcast(self, rank: int, array: Array, root: int) -> Array:
        """Give the array of the rank `root`."""
        return (await self._all(rank, array))[root]

    async def _all(self, rank: int, array: Array) -> list[Array]:
        """Give the arrays of all ranks once the last is here.

        Raises
        ------
        TimeoutError
            If one has not come within the time since the first, now and from then on.
        """
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
        done, brought = self._done, self._brought
        brought[rank] = np.asarray(array)
        if len(brought) == self._size:
            self._begin()
            done.set_result([brought[each] for each in range(self._size)])
        elif not done.done():
            await asyncio.wait([done], timeout=self._timeout)
        if not done.done():
            missing = sorted(set(range(self._size)) - set(brought))
            text = f"expected all {self._size} ranks within {self._timeout:g} s, got no rank"
            done.set_exception(TimeoutError(f"workers: {text} {', '.join(map(str, missing))}"))
        return done.result()
