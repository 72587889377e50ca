"""Periods of pandas, such as months and quarters, as the moments at which they begin."""

from typing import Any

import numpy as np
import numpy.typing as npt

from densenet._typing import Array

_MONTHS = {"Y": 12, "A": 12, "Q": 3, "M": 1}
_LAST_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_LAST_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_UNITS = {"H": "h", "T": "m", "min": "m", "S": "s", "L": "ms", "U": "us", "N": "ns"}
"""Names of pandas for units of NumPy, and those from before its version 2.2."""
_MISSING = np.iinfo(np.int64).min  # what NaT is


def as_moments(column: Any) -> Any:
    """Give a column of periods as datetime64, any other column as it is.

    Arrow and polars have them as a type of pandas' own.

    Examples
    --------
    >>> from densenet.tables.periods import as_moments
    >>> as_moments(["a"])
    ['a']
    """
    kind: Any = getattr(column, "dtype", getattr(column, "type", None))
    if "pandas.period" in str(kind):
        column = column.to_pandas()
        kind = getattr(column, "dtype", None)
    frequency = str(kind).removeprefix("period[").removesuffix("]")
    is_period = str(kind).startswith("period[")
    return begin(frequency, getattr(column, "array", column).asi8) if is_period else column


def begin(frequency: str, counts: npt.NDArray[np.int64]) -> Array:
    """Give the moments at which periods begin, NaT for the least integer, as pandas stores them.

    Parameters
    ----------
    frequency : str
        As pandas writes it: "M", "Q-OCT" of years that end in October, "2D" in steps of two days.
    counts : array of int64
        Periods since that of 1 January 1970, whatever the step.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.periods import begin
    >>> begin("M", np.array([0, 648])).astype(str).tolist()
    ['1970-01', '2024-01']
    """
    unit, _, last = frequency.lstrip("0123456789").partition("-")
    known = np.where(counts == _MISSING, 0, counts)
    if unit in _MONTHS:
        last_month = _LAST_MONTHS.index(last or "DEC")
        moments = (_MONTHS[unit] * known + last_month - 11).astype("M8[M]")
    elif unit == "W":
        moments = (7 * known + _LAST_DAYS.index(last or "SUN") - 10).astype("M8[D]")
    elif unit == "B":
        moments = np.busday_offset(np.zeros((), "M8[D]"), known)
    else:
        moments = known.astype(f"M8[{_UNITS.get(unit, unit)}]")
    return np.where(counts == _MISSING, np.datetime64("NaT", "Y"), moments)
