"""Time functions fairly: warmed up and in turns; medians of the samples and their spread."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Samples = Sequence[float] | NDArray[np.float64]
Counts = Literal["median", "mean"]  # which of the two stands for a contender
Unit = Literal["µs", "ms"]

_SAMPLE = 1e-3  # least seconds of a sample, far above the clock's resolution


class Timing(NamedTuple):
    """The three quartiles of samples in seconds, the second of which is the median; their mean.

    ``processor`` is the mean time on processors, that of all threads together, where it was taken.
    """

    low: float
    median: float
    high: float
    mean: float
    processor: float | None = None

    @classmethod
    def of(cls, samples: Samples, processor: Samples = ()) -> "Timing":
        """Compute the quartiles and the mean of samples, and the mean time on processors."""
        low, median, high = np.percentile(samples, [25, 50, 75])
        of_processors = float(np.mean(processor)) if len(processor) else None
        return cls(float(low), float(median), float(high), float(np.mean(samples)), of_processors)

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median."""
        return (self.high - self.low) / 2 / self.median

    def text(self, counts: Counts = "median", unit: Unit = "µs") -> str:
        """Give the median or mean, and the spread."""
        return f"{written(getattr(self, counts), unit)} ±{100 * self.spread:.0f}%"

    def __str__(self) -> str:
        return self.text()


def micros(seconds: float) -> str:
    """Write seconds as microseconds."""
    return written(seconds, "µs")


def written(seconds: float, unit: Unit) -> str:
    """Write seconds in a unit, with three significant digits or all before the point."""
    value = seconds * {"µs": 1e6, "ms": 1e3}[unit]
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def median_interval(samples: Sequence[float], doubt: float = 0.01) -> tuple[float, float]:
    """Give a confidence interval of the median: it misses it with probability ``doubt`` at most.

    Its ends are samples, and nothing is assumed of their distribution: of n samples, the number
    below the true median is binomial with p = 1/2 (W. R. Thompson, "On confidence ranges for the
    median", 1936). The interval is infinite where there are too few samples.
    """
    ordered, n = sorted(samples), len(samples)
    rank, tail = 0, 0.5**n  # tail: the probability that at most `rank` samples lie below
    while tail <= doubt / 2:
        rank += 1
        tail += math.comb(n, rank) * 0.5**n
    if not rank:
        return -math.inf, math.inf
    return ordered[rank - 1], ordered[n - rank]


class Budget:
    """Seconds to spend from now on, dealt out in equal shares."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds that remain, at least 0."""
        return max(0.0, self._end - time.perf_counter())

    def share(self, parts: int) -> float:
        """Give the seconds for the next of ``parts`` parts: an equal share of what is left."""
        return self.left / parts


def _elapsed(function: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return time.perf_counter() - start


def _repeats(function: Callable[[], object]) -> int:
    """Call the function until it is warm; give the number of calls that fill a sample."""
    repeats = 1
    while (elapsed := _elapsed(function, repeats)) < _SAMPLE:
        repeats *= 2 if elapsed > _SAMPLE / 8 else 8
    return repeats


def interleaved(
    functions: Mapping[str, Callable[[], object]],
    *,
    seconds: float,
    pause: float = 0.0,
    least_rounds: int = 3,
    most_rounds: int = 101,
    each_round: Callable[[], object] = lambda: None,
) -> dict[str, list[float]]:
    """Time functions in turns: every round takes one sample of each.

    Parameters
    ----------
    functions : mapping of str to function without arguments
    seconds : float
        Time for all functions together, warming up included.
    pause : float
        Seconds of rest before each turn. A thread pool goes on spinning for a while after its last
        work and would take a processor from the next function. After a pause, a short function
        takes an untimed sample first, for the processor has to wake up.
    least_rounds, most_rounds : int
        Bounds on the number of rounds, whatever the time.
    each_round : function
        Called at the beginning of every round.

    Returns
    -------
    dict of str to list of float
        For each function, the seconds of one call in each round.
    """
    budget = Budget(seconds)
    repeats = {name: _repeats(function) for name, function in functions.items()}
    samples: dict[str, list[float]] = {name: [] for name in functions}
    turns = list(functions.items())
    for done in range(most_rounds):
        if done >= least_rounds and not budget.left:
            break
        each_round()
        for name, function in turns:
            time.sleep(pause)
            if pause and repeats[name] > 1:
                _elapsed(function, repeats[name])
            samples[name].append(_elapsed(function, repeats[name]) / repeats[name])
        turns.reverse()  # no function always follows the same other one
    return samples
