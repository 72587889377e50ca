"""Ranks of Ray: tasks that run at the same time."""

from collections.abc import Callable
from typing import Any

from densenet import _checks
from densenet._extras import require
from densenet._typing import Array
from densenet.workers._attendant import Attendant


class RayWorkers(Attendant):
    """One of some tasks of Ray, as the function sees it that `run` calls in each.

    Arrays go through an actor: that suits few ranks, and steps that take milliseconds.

    Examples
    --------
    >>> from densenet.workers import RayWorkers
    >>> def train(workers):
    ...     network = Network(layers, loss, seed=0)
    ...     network.fit(x, y, workers=workers)
    ...     return network
    >>> network, *_ = RayWorkers.run(train, 2)  # doctest: +SKIP
    """

    @classmethod
    def run(
        cls,
        function: Callable[["RayWorkers"], Any],
        size: int,
        *,
        exact: bool = False,
        own_rows: bool = False,
        timeout: float = 300.0,
    ) -> list[Any]:
        """Call a function in so many tasks at the same time.

        Parameters
        ----------
        function : function of a `RayWorkers`
            Makes the same network in each task, and hands the object to `Network.fit`. One that
            ``ray.remote`` has made keeps its options; retries must be off.
        size : int
            The number of tasks, for which Ray must have room.
        exact : bool
            True makes sums that do not depend on the number of tasks, to the bit.
        own_rows : bool
            True if each task gives its own rows or chunks to `fit`.
        timeout : float
            Seconds that ranks wait for the last, which is then an error on all.

        Returns
        -------
        list
            What the function has returned, by rank.

        Raises
        ------
        ImportError
            If ray is missing (extra ``ray``).
        TypeError, ValueError
            If `function` is no function, `size` no integer >= 1, `exact` or `own_rows` no flag, or
            `timeout` no number > 0.
        Exception
            What the function raises in one of the tasks.
        """
        require("RayWorkers", "ray", "ray")
        import ray

        from densenet.workers._meeting import Meeting

        size, exact = _checks.count("size", size), _checks.flag("exact", exact)
        own_rows = _checks.flag("own_rows", own_rows)
        timeout = _checks.setting("timeout", timeout)
        task: Any = function
        if not hasattr(function, "remote"):
            call = _checks.function("function", function)
            task = ray.remote(max_retries=0)(lambda workers: call(workers))
        meeting = ray.remote(num_cpus=0)(Meeting).remote(size, timeout)
        ranks = [cls(meeting, rank, size, exact, own_rows) for rank in range(size)]
        futures = [task.remote(rank) for rank in ranks]
        try:
            results: list[Any] = ray.get(futures)
            return results
        except BaseException as error:
            got = type(error).__name__
            meeting.end.remote(f"expected all {size} ranks to go on, got {got} where these began")
            raise

    def _ask(self, method: str, *given: Any) -> Array:
        """Call a method of the meeting and wait for its answer, or for the error that it raises."""
        import ray

        try:
            answer: Array = ray.get(getattr(self._meeting, method).remote(*given))
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        return answer
