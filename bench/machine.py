"""The machine: its processors, and the peaks that measured times are compared with."""

import contextlib
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from densenet import _core
from workloads import powers

_ROUNDS = 4_000_000  # of multiply-adds, about 10 ms
_BURSTS = 3
_MEETINGS = 10_000  # about 1 ms
_BYTES = 16  # of one float32 parameter, its gradient and two moments


def processors() -> int:
    """Count the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_counts(most: int) -> list[int]:
    """Give the numbers of threads to try: the powers of two up to ``most``, and ``most``."""
    return sorted({*powers(1, most), most})


@contextmanager
def pinned(threads: int) -> Iterator[None]:
    """Confine this process and its new children to ``threads`` processors, one a core if possible.

    A library that asks the system how many processors there are then gets this number, too.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    # The first processor of every core comes before the second of any.
    order = sorted((place, cpu) for cpus in _cores() for place, cpu in enumerate(cpus))
    os.sched_setaffinity(0, {cpu for _, cpu in order[:threads]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def _cores() -> list[list[int]]:
    """Give the processors that this process may run on, those of one core together."""
    if not hasattr(os, "sched_getaffinity"):
        return [[cpu] for cpu in range(processors())]
    by_core: dict[str, list[int]] = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        by_core.setdefault(_core_of(cpu), []).append(cpu)
    return list(by_core.values())


def _core_of(cpu: int) -> str:
    """Name the core of a processor: equal names are one core."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(cpu)


def load() -> float | None:
    """Give how many processes were running or waiting on average in the last minute, if known."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else None


def processor() -> dict[str, Any]:
    """Give the processor's name, family and model, None if not known, and the cores to run on."""
    facts: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            facts.setdefault(key.strip(), value.strip())
    family, model = facts.get("cpu family"), facts.get("model")
    return {
        "name": facts.get("model name") or platform.processor() or platform.machine(),
        "family": None if family is None else int(family),
        "model": None if model is None else int(model),
        "cores": len(_cores()),
    }


class Machine:
    """Peaks of the machine with some number of threads: medians of all measurements so far.

    Measure once in each round of what is compared with the peaks, for a machine's speed drifts.

    Parameters
    ----------
    threads : int
    footprint : int
        Bytes of the arrays that in-place work goes over. Small arrays stay in a cache.

    Attributes
    ----------
    meetings : list of float
        For each measurement, the seconds in which all threads met at a barrier; empty with one
        thread.
    """

    def __init__(self, threads: int, footprint: int = 1 << 16) -> None:
        self._threads = threads
        self._elements = max(1024, footprint // _BYTES)
        self._flops: list[float] = []
        self._bandwidths: list[float] = []
        self.meetings: list[float] = []

    def measure_flops(self) -> None:
        """Measure the rate of multiply-adds in registers, with the instruction set in use."""
        # Threads that wake up while another contender's go to sleep are slower: the best counts.
        rates = [_core.multiply_add_peak(self._threads, _ROUNDS) for _ in range(_BURSTS)]
        self._flops.append(max(rates) * 1e9)

    def measure_meeting(self) -> None:
        """Measure how long the threads take to meet: the farther their cores, the longer."""
        if self._threads > 1:
            self.meetings.append(_core.meeting_time(self._threads, _MEETINGS))

    def measure_bandwidth(self) -> None:
        """Measure the rate of in-place work: it reads one array, and reads and writes three."""
        small = self._elements * _BYTES < 1 << 25
        counts = {1, self._threads} if small else {self._threads}  # one may be faster if small
        for _ in range(5 if small else 1):
            rate = max(_core.update_bandwidth(count, self._elements) for count in counts)
            self._bandwidths.append(rate * 1e9)

    @property
    def flops(self) -> float:
        """Median of the multiply-add rates, in FLOP/s of float32."""
        return median(self._flops)

    @property
    def bandwidth(self) -> float:
        """Median of the in-place rates, in bytes/s, read and written bytes together."""
        return median(self._bandwidths)
