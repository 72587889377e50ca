"""The default number of threads, from what the system allows this process at import."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from densenet import _checks


def usable_cpus() -> set[int]:
    """Give the processors that the affinity mask allows this thread to run on."""
    try:
        return set(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return set(range(os.cpu_count() or 1))


# Variables that make OpenMP bind each thread to a set of processors, which it calls a place.
_BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


def binding_is_asked() -> bool:
    """Return whether an environment variable asks OpenMP to bind threads to processors."""
    return any(os.environ.get(name) for name in _BINDING)


def _places(runtime: str) -> list[set[int]]:
    """Give the places of a loaded OpenMP runtime; none if it does not bind threads."""
    openmp = ctypes.CDLL(runtime, mode=os.RTLD_LAZY | os.RTLD_NOLOAD)
    places = []
    for place in range(openmp.omp_get_num_places() if openmp.omp_get_proc_bind() else 0):
        processors = (ctypes.c_int * openmp.omp_get_place_num_procs(place))()
        openmp.omp_get_place_proc_ids(place, processors)
        places.append(set(processors))
    return places


def _runtimes(maps: Path = Path("/proc/self/maps")) -> list[str]:
    """Give the paths of the OpenMP runtimes that this process has loaded; none if not on Linux."""
    try:
        paths = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines()}
    except OSError:  # not Linux
        return []
    names = ("libgomp", "libomp", "libiomp")
    return sorted(p for p in paths if Path(p).name.startswith(names) and Path(p).exists())


@contextmanager
def unbound() -> Iterator[None]:
    """Within the context, undo the binding of this thread by an OpenMP runtime loaded before.

    GNU's runtime binds the thread that loads it, and takes the processors that this thread may run
    on for all there are. Each package brings a runtime of its own: the second one to be loaded
    would see only the place to which the first has bound this thread, and put all threads there.
    """
    before = usable_cpus() if binding_is_asked() else set()
    places = [place for runtime in _runtimes() for place in _places(runtime)] if before else []
    if before not in places:
        yield
        return
    os.sched_setaffinity(0, set().union(*places))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _physical_cores(cpus: set[int]) -> int:
    """Count the cores of these processors: two of one core share its arithmetic units."""
    siblings = set()
    for cpu in cpus:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text().strip())
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)


def _granted(group: Path) -> float:
    """Give how many processors' time a control group grants; infinite if it sets no limit."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return float("inf") if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:  # version 1 of control groups
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        period_us = int((group / "cpu.cfs_period_us").read_text())
        return quota_us / period_us if quota_us > 0 else float("inf")
    except (OSError, ValueError):
        return float("inf")


def _container_limit(
    mount: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> float:
    """Give how many processors' time the control groups of this process grant.

    A group's limit holds for the groups inside it, too. A container sees its own group at the root
    of the mount, whatever its path on the host is.
    """
    groups = {mount, mount / "cpu"}
    try:
        lines = membership.read_text().splitlines()
    except OSError:  # not Linux
        lines = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            group = (mount / "cpu" if controllers else mount) / path.lstrip("/")
            groups |= {group, *group.parents}
    return min(map(_granted, groups))


def _openmp_limit() -> float:
    """Give the threads that ``OMP_NUM_THREADS`` allows; infinite if it is not set.

    It may be a list, one number for each level of nested parallelism; the first one counts.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else float("inf")


def default_num_threads(cpus: Callable[[], set[int]] = usable_cpus) -> int:
    """Give ``DENSENET_NUM_THREADS`` or, if it is not set, the cores that this process may use.

    ``OMP_NUM_THREADS`` can lower the number of cores but not raise it: process pools such as
    joblib's set it, so that all workers together have no more threads than there are cores.

    Parameters
    ----------
    cpus : callable
        Gives the processors to count; called only if the variable is not set.

    Raises
    ------
    ValueError
        If ``DENSENET_NUM_THREADS`` is set and no integer in [1, 1024].
    """
    wanted = os.environ.get("DENSENET_NUM_THREADS", "")
    if wanted:
        if not wanted.isdecimal():
            raise ValueError(
                "DENSENET_NUM_THREADS must be an integer in "
                f"[1, {_checks.MOST_THREADS}], got {wanted!r}"
            )
        return _checks.count("DENSENET_NUM_THREADS", int(wanted), most=_checks.MOST_THREADS)
    cores = min(_physical_cores(cpus()), _container_limit(), _openmp_limit())
    return max(1, int(cores))
