"""Time functions fairly: warmed up, in interleaved rounds, as medians with their spread."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

_SAMPLE = 1e-3  # seconds: the least length of a sample, far above the clock's resolution
_MOST_ROUNDS = 101


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
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


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
    least_rounds: int = 5,
    pause: float = 0.0,
) -> dict[str, Timing]:
    """Time each function in turn, round after round.

    Parameters
    ----------
    functions : mapping of str to function without arguments
    seconds : float
        To be spent on all of them together.
    least_rounds : int
        Taken even if that takes longer.
    pause : float
        Seconds of rest before each turn. Thread pools go on spinning for a while after their last
        work and would take a processor from the next function; after a pause, short functions
        begin with an untimed sample, since the processor has to wake up.

    Returns
    -------
    dict of str to Timing
        Seconds of one call.
    """
    repeats = {name: _repeats(function) for name, function in functions.items()}
    samples: dict[str, list[float]] = {name: [] for name in functions}
    end = time.perf_counter() + seconds
    for done in range(_MOST_ROUNDS):
        if done >= least_rounds and time.perf_counter() > end:
            break
        for name, function in functions.items():
            if pause:
                time.sleep(pause)
                if repeats[name] > 1:
                    _elapsed(function, repeats[name])
            samples[name].append(_elapsed(function, repeats[name]) / repeats[name])
    return {name: Timing.of(taken) for name, taken in samples.items()}
