"""Read one CSV file: its names from the first rows, its cells by pyarrow, block by block."""

import csv
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import islice, takewhile
from typing import IO, Any, NamedTuple

import numpy as np

from densenet.tables.cells import number
from densenet.tables.guess import Guess
from densenet.tables.names import check_names
from densenet.tables.numerals import Numerals
from densenet.tables.reading.arrow_cells import FEW, store_some
from densenet.tables.reading.csv_text import (
    Block,
    Dialect,
    Lines,
    block_of,
    pieces,
    plain_blocks,
    records,
    rewritten,
)
from densenet.tables.reading.packed_texts import PACKED, can_pack, packed
from densenet.tables.reading.parts import Part, of_one_file
from densenet.tables.stored import Stored

_DELIMITERS = ",;\t|"
_TOLD = re.compile(r'"?sep=([^"\r\n])"?[\r\n]*', re.IGNORECASE)
_UNNAMED = re.compile(r"Unnamed: 0(\.\d+)*")
_FEW = 20  # first lines, from which the delimiter is found
_MOST = 1 << 16  # characters of them
# Cells of short columns that are stored together. By a loop over `store_texts` of 20,000 columns of
# 200 rows: 2^10 0.17 s, 2^13 0.11, 2^15 and more 0.09, each alone 0.47
# (2026-12-01, 9a4d828, Zen 5).
_TOGETHER = 1 << 15


class CsvBlock(NamedTuple):
    """Bytes of a CSV file that hold whole rows as pyarrow takes them.

    Attributes
    ----------
    begin, size : int
    before : int
        The number of lines before them.
    delimiter : str

    Examples
    --------
    >>> from densenet.tables.reading.csv_tables import CsvBlock
    >>> CsvBlock(100, 8, 10, ",").size
    8
    """

    begin: int
    size: int
    before: int
    delimiter: str


class CsvOptions(NamedTuple):
    """How a CSV file is written, as far as that is known.

    Attributes
    ----------
    header : int
        The number of first rows that hold names.
    delimiter : str or None
    encoding : str
    comment : str
        What lines to skip begin with; empty if there are none.

    Examples
    --------
    >>> from densenet.tables.reading.csv_tables import CsvOptions
    >>> CsvOptions().header
    1
    """

    header: int = 1
    delimiter: str | None = None
    encoding: str = "utf-8"
    comment: str = ""


def read_csv(name: str, stream: IO[bytes], options: CsvOptions) -> Part:
    r"""Read a CSV file of at least one row.

    Parameters
    ----------
    name : str
        The file's, for error messages.
    stream : binary file
    options : CsvOptions

    Raises
    ------
    ValueError
        If the file is in another encoding or not readable as CSV, rows differ in length, names
        repeat, or there are no rows or columns.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.csv_tables import CsvOptions, read_csv
    >>> content = b"sep=|\n# by hand\nsize|size\nmin|max\n1|2\n"
    >>> table = read_csv("a.csv", io.BytesIO(content), CsvOptions(header=2, comment="#"))
    >>> list(table.columns), table.places.tolist()
    (['size_min', 'size_max'], [5])
    """
    parts = (part for part, _ in csv_parts(name, stream, options))
    return of_one_file(parts, packed if can_pack() else None, PACKED)


def csv_parts(
    name: str, stream: IO[bytes], options: CsvOptions
) -> Iterator[tuple[Part, CsvBlock | None]]:
    r"""Read a CSV file of at least one row, block by block.

    With each part comes the block of bytes that it was read from, counted from the first one's; or
    None for rows that Python's `csv` has read.

    Parameters and errors are those of `read_csv`.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.csv_tables import CsvOptions, csv_parts
    >>> for part, block in csv_parts("a.csv", io.BytesIO(b"x,y\n1,2\n3,4\n"), CsvOptions()):
    ...     print(list(part.columns), part.places.tolist(), block)
    ['x', 'y'] [2, 3] CsvBlock(begin=0, size=8, before=1, delimiter=',')
    """
    try:
        yield from _parts(name, stream, options)
    except UnicodeDecodeError as error:
        # The decoder counts bytes from the start of a piece, so its position says nothing here.
        byte = error.object[error.start]
        raise ValueError(
            f"{name}: expected text in {options.encoding}, got the byte 0x{byte:02x}: name the "
            "encoding, such as latin-1 or utf-16"
        ) from None


def read_block(name: str, stream: IO[bytes], block: CsvBlock, columns: Sequence[str]) -> Part:
    r"""Read a block again.

    Parameters
    ----------
    name : str
        The file's, for error messages.
    stream : binary file
        In UTF-8.
    block : CsvBlock
        Counted from the beginning of the file.
    columns : sequence of str
        The names of all columns.

    Raises
    ------
    ValueError
        If the file has changed.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.csv_tables import CsvBlock, read_block
    >>> stream, block = io.BytesIO(b"x,y\n1,2\n3,4\n"), CsvBlock(4, 8, 1, ",")
    >>> part = read_block("a.csv", stream, block, ["x", "y"])
    >>> part.columns["y"][0].to_pylist(), part.places.tolist()
    (['2', '4'], [2, 3])
    """
    stream.seek(block.begin)
    content = stream.read(block.size)
    again = block_of(content, block.before)
    cells = _Parser(columns).parse(again, block.delimiter) if len(content) == block.size else None
    if cells is None:
        raise ValueError(f"{name}: expected the file to stay as it was, but it has changed")
    return _part(name, columns, cells, again, [], block.delimiter)


def _parts(
    name: str, stream: IO[bytes], options: CsvOptions
) -> Iterator[tuple[Part, CsvBlock | None]]:
    lines = Lines(pieces(name, stream, options.encoding))
    delimiter = _told_delimiter(lines)
    first = _first_lines(lines)
    known = [line for line in first if not (options.comment and line.startswith(options.comment))]
    delimiter = options.delimiter or delimiter or _delimiter(known)
    dialect = Dialect(name, delimiter, options.comment)
    written = _header(lines, dialect, options.header)
    names = [cell or f"c{i}" for i, cell in enumerate(written)]
    check_names(name, names, of_first_row=options.header == 1)
    unnamed = _index(written, names) if options.header else []
    rows = begin = 0
    for cells, block, is_plain in _parsed(lines, dialect, names):
        size = len(block.content)
        place = CsvBlock(begin, size, block.before, delimiter) if is_plain else None
        yield _part(name, names, cells, block, unnamed, delimiter), place
        begin += size
        rows += len(block.lines)
    if not rows:
        raise ValueError(f"{name}: expected rows below the header, got none")


def _part(
    name: str,
    names: Sequence[str],
    cells: Sequence[Any],
    block: Block,
    unnamed: list[str],
    delimiter: str,
) -> Part:
    columns = {one: [array] for one, array in zip(names, cells, strict=True)}
    places = (block.lines + block.before).astype(np.int32)
    return Part(name, columns, places, "line", unnamed, delimiter)


# ---- above the table ---------------------------------------------------------------------------


def _told_delimiter(lines: Lines) -> str:
    """Skip a first line such as ``sep=;``, as Excel writes it, and give what it tells."""
    first = next(lines, "")
    told = _TOLD.fullmatch(first)
    if told:
        return told[1]
    if first:
        lines.unread([first])
    return ""


def _first_lines(lines: Lines) -> list[str]:
    """Look at the lines from which the delimiter is found: fewer of them if they are long."""
    first: list[str] = []
    while len(first) < _FEW and (len(first) < 3 or sum(map(len, first)) < _MOST):
        line = next(lines, "")
        if not line:
            break
        first.append(line)
    lines.unread(first)
    return first


def _header(lines: Lines, dialect: Dialect, rows: int) -> list[str]:
    """Read the rows of names, and join them; without any give as many empty names as cells."""
    found = [cells for _, cells in islice(_of_one_width(lines, dialect, rows), rows)]
    if rows and len(found) == rows:
        parts = [[cell.strip() for cell in cells] for cells in found]
        of_index = list(takewhile(bool, parts[-1])) if rows > 1 else []
        names = ["_".join(filter(None, column)) for column in zip(*parts, strict=True)]
        if 0 < len(of_index) < len(names) and not any(parts[-1][len(of_index) :]):
            names[: len(of_index)] = of_index  # pandas writes the names of the levels above them
        return names
    if found:
        raise ValueError(
            f"{dialect.name}: expected {rows} rows of names, got a table of {len(found)} rows"
        )
    read: list[str] = []

    def noted() -> Iterator[str]:
        for line in lines:
            read.append(line)
            yield line

    start = next(records(Lines(noted()), dialect), None)
    if start is None:
        raise ValueError(f"{dialect.name}: expected a table, got an empty file")
    lines.unread(read)
    return [""] * len(start[1])


def _of_one_width(lines: Lines, dialect: Dialect, rows: int) -> Iterator[tuple[int, list[str]]]:
    """Give rows of names; refuse a row that is longer or shorter than the first."""
    width = 0
    for place, cells in islice(records(lines, dialect), rows):
        width = width or len(cells)
        if len(cells) != width:
            raise ValueError(
                f"{dialect.name}, line {place}: expected {width} cells as in the first row, "
                f"got {len(cells)}"
            )
        yield place, cells


def _delimiter(lines: Sequence[str]) -> str:
    """Find the delimiter of a file that begins with these lines.

    A table of Markdown, whose lines begin with a bar, is none of CSV.
    """
    is_framed = any(line.startswith("|") for line in lines[:1])
    among = _DELIMITERS.replace("|", "") if is_framed else _DELIMITERS
    return max(among, key=lambda one: _fitness(lines, one))


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
        if written and not _UNNAMED.fullmatch(written):
            break
        found.append(name)
    return found if len(found) < len(names) else []


# ---- the table ---------------------------------------------------------------------------------


def _parsed(
    lines: Lines, dialect: Dialect, names: Sequence[str]
) -> Iterator[tuple[list[Any], Block, bool]]:
    """Parse all rows: those that pyarrow takes as they are, which is told, then the others."""
    parser = _Parser(names)
    for block in plain_blocks(lines, dialect, len(names)):
        cells = parser.parse(block, dialect.delimiter)
        if cells is not None:
            yield cells, block, True
            continue
        doubtful = Lines([block.content.decode()], block.before)  # tells which row is refused
        for again in rewritten(doubtful, dialect, len(names)):
            yield _sure(parser.parse(again, ","), dialect), again, False
    for block in rewritten(lines, dialect, len(names)):
        yield _sure(parser.parse(block, ","), dialect), block, False


def _sure(cells: list[Any] | None, dialect: Dialect) -> list[Any]:
    if cells is None:
        raise ValueError(f"{dialect.name}: not readable as CSV")
    return cells


class _Parser:
    """Parse blocks of texts with these names."""

    def __init__(self, names: Sequence[str]) -> None:
        import pyarrow as arrow
        from pyarrow import csv as arrow_csv

        self._names = [str(i) for i in range(len(names))]
        self._convert = arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(self._names, arrow.string()),
            strings_can_be_null=True,
            null_values=[""],
            check_utf8=False,  # it has been decoded
        )

    def parse(self, block: Block, delimiter: str) -> list[Any] | None:
        """Give the columns of a block; None if its rows are not what was counted."""
        import pyarrow as arrow
        from pyarrow import csv as arrow_csv

        if not len(block.lines):
            return [arrow.array([], arrow.string())] * len(self._names)
        try:
            read = arrow_csv.read_csv(
                arrow.py_buffer(block.content),
                read_options=arrow_csv.ReadOptions(
                    use_threads=False,
                    block_size=len(block.content) + 1,
                    column_names=self._names,
                ),
                parse_options=arrow_csv.ParseOptions(
                    delimiter=delimiter, newlines_in_values=b'"' in block.content
                ),
                convert_options=self._convert,
            )
        except arrow.ArrowInvalid:
            return None
        if len(read) != len(block.lines):
            return None
        return [array for column in read.columns for array in column.chunks]


def store_texts(
    part: Part, words: Collection[str]
) -> tuple[dict[str, Stored], dict[str, str], dict[str, Guess[Numerals]]]:
    r"""Store the columns of CSV, and drop what was read; none is unreadable, or surely plain.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.csv_tables import CsvOptions, read_csv, store_texts
    >>> part = read_csv("a.csv", io.BytesIO(b"a,b\n07,?\n"), CsvOptions())
    >>> stored, _, _ = store_texts(part, {"?"})
    >>> stored["a"].array().tolist(), stored["b"].array().tolist()
    (['07'], [''])
    """
    stored: dict[str, Stored] = {}
    names, rows = list(part.columns), len(part.places)
    width = _TOGETHER // max(1, rows) if rows <= FEW else 1
    for begin in range(0, len(names), width):
        some = {name: part.columns.pop(name) for name in names[begin : begin + width]}
        stored |= zip(some, store_some(list(some.values()), words), strict=True)
    return stored, {}, {}
