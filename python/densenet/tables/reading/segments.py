"""The segments of a table's files: rows that are read by themselves, in whatever order.

They are blocks of plain CSV in UTF-8, row groups of Parquet, or else a whole file, which can be
read from its beginning alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from densenet.tables.reading.csv_tables import CsvBlock, CsvOptions, csv_parts, read_block
from densenet.tables.reading.parquet import ParquetGroups, group_parts, parquet_groups
from densenet.tables.reading.parts import Part
from densenet.tables.reading.sources import Source, open_source

_ENCODINGS = ("utf-8", "utf8")
_CELLS = 1 << 17  # of Parquet that are read at a time: a megabyte of numbers


class Segment(NamedTuple):
    """Rows of a file that are read by themselves.

    Attributes
    ----------
    file : int
        The number of the file, from 0.
    first, rows : int
        The number of the first row, from 0 in the whole table, and how many there are.
    where : CsvBlock, int or None
        Where they are: a block of bytes, a row group by its number, or the whole file.

    Examples
    --------
    >>> from densenet.tables.reading.segments import Segment
    >>> Segment(0, 100, 50, 2).rows
    50
    """

    file: int
    first: int
    rows: int
    where: CsvBlock | int | None


@dataclass
class TableFile:
    r"""A file of a table, which is read several times, segment by segment.

    Parameters
    ----------
    path : Path
    name : str
        What errors call it.
    options : CsvOptions
        How it is written if it is CSV.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet.tables.reading.csv_tables import CsvOptions
    >>> from densenet.tables.reading.segments import TableFile
    >>> path = Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("x,y\n1,2\n3,4\n")
    >>> file = TableFile(path, "a.csv", CsvOptions())
    >>> parts = file.first_read(number=0, first=0)
    >>> [len(part.places) for part in parts], file.segments[0].where.begin
    ([2], 4)
    >>> [part.columns["y"][0].to_pylist() for part in file.read(file.segments[0], ["y"])]
    [['2', '4']]
    """

    path: Path
    name: str
    options: CsvOptions

    def __post_init__(self) -> None:
        self.segments: list[Segment] = []
        self._columns: list[str] = []
        self._groups: ParquetGroups | None = None

    def first_read(self, number: int, first: int) -> Iterator[Part]:
        """Read all rows in their order, and find the segments.

        Parameters
        ----------
        number : int
            That of the file, from 0.
        first : int
            The number of its first row in the table.
        """
        with open_source(self.path, self.name) as source:
            if source.is_parquet:
                yield from self._first_groups(source, number, first)
            else:
                yield from self._first_blocks(source, number, first)

    def read(self, segment: Segment, columns: Sequence[str]) -> Iterator[Part]:
        """Read some columns of the rows of a segment."""
        with open_source(self.path, self.name) as source:
            if isinstance(segment.where, int):
                assert self._groups
                size = max(1, _CELLS // max(1, len(columns)))
                yield from group_parts(source, self._groups, segment.where, columns, size)
                return
            if isinstance(segment.where, CsvBlock):
                block = read_block(self.name, source.stream, segment.where, self._columns)
                parts = iter([block])
            else:
                parts = (part for part, _ in csv_parts(self.name, source.stream, self.options))
            rows = 0
            for part in parts:
                rows += len(part.places)
                yield part._replace(columns={name: part.columns[name] for name in columns})
            if rows != segment.rows:
                raise ValueError(
                    f"{self.name}: expected {segment.rows:,} rows as before, got {rows:,}: the "
                    "file has changed"
                )

    def _first_groups(self, source: Source, number: int, first: int) -> Iterator[Part]:
        self._groups = parquet_groups(source)
        for group, rows in enumerate(self._groups.rows):
            self.segments.append(Segment(number, first, rows, group))
            names = self._groups.names
            size = max(1, _CELLS // len(names))
            yield from group_parts(source, self._groups, group, names, size)
            first += rows

    def _first_blocks(self, source: Source, number: int, first: int) -> Iterator[Part]:
        found: list[tuple[CsvBlock | None, int]] = []
        for part, block in csv_parts(self.name, source.stream, self.options):
            self._columns = list(part.columns)
            found.append((block, len(part.places)))
            yield part
        blocks = [block for block, _ in found if block is not None]
        again = len(blocks) == len(found) and not source.was_packed
        if not again or self.options.encoding.lower().replace("_", "-") not in _ENCODINGS:
            rows = sum(rows for _, rows in found)
            self.segments.append(Segment(number, first, rows, None))
            return
        # The last block ends where the file does.
        before = source.stream.seek(0, 2) - sum(block.size for block in blocks)
        for block, (_, rows) in zip(blocks, found, strict=True):
            where = block._replace(begin=before + block.begin)
            self.segments.append(Segment(number, first, rows, where))
            first += rows
