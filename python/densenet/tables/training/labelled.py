"""Rows to learn from or to judge by: their features, their targets and their weights."""

from collections.abc import Callable, Iterable
from typing import NamedTuple, TypeAlias

import numpy as np

from densenet._engine.made_rows import MadeRows, in_pieces
from densenet._typing import Array
from densenet.tables.encoding.targets import Target
from densenet.tables.table import Table


class Labelled(NamedTuple):
    """Rows with what belongs to each; also a chunk of `Network.fit`.

    Attributes
    ----------
    x : array of shape (rows, features)
        Or rows that are made when they are asked for.
    targets : array of shape (rows,)
        Class indices or standardised values.
    weights : array of shape (rows,), optional
        None if all rows count alike.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Classes, Features, Table
    >>> from densenet.tables.training.labelled import Labelled
    >>> table = Table.from_columns({"x": [1, 3], "w": [2, 0.5], "y": ["a", "b"]})
    >>> features = Features.fit(table, ["x"])
    >>> rows = Labelled.of(table, features.transform, Classes("y", ("a", "b")), "w")
    >>> rows.targets.tolist(), rows.weights.tolist(), rows.take(np.array([1])).weights.tolist()
    ([0, 1], [2.0, 0.5], [0.5])
    >>> rows.project(np.negative).x.tolist()
    [[1.0], [-1.0]]
    """

    x: Array | MadeRows
    targets: Array
    weights: Array | None = None

    @classmethod
    def of(
        cls,
        table: Table,
        encode: Callable[[Table], Array | MadeRows],
        target: Target,
        weight: str | None = None,
    ) -> "Labelled":
        """Encode a table, of which each row has a target and, in the column `weight`, a weight."""
        weights = None if weight is None else weights_in(table, weight)
        return cls(encode(table), target.encode(table), weights)

    def take(self, rows: Array) -> "Labelled":
        """Give some rows, by growing numbers: views if they lie one after the other."""
        x, targets, weights = self
        return Labelled(
            x.part(rows) if isinstance(x, MadeRows) else _of(x, rows),
            _of(targets, rows),
            None if weights is None else _of(weights, rows),
        )

    def project(self, function: Callable[[Array], Array]) -> "Labelled":
        """Give the rows with what a function makes of their features in the place of these."""
        return self._replace(x=in_pieces(function, self.x))


LabelledChunks: TypeAlias = Callable[[], Iterable[Labelled]]
"""Gives rows chunk by chunk, anew with each call."""


def weights_in(table: Table, column: str) -> Array:
    """Read the weight of each row, (rows,), in float64.

    Raises
    ------
    ValueError
        If a weight is missing, negative or no finite number, or there is no such column.

    Examples
    --------
    >>> from densenet.tables import Table
    >>> from densenet.tables.training.labelled import weights_in
    >>> weights_in(Table.from_columns({"w": ["2", "0.5"]}), "w").tolist()
    [2.0, 0.5]
    >>> weights_in(Table.from_columns({"w": [2, -1]}), "w")
    Traceback (most recent call last):
    ValueError: table, row 2, column 'w': expected a weight >= 0, got '-1'
    """
    weights = table.numbers(column)
    wrong = ~(weights >= 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        got = repr(str(table.texts(column)[row])) if weights[row] < 0 else "a missing cell"
        raise ValueError(f"{table.where(row, column)}: expected a weight >= 0, got {got}")
    return weights


def check_sum(weights: Array | None, purpose: str) -> None:
    """Check that rows to train on, or to hold out, have a weight above 0 among theirs.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.training.labelled import check_sum
    >>> check_sum(np.zeros(9), "train on")
    Traceback (most recent call last):
    ValueError: weight: expected a weight above 0 in the 9 rows to train on, got zeros
    """
    if weights is not None and not weights.any():
        raise ValueError(
            f"weight: expected a weight above 0 in the {len(weights):,} rows to {purpose}, got "
            "zeros"
        )


def _of(array: Array, rows: Array) -> Array:
    first, last = rows[0], rows[-1]
    return array[first : last + 1] if last - first + 1 == len(rows) else array[rows]
