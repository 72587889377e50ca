"""Read tables in Parquet with pyarrow: numbers stay numbers, all else becomes text."""

import re
from collections.abc import Collection
from typing import Any

import numpy as np

from densenet.tables.guess import Guess
from densenet.tables.names import check_names
from densenet.tables.numerals import PLAIN, Numerals
from densenet.tables.reading.arrow_cells import as_numpy, store, strings
from densenet.tables.reading.parts import Joined, Part
from densenet.tables.reading.sources import Source
from densenet.tables.stored import Stored, StoredNumbers, smallest

__all__ = ["read_parquet", "store_typed"]

_READS = 64  # in so many parts are columns read, as pyarrow takes much room beside what it reads
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
    import pyarrow as arrow
    from pyarrow import parquet

    name, stream = source.name, source.stream
    columns: dict[str, list[Any]] = {}
    try:
        file = parquet.ParquetFile(
            arrow.BufferReader(stream.read()) if source.was_packed else stream
        )
        names, rows = file.schema_arrow.names, file.metadata.num_rows
        check_names(name, names)
        if not rows:
            raise ValueError(f"{name}: expected rows, got none")
        width = -(-len(names) // _READS)
        for begin in range(0, len(names), width):
            some = names[begin : begin + width]
            read = file.read(columns=some)
            columns |= {one: read.column(one).chunks for one in some}
    except (arrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{name}: not readable as Parquet: {reason}") from None
    unnamed = [one for one in names if _INDEX.fullmatch(one)]
    return Part(name, columns, np.arange(1, 1 + rows, dtype=np.int32), "row", unnamed)


def store_typed(
    joined: Joined, words: Collection[str]
) -> tuple[dict[str, Stored], dict[str, str], dict[str, Guess[Numerals]]]:
    """Store the columns of Parquet, and drop what was read; integers and decimals stay exact.

    Parameters
    ----------
    joined : Joined
    words : collection of str
        Words for a missing cell, as `densenet.tables.cells.missing_words` gives them.

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
        column = _of_one_type(joined, name, joined.part.columns.pop(name))
        if types.is_integer(column.type) or types.is_decimal(column.type):
            guesses[name] = Guess(PLAIN)
        try:
            stored[name] = _stored(column, words)
        except arrow.ArrowException:
            unreadable[name] = str(column.type)
    return stored, unreadable, guesses


def _of_one_type(joined: Joined, name: str, arrays: list[Any]) -> Any:
    """Put the arrays of a column together; where several files differ, in a type for all."""
    import pyarrow as arrow
    from pyarrow import types

    arrays = [
        array.dictionary_decode() if types.is_dictionary(array.type) else array for array in arrays
    ]
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


def _stored(column: Any, words: Collection[str]) -> Stored:
    from pyarrow import types

    kind = column.type
    if types.is_floating(kind):
        return StoredNumbers(as_numpy(column))
    if types.is_integer(kind) and not column.null_count:
        return StoredNumbers(smallest(as_numpy(column)))
    if types.is_duration(kind):
        seconds = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        return StoredNumbers(as_numpy(column.cast("int64").cast("float64")) / seconds)
    return store(_texts(column), words)


def _texts(column: Any) -> Any:
    """Write values as CSV files have them: True as Python does, a decimal without an exponent."""
    import pyarrow as arrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_boolean(kind):
        return compute.if_else(column, *strings("True", "False"))
    if str(kind) == "extension<arrow.uuid>":
        ids = [None if one is None else str(one) for one in column.to_pylist()]
        return arrow.chunked_array([ids], arrow.string())
    texts = column.cast(arrow.string())
    if types.is_decimal(kind) and compute.any(compute.match_substring(texts, "E")).as_py():
        plain = [None if one is None else f"{one:f}" for one in column.to_pylist()]
        return arrow.chunked_array([plain], arrow.string())
    is_moment = types.is_timestamp(kind) or types.is_time(kind)
    return _without_zeros(texts) if is_moment else texts


def _without_zeros(timestamps: Any) -> Any:
    """Shorten timestamps as CSV has them: no fractions of 0; dates alone if all are midnights."""
    from pyarrow import compute

    short = compute.replace_substring_regex(timestamps, r"\.0+($|Z$|[-+])", r"\1")
    midnight = " 00:00:00"
    if compute.all(compute.ends_with(short, midnight)).as_py():
        return compute.utf8_slice_codeunits(short, 0, -len(midnight))
    return short
