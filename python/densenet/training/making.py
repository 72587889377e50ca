"""Groups of rows in memory, in the order in which steps take them; rows that are made for them."""

from typing import NamedTuple

import numpy as np

from densenet._engine.contract import Examples
from densenet._engine.made_rows import rows_at_once
from densenet._typing import Array


class Group(NamedTuple):
    """Rows in memory, in the order in which some steps of an epoch take them.

    They are the steps ``first`` to ``last - 1``; ``epoch`` is the order of all of the epoch's rows.
    """

    epoch: Array
    first: int
    last: int
    examples: Examples


class Maker:
    """Makes the rows of some batches at a time, in memory that is used again, from `MadeRows`."""

    def __init__(self, examples: Examples, batch_size: int) -> None:
        self._examples, self._batch_size = examples, batch_size
        inputs = examples.x.shape[1]
        self._steps = max(1, rows_at_once(examples.x) // batch_size)
        rows = min(self._steps * batch_size, len(examples.x))
        self._into = np.empty((rows, inputs), examples.x.dtype)
        self._group: Group | None = None  # at hand

    def group(self, epoch: Array, step: int) -> Group:
        """Give the rows of the group that an epoch's step belongs to.

        `epoch` is the order of its rows. What was given before is overwritten.
        """
        group = self._group
        if group is not None and group.epoch is epoch and group.first <= step < group.last:
            return group
        x, targets, weights, _ = self._examples
        first = step - step % self._steps
        begin = first * self._batch_size
        rows = epoch[begin : begin + self._steps * self._batch_size]
        into = self._into[: len(rows)]
        x.write(rows, into)  # type: ignore[attr-defined]
        last = first - (-len(rows) // self._batch_size)
        weights = None if weights is None else weights[rows]
        self._group = Group(epoch, first, last, Examples(into, targets[rows], weights))
        return self._group

    def end(self) -> None:
        """Do nothing: there is no thread."""
