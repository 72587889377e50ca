"""Numbers of few decimals, held as whole numbers: half the memory or less, the same bits."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from densenet._typing import Array

_LEAST = 1 << 12  # numbers of a column from which on their memory matters
_FEW = 1000  # numbers that tell how many decimals there may be
_MOST = 9  # decimals: with more, whole numbers would hardly fit in four bytes


@dataclass(frozen=True, eq=False)
class Decimals:
    """Numbers that are ``whole / power``, to the last bit, and NaN where `whole` is `gap`.

    Both `whole` and a power of ten are exact in float64, so a division rounds once, as reading the
    decimal number does.

    Parameters
    ----------
    whole : integer array of shape (rows,)
    power : float
    gap : int

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.decimals import Decimals
    >>> numbers = Decimals(np.array([15, -128, 3], np.int8), 10.0, -128)
    >>> numbers[:].tolist(), float(numbers[2]), len(numbers)
    ([1.5, nan, 0.3], 0.3, 3)
    """

    whole: Array
    power: float
    gap: int

    def __len__(self) -> int:
        return len(self.whole)

    def __getitem__(self, rows: "Array | slice | int") -> npt.NDArray[np.float64]:
        whole = self.whole[rows]
        numbers: npt.NDArray[np.float64] = np.where(whole == self.gap, np.nan, whole / self.power)[
            ()
        ]
        return numbers


Values: TypeAlias = Array | Decimals
"""The numbers of a column, which are an array when rows of them are asked for."""


def shortened(values: Array) -> Values:
    """Give many float64 as `Decimals`, if these give them back to the last bit.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.decimals import shortened
    >>> prices = np.round(np.random.default_rng(0).uniform(0, 100, 20_000), 2)
    >>> held = shortened(prices)
    >>> held.whole.dtype.name, bool(np.all(held[:] == prices))
    ('int16', True)
    >>> type(shortened(prices / 3)).__name__
    'ndarray'
    """
    if values.dtype != np.float64 or len(values) < _LEAST:
        return values
    few = values[:_FEW]
    for decimals in range(_MOST + 1):
        power = 10.0**decimals
        if _whole(few, power) is not None:
            break
    else:
        return values
    whole = _whole(values, power)
    if whole is None:
        return values
    furthest = float(np.abs(whole).max())
    for kind in (np.int8, np.int16, np.int32):
        limits = np.iinfo(kind)
        if furthest <= limits.max:
            missing = values != values
            return Decimals(np.where(missing, limits.min, whole).astype(kind), power, limits.min)
    return values


def _whole(values: Array, power: float) -> Array | None:
    """Give the whole numbers, 0 for NaN, which divided by the power are the values; or None."""
    with np.errstate(over="ignore"):
        whole = np.where(np.isnan(values), 0.0, np.rint(values * power)) + 0.0  # no -0.0
    back = whole / power
    same = (back == values) & (np.signbit(back) == np.signbit(values))
    fits = np.all(same | np.isnan(values)) and np.all(np.abs(whole) <= np.iinfo(np.int32).max)
    return whole if fits else None
