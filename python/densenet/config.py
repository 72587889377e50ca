"""How many threads compute, and what this installation was built from."""

import os

from densenet import _checks
from densenet._version import __version__

__all__ = ["get_num_threads", "set_num_threads", "show_config"]


MOST_THREADS = 1024


def _read(path: str) -> str:
    """Read one of the small files by which Linux tells; `pathlib` would be slow to import."""
    with open(path) as file:
        return file.read().strip()


def _usable_cpus() -> set[int]:
    """Processors that the affinity mask allows."""
    try:
        return set(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return set(range(os.cpu_count() or 1))


def _physical_cores(cpus: set[int]) -> int:
    """Distinct cores among the processors: two threads of one core share its arithmetic units."""
    siblings = set()
    for cpu in cpus:
        try:
            siblings.add(_read(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list"))
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)


def _container_limit() -> float:
    """Processors' worth of time that the control group grants, infinite where it does not say."""
    try:
        quota, period = _read("/sys/fs/cgroup/cpu.max").split()
        return float("inf") if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        quota_us = int(_read("/sys/fs/cgroup/cpu/cpu.cfs_quota_us"))
        period_us = int(_read("/sys/fs/cgroup/cpu/cpu.cfs_period_us"))
        return quota_us / period_us if quota_us > 0 else float("inf")
    except (OSError, ValueError):
        return float("inf")


def default_num_threads() -> int:
    """Give ``DENSENET_NUM_THREADS``, or the cores that this process may use.

    Raises
    ------
    ValueError
        If the variable is set and no integer in [1, 1024].
    """
    wanted = os.environ.get("DENSENET_NUM_THREADS", "")
    if wanted:
        if not wanted.isdecimal():
            raise ValueError(
                f"DENSENET_NUM_THREADS must be an integer in [1, {MOST_THREADS}], got {wanted!r}"
            )
        return _checks.count("DENSENET_NUM_THREADS", int(wanted), most=MOST_THREADS)
    return max(1, int(min(_physical_cores(_usable_cpus()), _container_limit())))


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
