"""What a single cell says: nothing, a number, yes or no, a date; and which cells say the same."""

import math
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Literal, TypeAlias

__all__ = [
    "MARKS",
    "MISSING",
    "are_numbers",
    "clean",
    "key_of",
    "kind_of",
    "looks_like_a_date",
    "missing_words",
    "number",
    "place_of",
]

Kind: TypeAlias = Literal["numbers", "booleans", "texts"]

MISSING = (
    *("", "?", ".", "NA", "N/A", "NaN", "-NaN", "NaT", "NULL", "None", "nil", "<NA>", "(null)"),
    *("\\N", "#N/A", "#NA", "#N/A N/A", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NUM!", "#NAME?"),
    *("1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
)
"""Words that stand for a cell without a value, in upper and lower case."""

MARKS = ("-", "--", "---", "–", "—", "..", "...", "…")
"""What stands for a missing cell in a column of numbers alone: elsewhere it may be a value."""

_WHOLE = re.compile(r"([-+]?)0*([0-9]+)(?:\.0*)?")
_DATE = re.compile(
    r"(?:[0-9]{4}([-/.])[0-9]{1,2}\1[0-9]{1,2}|[0-9]{1,2}([-/.])[0-9]{1,2}\2(?:[0-9]{4}|[0-9]{2}))"
    r"(?:[T ][0-9:.,]+ *(?:[AaPp][Mm]|Z|UTC|[-+][0-9:]+)?)?"
)


def missing_words(missing: Iterable[str] = (), present: Iterable[str] = ()) -> frozenset[str]:
    """Give the words for a cell without a value, as `clean` wants them.

    Parameters
    ----------
    missing : iterable of str
        Words beside `MISSING`.
    present : iterable of str
        Words of `MISSING` that are values. The empty cell cannot be one.

    Examples
    --------
    >>> from densenet.tables.cells import missing_words
    >>> words = missing_words(["Unknown"], present=["None"])
    >>> "unknown" in words, "none" in words, "n/a" in words
    (True, False, True)
    """
    words = {word.casefold() for word in (*MISSING, *missing)}
    return frozenset(words - {word.casefold() for word in present if word})


def clean(cells: Iterable[str], words: Collection[str]) -> list[str]:
    """Strip cells of white space, and empty those that are words for nothing, in any case.

    Examples
    --------
    >>> from densenet.tables.cells import clean, missing_words
    >>> clean([" 1.5", "n/a", "None ", "."], missing_words())
    ['1.5', '', '', '']
    """
    stripped = list(map(str.strip, cells))
    folded = "\0".join(stripped).casefold().split("\0")  # much faster than cell by cell
    if len(folded) != len(stripped):  # a cell of Parquet may hold anything
        folded = [cell.casefold() for cell in stripped]
    return ["" if word in words else cell for cell, word in zip(stripped, folded, strict=True)]


def are_numbers(cells: Sequence[str]) -> bool:
    """Tell whether all cells are numbers or missing.

    Examples
    --------
    >>> from densenet.tables.cells import are_numbers
    >>> are_numbers(["1", "", "-", "2e3"]), are_numbers(["1", "1,5"])
    (True, False)
    """
    try:
        for cell in cells:  # the fast way, for the usual column
            if cell:
                float(cell)
    except ValueError:
        return all(number(cell) is not None for cell in cells)
    return "_" not in "".join(cells)


def number(cell: str) -> float | None:
    """Give a cell's number, NaN where it is missing, and None where it is something else.

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
    return None if "_" in cell else value  # 12_3 is a number to Python alone


def kind_of(cells: Iterable[str]) -> Kind:
    """Tell how cells are compared: as numbers or booleans where all with a value are such.

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
    """Make the function that gives equal texts to cells that are the same, compared as `kind`.

    Whole numbers are compared by all their digits, others as float64. A cell of another kind is
    compared as it is written.

    Examples
    --------
    >>> from densenet.tables.cells import key_of
    >>> [key_of("numbers")(cell) for cell in ("007", "7.0", "7e0", "+7", "0.50", "", "x")]
    ['7', '7', '7', '7', '0.5', '', 'x']
    >>> key_of("booleans")("TRUE"), key_of("texts")("007")
    ('true', '007')
    """
    if kind == "numbers":
        return _number_key
    return str.lower if kind == "booleans" else str


def place_of(values: Sequence[str], kind: Kind | None = None) -> Callable[[str], int]:
    """Make the function that finds a cell among values, or gives -1.

    Parameters
    ----------
    values : sequence of str
        A cell that is written as one of them is that one, whatever it is compared as.
    kind : "numbers", "booleans" or "texts", optional
        How cells are compared; by default as all values are.

    Examples
    --------
    >>> from densenet.tables.cells import place_of
    >>> place = place_of(["0", "1.0"])
    >>> [place(cell) for cell in ("1", "1e0", "00", "2", "x")]
    [1, 1, 0, -1, -1]
    """
    key = key_of(kind_of(values) if kind is None else kind)
    written = {value: i for i, value in enumerate(values)}
    known = {key(value): i for i, value in reversed(list(enumerate(values)))}
    return lambda cell: written.get(cell, known.get(key(cell), -1))


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
    return str(int(value)) if value.is_integer() else repr(value)


def looks_like_a_date(cell: str) -> bool:
    """Tell whether a cell is a date of numbers, maybe with a time.

    Examples
    --------
    >>> from densenet.tables.cells import looks_like_a_date
    >>> [looks_like_a_date(text) for text in ("2024-02-29", "1/2/24 10:30", "2024", "1.2.3.4")]
    [True, True, False, False]
    """
    return _DATE.fullmatch(cell) is not None
