"""How ranks that hold their own rows share the batches of an epoch."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np

from densenet._engine.contract import Examples
from densenet._typing import Array

MOST = 2**31  # rows of all ranks: products of two such numbers fit into 64 bits


class Batches(Protocol):
    """What ranks that hold their own rows know of each batch."""

    @property
    def rows(self) -> int:
        """The number of rows of all ranks."""

    def begin_batch(self, examples: Examples, step: int) -> None:
        """Begin with the batch of a step, whose rows of this rank are among these."""

    def begin(self, step: int) -> int:
        """Give the number of the first of this rank's rows in a step's batch."""

    def place(self, step: int) -> tuple[int, int]:
        """Give where this rank's rows begin and end in a step's batch."""

    def size(self, step: int) -> int:
        """Give the number of all rows of a step's batch."""

    def total(self, step: int) -> float:
        """Give the weight of all rows of a step's batch."""


class Shares:
    """The rows of a rank that are in each batch, and their place there.

    A batch has rows of all ranks, as many of each as its part of all rows makes it. After k rows of
    an epoch, of all ranks together, those of rank r that have been learned from are the first

        m_r = ⌊(k - m_0 - ... - m_(r-1)) n_r / (n_r + ... + n_(p-1)) + 1/2⌋

    of its n_r rows. So no m_r falls, and they add up to k: batches have `batch_size` rows, but for
    the last one of an epoch, and each row is learned from once. In a batch, the rows of rank 0 come
    first, then those of rank 1, and so on.

    Parameters
    ----------
    rank : int
    counts : sequence of int
        The number of rows of each rank.
    batch_size : int
    drop_last : bool
        True leaves out an epoch's last batch if it is smaller than the others.

    Attributes
    ----------
    rows : int
        The number of rows of all ranks.
    n_steps : int
    totals : float64 array of shape (n_steps,)
        The weight of each batch in the epoch at hand, of all ranks' rows.
    """

    def __init__(self, rank: int, counts: Sequence[int], batch_size: int, drop_last: bool) -> None:
        self.rows = rows = sum(counts)
        self.n_steps = rows // batch_size if drop_last else -(-rows // batch_size)
        ends = np.minimum(np.arange(self.n_steps + 1, dtype=np.int64) * batch_size, rows)
        self._sizes = np.diff(ends)
        self.totals = self._sizes.astype(np.float64)
        left, before = ends, np.zeros_like(ends)
        for number, n in enumerate(counts):
            mine = (left * n + rows // 2) // rows
            if number == rank:
                break
            left, before, rows = left - mine, before + mine, rows - n
        self._begins, self._places = mine, np.diff(before)

    def begin_batch(self, examples: Examples, step: int) -> None:
        """Do nothing: all is known before."""

    def begin(self, step: int) -> int:
        """Give the number of the first of this rank's rows in a step's batch, in their order."""
        return int(self._begins[step])

    def place(self, step: int) -> tuple[int, int]:
        """Give where this rank's rows begin and end in a step's batch."""
        first = int(self._places[step])
        return first, first + int(self._begins[step + 1] - self._begins[step])

    def size(self, step: int) -> int:
        """Give the number of all rows of a step's batch."""
        return int(self._sizes[step])

    def total(self, step: int) -> float:
        """Give the weight of all rows of a step's batch."""
        return float(self.totals[step])

    def sums(self, weights: Array) -> Array:
        """Add up weights of this rank's rows, in their order, by batches."""
        sums, begins = np.zeros(self.n_steps), self._begins[:-1]
        some = begins < self._begins[1:]
        if some.any():
            learned = weights[: self._begins[-1]]
            sums[some] = np.add.reduceat(learned, begins[some])
        return sums
