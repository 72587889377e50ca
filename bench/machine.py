"""What this machine can do at most, measured in the run that the numbers are compared with."""

import os
import platform
from collections.abc import Callable
from pathlib import Path
from statistics import median

import densenet
from densenet import _core

_ROUNDS = 4_000_000  # of multiply-adds, about 10 ms
_BYTES = 16  # of one float32 parameter: itself, its gradient and two moments


def pin(threads: int) -> None:
    """Confine this process and its children to so many processors, on cores of their own.

    A library that takes its number of threads from the machine then takes this one, too.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    allowed = sorted(os.sched_getaffinity(0))
    if threads > len(allowed):
        raise SystemExit(f"--threads: {threads} asked for, {len(allowed)} processors are there")
    by_core: dict[str, list[int]] = {}
    for cpu in allowed:
        by_core.setdefault(_core_of(cpu), []).append(cpu)
    firsts_first = sorted(
        (place, cpu) for cpus in by_core.values() for place, cpu in enumerate(cpus)
    )
    os.sched_setaffinity(0, {cpu for _, cpu in firsts_first[:threads]})


def _core_of(cpu: int) -> str:
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    try:
        return path.read_text().strip()
    except OSError:
        return str(cpu)


def describe(threads: int) -> str:
    """Name the processor, the instruction set in use and the threads."""
    config = densenet.show_config()
    processor = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        processor = next(line.split(":")[1].strip() for line in lines if "model name" in line)
    except (OSError, StopIteration):
        pass
    return (
        f"{processor}; {threads} thread{'s' if threads > 1 else ''}; densenet {config['version']} "
        f"({config['instruction_set']}, {config['compiler']}); NumPy {config['numpy']}"
    )


def _best(measure: Callable[[int], float], threads: int) -> float:
    """Take the faster of one thread and all: sharing does not pay for small work."""
    return max(measure(count) for count in (1, threads))


class Machine:
    """Peaks for a number of threads, as medians of all measurements so far."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._flops: list[float] = []
        self._bandwidths: dict[int, list[float]] = {}

    def measure(self, footprint: int) -> None:
        """Measure the multiply-adds, and the bandwidth of in-place work on so many bytes."""
        self._flops.append(_core.multiply_add_peak(self._threads, _ROUNDS) * 1e9)
        n = max(1024, footprint // _BYTES)
        for _ in range(5 if footprint < 1 << 25 else 1):
            rate = _best(lambda threads: _core.update_bandwidth(threads, n), self._threads)
            self._bandwidths.setdefault(footprint, []).append(rate * 1e9)

    def flops(self, itemsize: int = 4) -> float:
        """FLOP/s; vectors hold half as many elements in double precision."""
        if not self._flops:
            self.measure(1 << 16)
        return median(self._flops) * 4 / itemsize

    def bandwidth(self, footprint: int) -> float:
        """Bytes/s of reading and writing arrays of so many bytes in place."""
        if footprint not in self._bandwidths:
            self.measure(footprint)
        return median(self._bandwidths[footprint])
