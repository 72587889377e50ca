"""The encoding of a column of numbers by its place in its range, piece by piece, and as a whole."""

import math
import sys
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from operator import lt

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.tables.encoding import specs
from densenet.tables.encoding.columns import IMPUTATIONS, Imputation, Rows, numbers_of
from densenet.tables.encoding.oddities import Oddities
from densenet.tables.encoding.quantiles import median_of, places_between, quantile_of
from densenet.tables.numerals import PLAIN
from densenet.tables.numerals import Numerals as _Numerals
from densenet.tables.stored import Held
from densenet.tables.table import Table, as_table

__all__ = ["PiecewiseLinear"]


@dataclass(frozen=True)
class PiecewiseLinear:
    """A column of numbers, cut into pieces: feature i is the share of piece i that lies below x.

    With the edges e_0 < e_1 < ... < e_n, feature i of a cell x is::

        clip((x - e_i) / (e_(i+1) - e_i), 0, 1)

    A network's first layer turns these into any function that is linear between edges, so it bends
    where one weight could only lean. If there is more than one piece, one more feature is the cell
    as a whole, which no outlier drives far::

        z / sqrt(1 + (z / 3)^2),  z = (x - center) / scale

    Parameters
    ----------
    column : str
    fill : float
        Takes the place of a missing cell.
    edges : sequence of float
        At least two numbers, each larger than the one before.
    center, scale : float
        Median and distance of the quartiles of the training rows; that of the ends, if it is 0.
    gaps : bool
        True if the training rows had missing cells. They then have one more feature, the last one.
    numerals : densenet.tables.numerals.Numerals
        How the training rows write numbers, as for `Numbers`.

    Raises
    ------
    TypeError
        If `gaps` is not True or False.
    ValueError
        If a number is not finite, the scale not positive, or edges do not grow.

    Notes
    -----
    Gorishniy, Rubachev, Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS 2022: pieces hold about equally many training rows each. Holzmüller, Grinsztajn,
    Steinwart, "Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data", NeurIPS
    2024: robust scaling and smooth clipping.

    Examples
    --------
    >>> from densenet.tables import PiecewiseLinear, Table
    >>> train = Table.from_columns({"age": [10, 20, 20, 40, 80]})
    >>> age = PiecewiseLinear.fit(train, "age")
    >>> age.edges, age.names
    ((10.0, 20.0, 40.0, 80.0), ['age', 'age: 10 to 20', 'age: 20 to 40', 'age: 40 to 80'])
    >>> age.width
    4
    >>> features = age.transform(Table.from_columns({"age": [15, 60, 100]}))
    >>> features.round(2)
    array([[-0.25,  0.5 ,  0.  ,  0.  ],
           [ 1.66,  1.  ,  1.  ,  0.5 ],
           [ 2.4 ,  1.  ,  1.  ,  1.  ]], dtype=float32)
    >>> age.write(train.take([0, 1, 2]), features)  # the same, into an array that is there
    >>> age.encode(age.cells(train).at([4, 0, 3]), features)  # the same for rows 4, 0 and 3
    >>> features[:, 1:].tolist()
    [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0], [1.0, 1.0, 0.0]]
    >>> age.surprise(Table.from_columns({"age": [15, 100, 900]}))
    '1 cell far outside 10 to 80, the range of the training rows'
    >>> age.told(age.oddities(Table.from_columns({"age": [15, ""]})))
    '1 cell missing, taken as 20'
    >>> age.reaching(5.0, 60.0, gaps=True).names
    ['age', 'age: 5 to 20', 'age: 20 to 40', 'age: 40 to 80', 'age: missing']
    >>> age.reaching(5.0, 90.0, gaps=False, repeat=(True, False)).edges
    (5.0, 10.0, 20.0, 40.0, 90.0)
    """

    column: str
    fill: float
    edges: tuple[float, ...]
    center: float
    scale: float
    gaps: bool = False
    numerals: _Numerals = PLAIN

    def __post_init__(self) -> None:
        specs.check_numbers(self)
        object.__setattr__(self, "gaps", _checks.flag("gaps", self.gaps))
        edges = tuple(_checks.sequence("edges", self.edges, "numbers"))
        if {*map(type, edges)} - {float} or not all(map(math.isfinite, edges)):
            raise ValueError(f"edges: expected finite numbers, got {list(edges)!r}")
        if len(edges) < 2 or not all(map(lt, edges, edges[1:])):
            raise ValueError(f"edges: expected two or more that grow, got {list(edges)!r}")
        object.__setattr__(self, "edges", edges)

    @classmethod
    def fit(
        cls, table: Table, column: str, most: int = 24, impute: Imputation = "median"
    ) -> "PiecewiseLinear":
        """Choose the edges by the training rows: at most ``most`` pieces.

        They are all different values if there are few. Otherwise they are a value that repeats in
        more rows than a piece would hold, and quantiles of the other rows.
        """
        most = _checks.count("most", most)
        _checks.choice("impute", impute, IMPUTATIONS)
        values, known = numbers_of(table, column)
        ordered = np.sort(known)
        edges = _edges(ordered, most)
        if len(edges) < 2:
            raise ValueError(
                f"{table.source}, column {column!r}: expected numbers that differ, got one"
            )
        ordered /= 2  # so that nothing overflows
        low, center, high = (quantile_of(ordered, share) for share in (0.25, 0.5, 0.75))
        is_median = impute == "median"
        fill = 2 * median_of(ordered) if is_median else specs.mean_and_deviation(known)[0]
        return cls(
            column,
            fill,
            tuple(edges.tolist()),
            2 * center,
            min(2 * (high - low or float(edges[-1] / 2 - edges[0] / 2)), sys.float_info.max),
            len(known) < len(values),
            table.numerals(column),
        )

    def reaching(
        self, low: float, high: float, gaps: bool, repeat: tuple[bool, bool] = (False, False)
    ) -> "PiecewiseLinear":
        """Give the encoding of more training rows, which reach further, or have missing cells.

        The pieces at both ends become longer.

        Parameters
        ----------
        low, high : float
            The range of these rows; NaN if they have no numbers.
        gaps : bool
            Whether they have missing cells.
        repeat : pair of bool
            Whether the first and the last edge are values of many rows: they stay edges, and there
            are further pieces.
        """
        edges = list(self.edges)
        if low < edges[0]:
            edges[: 1 - repeat[0]] = [low]
        if high > edges[-1]:
            edges[len(edges) - 1 + repeat[1] :] = [high]
        return replace(self, edges=tuple(edges), gaps=self.gaps or gaps)

    @property
    def width(self) -> int:
        """Number of features that the column becomes."""
        pieces = len(self.edges) - 1
        return (pieces > 1) + pieces + self.gaps

    @property
    def names(self) -> list[str]:
        """Names of the features that the column becomes."""
        ends = [f"{edge:.6g}" for edge in self.edges]
        names = [f"{self.column}: {low} to {high}" for low, high in pairwise(ends)]
        whole = [self.column] if len(names) > 1 else []
        return [*whole, *names, *([f"{self.column}: missing"] if self.gaps else [])]

    def transform(self, table: Table) -> Rows:
        """Encode the column, (rows, features)."""
        features = np.empty((len(as_table(table)), self.width), np.float32)
        self.write(table, features)
        return features

    def write(self, table: Table, features: Rows) -> None:
        """Write what `transform` gives into an array of its shape."""
        self.encode(as_table(table).numbers(self.column, self.numerals), features)

    def cells(self, table: Table) -> Held:
        """Give what `encode` needs of each row: its number, NaN where missing."""
        return as_table(table).held_numbers(self.column, self.numerals)

    def encode(self, cells: Array, features: Rows) -> None:
        """Write the features, (rows, features), of rows with these cells."""
        from densenet import _core  # here: the module is imported where nothing is compiled, too

        if len(cells):
            values = np.ascontiguousarray(cells, np.float64)
            edges = np.array(self.edges)
            _core.encode_pieces(
                values, edges, self.fill, self.center, self.scale, self.gaps, features
            )

    def surprise(self, table: Table) -> str:
        """Say what in a table is unlike the training rows; give "" if nothing is."""
        return self.told(self.oddities(table))

    def oddities(self, table: Table) -> Oddities:
        """Count what in a table is unlike the training rows."""
        example = as_table(table).unlike(self.column, self.numerals)
        values = table.numbers(self.column, self.numerals) / 2
        missing = 0 if self.gaps else int(np.isnan(values).sum())
        low, high = self.edges[0] / 2, self.edges[-1] / 2  # beyond by more than it is wide:
        beyond = int(np.sum((values - high > high - low) | (low - values > high - low)))
        return Oddities(example, missing, beyond)

    def told(self, odd: Oddities) -> str:
        """Say in words what `oddities` has counted."""
        said = [odd.example]
        if odd.missing:
            said.append(f"{odd.cells(odd.missing)} missing, taken as {self.fill:.6g}")
        if odd.beyond:
            said.append(
                f"{odd.cells(odd.beyond)} far outside {self.edges[0]:.6g} to {self.edges[-1]:.6g}, "
                "the range of the training rows"
            )
        return ", ".join(filter(None, said))


def _edges(ordered: npt.NDArray[np.float64], most: int) -> npt.NDArray[np.float64]:
    """Choose at most ``most + 1`` edges for sorted values that are not missing."""
    is_first = np.empty(len(ordered), bool)  # of those that are equal
    is_first[0] = True
    np.not_equal(ordered[1:], ordered[:-1], out=is_first[1:])
    if is_first.all():
        return ordered[_places(len(ordered), most)] + 0.0
    return _weighed(ordered, is_first, most)


@lru_cache(maxsize=256)
def _places(count: int, most: int) -> Array:
    """Give the places of the edges among sorted values of which no two are equal."""
    ranks = np.arange(count, dtype=np.float64)
    return _weighed(ranks, np.ones(count, bool), most).astype(np.intp)


def _weighed(
    ordered: npt.NDArray[np.float64], is_first: npt.NDArray[np.bool_], most: int
) -> npt.NDArray[np.float64]:
    """Choose edges by the rows of each value, of which the first is flagged."""
    firsts = np.flatnonzero(is_first)
    values = ordered[firsts] + 0.0  # -0.0 and 0.0 are one number, which is written without a sign
    if len(values) <= most + 1:
        return values
    counts = np.empty_like(firsts)
    np.subtract(firsts[1:], firsts[:-1], out=counts[:-1])
    counts[-1] = len(ordered) - firsts[-1]
    heavy = counts > len(ordered) / most
    heavy[0] = heavy[-1] = True  # the range belongs to it
    rest = np.repeat(np.flatnonzero(~heavy), counts[~heavy])
    inner = most + 1 - np.count_nonzero(heavy)
    if inner <= 0:  # the heaviest values alone
        order = np.argsort(-counts[heavy], kind="stable")
        kept = values[heavy][order][: most - 1]
        return np.unique(np.concatenate([kept, values[[0, -1]]]))
    heavy[rest[places_between(len(rest), inner)]] = True
    return values[heavy]
