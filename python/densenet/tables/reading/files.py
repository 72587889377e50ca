"""Read tables from files, CSV as people write it and Parquet; write CSV.

pyarrow parses both. A table takes about as much memory as its file.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import IO

from densenet import _checks
from densenet._extras import require
from densenet.tables.cells import MISSING, missing_words
from densenet.tables.reading.arrow_cells import release_unused
from densenet.tables.reading.csv_tables import CsvOptions, read_csv, store_texts
from densenet.tables.reading.parquet import read_parquet, store_typed
from densenet.tables.reading.parts import Part, join
from densenet.tables.reading.sources import STANDARD_INPUT, find_files, open_source
from densenet.tables.stored import Columns
from densenet.tables.table import Table

__all__ = ["MISSING", "read_table", "write_csv"]

INDEX = "an index without a name, as pandas writes it"
"""Why a column that pandas wrote as an index is no feature."""

# ---- reading -----------------------------------------------------------------------------------


def read_table(
    path: str | Path | Sequence[str | Path],
    *,
    header: bool | int = True,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    missing: Iterable[str] = (),
    present: Iterable[str] = (),
    decimal: str | None = None,
    thousands: str | None = None,
    comment: str | None = None,
) -> Table:
    r"""Read a table of at least one row (extra ``tables``).

    An index without a name, as pandas writes it, is noted in `Table.unnamed`.

    Parameters
    ----------
    path : str, Path or a sequence of them
        A file whose name ends in .parquet, or that begins like one, is read as Parquet, any other
        as CSV. A file may be packed by gzip, bzip2, xz or Zstandard, or alone in a ZIP archive.
        ``-`` is standard input. Several files, or a folder of files, are one table, if all are CSV
        or all Parquet and have the same columns; a folder's follow each other by name.
    header : bool or int
        The number of first rows of a CSV file that hold the names of the columns; the cells of
        several are joined by ``_``. True stands for 1. With False or 0 the columns are named c0,
        c1, ...
    delimiter : str, optional
        One character. By default what a first line such as ``sep=;`` says, or the one of comma,
        semicolon and tab that cuts the first rows into equally many cells; of several, the one with
        the largest share of numbers, then the most cells.
    encoding : str
        The encoding of a CSV file. A byte order mark is skipped.
    missing : iterable of str
        Words for a missing cell, in addition to `MISSING`, in upper or lower case.
    present : iterable of str
        Words of `MISSING` that are values in this table.
    decimal, thousands : str, optional
        The marks in numbers, such as ``,`` and ``.`` in 1.234,5. By default they are recognised
        where the table's cells can mean only one thing (`densenet.tables.numerals`).
    comment : str, optional
        What lines of a CSV file begin with that are skipped.

    Returns
    -------
    Table
        Its texts are stripped of white space.

    Raises
    ------
    OSError
        If a file cannot be read.
    ImportError
        If pyarrow is missing.
    ValueError
        If a file is a workbook, damaged or in another encoding; if its rows differ in length, a
        quote is left open, names repeat, or there are no rows or columns; if several files differ
        in their columns; or if `delimiter`, `decimal` or `thousands` is no single character.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet.tables import read_table
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     _ = path.write_text("5,1;red\r\nnone;blue\r\n")
    ...     table = read_table(path, header=False)
    >>> {name: cells.tolist() for name, cells in table.columns.items()}
    {'c0': ['5,1', ''], 'c1': ['red', 'blue']}
    >>> table.numbers("c0").tolist()
    [5.1, nan]
    """
    words = missing_words(missing, present)
    header_rows = int(header) if isinstance(header, bool) else _checks.count("header", header, 0)
    options = CsvOptions(header_rows, delimiter, encoding, comment or "")
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ValueError(f"delimiter: expected one character, got {delimiter!r}")
    if comment is not None and (not comment or comment[0] in '"\r\n'):
        raise ValueError(f"comment: expected how lines to skip begin, got {comment!r}")
    require("reading tables", "tables", "pyarrow")
    paths = [path] if isinstance(path, str | PathLike) else _checks.sequence("path", path, "paths")
    given = [Path(_checks.path("path", one)) for one in paths]
    if not given:
        raise ValueError("path: expected at least one file, got none")
    files = find_files(given)
    joined = join(_read(file, options) for file in files)
    part = joined.part
    stored, unreadable, guesses = (
        store_texts(part, words) if part.unit == "line" else store_typed(joined, words)
    )
    release_unused()
    table = Table(
        _title(given),
        Columns(stored),
        part.places,
        part.unit,
        unreadable,
        guesses,
        dict.fromkeys(part.unnamed, INDEX),
        files=joined.files,
    )
    return table.with_guesses(delimiter=part.delimiter, decimal=decimal, thousands=thousands)


def _title(given: Sequence[Path]) -> str:
    """Name a table by the first of what it was read from."""
    first = STANDARD_INPUT if str(given[0]) == "-" else str(given[0])
    return first if len(given) == 1 else f"{first} and {len(given) - 1} more"


def _read(file: Path, options: CsvOptions) -> Part:
    with open_source(file) as source:
        if source.is_parquet:
            return read_parquet(source)
        return read_csv(source.name, source.stream, options)


# ---- writing -----------------------------------------------------------------------------------


def write_csv(path: str | Path | IO[str], columns: Mapping[str, Iterable[str]]) -> None:
    r"""Write columns of texts as CSV, in UTF-8 and with a header.

    Parameters
    ----------
    path : str, Path or text file
    columns : mapping of str to iterable of str
        Columns of one length, by name.

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
    >>> from densenet.tables import write_csv
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.csv")
    ...     write_csv(path, {"id": ["7", "8"], "genre": ["Rock", "Drum, Bass"]})
    ...     path.read_text()
    'id,genre\n7,Rock\n8,"Drum, Bass"\n'
    """
    rows = list(zip(*columns.values(), strict=True))
    with ExitStack() as stack:
        file = (
            stack.enter_context(Path(path).open("w", encoding="utf-8", newline=""))
            if isinstance(path, str | Path)
            else path
        )
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
