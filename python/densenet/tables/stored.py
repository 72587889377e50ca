"""How the cells of a column are held in memory: as numbers, or as codes of the texts that differ.

Texts from a file that hardly repeat stay in an array of Arrow, which takes about as much as the
file (`densenet.tables.reading.arrow_cells`). All three answer the same questions (`Stored`), so
that a table is never held as one Python object for each cell.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet._typing import Array
from densenet.tables.cells import MARKS, are_numbers, number
from densenet.tables.decimals import Values
from densenet.tables.numerals import PLAIN, Dots, Numerals, dots_of

Parsed: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_]]
Known: TypeAlias = tuple[npt.NDArray[np.float64], npt.NDArray[np.bool_] | None]
# Cells of a table of which all numbers are kept. Of a larger one they are those of the last column,
# as several questions in a row are about one.
_SMALL = 5_000_000


class Coded(NamedTuple):
    """Texts that differ, and for each row the index of its own.

    Attributes
    ----------
    texts : list of str
    codes : integer array of shape (rows,)

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.stored import Coded
    >>> colors = Coded(["red", "blue", "green"], np.array([2, 0, 2]))
    >>> colors.without_unused().texts, colors.counts()
    (['red', 'green'], {'red': 1, 'blue': 0, 'green': 2})
    >>> colors.array().tolist()
    ['green', 'red', 'green']
    """

    texts: list[str]
    codes: Array

    def without_unused(self) -> "Coded":
        """Leave out texts that no row has."""
        used = np.bincount(self.codes, minlength=len(self.texts)) > 0
        if used.all():
            return self
        texts = [text for text, is_used in zip(self.texts, used.tolist(), strict=True) if is_used]
        return Coded(texts, (np.cumsum(used) - 1)[self.codes])

    def counts(self) -> dict[str, int]:
        """Count the rows of each text."""
        counts: dict[str, int] = {}
        rows = np.bincount(self.codes, minlength=len(self.texts)).tolist()
        for text, count in zip(self.texts, rows, strict=True):
            counts[text] = counts.get(text, 0) + count
        return counts

    def array(self) -> Array:
        """Give each row's text, in an array of object."""
        texts = np.empty(len(self.texts), object)
        texts[:] = self.texts
        cells: Array = texts[self.codes]
        return cells


class Held(NamedTuple):
    """What is known of each row of a column, in the memory where it lies.

    Row i has ``values[i]``, or ``values[codes[i]]`` where there are codes; with ``rows``, that of
    the row ``rows[i]``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.stored import Held
    >>> Held(np.array([0.5, 1.5]), codes=np.array([1, 0, 1])).at(np.array([1, 2])).tolist()
    [0.5, 1.5]
    """

    values: Values
    codes: Array | None = None
    rows: Array | None = None

    def at(self, rows: Array | slice) -> Array:
        """Give the values of some rows, perhaps without a copy."""
        for numbers in (self.rows, self.codes):
            if numbers is not None:
                rows = numbers[rows]
        values: Array = self.values[rows]
        return values

    def take(self, rows: Array) -> "Held":
        """Give some rows, by their numbers; nothing else is copied."""
        return self._replace(rows=rows if self.rows is None else self.rows[rows])


class Stored(Protocol):
    """The cells of a column, in whatever form."""

    @property
    def is_text(self) -> bool:
        """Whether the column was given as texts, rather than as numbers."""

    def __len__(self) -> int: ...

    def array(self) -> Array:
        """Give the cells: texts in an array of object, "" where missing; or numbers."""

    def text(self, row: int) -> str:
        """Give one cell as a text."""

    def coded(self) -> Coded:
        """Give the cells' texts."""

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return for each cell whether it is empty."""

    def parse(self, numerals: Numerals) -> Parsed:
        """Give the cells' numbers, NaN where missing, and a flag for those that are no numbers."""

    def held(self, numerals: Numerals) -> Held | None:
        """Give the numbers as they lie here; None if they are to be parsed."""

    def are_numbers(self) -> bool:
        """Return whether every cell is a number as programs write it, or missing."""

    def dots(self) -> Dots:
        """Say what the dots in a column of numbers may mean."""


class StoredNumbers:
    """Numbers in an array of NumPy; NaN where missing.

    Parameters
    ----------
    values : array of shape (rows,), or Decimals
    is_text : bool
        True if they were whole numbers in a text file, where `write_number` gives their texts.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.stored import StoredNumbers
    >>> stored = StoredNumbers(np.array([7, 8], np.int8), is_text=True)
    >>> stored.array().tolist(), stored.text(1)
    (['7', '8'], '8')
    """

    def __init__(self, values: Values, is_text: bool = False) -> None:
        self._values = values
        self.is_text = is_text

    def __len__(self) -> int:
        return len(self._values)

    def array(self) -> Array:
        """Give the numbers, or their texts if these are what the file held."""
        return self.coded().array() if self.is_text else self._values[:]

    def text(self, row: int) -> str:
        """Give one number as a text."""
        number: np.number[Any] = self._values[row]  # type: ignore[assignment]
        return write_number(number)

    def coded(self) -> Coded:
        """Give the numbers' texts."""
        values, codes = np.unique(self._values[:], return_inverse=True)
        return Coded(list(map(write_number, values)), smallest(codes))

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return for each cell whether it is missing."""
        values = self._values[:]
        flags: npt.NDArray[np.bool_] = values != values
        return flags

    def parse(self, numerals: Numerals) -> Parsed:
        """Give the numbers as float64, and no flag set: what is a number has no marks."""
        if self.is_text and numerals.unit:
            return parsed_by_texts(self.coded(), numerals)
        # Rejected: a float32 by its shortest decimal, as CSV has it, takes 600 times as long.
        return self._values[:].astype(np.float64), np.zeros(len(self), bool)

    def held(self, numerals: Numerals) -> Held | None:
        """Give the numbers as they lie here; None if they are to be parsed."""
        return None if self.is_text and numerals.unit else Held(self._values)

    def are_numbers(self) -> bool:
        """Return True."""
        return True

    def dots(self) -> Dots:
        """Say that no text has a dot: only whole numbers are texts here."""
        return "none"


class StoredCodes:
    """Codes of texts that repeat.

    Parameters
    ----------
    coded : Coded

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.numerals import PLAIN
    >>> from densenet.tables.stored import StoredCodes
    >>> stored = StoredCodes.of(["1", "", "x", "1"])
    >>> stored.coded().texts, stored.parse(PLAIN)[0].tolist()
    (['1', '', 'x'], [1.0, nan, nan, 1.0])
    """

    is_text = True

    def __init__(self, coded: Coded) -> None:
        self._coded = coded

    @classmethod
    def of(cls, cells: Sequence[str]) -> "StoredCodes":
        """Find the texts that differ."""
        index = {text: code for code, text in enumerate(dict.fromkeys(cells))}
        codes = np.fromiter(map(index.__getitem__, cells), np.intp, len(cells))
        return cls(Coded(list(index), smallest(codes)))

    def __len__(self) -> int:
        return len(self._coded.codes)

    def array(self) -> Array:
        """Give each row's text, in an array of object."""
        return self._coded.array()

    def text(self, row: int) -> str:
        """Give one cell's text."""
        text: str = self._coded.texts[self._coded.codes[row]]
        return text

    def coded(self) -> Coded:
        """Give the texts."""
        return self._coded

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return for each cell whether it is empty."""
        flags: npt.NDArray[np.bool_] = np.array([not text for text in self._coded.texts])[
            self._coded.codes
        ]
        return flags

    def parse(self, numerals: Numerals) -> Parsed:
        """Give the cells' numbers, and a flag for those that are no numbers."""
        return parsed_by_texts(self._coded, numerals)

    def held(self, numerals: Numerals) -> Held:
        """Give the number of each text, and the codes as they lie here."""
        texts, codes = self._coded
        return Held(parsed_by_texts(Coded(texts, np.arange(len(texts))), numerals)[0], codes)

    def are_numbers(self) -> bool:
        """Return whether every cell is a number as programs write it, or missing."""
        return are_numbers([text for text in self._coded.texts if text not in MARKS])

    def dots(self) -> Dots:
        """Say what the dots in a column of numbers may mean."""
        return dots_of(text for text in self._coded.texts if text not in MARKS)


class StoredRows:
    """The cells of another column, taken from some of its rows.

    Parameters
    ----------
    stored : Stored
    rows : integer array of shape (rows,)

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.stored import StoredCodes, StoredRows
    >>> StoredRows(StoredCodes.of(["cat", "dog"]), np.array([1, 1])).array().tolist()
    ['dog', 'dog']
    """

    def __init__(self, stored: Stored, rows: Array) -> None:
        self._stored = stored
        self._rows = rows
        self.is_text = stored.is_text

    def __len__(self) -> int:
        return len(self._rows)

    def array(self) -> Array:
        """Give the cells."""
        cells: Array = self._stored.array()[self._rows]
        return cells

    def text(self, row: int) -> str:
        """Give one cell as a text."""
        return self._stored.text(int(self._rows[row]))

    def coded(self) -> Coded:
        """Give the cells' texts."""
        texts, codes = self._stored.coded()
        codes = codes[self._rows]
        if len(texts) <= len(codes):
            return Coded(texts, codes).without_unused()
        used, codes = np.unique(codes, return_inverse=True)  # in time that follows from the rows
        return Coded([texts[code] for code in used.tolist()], codes)

    def missing(self) -> npt.NDArray[np.bool_]:
        """Return for each cell whether it is empty."""
        return self._stored.missing()[self._rows]

    def parse(self, numerals: Numerals) -> Parsed:
        """Give the cells' numbers, and a flag for those that are no numbers."""
        values, others = self._stored.parse(numerals)
        return values[self._rows], others[self._rows]

    def held(self, numerals: Numerals) -> Held | None:
        """Give the numbers as they lie in the other column; None if they are to be parsed."""
        held = self._stored.held(numerals)
        return None if held is None else held.take(self._rows)

    def are_numbers(self) -> bool:
        """Return whether every cell of the other column is a number, or missing."""
        return self._stored.are_numbers()

    def dots(self) -> Dots:
        """Say what the dots in the other column may mean."""
        return self._stored.dots()


class Remembered:
    """The cells of a column, with what was asked about all of them, kept for the next time.

    Parameters
    ----------
    stored : Stored

    Examples
    --------
    >>> from densenet.tables.numerals import PLAIN
    >>> from densenet.tables.stored import Remembered, StoredCodes
    >>> stored = Remembered(StoredCodes.of(["1", "2"]))
    >>> stored.parse(PLAIN)[0] is stored.parse(PLAIN)[0]
    True
    """

    def __init__(self, stored: Stored) -> None:
        self.is_text = stored.is_text
        self.array, self.text, self.held = stored.array, stored.text, stored.held
        self.are_numbers, self.dots = stored.are_numbers, stored.dots
        self.coded, self.missing = cache(stored.coded), cache(stored.missing)
        self.parse = cache(stored.parse)
        self._stored = stored

    def __len__(self) -> int:
        return len(self._stored)


class Columns(Mapping[str, Array]):
    """Columns by name, made into arrays when they are asked for; perhaps of some rows alone.

    Parameters
    ----------
    stored : mapping of str to Stored
    rows : integer array, optional
        The numbers of the rows that these columns have; by default all.

    Examples
    --------
    >>> from densenet.tables.stored import Columns, StoredCodes
    >>> columns = Columns({"pet": StoredCodes.of(["cat", "dog", "cat"])})
    >>> columns.take([2, 0]).coded("pet").texts
    ['cat']
    >>> columns["pet"].tolist()
    ['cat', 'dog', 'cat']
    """

    def __init__(self, stored: Mapping[str, Stored], rows: Array | None = None) -> None:
        self._stored = stored
        self._chosen = rows
        self._recent: dict[tuple[str, Numerals], Known] = {}
        self._coded: dict[str, Coded] = {}

    @classmethod
    def of(cls, columns: Mapping[str, Array]) -> "Columns":
        """Store arrays: texts of type object, or numbers."""
        if isinstance(columns, cls):
            return columns
        return cls(
            {
                name: StoredCodes.of(cells.tolist())
                if cells.dtype == object
                else StoredNumbers(cells)
                for name, cells in columns.items()
            }
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)

    def __contains__(self, name: object) -> bool:
        return name in self._stored

    def __getitem__(self, name: str) -> Array:
        cells: Array = self._taken(self._stored[name].array()).view()
        cells.flags.writeable = False  # nobody would see what is written to it
        return cells

    def __repr__(self) -> str:
        return f"Columns({', '.join(map(repr, self))})"

    def take(self, rows: npt.ArrayLike) -> "Columns":
        """Give the columns of some rows, by their numbers from 0; nothing is copied."""
        at = np.asarray(rows)
        taken = Columns(self._stored, at if self._chosen is None else self._chosen[at])
        taken._recent, taken._coded = self._recent, self._coded
        return taken

    def with_rows(self, name: str, rows: Array) -> "Columns":
        """Give the columns with the cells of one of them taken from these of its rows."""
        every = np.arange(len(self._stored[name]))
        if self._chosen is None:
            every = rows
        else:
            every[self._chosen] = self._chosen[rows]
        changed = Columns(
            {**self._stored, name: StoredRows(self._stored[name], every)}, self._chosen
        )
        changed._recent = {key: kept for key, kept in self._recent.items() if key[0] != name}
        return changed

    def beside(self, others: "Columns", names: Sequence[str], rows: Array) -> "Columns":
        """Give these columns, and some of others by their names, taken from these of their rows."""
        ours: dict[str, Stored] = dict(self._stored)
        if self._chosen is not None:
            ours = {name: StoredRows(stored, self._chosen) for name, stored in ours.items()}
        at = rows if others._chosen is None else others._chosen[rows]
        return Columns(ours | {name: StoredRows(others._stored[name], at) for name in names})

    def remembering(self) -> "Columns":
        """Give columns that keep what they have been asked, to answer about few rows at once."""
        kept = {name: Remembered(stored) for name, stored in self._stored.items()}
        return Columns(kept, self._chosen)

    def have(self, name: str, others: "Columns") -> bool:
        """Return whether a column is that of others, with the same rows."""
        return self._stored[name] is others._stored[name] and self._chosen is others._chosen

    def is_text(self, name: str) -> bool:
        """Return whether a column was given as texts, rather than as numbers."""
        return self._stored[name].is_text

    def text(self, name: str, row: int) -> str:
        """Give one cell as a text."""
        return self._stored[name].text(row if self._chosen is None else int(self._chosen[row]))

    def coded(self, name: str) -> Coded:
        """Give a column's texts."""
        coded = self._coded.get(name)
        if coded is None:
            coded = self._stored[name].coded()
            self._coded.clear()  # all but the last column's
            self._coded[name] = coded
        if self._chosen is None:
            return coded
        return Coded(coded.texts, coded.codes[self._chosen]).without_unused()

    def missing(self, name: str) -> npt.NDArray[np.bool_]:
        """Return for each cell of a column whether it is empty."""
        return self._taken(self._stored[name].missing())

    def parse(self, name: str, numerals: Numerals = PLAIN) -> Known:
        """Give a column's numbers, NaN where missing, and a flag for cells that are no numbers.

        None in place of the flags says that there are no such cells, and no infinite numbers.
        """
        key = name, numerals
        parsed = self._recent.get(key)
        if parsed is None:
            found, odd = self._stored[name].parse(numerals)
            parsed = found, odd if odd.any() or np.isinf(found).any() else None
            if len(parsed[0]) * len(self._stored) > _SMALL:
                self._recent.clear()
            self._recent[key] = parsed
        values, others = parsed
        return self._taken(values), None if others is None else self._taken(others)

    def held(self, name: str, numerals: Numerals) -> Held:
        """Give a column's numbers, NaN where missing, in little memory."""
        held = self._stored[name].held(numerals)
        if held is not None:
            return held if self._chosen is None else held.take(self._chosen)
        return Held(self.parse(name, numerals)[0])

    def of_texts(self) -> dict[str, Stored]:
        """Give the columns that were given as texts; all of their rows."""
        return {name: stored for name, stored in self._stored.items() if stored.is_text}

    def _taken(self, cells: Array) -> Array:
        return cells if self._chosen is None else cells[self._chosen]


def parsed_by_texts(coded: Coded, numerals: Numerals) -> Parsed:
    """Give the numbers of coded cells by reading each text once; flag those that are none.

    Examples
    --------
    >>> from densenet.tables.numerals import PLAIN
    >>> from densenet.tables.stored import StoredCodes, parsed_by_texts
    >>> values, others = parsed_by_texts(StoredCodes.of(["5", "", "x", "5"]).coded(), PLAIN)
    >>> values.tolist(), others.tolist()
    ([5.0, nan, nan, 5.0], [False, False, True, False])
    """
    known = [_number(text, numerals) for text in coded.texts]
    values = np.array([math.nan if value is None else value for value in known], np.float64)
    others = np.array([value is None for value in known], bool)
    return values[coded.codes], others[coded.codes]


def smallest(values: Array) -> Array:
    """Give integers in the smallest type that holds them.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.stored import smallest
    >>> smallest(np.array([0, 200])).dtype.name, smallest(np.array([-1, 200])).dtype.name
    ('uint8', 'int16')
    """
    if not len(values):
        return values
    low, high = values.min(), values.max()
    kinds = ("u1", "i1", "u2", "i2", "u4", "i4", "i8")
    for kind in kinds:
        limits = np.iinfo(kind)
        if limits.min <= low and high <= limits.max:
            return values.astype(kind)
    return values


def write_number(cell: "np.number[Any]") -> str:
    """Write a number with the fewest digits that distinguish it, "" for NaN.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.stored import write_number
    >>> write_number(np.float32(0.1)), write_number(np.float64(7)), write_number(np.float64("nan"))
    ('0.1', '7', '')
    """
    if cell.dtype.kind != "f":
        return str(cell)
    value = float(cell)
    if value != value:
        return ""
    return str(int(value)) if abs(value) < 1e16 and value.is_integer() else str(cell)


def _number(cell: str, numerals: Numerals) -> float | None:
    """Give a cell's number, NaN if it is missing, None if it is anything else."""
    if numerals == PLAIN:
        return number(cell)
    plain = numerals.plain(cell)
    return None if plain is None else number(plain)
