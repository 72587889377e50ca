"""The columns of frames, mappings and arrays: which there are, and their cells."""

from typing import Any

import numpy as np

from densenet import _checks
from densenet._typing import Array

__all__ = ["cells_of", "columns_of", "is_categorical"]


def columns_of(name: str, data: Any) -> list[tuple[Any, Any]]:
    """Give the columns of a frame (pandas, polars), mapping or matrix, each with its label.

    Nothing is copied. The label of a matrix's column is its number.

    Parameters
    ----------
    name : str
        The argument that `data` is, for error messages.
    data : frame, mapping or array of shape (rows, columns)

    Raises
    ------
    TypeError
        If `data` is none of these.

    Examples
    --------
    >>> from densenet.tables.frames import columns_of
    >>> columns_of("X", {"a": [1, 2], "b": ["x", "y"]})
    [('a', [1, 2]), ('b', ['x', 'y'])]
    """
    if hasattr(data, "dtypes") and hasattr(data, "columns"):
        by_position = getattr(data, "iloc", data)  # pandas allows a label twice
        return [(label, by_position[:, i]) for i, label in enumerate(data.columns)]
    if callable(getattr(data, "items", None)):
        return list(data.items())
    if isinstance(data, np.ndarray) and data.ndim == 2:
        return list(enumerate(data.T))
    got = _checks.describe(data)
    raise TypeError(f"{name}: expected a mapping from names to cells, got {got}")


def cells_of(name: str, column: Any) -> Array:
    """Give the cells of a column as numbers, NaN where missing, or as texts, "" where missing.

    Numbers in an array of numbers are not copied. Dates become texts in the form of ISO 8601, time
    spans become seconds, whatever else becomes its text. Missing are None, NaN, and what pandas
    marks as such.

    Parameters
    ----------
    name : str
        What to call the column in error messages.
    column : array-like of shape (rows,)

    Raises
    ------
    ValueError
        If a column has another shape, or its cells are complex numbers or sequences.

    Examples
    --------
    >>> from densenet.tables.frames import cells_of
    >>> cells_of("size", ["S", None, float("nan")]).tolist()
    ['S', '', '']
    >>> import numpy as np
    >>> cells_of("day", np.array(["2024-02-29", "NaT"], "datetime64[ns]")).tolist()
    ['2024-02-29', '']
    """
    values = _checks.as_array(name, column)
    if values.ndim != 1:
        raise ValueError(f"{name}: expected shape (rows,), got {values.shape}")
    match values.dtype.kind:
        case "i" | "u" | "f":
            return values
        case "m":
            seconds: Array = values / np.timedelta64(1, "s")
            return seconds
        case "M":
            return _dates(values)
        case "c":
            raise ValueError(f"{name}: Complex data not supported: expected numbers or texts")
    cells = values.tolist()
    nested = {type(cell) for cell in cells} & {list, tuple, dict, set, np.ndarray}
    if nested:
        raise ValueError(f"{name}: expected numbers or texts, got a {nested.pop().__name__}")
    return np.array(["" if _is_missing(cell) else str(cell) for cell in cells], object)


def is_categorical(column: Any) -> bool:
    """Tell whether a column of pandas or polars is of a type for categories.

    Examples
    --------
    >>> from densenet.tables.frames import is_categorical
    >>> import numpy as np
    >>> is_categorical(np.array([1, 2]))
    False
    """
    kind = getattr(column, "dtype", None)
    return getattr(kind, "name", None) == "category" or str(kind).partition("(")[0] in (
        "Categorical",
        "Enum",
    )


def _dates(values: Array) -> Array:
    """Write dates in the form of ISO 8601: days alone if no cell has a time of day."""
    days = values.astype("datetime64[D]")
    missing = np.isnat(values)
    has_times = bool(np.any(values[~missing] != days[~missing]))
    texts = np.datetime_as_string(values if has_times else days).astype(object)
    texts[missing] = ""
    return texts


def _is_missing(cell: Any) -> bool:
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float) and cell != cell
