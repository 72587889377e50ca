"""Tables: columns of cells, texts or numbers, with the line or row that each came from.

A cell stays the text that it was, so an id is written as it was read. Still ``01`` and ``1`` are
one class or category in a column of numbers. How a column is encoded is decided in
`densenet.tables.features` and `densenet.tables.targets`.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.tables.cells import Kind, key_of, kind_of, number
from densenet.tables.date_formats import DateGuess, recognise_dates
from densenet.tables.frames import cells_of, columns_of
from densenet.tables.numerals import PLAIN, Guess, Numerals, recognise

__all__ = ["Table"]

Numbers: TypeAlias = npt.NDArray[np.float64]
Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Table:
    """Columns of cells, with the line or row of the file that each row came from.

    Attributes
    ----------
    source : str
        The file's name, for error messages.
    columns : mapping of str to array of shape (rows,)
        Texts (of type object, "" where missing) or numbers (NaN where missing).
    places : integer array of shape (rows,)
        For each row, the number of its first line in a text file, or of the row itself.
    unit : "line" or "row"
        What `places` counts, from 1.
    unreadable : mapping of str to str
        Columns that hold neither numbers nor texts, and what they hold.
    guesses : mapping of str to Guess
        How the numbers of a column are written, if not as programs write them.
    unnamed : mapping of str to str
        Columns that are features only on request, and why: an index that pandas wrote, an id, the
        key of a join.
    date_guesses : mapping of str to DateGuess
        The columns of dates, and how each is written.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> table = Table.from_columns({"id": ["007", "008"], "tempo": ["118.5", ""]})
    >>> table.texts("id").tolist(), table.numbers("tempo").tolist()
    (['007', '008'], [118.5, nan])
    >>> table.is_text("id"), table.missing("tempo").tolist()
    (False, [False, True])
    >>> codes = Table.from_columns({"code": ["1", "1.0", "02"], "price": ["1,5", "2,25", ""]})
    >>> codes.kind("code"), codes.keys("code"), codes.spellings("code")
    ('numbers', ['1', '1', '2'], {'1': '1', '2': '02'})
    >>> codes.numerals("price").decimal, codes.numbers("price").tolist()
    (',', [1.5, 2.25, nan])
    >>> codes.example("price")
    "'2,25' is read as 2.25"
    >>> codes.names("price").tolist(), codes.with_guesses(thousands=",").numerals("code").thousands
    (['1.5', '2.25', ''], ',')
    >>> last = table.take([1])
    >>> len(last), last.where(0, "tempo")
    (1, "table, row 2, column 'tempo'")
    >>> table.with_cells("tempo", [0, 0]).texts("tempo").tolist()
    ['118.5', '118.5']
    >>> table.require(["genre"])
    Traceback (most recent call last):
    ValueError: table: expected column 'genre', got columns 'id', 'tempo'
    """

    source: str
    columns: Mapping[str, Array]
    places: Array
    unit: str = "line"
    unreadable: Mapping[str, str] = field(default_factory=dict)
    guesses: Mapping[str, Guess] = field(default_factory=dict)
    unnamed: Mapping[str, str] = field(default_factory=dict)
    date_guesses: Mapping[str, DateGuess] = field(default_factory=dict)
    _numbers: dict[tuple[str, Numerals], tuple[Numbers, Flags]] = field(
        default_factory=dict, repr=False, compare=False
    )

    @classmethod
    def from_columns(cls, columns: Mapping[str, npt.ArrayLike], source: str = "table") -> "Table":
        """Make a table of sequences of one length, or of a frame of pandas or polars.

        Cells that are no numbers become texts, by `densenet.tables.frames.cells_of`.
        """
        _checks.text("source", source)
        cells, guesses = {}, {}
        for label, column in columns_of("columns", columns):
            name = _checks.text("columns", label)
            cells[name], are_own = cells_of(f"columns[{name!r}]", column)
            if not are_own:  # texts that Python writes, such as those of decimals
                guesses[name] = Guess(PLAIN)
        lengths = sorted({len(values) for values in cells.values()})
        if len(lengths) != 1:
            raise ValueError(f"columns: expected sequences of one length, got lengths {lengths}")
        places = np.arange(1, 1 + lengths[0])
        return cls(source, cells, places, "row", guesses=guesses).with_guesses()

    def with_guesses(
        self, *, delimiter: str = "", decimal: str | None = None, thousands: str | None = None
    ) -> "Table":
        """Give the table with `guesses` by `densenet.tables.numerals.recognise`.

        Columns that have a guess already are not looked at. Parameters and errors are those of that
        function. `date_guesses` are those of `densenet.tables.date_formats.recognise_dates`.
        """
        unknown = {name: cells for name, cells in self.columns.items() if name not in self.guesses}
        guesses = recognise(unknown, delimiter=delimiter, decimal=decimal, thousands=thousands)
        dates = recognise_dates(self.columns)
        return replace(self, guesses={**self.guesses, **guesses}, date_guesses=dates)

    def __len__(self) -> int:
        return len(self.places)

    def where(self, row: int, column: str) -> str:
        """Say where a cell is, to begin an error message with."""
        _checks.count("row", row, 0, len(self) - 1)
        _checks.text("column", column)
        return f"{self.source}, {self.unit} {self.places[row]}, column {column!r}"

    def require(self, names: Iterable[str]) -> None:
        """Raise a ValueError unless the table has columns of all these names."""
        missing = [
            name
            for name in _checks.texts("names", names)
            if name not in self.columns and name not in self.unreadable
        ]
        if missing:
            raise ValueError(
                f"{self.source}: expected {_listed('column', missing)}, "
                f"got {_listed('column', list(self.columns))}"
            )

    def take(self, rows: npt.ArrayLike) -> "Table":
        """Give a table of some rows, by their numbers from 0 or by a flag for each row."""
        at = _rows(rows, len(self))
        columns = {name: cells[at] for name, cells in self.columns.items()}
        parsed = {key: (n[at], others[at]) for key, (n, others) in self._numbers.items()}
        return replace(self, columns=columns, places=self.places[at], _numbers=parsed)

    def with_cells(self, name: str, rows: npt.ArrayLike) -> "Table":
        """Give the table with one column's cells taken from others of its rows, (rows,)."""
        cells = self._cells(name)
        at = _checks.indices("rows", _checks.as_array("rows", rows), len(self), "rows")
        _checks.same_length("rows", at, len(self))
        return replace(self, columns={**self.columns, name: cells[at]}, _numbers={})

    def texts(self, name: str) -> Array:
        """Give a column's cells as texts, "" where missing, in an array of object.

        Numbers are written with the fewest digits that distinguish them, whole ones without a dot.
        """
        cells = self._cells(name)
        if cells.dtype == object:
            return cells
        if cells.dtype.kind != "f":
            return np.array([str(cell) for cell in cells.tolist()], object)
        return np.array([_written(cell) for cell in cells], object)

    def names(self, name: str) -> Array:
        """Give a column's cells as names of classes and categories, in an array of object.

        They are `texts`, except that numbers with decimal commas and the like are written as Python
        writes them.
        """
        texts = self.texts(name)
        guess = self.guesses.get(name)
        if guess is None or guess.doubt or guess.numerals == PLAIN:
            return texts
        plain = {text: guess.numerals.plain(text) for text in set(texts.tolist())}
        return np.array([plain[text] or text for text in texts.tolist()], object)

    def kind(self, name: str) -> Kind:
        """Give how a column's cells are compared: as numbers or booleans if all are such."""
        is_number = self._cells(name).dtype != object
        return "numbers" if is_number else kind_of(set(self.names(name).tolist()))

    def keys(self, name: str, kind: Kind | None = None) -> list[str]:
        """Give each cell's key: equal for cells that mean the same, "" for missing ones.

        Parameters
        ----------
        name : str
        kind : "numbers", "booleans" or "texts", optional
            How to compare cells; by default as `kind` gives it.
        """
        names = self.names(name).tolist()
        key = key_of(kind or self.kind(name))
        known = {text: key(text) for text in set(names)}
        return [known[text] for text in names]

    def spellings(self, name: str) -> dict[str, str]:
        """Give for each of a column's keys the name that it has in most rows."""
        counts = Counter(self.names(name).tolist())
        order = sorted(counts, key=lambda text: (counts[text], -len(text), text))
        key = key_of(self.kind(name))
        return {key(text): text for text in order}  # of several the last one stays

    def missing(self, name: str) -> Flags:
        """Return for each of a column's cells whether it is missing."""
        cells = self._cells(name)
        values, others = self._parsed(name, self._guess(name).numerals)
        missing: Flags = cells == "" if others.any() else values != values
        return missing

    def numerals(self, name: str, like: Numerals | None = None) -> Numerals:
        """Give how a column's numbers are written.

        Parameters
        ----------
        name : str
        like : Numerals, optional
            How another table, such as the training rows, writes them. It decides if this table's
            cells can be read in several ways.

        Raises
        ------
        ValueError
            If the cells can still be read in two ways, or if only one of the two tables has a sign
            such as %.
        """
        guess = self._guess(name)
        chosen = guess.numerals
        if not guess.sure and self._cells(name).dtype == object:
            if like is not None and self._fits(name, like):
                chosen = like
            elif guess.doubt:
                raise self._doubt(name, guess.doubt)
            elif like is not None and self._fits_with_dots(name, like):
                raise self._doubt(name, "dots may stand before decimals or between thousands")
        if like is not None and like.unit != chosen.unit and not self.missing(name).all():
            wanted = f"with {like.unit}" if like.unit else "without a sign"
            got = f"with {chosen.unit}" if chosen.unit else "without"
            raise self._doubt(
                name, f"expected numbers {wanted}, as in the training rows, got {got}"
            )
        return chosen

    def example(self, name: str, like: Numerals | None = None) -> str:
        """Say how one of the numbers is read, if they are not written as programs write them.

        Otherwise give "".

        Parameters and errors are those of `numerals`.
        """
        numerals = self.numerals(name, like)
        if numerals == PLAIN or self._cells(name).dtype != object:
            return ""
        texts = {text for text in self._cells(name).tolist() if number(text) is None}
        read = {text: numerals.plain(text) for text in texts}
        shown = sorted((text for text in texts if read[text]), key=lambda text: (-len(text), text))
        return f"{shown[0]!r} is read as {float(read[shown[0]] or 0):.15g}" if shown else ""

    def numbers(self, name: str, like: Numerals | None = None) -> Numbers:
        """Give a column's cells as numbers, NaN where missing.

        Parameters
        ----------
        name : str
        like : Numerals, optional
            As for `numerals`.

        Raises
        ------
        ValueError
            If a cell is neither a number nor missing, or its number is infinite; also all that
            `numerals` raises.
        """
        values, others = self._parsed(name, self.numerals(name, like))
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
        """Return whether a column holds texts, rather than only numbers.

        Raises
        ------
        ValueError
            If a few cells, at most a tenth of those that are not missing, are no numbers while the
            others are; also all that `numerals` raises.
        """
        values, found = self._parsed(name, self.numerals(name))
        others = np.flatnonzero(found)
        present = len(others) + int(np.sum(values == values))
        if 0 < len(others) <= present / 10:
            got = self._cells(name)[others[0]]
            raise ValueError(
                f"{self.where(others[0], name)}: expected a number, as in most rows, got "
                f"{_short(got)}: correct it, or take that word as missing or the column as text"
            )
        return len(others) > 0

    def _guess(self, name: str) -> Guess:
        return self.guesses.get(_checks.text("name", name), Guess(PLAIN, sure=False))

    def _doubt(self, name: str, words: str) -> ValueError:
        return ValueError(f"{self.source}, column {name!r}: {words}")

    def _fits(self, name: str, numerals: Numerals) -> bool:
        return not self._parsed(name, numerals)[1].any()

    def _fits_with_dots(self, name: str, like: Numerals) -> bool:
        return like.decimal == "," and self._fits(name, replace(like, thousands="."))

    def _parsed(self, name: str, numerals: Numerals) -> tuple[Numbers, Flags]:
        """Give a column's numbers, and which cells are no numbers; parse each column once."""
        key = _checks.text("name", name), numerals
        if key not in self._numbers:
            self._numbers[key] = _parse(self._cells(name), numerals)
        return self._numbers[key]

    def _cells(self, name: str) -> Array:
        self.require([_checks.text("name", name)])
        if name in self.unreadable:
            raise ValueError(
                f"{self.source}, column {name!r}: expected numbers or texts, "
                f"got {self.unreadable[name]}"
            )
        return self.columns[name]


def _rows(rows: npt.ArrayLike, n: int) -> Array:
    """Check row numbers in [0, n), or a flag for each of the n rows."""
    at = _checks.as_array("rows", rows)
    if at.dtype == bool and at.shape == (n,):
        return at
    return _checks.indices("rows", at, n, "rows")


def _parse(cells: Array, numerals: Numerals) -> tuple[Numbers, Flags]:
    if cells.dtype != object:
        return cells.astype(np.float64), np.zeros(len(cells), bool)
    texts = cells.tolist()
    try:
        if numerals == PLAIN and "_" not in "".join(texts):  # fast, for the usual column
            values = [float(text) if text else math.nan for text in texts]
            return np.array(values), np.zeros(len(texts), bool)
    except ValueError:
        pass
    known = {text: _number(text, numerals) for text in set(texts)}
    parsed = [known[text] for text in texts]
    others = np.array([value is None for value in parsed])
    return np.array([math.nan if value is None else value for value in parsed]), others


def _number(cell: str, numerals: Numerals) -> float | None:
    """Give a cell's number, NaN if it is missing, None if it is anything else."""
    if numerals == PLAIN:
        return number(cell)
    plain = numerals.plain(cell)
    return None if plain is None else number(plain)


def _written(cell: "np.floating[Any]") -> str:
    """Write a number with the fewest digits that distinguish it, "" for NaN."""
    value = float(cell)
    if value != value:
        return ""
    return str(int(value)) if abs(value) < 1e16 and value.is_integer() else str(cell)


def check_names(source: str, names: Sequence[str]) -> None:
    """Check that there are columns, and that their names differ."""
    if not names:
        raise ValueError(f"{source}: expected columns, got none")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise ValueError(f"{source}: expected names that differ, got column {name!r} {times} times")


def as_table(table: object) -> Table:
    """Check that an argument is a Table."""
    return _checks.instance("table", table, Table, "a Table")


def _short(cell: str) -> str:
    """Quote a cell, shortened if it is long."""
    return repr(cell) if len(cell) <= 40 else f"{cell[:37]!r}..."


def _listed(noun: str, names: Sequence[str], most: int = 6) -> str:
    """Name the first of several things: columns 'a', 'b' and 7 more."""
    shown = ", ".join(map(_short, names[:most]))
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{noun}{'s' if len(names) != 1 else ''} {shown}{rest}"
