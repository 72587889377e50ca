"""Read tables in Parquet with pyarrow: numbers stay numbers, all else becomes text."""

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from densenet.tables.decimals import shortened
from densenet.tables.guess import Guess
from densenet.tables.names import check_names
from densenet.tables.numerals import PLAIN, Numerals
from densenet.tables.reading.arrow_cells import as_numpy, store, strings
from densenet.tables.reading.packed_numbers import PackedNumbers, pack_numbers
from densenet.tables.reading.parts import Joined, Part
from densenet.tables.reading.period_columns import column_of
from densenet.tables.reading.sources import Source
from densenet.tables.stored import Stored, StoredNumbers, smallest

__all__ = ["read_parquet", "store_typed"]

_READS = 64  # in so many parts are columns read, as pyarrow takes much room beside what it reads
_AT_ONCE = 1 << 18  # bytes of a column that are read at a time
_INDEX = re.compile(r"__index_level_\d+__")


def read_parquet(source: Source) -> Part:
    """Read a table of at least one row.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If the file is no Parquet, or has no rows, no columns, or names that repeat.

    Examples
    --------
    >>> import io
    >>> import pyarrow as arrow
    >>> from pyarrow import parquet
    >>> from densenet.tables.reading.parquet import read_parquet
    >>> from densenet.tables.reading.sources import Source
    >>> file = io.BytesIO()
    >>> parquet.write_table(arrow.table({"n": [1, None]}), file)
    >>> part = read_parquet(Source("a.parquet", file, True, False))
    >>> part.columns["n"][0].to_pylist(), part.places.tolist()
    ([1, None], [1, 2])
    """
    name = source.name
    columns: dict[str, list[Any]] = {}
    with _understood(name):
        file = _opened(source)
        names, rows = file.schema_arrow.names, file.metadata.num_rows
        _check(name, names, rows)
        width = -(-len(names) // _READS)
        for begin in range(0, len(names), width):
            some = names[begin : begin + width]
            # One thread takes a third of the time: most of it is waiting for memory.
            read = file.read(columns=some, use_threads=False)
            columns |= {one: pack_numbers(column_of(read, one)) for one in some}
    places = np.arange(1, 1 + rows, dtype=np.int32)
    return Part(name, columns, places, "row", _unnamed(names))


class ParquetGroups(NamedTuple):
    """What a Parquet file says of itself: its columns, and the rows of each row group.

    Attributes
    ----------
    names : list of str
    rows : list of int
    metadata : pyarrow.parquet.FileMetaData

    Examples
    --------
    >>> from densenet.tables.reading.parquet import ParquetGroups
    >>> ParquetGroups(["x"], [100, 20], None).rows
    [100, 20]
    """

    names: list[str]
    rows: list[int]
    metadata: Any


def parquet_groups(source: Source) -> ParquetGroups:
    """Look at the row groups of a Parquet file of at least one row, which is not packed.

    Errors are those of `read_parquet`.

    Examples
    --------
    >>> import io
    >>> import pyarrow as arrow
    >>> from pyarrow import parquet
    >>> from densenet.tables.reading.parquet import group_parts, parquet_groups
    >>> from densenet.tables.reading.sources import Source
    >>> file = io.BytesIO()
    >>> parquet.write_table(arrow.table({"n": [7, 8, 9]}), file, row_group_size=2)
    >>> source = Source("a.parquet", file, True, False)
    >>> groups = parquet_groups(source)
    >>> groups.names, groups.rows
    (['n'], [2, 1])
    >>> [part] = group_parts(source, groups, 1, ["n"], rows=100)
    >>> part.columns["n"][0].to_pylist(), part.places.tolist()
    ([9], [3])
    """
    with _understood(source.name):
        file = _opened(source)
        names, metadata = file.schema_arrow.names, file.metadata
        _check(source.name, names, metadata.num_rows)
        rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    return ParquetGroups(names, rows, metadata)


def group_parts(
    source: Source, groups: ParquetGroups, group: int, columns: Sequence[str], rows: int
) -> Iterator[Part]:
    """Read one row group in parts.

    Parameters
    ----------
    source : Source
    groups : ParquetGroups
    group : int
        Its number, from 0.
    columns : sequence of str
        Those to read.
    rows : int
        The most of a part.
    """
    name = source.name
    with _understood(name):
        file = _opened(source, groups.metadata)
        begin = 1 + sum(groups.rows[:group])
        for batch in file.iter_batches(rows, [group], list(columns), use_threads=False):
            cells = {one: list(map(_plain, column_of(batch, one).chunks)) for one in columns}
            places = np.arange(begin, begin + len(batch))
            yield Part(name, cells, places, "row", _unnamed(groups.names))
            begin += len(batch)


def _opened(source: Source, metadata: Any = None) -> Any:
    """Open a file of Parquet; if its metadata are known, it is read a little at a time."""
    import pyarrow as arrow
    from pyarrow import parquet

    stream = arrow.BufferReader(source.stream.read()) if source.was_packed else source.stream
    size = 0 if metadata is None else _AT_ONCE
    # Reading ahead would call threads, which keep 4 MB each, and hold a row group of a large file.
    return parquet.ParquetFile(stream, metadata=metadata, buffer_size=size, pre_buffer=False)


@contextmanager
def _understood(name: str) -> Iterator[None]:
    """Say of which file an error of pyarrow is."""
    import pyarrow as arrow

    try:
        yield
    except (arrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name}: not readable as Parquet: {reason}") from None


def _check(name: str, names: Sequence[str], rows: int) -> None:
    check_names(name, names)
    if not rows:
        raise ValueError(f"{name}: expected rows, got none")


def _unnamed(names: Sequence[str]) -> list[str]:
    return [one for one in names if _INDEX.fullmatch(one)]


def _plain(array: Any) -> Any:
    """Give an array that is neither packed nor coded, as each part would have its own codes."""
    from pyarrow import types

    if isinstance(array, PackedNumbers):
        return array.array()
    return array.dictionary_decode() if types.is_dictionary(array.type) else array


def store_typed(
    joined: Joined, words: Collection[str], timed: Collection[str] = ()
) -> tuple[dict[str, Stored], dict[str, str], dict[str, Guess[Numerals]]]:
    """Store the columns of Parquet, and drop what was read; integers and decimals stay exact.

    Parameters
    ----------
    joined : Joined
    words : collection of str
        Words for a missing cell, as `densenet.tables.cells.missing_words` gives them.
    timed : collection of str
        Columns of moments that have times in other parts of the table: dates are written with a
        time, even if all here are midnights.

    Returns
    -------
    stored : dict of str to Stored
    unreadable : dict of str to str
        Columns that hold neither numbers nor texts, and what they hold.
    guesses : dict of str to Guess
        The columns whose numbers can have no marks.

    Raises
    ------
    ValueError
        If a column is of types, in several files, that have none in common.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.parquet import store_typed
    >>> from densenet.tables.reading.parts import Joined, Part
    >>> columns = {"flag": [arrow.array([True, None])], "bag": [arrow.array([[1], []])]}
    >>> part = Part("a.parquet", columns, np.arange(2), "row", [])
    >>> stored, unreadable, _ = store_typed(Joined(part, ()), {""})
    >>> stored["flag"].array().tolist(), unreadable
    (['True', ''], {'bag': 'list<item: int64>'})
    """
    import pyarrow as arrow
    from pyarrow import types

    stored: dict[str, Stored] = {}
    unreadable, guesses = {}, {}
    for name in list(joined.part.columns):
        column = of_one_type(joined, name, joined.part.columns.pop(name))
        if types.is_integer(column.type) or types.is_decimal(column.type):
            guesses[name] = Guess(PLAIN)
        try:
            stored[name] = _stored(column, words, name in timed)
        except arrow.ArrowException:
            unreadable[name] = str(column.type)
    return stored, unreadable, guesses


def of_one_type(joined: Joined, name: str, arrays: list[Any]) -> Any:
    """Put the arrays of a column together; where several files differ, in a type for all."""
    import pyarrow as arrow

    arrays = list(map(_plain, arrays))
    schema, row = arrow.schema({"column": arrays[0].type}), 0
    for array in arrays:
        known = schema.field(0).type
        try:
            schema = arrow.unify_schemas(
                [schema, arrow.schema({"column": array.type})], promote_options="permissive"
            )
        except arrow.ArrowException:
            raise ValueError(
                f"{joined.file_of(row)}, column {name!r}: expected {known}, as in the files "
                f"before, or a type that goes with it, got {array.type}"
            ) from None
        row += len(array)
    if all(array.type == arrays[0].type for array in arrays):
        return arrow.chunked_array(arrays)
    tables = [arrow.table({"column": array}) for array in arrays]
    return arrow.concat_tables(tables, promote_options="permissive").column(0)


def has_times(arrays: Iterable[Any]) -> bool:
    """Return whether any of some moments without a time zone is no midnight.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.parquet import has_times
    >>> days = arrow.array(np.array(["2024-01-01", "NaT"], "M8[s]"))
    >>> has_times([days]), has_times([arrow.array(np.array(["2024-01-01T10:30"], "M8[s]"))])
    (False, True)
    """
    from pyarrow import compute, types

    return any(
        compute.any(compute.not_equal(compute.floor_temporal(one, unit="day"), one)).as_py()
        for one in arrays
        if types.is_timestamp(one.type) and one.type.tz is None
    )


def _stored(column: Any, words: Collection[str], timed: bool) -> Stored:
    from pyarrow import types

    kind = column.type
    if types.is_floating(kind):
        return StoredNumbers(shortened(as_numpy(column)))
    if types.is_integer(kind) and not column.null_count:
        return StoredNumbers(smallest(as_numpy(column)))
    if types.is_duration(kind):
        seconds = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return StoredNumbers(as_numpy(column.cast("int64").cast("float64")) / seconds)
    return store(_texts(column, timed), words)


def _texts(column: Any, timed: bool) -> Any:
    """Write values as CSV files have them: True as Python does, a decimal without an exponent."""
    import pyarrow as arrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_boolean(kind) or str(kind) == "extension<arrow.bool8>":
        return compute.if_else(column.cast(arrow.bool_()), *strings("True", "False"))
    if str(kind) == "extension<arrow.uuid>":
        ids = [None if one is None else str(one) for one in column.to_pylist()]
        return arrow.chunked_array([ids], arrow.string())
    if types.is_fixed_size_binary(kind):  # such as a time span of DuckDB, 12 bytes
        raise arrow.ArrowInvalid("bytes of one length are no text, even where they look like it")
    texts = column.cast(arrow.string())
    if types.is_decimal(kind) and compute.any(compute.match_substring(texts, "E")).as_py():
        plain = [None if one is None else f"{one:f}" for one in column.to_pylist()]
        return arrow.chunked_array([plain], arrow.string())
    if types.is_time(kind) and compute.any(compute.match_substring_regex(texts, "^[^0-9]")).as_py():
        raise arrow.ArrowInvalid("times beyond a day, such as the time spans of fastparquet")
    is_moment = types.is_timestamp(kind) or types.is_time(kind)
    return _without_zeros(texts, timed) if is_moment else texts


def _without_zeros(timestamps: Any, timed: bool) -> Any:
    """Shorten timestamps as CSV has them: no fractions of 0; dates alone if all are midnights."""
    from pyarrow import compute

    short = compute.replace_substring_regex(timestamps, r"\.0+($|Z$|[-+])", r"\1")
    midnight = " 00:00:00"
    if not timed and compute.all(compute.ends_with(short, midnight)).as_py():
        return compute.utf8_slice_codeunits(short, 0, -len(midnight))
    return short
