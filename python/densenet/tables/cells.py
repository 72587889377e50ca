"""A single cell: missing, a number, a boolean or a date; and which cells mean the same."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Literal, TypeAlias

__all__ = [
    "MARKS",
    "MISSING",
    "are_numbers",
    "counts_of_keys",
    "index_of",
    "key_of",
    "kind_of",
    "looks_like_a_date",
    "missing_words",
    "number",
    "spellings_of",
]

Kind: TypeAlias = Literal["numbers", "booleans", "texts"]

MISSING = (
    *("", "?", ".", "NA", "N/A", "NaN", "-NaN", "NaT", "NULL", "None", "nil", "<NA>", "(null)"),
    *("\\N", "#N/A", "#NA", "#N/A N/A", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""Words for a missing cell; upper and lower case are the same."""

MARKS = ("-", "--", "---", "–", "—", "..", "...", "…")
"""Further words for a missing cell in a column of numbers; elsewhere they may be values."""

_BOOLEANS = {"0": "false", "1": "true", "f": "false", "t": "true", "F": "false", "T": "true"}
"""How SQLite and PostgreSQL write them, as others write them."""

_WHOLE = re.compile(r"([-+]?)0*([0-9]+)(?:\.0*)?")
_DATE = re.compile(
    r"(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2(?:[0-9]{4}|[0-9]{2}))"
    r"(?:[T ][0-9:.,]+ *(?:[AaPp][Mm]|Z|UTC|[-+][0-9:]+)?)?|[0-9]{4}-(?:0[1-9]|1[0-2])"
)


def missing_words(missing: Iterable[str] = (), present: Iterable[str] = ()) -> frozenset[str]:
    """Give the words for a missing cell, in lower case.

    Parameters
    ----------
    missing : iterable of str
        Words to add to `MISSING`.
    present : iterable of str
        Words of `MISSING` that are values here. The empty cell is always missing.

    Examples
    --------
    >>> from densenet.tables.cells import missing_words
    >>> words = missing_words(["Unknown"], present=["None"])
    >>> "unknown" in words, "none" in words, "n/a" in words
    (True, False, True)
    """
    words = {word.lower() for word in (*MISSING, *missing)}
    return frozenset(words - {word.lower() for word in present if word})


def are_numbers(cells: Sequence[str]) -> bool:
    """Return whether every cell is a number or missing.

    Examples
    --------
    >>> from densenet.tables.cells import are_numbers
    >>> are_numbers(["1", "", "-", "2e3"]), are_numbers(["1", "1,5"])
    (True, False)
    """
    try:
        for cell in cells:  # fast, for the usual column
            if cell:
                float(cell)
    except ValueError:
        return all(number(cell) is not None for cell in cells)
    return "_" not in "".join(cells)


def number(cell: str) -> float | None:
    """Give a cell's number, NaN if it is missing, None if it is anything else.

    Examples
    --------
    >>> from densenet.tables.cells import number
    >>> number("1e3"), number(""), number("-"), number("1,5"), number("12_3")
    (1000.0, nan, nan, None, None)
    """
    if not cell or cell in MARKS:
        return math.nan
    try:
        value = float(cell.replace("−", "-"))
    except ValueError:
        return None
    return None if "_" in cell else value  # only Python reads 12_3 as a number


def kind_of(cells: Iterable[str]) -> Kind:
    """Give how cells are compared: as numbers or booleans if all that have a value are such.

    Examples
    --------
    >>> from densenet.tables.cells import kind_of
    >>> kind_of(["0", "1.0", ""]), kind_of(["TRUE", "false"]), kind_of(["01", "x"]), kind_of([""])
    ('numbers', 'booleans', 'texts', 'texts')
    """
    known = {cell for cell in cells if cell and cell not in MARKS}
    if not known:
        return "texts"
    if all(number(cell) is not None for cell in known):
        return "numbers"
    return "booleans" if {cell.lower() for cell in known} <= {"true", "false"} else "texts"


def key_of(kind: Kind) -> Callable[[str], str]:
    """Give a function from a cell to its key: cells that mean the same, as `kind`, have equal keys.

    Whole numbers, those beyond 2**53 and those of more than 17 digits are compared digit by digit,
    other numbers as float64. Booleans may be written as databases do, 0 and 1 or t and f. The key
    of a cell of another kind is the cell itself.

    Examples
    --------
    >>> from densenet.tables.cells import key_of
    >>> [key_of("numbers")(cell) for cell in ("007", "7.0", "7e0", "+7", "0.50", "", "x")]
    ['7', '7', '7', '7', '0.5', '', 'x']
    >>> [key_of("booleans")(cell) for cell in ("TRUE", "1.0", "f", "2")], key_of("texts")("007")
    (['true', 'true', 'false', '2'], '007')
    """
    if kind == "numbers":
        return _number_key
    return _boolean_key if kind == "booleans" else str


def index_of(values: Sequence[str], kind: Kind | None = None) -> Callable[[str], int]:
    """Give a function from a cell to its index in `values`, -1 if it is none of them.

    Parameters
    ----------
    values : sequence of str
        A cell that is written exactly as one of them is that one, whatever `kind` is.
    kind : "numbers", "booleans" or "texts", optional
        How cells are compared; by default `kind_of` the values.

    Examples
    --------
    >>> from densenet.tables.cells import index_of
    >>> index = index_of(["0", "1.0"])
    >>> [index(cell) for cell in ("1", "1e0", "00", "2", "x")]
    [1, 1, 0, -1, -1]
    """
    key = key_of(kind_of(values) if kind is None else kind)
    written = {value: i for i, value in enumerate(values)}
    known = {key(value): i for i, value in reversed(list(enumerate(values)))}
    return lambda cell: written.get(cell, known.get(key(cell), -1))


def counts_of_keys(counts: Mapping[str, int], kind: Kind) -> dict[str, int]:
    """Add up the rows of cells that have the same key.

    Parameters
    ----------
    counts : mapping of str to int
        The rows of each cell.
    kind : "numbers", "booleans" or "texts"
        As for `key_of`.

    Examples
    --------
    >>> from densenet.tables.cells import counts_of_keys
    >>> counts_of_keys({"1": 5, "1.0": 2, "2": 1}, "numbers")
    {'1': 7, '2': 1}
    """
    key, found = key_of(kind), dict[str, int]()
    for cell, rows in counts.items():
        found[key(cell)] = found.get(key(cell), 0) + rows
    return found


def spellings_of(counts: Mapping[str, int], kind: Kind) -> dict[str, str]:
    """Give for each key the cell that most rows have.

    Parameters are those of `counts_of_keys`.

    Examples
    --------
    >>> from densenet.tables.cells import spellings_of
    >>> spellings_of({"1": 5, "1.0": 2, "2": 1}, "numbers")
    {'2': '2', '1': '1'}
    """
    order = sorted(counts, key=lambda cell: (counts[cell], -len(cell), cell))
    key = key_of(kind)
    return {key(cell): cell for cell in order}  # of several the last one stays


def _number_key(cell: str) -> str:
    whole = _WHOLE.fullmatch(cell)
    if whole:
        sign, digits = whole.groups()
        return f"-{digits}" if sign == "-" and digits != "0" else digits
    value = number(cell)
    if value is None:
        return cell
    if math.isnan(value):
        return ""
    if (abs(value) >= 2**53 or len(cell) > 17) and 1e-300 < abs(value) < math.inf:
        digits = f"{Decimal(cell.replace('−', '-')):f}"
        if "." in digits:
            digits = digits.rstrip("0").rstrip(".")
        if abs(value) >= 2**53 or len(digits.lstrip("-0.")) > 18:  # 17 tell float64s apart
            return digits
    return str(int(value)) if value.is_integer() else repr(value)


def _boolean_key(cell: str) -> str:
    return _BOOLEANS.get(_number_key(cell), cell).lower()


def looks_like_a_date(cell: str) -> bool:
    """Return whether a cell is a date in digits, with or without a time, or a month of a year.

    Examples
    --------
    >>> from densenet.tables.cells import looks_like_a_date
    >>> [looks_like_a_date(text) for text in ("1/2/24 10:30", "2024-02", "2024", "1.2.3.4")]
    [True, True, False, False]
    """
    return _DATE.fullmatch(cell) is not None
