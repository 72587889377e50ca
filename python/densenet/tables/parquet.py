"""Read tables in Parquet with pyarrow: numbers stay numbers, all else becomes text."""

import re
from collections.abc import Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

from densenet._extras import require
from densenet._typing import Array
from densenet.tables.cells import clean
from densenet.tables.date_formats import without_midnights
from densenet.tables.numerals import PLAIN, Guess
from densenet.tables.table import Table, check_names

__all__ = ["read_parquet"]

_INDEX = re.compile(r"__index_level_\d+__")
_ZEROS = re.compile(r"\.0+(?=$|Z$|[-+])")  # after the seconds, which CSV files leave out


def read_parquet(path: Path, words: Collection[str], index: str) -> Table:
    """Read a table of at least one row; integers and decimals stay exact.

    Parameters
    ----------
    path : Path
    words : collection of str
        Words for a missing cell, as `densenet.tables.cells.clean` takes them.
    index : str
        The reason to note for leaving out an index that pandas wrote.

    Raises
    ------
    OSError
        If the file cannot be read.
    ImportError
        If pyarrow is missing.
    ValueError
        If the file is no Parquet, or has no rows, no columns, or names that repeat.

    Examples
    --------
    >>> import os, tempfile
    >>> import pyarrow as arrow
    >>> from pyarrow import parquet
    >>> from densenet.tables import read_table
    >>> path = os.path.join(tempfile.mkdtemp(), "a.parquet")
    >>> parquet.write_table(arrow.table({"n": [1, None], "flag": [True, False]}), path)
    >>> table = read_table(path)
    >>> table.texts("n").tolist(), table.texts("flag").tolist()
    (['1', ''], ['True', 'False'])
    """
    require("reading Parquet", "parquet", "pyarrow")
    import pyarrow as arrow
    from pyarrow import parquet

    with path.open("rb") as file:
        try:
            read = parquet.ParquetFile(file).read()
        except (arrow.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: not readable as Parquet: {reason}") from None
    check_names(str(path), read.column_names)
    if not len(read):
        raise ValueError(f"{path}: expected rows, got none")
    columns, unreadable = {}, {}
    for name, column in zip(read.column_names, read.columns, strict=True):
        try:
            columns[name] = _from_arrow(column, words)
        except arrow.ArrowException:
            unreadable[name] = str(column.type)
    unnamed = {name: index for name in columns if _INDEX.fullmatch(name)}
    numbers = np.arange(1, 1 + len(read))
    exact = [field.name for field in read.schema if _is_number(field.type)]
    guesses = {name: Guess(PLAIN) for name in exact}
    return Table(str(path), columns, numbers, "row", unreadable, guesses, unnamed)


def _is_number(kind: Any) -> bool:
    from pyarrow import types

    return bool(types.is_integer(kind) or types.is_decimal(kind))


def _from_arrow(column: Any, words: Collection[str]) -> Array:
    from pyarrow import types

    kind = column.type
    if types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if types.is_floating(kind):
        numbers: Array = column.to_numpy()  # null becomes NaN
        return numbers
    if types.is_integer(kind) and not column.null_count:
        integers: Array = column.to_numpy()
        return integers
    if types.is_boolean(kind) or types.is_decimal(kind) or str(kind) == "extension<arrow.uuid>":
        texts = [_text(value) for value in column.to_pylist()]
        return np.array(clean(texts, words), object)
    if types.is_duration(kind):
        seconds = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        counts = column.cast("int64").to_numpy().astype(np.float64)
        durations: Array = counts / seconds
        return durations
    texts = [text or "" for text in column.cast("string").to_pylist()]
    if types.is_timestamp(kind) or types.is_time(kind):
        texts = without_midnights([_ZEROS.sub("", text) for text in texts])
    return np.array(clean(texts, words), object)


def _text(value: object) -> str:
    """Write a value as CSV files have it: True as Python does, a decimal without an exponent."""
    if value is None:
        return ""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
