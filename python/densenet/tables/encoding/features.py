"""All columns that a network reads, side by side: which ones, and each one's encoding."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.tables.encoding import specs
from densenet.tables.encoding.columns import (
    IMPUTATIONS,
    Categories,
    Imputation,
    Numbers,
    Rows,
)
from densenet.tables.encoding.dates import Dates, moments
from densenet.tables.encoding.encoded import MOST_HELD, WIDEST, EncodedRows
from densenet.tables.encoding.ids import are_uuids
from densenet.tables.encoding.oddities import Oddities
from densenet.tables.encoding.pieces import PiecewiseLinear
from densenet.tables.table import Table, as_table

__all__ = ["NAMED", "Features"]

NAMED = "learned from if named in numbers or text"
"""What follows the reason why a column of `Table.unnamed` is left out. Others have other words."""

ColumnEncoding: TypeAlias = Numbers | PiecewiseLinear | Categories | Dates
_KINDS: dict[str, type[ColumnEncoding]] = {
    "numbers": Numbers,
    "piecewiselinear": PiecewiseLinear,
    "categories": Categories,
    "dates": Dates,
}


@dataclass(frozen=True)
class Features:
    """The columns of a table that a network reads, side by side.

    Parameters
    ----------
    parts : sequence of Numbers, PiecewiseLinear, Categories or Dates
        The encoding of each column.
    left_out : mapping of str to str
        Columns of the training rows that are not read, and why.

    Raises
    ------
    TypeError
        If `parts` holds anything but these encodings, or `left_out` is no mapping of texts.
    ValueError
        If there are no parts.

    Examples
    --------
    >>> from densenet.tables import Features
    >>> from densenet.tables import Table
    >>> train = Table.from_columns(
    ...     {
    ...         "age": [20, 60, 40, 40],
    ...         "color": ["red", "blue", "red", "blue"],
    ...         "planet": ["Earth", "Earth", "Earth", "Earth"],
    ...     }
    ... )
    >>> features = Features.fit(train, train.columns)
    >>> features.names, features.width, features.left_out
    (['age', 'color=blue', 'color=red'], 3, {'planet': 'constant'})
    >>> features.transform(train).shape, features.encoded(train).shape
    ((4, 3), (4, 3))
    >>> other = Table.from_columns({"age": [50], "color": ["pink"]})
    >>> features.columns, features.surprises(other)
    (['age', 'color'], {'color': "1 cell of no known category ('pink') taken as none of them"})
    >>> features.told(features.oddities(train))
    {}
    >>> Features.from_json(features.to_json()) == features
    True
    """

    parts: tuple[ColumnEncoding, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        words = ", ".join(kind.__name__ for kind in _KINDS.values())
        parts = _checks.sequence("parts", self.parts, f"any of {words}")
        for index, part in enumerate(parts):
            if not isinstance(part, ColumnEncoding):
                got = _checks.describe(part)
                raise TypeError(f"parts[{index}]: expected one of {words}, got {got}")
        object.__setattr__(self, "parts", parts)
        _checks.mapping("left_out", self.left_out, "a mapping from columns to reasons")
        for column, reason in self.left_out.items():
            _checks.text("left_out", column)
            _checks.text(f"left_out[{column!r}]", reason)
        if not self.parts:
            raise ValueError("parts: expected at least one column to read, got none")

    @classmethod
    def fit(
        cls,
        table: Table,
        columns: Iterable[str],
        *,
        text: Collection[str] = (),
        numbers: Collection[str] = (),
        impute: Imputation = "median",
        most_categories: int = 100,
        pieces: int = 0,
    ) -> "Features":
        """Choose an encoding for each column, and compute its statistics.

        Parameters
        ----------
        table : Table
            Training rows.
        columns : iterable of str
            A column whose cells are all numbers is read as `PiecewiseLinear` or `Numbers`, one of
            dates as `Dates`, any other as `Categories`. It is left out if it is empty, constant, or
            made of texts of which more than half differ, as those of an id do.
        text : collection of str
            Columns to read as categories whatever they hold.
        numbers : collection of str
            Columns to read as numbers even if they are among `Table.unnamed`.
        impute : "median" or "mean"
            What takes the place of missing numbers and dates.
        most_categories : int
            The most features of a column of texts, not counting "other", which rarer ones share.
        pieces : int
            The most pieces of a column of numbers; with 0 it is standardised as a whole.

        Raises
        ------
        ValueError
            If no column is left, or a few cells of a column, at most a tenth, are no numbers, or
            no dates, while the others are.
        """
        as_table(table)
        text = set(_checks.texts("text", text))
        numbers = set(_checks.texts("numbers", numbers))
        table.require([*text, *numbers])
        _checks.choice("impute", impute, IMPUTATIONS)
        _checks.count("most_categories", most_categories, 0)
        _checks.count("pieces", pieces, 0)
        parts: list[ColumnEncoding] = []
        left_out = {}
        for column in _checks.texts("columns", columns):
            forced = column in text or column in numbers
            if column in table.unnamed and not forced:
                left_out[column] = f"{table.unnamed[column]} ({NAMED})"
                continue
            as_dates = column in table.date_guesses and not forced
            as_text = column in text or not (
                as_dates or column in numbers or not table.is_text(column)
            )
            if as_dates:
                reason = _useless_dates(table, column)
            else:
                reason = _useless(table, column, as_text, forced=column in text)
            if reason:
                left_out[column] = reason
            elif as_dates:
                parts.append(Dates.fit(table, column, impute))
            elif as_text:
                parts.append(Categories.fit(table, column, most_categories))
            elif pieces:
                parts.append(PiecewiseLinear.fit(table, column, pieces, impute))
            else:
                parts.append(Numbers.fit(table, column, impute))
        if not parts:
            reasons = "; ".join(f"{column!r} is {why}" for column, why in left_out.items())
            raise ValueError(
                f"{table.source}: expected columns to learn from, got {reasons or 'no others'}"
            )
        return cls(tuple(parts), left_out)

    @property
    def columns(self) -> list[str]:
        """Names of the columns that are read."""
        return [part.column for part in self.parts]

    @property
    def width(self) -> int:
        """Number of the features."""
        return sum(part.width for part in self.parts)

    @property
    def names(self) -> list[str]:
        """Names of the features."""
        return [name for part in self.parts for name in part.names]

    def transform(self, table: Table) -> Rows:
        """Encode a table's rows as the network reads them, (rows, features).

        Raises
        ------
        ValueError
            If a column is missing, or a cell of a column of numbers is no finite number.
        """
        as_table(table).require(self.columns)
        features = np.empty((len(table), self.width), np.float32)
        begin = 0
        for part in self.parts:
            part.write(table, features[:, begin : begin + part.width])
            begin += part.width
        return features

    def encoded(self, table: Table) -> Rows | EncodedRows:
        """Give what `transform` does or, if it is large, rows that are encoded when asked for.

        Raises
        ------
        ValueError
            What `transform` raises.
        """
        width = 4 * self.width
        if len(as_table(table)) * width <= MOST_HELD or width > WIDEST:
            return self.transform(table)
        table.require(self.columns)
        return EncodedRows(self.parts, table)

    def surprises(self, table: Table) -> dict[str, str]:
        """Say for each column that is unlike the training rows in what it is."""
        return self.told(self.oddities(table))

    def oddities(self, table: Table) -> list[Oddities]:
        """Count for each column what in it is unlike the training rows."""
        as_table(table)
        return [part.oddities(table) for part in self.parts]

    def told(self, oddities: Sequence[Oddities]) -> dict[str, str]:
        """Say in words what `oddities` has counted, by column."""
        pairs = zip(self.parts, oddities, strict=True)
        said = {part.column: part.told(odd) for part, odd in pairs}
        return {column: text for column, text in said.items() if text}

    def to_json(self) -> dict[str, Any]:
        """Give the features as dicts, lists, texts and numbers, which `from_json` reads."""
        return {
            "parts": [specs.to_json(part) for part in self.parts],
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_json(cls, data: Any) -> "Features":
        """Make the features that `to_json` wrote.

        Raises
        ------
        ValueError
            If `data` is not what `to_json` gives.
        """
        if not isinstance(data, dict) or set(data) != {"parts", "left_out"}:
            got = _checks.describe(data)
            raise ValueError(f"features: expected a dict of parts and left_out, got {got}")
        parts, left_out = data["parts"], data["left_out"]
        if not isinstance(parts, list) or not isinstance(left_out, dict):
            raise ValueError(
                "features: expected a list of parts and a dict of those left out, got "
                f"{_checks.describe(parts)} and {_checks.describe(left_out)}"
            )
        return cls(tuple(specs.from_json(_KINDS, part) for part in parts), left_out)


def _useless_dates(table: Table, column: str) -> str:
    """Say why nothing can be learned from a column of dates; give "" if something can."""
    when = moments(table, column)
    known = when[when == when]
    if not len(known):
        return "empty"
    return "constant" if known.min() == known.max() else ""


def _constant(table: Table, column: str, values: Array) -> str:
    """Say that numbers are all equal, or that float64 takes them for that; "" if they are not."""
    if not np.all(values == values[0]):
        return ""
    if abs(values[0]) >= 2**53:
        different = sum(1 for key in table.key_counts(column) if key)
        if different > 1:
            return (
                f"{different:,} different whole numbers that float64 does not tell apart: read as "
                "text they are categories"
            )
    return "constant"


def _useless(table: Table, column: str, as_text: bool, forced: bool) -> str:
    """Say why nothing can be learned from a column; give "" if something can."""
    if not as_text:
        values = table.numbers(column)
        values = values[values == values]
        if not len(values):
            return "empty"
        return _constant(table, column, values)
    if table.missing(column).all():
        return "empty"
    different = len(table.key_counts(column))
    if different == 1:
        return "constant"
    if different > len(table) / 2 and not forced:
        if are_uuids(table.distinct(column)[0]):
            return f"UUIDs, as ids are: {different:,} different ones in {len(table):,} rows"
        return f"text that hardly repeats: {different:,} different cells in {len(table):,} rows"
    return ""
