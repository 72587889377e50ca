"""The column that a network predicts: encode its cells as targets, decode outputs as cells."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.tables.cells import Kind, index_of, kind_of, number, spellings_of
from densenet.tables.encoding import specs
from densenet.tables.numerals import PLAIN, Numerals
from densenet.tables.table import Table, as_table

__all__ = ["Classes", "Values", "fit_target", "infer_task"]

Task: TypeAlias = Literal["auto", "classification", "regression"]

MOST_CLASSES = 20
"""The most different whole numbers that are taken for classes."""

TASK_RULES = {
    "classification": f"the target is text, or at most {MOST_CLASSES} different whole numbers",
    "regression": f"the target is numbers, any with a fraction or over {MOST_CLASSES} different",
}
"""Each task, and when it is chosen by default."""


@dataclass(frozen=True)
class Classes:
    """A target that is one of a few classes, named as the table writes them.

    If all classes are numbers, ``1``, ``1.0`` and ``01`` are one class, named as most rows write
    it. If all are booleans, so are ``True``, ``TRUE`` and ``true``.

    Parameters
    ----------
    column : str
    values : sequence of str
        At least two names of classes, in the order of the network's outputs.
    threshold : pair of int and float, optional
        The index of one of two classes, and the probability from which on it is predicted; by
        default the more probable class is.

    Raises
    ------
    ValueError
        If there are fewer than two values, or they repeat; if there is a threshold, but not two
        classes, or it is no probability of one of them.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Table
    >>> from densenet.tables import Classes
    >>> train = Table.from_columns({"genre": ["Rock", "Pop", "Rock"]})
    >>> genre = Classes.fit(train, "genre")
    >>> genre.outputs
    2
    >>> genre.values, genre.encode(train).tolist(), genre.decode([1, 0])
    (('Pop', 'Rock'), [1, 0, 1], ['Rock', 'Pop'])
    >>> places, unknown = genre.places(Table.from_columns({"genre": ["Jazz", "Pop"]}))
    >>> places.tolist(), unknown
    ([2, 0], ['Jazz'])
    >>> Classes.of_counts("genre", {"Rock": 2, "Pop": 1}, "texts") == genre
    True
    >>> careful = Classes("genre", ("Pop", "Rock"), threshold=(1, 0.3))
    >>> careful.choose(np.array([[0.6, 0.4], [0.9, 0.1]])).tolist()
    [1, 0]
    """

    column: str
    values: tuple[str, ...]
    threshold: tuple[int, float] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        specs.check_values(self)
        if len(self.values) < 2:
            raise ValueError(f"values: expected at least two classes, got {list(self.values)}")
        if self.threshold is not None:
            object.__setattr__(self, "threshold", self._check_threshold())

    @classmethod
    def fit(cls, table: Table, column: str) -> "Classes":
        """Find the classes in a table without missing targets; sort numbers as numbers."""
        counts = as_table(table).name_counts(_checks.text("column", column))
        return cls.of_counts(column, counts, table.kind(column), table.source)

    @classmethod
    def of_counts(
        cls, column: str, counts: Mapping[str, int], kind: Kind, source: str = "table"
    ) -> "Classes":
        """Find the classes, as `fit` does, by the rows of each name, which `kind` compares."""
        values = list(spellings_of(counts, kind).values())
        rows = sum(counts.values())
        if len(values) == 1:
            raise ValueError(
                f"{source}, column {column!r}: expected at least two classes, "
                f"got only {values[0]!r}"
            )
        if len(values) > max(MOST_CLASSES, rows / 2):
            raise ValueError(
                f"{source}, column {column!r}: expected classes that repeat, "
                f"got {len(values):,} different ones in {rows:,} rows"
            )
        values.sort()
        if kind_of(values) == "numbers":
            values.sort(key=lambda text: float(np.nan_to_num(number(text) or 0.0)))
        return cls(column, tuple(values))

    @property
    def outputs(self) -> int:
        """Number of outputs that the network needs."""
        return len(self.values)

    def places(self, table: Table) -> tuple[npt.NDArray[np.int64], list[str]]:
        """Give each row's class index, (rows,), and the names of unknown classes.

        Unknown classes have the indices after those of `values`.
        """
        names, codes = table.distinct(self.column)
        index = index_of(self.values)
        known = {name: index(name) for name in names}
        unknown = sorted(name for name in known if known[name] < 0)
        known |= {name: i for i, name in enumerate(unknown, self.outputs)}
        return np.array([known[name] for name in names], np.int64)[codes], unknown

    def encode(self, table: Table) -> npt.NDArray[np.int64]:
        """Give each row's class index, (rows,); ValueError for an unknown class."""
        indices, unknown = self.places(as_table(table))
        if unknown:
            row = int(np.argmax(indices >= self.outputs))
            names = ", ".join(map(repr, self.values[:6])) + (", ..." if self.outputs > 6 else "")
            raise ValueError(
                f"{table.where(row, self.column)}: expected one of the classes {names}, "
                f"got {table.names(self.column)[row]!r}"
            )
        return indices

    def choose(self, shares: Array) -> npt.NDArray[np.int64]:
        """Give the index of the class to predict for probabilities (rows, classes), (rows,)."""
        if self.threshold is None:
            chosen: npt.NDArray[np.int64] = shares.argmax(axis=1)
            return chosen
        index, least = self.threshold
        return np.where(shares[:, index] >= least, index, 1 - index)

    def _check_threshold(self) -> tuple[int, float]:
        """Check the threshold, which JSON gives as a list."""
        given: Any = self.threshold
        if not isinstance(given, tuple | list) or len(given) != 2:
            raise ValueError(f"threshold: expected an index and a probability, got {given!r}")
        index, least = given
        if len(self.values) != 2 or type(index) is not int or index not in (0, 1):
            raise ValueError(f"threshold: expected one of two classes, got {index!r}")
        if type(least) is not float or not 0 <= least <= 1:
            raise ValueError(f"threshold: expected a probability, got {least!r}")
        return index, least

    def decode(self, outputs: npt.ArrayLike) -> list[str]:
        """Give the names of class indices, (rows,)."""
        indices = _checks.indices("outputs", outputs, len(self.values), "class indices")
        return [self.values[i] for i in indices.tolist()]


@dataclass(frozen=True)
class Values:
    """A target that is a number y; the network learns to predict ``(y - mean) / scale``.

    Parameters
    ----------
    column : str
    mean, scale : float
        Mean and standard deviation of the training rows.
    numerals : Numerals
        How the training rows write numbers.

    Raises
    ------
    ValueError
        If a number is not finite or the scale not positive.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables import Values
    >>> train = Table.from_columns({"price": [100.5, 300.5]})
    >>> price = Values.fit(train, "price")
    >>> price.outputs
    1
    >>> price.encode(train).tolist(), price.decode([1.0, 0.5]).tolist()
    ([-1.0, 1.0], [300.5, 250.5])
    """

    column: str
    mean: float
    scale: float
    numerals: Numerals = PLAIN

    def __post_init__(self) -> None:
        specs.check_numbers(self)

    @classmethod
    def fit(cls, table: Table, column: str) -> "Values":
        """Compute the statistics of a target without missing cells; they must not all be equal."""
        values = as_table(table).numbers(_checks.text("column", column))
        mean, scale = specs.mean_and_deviation(values)
        if not scale > 0:
            raise ValueError(
                f"{table.source}, column {column!r}: expected values that differ, got only {mean:g}"
            )
        return cls(column, mean, scale, table.numerals(column))

    @property
    def outputs(self) -> int:
        """Number of outputs that the network needs."""
        return 1

    def encode(self, table: Table) -> npt.NDArray[np.float32]:
        """Standardise each row's value, (rows,); ValueError for a missing one."""
        values = as_table(table).numbers(self.column, self.numerals)
        missing = np.flatnonzero(np.isnan(values))
        if len(missing):
            raise ValueError(f"{table.where(missing[0], self.column)}: expected a number, got none")
        return ((values - self.mean) / self.scale).astype(np.float32)

    def decode(self, outputs: npt.ArrayLike) -> npt.NDArray[np.float64]:
        """Turn standardised values back into the table's unit, (rows,)."""
        values = _checks.as_array("outputs", outputs)
        values = _checks.real("outputs", values, (values.size,))
        return self.mean + self.scale * values.astype(np.float64)


Target: TypeAlias = Classes | Values


def fit_target(table: Table, column: str, task: Task = "auto") -> Target:
    """Decide whether a target is classes or values, and find its classes or statistics.

    Parameters
    ----------
    table : Table
        Training rows, each with its target.
    column : str
    task : "auto", "classification" or "regression"
        "auto" is regression if every cell is a number and either one has a fraction or more than
        `MOST_CLASSES` differ, else classification.

    Returns
    -------
    Classes or Values

    Raises
    ------
    ValueError
        If all targets are equal, there are more than `MOST_CLASSES` classes and more than half as
        many as rows, or a target of a regression is no finite number.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables import fit_target
    >>> train = Table.from_columns({"quality": [5, 6, 5, 6, 5]})
    >>> fit_target(train, "quality")
    Classes(column='quality', values=('5', '6'))
    >>> fit_target(train, "quality", "regression").mean
    5.4
    """
    if _checks.choice("task", task, ("auto", *TASK_RULES)) == "auto":
        task = infer_task(table, column)
    return Classes.fit(table, column) if task == "classification" else Values.fit(table, column)


def infer_task(table: Table, column: str) -> Task:
    """Choose the task for a target, as `fit_target` does by default.

    Parameters
    ----------
    table : Table
    column : str

    Returns
    -------
    "classification" or "regression"

    Raises
    ------
    ValueError
        If a few cells, at most a tenth, are no numbers while the others are, or one is infinite.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables import infer_task
    >>> table = Table.from_columns({"genre": ["Rock", "Pop"], "price": [9.5, 8.0]})
    >>> infer_task(table, "genre"), infer_task(table, "price")
    ('classification', 'regression')
    """
    if as_table(table).is_text(_checks.text("column", column)):
        return "classification"
    different = np.unique(table.numbers(column))
    many = len(different) > MOST_CLASSES or bool(np.any(different != np.rint(different)))
    return "regression" if many else "classification"


def from_json(data: Any) -> Target:
    """Make the target that `specs.to_json` wrote; ValueError for anything else."""
    kinds: dict[str, type[Target]] = {"classes": Classes, "values": Values}
    return specs.from_json(kinds, data)
