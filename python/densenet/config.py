"""How many threads compute, and what this installation was built from."""

from collections.abc import Iterator
from contextlib import contextmanager

from densenet import _checks
from densenet._version import __version__

__all__ = ["get_num_threads", "set_num_threads", "show_config"]


MOST_THREADS = 1024


def get_num_threads() -> int:
    """Give the number of threads that compiled functions may use, called from this thread.

    It is what `set_num_threads` has set for the process, or while an estimator with `n_threads`
    computes in this thread, that number; or less, where OpenMP's own number for this thread has
    been lowered, as ``threadpoolctl.threadpool_limits`` does.

    Examples
    --------
    >>> from densenet import get_num_threads
    >>> get_num_threads() >= 1
    True
    """
    from densenet import _core

    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Set the number of threads that compiled functions may use, in this whole process.

    Small work runs on fewer. Results do not depend on it, to the last bit.

    Parameters
    ----------
    n : int
        From 1 to 1024.

    Raises
    ------
    TypeError, ValueError
        If `n` is no integer in [1, 1024].

    Examples
    --------
    >>> from densenet import get_num_threads, set_num_threads
    >>> before = get_num_threads()
    >>> set_num_threads(2)
    >>> get_num_threads()
    2
    >>> set_num_threads(before)
    """
    from densenet import _core

    _core.set_num_threads(_checks.count("n", n, most=MOST_THREADS))


@contextmanager
def limit_this_thread(n: int | None) -> Iterator[None]:
    """Let compiled functions that this thread calls use up to `n` threads, for a while.

    Other threads, and the number that `set_num_threads` sets for the process, stay as they are.

    Parameters
    ----------
    n : int, optional
        From 1 to 1024; None changes nothing.

    Raises
    ------
    TypeError, ValueError
        If `n` is neither None nor an integer in [1, 1024].

    Examples
    --------
    >>> from densenet.config import get_num_threads, limit_this_thread
    >>> with limit_this_thread(1):
    ...     get_num_threads()
    1
    """
    from densenet import _core

    if n is None:
        yield
        return
    before = _core.limit_this_thread(_checks.count("n", n, most=MOST_THREADS))
    try:
        yield
    finally:
        _core.limit_this_thread(before)


def show_config() -> dict[str, str]:
    """Tell the version, the compiler, the instruction set, OpenMP, the threads and more.

    Returns
    -------
    dict of str to str

    Examples
    --------
    >>> import densenet
    >>> densenet.show_config()["version"] == densenet.__version__
    True
    """
    import numpy as np

    from densenet import _core

    return {
        "version": __version__,
        **_core.config(),
        "threads": str(_core.get_num_threads()),
        "numpy": np.__version__,
    }
