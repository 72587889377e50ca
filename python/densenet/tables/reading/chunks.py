"""Tables that memory does not hold: a sample of their rows, and all rows chunk by chunk."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.tables.joining import Joining
from densenet.tables.reading.drawing import Draw, most_rows
from densenet.tables.reading.files import Reading, reading_of, store, table_of
from densenet.tables.reading.mixing import grouped, interleaved, taken
from densenet.tables.reading.parquet import has_times
from densenet.tables.reading.parts import Joined, Part, check_alike
from densenet.tables.reading.segments import Segment, TableFile
from densenet.tables.reading.sources import Copies, name_of
from densenet.tables.stored import Columns
from densenet.tables.table import Table

_ROWS = 1 << 14


@dataclass(frozen=True)
class TableChunks:
    r"""A table that is read in chunks, as often as it is needed.

    Attributes
    ----------
    sample : Table
        Rows drawn at random, in their order; all of them if they are few. How numbers and dates
        are written is recognised by them.
    drawn : integer array of shape (rows of the sample,)
        The numbers of these rows in the table, from 0.
    rows : int
        How many the table has.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from densenet.tables import read_chunks
    >>> path = Path(tempfile.mkdtemp(), "a.csv")
    >>> _ = path.write_text("n,pet\n1,cat\n2,dog\n3,cat\n")
    >>> chunks = read_chunks(path)
    >>> len(chunks), chunks.is_whole, chunks.in_order, chunks.sample.texts("pet").tolist()
    (3, True, False, ['cat', 'dog', 'cat'])
    >>> [table.numbers("n").tolist() for table in chunks.tables(["n"], 2)]
    [[1.0, 2.0], [3.0]]
    >>> mixed = chunks.tables(["n"], 2, mixed=[0, 1], without=[1])
    >>> sorted(n for table in mixed for n in table.numbers("n").tolist())
    [1.0, 3.0]
    """

    sample: Table
    drawn: Array
    rows: int
    _reading: Reading
    _files: tuple[TableFile, ...]
    _begins: tuple[int, ...]
    """The place that the places of each file come after."""
    _timed: frozenset[str]
    """Columns of moments that are not all midnights."""
    _copies: Copies
    _joining: Joining | None = None
    _as_read: Table | None = None
    """The sample before rows were joined."""

    def __len__(self) -> int:
        return self.rows

    @property
    def is_whole(self) -> bool:
        """Whether the sample has all rows."""
        return len(self.sample) == self.rows

    @property
    def in_order(self) -> bool:
        """Whether some file can be read from its beginning alone, so that few rows are mixed."""
        return any(one.where is None for file in self._files for one in file.segments)

    def tables(
        self,
        columns: Sequence[str],
        rows: int = _ROWS,
        *,
        mixed: Sequence[int] | None = None,
        without: Iterable[int] = (),
    ) -> Iterator[Table]:
        """Read some columns of all rows, in tables of at most so many rows.

        Parameters
        ----------
        columns : sequence of str
        rows : int
            The most rows of a table.
        mixed : sequence of int, optional
            Numbers from which a random order follows: blocks of neighbouring rows, or row groups,
            come in a random order, and so do the rows of every 32 MB that follow each other. By
            default rows come as they lie in the files.
        without : iterable of int
            The numbers of rows to leave out.

        Raises
        ------
        ValueError
            If a column is missing, or a file has changed.
        """
        self.sample.require(columns)
        rows = _checks.count("rows", rows)
        rng = None if mixed is None else np.random.default_rng(list(mixed))
        left_out = np.unique(np.fromiter(without, np.int64))
        joining = self._joining
        own = columns if joining is None else joining.needed(columns)
        segments = [
            _Read(self, segment, own, left_out) for file in self._files for segment in file.segments
        ]
        parts = (
            chain.from_iterable(segments) if rng is None else interleaved(segments, rng, len(own))
        )
        # By `map`, which keeps nothing of a part while the next one is read.
        tables = map(self._table, grouped(parts, rows, rng))
        return tables if joining is None else map(partial(joining.join, columns=columns), tables)

    def join(self, other: Table, on: str, *, ignore: Iterable[str] = ()) -> "TableChunks":
        r"""Add another table's columns to the rows, as `densenet.tables.join` does.

        The other table stays in memory. How keys are compared is decided by the sample. If that has
        not all rows, all are read once: they are counted, and columns of both compared.

        Parameters
        ----------
        other, on, ignore
            As for `densenet.tables.join`.

        Returns
        -------
        TableChunks
            The rows that have a partner. A sample that gets very wide has fewer of them.

        Raises
        ------
        ValueError
            What `densenet.tables.join` raises, if no row of the sample has a partner, or rows have
            been joined already.

        Examples
        --------
        >>> import tempfile
        >>> from pathlib import Path
        >>> from densenet.tables import Table, read_chunks
        >>> path = Path(tempfile.mkdtemp(), "a.csv")
        >>> _ = path.write_text("pet,owner\ncat,Ann\ndog,Bob\ncow,Cid\n")
        >>> other = Table.from_columns({"pet": ["hen", "cat", "cow"], "says": ["", "meow", "moo"]})
        >>> chunks = read_chunks(path).join(other, "pet")
        >>> [table.texts("says").tolist() for table in chunks.tables(["says", "owner"])]
        [['meow', 'moo']]
        """
        if self._joining is not None:
            raise ValueError("join: expected chunks that are not joined yet, got joined ones")
        joining = Joining.of(self.sample, other, on, ignore)
        joining.check(self.sample)
        kept = np.flatnonzero(joining.partners(self.sample) >= 0)
        rows = len(kept)
        if not self.is_whole:
            rows = sum(map(joining.check_both, self.tables([on, *joining.both])))
        joining = joining.remembering()
        most = most_rows(len(self.sample.columns) + len(joining.added))
        if len(kept) > most:
            kept = np.sort(np.random.default_rng(0).permutation(kept)[:most])
        sample = joining.join(self.sample.take(kept))
        return replace(
            self,
            sample=sample,
            drawn=self.drawn[kept],
            rows=rows,
            _joining=joining,
            _as_read=self.sample,
        )

    def _table(self, part: Part) -> Table:
        like = self.sample if self._as_read is None else self._as_read
        stored, unreadable, _ = store(Joined(part, like.files), self._reading.words, self._timed)
        return replace(like, columns=Columns(stored), places=part.places, unreadable=unreadable)


@dataclass(frozen=True)
class _Read:
    """The parts of a segment, read anew each time."""

    chunks: TableChunks
    segment: Segment
    columns: Sequence[str]
    without: Array

    def __iter__(self) -> Iterator[Part]:
        file, first = self.segment.file, self.segment.first
        begin = self.chunks._begins[file]
        for part in self.chunks._files[file].read(self.segment, self.columns):
            n = len(part.places)
            low, high = np.searchsorted(self.without, [first, first + n])
            if low < high:
                part = taken(part, np.delete(np.arange(n), self.without[low:high] - first))
            yield part._replace(places=part.places.astype(np.int64) + begin)
            first += n
            del part


def read_chunks(
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
) -> TableChunks:
    """Look at a table that memory need not hold, to read it in chunks (extra ``tables``).

    All rows are read once, and a sample of at most 100,000 is drawn. How numbers and dates are
    written is recognised by the sample; a cell that is written otherwise is an error when it is
    read.

    Parameters
    ----------
    path, header, delimiter, encoding, missing, present, decimal, thousands, comment
        As for `densenet.tables.read_table`. A pipe, standard input and packed Parquet are copied
        to a file for temporary use. CSV that is packed, in another encoding than UTF-8 or for
        Python's `csv` alone can be read from the beginning only.

    Returns
    -------
    TableChunks

    Raises
    ------
    OSError, ImportError, ValueError
        What `densenet.tables.read_table` raises.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import pyarrow as arrow
    >>> from pyarrow import parquet
    >>> from densenet.tables import read_chunks
    >>> path = Path(tempfile.mkdtemp(), "a.parquet")
    >>> parquet.write_table(arrow.table({"n": range(5)}), path, row_group_size=2)
    >>> [table.numbers("n").tolist() for table in read_chunks(path).tables(["n"], 3)]
    [[0.0, 1.0, 2.0], [3.0, 4.0]]
    """
    how = reading_of(path, header, delimiter, encoding, missing, present, comment)
    files: list[TableFile] = []
    begins: list[int] = []
    alike: Part | None = None
    copies = Copies()
    draw, rows, before = Draw(), 0, 0
    timed: set[str] = set()
    for number, given in enumerate(how.files):
        name = name_of(given)
        file = TableFile(copies.of(given), name, how.options)
        last = 0
        for part in file.first_read(number, rows):
            if alike is None:
                alike = part._replace(columns={one: [] for one in part.columns})
            check_alike(alike, part)
            timed |= {
                one
                for one, arrays in part.columns.items()
                if one not in timed and has_times(arrays)
            }
            last = int(part.places[-1]) if len(part.places) else last
            draw.add(part._replace(places=part.places.astype(np.int64) + before))
        rows = sum(one.rows for each in (*files, file) for one in each.segments)
        files.append(file)
        begins.append(before)
        before += last
    drawn = draw.part()
    several = len(files) > 1
    names = tuple(zip(begins, (one.name for one in files), strict=True)) if several else ()
    sample = table_of(
        how.title,
        Joined(drawn.part, names),
        how.words,
        timed,
        decimal=decimal,
        thousands=thousands,
    )
    return TableChunks(
        sample,
        drawn.numbers,
        rows,
        how,
        tuple(files),
        tuple(begins),
        frozenset(timed),
        copies,
    )
