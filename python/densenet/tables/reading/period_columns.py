"""Columns of Parquet that pandas wrote as periods: whole numbers, but for a note."""

import json
from typing import Any

import numpy as np

from densenet.tables.periods import begin
from densenet.tables.reading.arrow_cells import as_numpy


def column_of(rows: Any, name: str) -> Any:
    """Give a column of a table or a batch as a ChunkedArray, periods as their first moments.

    Parameters
    ----------
    rows : pyarrow.Table or pyarrow.RecordBatch
    name : str

    Examples
    --------
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.period_columns import column_of
    >>> note = {"ARROW:extension:name": "pandas.period", "ARROW:extension:metadata": '{"freq":"M"}'}
    >>> field = arrow.field("month", arrow.int64(), metadata=note)
    >>> months = arrow.table([[0, None]], arrow.schema([field]))
    >>> column_of(months, "month").cast("string").to_pylist()
    ['1970-01-01 00:00:00.000000', None]
    """
    import pyarrow as arrow

    column, frequency = rows.column(name), _frequency(rows.schema.field(name))
    column = column if isinstance(column, arrow.ChunkedArray) else arrow.chunked_array([column])
    return _timestamps(column.cast(arrow.int64()), frequency) if frequency else column


def _frequency(field: Any) -> str:
    """Give the frequency of a column of periods, "" of any other.

    Arrow has a type for them once pandas has told it; until then it has numbers and a note.
    """
    if getattr(field.type, "extension_name", "") == "pandas.period":
        return str(field.type.freq)
    note = field.metadata or {}
    if note.get(b"ARROW:extension:name") != b"pandas.period":
        return ""
    return str(json.loads(note[b"ARROW:extension:metadata"])["freq"])


def _timestamps(counts: Any, frequency: str) -> Any:
    """Give the moments at which periods begin; null where missing."""
    import pyarrow as arrow
    from pyarrow import compute

    is_gap, kind = counts.is_null(), arrow.timestamp("us")
    times = np.zeros(len(counts), np.int64)
    moments = begin(frequency, as_numpy(counts.drop_null())).astype("M8[us]")
    times[as_numpy(is_gap.cast("uint8")) == 0] = moments.view(np.int64)
    buffers = [None, arrow.py_buffer(times)]  # `pyarrow.array` would import pandas
    told = arrow.Array.from_buffers(kind, len(times), buffers)
    return compute.if_else(is_gap, arrow.nulls(1, kind)[0], told)
