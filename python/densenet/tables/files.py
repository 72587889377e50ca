"""Tables in files: CSV as people write it, and Parquet.

The whole table is held in memory: a CSV file there takes about six times its size.
"""

import csv
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from densenet.tables.cells import MISSING, clean, missing_words, number
from densenet.tables.kinds import is_parquet, refuse_others
from densenet.tables.parquet import read_parquet
from densenet.tables.table import Table, check_names

__all__ = ["MISSING", "read_table", "write_csv"]

INDEX = "an index without a name, as pandas writes it; --text reads it all the same"
"""Why such a column is no feature."""

_DELIMITERS = ",;\t"
_UNNAMED = re.compile(r"Unnamed: 0(\.\d+)*")
_FEW = 20

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

    An index that pandas wrote, without a name, is marked as `Table.unnamed`.

    Parameters
    ----------
    path : str or Path
        Parquet where the name ends in .parquet or the file begins like it (this needs pyarrow),
        else CSV.
    header : bool
        Whether the first row of a CSV file names the columns; otherwise they are c0, c1, ...
    delimiter : str, optional
        One character. By default the one of comma, semicolon and tab that cuts the first rows into
        cells of one number; of several, the one that leaves the most numbers, or the most cells.
    encoding : str
        Of a CSV file. A byte order mark is skipped.
    missing : iterable of str
        Words that stand for a missing value, beside `MISSING`; in upper or lower case.
    present : iterable of str
        Words of `MISSING` that are values.
    decimal, thousands : str, optional
        The marks in numbers, such as ``,`` and ``.`` in 1.234,5. By default they are recognised
        where the table's cells allow one meaning alone (`densenet.tables.numerals`).

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
        If the file is not what it should be: a folder, compressed, a workbook, a wrong encoding,
        rows of different lengths, an open quote, names that repeat, no rows, no columns. Or if a
        delimiter or mark is no single character.

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
    return table.with_guesses(delimiter=delimiter, decimal=decimal, thousands=thousands)


def _read_csv(
    path: Path,
    header: bool,
    delimiter: str | None,
    encoding: str,
    words: Collection[str],
) -> tuple[Table, str]:
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"
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
    columns = {
        name: np.array(clean(cells, words), object)
        for name, cells in zip(names, zip(*rows, strict=True), strict=True)
    }
    indices = dict.fromkeys(unnamed, INDEX)
    return Table(str(path), columns, np.array(places), unnamed=indices), delimiter


def _text_lines(path: Path, lines: Iterable[str]) -> Iterator[str]:
    """Give lines; refuse null characters, which other encodings read as this one are full of."""
    for place, line in enumerate(lines, 1):
        if "\0" in line:
            raise ValueError(
                f"{path}, line {place}: expected text, got a null character: name the encoding, "
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


def _delimiter(lines: Sequence[str]) -> str:
    """Find what separates the cells of a file that begins with these lines."""
    return max(_DELIMITERS, key=lambda one: _fitness(lines, one))


def _fitness(lines: Sequence[str], delimiter: str) -> tuple[bool, float, int]:
    """Tell how well lines are cut: if into rows of one width, the share of numbers, the cells."""
    try:
        rows = [row for row in csv.reader(lines, delimiter=delimiter, skipinitialspace=True) if row]
    except csv.Error:  # such as a cell of megabytes; reading the file tells
        rows = []
    if not rows or len(rows[0]) == 1:
        return False, 0.0, 0
    whole = rows[:-1] if len(rows) > 2 else rows  # a quote may be open at the end
    even = all(len(row) == len(rows[0]) for row in whole)
    cells = [cell for row in whole for cell in row]
    numbers = sum(number(cell.strip().replace(",", ".", 1)) is not None for cell in cells)
    return even, numbers / len(cells), len(rows[0])


def _index(header: Sequence[str], names: Sequence[str]) -> list[str]:
    """Give the names of the first columns that are an index without a name."""
    found = []
    for written, name in zip(header, names, strict=True):
        if written.strip() and not _UNNAMED.fullmatch(written.strip()):
            break
        found.append(name)
    return found if len(found) < len(names) else []


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
