"""A queue of tasks that some threads work through, each task on one thread from end to end."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from contextvars import copy_context
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, TypeVar

from densenet._engine.cancel import HERE, Cancelled, Ending
from densenet.config import limit_this_thread

T = TypeVar("T")

_LOOK = 0.1  # seconds between looks for Ctrl-C, which on Windows does not end a wait


class _Ended(NamedTuple):
    """What has become of a task: the value that it gave, or the exception that it raised."""

    number: int
    value: Any = None
    error: BaseException | None = None


def run_all(
    tasks: Sequence[Callable[[], T]],
    n_threads: int,
    told: Callable[[int, T], object] | None = None,
    *,
    compiled: bool = True,
) -> tuple[list[T | None], dict[int, Exception]]:
    """Run tasks on at most `n_threads` threads, in their order; wait until all have ended.

    A task that raises leaves the others alone. An exception of a signal handler of the caller's
    (Ctrl-C) or of `told`, and one of a task that is no `Exception`, asks all tasks to stop, waits
    until they have done so between two training steps, and is raised. Another Ctrl-C then does not
    wait.

    Parameters
    ----------
    tasks : sequence of functions without arguments
    n_threads : int
        From 1 on.
    told : function ``f(index, value)``, optional
        Called in the caller's thread for each task that has ended well, in the order of their ends.
    compiled : bool
        True keeps the compiled functions that a task calls on one thread; False does not load them.

    Returns
    -------
    values : list
        What each task has given; None for those that raised.
    errors : dict from int to Exception
        What the others raised, by their numbers, in ascending order.
    """
    waiting, ended, ending = deque(enumerate(tasks)), SimpleQueue[_Ended](), Ending()

    def work() -> None:
        index = -1
        try:
            HERE.ending = ending
            with limit_this_thread(1) if compiled else nullcontext():
                while not ending.asked:
                    try:
                        index, task = waiting.popleft()
                    except IndexError:
                        return
                    try:
                        ended.put(_Ended(index, task()))
                    except Exception as error:
                        ended.put(_Ended(index, error=error))
        except Cancelled:
            pass
        except BaseException as error:
            ended.put(_Ended(index, error=error))

    # Each has the caller's context variables: NumPy's way to treat overflow is one of them.
    threads = [
        threading.Thread(target=copy_context().run, args=(work,), daemon=True)
        for _ in range(min(n_threads, len(tasks)))
    ]
    values: list[T | None] = [None] * len(tasks)
    errors: dict[int, Exception] = {}
    try:
        for thread in threads:
            thread.start()
        for _ in tasks:
            one = _next(ended)
            if one.error is None:
                values[one.number] = one.value
                if told is not None:
                    told(one.number, one.value)
            elif isinstance(one.error, Exception):
                errors[one.number] = one.error
            else:
                raise one.error
    finally:
        ending.asked = True  # no signal handler comes in between: see `Turn`
        for thread in threads:
            if thread.is_alive():
                thread.join()
    return values, dict(sorted(errors.items()))


def _next(ended: SimpleQueue[_Ended]) -> _Ended:
    """Wait for the next task to end."""
    while True:
        try:
            return ended.get(timeout=_LOOK)
        except Empty:
            continue
