"""From the columns of a table to the rows that a network reads.

Small frozen specs, fitted to training rows alone: numbers are filled and standardised, texts become
categories. They hold all that is needed to treat other rows alike, and travel as JSON.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet.tables import cells, specs
from densenet.tables.cells import Kind
from densenet.tables.numerals import PLAIN
from densenet.tables.numerals import Numerals as _Numerals
from densenet.tables.table import Table, as_table

__all__ = ["Categories", "Features", "Numbers"]

Rows: TypeAlias = npt.NDArray[np.float32]
Imputation: TypeAlias = Literal["median", "mean"]

FURTHEST = 1000.0
"""Deviations from the mean beyond which a cell is cut off. None of up to a million training rows is
so far away: of n rows, none is beyond sqrt(n - 1)."""


# ---- one column ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: missing cells are filled, then ``(x - mean) / scale``.

    Parameters
    ----------
    column : str
    fill : float
        Stands for a missing cell.
    mean, scale : float
        Mean and standard deviation of the training rows, filled. The scale is 1 where they are
        all equal.
    numerals : densenet.tables.numerals.Numerals
        How the training rows write numbers; others may do it otherwise where that is clear.

    Raises
    ------
    ValueError
        If a number is not finite or the scale not positive.

    Examples
    --------
    >>> from densenet.tables import Numbers
    >>> from densenet.tables import Table
    >>> train = Table.from_columns({"age": ["20", "", "60", "40"]})
    >>> age = Numbers.fit(train, "age")
    >>> age.fill, age.mean
    (40.0, 40.0)
    >>> age.transform(train)[:, 0].round(2)
    array([-1.41,  0.  ,  1.41,  0.  ], dtype=float32)
    >>> age.names, age.surprise(Table.from_columns({"age": [30, 1e9]}))
    (['age'], '1 cell cut off at 1000 standard deviations from the mean')
    """

    column: str
    fill: float
    mean: float
    scale: float
    numerals: _Numerals = PLAIN

    def __post_init__(self) -> None:
        specs.check_numbers(self)

    @classmethod
    def fit(cls, table: Table, column: str, impute: Imputation = "median") -> "Numbers":
        """Take the statistics of a table's column, of which at least one cell is not missing."""
        _checks.choice("impute", impute, ("median", "mean"))
        values = as_table(table).numbers(_checks.text("column", column))
        missing = np.isnan(values)
        known = values[~missing]
        if not len(known):
            raise ValueError(f"{table.source}, column {column!r}: expected numbers, got none")
        # Halved, as the sum of the two numbers in the middle could overflow.
        median = 2 * float(np.median(known / 2))
        fill = median if impute == "median" else specs.moments(known)[0]
        mean, scale = specs.moments(np.where(missing, fill, values))
        return cls(column, fill, mean, scale or 1.0, table.numerals(column))

    @property
    def names(self) -> list[str]:
        """Names of the features that the column becomes."""
        return [self.column]

    def transform(self, table: Table) -> Rows:
        """Compute the standardised column, (rows, 1); `FURTHEST` is as far as it goes."""
        deviations = self._deviations(table).clip(-FURTHEST, FURTHEST)
        return deviations[:, np.newaxis].astype(np.float32)

    def surprise(self, table: Table) -> str:
        """Say what in a table is unlike the training rows; nothing says an empty text."""
        said = []
        if as_table(table).numerals(self.column, self.numerals) != self.numerals:
            said = [table.example(self.column, self.numerals)]
        beyond = int(np.sum(np.abs(self._deviations(table)) > FURTHEST))
        if beyond:
            said.append(
                f"{_cells(beyond)} cut off at {FURTHEST:g} standard deviations from the mean"
            )
        return ", ".join(filter(None, said))

    def _deviations(self, table: Table) -> npt.NDArray[np.float64]:
        values = as_table(table).numbers(self.column, self.numerals)
        with np.errstate(over="ignore"):
            return (np.where(np.isnan(values), self.fill, values) - self.mean) / self.scale


@dataclass(frozen=True)
class Categories:
    """A column of texts: a feature for each frequent one, which is 1 where the cell is that text.

    A missing cell is a category like any other, of the name "". A cell that is none of `values`
    sets the feature "other" if training had such cells too, and else no feature: weights that no
    row has trained would say nothing about it.

    Where all cells of the training rows are numbers, ``1``, ``1.0`` and ``01`` are the same
    category, named as most rows write it; and where all are booleans, ``True`` and ``TRUE`` are.

    Parameters
    ----------
    column : str
    values : sequence of str
        The categories that have a feature.
    others : int
        How many further categories the training rows had; their common feature is the last.
    compared : "numbers", "booleans" or "texts", optional
        How cells are compared; by default as all values are.

    Raises
    ------
    ValueError
        If values repeat or are no texts.

    Examples
    --------
    >>> from densenet.tables import Categories
    >>> from densenet.tables import Table
    >>> train = Table.from_columns({"color": ["red", "blue", "red", "blue", "green"]})
    >>> color = Categories.fit(train, "color")
    >>> color.names  # green occurs once
    ['color=blue', 'color=red', 'color: other']
    >>> color.transform(train)[[0, 1, 4]].tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    >>> color.surprise(train)
    "1 cell of no known category ('green') taken as other"
    """

    column: str
    values: tuple[str, ...]
    others: int
    compared: Kind | None = None

    def __post_init__(self) -> None:
        specs.check_values(self)
        if self.compared is None:
            object.__setattr__(self, "compared", cells.kind_of(self.values))
        if self.compared not in ("numbers", "booleans", "texts"):
            raise ValueError(
                f"compared: expected numbers, booleans or texts, got {self.compared!r}"
            )
        if type(self.others) is not int or self.others < 0:
            raise ValueError(f"others: expected an integer >= 0, got {self.others!r}")

    @classmethod
    def fit(cls, table: Table, column: str, most: int = 100, least_rows: int = 2) -> "Categories":
        """Keep up to so many categories, the most frequent ones, of at least so many rows each."""
        most = _checks.count("most", most, 0)
        least_rows = _checks.count("least_rows", least_rows, 0)
        counts = Counter(as_table(table).keys(_checks.text("column", column)))
        names = table.spellings(column)
        order = sorted(counts, key=lambda key: (-counts[key], names[key]))
        kept = [names[key] for key in order[:most] if counts[key] >= least_rows]
        return cls(column, tuple(sorted(kept)), len(counts) - len(kept), table.kind(column))

    @property
    def names(self) -> list[str]:
        """Names of the features that the column becomes."""
        names = [
            f"{self.column}={text}" if text else f"{self.column}: missing" for text in self.values
        ]
        return [*names, f"{self.column}: other"] if self.others else names

    def transform(self, table: Table) -> Rows:
        """Compute zeros with at most one 1 a row, (rows, features)."""
        places = self._places(table)
        features = np.zeros((len(places), len(self.names)), np.float32)
        places[places < 0] = len(self.values)
        rows = np.flatnonzero(places < features.shape[1])
        features[rows, places[rows]] = 1
        return features

    def surprise(self, table: Table) -> str:
        """Say what in a table is unlike the training rows; nothing says an empty text."""
        unknown = as_table(table).names(self.column)[self._places(table) < 0].tolist()
        if not unknown:
            return ""
        different = sorted(set(unknown))
        examples = ", ".join(map(repr, different[:3])) + (", ..." if len(different) > 3 else "")
        taken = "other" if self.others else "none of them"
        return f"{_cells(len(unknown))} of no known category ({examples}) taken as {taken}"

    def _places(self, table: Table) -> npt.NDArray[np.intp]:
        """Give the place of each row's category in `values`, -1 where it is none of them."""
        names = as_table(table).names(self.column).tolist()
        place = cells.place_of(self.values, self.compared)
        known = {name: place(name) for name in set(names)}
        return np.array([known[name] for name in names], np.intp)


def _cells(count: int) -> str:
    return f"{count:,} cell{'s' if count > 1 else ''}"


# ---- all columns --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Features:
    """The columns of a table that a network reads, side by side.

    Parameters
    ----------
    parts : sequence of Numbers or Categories
    left_out : mapping of str to str
        Columns that training had but nothing could be learned from, and why.

    Raises
    ------
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
    >>> features.names, features.left_out
    (['age', 'color=blue', 'color=red'], {'planet': 'constant'})
    >>> features.transform(train).shape
    (4, 3)
    >>> other = Table.from_columns({"age": [50], "color": ["pink"]})
    >>> features.columns, features.surprises(other)
    (['age', 'color'], {'color': "1 cell of no known category ('pink') taken as none of them"})
    >>> Features.from_json(features.to_json()) == features
    True
    """

    parts: tuple[Numbers | Categories, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = _checks.sequence("parts", self.parts, "Numbers and Categories")
        for index, part in enumerate(parts):
            if not isinstance(part, Numbers | Categories):
                got = _checks.describe(part)
                raise TypeError(f"parts[{index}]: expected Numbers or Categories, got {got}")
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
        impute: Imputation = "median",
        most_categories: int = 100,
    ) -> "Features":
        """Decide what becomes of columns, and take their statistics.

        Parameters
        ----------
        table : Table
            Training rows.
        columns : iterable of str
            A column all of whose cells are numbers is read as `Numbers`, and any other as
            `Categories`; it is left out where it is empty, constant, or made of texts of which
            more than half differ, as those of an id do.
        text : collection of str
            Columns to be read as categories whatever they hold.
        impute : "median" or "mean"
            What fills missing numbers.
        most_categories : int
            Features of a column of texts, those of rarer ones ("other") aside.

        Raises
        ------
        ValueError
            If no column is left, or one has a few cells that are no numbers among many that are:
            at most a tenth.
        """
        as_table(table)
        text = _checks.texts("text", text)
        table.require(text)
        _checks.choice("impute", impute, ("median", "mean"))
        _checks.count("most_categories", most_categories, 0)
        parts: list[Numbers | Categories] = []
        left_out = {}
        for column in _checks.texts("columns", columns):
            if column in table.unnamed and column not in text:
                left_out[column] = table.unnamed[column]
                continue
            as_text = column in text or table.is_text(column)
            reason = _useless(table, column, as_text, forced=column in text)
            if reason:
                left_out[column] = reason
            elif as_text:
                parts.append(Categories.fit(table, column, most_categories))
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
    def names(self) -> list[str]:
        """Names of the features."""
        return [name for part in self.parts for name in part.names]

    def transform(self, table: Table) -> Rows:
        """Compute the rows that the network reads, (rows, features).

        Raises
        ------
        ValueError
            If a column is missing, or a cell is no finite number where one is needed.
        """
        as_table(table).require(self.columns)
        widths = [len(part.names) for part in self.parts]
        features = np.empty((len(table), sum(widths)), np.float32)
        begin = 0
        for part, width in zip(self.parts, widths, strict=True):
            features[:, begin : begin + width] = part.transform(table)
            begin += width
        return features

    def surprises(self, table: Table) -> dict[str, str]:
        """Say for each column what is unlike the training rows, where anything is."""
        as_table(table)
        said = {part.column: part.surprise(table) for part in self.parts}
        return {column: text for column, text in said.items() if text}

    def to_json(self) -> dict[str, Any]:
        """Give what `from_json` reads: dicts, lists, texts and numbers alone."""
        return {
            "parts": [specs.to_json(part) for part in self.parts],
            "left_out": dict(self.left_out),
        }

    @classmethod
    def from_json(cls, data: Any) -> "Features":
        """Make what `to_json` wrote.

        Raises
        ------
        ValueError
            If it is anything else.
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
        kinds: dict[str, type[Numbers | Categories]] = {
            "numbers": Numbers,
            "categories": Categories,
        }
        return cls(tuple(specs.from_json(kinds, part) for part in parts), left_out)


def _useless(table: Table, column: str, as_text: bool, forced: bool) -> str:
    """Say why nothing can be learned from a column, if so."""
    if table.missing(column).all():
        return "empty"
    if not as_text:
        values = table.numbers(column)
        values = values[values == values]
        return "constant" if values.min() == values.max() else ""
    texts = table.keys(column)
    different = len(set(texts))
    if different == 1:
        return "constant"
    if different > len(texts) / 2 and not forced:
        return f"text that hardly repeats: {different:,} different cells in {len(texts):,} rows"
    return ""
