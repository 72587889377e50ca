"""Chunks of rows for `Network.fit`, from data that memory does not hold.

Each function gives a function for ``fit(chunks)``: it is called anew in each epoch, and reads one
chunk after the other.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from densenet import _checks
from densenet._extras import require
from densenet._typing import Array, Chunk, Chunks

__all__ = ["from_arrays", "from_dask", "from_parquet"]

_AT_ONCE = 2**23  # bytes of a chunk's x: reads of a disk at full speed, and little memory
_INDEX = "__index_level_"  # how the name of a column begins that holds the index of a frame


def from_arrays(x: Any, y: Any, sample_weight: Any = None, *, rows: int | None = None) -> Chunks:
    """Read chunks from data that can be sliced by rows: sets of h5py, arrays of zarr, TensorStore.

    Parameters
    ----------
    x : data of shape (n, inputs)
        ``x[begin:end]`` gives some rows as an array.
    y, sample_weight : data of shape (n,) or (n, ...)
        Of such a kind, or arrays in memory.
    rows : int, optional
        The number of rows of a chunk; by default x has 8 MiB in it. Results do not depend on it.

    Returns
    -------
    function
        For ``fit(chunks)``. Files have to be open while it trains.

    Raises
    ------
    TypeError, ValueError
        If x, y or `sample_weight` have no shape, other numbers of rows or none, or `rows` is no
        integer >= 1.

    Examples
    --------
    With h5py, ``x`` and ``y`` would be ``file["x"]`` and ``file["y"]``:

    >>> import numpy as np
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.chunks import from_arrays
    >>> x, y = np.arange(12.0).reshape(6, 2), np.arange(6.0)
    >>> network = Network([Linear(2, 1)], MeanSquaredError(), seed=0)
    >>> history = network.fit(from_arrays(x, y, rows=4), epochs=3, batch_size=2)
    >>> len(history.batch_loss)
    9
    """
    n = _shape("x", x, 2)[0]
    data = [x, y] if sample_weight is None else [x, y, sample_weight]
    for name, each in zip(("y", "sample_weight"), data[1:], strict=False):
        if (shape := _shape(name, each))[0] != n:
            raise ValueError(f"{name}: expected {n} rows, got shape {shape}")
    size = _rows(rows, x.shape[1] * getattr(getattr(x, "dtype", None), "itemsize", 8))

    def chunks() -> Iterator[Chunk]:
        for begin in range(0, n, size):
            yield tuple(_read(each[begin : begin + size]) for each in data)

    return chunks


def _read(rows: Any) -> Any:
    """Read some rows, for a slice of TensorStore is one that has not been read."""
    return np.asarray(rows) if _checks.library(rows) == "tensorstore" else rows


def from_dask(x: Any, y: Any, sample_weight: Any = None) -> Chunks:
    """Compute arrays of dask block by block: one block of rows is a chunk.

    Parameters
    ----------
    x : dask array of shape (n, inputs)
        A frame gives one by ``to_dask_array()``.
    y, sample_weight : dask arrays of shape (n,) or (n, ...)
        Their blocks of rows become those of x.

    Returns
    -------
    function
        For ``fit(chunks)``. With each call everything is computed anew.

    Raises
    ------
    ModuleNotFoundError
        If dask is missing.
    TypeError, ValueError
        If an argument is no dask array, or has other numbers of rows, or of blocks where numbers
        of rows are not known.

    Examples
    --------
    >>> import dask.array as da  # doctest: +SKIP
    >>> x, y = da.from_zarr("x.zarr"), da.from_zarr("y.zarr")  # doctest: +SKIP
    >>> network.fit(from_dask(x, y), epochs=3)  # doctest: +SKIP
    """
    require("from_dask", "dask", "dask")
    import dask

    given = {"x": x, "y": y} | ({} if sample_weight is None else {"sample_weight": sample_weight})
    for name, each in given.items():
        if not all(hasattr(each, method) for method in ("blocks", "chunks", "rechunk")):
            got = _checks.describe(each)
            raise TypeError(f"{name}: expected a dask array, got {got}")
    sizes = x.chunks[0]
    data = []
    for name, each in given.items():
        own = each.chunks[0]
        if np.isnan(sizes + own).any():  # unknown, as after a selection of rows
            if len(own) != len(sizes):
                raise ValueError(f"{name}: expected {len(sizes)} blocks of rows, got {len(own)}")
        elif sum(own) != sum(sizes):
            raise ValueError(f"{name}: expected {sum(sizes)} rows, got shape {each.shape}")
        elif own != sizes:
            each = each.rechunk({0: sizes})
        data.append(each)

    def chunks() -> Iterator[Chunk]:
        for block in range(len(sizes)):
            yield dask.compute(*(each.blocks[block] for each in data))

    return chunks


def from_parquet(
    path: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    target: str | Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    sample_weight: str | None = None,
    rows: int | None = None,
) -> Chunks:
    """Read chunks from Parquet files, one row group after the other (extra ``parquet``).

    Parameters
    ----------
    path : str or path, or a sequence of them
        Files with the same columns, read one after the other.
    target : str, or a sequence of them
        The column of y, or those of a y of shape (n, outputs).
    columns : sequence of str, optional
        The columns of x, in their order. By default all others of the first file but an index that
        pandas has written.
    sample_weight : str, optional
        The column of the rows' weights.
    rows : int, optional
        The most rows of a chunk; by default x has 8 MiB in it. Results do not depend on it.

    Returns
    -------
    function
        For ``fit(chunks)``.

    Raises
    ------
    ModuleNotFoundError
        If pyarrow is missing.
    OSError
        If a file cannot be read.
    TypeError, ValueError
        If a file is no Parquet or lacks a column, or a column has no numbers; while it trains, if a
        column has gaps.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as arrow
    >>> from pyarrow import parquet
    >>> from densenet import Linear, MeanSquaredError, Network
    >>> from densenet.chunks import from_parquet
    >>> path = os.path.join(tempfile.mkdtemp(), "rows.parquet")
    >>> table = arrow.table({"a": [1.0, 2.0, 3.0], "b": [0, 1, 0], "price": [3.0, 5.0, 4.0]})
    >>> parquet.write_table(table, path, row_group_size=2)
    >>> network = Network([Linear(2, 1)], MeanSquaredError(), seed=0)
    >>> history = network.fit(from_parquet(path, "price"), epochs=3, batch_size=2)
    >>> len(history.batch_loss)
    6
    """
    require("from_parquet", "parquet", "pyarrow")
    if isinstance(path, str | os.PathLike):
        paths = [_checks.path("path", path)]
    else:
        given = _checks.sequence("path", path, "paths")
        paths = [_checks.path(f"path[{index}]", each) for index, each in enumerate(given)]
    if not paths:
        raise ValueError("path: expected at least one file, got none")
    targets = [target] if isinstance(target, str) else _checks.texts("target", target)
    others = [] if sample_weight is None else [_checks.text("sample_weight", sample_weight)]
    with _opened(paths[0]) as file:
        names = file.schema_arrow.names
    if columns is None:
        taken = {*targets, *others}
        inputs = [each for each in names if each not in taken and not each.startswith(_INDEX)]
    else:
        inputs = _checks.texts("columns", columns)
    if not inputs or not targets:
        raise ValueError(f"{'target' if inputs else 'columns'}: expected at least one, got none")
    wanted = list(dict.fromkeys([*inputs, *targets, *others]))
    for each in paths:
        with _opened(each) as file:
            _check_columns(each, file.schema_arrow, wanted)
    size = _rows(rows, 8 * len(inputs))

    def chunk_of(batch: Any) -> Chunk:
        found = {name: _numbers(name, batch.column(name)) for name in wanted}
        x = np.stack([found[name] for name in inputs], axis=1)
        of_targets = [found[name] for name in targets]
        y = of_targets[0] if isinstance(target, str) else np.stack(of_targets, axis=1)
        return (x, y, found[others[0]]) if others else (x, y)

    def chunks() -> Iterator[Chunk]:
        for each in paths:
            with _opened(each) as file:
                # By `map`, which keeps nothing of a chunk while the next one is read.
                yield from map(chunk_of, file.iter_batches(size, columns=wanted))

    return chunks


def _shape(name: str, data: Any, dimensions: int = 1) -> tuple[int, ...]:
    """Give the shape of data, of at least one row and so many dimensions."""
    shape = getattr(data, "shape", None)
    if not isinstance(shape, tuple) or not hasattr(data, "__getitem__"):
        got = _checks.describe(data)
        raise TypeError(f"{name}: expected data with a shape that can be sliced by rows, got {got}")
    if len(shape) < dimensions or not shape[0]:
        words = "(n, inputs)" if dimensions == 2 else "(n,) or (n, ...)"
        raise ValueError(f"{name}: expected shape {words} with at least one row, got {shape}")
    return shape


def _rows(given: int | None, row: int) -> int:
    """Give the number of rows of a chunk, of which each has so many bytes."""
    return max(1, _AT_ONCE // max(1, row)) if given is None else _checks.count("rows", given)


def _opened(path: str | os.PathLike[str]) -> Any:
    """Open a Parquet file."""
    from pyarrow import ArrowException, parquet

    if not os.path.exists(path):
        raise FileNotFoundError(f"path: expected a file, got none at {os.fspath(path)!r}")
    try:
        return parquet.ParquetFile(path)
    except ArrowException as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"path: {os.fspath(path)} is not readable as Parquet: {reason}") from None


def _check_columns(path: str | os.PathLike[str], schema: Any, wanted: Sequence[str]) -> None:
    """Refuse a file that has not each of these columns once, with numbers in it."""
    from pyarrow import types

    for name in wanted:
        times = schema.names.count(name)
        if times != 1:
            raise ValueError(
                f"path: expected column {name!r} once in {os.fspath(path)}, got {times}"
            )
        kind = schema.field(name).type
        if not (types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)):
            raise TypeError(
                f"path: expected numbers in column {name!r} of {os.fspath(path)}, got {kind}"
            )


def _numbers(name: str, column: Any) -> Array:
    """Give a column's numbers; half floats, which the core cannot read, as float32."""
    if column.null_count:
        raise ValueError(f"column {name!r}: expected no gaps, got {column.null_count} in a chunk")
    numbers: Array = column.to_numpy(zero_copy_only=False)
    return numbers.astype(np.float32) if numbers.dtype == np.float16 else numbers
