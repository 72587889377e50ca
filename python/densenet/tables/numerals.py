"""How the numbers of a column are written: decimal commas, separated thousands, per cent signs.

`recognise` finds out what a column's cells can only mean. If they may mean two things, it notes a
doubt; `Table.numbers` raises it as an error when the column is read as numbers.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, Protocol, TypeAlias

from densenet.tables.cells import MARKS, number
from densenet.tables.guess import Guess

__all__ = ["PLAIN", "Dots", "Numerals", "dots_of", "recognise"]

Dots: TypeAlias = Literal["none", "grouped", "others"]
"""What the dots in a column of numbers may mean: "grouped" if all may stand between thousands."""

_UNITS = "%‰$€£¥"
_SPACES = " \u00a0\u2009\u202f"
_ALIKE = {" ": _SPACES, "'": "'’"}  # a mark, and all characters that it stands for
_SEPARATORS = ("", ",", ".", " ", "'")
_MOST_OTHERS = 0.1  # share of a column of numbers that may be anything else, such as typing errors
_SAMPLE = 1000  # texts that are looked at to see whether a column may hold numbers
_LOOSE = re.compile(rf"[-+−]? ?[{_UNITS}]? ?[-+−]?[.,]?[0-9][-+0-9.,'’eE{_SPACES}]*[{_UNITS}]?")
_GROUPED = re.compile(r"[-+−]?[1-9][0-9]{0,2}(?:\.[0-9]{3})+")


@dataclass(frozen=True)
class Numerals:
    """How numbers are written.

    Parameters
    ----------
    decimal : str
        The character before the fraction.
    thousands : str
        The character between groups of three digits, or an empty text. A space stands for every
        kind of space.
    unit : str
        A sign such as % that stands before or after every number, or an empty text. It does not
        change the number: 52% is read as 52.

    Raises
    ------
    ValueError
        If a mark is not a single character, is a letter, a digit, a sign, a quote or a line break,
        or if the marks for decimals and thousands are the same.

    Examples
    --------
    >>> from densenet.tables.numerals import Numerals
    >>> german = Numerals(decimal=",", thousands=".")
    >>> german.plain("-1.234,50"), german.plain("12"), german.plain("1.5")
    ('-1234.50', '12', None)
    >>> Numerals(unit="%").plain("52 %")
    '52'
    >>> german.between, german.pattern[:6]
    ('.', '[-+−]?')
    """

    decimal: str = "."
    thousands: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        for name, least in ("decimal", 1), ("thousands", 0), ("unit", 0):
            mark = getattr(self, name)
            if not isinstance(mark, str) or not least <= len(mark) <= 1:
                raise ValueError(f"{name}: expected one character, got {mark!r}")
            if mark.isalnum() or mark in tuple('+-"\r\n'):
                raise ValueError(
                    f"{name}: expected a mark, not a letter, digit or sign, got {mark!r}"
                )
        if self.decimal == self.thousands:
            raise ValueError(
                f"thousands: expected another mark than {self.decimal!r}, got the same"
            )

    @property
    def between(self) -> str:
        """The characters that may stand between groups of three digits."""
        return _ALIKE.get(self.thousands, self.thousands)

    @property
    def pattern(self) -> str:
        """A regular expression for a number, without its unit."""
        return _pattern(self.decimal, self.thousands).pattern

    def plain(self, cell: str) -> str | None:
        """Write a cell's number as Python does; give "" for a missing cell, None for a text."""
        if not cell or cell in MARKS:
            return ""
        body = _without(self.unit, cell) if self.unit else cell
        if body is None or not _pattern(self.decimal, self.thousands).fullmatch(body):
            return None
        for mark in self.between:
            body = body.replace(mark, "")
        return body.replace(self.decimal, ".").replace("−", "-")


PLAIN = Numerals()
"""Numbers as programs write them."""


class Texts(Protocol):
    """What `recognise` asks of a column of texts."""

    def are_numbers(self) -> bool:
        """Return whether every cell is a number as programs write it, or missing."""

    def dots(self) -> Dots:
        """Say what the dots in a column of numbers may mean."""

    def coded(self) -> "Counted":
        """Give the texts that differ."""


class Counted(Protocol):
    """Texts that can count their rows."""

    def counts(self) -> dict[str, int]:
        """Count the rows of each text."""


def dots_of(texts: Iterable[str]) -> Dots:
    """Say what the dots in the texts of numbers may mean.

    Examples
    --------
    >>> from densenet.tables.numerals import dots_of
    >>> dots_of(["1", "2"]), dots_of(["1.234", "5"]), dots_of(["1.234", "1.5"])
    ('none', 'grouped', 'others')
    """
    found: Dots = "none"
    for text in texts:
        if "." in text:
            if not _GROUPED.fullmatch(text):
                return "others"
            found = "grouped"
    return found


def recognise(
    columns: Mapping[str, Texts],
    *,
    delimiter: str = "",
    decimal: str | None = None,
    thousands: str | None = None,
) -> dict[str, Guess[Numerals]]:
    """Find out how the numbers of a table's columns are written.

    Parameters
    ----------
    columns : mapping of str to Texts
        The columns of texts.
    delimiter : str
        The file's delimiter. If it is a comma, a comma inside a cell that could be either mark is
        taken as the one between thousands.
    decimal, thousands : str, optional
        Marks, where they are known.

    Returns
    -------
    dict of str to Guess
        A guess for each column whose numbers are not, or perhaps not, written as `PLAIN`.

    Raises
    ------
    ValueError
        If `decimal` or `thousands` is a mark that `Numerals` refuses.

    Examples
    --------
    >>> from densenet.tables.numerals import recognise
    >>> from densenet.tables.stored import StoredCodes
    >>> cells = {"a": ["1,5", "2"], "b": ["1,250", "3,900"], "c": ["1,5", "x"]}
    >>> found = recognise({name: StoredCodes.of(texts) for name, texts in cells.items()})
    >>> found["a"].how, list(found)
    (Numerals(decimal=',', thousands='', unit=''), ['a', 'b'])
    >>> found["b"].how == found["a"].how  # as the other column of the table
    True
    """
    candidates = _candidates(decimal, thousands)
    given = decimal is not None or thousands is not None
    found: dict[str, Guess[Numerals]] = {}
    unsettled: dict[str, tuple[Counter[str], list[Numerals]]] = {}  # cells, and ways to read them
    dots = False  # True once a column surely has decimals after a dot
    for name, cells in columns.items():
        if not given and cells.are_numbers():
            meaning_of_dots = cells.dots()
            dots |= meaning_of_dots == "others"
            if meaning_of_dots == "grouped":
                unsettled[name] = _present(cells), [PLAIN, Numerals(",", ".")]
            continue
        counts = _present(cells)
        if not counts or not (given or _may_be_numbers(list(counts))):
            continue
        unit, doubt = _unit(counts)
        if doubt:
            found[name] = Guess(PLAIN, False, doubt)
            continue
        possible = _occurring(counts, candidates, unit)
        fitting = _fitting(counts, possible)
        if fitting and (given or _agree(counts, fitting)):
            if given or fitting[0] != PLAIN:
                found[name] = Guess(fitting[0])
        elif fitting:
            unsettled[name] = counts, fitting
        elif given and _fitting(counts, _occurring(counts, _candidates(None, None), unit)):
            found[name] = Guess(PLAIN, False, _unlike(counts, possible, decimal, thousands))
    known = [guess.how for guess in found.values() if guess.sure]
    commas = any(one.decimal == "," for one in known)
    if any(one.thousands == "," for one in known):
        meaning = "both" if commas else "thousands"
    else:
        meaning = "decimals" if commas else "thousands?" if delimiter == "," else "unknown"
    for name, (counts, fitting) in unsettled.items():
        guess = _settle(counts, fitting, meaning, commas and not dots)
        if guess is not None:
            found[name] = guess
    return found


def _present(cells: Texts) -> Counter[str]:
    """Count the rows of each text that is no missing cell."""
    counts = cells.coded().counts()
    return Counter({text: rows for text, rows in counts.items() if text and text not in MARKS})


def _candidates(decimal: str | None, thousands: str | None) -> list[tuple[str, str]]:
    """List the possible pairs of marks for decimals and thousands, the simplest first."""
    decimals = (".", ",") if decimal is None else (decimal,)
    between = _SEPARATORS if thousands is None else (thousands,)
    if decimal is not None or thousands is not None:
        Numerals(decimal or ("," if thousands == "." else "."), thousands or "")  # refuses others
    return [(one, other) for other in between for one in decimals if one != other]


def _occurring(
    counts: "Counter[str]", candidates: Sequence[tuple[str, str]], unit: str
) -> list[Numerals]:
    """Leave out pairs whose mark between thousands occurs in no cell; make the others Numerals."""
    everything = "".join(counts)
    return [
        Numerals(decimal, thousands, unit)
        for decimal, thousands in candidates
        if any(mark in everything for mark in _ALIKE.get(thousands, thousands))
        or not thousands
        or (decimal, "") not in candidates
    ]


def _may_be_numbers(texts: Sequence[str]) -> bool:
    """Return whether at least half of a sample of different texts look like numbers."""
    some = texts[:: max(1, len(texts) // _SAMPLE)]
    return 2 * sum(_LOOSE.fullmatch(text) is not None for text in some) >= len(some)


def _share(counts: "Counter[str]", fits: Iterable[str]) -> float:
    return sum(counts[text] for text in fits) / counts.total()


def _unit(counts: "Counter[str]") -> tuple[str, str]:
    """Find the sign of a column's numbers, and a doubt: some numbers have it and others do not."""
    for sign in _UNITS:
        having = [text for text in counts if sign in text and _LOOSE.fullmatch(text)]
        share = _share(counts, having)
        if share >= 1 - _MOST_OTHERS:
            return sign, ""
        if share <= _MOST_OTHERS:
            continue
        bare = [text for text in counts if number(text) is not None]
        if share + _share(counts, bare) >= 1 - _MOST_OTHERS:
            doubt = f"expected {sign} in all numbers or in none, got {having[0]!r} and {bare[0]!r}"
            return "", doubt
    return "", ""


def _fitting(counts: "Counter[str]", possible: Sequence[Numerals]) -> list[Numerals]:
    """Give the ways to read numbers that read the most cells; none if they leave out too many."""
    shares = [
        _share(counts, [text for text in counts if one.plain(text) is not None]) for one in possible
    ]
    best = max(shares)
    if best < 1 - _MOST_OTHERS:
        return []
    return [one for one, share in zip(possible, shares, strict=True) if share == best]


def _agree(counts: "Counter[str]", fitting: Sequence[Numerals]) -> bool:
    """Return whether all these ways to read the cells give the same numbers."""

    def values(one: Numerals) -> list[float | None]:
        plain = (one.plain(text) for text in counts)
        return [None if text is None else float(text) for text in plain]

    first = values(fitting[0])
    return all(values(other) == first for other in fitting[1:])


def _settle(
    counts: "Counter[str]", fitting: Sequence[Numerals], commas: str, dots_are_unlike: bool
) -> Guess[Numerals] | None:
    """Decide how to read a column by what commas mean in the table's other columns.

    A dot is the decimal mark unless the other columns all have decimal commas. None means that the
    numbers are `PLAIN`.
    """
    plain = Numerals(unit=fitting[0].unit)
    left: list[Numerals] = []
    if _agree(counts, fitting):
        left = [fitting[0]]
    elif plain in fitting:  # 1.234
        if not dots_are_unlike and not _drops_zeros(counts):
            left = [plain]
    elif commas == "decimals":
        left = [one for one in fitting if one.decimal == ","]
    elif commas in ("thousands", "thousands?"):
        left = [one for one in fitting if one.thousands == ","]
    if left and _agree(counts, left):
        return None if left[0] == PLAIN else Guess(left[0], sure=commas != "thousands?")
    text = next(text for text in counts if not _agree(Counter([text]), fitting))
    meanings = sorted({float(one.plain(text) or "nan") for one in fitting})
    words = " or ".join(f"{value:.12g}" for value in meanings)
    return Guess(PLAIN, False, f"{text!r} may be {words}: decimal or thousands says which")


def _drops_zeros(counts: "Counter[str]") -> bool:
    """Return whether dots separate thousands: numbers without a dot are all below 1000.

    Were the dots decimal marks, every number with decimals would have exactly three of them, none
    shortened by a zero at its end: a rare chance.
    """
    grouped = [text for text in counts if _GROUPED.fullmatch(text)]
    others = [text for text in counts if not _GROUPED.fullmatch(text)]
    return (
        len(grouped) >= 3
        and bool(others)
        and all(re.fullmatch(r"[-+−]?[0-9]{1,3}", text) for text in others)
    )


def _unlike(
    counts: "Counter[str]",
    possible: Sequence[Numerals],
    decimal: str | None,
    thousands: str | None,
) -> str:
    """Say that a column's numbers are not written with the marks that were given."""
    marks = [
        f"{what} {mark!r}"
        for what, mark in (("decimal mark", decimal), ("mark between thousands", thousands))
        if mark is not None
    ]
    example = next(text for text in counts if all(one.plain(text) is None for one in possible))
    return f"expected numbers with the {' and the '.join(marks)}, got {example!r}"


# ---- one cell ----------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _pattern(decimal: str, thousands: str) -> "re.Pattern[str]":
    point = re.escape(decimal)
    whole = "[0-9]+"
    if thousands:
        mark = f"[{_ALIKE.get(thousands, re.escape(thousands))}]"
        whole = rf"[1-9][0-9]{{0,2}}(?:{mark}[0-9]{{3}})+|{whole}"
        if thousands == ",":  # India groups by two digits: 12,34,567
            whole = rf"[1-9][0-9]?(?:,[0-9][0-9])+,[0-9]{{3}}|{whole}"
    return re.compile(rf"[-+−]?(?:(?:{whole})(?:{point}[0-9]*)?|{point}[0-9]+)(?:[eE][-+]?[0-9]+)?")


def _without(unit: str, cell: str) -> str | None:
    """Give a cell without the unit before or after its number; None if it has no such unit."""
    before, found, behind = cell.partition(unit)
    before, behind = before.strip(_SPACES), behind.strip(_SPACES)
    if not found:
        return None
    if before in ("", "+", "-", "−"):
        return before + behind
    return None if behind else before
