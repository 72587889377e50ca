"""The number of threads that compute, and how this installation was built."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from densenet import _checks
from densenet._version import __version__

__all__ = ["get_num_threads", "set_num_threads", "show_config"]


def get_num_threads() -> int:
    """Give the number of threads that compiled functions may use when this thread calls them.

    This is the number that `set_num_threads` has set for the process; while an estimator with
    `n_threads` computes in this thread, it is that number. OpenMP's own limit for this thread, as
    ``threadpoolctl.threadpool_limits`` sets it, can lower both.

    Examples
    --------
    >>> from densenet import get_num_threads
    >>> get_num_threads() >= 1
    True
    """
    from densenet import _core

    return _core.get_num_threads()


def set_num_threads(n: int) -> None:
    """Set the number of threads that compiled functions may use, for the whole process.

    Small work uses fewer. Results are the same to the last bit for any number.

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

    _core.set_num_threads(_checks.count("n", n, most=_checks.MOST_THREADS))


@contextmanager
def limit_this_thread(n: int | None) -> Iterator[None]:
    """Within the context, let compiled functions that this thread calls use up to `n` threads.

    Calls by other threads, and the number that `set_num_threads` has set, stay as they are.

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
    before = _core.limit_this_thread(_checks.count("n", n, most=_checks.MOST_THREADS))
    try:
        yield
    finally:
        _core.limit_this_thread(before)


@cache
def has_bf16_products() -> bool:
    """Say whether this processor and system have fast products of bf16 numbers (AMX).

    Linux lets a process use AMX if it asks, which the first call does. It may refuse, where the
    process has been forbidden to ask or its signal handlers' stack is too small.

    Examples
    --------
    >>> from densenet.config import has_bf16_products
    >>> has_bf16_products() in (True, False)
    True
    """
    from densenet import _core

    return _core.has_bf16_products()


def show_config() -> dict[str, str]:
    """Give the version, the compiler, the instruction set, the number of threads and more.

    Returns
    -------
    dict of str to str
        ``version``, ``compiler``, ``eigen``, ``instruction_set``, ``openmp`` (yes or no),
        ``vector_bits``, ``threads``, ``numpy``; and ``bf16_products``: yes, no, or "not asked" as
        long as no network of a lower precision has been made, see `Network`.

    Examples
    --------
    >>> import densenet
    >>> densenet.show_config()["version"] == densenet.__version__
    True
    """
    import numpy as np

    from densenet import _core

    asked = has_bf16_products.cache_info().currsize > 0
    return {
        "version": __version__,
        **_core.config(),
        "bf16_products": "not asked" if not asked else "yes" if has_bf16_products() else "no",
        "threads": str(_core.get_num_threads()),
        "numpy": np.__version__,
    }
