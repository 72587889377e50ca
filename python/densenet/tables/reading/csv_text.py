"""The text of a CSV file, in blocks that end where a row ends; each row's line.

pyarrow parses what is plain. `csv` of Python reads the rows above the table, and goes on with what
only it takes: quotes behind white space or within a cell, lines of a comment, a delimiter that is
not ASCII. It writes such rows anew for pyarrow, and says what is wrong with a row that is refused.
"""

import codecs
import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt

from densenet._typing import Array

SIZE = 1 << 20  # bytes that are read at a time: with more, pyarrow's memory is left in fragments
_MOST = 32 * SIZE  # bytes without the end of a row that pyarrow is to parse
_CELLS = 2048  # bytes that a block has at least for each column, as each block costs something
_END = re.compile(r"\r\n?|\n")
_ROWS = 1 << 14  # rows in a block that was written anew


class Dialect(NamedTuple):
    """How the cells of a CSV file are set apart.

    Attributes
    ----------
    name : str
        The file's, for error messages.
    delimiter : str
    comment : str
        What lines that are skipped begin with; empty if there are none.

    Examples
    --------
    >>> from densenet.tables.reading.csv_text import Dialect
    >>> Dialect("a.csv", ";").comment
    ''
    """

    name: str
    delimiter: str
    comment: str = ""


class Block(NamedTuple):
    """Rows of a CSV file as pyarrow takes them.

    Attributes
    ----------
    content : bytes
        In UTF-8.
    before : int
        The number of lines before the block.
    lines : integer array of shape (rows,)
        The line that each row begins with, counted from 1 at the block's first.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.reading.csv_text import Block
    >>> len(Block(b"1,2", 5, np.array([1])).lines)
    1
    """

    content: bytes
    before: int
    lines: Array


def pieces(name: str, stream: IO[bytes], encoding: str) -> Iterator[str]:
    r"""Decode a file piece by piece; none ends between the two characters of one end of line.

    Parameters
    ----------
    name : str
        The file's, for error messages.
    stream : binary file
    encoding : str
        A byte order mark is skipped.

    Raises
    ------
    ValueError
        If there is no such encoding of text, the file is in another, or there is a null character,
        which UTF-16 read in another encoding is full of.

    Examples
    --------
    >>> import io
    >>> from densenet.tables.reading.csv_text import pieces
    >>> list(pieces("a.csv", io.BytesIO(b"a,b\r\n1,2\r\n"), "utf-8"))
    ['a,b\r\n1,2\r\n']
    """
    if encoding.lower().replace("_", "-") in ("utf-8", "utf8"):
        encoding = "utf-8-sig"  # skips a byte order mark
    try:
        io.TextIOWrapper(io.BytesIO(), encoding)
    except LookupError:
        raise ValueError(
            f"encoding: expected the name of a text encoding, got {encoding!r}"
        ) from None
    decoder = codecs.getincrementaldecoder(encoding)()
    held, line = "", 1
    while True:
        raw = stream.read(SIZE)
        text = held + decoder.decode(raw, final=not raw)
        held = "\r" if raw and text.endswith("\r") else ""
        text = text.removesuffix(held)
        if "\0" in text:
            line += len(_ends(np.frombuffer(text.partition("\0")[0].encode(), np.uint8)))
            raise ValueError(
                f"{name}, line {line}: expected text, got a null character: name the encoding, "
                "such as utf-16"
            )
        if text:
            yield text
        if not raw:
            return
        line += text.count("\n") or text.count("\r")


class Lines(Iterator[str]):
    r"""The lines of a text that comes in pieces, with their ends.

    Parameters
    ----------
    texts : iterable of str
    before : int
        The number of lines before the first.

    Examples
    --------
    >>> from densenet.tables.reading.csv_text import Lines
    >>> lines = Lines(["a\nb", "c\nd\n"])
    >>> next(lines), next(lines), lines.number, list(lines.rest())
    ('a\n', 'bc\n', 2, ['d\n'])
    """

    def __init__(self, texts: Iterable[str], before: int = 0) -> None:
        self.number = before
        self._texts: Iterator[str] = iter(texts)
        self._text, self._at = "", 0  # the piece at hand, and how much of it is read

    def __next__(self) -> str:
        begun = ""
        while not (found := _END.search(self._text, self._at)):
            begun += self._text[self._at :]
            text = next(self._texts, None)
            self._text, self._at = text or "", 0
            if text is None:
                break
        line = begun + self._text[self._at : found.end()] if found else begun
        if not line:
            raise StopIteration
        self._at = found.end() if found else 0
        self.number += 1
        return line

    def unread(self, lines: Sequence[str]) -> None:
        """Put the last lines back."""
        self.resume(chain(("".join(lines),), self.rest()), self.number - len(lines))

    def resume(self, texts: Iterable[str], number: int) -> None:
        """Go on with other texts, after so many lines."""
        self.number = number
        self._texts = iter(texts)
        self._text, self._at = "", 0

    def rest(self) -> Iterator[str]:
        """Give what is left, in pieces."""
        left = self._text[self._at :]
        return chain((left,), self._texts) if left else self._texts


def records(lines: Lines, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    r"""Give each row that is neither blank nor a comment, after the number of its first line.

    Raises
    ------
    ValueError
        If a row is not readable as CSV.

    Examples
    --------
    >>> from densenet.tables.reading.csv_text import Dialect, Lines, records
    >>> list(records(Lines(['a, "b\n', 'c"\n\n#\n', "d,e"]), Dialect("a.csv", ",", "#")))
    [(1, ['a', 'b\nc']), (5, ['d', 'e'])]
    """
    first = 0  # the line that the row at hand begins with

    def counted() -> Iterator[str]:
        nonlocal first
        for line in lines:
            if not first:
                if dialect.comment and line.startswith(dialect.comment):
                    continue
                first = lines.number
            yield line

    reader = csv.reader(counted(), delimiter=dialect.delimiter, skipinitialspace=True, strict=True)
    while True:
        first = 0
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise ValueError(
                f"{dialect.name}, line {first}: not readable as CSV: {error}"
            ) from None
        if cells:
            yield first, cells


def plain_blocks(lines: Lines, dialect: Dialect, width: int) -> Iterator[Block]:
    r"""Give the rows that are left, in blocks, as far as they are plain; `lines` has the others.

    Parameters
    ----------
    lines : Lines
    dialect : Dialect
    width : int
        The number of columns.

    Examples
    --------
    >>> from densenet.tables.reading.csv_text import Dialect, Lines, plain_blocks
    >>> lines = Lines(['1,"a\nb"\n\n2,c\n', '3, "d"\n'])
    >>> blocks = plain_blocks(lines, Dialect("a.csv", ","), 0)
    >>> [(block.content, block.lines.tolist()) for block in blocks]
    [(b'1,"a\nb"\n\n2,c\n', [1, 4])]
    >>> lines.number, list(lines.rest())
    (4, ['3, "d"\n'])
    """
    if not dialect.delimiter.isascii() or dialect.delimiter == " ":
        return
    texts, before, pending = lines.rest(), lines.number, bytearray()
    for text in chain(texts, ("",)):
        pending += text.encode()
        if text and len(pending) < _CELLS * width:
            continue
        cut = _cut(pending) if text else len(pending)
        block = bytes(memoryview(pending)[:cut])
        if not is_plain(block, dialect) or len(pending) - cut > _MOST:
            break
        del pending[:cut]
        if block:
            starts, count = _places(block)
            yield Block(block, before, starts + 1)
            before += count
    lines.resume(chain((pending.decode(),), texts) if pending else texts, before)


def block_of(content: bytes, before: int) -> Block:
    r"""Find the rows of a block that `plain_blocks` gave, by its content and the lines before it.

    Examples
    --------
    >>> from densenet.tables.reading.csv_text import block_of
    >>> block_of(b'1,"a\nb"\n\n2,c\n', 5).lines.tolist()
    [1, 4]
    """
    return Block(content, before, _places(content)[0] + 1)


def is_plain(block: bytes, dialect: Dialect) -> bool:
    r"""Return whether pyarrow and `csv` read rows alike: each quote begins or ends a cell.

    Examples
    --------
    >>> from densenet.tables.reading.csv_text import Dialect, is_plain
    >>> dialect = Dialect("a.csv", ",", "#")
    >>> [is_plain(rows, dialect) for rows in (b'"a ""b"" c",d', b'a, "b"', b'5" pipe', b'"a')]
    [True, False, False, False]
    >>> is_plain(b"# a comment\n1,2\n", dialect)
    False
    """
    comment = dialect.comment.encode()
    if comment and any(start + comment in b"\n" + block for start in (b"\n", b"\r")):
        return False
    quotes = _quotes(block)
    if not len(quotes):
        return True
    if len(quotes) % 2:
        return False
    edges = np.array([ord(dialect.delimiter), 10, 13], np.uint8)
    padded = np.frombuffer(b"\n" + block + b"\n", np.uint8)
    opening, closing = quotes[::2], quotes[1::2]
    begins, ends = np.isin(padded[opening], edges), np.isin(padded[closing + 2], edges)
    begins[1:] |= opening[1:] == closing[:-1] + 1  # a quote within a cell is written twice
    ends[:-1] |= opening[1:] == closing[:-1] + 1
    return bool(begins.all() and ends.all())


def rewritten(lines: Lines, dialect: Dialect, width: int) -> Iterator[Block]:
    r"""Read the rows that are left with `csv`; write them quoted, and with commas, for pyarrow.

    Raises
    ------
    ValueError
        If a row is not readable as CSV, or has not so many cells.

    Examples
    --------
    >>> from densenet.tables.reading.csv_text import Dialect, Lines, rewritten
    >>> [block.content for block in rewritten(Lines(['1, "a"\n']), Dialect("a.csv", ","), 2)]
    [b'"1","a"\n']
    """
    places: list[int] = []
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for first, cells in records(lines, dialect):
        if len(cells) != width:
            raise ValueError(
                f"{dialect.name}, line {first}: expected {width} cells as in the first row, "
                f"got {len(cells)}"
            )
        writer.writerow(cells)
        places.append(first)
        if len(places) == _ROWS or text.tell() > SIZE:
            yield Block(text.getvalue().encode(), 0, np.array(places))
            places.clear()
            text.seek(0)
            text.truncate()
    if places:
        yield Block(text.getvalue().encode(), 0, np.array(places))


def _quotes(block: bytes | bytearray) -> npt.NDArray[np.intp]:
    """Give the places of quotes."""
    if b'"' not in block:
        return np.empty(0, np.intp)
    return np.flatnonzero(np.frombuffer(block, np.uint8) == ord('"'))


def _ends(characters: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
    r"""Give the places of the last characters of lines that end in \n, \r\n or \r."""
    ends = characters == ord("\n")
    returns = characters == ord("\r")
    if returns.any():
        returns[:-1] &= ~ends[1:]
        ends |= returns
    return np.flatnonzero(ends)


def _cut(content: bytes | bytearray) -> int:
    """Give where the last row that is whole ends, if each quote begins or ends a cell."""
    quotes = _quotes(content)
    if not len(quotes):
        return (content.rfind(b"\n") if b"\n" in content else content.rfind(b"\r")) + 1
    ends = _ends(np.frombuffer(content, np.uint8))
    outside = ends[np.searchsorted(quotes, ends) % 2 == 0]
    return int(outside[-1]) + 1 if len(outside) else 0


def _places(block: bytes) -> tuple[Array, int]:
    """Give each row's first line, from 0, and the number of lines."""
    quotes = _quotes(block)
    if not len(quotes) and b"\r" not in block and b"\n\n" not in block and block[:1] != b"\n":
        count = block.count(b"\n") + (not block.endswith(b"\n"))
        return np.arange(count), count
    characters = np.frombuffer(block, np.uint8)
    ends = _ends(characters)
    count = len(ends) + (not block.endswith((b"\n", b"\r")))
    of_rows = ends[np.searchsorted(quotes, ends) % 2 == 0]
    starts = np.concatenate([[0], of_rows + 1])
    starts = starts[starts < len(block)]
    blank = np.isin(characters[starts], (ord("\n"), ord("\r")))
    starts = starts[~blank]
    return np.searchsorted(ends, starts), count
