"""Checks of frames, whose columns may differ in type, and of all that can become an array."""

from typing import Any

import numpy as np

from densenet._checks.arrays import as_array, describe
from densenet._typing import Array


def plain(name: str, value: Any) -> Array:
    """Give an array, list, series or frame as a NumPy array; a frame's columns must be numbers."""
    if type(value) is np.ndarray:  # fast, for the prediction of one row takes microseconds
        return value
    _here(name, value)
    return as_array(name, value) if _columns_of(value) is None else _matrix(name, value)


def _here(name: str, value: Any) -> None:
    """Refuse data that lie elsewhere, for NumPy would read them whole, however many there are."""
    library = type(value).__module__.partition(".")[0]
    if library in ("h5py", "dask", "dask_expr", "zarr"):
        raise TypeError(
            f"{name}: expected rows in memory or in an np.memmap, got {describe(value)} of "
            f"{library}: read it into an array, or learn from it in chunks, as densenet.chunks does"
        )


def columns(name: str, value: Any) -> list[Array]:
    """Check that a frame has numbers in every column and give the columns; [] if it is no frame.

    Numbers may have a type of NumPy or of the frame's library, or be objects and texts that
    Python's ``float`` reads. A gap, which such a type marks in its own way, is no number.
    """
    labels = _columns_of(value)
    if labels is None:
        return []
    cells = getattr(value, "iloc", value)  # by position, for pandas allows a label twice
    return [_numbers(name, label, cells[:, position]) for position, label in enumerate(labels)]


def _columns_of(value: Any) -> list[Any] | None:
    """Give the labels of a frame's columns, of pandas, polars or alike; None if it is no frame."""
    is_frame = hasattr(value, "dtypes") and hasattr(value, "columns")
    return list(value.columns) if is_frame else None


def _numbers(name: str, label: Any, column: Any) -> Array:
    values = np.asarray(column)
    own = values.dtype.kind in "biuf" and isinstance(column.dtype, np.dtype)
    if own:
        return values
    try:
        if values.dtype.kind in "mMc":
            raise TypeError
        if values.dtype.kind not in "biuf":
            by_pandas = hasattr(column, "isna")  # its own mark for a gap has to become NaN
            values = (
                column.to_numpy(np.float64, na_value=np.nan)
                if by_pandas
                else values.astype(np.float64)
            )
    except (TypeError, ValueError):
        raise TypeError(
            f"{name}: expected numbers in every column, got {column.dtype} in column {label!r}"
        ) from None
    if values.dtype.kind == "f" and np.isnan(values).any():
        raise ValueError(f"{name}: expected numbers in every column, got gaps in column {label!r}")
    return values


def _matrix(name: str, frame: Any) -> Array:
    """Join a frame's columns to one matrix, of a dtype that holds the numbers of all."""
    found = columns(name, frame)
    if not found:
        return np.empty(frame.shape)
    dtype = np.result_type(*found)
    if dtype.kind == "f" and dtype.itemsize not in (4, 8):  # half and long double
        dtype = np.result_type(dtype, np.float32) if dtype.itemsize < 4 else np.dtype(np.float64)
    if len({column.dtype for column in found}) == 1:  # the library may store them as a matrix
        return np.asarray(frame, dtype)
    return np.stack(found, axis=1, dtype=dtype, casting="same_kind")
