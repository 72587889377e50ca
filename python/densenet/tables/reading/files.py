"""Read tables from files, CSV as people write it and Parquet; write CSV.

pyarrow parses both. A table takes about as much memory as its file.
"""

import csv
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import ExitStack
from os import PathLike
from pathlib import Path
from typing import IO, Any, NamedTuple

from densenet import _checks
from densenet._extras import require
from densenet.tables.cells import MISSING, missing_words
from densenet.tables.guess import Guess
from densenet.tables.numerals import Numerals
from densenet.tables.reading.arrow_cells import release_unused
from densenet.tables.reading.csv_tables import CsvOptions, read_csv, store_texts
from densenet.tables.reading.parquet import read_parquet, store_typed
from densenet.tables.reading.parts import Joined, Part, join
from densenet.tables.reading.sources import find_files, name_of, open_source
from densenet.tables.stored import Columns, Stored
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
        semicolon, tab and vertical bar that cuts the first rows into equally many cells; of
        several, the one with the largest share of numbers, then the most cells.
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
    how = reading_of(path, header, delimiter, encoding, missing, present, comment)
    return table_of(
        how.title,
        join(_read(file, how.options) for file in how.files),
        how.words,
        decimal=decimal,
        thousands=thousands,
    )


class Reading(NamedTuple):
    """What is to be read, and how.

    Attributes
    ----------
    title : str
        What errors call the table.
    files : list of Path
    words : collection of str
        Words for a missing cell.
    options : CsvOptions

    Examples
    --------
    >>> from pathlib import Path
    >>> from densenet.tables.reading.csv_tables import CsvOptions
    >>> from densenet.tables.reading.files import Reading
    >>> Reading("a.csv", [Path("a.csv")], {"na"}, CsvOptions()).title
    'a.csv'
    """

    title: str
    files: list[Path]
    words: Collection[str]
    options: CsvOptions


def reading_of(
    path: Any,
    header: bool | int,
    delimiter: str | None,
    encoding: str,
    missing: Iterable[str],
    present: Iterable[str],
    comment: str | None,
) -> Reading:
    """Check how a table is to be read, and find its files.

    Parameters and errors are those of `read_table`.

    Examples
    --------
    >>> from densenet.tables.reading.files import reading_of
    >>> reading_of("a.csv", True, ";", "utf-8", ["none"], [], None).options.delimiter
    ';'
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
    first = name_of(given[0])
    title = first if len(given) == 1 else f"{first} and {len(given) - 1} more"
    return Reading(title, find_files(given), words, options)


def table_of(
    title: str,
    joined: Joined,
    words: Collection[str],
    timed: Collection[str] = (),
    *,
    decimal: str | None,
    thousands: str | None,
) -> Table:
    """Make a table of what was read, and drop that.

    Parameters
    ----------
    title : str
        What errors call the table.
    joined : Joined
    words : collection of str
        Words for a missing cell.
    timed : collection of str
        As for `store`.
    decimal, thousands : str, optional
        As for `read_table`.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.files import table_of
    >>> from densenet.tables.reading.parts import Joined, Part
    >>> part = Part("a.csv", {"x": [arrow.array(["1,5", "na"])]}, np.arange(2), "line", [], ";")
    >>> table = table_of("a.csv", Joined(part, ()), {"", "na"}, decimal=",", thousands=None)
    >>> table.numbers("x").tolist()
    [1.5, nan]
    """
    stored, unreadable, guesses = store(joined, words, timed)
    release_unused()
    part = joined.part
    table = Table(
        title,
        Columns(stored),
        part.places,
        part.unit,
        unreadable,
        guesses,
        dict.fromkeys(part.unnamed, INDEX),
        files=joined.files,
    )
    return table.with_guesses(delimiter=part.delimiter, decimal=decimal, thousands=thousands)


def store(
    joined: Joined, words: Collection[str], timed: Collection[str] = ()
) -> tuple[dict[str, Stored], dict[str, str], dict[str, Guess[Numerals]]]:
    """Store the columns of files, and drop what was read, by `store_texts` or `store_typed`.

    Examples
    --------
    >>> import numpy as np
    >>> import pyarrow as arrow
    >>> from densenet.tables.reading.files import store
    >>> from densenet.tables.reading.parts import Joined, Part
    >>> part = Part("a.csv", {"x": [arrow.array(["1.5", "na"])]}, np.array([2, 3]), "line", [], ",")
    >>> store(Joined(part, ()), {"", "na"})[0]["x"].array().tolist()
    ['1.5', '']
    """
    if joined.part.unit == "line":
        return store_texts(joined.part, words)
    return store_typed(joined, words, timed)


def _read(file: Path, options: CsvOptions) -> Part:
    with open_source(file) as source:
        if source.is_parquet:
            return read_parquet(source)
        return read_csv(source.name, source.stream, options)


# ---- writing -----------------------------------------------------------------------------------


def write_csv(
    path: str | Path | IO[str], columns: Mapping[str, Iterable[str]], *, header: bool = True
) -> None:
    r"""Write columns of texts as CSV, in UTF-8.

    Parameters
    ----------
    path : str, Path or text file
    columns : mapping of str to iterable of str
        Columns of one length, by name.
    header : bool
        False leaves out the names, to go on in a text file.

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
    header = _checks.flag("header", header)
    rows = list(zip(*columns.values(), strict=True))
    with ExitStack() as stack:
        file = (
            stack.enter_context(Path(path).open("w", encoding="utf-8", newline=""))
            if isinstance(path, str | Path)
            else path
        )
        writer = csv.writer(file, lineterminator="\n")
        if header:
            writer.writerow(columns)
        writer.writerows(rows)
