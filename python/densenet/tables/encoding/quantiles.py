"""Quantiles of numbers that are sorted already, with the bits of NumPy's functions.

Those take 20 to 70 µs a call, most of it in Python, which is most of the time of a column of few
rows.
"""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from densenet._typing import Array


def median_of(ordered: npt.NDArray[np.float64]) -> float:
    """Give what `numpy.median` does of numbers in ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.encoding.quantiles import median_of
    >>> median_of(np.array([1.0, 2.0])), median_of(np.array([1.0, 2.0, 4.0]))
    (1.5, 2.0)
    """
    middle, is_odd = divmod(len(ordered), 2)
    if is_odd:
        return float(ordered[middle]) + 0.0  # NumPy gives no -0.0
    return (float(ordered[middle - 1]) + float(ordered[middle])) / 2 + 0.0


def quantile_of(ordered: npt.NDArray[np.float64], share: float) -> float:
    """Give what `numpy.quantile` does of numbers in ascending order.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.encoding.quantiles import quantile_of
    >>> quantile_of(np.array([1.0, 2.0, 4.0]), 0.75)
    3.0
    """
    place = (len(ordered) - 1) * share
    before = int(place)
    part = place - before
    low, high = float(ordered[before]), float(ordered[min(before + 1, len(ordered) - 1)])
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)


@lru_cache(maxsize=256)
def places_between(count: int, inner: int) -> Array:
    """Give the places, (inner,), of the quantiles that cut sorted numbers into `inner` + 1 parts.

    Each is that of an observed number, as `numpy.quantile` chooses the closest one.

    Examples
    --------
    >>> from densenet.tables.encoding.quantiles import places_between
    >>> places_between(9, 2).tolist()
    [2, 5]
    """
    shares = np.linspace(0, 1, inner + 2)[1:-1]
    places: Array = np.quantile(np.arange(count), shares, method="closest_observation")
    return places.astype(np.intp)
