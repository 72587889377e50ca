"""Tables in files: CSV as people write it, and Parquet.

The whole table is held in memory: a CSV file there takes about six times its size.
"""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from densenet._extras import require
from densenet._typing import Array
from densenet.tables import Table

__all__ = ["MISSING", "read_table", "write_csv"]

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "NULL", "null")
"""Words that stand for a cell without a value."""

_DELIMITERS = ",;\t"

# ---- reading -----------------------------------------------------------------------------------


def read_table(
    path: str | Path,
    *,
    header: bool = True,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    missing: Iterable[str] = (),
) -> Table:
    r"""Read a table of at least one row.

    Parameters
    ----------
    path : str or Path
        Parquet where the name ends in .parquet (this needs pyarrow), else CSV.
    header : bool
        Whether the first row of a CSV file names the columns; otherwise they are c0, c1, ...
    delimiter : str, optional
        One character. By default the one of comma, semicolon and tab that cuts the first line into
        the most parts.
    encoding : str
        Of a CSV file. A byte order mark is skipped.
    missing : iterable of str
        Words that stand for a missing value, beside `MISSING`.

    Returns
    -------
    Table
        Texts without the white space around them.

    Raises
    ------
    OSError
        If the file cannot be read.
    ImportError
        If pyarrow is needed and missing.
    ValueError
        If the file is not what it should be: a wrong encoding, rows of different lengths, an open
        quote, names that repeat, no rows.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet.table_files import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     _ = path.write_text("5,1;red\r\n-;blue\r\n")
    ...     table = read_table(path, header=False, delimiter=";", missing=["-"])
    >>> {name: cells.tolist() for name, cells in table.columns.items()}
    {'c0': ['5,1', ''], 'c1': ['red', 'blue']}
    """
    path, words = Path(path), {*MISSING, *missing}
    if path.suffix.lower() in (".parquet", ".pq"):
        return _read_parquet(path, words)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ValueError(f"delimiter: expected one character, got {delimiter!r}")
    try:
        return _read_csv(path, header, delimiter, encoding, words)
    except UnicodeDecodeError as error:
        # The decoder works through the file in blocks, so that the place it tells is none of ours.
        byte = error.object[error.start]
        raise ValueError(
            f"{path}: expected text in {encoding}, got the byte 0x{byte:02x}: name the encoding, "
            "such as latin-1 or utf-16"
        ) from None
    except LookupError:
        raise ValueError(f"encoding: expected the name of a text encoding, got {encoding!r}") from (
            None
        )


def _read_csv(
    path: Path, header: bool, delimiter: str | None, encoding: str, missing: set[str]
) -> Table:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline()
        if delimiter is None:
            delimiter = max(_DELIMITERS, key=lambda one: len(_cut(first, one)))
        reader = csv.reader(
            _text_lines(path, chain([first], file)),
            delimiter=delimiter,
            skipinitialspace=True,
            strict=True,
        )
        records = _records(reader, path)
        start = next(records, None)
        if start is None:
            raise ValueError(f"{path}: expected a table, got an empty file")
        width = len(start[1])
        if header:
            names = [name.strip() or f"c{i}" for i, name in enumerate(start[1])]
        else:
            names = [f"c{i}" for i in range(width)]
            records = chain([start], records)
        _check_names(path, names)
        rows, places = [], []
        for place, cells in records:
            if len(cells) != width:
                raise ValueError(
                    f"{path}, line {place}: expected {width} cells as in the first row, "
                    f"got {len(cells)}"
                )
            rows.append(cells)
            places.append(place)
    if not rows:
        raise ValueError(f"{path}: expected rows below the header, got none")
    columns = (_clean(cells, missing) for cells in zip(*rows, strict=True))
    return Table(str(path), dict(zip(names, columns, strict=True)), np.array(places))


def _text_lines(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """Give lines; refuse null characters, which other encodings read as this one are full of."""
    for number, line in enumerate(lines, 1):
        if "\0" in line:
            raise ValueError(
                f"{path}, line {number}: expected text, got a null character: name the encoding, "
                "such as utf-16"
            )
        yield line


def _records(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give the rows that are not blank, each with the number of its first line."""
    while True:
        place = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{path}, line {place}: not readable as CSV: {error}") from None
        if cells:
            yield place, cells


def _cut(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _clean(cells: Sequence[str], missing: set[str]) -> Array:
    """Strip cells, and empty those that are missing."""
    stripped = map(str.strip, cells)
    return np.array(["" if text in missing else text for text in stripped], object)


def _check_names(path: Path, names: Sequence[str]) -> None:
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{path}: expected names that differ, got column {name!r} {times} times")


def _read_parquet(path: Path, missing: set[str]) -> Table:
    require("reading Parquet", "parquet", "pyarrow")
    import pyarrow as arrow
    from pyarrow import parquet

    with path.open("rb") as file:
        try:
            read = parquet.ParquetFile(file).read()
        except (arrow.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(f"{path}: not readable as Parquet: {reason}") from None
    _check_names(path, read.column_names)
    if not len(read):
        raise ValueError(f"{path}: expected rows, got none")
    columns, unreadable = {}, {}
    for name, column in zip(read.column_names, read.columns, strict=True):
        try:
            columns[name] = _from_arrow(column, missing)
        except arrow.ArrowException:
            unreadable[name] = str(column.type)
    return Table(str(path), columns, np.arange(1, 1 + len(read)), "row", unreadable)


def _from_arrow(column: Any, missing: set[str]) -> Array:
    """Convert a column: numbers stay numbers, and all else becomes text."""
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if types.is_floating(column.type) or types.is_decimal(column.type):
        numbers: Array = column.cast("float64").to_numpy()  # null becomes NaN
        return numbers
    if types.is_integer(column.type) and not column.null_count:
        integers: Array = column.to_numpy()
        return integers
    if types.is_boolean(column.type):
        names = {True: "True", False: "False", None: ""}  # as in CSV files that Python writes
        return np.array([names[value] for value in column.to_pylist()], object)
    return _clean([text or "" for text in column.cast("string").to_pylist()], missing)


# ---- writing -----------------------------------------------------------------------------------


def write_csv(path: str | Path, columns: Mapping[str, Iterable[str]]) -> None:
    r"""Write columns of texts, in UTF-8 and with a header.

    Parameters
    ----------
    path : str or Path
    columns : mapping of str to iterable of str
        All of one length.

    Raises
    ------
    OSError
        If the file cannot be written.
    ValueError
        If the lengths differ.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet.table_files import write_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     write_csv(path, {"id": ["7", "8"], "genre": ["Rock", "Drum, Bass"]})
    ...     path.read_text()
    'id,genre\n7,Rock\n8,"Drum, Bass"\n'
    """
    rows = list(zip(*columns.values(), strict=True))
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
