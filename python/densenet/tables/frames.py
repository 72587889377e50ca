"""The columns of frames, mappings and arrays: which there are, and their cells."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.tables.date_formats import as_texts
from densenet.tables.periods import as_moments, begin

__all__ = ["cells_of", "columns_of", "is_categorical"]

_NOT_A_TIME = np.datetime64("NaT", "Y")
_NO_FRACTION = re.compile(r"\.0+$")
_NESTED = re.compile(r"((large_)?list(_view)?|fixed_size_list|array|struct|map)[<(]", re.IGNORECASE)
"""Types of polars and Arrow whose cells have parts."""


def columns_of(name: str, data: Any) -> list[tuple[Any, Any]]:
    """Give the columns of a frame (pandas, polars, Arrow), mapping or matrix, each with its label.

    Nothing is copied. The label of a matrix's column is its number.

    Parameters
    ----------
    name : str
        The argument that `data` is, for error messages.
    data : frame, mapping or array of shape (rows, columns)

    Raises
    ------
    TypeError
        If `data` is none of these, or a query not yet run.

    Examples
    --------
    >>> from densenet.tables.frames import columns_of
    >>> columns_of("X", {"a": [1, 2], "b": ["x", "y"]})
    [('a', [1, 2]), ('b', ['x', 'y'])]
    """
    data = _checks.unwrapped(name, data)
    found = _checks.pairs(data)
    if found is not None:
        return found
    if callable(getattr(data, "items", None)):
        return list(data.items())
    if isinstance(data, np.ndarray) and data.ndim == 2:
        return list(enumerate(data.T))
    got = _checks.describe(data)
    raise TypeError(f"{name}: expected a mapping from names to cells, got {got}")


def cells_of(name: str, column: Any) -> tuple[Array, bool]:
    """Give the cells of a column as numbers, NaN where missing, or as texts, "" where missing.

    Numbers in an array of numbers are not copied. Dates become texts in the form of ISO 8601, and
    so do periods of pandas, by their first moment. Time spans become seconds, bytes become the text
    that they are in UTF-8, whatever else becomes its text. Missing are None, NaN, and what pandas
    marks as such.

    Parameters
    ----------
    name : str
        What to call the column in error messages.
    column : array-like of shape (rows,)

    Returns
    -------
    cells : array of shape (rows,)
    are_own : bool
        False if they are texts that stand for other things, such as decimals.

    Raises
    ------
    ValueError
        If a column has another shape, or its cells are complex numbers, bytes that are no text,
        time spans in months, or have parts, as those of lists, structs and maps do.

    Examples
    --------
    >>> from densenet.tables.frames import cells_of
    >>> cells, are_own = cells_of("size", ["S", None, float("nan")])
    >>> cells.tolist(), are_own
    (['S', '', ''], True)
    >>> import numpy as np
    >>> cells_of("day", np.array(["2024-02-29", "NaT"], "datetime64[ns]"))[0].tolist()
    ['2024-02-29', '']
    """
    column = _checks.decoded(column)
    typed = str(getattr(column, "dtype", getattr(column, "type", "")))
    if _NESTED.match(typed):
        raise ValueError(f"{name}: expected numbers or texts, got {typed}")
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind in ("i", "u") and getattr(column, "hasnans", False):  # a column of pandas
        column = column.to_numpy(object)  # not float64, which is inexact
    texts = _own_texts(name, column)
    if texts is not None:
        return np.array([text or "" for text in texts], object), False
    column, zoned = _in_utc(as_moments(column))
    values = _checks.as_array(name, _checks.exact(column))
    if values.ndim != 1:
        raise ValueError(f"{name}: expected shape (rows,), got {values.shape}")
    if values.dtype.kind == "f" and _are_rounded(column, values):
        values = np.array(column, object)
    match values.dtype.kind:
        case "i" | "u" | "f":
            return values, True
        case "m":
            if values.dtype.str[3:] in ("[Y]", "[M]"):
                raise ValueError(f"{name}: expected numbers or texts, got {values.dtype}")
            return values / np.timedelta64(1, "s"), True
        case "M":
            return np.array(as_texts(values, utc=zoned), object), True
        case "c":
            raise ValueError(f"{name}: Complex data not supported: expected numbers or texts")
    cells = values.tolist()
    kinds = set(map(type, cells))
    nested = kinds & {list, tuple, dict, set, np.ndarray}
    if nested:
        kinds_of_cells = ", ".join(sorted(kind.__name__ for kind in nested))
        raise ValueError(f"{name}: expected numbers or texts, got cells of type {kinds_of_cells}")
    spans = _seconds(cells, kinds)
    if spans is not None:
        return spans, True
    moments = _moments(cells, kinds)
    if moments is not None:
        return np.array(as_texts(moments), object), True
    if bytes in kinds:
        cells = [_from_bytes(name, cell) for cell in cells]
    are_own = any(issubclass(kind, str | bytes) for kind in kinds)
    return np.array([_text(cell) for cell in cells], object), are_own


def _are_rounded(column: Any, values: Array) -> bool:
    """Tell a list of which NumPy made floats, though it has integers beyond 2**53."""
    if not isinstance(column, list | tuple) or not np.any(np.abs(values) >= 2**53):
        return False
    return any(isinstance(cell, int) and abs(cell) >= 2**53 for cell in column)


def _own_texts(name: str, column: Any) -> list[str | None] | None:
    """Give columns of Arrow that NumPy or Python cannot hold as texts, as from files of Parquet.

    None stands for any other column. Times of day in Python end at microseconds, and those that are
    none begin a new day; NumPy has ids as their bytes.

    Raises
    ------
    ValueError
        If a column is of bytes of one length, of time spans with months, or of times of day that
        are beyond a day.
    """
    kind = str(getattr(column, "dtype", getattr(column, "type", "")))
    if kind.startswith(("fixed_size_binary", "month_day_nano_interval")):
        raise ValueError(f"{name}: expected numbers or texts, got {kind}")
    if not kind.startswith(("time32[", "time64[", "extension<arrow.uuid>")):
        return None
    cells = column.array.__arrow_array__() if kind.endswith("[pyarrow]") else column
    if not kind.startswith("time"):
        return [None if cell is None else str(cell) for cell in cells.to_pylist()]
    texts = [text and _NO_FRACTION.sub("", text) for text in cells.cast("string").to_pylist()]
    beyond = next((text for text in texts if text and not text[0].isdigit()), None)
    if beyond is not None:
        raise ValueError(f"{name}: expected times of day, got {kind} with {beyond}")
    return texts


def _seconds(cells: list[Any], kinds: set[type]) -> Array | None:
    """Give objects that are time spans in seconds, NaN where missing; None if there are others."""
    are_spans = {kind: issubclass(kind, timedelta) for kind in kinds}
    if not any(are_spans.values()):
        return None
    if any(not are_spans[type(cell)] and _text(cell) for cell in cells):
        return None
    return np.array([cell.total_seconds() if are_spans[type(cell)] else np.nan for cell in cells])


def _moments(cells: list[Any], kinds: set[type]) -> Array | None:
    """Give objects that are periods of pandas as moments; None if there are others."""
    periods = {kind for kind in kinds if hasattr(kind, "ordinal") and hasattr(kind, "freqstr")}
    if not periods or any(type(cell) not in periods and _text(cell) for cell in cells):
        return None
    return np.array(
        [
            begin(cell.freqstr, np.asarray(cell.ordinal)) if type(cell) in periods else _NOT_A_TIME
            for cell in cells
        ]
    )


def _from_bytes(name: str, cell: Any) -> Any:
    """Give bytes as the text that they are in UTF-8, as from files of Parquet; else the cell."""
    if not isinstance(cell, bytes):
        return cell
    try:
        return cell.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{name}: expected numbers or texts, got bytes, not in UTF-8") from None


def _in_utc(column: Any) -> tuple[Any, bool]:
    """Give moments of a time zone as those of UTC, and True; any other column as it is.

    NumPy's moments have no zone, and those of polars and Arrow become such in UTC by themselves.
    pandas makes objects of its own, which take ten times as long.
    """
    kind: Any = getattr(column, "dtype", getattr(column, "type", None))
    if str(kind).startswith("timestamp") and str(kind).endswith("[pyarrow]"):
        column = column.array.__arrow_array__()
        kind = column.type
    zone = getattr(kind, "time_zone", None) or getattr(kind, "tz", None)
    if zone is not None and hasattr(column, "isna"):
        column = np.asarray(column, f"datetime64[{kind.unit}]")
    return column, zone is not None


def _text(cell: object) -> str:
    """Write a cell as a text, "" if it is None, NaN, or what pandas has for a missing one."""
    if isinstance(cell, str):
        return cell
    text = f"{cell:f}" if isinstance(cell, Decimal) else str(cell)
    return "" if text in _checks.MISSING_OBJECTS else text


def is_categorical(column: Any) -> bool:
    """Tell whether a column of pandas, polars or Arrow is of a type for categories.

    Examples
    --------
    >>> from densenet.tables.frames import is_categorical
    >>> import numpy as np
    >>> is_categorical(np.array([1, 2]))
    False
    """
    kind = getattr(column, "dtype", getattr(column, "type", None))
    return getattr(kind, "name", None) == "category" or str(kind).startswith(
        ("Categorical", "Enum", "dictionary<")
    )
