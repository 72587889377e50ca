"""Time functions fairly: warmed up, in interleaved rounds; medians, and how sure they are."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

_SAMPLE = 1e-3  # seconds: the least length of a sample, far above the clock's resolution


class Timing(NamedTuple):
    """Quartiles of samples, in seconds."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, samples: Sequence[float]) -> "Timing":
        """Summarise samples."""
        low, median, high = np.percentile(samples, [25, 50, 75])
        return cls(float(low), float(median), float(high))

    @property
    def spread(self) -> float:
        """Half the distance between the quartiles, relative to the median."""
        return (self.high - self.low) / 2 / self.median

    def __str__(self) -> str:
        return f"{micros(self.median)} ±{100 * self.spread:.0f}%"


def micros(seconds: float) -> str:
    """Microseconds with three digits that matter."""
    value = seconds * 1e6
    return f"{value:,.0f}" if value >= 99.95 else f"{value:.3g}"


def median_interval(samples: Sequence[float], doubt: float = 0.01) -> tuple[float, float]:
    """Give an interval that misses the median with a probability of at most ``doubt``.

    Its ends are samples, so nothing is assumed of the distribution: of n samples, the number below
    the median is binomial (W. R. Thompson, 1936). Too few samples give an infinite interval.
    """
    ordered, n = sorted(samples), len(samples)
    rank, tail = 0, 0.5**n  # that at most so many of n samples lie below the median
    while tail <= doubt / 2:
        rank += 1
        tail += math.comb(n, rank) * 0.5**n
    if not rank:
        return -math.inf, math.inf
    return ordered[rank - 1], ordered[n - rank]


class Budget:
    """Seconds to be spent, from now on, and dealt out in equal shares."""

    def __init__(self, seconds: float) -> None:
        self._end = time.perf_counter() + seconds

    @property
    def left(self) -> float:
        """Seconds that remain, at least 0."""
        return max(0.0, self._end - time.perf_counter())

    def share(self, parts: int) -> float:
        """Seconds for the next one of so many parts: what one saves or overspends, all share."""
        return self.left / parts


def _elapsed(function: Callable[[], object], repeats: int) -> float:
    start = time.perf_counter()
    for _ in range(repeats):
        function()
    return time.perf_counter() - start


def _repeats(function: Callable[[], object]) -> int:
    """Warm up; count the calls that fill a sample."""
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
    """Time each function in turn, round after round.

    Parameters
    ----------
    functions : mapping of str to function without arguments
    seconds : float
        To be spent on all of them together, warming up included.
    pause : float
        Seconds of rest before each turn. Thread pools go on spinning for a while after their last
        work and would take a processor from the next function; after a pause, short functions
        begin with an untimed sample, since the processor has to wake up.
    least_rounds, most_rounds : int
        Taken even if there is no time for so many, or for more.
    each_round : function
        Called at the beginning of each round.

    Returns
    -------
    dict of str to list of float
        Seconds of one call, in each round.
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
        turns.reverse()  # so that nobody always follows the same one
    return samples
