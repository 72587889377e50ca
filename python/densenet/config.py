"""How many threads compute, and what this installation was built from."""

from densenet import _checks
from densenet._version import __version__

__all__ = ["get_num_threads", "set_num_threads", "show_config"]


MOST_THREADS = 1024


def get_num_threads() -> int:
    """Give the number of threads that compiled functions may use.

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
