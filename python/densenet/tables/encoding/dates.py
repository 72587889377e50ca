"""The encoding of a column of dates: elapsed time, and places in the year, the week and the day.

A place in a cycle is a sine and a cosine, two features, as the cyclic date parts of fastai
(`add_cyclic_datepart`) and skrub's `DatetimeEncoder` have it. The last day of the year is then next
to the first. As places lie on a circle, a single unit can tell any run of months, days or hours
from the others, such as December or the weekend, for which one-hot features take 12, 7 or 24
columns. A month that no training row has still lies between its neighbours.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.tables.cells import MARKS
from densenet.tables.date_formats import ISO, DateFormat, read_plain
from densenet.tables.encoding import specs
from densenet.tables.encoding.columns import FURTHEST, Imputation, Rows
from densenet.tables.encoding.oddities import Oddities
from densenet.tables.guess import Guess
from densenet.tables.stored import Held
from densenet.tables.table import Table, as_table

__all__ = ["Dates"]

Moments: TypeAlias = "npt.NDArray[np.datetime64]"

FURTHEST_DAY = 3_000_000
"""Days since 1970, and more than until year 9999."""

CYCLES = ("year", "week", "day")
"""The cycles in which a date has a place. That in the week is its day, without the time."""


@dataclass(frozen=True)
class Dates:
    """A column of dates, times of day or both: elapsed time, and places in year, week and day.

    The first feature is ``(days - mean) / scale``, in days since 1970. Each cycle adds a sine and a
    cosine. Where a cell is missing, the first is that of `fill` and the cycles are zeros, the
    middle of the circle; a flag follows if the training rows had missing cells.

    Parameters
    ----------
    column : str
    fill : float
        Days since 1970 that take the place of a missing cell.
    mean, scale : float
        Mean and standard deviation of the training rows, in days, missing cells filled. The scale
        is 1 if these are all equal.
    cycles : sequence of "year", "week" and "day"
        Those that vary in the training rows: by month, day of the week and time of day.
    missing : bool
        Whether the training rows had missing cells.
    format : densenet.tables.date_formats.DateFormat
        How the training rows write dates. Other tables may write them otherwise where that can
        mean only one thing.

    Raises
    ------
    ValueError
        If a number is not finite, the scale not positive, a cycle is none or there twice, or
        `missing` is no bool.

    Examples
    --------
    >>> from densenet.tables import Dates, Table
    >>> train = Table.from_columns({"day": ["2024-01-01", "2024-01-03", "", "2024-01-08"]})
    >>> day = Dates.fit(train, "day")
    >>> day.names
    ['day', 'day: week sin', 'day: week cos', 'day: missing']
    >>> day.width == len(day.names)
    True
    >>> features = day.transform(train)
    >>> day.write(train, features)  # the same, into an array that is there
    >>> features.round(2)  # Monday, Wednesday, none, Monday
    array([[-1.06,  0.  ,  1.  ,  0.  ],
           [-0.29,  0.97, -0.22,  0.  ],
           [-0.29,  0.  ,  0.  ,  1.  ],
           [ 1.64,  0.  ,  1.  ,  0.  ]], dtype=float32)
    >>> day.encode(day.cells(train).at([2, 3]), features[:2])  # the same for rows 2 and 3
    >>> features[:2, 3].tolist()
    [1.0, 0.0]
    >>> day.about, day.spell(day.fill)
    ('elapsed time, place in week (sine and cosine), whether missing', '2024-01-03')
    >>> day.surprise(Table.from_columns({"day": ["31/12/2024"]}))
    "'31/12/2024' is read as 2024-12-31"
    >>> day.told(day.oddities(Table.from_columns({"day": ["31/12/2024"]})))
    "'31/12/2024' is read as 2024-12-31"
    """

    column: str
    fill: float
    mean: float
    scale: float
    cycles: tuple[str, ...] = ()
    missing: bool = False
    format: DateFormat = ISO

    def __post_init__(self) -> None:
        specs.check_statistics(self)
        for name in "fill", "mean":
            if abs(getattr(self, name)) > FURTHEST_DAY:
                raise ValueError(
                    f"{name}: expected days since 1970 up to year 9999, got {getattr(self, name)!r}"
                )
        cycles = tuple(_checks.texts("cycles", self.cycles))
        if not set(cycles) <= set(CYCLES) or len(set(cycles)) < len(cycles):
            raise ValueError(f"cycles: expected some of {', '.join(CYCLES)}, got {list(cycles)!r}")
        object.__setattr__(self, "cycles", cycles)
        if type(self.missing) is not bool:
            raise ValueError(f"missing: expected a bool, got {self.missing!r}")
        if isinstance(self.format, dict):  # from JSON
            object.__setattr__(self, "format", DateFormat(**self.format))
        if not isinstance(self.format, DateFormat):
            raise ValueError(f"format: expected a DateFormat, got {self.format!r}")

    @classmethod
    def fit(cls, table: Table, column: str, impute: Imputation = "median") -> "Dates":
        """Compute the statistics of a column in which at least one cell is not missing."""
        _checks.choice("impute", impute, ("median", "mean"))
        when = moments(as_table(table), _checks.text("column", column))
        missing = np.isnat(when)
        known = when[~missing]
        if not len(known):
            raise ValueError(f"{table.source}, column {column!r}: expected dates, got none")
        days = _days(known)
        fill = float(np.median(days)) if impute == "median" else specs.mean_and_deviation(days)[0]
        mean, scale = specs.mean_and_deviation(np.where(missing, fill, _days(when)))
        varying = {
            "year": known.astype("M8[M]").astype(int) % 12,
            "week": known.astype("M8[D]").astype(int) % 7,
            "day": known - known.astype("M8[D]"),
        }
        cycles = tuple(name for name in CYCLES if np.any(varying[name] != varying[name][0]))
        how = _format(table, column, None)
        return cls(column, fill, mean, scale or 1.0, cycles, bool(missing.any()), how)

    @property
    def width(self) -> int:
        """Number of features that the column becomes."""
        return 1 + 2 * len(self.cycles) + self.missing

    @property
    def names(self) -> list[str]:
        """Names of the features that the column becomes."""
        circles = [f"{self.column}: {name} {f}" for name in self.cycles for f in ("sin", "cos")]
        flag = [f"{self.column}: missing"] if self.missing else []
        return [self.column, *circles, *flag]

    @property
    def about(self) -> str:
        """What the features tell of a date, in words."""
        words = ["time of day" if self.format.clock else "elapsed time"]
        if self.cycles:
            words.append(f"place in {', '.join(self.cycles)} (sine and cosine)")
        return ", ".join([*words, "whether missing"] if self.missing else words)

    def transform(self, table: Table) -> Rows:
        """Encode the column, (rows, features)."""
        features = np.empty((len(as_table(table)), self.width), np.float32)
        self.write(table, features)
        return features

    def write(self, table: Table, features: Rows) -> None:
        """Write what `transform` gives into an array of its shape."""
        self.encode(self.cells(table).at(slice(None)), features)

    def cells(self, table: Table) -> Held:
        """Give what `encode` needs of each row: its features, as dates are slow to take apart."""
        when = moments(as_table(table), self.column, self.format)
        missing = np.isnat(when)
        columns = [self._deviations(when).clip(-FURTHEST, FURTHEST)]
        for name in self.cycles:
            angle = 2 * np.pi * _place(when, name)
            columns += [np.where(missing, 0, np.sin(angle)), np.where(missing, 0, np.cos(angle))]
        if self.missing:
            columns.append(missing)
        return Held(np.column_stack(columns).astype(np.float32))

    def encode(self, cells: Array, features: Rows) -> None:
        """Write the features, (rows, features), of rows with these cells."""
        features[:] = cells

    def surprise(self, table: Table) -> str:
        """Say what in a table is unlike the training rows; give "" if nothing is."""
        return self.told(self.oddities(table))

    def oddities(self, table: Table) -> Oddities:
        """Count what in a table is unlike the training rows."""
        when = moments(as_table(table), self.column, self.format)
        how = _format(table, self.column, self.format)
        return Oddities(
            "" if how == self.format else example(table, self.column, how),
            0 if self.missing else int(np.isnat(when).sum()),
            int(np.sum(np.abs(self._deviations(when)) > FURTHEST)),
        )

    def told(self, odd: Oddities) -> str:
        """Say in words what `oddities` has counted."""
        said = [odd.example]
        if odd.missing:
            said.append(f"{odd.cells(odd.missing)} missing, taken as {self.spell(self.fill)}")
        if odd.beyond:
            cells = odd.cells(odd.beyond)
            said.append(f"{cells} cut off at {FURTHEST:g} standard deviations from the mean")
        return ", ".join(filter(None, said))

    def spell(self, days: float) -> str:
        """Write a number of days since 1970 as a date or, of times of day, as hours and minutes."""
        minute = np.datetime64(round(days * 24 * 60), "m")
        return str(minute)[-5:] if self.format.clock else str(minute)[:10]

    def _deviations(self, when: Moments) -> npt.NDArray[np.float64]:
        days = np.where(np.isnat(when), self.fill, _days(when))
        with np.errstate(over="ignore"):
            deviations: npt.NDArray[np.float64] = (days - self.mean) / self.scale
        return deviations


def years(table: Table, column: str, like: DateFormat | None = None) -> npt.NDArray[np.float64]:
    """Give a column's dates as years, such as 2024.5, or times of day as hours; NaN where missing.

    Parameters and errors are those of `moments`.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.encoding.dates import years
    >>> years(Table.from_columns({"day": ["2024-07-02", ""]}), "day").round(1)
    array([2024.5,    nan])
    """
    when = moments(table, column, like)
    days = np.where(np.isnat(when), np.nan, _days(when))
    return 24 * days if _format(table, column, like).clock else 1970 + days / 365.2425


def moments(table: Table, column: str, like: DateFormat | None = None) -> Moments:
    """Give a column's dates as an array of datetime64, NaT where missing.

    Parameters
    ----------
    table : Table
    column : str
    like : DateFormat, optional
        How another table, such as the training rows, writes dates. It decides if this table's
        cells can be read in several ways.

    Raises
    ------
    ValueError
        If a cell is neither a date nor missing, if the cells can still be read in two ways, or if
        only one of the two tables has offsets from UTC, or dates.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.encoding.dates import moments
    >>> moments(Table.from_columns({"day": ["31.12.2024", ""]}), "day").astype("M8[D]")
    array(['2024-12-31',        'NaT'], dtype='datetime64[D]')
    """
    how = _format(table, column, like)
    texts = table.texts(column).tolist()
    plain = None if how.clock else read_plain(texts, zone=how.zone)
    if plain is not None:
        return plain
    missing = np.iinfo(np.int64).min  # what NaT is
    known = {text: missing if not text or text in MARKS else how.read(text) for text in set(texts)}
    if None in known.values():
        row = next(row for row, text in enumerate(texts) if known[text] is None)
        advice = "" if like else ": correct it, or take that word as missing or the column as text"
        raise ValueError(
            f"{table.where(row, column)}: expected {_what(how)}, got {_short(texts[row])}{advice}"
        )
    counts: Any = [known[text] for text in texts]
    return np.array(counts, np.int64).view("M8[us]")


def example(table: Table, column: str, how: DateFormat | None = None) -> str:
    """Say how one of a column's dates is read, if that is not plain; otherwise give "".

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.encoding.dates import example
    >>> example(Table.from_columns({"day": ["31.12.2024", "2024-12-31"]}), "day")
    "'31.12.2024' is read as 2024-12-31"
    """
    how = how or _format(table, column, None)
    texts = set(table.texts(column).tolist())
    if how == ISO and read_plain(list(texts)) is not None:  # the usual column
        return ""
    for text in sorted(texts, key=lambda text: (-len(text), text)):
        read = how.spell(text)
        if read and how.clock:
            return f"{text!r} is read as the time of day {read}"
        plain = text.replace("T", " ").replace("/", "-")[:16]  # to the minute
        if read and not read.startswith(plain):
            return f"{text!r} is read as {read}"
    return ""


def _format(table: Table, column: str, like: DateFormat | None) -> DateFormat:
    """Find how a column writes dates; `like` decides where it leaves that open."""
    table.require([column])
    guess = table.date_guesses.get(column)
    if guess is None:
        guess = Guess(like or ISO, sure=False)
    how, doubt = guess.how, guess.doubt
    if like is not None and (like.zone, like.clock) != (how.zone, how.clock) and not doubt:
        doubt = f"expected {_what(like)}, as in the training rows, got {_what(how)}"
    elif like is not None and not guess.sure and like.order:
        how, doubt = like, ""
    if doubt:
        raise ValueError(f"{table.source}, column {column!r}: {doubt}")
    return how


def _what(how: DateFormat) -> str:
    what = "a time of day" if how.clock else "a date"
    return f"{what} with an offset from UTC" if how.zone else what


def _days(when: Moments) -> npt.NDArray[np.float64]:
    """Give days since 1970; anything where missing."""
    return when.astype(np.int64) / 86_400_000_000


def _place(when: Moments, cycle: str) -> npt.NDArray[np.float64]:
    """Give the share of a cycle that has passed, in [0, 1); anything where missing."""
    if cycle == "week":
        days = when.astype("M8[D]").astype(np.int64)
        return (days + 3) % 7 / 7  # 1970 began on a Thursday; Monday is 0
    unit: Literal["Y", "D"] = "Y" if cycle == "year" else "D"
    now = when.astype(f"M8[{unit}]")
    begin, end = now.astype("M8[us]"), (now + np.timedelta64(1, unit)).astype("M8[us]")
    passed: npt.NDArray[np.float64] = (when - begin) / (end - begin)
    return passed


def _short(cell: str) -> str:
    return repr(cell) if len(cell) <= 40 else f"{cell[:37]!r}..."
