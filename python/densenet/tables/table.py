"""Tables: columns of cells, texts or numbers, with the line or row that each came from.

A cell stays the text that it was, so an id is written as it was read. Still ``01`` and ``1`` are
one class or category in a column of numbers. How a column is encoded is decided in
`densenet.tables.encoding.features` and `densenet.tables.encoding.targets`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.tables.cells import (
    Kind,
    counts_of_keys,
    key_of,
    kind_of,
    number,
    spellings_of,
)
from densenet.tables.date_formats import DateFormat, recognise_dates
from densenet.tables.frames import cells_of, columns_of
from densenet.tables.guess import Guess
from densenet.tables.names import check_names, look_like_cells
from densenet.tables.numerals import PLAIN, Numerals, recognise
from densenet.tables.stored import Coded, Columns, Held

__all__ = ["Table"]

_UNKNOWN = Guess(PLAIN, sure=False)

_T = TypeVar("_T")

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
        Texts (of type object, "" where missing) or numbers (NaN where missing). They are held in
        less room, and made into arrays, which cannot be written to, when they are asked for.
    places : integer array of shape (rows,)
        For each row, the number of its first line in a text file, or of the row itself; in a table
        of several files the numbers go on from file to file.
    unit : "line" or "row"
        What `places` counts, from 1.
    unreadable : mapping of str to str
        Columns that hold neither numbers nor texts, and what they hold.
    guesses : mapping of str to Guess
        How the numbers of a column are written, if not as programs write them.
    unnamed : mapping of str to str
        Columns that are features only on request, and why: an index that pandas wrote, an id, the
        key of a join.
    date_guesses : mapping of str to Guess
        The columns of dates, and how each is written.
    files : sequence of (int, str)
        Of a table of several files, the place that each one's own begin after, and its name.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Table
    >>> table = Table.from_columns({"id": ["007", "008"], "tempo": ["118.5", ""]})
    >>> table.texts("id").tolist(), table.numbers("tempo").tolist()
    (['007', '008'], [118.5, nan])
    >>> table.held_numbers("tempo").at([1, 0]).tolist()
    [nan, 118.5]
    >>> table.is_text("id"), table.missing("tempo").tolist()
    (False, [False, True])
    >>> codes = Table.from_columns({"code": ["1", "1.0", "02"], "price": ["1,5", "2,25", ""]})
    >>> codes.kind("code"), codes.keys("code"), codes.spellings("code")
    ('numbers', ['1', '1', '2'], {'1': '1', '2': '02'})
    >>> codes.key_counts("code"), codes.text_counts("code")
    ({'1': 2, '2': 1}, {'1': 1, '1.0': 1, '02': 1})
    >>> codes.name_counts("price")
    {'1.5': 1, '2.25': 1, '': 1}
    >>> names, rows = codes.distinct("price")
    >>> names, rows.tolist()
    (['1.5', '2.25', ''], [0, 1, 2])
    >>> codes.numerals("price").decimal, codes.numbers("price").tolist()
    (',', [1.5, 2.25, nan])
    >>> codes.example("price"), codes.unlike("price", codes.numerals("price"))
    ("'2,25' is read as 2.25", '')
    >>> codes.names("price").tolist(), codes.with_guesses(thousands=",").numerals("code").thousands
    (['1.5', '2.25', ''], ',')
    >>> last = table.take([1])
    >>> len(last), last.where(0, "tempo")
    (1, "table, row 2, column 'tempo'")
    >>> table.with_cells("tempo", [0, 0]).shares("tempo", table), table.shares("id", table)
    (False, True)
    >>> table.beside(codes, ["code"], np.array([2, 0])).remembering().texts("code").tolist()
    ['02', '1']
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
    guesses: Mapping[str, Guess[Numerals]] = field(default_factory=dict)
    unnamed: Mapping[str, str] = field(default_factory=dict)
    date_guesses: Mapping[str, Guess[DateFormat]] = field(default_factory=dict)
    files: tuple[tuple[int, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", Columns.of(self.columns))

    @classmethod
    def from_columns(cls, columns: Mapping[str, npt.ArrayLike], source: str = "table") -> "Table":
        """Make a table of sequences of one length, or of a frame of pandas or polars.

        Cells that are no numbers become texts, by `densenet.tables.frames.cells_of`.
        """
        _checks.text("source", source)
        found = columns_of("columns", columns)
        names = [_checks.text("columns", label) for label, _ in found]
        check_names("columns", names)
        cells, guesses = {}, {}
        for name, (_, column) in zip(names, found, strict=True):
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
        texts = self._stored.of_texts()
        unknown = {name: cells for name, cells in texts.items() if name not in self.guesses}
        guesses = recognise(unknown, delimiter=delimiter, decimal=decimal, thousands=thousands)
        dates = recognise_dates(texts)
        return replace(self, guesses={**self.guesses, **guesses}, date_guesses=dates)

    def __len__(self) -> int:
        return len(self.places)

    def where(self, row: int, column: str) -> str:
        """Say where a cell is, to begin an error message with."""
        _checks.count("row", row, 0, len(self) - 1)
        _checks.text("column", column)
        place = int(self.places[row])
        begun = [(before, name) for before, name in self.files if before < place]
        before, source = begun[-1] if begun else (0, self.source)
        return f"{source}, {self.unit} {place - before}, column {column!r}"

    def require(self, names: Iterable[str]) -> None:
        """Raise a ValueError unless the table has columns of all these names."""
        missing = [
            name
            for name in _checks.texts("names", names)
            if name not in self.columns and name not in self.unreadable
        ]
        if missing:
            hint = look_like_cells(self.columns) if self.unit == "line" else ""
            raise ValueError(
                f"{self.source}: expected {_listed('column', missing)}, "
                f"got {_listed('column', list(self.columns))}" + (f"; {hint}" if hint else "")
            )

    def take(self, rows: npt.ArrayLike) -> "Table":
        """Give a table of some rows, by their numbers from 0 or by a flag for each row."""
        at = _rows(rows, len(self))
        if len(at) == len(self) and np.array_equal(at, np.arange(len(self))):
            return self
        return replace(self, columns=self._stored.take(at), places=self.places[at])

    def with_cells(self, name: str, rows: npt.ArrayLike) -> "Table":
        """Give the table with one column's cells taken from others of its rows, (rows,)."""
        self._check(name)
        at = _checks.indices("rows", _checks.as_array("rows", rows), len(self), "rows")
        _checks.same_length("rows", at, len(self))
        return replace(self, columns=self._stored.with_rows(name, at))

    def beside(self, other: "Table", names: Sequence[str], rows: Array) -> "Table":
        """Add columns of another table, by their names, with a row of it for each row of this."""
        return replace(
            self,
            columns=self._stored.beside(other._stored, names, rows),
            guesses={**self.guesses, **_some(other.guesses, names)},
            date_guesses={**self.date_guesses, **_some(other.date_guesses, names)},
        )

    def remembering(self) -> "Table":
        """Give the table with columns that keep what they have been asked about all rows."""
        return replace(self, columns=self._stored.remembering())

    def shares(self, name: str, other: "Table") -> bool:
        """Return whether a column is that of another table, with the same rows."""
        return self._stored.have(name, as_table(other)._stored)

    def texts(self, name: str) -> Array:
        """Give a column's cells as texts, "" where missing, in an array of object.

        Numbers are written with the fewest digits that distinguish them, whole ones without a dot.
        """
        return self._coded(name).array()

    def names(self, name: str) -> Array:
        """Give a column's cells as names of classes and categories, in an array of object.

        They are `texts`, except that numbers with decimal commas and the like are written as Python
        writes them.
        """
        return Coded(*self.distinct(name)).array()

    def distinct(self, name: str) -> tuple[list[str], Array]:
        """Give the `names` that differ in a column, and each row's index among them, (rows,).

        Where numbers have marks, two ways to write one may give a name twice.
        """
        texts, codes = self._coded(name)
        guess = self.guesses.get(name)
        if guess is None or guess.doubt or guess.how == PLAIN:
            return texts, codes
        return [guess.how.plain(text) or text for text in texts], codes

    def kind(self, name: str) -> Kind:
        """Give how a column's cells are compared: as numbers or booleans if all are such."""
        self._check(name)
        return kind_of(self.distinct(name)[0]) if self._stored.is_text(name) else "numbers"

    def keys(self, name: str, kind: Kind | None = None) -> list[str]:
        """Give each cell's key: equal for cells that mean the same, "" for missing ones.

        Parameters
        ----------
        name : str
        kind : "numbers", "booleans" or "texts", optional
            How to compare cells; by default as `kind` gives it.
        """
        names, codes = self.distinct(name)
        keys = list(map(key_of(kind or self.kind(name)), names))
        given: list[str] = Coded(keys, codes).array().tolist()
        return given

    def text_counts(self, name: str) -> dict[str, int]:
        """Count the rows of each of a column's `texts`."""
        return self._coded(name).counts()

    def key_counts(self, name: str) -> dict[str, int]:
        """Count the rows of each of a column's keys."""
        return counts_of_keys(self.name_counts(name), self.kind(name))

    def name_counts(self, name: str) -> dict[str, int]:
        """Count the rows of each of a column's `names`."""
        return Coded(*self.distinct(name)).counts()

    def spellings(self, name: str) -> dict[str, str]:
        """Give for each of a column's keys the name that it has in most rows."""
        return spellings_of(self.name_counts(name), self.kind(name))

    def missing(self, name: str) -> Flags:
        """Return for each of a column's cells whether it is missing."""
        values, others = self._stored.parse(name, self._guess(name).how)
        if others is not None and others.any():
            return self._stored.missing(name)
        missing: Flags = values != values
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
        chosen = guess.how
        if not guess.doubt and (like is None or like == chosen == PLAIN):
            return chosen
        if not guess.sure and (like or guess.doubt) and self._stored.is_text(name):
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
        if numerals == PLAIN or not self._stored.is_text(name):
            return ""
        for text in sorted(self._coded(name).texts, key=lambda text: (-len(text), text)):
            plain = numerals.plain(text) if number(text) is None else None
            if plain:
                return f"{text!r} is read as {float(plain):.15g}"
        return ""

    def unlike(self, name: str, like: Numerals) -> str:
        """Say how one of the numbers is read, if they are written otherwise than in another table.

        Parameters and errors are those of `numerals`.
        """
        if self._are_booleans(name, like):
            text = max(self.distinct(name)[0], key=_value_of_boolean)
            return f"{text!r} is read as {_value_of_boolean(text):g}"
        return "" if self.numerals(name, like) == like else self.example(name, like)

    def numbers(self, name: str, like: Numerals | None = None) -> Numbers:
        """Give a column's cells as numbers, NaN where missing.

        Parameters
        ----------
        name : str
        like : Numerals, optional
            As for `numerals`. Where another table has numbers, true is 1 and false is 0.

        Raises
        ------
        ValueError
            If a cell is neither a number nor missing, or its number is infinite; also all that
            `numerals` raises.
        """
        values, others = self._stored.parse(name, self.numerals(name, like))
        if others is None:
            return values
        if self._are_booleans(name, like):
            return self._booleans(name).at(slice(None))
        for wrong, expected in (others, "a number"), (np.isinf(values), "a finite number"):
            if wrong.any():
                row = int(wrong.argmax())
                got = _short(self._stored.text(name, row))
                raise ValueError(f"{self.where(row, name)}: expected {expected}, got {got}")
        return values

    def held_numbers(self, name: str, like: Numerals | None = None) -> Held:
        """Give what `numbers` does where it lies, as far as it does, and raise what it raises."""
        self.numbers(name, like)
        if self._are_booleans(name, like):
            return self._booleans(name)
        return self._stored.held(name, self.numerals(name, like))

    def is_text(self, name: str) -> bool:
        """Return whether a column holds texts, rather than only numbers.

        Raises
        ------
        ValueError
            If a few cells, at most a tenth of those that are not missing, are no numbers while the
            others are; also all that `numerals` raises.
        """
        values, found = self._stored.parse(name, self.numerals(name))
        if found is None or not found.any():
            return False
        others = np.flatnonzero(found)
        present = len(others) + int(np.sum(values == values))
        if len(others) <= present / 10:
            got = self._stored.text(name, others[0])
            raise ValueError(
                f"{self.where(others[0], name)}: expected a number, as in most rows, got "
                f"{_short(got)}: correct it, or take that word as missing or the column as text"
            )
        return True

    def _are_booleans(self, name: str, like: Numerals | None) -> bool:
        """Return whether a column that has numbers in another table has booleans in this."""
        if like is None or self._fits(name, self.numerals(name, like)):
            return False
        return self.kind(name) == "booleans"

    def _booleans(self, name: str) -> Held:
        names, codes = self.distinct(name)
        return Held(np.array(list(map(_value_of_boolean, names))), codes)

    def _guess(self, name: str) -> Guess[Numerals]:
        self._check(name)
        return self.guesses.get(name, _UNKNOWN)

    def _doubt(self, name: str, words: str) -> ValueError:
        return ValueError(f"{self.source}, column {name!r}: {words}")

    def _fits(self, name: str, numerals: Numerals) -> bool:
        others = self._stored.parse(name, numerals)[1]
        return others is None or not others.any()

    def _fits_with_dots(self, name: str, like: Numerals) -> bool:
        return like.decimal == "," and self._fits(name, replace(like, thousands="."))

    def _coded(self, name: str) -> Coded:
        self._check(name)
        return self._stored.coded(name)

    def _check(self, name: str) -> None:
        if _checks.text("name", name) in self.columns:
            return
        self.require([name])
        if name in self.unreadable:
            raise ValueError(
                f"{self.source}, column {name!r}: expected numbers or texts, "
                f"got {self.unreadable[name]}"
            )

    @property
    def _stored(self) -> Columns:
        columns = self.columns
        assert isinstance(columns, Columns)
        return columns


def _some(known: Mapping[str, _T], names: Sequence[str]) -> dict[str, _T]:
    return {name: known[name] for name in names if name in known}


def _rows(rows: npt.ArrayLike, n: int) -> Array:
    """Check row numbers in [0, n), or a flag for each of the n rows."""
    at = _checks.as_array("rows", rows)
    if at.dtype == bool and at.shape == (n,):
        return np.flatnonzero(at)
    return _checks.indices("rows", at, n, "rows")


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


def _value_of_boolean(cell: str) -> float:
    return {"true": 1.0, "false": 0.0}.get(cell.lower(), np.nan)
