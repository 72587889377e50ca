"""What this machine can do at most, measured in the run that the numbers are compared with."""

import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import densenet
from densenet import _core
from workloads import powers

_LOAD = os.getloadavg()[0] if hasattr(os, "getloadavg") else None  # before anything is measured
_ROUNDS = 4_000_000  # of multiply-adds, about 10 ms
_BURSTS = 3
_MEETINGS = 10_000  # about 1 ms
_BYTES = 16  # of one float32 parameter: itself, its gradient and two moments


def processors() -> int:
    """Count the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_counts(most: int) -> list[int]:
    """Numbers of threads to try: one, doubled as long as there are so many, and all."""
    return sorted({*powers(1, most), most})


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Confine this process and its new children to so many processors, on cores of their own.

    A library that takes its number of threads from the machine then takes this one, too.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    by_core: dict[str, list[int]] = {}
    for cpu in sorted(allowed):
        by_core.setdefault(_core_of(cpu), []).append(cpu)
    firsts_first = sorted(
        (place, cpu) for cpus in by_core.values() for place, cpu in enumerate(cpus)
    )
    os.sched_setaffinity(0, {cpu for _, cpu in firsts_first[:threads]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _core_of(cpu: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(cpu)


def describe(threads: int, peers: Mapping[str, str] | None = None) -> str:
    """Name the processor, how busy it was before, what is in use, and the peers' versions."""
    config = densenet.show_config()
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    load = "" if _LOAD is None else f", load {_LOAD:.1f} at the start"
    return "; ".join(
        [
            f"{processor}{load}",
            f"{threads} thread{'s' if threads > 1 else ''}",
            f"densenet {config['version']} ({config['instruction_set']}, {config['compiler']})",
            f"NumPy {config['numpy']}",
            *(f"{name} {version}" for name, version in (peers or {}).items()),
        ]
    )


class Machine:
    """What so many threads can do, as medians of all measurements so far.

    Measure in each round of what is compared with it: the speed of a machine drifts.

    Parameters
    ----------
    threads : int
    footprint : int
        Bytes of the arrays that in-place work goes over: the smaller, the nearer their cache.

    Attributes
    ----------
    meetings : list of float
        Seconds, one for each measurement; none of a single thread.
    """

    def __init__(self, threads: int, footprint: int = 1 << 16) -> None:
        self._threads = threads
        self._elements = max(1024, footprint // _BYTES)
        self._flops: list[float] = []
        self._bandwidths: list[float] = []
        self.meetings: list[float] = []

    def measure_flops(self) -> None:
        """Measure multiply-adds in registers, at the instruction set in use."""
        # Threads that wake up beside another contender's last ones are no peak: the best counts.
        rates = [_core.multiply_add_peak(self._threads, _ROUNDS) for _ in range(_BURSTS)]
        self._flops.append(max(rates) * 1e9)

    def measure_meeting(self) -> None:
        """Measure the seconds that all threads take to meet, which tells where their cores are."""
        if self._threads > 1:
            self.meetings.append(_core.meeting_time(self._threads, _MEETINGS))

    def measure_bandwidth(self) -> None:
        """Measure in-place work: an array that is read, three that are read and written."""
        small = self._elements * _BYTES < 1 << 25
        counts = {1, self._threads} if small else {self._threads}  # sharing little does not pay
        for _ in range(5 if small else 1):
            rate = max(_core.update_bandwidth(count, self._elements) for count in counts)
            self._bandwidths.append(rate * 1e9)

    @property
    def flops(self) -> float:
        """FLOP/s in single precision."""
        return median(self._flops)

    @property
    def bandwidth(self) -> float:
        """Bytes/s, of reading and writing together."""
        return median(self._bandwidths)
