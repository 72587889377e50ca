"""How many threads this process may use: looked up when the compiled core is imported."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from densenet import _checks
from densenet.config import MOST_THREADS


def usable_cpus() -> set[int]:
    """Processors that the affinity mask allows this thread."""
    try:
        return set(os.sched_getaffinity(0))
    except AttributeError:  # not Linux
        return set(range(os.cpu_count() or 1))


# Variables that make OpenMP bind threads, each to processors of its own: a place.
_BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")


def binding_is_asked() -> bool:
    """Tell whether a variable of the environment asks OpenMP to bind threads to processors."""
    return any(os.environ.get(name) for name in _BINDING)


def _places(runtime: str) -> list[set[int]]:
    """Places of an OpenMP runtime that is loaded already; none where it does not bind threads."""
    openmp = ctypes.CDLL(runtime, mode=os.RTLD_LAZY | os.RTLD_NOLOAD)
    places = []
    for place in range(openmp.omp_get_num_places() if openmp.omp_get_proc_bind() else 0):
        processors = (ctypes.c_int * openmp.omp_get_place_num_procs(place))()
        openmp.omp_get_place_proc_ids(place, processors)
        places.append(set(processors))
    return places


def _runtimes(maps: Path = Path("/proc/self/maps")) -> list[str]:
    """Paths of the OpenMP runtimes that are loaded, as Linux tells."""
    try:
        paths = {line.split(maxsplit=5)[-1] for line in maps.read_text().splitlines()}
    except OSError:  # not Linux
        return []
    names = ("libgomp", "libomp", "libiomp")
    return sorted(p for p in paths if Path(p).name.startswith(names) and Path(p).exists())


@contextmanager
def unbound() -> Iterator[None]:
    """Let this thread, for a while, use what it could before an OpenMP runtime has bound it.

    GNU's runtime binds the thread that loads it, and takes the processors that this thread may use
    for all there are. Each package brings a runtime of its own: the second to be loaded would see
    the one place where the first has left this thread, and would have all threads share it.
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
    """Distinct cores among the processors: two threads of one core share its arithmetic units."""
    siblings = set()
    for cpu in cpus:
        path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
        try:
            siblings.add(path.read_text().strip())
        except OSError:
            siblings.add(str(cpu))
    return len(siblings)


def _granted(group: Path) -> float:
    """Processors' worth of time that a control group grants, infinite where it does not say."""
    try:
        quota, period = (group / "cpu.max").read_text().split()
        return float("inf") if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:  # the interface's first version
        quota_us = int((group / "cpu.cfs_quota_us").read_text())
        period_us = int((group / "cpu.cfs_period_us").read_text())
        return quota_us / period_us if quota_us > 0 else float("inf")
    except (OSError, ValueError):
        return float("inf")


def _container_limit(
    mount: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")
) -> float:
    """Processors' worth of time that the control groups grant to this process.

    A group's limit holds for the groups inside it. A container sees its own as the root, whatever
    path the host knows it by.
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
    """Threads that OpenMP's variable allows, infinite where it does not say.

    It may be a list, whose first number is that of the outermost level.
    """
    first = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    return int(first) if first.isdecimal() and int(first) else float("inf")


def default_num_threads(cpus: Callable[[], set[int]] = usable_cpus) -> int:
    """Give ``DENSENET_NUM_THREADS``, or the cores that this process may use.

    ``OMP_NUM_THREADS`` lowers the number of cores, but never raises it: process pools such as
    joblib's set it, so that all workers together have no more threads than there are cores.

    Parameters
    ----------
    cpus : callable
        Tells the processors to count; not called where the variable decides.

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
    cores = min(_physical_cores(cpus()), _container_limit(), _openmp_limit())
    return max(1, int(cores))
