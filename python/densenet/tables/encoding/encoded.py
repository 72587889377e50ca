"""Rows that are encoded when they are asked for, as their features are larger than their cells.

A column of numbers becomes some 25 features. So a table with many of them is held as it was read,
and the rows of some batches at a time are encoded, in memory that is used again.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from densenet._engine.made_rows import MadeRows
from densenet._typing import Array
from densenet.tables.stored import Held
from densenet.tables.table import Table

__all__ = ["MOST_HELD", "WIDEST", "EncodedRows"]

MOST_HELD = 2**26
"""The most bytes of features that are held: rows of more are encoded anew each time."""

WIDEST = 2**17
"""Bytes of features of a row from which all are held: each column costs a call for a few rows."""


class Encoding(Protocol):
    """The encoding of a column."""

    @property
    def width(self) -> int:
        """Number of features that the column becomes."""

    def cells(self, table: Table) -> Held:
        """Give what `encode` needs of each of a table's rows, in little memory."""

    def encode(self, cells: Array, features: Array) -> None:
        """Write the features of some rows, (rows, features); `cells` is left as it is."""


class EncodedRows(MadeRows):
    """The rows of a table as a network reads them, each encoded when it is asked for.

    Parameters
    ----------
    parts : sequence of Encoding
        The encodings of columns, side by side.
    table : Table

    Raises
    ------
    ValueError
        If a cell of a column of numbers is no finite number.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Numbers, Table
    >>> from densenet.tables.encoding.encoded import EncodedRows
    >>> table = Table.from_columns({"x": [1, 2, 4], "y": [5, 5, 8]})
    >>> rows = EncodedRows([Numbers("x", 0.0, 0.0, 1.0), Numbers("y", 0.0, 0.0, 1.0)], table)
    >>> rows.shape, rows[1:].tolist()
    ((3, 2), [[2.0, 5.0], [4.0, 8.0]])
    >>> rows.nbytes, rows.part(np.array([2, 0]))[:1].tolist()
    (24, [[4.0, 8.0]])
    >>> into = np.empty((1, 2), np.float32)
    >>> rows.write(np.array([1]), into)
    >>> into.tolist()
    [[2.0, 5.0]]
    """

    def __init__(self, parts: Sequence[Encoding], table: Table) -> None:
        ends = np.cumsum([0, *(part.width for part in parts)]).tolist()
        self._parts = [
            (part, part.cells(table), begin, end)
            for part, begin, end in zip(parts, ends, ends[1:], strict=False)
        ]
        self.shape, self.dtype = (len(table), ends[-1]), np.dtype(np.float32)

    def write(self, rows: Array, into: Array) -> None:
        """Write the rows with these numbers, (n,), into an array of shape (n, features)."""
        for part, cells, begin, end in self._parts:
            part.encode(cells.at(rows), into[:, begin:end])
