"""Tables: columns of cells that are texts or numbers, and where they stood in a file.

A cell stays the text that it was, so that the class ``01`` is not the class ``1``; what a column
means is decided by `densenet.preprocessing` and `densenet.targets`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from densenet._typing import Array

__all__ = ["Table"]

Numbers: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """Columns of cells, and where each row stood in the file.

    Attributes
    ----------
    source : str
        The file's name, for messages.
    columns : mapping of str to array of shape (rows,)
        Texts (of type object, "" where missing) or numbers (NaN where missing).
    places : integer array of shape (rows,)
        Number of each row's first line in a text file, or of the row itself.
    unit : "line" or "row"
        What `places` counts, from 1.
    unreadable : mapping of str to str
        Columns that no one can use, and what they hold.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> table = Table.from_columns({"id": ["007", "008"], "tempo": ["118.5", ""]})
    >>> table.texts("id").tolist(), table.numbers("tempo").tolist()
    (['007', '008'], [118.5, nan])
    >>> table.is_text("id"), table.missing("tempo").tolist()
    (False, [False, True])
    >>> last = table.take([1])
    >>> len(last), last.where(0, "tempo")
    (1, "table, row 2, column 'tempo'")
    >>> table.require(["genre"])
    Traceback (most recent call last):
    ValueError: table: expected column 'genre', got columns 'id', 'tempo'
    """

    source: str
    columns: Mapping[str, Array]
    places: Array
    unit: str = "line"
    unreadable: Mapping[str, str] = field(default_factory=dict)
    _numbers: dict[str, tuple[Numbers, Flags]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def from_columns(cls, columns: Mapping[str, npt.ArrayLike], source: str = "table") -> "Table":
        """Make a table of sequences of one length: numbers, or what is taken as texts."""
        cells = {name: np.asarray(values) for name, values in columns.items()}
        for name, values in cells.items():
            if values.dtype.kind not in "iuf":
                texts = ["" if cell is None else str(cell) for cell in values.tolist()]
                cells[name] = np.array(texts, object)
        lengths = sorted({len(values) for values in cells.values()})
        if len(lengths) != 1:
            raise ValueError(f"columns: expected sequences of one length, got lengths {lengths}")
        return cls(source, cells, np.arange(1, 1 + lengths[0]), "row")

    def __len__(self) -> int:
        return len(self.places)

    def where(self, row: int, column: str) -> str:
        """Say where a cell is: the first words of a message about it."""
        return f"{self.source}, {self.unit} {self.places[row]}, column {column!r}"

    def require(self, names: Iterable[str]) -> None:
        """Raise a ValueError unless there are columns of all these names."""
        missing = [
            name for name in names if name not in self.columns and name not in self.unreadable
        ]
        if missing:
            raise ValueError(
                f"{self.source}: expected {_listed('column', missing)}, "
                f"got {_listed('column', list(self.columns))}"
            )

    def take(self, rows: npt.ArrayLike) -> "Table":
        """Give a table of some of the rows."""
        at = np.asarray(rows)
        columns = {name: cells[at] for name, cells in self.columns.items()}
        parsed = {name: (n[at], others[at]) for name, (n, others) in self._numbers.items()}
        return replace(self, columns=columns, places=self.places[at], _numbers=parsed)

    def texts(self, name: str) -> Array:
        """Give a column's cells as they are written, "" where missing, as array of object."""
        cells = self._cells(name)
        if cells.dtype == object:
            return cells
        texts = ["" if cell != cell else str(cell) for cell in cells.tolist()]
        return np.array(texts, object)

    def missing(self, name: str) -> Flags:
        """Tell which of a column's cells have no value."""
        cells = self._cells(name)
        missing: Flags = cells == "" if cells.dtype == object else cells != cells
        return missing

    def numbers(self, name: str) -> Numbers:
        """Give a column's cells as numbers, NaN where missing.

        Raises
        ------
        ValueError
            If a cell is something else, or its number is infinite.
        """
        values, others = self._parsed(name)
        rows = np.flatnonzero(others)
        if len(rows):
            got = self._cells(name)[rows[0]]
            raise ValueError(f"{self.where(rows[0], name)}: expected a number, got {_short(got)}")
        rows = np.flatnonzero(np.isinf(values))
        if len(rows):
            got = str(self._cells(name)[rows[0]])
            raise ValueError(
                f"{self.where(rows[0], name)}: expected a finite number, got {_short(got)}"
            )
        return values

    def is_text(self, name: str) -> bool:
        """Tell whether a column holds texts, rather than numbers alone.

        Raises
        ------
        ValueError
            If it holds numbers and a few texts: in at most a tenth of the cells with a value.
        """
        others = np.flatnonzero(self._parsed(name)[1])
        present = len(self) - int(self.missing(name).sum())
        if 0 < len(others) <= present / 10:
            got = self._cells(name)[others[0]]
            raise ValueError(
                f"{self.where(others[0], name)}: expected a number, as in most rows, got "
                f"{_short(got)}: correct it, or take that word as missing or the column as text"
            )
        return len(others) > 0

    def _parsed(self, name: str) -> tuple[Numbers, Flags]:
        """Give a column's numbers, and which cells are none; each column is parsed once."""
        if name not in self._numbers:
            self._numbers[name] = _parse(self._cells(name))
        return self._numbers[name]

    def _cells(self, name: str) -> Array:
        self.require([name])
        if name in self.unreadable:
            raise ValueError(
                f"{self.source}, column {name!r}: expected numbers or texts, "
                f"got {self.unreadable[name]}"
            )
        return self.columns[name]


def _parse(cells: Array) -> tuple[Numbers, Flags]:
    if cells.dtype != object:
        return cells.astype(np.float64), np.zeros(len(cells), bool)
    texts = cells.tolist()
    try:
        if "_" not in "".join(texts):  # the fast way, for the usual column
            values = [float(text) if text else math.nan for text in texts]
            return np.array(values), np.zeros(len(texts), bool)
    except ValueError:
        pass
    known = {text: _number(text) for text in set(texts)}
    parsed = [known[text] for text in texts]
    others = np.array([value is None for value in parsed])
    return np.array([math.nan if value is None else value for value in parsed]), others


def _number(cell: str) -> float | None:
    """Give a cell's number, NaN where it is missing, and None where it is something else."""
    if not cell:
        return math.nan
    try:
        value = float(cell)
    except ValueError:
        return None
    return None if "_" in cell else value  # 12_3 is a number to Python alone


def is_number(cell: str) -> bool:
    """Tell whether a cell holds a number, or nothing."""
    return _number(cell) is not None


def _short(cell: str) -> str:
    """Quote a cell, its end left out where it is long."""
    return repr(cell) if len(cell) <= 40 else f"{cell[:37]!r}..."


def _listed(noun: str, names: Sequence[str], most: int = 6) -> str:
    """Name a few things: columns 'a', 'b' and 7 more."""
    shown = ", ".join(map(_short, names[:most]))
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{noun}{'s' if len(names) != 1 else ''} {shown}{rest}"
