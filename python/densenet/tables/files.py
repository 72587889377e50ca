"""Read tables from files, CSV as people write it and Parquet; write CSV.

The whole table is held in memory, where a CSV file takes about six times its size.
"""

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from densenet.tables.cells import MISSING, clean, missing_words, number
from densenet.tables.file_kinds import is_parquet, refuse_others
from densenet.tables.parquet import read_parquet
from densenet.tables.table import Table, check_names

__all__ = ["MISSING", "read_table", "write_csv"]

INDEX = "an index without a name, as pandas writes it; --text reads it all the same"
"""Why a column that pandas wrote as an index is no feature."""

_DELIMITERS = ",;\t"
_UNNAMED = re.compile(r"Unnamed: 0(\.\d+)*")
_FEW = 20  # first lines, from which the delimiter is found

# ---- reading -----------------------------------------------------------------------------------


def read_table(
    path: str | Path,
    *,
    header: bool = True,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    missing: Iterable[str] = (),
    present: Iterable[str] = (),
    decimal: str | None = None,
    thousands: str | None = None,
) -> Table:
    r"""Read a table of at least one row.

    An index without a name, as pandas writes it, is noted in `Table.unnamed`.

    Parameters
    ----------
    path : str or Path
        A file whose name ends in .parquet, or that begins like one, is read as Parquet (which needs
        pyarrow), any other as CSV.
    header : bool
        True reads the first row of a CSV file as the names of the columns; with False they are
        named c0, c1, ...
    delimiter : str, optional
        One character. By default the one of comma, semicolon and tab that cuts the first rows into
        equally many cells; of several, the one with the largest share of numbers, then the most
        cells.
    encoding : str
        The encoding of a CSV file. A byte order mark is skipped.
    missing : iterable of str
        Words for a missing cell, in addition to `MISSING`, in upper or lower case.
    present : iterable of str
        Words of `MISSING` that are values in this table.
    decimal, thousands : str, optional
        The marks in numbers, such as ``,`` and ``.`` in 1.234,5. By default they are recognised
        where the table's cells can mean only one thing (`densenet.tables.numerals`).

    Returns
    -------
    Table
        Its texts are stripped of white space.

    Raises
    ------
    OSError
        If the file cannot be read.
    ImportError
        If pyarrow is needed and missing.
    ValueError
        If the file is a folder, compressed, a workbook or in another encoding; if its rows differ
        in length, a quote is left open, names repeat, or there are no rows or columns; or if
        `delimiter`, `decimal` or `thousands` is no single character.

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
    path = Path(path)
    words = missing_words(missing, present)

    refuse_others(path)
    if is_parquet(path):
        table = read_parquet(path, words, INDEX)
        return table.with_guesses(decimal=decimal, thousands=thousands)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ValueError(f"delimiter: expected one character, got {delimiter!r}")
    try:
        table, delimiter = _read_csv(path, header, delimiter, encoding, words)
    except UnicodeDecodeError as error:
        # The decoder counts bytes from the start of a block, so its position says nothing here.
        byte = error.object[error.start]
        raise ValueError(
            f"{path}: expected text in {encoding}, got the byte 0x{byte:02x}: name the encoding, "
            "such as latin-1 or utf-16"
        ) from None
    except LookupError:
        raise ValueError(f"encoding: expected the name of a text encoding, got {encoding!r}") from (
            None
        )
    return table.with_guesses(delimiter=delimiter, decimal=decimal, thousands=thousands)


def _read_csv(
    path: Path,
    header: bool,
    delimiter: str | None,
    encoding: str,
    words: Collection[str],
) -> tuple[Table, str]:
    """Read a CSV file for `read_table`; give the table, and the delimiter that cuts its cells.

    The delimiter is found from the first lines where None is given. `words` are those for a missing
    cell, as `missing_words` gives them. An error of the encoding is left to the caller to explain.
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # skips a byte order mark
    with path.open(encoding=encoding, newline="") as file:
        lines = _text_lines(path, file)
        first = list(islice(lines, _FEW))
        if delimiter is None:
            delimiter = _delimiter(first)
        reader = csv.reader(
            chain(first, lines), delimiter=delimiter, skipinitialspace=True, strict=True
        )
        records = _records(reader, path)
        start = next(records, None)
        if start is None:
            raise ValueError(f"{path}: expected a table, got an empty file")
        width = len(start[1])
        unnamed: list[str] = []
        if header:
            names = [name.strip() or f"c{i}" for i, name in enumerate(start[1])]
            unnamed = _index(start[1], names)
        else:
            names = [f"c{i}" for i in range(width)]
            records = chain([start], records)
        check_names(str(path), names)
        rows, first_lines = [], []
        for first_line, cells in records:
            if len(cells) != width:
                raise ValueError(
                    f"{path}, line {first_line}: expected {width} cells as in the first row, "
                    f"got {len(cells)}"
                )
            rows.append(cells)
            first_lines.append(first_line)
    if not rows:
        raise ValueError(f"{path}: expected rows below the header, got none")
    columns = {
        name: np.array(clean(cells, words), object)
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    indices = dict.fromkeys(unnamed, INDEX)
    return Table(str(path), columns, np.array(first_lines), unnamed=indices), delimiter


def _text_lines(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """Give lines; refuse null characters, which UTF-16 read in another encoding is full of."""
    for position, line in enumerate(lines, 1):
        if "\0" in line:
            raise ValueError(
                f"{path}, line {position}: expected text, got a null character: name the encoding, "
                "such as utf-16"
            )
        yield line


def _records(reader: Any, path: Path) -> Iterator[tuple[int, list[str]]]:
    """Give each row that is not blank, after the number of its first line."""
    while True:
        first_line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(f"{path}, line {first_line}: not readable as CSV: {error}") from None
        if cells:
            yield first_line, cells


def _delimiter(lines: Sequence[str]) -> str:
    """Find the delimiter of a file that begins with these lines."""
    return max(_DELIMITERS, key=lambda one: _fitness(lines, one))


def _fitness(lines: Sequence[str], delimiter: str) -> tuple[bool, float, int]:
    """Rate a delimiter by, in this order: rows of one length, share of numbers, cells in a row."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:  # such as a cell of megabytes, which is refused when the file is read
        rows = []
    if not rows or len(rows[0]) == 1:
        return False, 0.0, 0
    whole = rows[:-1] if len(rows) > 2 else rows  # the last may go on in the next line
    even = all(len(row) == len(rows[0]) for row in whole)
    cells = [cell for row in whole for cell in row]
    numbers = sum(number(cell.strip().replace(",", ".", 1)) is not None for cell in cells)
    return even, numbers / len(cells), len(rows[0])


def _index(header: Sequence[str], names: Sequence[str]) -> list[str]:
    """Give the names of the leading columns that are an index without a name."""
    found = []
    for written, name in zip(header, names, strict=True):
        if written.strip() and not _UNNAMED.fullmatch(written.strip()):
            break
        found.append(name)
    return found if len(found) < len(names) else []


# ---- writing -----------------------------------------------------------------------------------


def write_csv(path: str | Path, columns: Mapping[str, Iterable[str]]) -> None:
    r"""Write columns of texts as CSV, in UTF-8 and with a header.

    Parameters
    ----------
    path : str or Path
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
    with Path(path).open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
