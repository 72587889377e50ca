"""Checks of frames, whose columns may differ in type, and of all that can become an array."""

from typing import Any

import numpy as np

from densenet._checks.arrays import as_array, describe
from densenet._typing import Array


def plain(name: str, value: Any) -> Array:
    """Give an array, list, series or frame as a NumPy array; a frame's columns must be numbers.

    Gaps in a series or a frame, which its library marks in its own way, are refused: NumPy makes
    NaN of them.
    """
    if type(value) is np.ndarray:  # fast, for the prediction of one row takes microseconds
        return value
    _here(name, value)
    value = unwrapped(name, value)
    if pairs(value) is not None:
        return _matrix(name, value)
    value = decoded(value)
    array = as_array(name, value)
    if array.dtype == object and str(_kind(value)).lower().startswith("decimal"):
        array = array.astype(np.float64)
    if library(value) in ("pandas", "polars", "pyarrow") and array.dtype.kind == "f":
        gaps = 0 if isinstance(_kind(value), np.dtype) else int(np.isnan(array).sum())
        if gaps:
            raise ValueError(
                f"{name}: expected numbers without gaps, got {gaps} of {len(array)} missing"
            )
    return array


def _kind(column: Any) -> Any:
    """Give the type of a column or a series in its library's terms; that of Arrow is `type`."""
    return getattr(column, "dtype", getattr(column, "type", None))


def library(value: Any) -> str:
    """Name the package of a value's class; a class may have none, as those of ctypes' arrays."""
    return str(type(value).__module__ or "").partition(".")[0].lstrip("_")


MISSING_OBJECTS = ("None", "nan", "NaN", "NaT", "<NA>")
"""What `str` makes of None, of NaN, and of NaT and NA of pandas."""

_QUERIES = {
    ("polars", "LazyFrame"): "run the query first, by collect()",
    ("duckdb", "DuckDBPyRelation"): "run the query first, by df(), pl() or to_arrow_table()",
    ("ibis", "Table"): "run the query first, by to_pandas(), to_polars() or to_pyarrow()",
    ("pyarrow", "RecordBatchReader"): "read it first, by read_all()",
}


def unwrapped(name: str, value: Any) -> Any:
    """Give the frame that one of narwhals wraps, else the value; refuse what is yet to be read."""
    if library(value) == "narwhals":
        value = value.to_native()
    its, kind = library(value), type(value).__name__
    advice = _QUERIES.get((its, kind), "")
    if its == "pyarrow" and hasattr(value, "to_table"):  # a Scanner or one of several Datasets
        advice = "read it first, by to_table()"
    if advice:
        raise TypeError(f"{name}: expected rows in memory, got {kind} of {its}: {advice}")
    return value


def _here(name: str, value: Any) -> None:
    """Refuse data that lie elsewhere, for NumPy would read them whole, however many there are."""
    its = library(value)
    if its in ("h5py", "dask", "dask_expr", "zarr", "netCDF4", "tensorstore"):
        raise TypeError(
            f"{name}: expected rows in memory or in an np.memmap, got {describe(value)} of "
            f"{its}: read it into an array, or learn from it in chunks, as densenet.chunks does"
        )


def columns(name: str, value: Any) -> list[Array]:
    """Check that a frame has numbers in every column and give the columns; [] if it is no frame.

    Numbers may have a type of NumPy or of the frame's library, or be objects and texts that
    Python's ``float`` reads. A gap, which such a type marks in its own way, is no number.
    """
    found = pairs(unwrapped(name, value)) or []
    return [_numbers(name, label, column) for label, column in found]


def pairs(value: Any) -> list[tuple[Any, Any]] | None:
    """Give the columns of a frame, of pandas, polars, Arrow or alike, each with its label.

    None stands for what is no frame.
    """
    if hasattr(value, "dtypes") and hasattr(value, "columns"):
        cells = getattr(value, "iloc", value)  # by position, for pandas allows a label twice
        return [(label, cells[:, position]) for position, label in enumerate(value.columns)]
    if is_arrow(value):
        return [(label, value.column(i)) for i, label in enumerate(value.column_names)]
    return None


def is_arrow(value: Any) -> bool:
    """Tell a table or a batch of Arrow."""
    names = library(value), type(value).__name__
    return names in (("pyarrow", "Table"), ("pyarrow", "RecordBatch"))


_ENCODED = ("dictionary<", "run_end_encoded<", "string_view", "binary_view")
"""Types of Arrow that pandas may hold, and NumPy cannot read from it."""


def decoded(column: Any) -> Any:
    """Give a column of Arrow that has categories or runs as its values, any other as it is.

    NumPy takes a gap among categories for the last one, if the column is one of a table (pyarrow
    26): the number of its category is -1; and it rounds long integers in runs that have a gap.
    Arrow's booleans of a byte each become its usual ones. A series of pandas in one of these types,
    or in one for texts that NumPy cannot read from it, becomes the column of Arrow that it holds.
    """
    kind: Any = _kind(column)
    typed = str(kind)
    if typed.endswith("[pyarrow]") and typed.startswith(_ENCODED):
        column = getattr(column, "array", column).__arrow_array__()
        kind = column.type
    if typed.startswith("dictionary<"):
        return _categories_as_values(column, kind)
    if typed.startswith("run_end_encoded<"):
        from pyarrow import ArrowNotImplementedError, compute

        try:
            return compute.run_end_decode(column)
        except ArrowNotImplementedError:  # runs of views, which NumPy cannot read either
            return column
    return column.cast("bool") if typed == "extension<arrow.bool8>" else column


def _categories_as_values(column: Any, kind: Any) -> Any:
    """Write categories of Arrow out, of which it cannot do those whose values are views."""
    values = str(kind.value_type)
    if values.endswith("_view"):
        import pyarrow

        plain = {"string_view": pyarrow.large_string(), "binary_view": pyarrow.large_binary()}
        kind = pyarrow.dictionary(kind.index_type, plain[values])
        column = column.cast(kind)
    return column.cast(kind.value_type)


def exact(column: Any) -> Any:
    """Give the integers of a column of polars or Arrow as objects where NumPy's would be inexact.

    With gaps they become float64, which has no whole numbers beyond 2**53; and NumPy has no
    integers of 128 bits.
    """
    column = decoded(column)
    kind = str(getattr(column, "dtype", getattr(column, "type", ""))).lower()
    to_list = getattr(column, "to_list", getattr(column, "to_pylist", None))
    if not kind.startswith(("int", "uint")) or to_list is None or hasattr(column, "isna"):
        return column
    if not kind.endswith("128"):
        values = np.asarray(column)
        if values.dtype.kind != "f" or not np.any(np.abs(values) >= 2**53):
            return values
    return np.array(to_list(), object)


def _numbers(name: str, label: Any, column: Any) -> Array:
    kind = _kind(column)
    try:
        values = np.asarray(exact(column))
        if values.dtype.kind in "biuf" and isinstance(kind, np.dtype):
            return values
        if {values.dtype.kind, getattr(kind, "kind", "")} & set("mMc"):
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
            f"{name}: expected numbers in every column, got {kind} in column {label!r}"
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
    kinds = set(frame.dtypes) if hasattr(frame, "iloc") else set()
    if len(kinds) == 1 and isinstance(kinds.pop(), np.dtype):
        return np.asarray(frame, dtype)  # pandas may store them as a matrix
    return np.stack(found, axis=1, dtype=dtype, casting="same_kind")
