"""How the dates of a column are written: which of day, month and year comes first, in which zone.

`recognise_dates` finds out which columns of a table hold dates, and what they can only mean. If
they may mean two things, it notes a doubt; reading the column as dates raises it as an error.

Dates are ISO 8601 (2024-12-31), or have the year last (31/12/2024, 12/31/2024, 31-12-2024). With
dots, the day is first wherever that is possible, as in all countries that write dots. A time may
follow, and its offset from UTC. Years of two digits are not read, as their century is a guess.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from densenet._typing import Array
from densenet.tables.cells import MARKS
from densenet.tables.guess import Guess
from densenet.tables.stored import Stored

__all__ = [
    "ISO",
    "DateFormat",
    "as_texts",
    "read_plain",
    "recognise_dates",
    "without_midnights",
]

Order: TypeAlias = Literal["", "day first", "month first"]

_ORDERS: tuple[Order, ...] = ("", "day first", "month first")
_MOST_OTHERS = 0.1  # share of a column of dates that may be anything else, such as typing errors
_SAMPLE = 1000  # cells that are looked at to see whether a column may hold dates
_DATE = (
    r"(?P<first>[0-9]{4}|[0-9]{1,2})(?P<mark>[-/.])(?P<second>[0-9]{1,2})(?P=mark)"
    r"(?P<third>[0-9]{4}|[0-9]{1,2})"
)
_TIME = (
    r"(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-5][0-9])"
    r"(?::(?P<seconds>[0-5][0-9])(?:[.,](?P<fraction>[0-9]+))?)?)?(?: ?(?P<half>[AaPp])[Mm])?"
)
_ZONE = r" ?(?P<zone>Z|UTC|[-+](?:0[0-9]|1[0-9]|2[0-3])(?::?[0-5][0-9])?)"
_CELL = re.compile(rf"(?:{_DATE}(?:(?:T| +)(?=[0-9])|$))?(?:{_TIME}(?:{_ZONE})?)?")
_PLAIN_DAY = r"(?!0000)[0-9]{4}-[0-9]{2}-[0-9]{2}"
_PLAIN_TIME = r"[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,6})?"
_PLAIN = re.compile(rf"{_PLAIN_DAY}(?:{_PLAIN_TIME})?")
_PLAIN_ZONED = re.compile(
    rf"({_PLAIN_DAY}{_PLAIN_TIME})(Z|[-+](?:0[0-9]|1[0-9]|2[0-3]):?[0-5][0-9])"
)
_EPOCH = datetime(1970, 1, 1)
_DAY = 24 * 60 * 60 * 1_000_000  # in microseconds


@dataclass(frozen=True)
class DateFormat:
    """How dates are written.

    Parameters
    ----------
    order : "", "day first" or "month first"
        What comes first in dates whose year comes last. With "" only those with dots are read, the
        day first. Dates that begin with the year are read in any order.
    zone : bool
        True if times name their offset from UTC, and are read as UTC.
    clock : bool
        True for times of day without a date.

    Raises
    ------
    ValueError
        If `order` is another word, or `zone` or `clock` no bool.

    Examples
    --------
    >>> from densenet.tables.date_formats import DateFormat
    >>> american = DateFormat("month first")
    >>> DateFormat("day first").spell("1/2/2024"), american.spell("1/2/2024 9:30 PM")
    ('2024-02-01', '2024-01-02 21:30:00')
    >>> DateFormat(zone=True).spell("2024-01-01T00:30+01:00"), DateFormat(clock=True).spell("9:30")
    ('2023-12-31 23:30:00 UTC', '09:30:00')
    >>> DateFormat().read("1970-01-02"), DateFormat().read("1970-02-30")
    (86400000000, None)
    """

    order: Order = ""
    zone: bool = False
    clock: bool = False

    def __post_init__(self) -> None:
        if self.order not in _ORDERS:
            words = "day first, month first or nothing"
            raise ValueError(f"order: expected {words}, got {self.order!r}")
        for name in "zone", "clock":
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"{name}: expected a bool, got {getattr(self, name)!r}")

    def read(self, cell: str) -> int | None:
        """Give a cell's moment in microseconds since 1970, None if it is none in this format.

        A time of day is one of the first of January 1970.
        """
        parts = _parts(cell)
        if parts is None or parts.is_clock != self.clock or (parts.offset is not None) != self.zone:
            return None
        days = 0 if parts.is_clock else parts.days(self.order)
        if days is None:
            return None
        return days * _DAY + parts.time - (parts.offset or 0)

    def spell(self, cell: str) -> str:
        """Write a cell's date as ISO 8601 does, "" if it is none in this format."""
        moment = self.read(cell)
        if moment is None:
            return ""
        day, time = str(_EPOCH + timedelta(microseconds=moment)).split(" ")
        if self.clock:
            return time
        has_time = "T" in cell or " " in cell
        return f"{day} {time}{' UTC' if self.zone else ''}" if has_time else day


ISO = DateFormat()
"""Dates that begin with the year."""

_ISO_ZONED = DateFormat(zone=True)


def recognise_dates(columns: Mapping[str, Stored]) -> dict[str, Guess[DateFormat]]:
    """Find a table's columns of dates, and how each is written.

    Parameters
    ----------
    columns : mapping of str to Stored
        Columns of texts.

    Returns
    -------
    dict of str to Guess
        A guess for each column of which at most a tenth of the cells are no dates.

    Examples
    --------
    >>> from densenet.tables.date_formats import recognise_dates
    >>> from densenet.tables.stored import StoredCodes
    >>> cells = {"a": ["31/12/2024", "1/2/2024"], "b": ["1/2/2024", ""], "c": ["2024-12-31", "x"]}
    >>> found = recognise_dates({name: StoredCodes.of(texts) for name, texts in cells.items()})
    >>> found["a"].how.order, list(found)
    ('day first', ['a', 'b'])
    >>> found["b"].how.order  # as the other column of the table
    'day first'
    """
    found: dict[str, Guess[DateFormat]] = {}
    unsettled: dict[str, Counter[str]] = {}
    for name, cells in columns.items():
        if cells.are_numbers() or not _may_be_dates(cells):
            continue
        every = cells.coded().counts()
        counts = Counter({text: every[text] for text in every if text and text not in MARKS})
        texts = list(counts)
        plain = [how for how in (ISO, _ISO_ZONED) if read_plain(texts, zone=how.zone) is not None]
        guess = Guess(plain[0]) if plain else _guess(counts)
        if guess is not None:
            found[name] = guess
            if guess.doubt and not guess.sure:
                unsettled[name] = counts
    orders = {guess.how.order for guess in found.values() if guess.sure} - {""}
    if len(orders) == 1:
        (order,) = orders
        for name in unsettled:
            zone = found[name].how.zone
            found[name] = Guess(DateFormat(order, zone), sure=False)
    return found


def read_plain(texts: Sequence[str], *, zone: bool = False) -> Array | None:
    """Give moments, in microseconds, if all cells are written as programs write them.

    With `zone` all have an offset from UTC, otherwise none. If not, give None. Of a million cells,
    it takes a tenth of the time of `DateFormat.read`.

    Examples
    --------
    >>> from densenet.tables.date_formats import read_plain
    >>> read_plain(["2024-12-31", ""]), read_plain(["31.12.2024"])
    (array(['2024-12-31T00:00:00.000000',                        'NaT'],
          dtype='datetime64[us]'), None)
    >>> read_plain(["2024-12-31 00:30:00+01:00"], zone=True).tolist()
    [datetime.datetime(2024, 12, 30, 23, 30)]
    """
    if zone:
        return _read_zoned(texts)
    if not all(_PLAIN.fullmatch(text) for text in texts if text):
        return None
    return _moments([text or "NaT" for text in texts])


def _read_zoned(texts: Sequence[str]) -> Array | None:
    """Give moments, in UTC, if all cells are written as programs write them with an offset."""
    times, zones = [], []
    for text in texts:
        match = _PLAIN_ZONED.fullmatch(text)
        if match is None and text:
            return None
        time, zone = match.groups() if match else ("NaT", "Z")
        times.append(time)
        zones.append(zone)
    moments = _moments(times)
    if moments is None:
        return None
    offsets = {zone: _offset(zone) or 0 for zone in set(zones)}
    local: Array = np.array([offsets[zone] for zone in zones], "m8[us]")
    return moments - local


def _moments(texts: list[str]) -> Array | None:
    """Read moments, None if there is one of no such day or time."""
    try:
        return np.array(texts, "datetime64[us]")
    except ValueError:
        return None


def as_texts(moments: Array, *, utc: bool = False) -> list[str]:
    """Write moments, an array of datetime64, as CSV files have them; "" for those missing.

    With ``utc`` each says that it is one of UTC.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.date_formats import as_texts
    >>> as_texts(np.array(["2024-01-01T00:00", "NaT"], "datetime64[ns]"))
    ['2024-01-01', '']
    >>> as_texts(np.array(["2024-01-01T10:30", "2024-01-02T00:00"], "datetime64[ns]"))
    ['2024-01-01 10:30:00', '2024-01-02 00:00:00']
    >>> as_texts(np.array(["2024-01-01", "NaT"], "datetime64[ms]"), utc=True)
    ['2024-01-01 00:00:00Z', '']
    """
    written = np.datetime_as_string(moments.astype("datetime64[us]")).tolist()
    texts = ["" if text == "NaT" else text.replace("T", " ") for text in written]
    texts = [text.removesuffix(".000000") for text in texts]
    if utc:
        return [f"{text}Z" if text else "" for text in texts]
    return without_midnights(texts)


def without_midnights(texts: list[str]) -> list[str]:
    """Shorten moments to dates if all of them are midnights.

    Examples
    --------
    >>> from densenet.tables.date_formats import without_midnights
    >>> without_midnights(["2024-01-01 00:00:00", ""])
    ['2024-01-01', '']
    """
    midnight = " 00:00:00"
    if all(text.endswith(midnight) for text in texts if text):
        return [text.removesuffix(midnight) for text in texts]
    return texts


def _may_be_dates(cells: Stored) -> bool:
    """Return whether at least half of a sample of the cells are written like dates."""
    step = max(1, len(cells) // _SAMPLE)
    some = _present(map(cells.text, range(0, len(cells), step))) or _present(cells.coded().texts)
    return bool(some) and 2 * sum(_parts(text) is not None for text in some) >= len(some)


def _present(texts: Iterable[str]) -> set[str]:
    return {text for text in texts if text and text not in MARKS}


def _guess(counts: "Counter[str]") -> Guess[DateFormat] | None:
    """Guess how a column's dates are written; None if too many of its cells are no dates.

    A guess of which other columns may remove the doubt is not sure.
    """
    parts = {text: part for text in counts if (part := _parts(text)) is not None}
    clocks = [text for text, part in parts.items() if part.is_clock]
    clock = _share(counts, clocks) > 0.5
    zones = [text for text, part in parts.items() if part.offset is not None]
    zone = _share(counts, zones) > 0.5 * _share(counts, parts)
    formats = [DateFormat(order, zone, clock) for order in _ORDERS]
    moments = [
        {
            text: None if part.is_clock != clock else 0 if clock else part.days(one.order)
            for text, part in parts.items()
        }
        for one in formats
    ]
    shares = [_share(counts, [text for text in one if one[text] is not None]) for one in moments]
    best = max(shares)
    if best < 1 - _MOST_OTHERS:
        return None
    if 0 < len(zones) < len(parts):
        without = next(text for text in parts if parts[text].offset is None)
        doubt = f"expected an offset from UTC in all times or in none, got {zones[0]!r} and "
        return Guess(formats[0], True, f"{doubt}{without!r}")
    fitting = [i for i, share in enumerate(shares) if share == best]
    first = fitting[0]
    unlike = [i for i in fitting if moments[i] != moments[first]]
    if not unlike or not formats[first].order:  # with dots, the day is first
        settled = not unlike and (not formats[first].order or len(fitting) == 1)  # not by 5/5/2024
        return Guess(formats[first], sure=settled)
    text = next(text for text in parts if moments[first][text] != moments[unlike[0]][text])
    one, other = (formats[i].spell(text) for i in (first, unlike[0]))
    doubt = (
        f"{text!r} may be {one} or {other}: write the year first, or take the column as text or "
        "leave it out"
    )
    return Guess(formats[first], False, doubt)


def _share(counts: "Counter[str]", texts: Collection[str]) -> float:
    return sum(counts[text] for text in texts) / counts.total()


# ---- one cell ----------------------------------------------------------------------------------


class _Parts(NamedTuple):
    """What stands in a cell: three numbers of a date, a time, and its offset, in microseconds."""

    numbers: tuple[int, int, int]
    is_clock: bool
    year_first: bool
    dotted: bool
    time: int
    offset: int | None

    def days(self, order: Order) -> int | None:
        """Give the days since 1970, None if there is no such day or it has another order."""
        first, second, third = self.numbers
        if self.year_first:
            year, month, day = first, second, third
        elif order == "month first":
            month, day, year = first, second, third
        elif order or self.dotted:
            day, month, year = first, second, third
        else:
            return None
        try:
            return date(year, month, day).toordinal() - _EPOCH.toordinal()
        except ValueError:
            return None


def _parts(cell: str) -> _Parts | None:
    """Take a cell apart; None if it is not written like a date or a time of day."""
    match = _CELL.fullmatch(cell)
    if match is None or not cell:
        return None
    first, mark, second, third, hour, minute, seconds, fraction, half, zone = match.groups()
    year_first = first is not None and len(first) == 4
    if first is not None and year_first == (len(third) == 4):
        return None
    if first is None and minute is None:  # a number
        return None
    time = 0
    if hour is not None:
        hours = int(hour)
        if half is not None:
            if not 1 <= hours <= 12:
                return None
            hours = hours % 12 + (12 if half in "Pp" else 0)
        if hours > 23:
            return None
        time = ((hours * 60 + int(minute or 0)) * 60 + int(seconds or 0)) * 1_000_000
        time += int(f"{fraction or '':0<6}"[:6])
    numbers = (int(first), int(second), int(third)) if first is not None else (0, 0, 0)
    return _Parts(numbers, first is None, year_first, mark == ".", time, _offset(zone))


def _offset(zone: str | None) -> int | None:
    """Give an offset such as +01:00 in microseconds, None for none."""
    if zone is None or zone in ("Z", "UTC"):
        return None if zone is None else 0
    digits = zone[1:].replace(":", "")
    minutes = int(digits[:2]) * 60 + int(digits[2:] or 0)
    return (-minutes if zone[0] == "-" else minutes) * 60 * 1_000_000
