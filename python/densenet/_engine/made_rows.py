"""Rows of inputs that are made when they are asked for, from something that takes less memory."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from densenet._checks import SparseRows
from densenet._typing import Array

_AT_ONCE = 2**23  # bytes of rows that are made together
_LEAST = 512  # rows of these, as each column has a call of its own


class MadeRows(ABC):
    """Rows that stand in the place of an array x, (rows, inputs), of which few are made at a time.

    `Network.fit` makes the rows of some batches, in the order of the epoch; results are those of
    the array, to the bit. What knows nothing of this class makes an array of all rows.

    Attributes
    ----------
    shape : (rows, inputs)
    dtype : that of the rows
    """

    shape: tuple[int, int]
    ndim = 2
    dtype: "np.dtype[Any]"

    @abstractmethod
    def write(self, rows: Array, into: Array) -> None:
        """Write the rows with these numbers, (n,), into an array of shape (n, inputs)."""

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | Array) -> Array:
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else rows
        made = np.empty((len(numbers), self.shape[1]), self.dtype)
        self.write(numbers, made)
        return made

    def part(self, rows: slice | Array) -> "MadeRows":
        """Give some of the rows, by their numbers, as rows that are made when asked for."""
        numbers = np.arange(len(self))[rows] if isinstance(rows, slice) else rows
        return _Part(self, numbers)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        made = self[:]
        return made if dtype is None else made.astype(dtype, copy=False)

    @property
    def nbytes(self) -> int:
        """The bytes of the array that these rows stand for."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


class _Part(MadeRows):
    def __init__(self, whole: MadeRows, numbers: Array) -> None:
        self._whole, self._numbers = whole, numbers
        self.shape, self.dtype = (len(numbers), whole.shape[1]), whole.dtype

    def write(self, rows: Array, into: Array) -> None:
        self._whole.write(self._numbers[rows], into)


def in_pieces(function: Callable[[Array], Array], x: Array | MadeRows) -> Array:
    """Apply a function of rows, whose outputs are its rows', to an array or piece by piece.

    Sparse rows are as an array.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet._engine.made_rows import in_pieces
    >>> in_pieces(np.negative, np.ones((2, 1))).tolist()
    [[-1.0], [-1.0]]
    """
    if not isinstance(x, MadeRows) or not len(x):
        return function(x if isinstance(x, SparseRows) else np.asarray(x))
    return np.concatenate(list(map(function, _pieces(x))))


def rows_at_once(x: Array | MadeRows) -> int:
    """Give the number of rows to make together.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet._engine.made_rows import rows_at_once
    >>> rows_at_once(np.ones((2, 4), np.float32))
    524288
    """
    row: int = x.shape[1] * x.dtype.itemsize
    return max(_LEAST, _AT_ONCE // max(1, row))


def _pieces(x: MadeRows) -> Iterator[Array]:
    """Make all rows, some at a time."""
    rows = rows_at_once(x)
    for begin in range(0, len(x), rows):
        yield x[begin : begin + rows]
