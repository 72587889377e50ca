"""The encoding of one column: how its cells become the features that a network reads.

`Numbers` and `Categories` are small frozen specs, fitted to training rows alone: numbers are filled
and standardised, texts become categories. They hold all that is needed to encode other rows alike,
and can be written as JSON.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.tables.cells import Kind, counts_of_keys, index_of, kind_of, spellings_of
from densenet.tables.encoding import specs
from densenet.tables.encoding.oddities import NAMED, Oddities
from densenet.tables.numerals import PLAIN
from densenet.tables.numerals import Numerals as _Numerals
from densenet.tables.stored import Held, smallest
from densenet.tables.table import Table, as_table

__all__ = ["Categories", "Numbers"]

Rows: TypeAlias = npt.NDArray[np.float32]
Imputation: TypeAlias = Literal["median", "mean"]
IMPUTATIONS = get_args(Imputation)

FURTHEST = 1000.0
"""Standard deviations from the mean at which a cell is clipped. No row of up to a million training
rows is so far away: of n numbers, none is beyond sqrt(n - 1)."""


def numbers_of(
    table: Table, column: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Give a column's numbers, NaN where missing, and those that are not missing.

    Raises
    ------
    ValueError
        If all are missing.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.encoding.columns import numbers_of
    >>> values, known = numbers_of(Table.from_columns({"age": [30.0, float("nan")]}), "age")
    >>> values.tolist(), known.tolist()
    ([30.0, nan], [30.0])
    """
    values = as_table(table).numbers(_checks.text("column", column))
    known = values[~np.isnan(values)]
    if not len(known):
        raise ValueError(f"{table.source}, column {column!r}: expected numbers, got none")
    return values, known


@dataclass(frozen=True)
class Numbers:
    """A column of numbers: fills missing cells, then computes ``(x - mean) / scale``.

    Parameters
    ----------
    column : str
    fill : float
        Takes the place of a missing cell.
    mean, scale : float
        Mean and standard deviation of the training rows, missing cells filled. The scale is 1 if
        these are all equal.
    numerals : densenet.tables.numerals.Numerals
        How the training rows write numbers. Other tables may write them otherwise where that can
        mean only one thing.

    Raises
    ------
    ValueError
        If a number is not finite or the scale not positive.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Numbers
    >>> from densenet.tables import Table
    >>> train = Table.from_columns({"age": ["20", "", "60", "40"]})
    >>> age = Numbers.fit(train, "age")
    >>> age.fill, age.mean
    (40.0, 40.0)
    >>> age.transform(train)[:, 0].round(2)
    array([-1.41,  0.  ,  1.41,  0.  ], dtype=float32)
    >>> features = np.empty((4, 1), np.float32)
    >>> age.write(train, features)  # the same, into an array that is there
    >>> bool(features[0] == features.min())
    True
    >>> age.encode(age.cells(train).at([3, 0]), features[:2])  # the same for rows 3 and 0
    >>> [round(float(value), 2) for value in features[:2, 0]]
    [0.0, -1.41]
    >>> age.width
    1
    >>> age.names, age.surprise(Table.from_columns({"age": [30, 1e9]}))
    (['age'], '1 cell cut off at 1000 standard deviations from the mean')
    >>> odd = age.oddities(Table.from_columns({"age": [30, 1e9]}))
    >>> age.told(odd.plus(odd))  # of two tables
    '2 cells cut off at 1000 standard deviations from the mean'
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
        """Compute the statistics of a column in which at least one cell is not missing."""
        _checks.choice("impute", impute, IMPUTATIONS)
        values, known = numbers_of(table, column)
        # Halved, as the sum of the two numbers in the middle could overflow.
        median = 2 * float(np.median(known / 2))
        fill = median if impute == "median" else specs.mean_and_deviation(known)[0]
        mean, scale = specs.mean_and_deviation(np.where(np.isnan(values), fill, values))
        return cls(column, fill, mean, scale or 1.0, table.numerals(column))

    @property
    def width(self) -> int:
        """Number of features that the column becomes."""
        return 1

    @property
    def names(self) -> list[str]:
        """Names of the features that the column becomes."""
        return [self.column]

    def transform(self, table: Table) -> Rows:
        """Standardise the column, (rows, 1), and clip it to `FURTHEST` on both sides."""
        features = np.empty((len(as_table(table)), 1), np.float32)
        self.write(table, features)
        return features

    def write(self, table: Table, features: Rows) -> None:
        """Write what `transform` gives into an array of its shape."""
        self.encode(as_table(table).numbers(self.column, self.numerals), features)

    def cells(self, table: Table) -> Held:
        """Give what `encode` needs of each row: its number, NaN where missing."""
        return as_table(table).held_numbers(self.column, self.numerals)

    def encode(self, cells: Array, features: Rows) -> None:
        """Write the features, (rows, 1), of rows with these cells."""
        deviations = self._deviations(cells)
        features[:, 0] = deviations.clip(-FURTHEST, FURTHEST, out=deviations)

    def surprise(self, table: Table) -> str:
        """Say what in a table is unlike the training rows; give "" if nothing is."""
        return self.told(self.oddities(table))

    def oddities(self, table: Table) -> Oddities:
        """Count what in a table is unlike the training rows."""
        example = as_table(table).unlike(self.column, self.numerals)
        values = table.numbers(self.column, self.numerals)
        return Oddities(example, beyond=int(np.sum(np.abs(self._deviations(values)) > FURTHEST)))

    def told(self, odd: Oddities) -> str:
        """Say in words what `oddities` has counted."""
        said = [odd.example]
        if odd.beyond:
            cells = odd.cells(odd.beyond)
            said.append(f"{cells} cut off at {FURTHEST:g} standard deviations from the mean")
        return ", ".join(filter(None, said))

    def _deviations(self, cells: Array) -> npt.NDArray[np.float64]:
        values = cells.astype(np.float64, copy=False)
        with np.errstate(over="ignore"):
            return (np.where(np.isnan(values), self.fill, values) - self.mean) / self.scale


@dataclass(frozen=True)
class Categories:
    """A column of texts: one-hot encoded, with a feature for each frequent text.

    A missing cell is a category like any other, named "". A cell that is none of `values` sets the
    feature "other" if training had such cells, too; else it sets none, for no row has trained the
    weights of such a feature.

    If all cells of the training rows are numbers, ``1``, ``1.0`` and ``01`` are one category, named
    as most rows write it. If all are booleans, so are ``True`` and ``TRUE``.

    Parameters
    ----------
    column : str
    values : sequence of str
        The categories that have a feature of their own.
    others : int
        How many further categories the training rows had. If any, they share one more feature,
        the last one.
    compared : "numbers", "booleans" or "texts", optional
        How cells are compared; by default as numbers or booleans if all `values` are such.

    Raises
    ------
    ValueError
        If `values` repeat or are no texts, `compared` is another word, or `others` is no integer
        >= 0.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Categories
    >>> from densenet.tables import Table
    >>> train = Table.from_columns({"color": ["red", "blue", "red", "blue", "green"]})
    >>> color = Categories.fit(train, "color")
    >>> color.names, color.width  # green occurs once
    (['color=blue', 'color=red', 'color: other'], 3)
    >>> color.transform(train)[[0, 1, 4]].tolist()
    [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    >>> features = np.empty((5, 3), np.float32)
    >>> color.write(train, features)  # the same, into an array that is there
    >>> features.sum(axis=0).tolist()
    [2.0, 2.0, 1.0]
    >>> cells = color.cells(train)  # a byte each
    >>> color.encode(cells.at([4, 1]), features[:2])  # the same for rows 4 and 1
    >>> cells.values.tolist(), features[:2].tolist()
    ([1, 0, 1, 0, -1], [[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    >>> color.surprise(train)
    "1 cell of no known category ('green') taken as other"
    >>> odd = color.oddities(train)
    >>> color.told(odd.plus(odd))  # of two tables
    "2 cells of no known category ('green') taken as other"
    >>> Categories.of_counts("color", {"red": 2, "blue": 2, "green": 1}, "texts") == color
    True
    """

    column: str
    values: tuple[str, ...]
    others: int
    compared: Kind | None = None

    def __post_init__(self) -> None:
        specs.check_values(self)
        if self.compared is None:
            object.__setattr__(self, "compared", kind_of(self.values))
        if self.compared not in ("numbers", "booleans", "texts"):
            raise ValueError(
                f"compared: expected numbers, booleans or texts, got {self.compared!r}"
            )
        if type(self.others) is not int or self.others < 0:
            raise ValueError(f"others: expected an integer >= 0, got {self.others!r}")

    @classmethod
    def fit(cls, table: Table, column: str, most: int = 100, least_rows: int = 2) -> "Categories":
        """Keep the ``most`` most frequent categories, those of at least ``least_rows`` rows."""
        counts = as_table(table).name_counts(_checks.text("column", column))
        return cls.of_counts(column, counts, table.kind(column), most, least_rows)

    @classmethod
    def of_counts(
        cls,
        column: str,
        counts: Mapping[str, int],
        compared: Kind,
        most: int = 100,
        least_rows: int = 2,
    ) -> "Categories":
        """Keep the most frequent categories, as `fit` does, by the rows of each name."""
        most = _checks.count("most", most, 0)
        least_rows = _checks.count("least_rows", least_rows, 0)
        names = spellings_of(counts, compared)
        counts = counts_of_keys(counts, compared)
        order = sorted(counts, key=lambda key: (-counts[key], names[key]))
        kept = [names[key] for key in order[:most] if counts[key] >= least_rows]
        return cls(column, tuple(sorted(kept)), len(counts) - len(kept), compared)

    @property
    def width(self) -> int:
        """Number of features that the column becomes."""
        return len(self.values) + (self.others > 0)

    @property
    def names(self) -> list[str]:
        """Names of the features that the column becomes."""
        names = [
            f"{self.column}={text}" if text else f"{self.column}: missing" for text in self.values
        ]
        return [*names, f"{self.column}: other"] if self.others else names

    def transform(self, table: Table) -> Rows:
        """Encode the column, (rows, features): zeros, and at most one 1 in a row."""
        features = np.empty((len(as_table(table)), self.width), np.float32)
        self.write(table, features)
        return features

    def write(self, table: Table, features: Rows) -> None:
        """Write what `transform` gives into an array of its shape."""
        self.encode(self._indices(table), features)

    def cells(self, table: Table) -> Held:
        """Give what `encode` needs of each row: the index of its category, -1 for any other."""
        return Held(self._indices(table))

    def encode(self, cells: Array, features: Rows) -> None:
        """Write the features, (rows, features), of rows with these cells."""
        indices = cells.astype(np.intp)
        features[:] = 0
        indices[indices < 0] = len(self.values)  # "other", if there is such a feature
        rows = np.flatnonzero(indices < features.shape[1])
        features[rows, indices[rows]] = 1

    def surprise(self, table: Table) -> str:
        """Say what in a table is unlike the training rows; give "" if nothing is."""
        return self.told(self.oddities(table))

    def oddities(self, table: Table) -> Oddities:
        """Count what in a table is unlike the training rows."""
        indices = self._indices(table)
        unknown = int(np.sum(indices < 0))
        if not unknown:
            return Oddities()
        names, codes = table.distinct(self.column)
        different = sorted({names[code] for code in np.unique(codes[indices < 0])})
        return Oddities(unknown=unknown, names=tuple(different[: NAMED + 1]))

    def told(self, odd: Oddities) -> str:
        """Say in words what `oddities` has counted."""
        if not odd.unknown:
            return ""
        taken = "other" if self.others else "none of them"
        return f"{odd.cells(odd.unknown)} of no known category ({odd.named}) taken as {taken}"

    def _indices(self, table: Table) -> Array:
        """Give each row's index into `values`, (rows,); -1 where its category is none of them."""
        names, codes = as_table(table).distinct(self.column)
        known = list(map(index_of(self.values, self.compared), names))
        indices: Array = smallest(np.array(known, np.intp))[codes]
        return indices
