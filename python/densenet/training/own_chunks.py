"""Training where each rank gives its own chunks of rows, as many as it has."""

from dataclasses import dataclass

import numpy as np

from densenet._engine.contract import Examples
from densenet._typing import Array
from densenet.training.chunked import ChunkedRun
from densenet.training.history import Record
from densenet.training.own_rows import over_ranks
from densenet.training.ranks import Parts, Ranks

_NUMBERS = 4  # of each rank before a step: rows, whether these have weights, sum and exponent


class Over(Exception):  # noqa: N818 (no error: the way out of a call)
    """Ends a call of the engine before a step for which no rank has rows."""


class ChunkShares:
    """The rows of a rank that are in each batch, and their place there, as ranks agree on them.

    Of a batch of `batch_size` rows, those from ``⌊r batch_size / p⌋`` on, up to those of the next
    rank, are of rank r: the next ones of its chunks. A rank that has come to the end of its chunks
    has fewer in one batch, and none in those that follow, and batches are smaller. How many there
    are of each, and what they weigh, ranks tell each other before each step.

    Attributes
    ----------
    most : int
        Rows of this rank in a batch.
    widths : list of int
        That of the sum in which ranks agree.
    rows : 0
        All ranks' rows, which nobody knows.
    agreed : int
        The number of batches of the epoch that ranks have agreed on.
    """

    rows = 0

    def __init__(self, ranks: Ranks, batch_size: int, drop_last: bool) -> None:
        if batch_size < ranks.size:
            raise ValueError(
                f"batch_size: expected at least {ranks.size} with chunks of their own, a row of "
                f"each rank, got {batch_size}"
            )
        first, end = Parts(ranks.rank, ranks.size, batch_size, False).rows(ranks.rank, batch_size)
        self.most, self._whole, self._drop_last = end - first, batch_size, drop_last
        self._ranks, self.widths = ranks, [_NUMBERS * ranks.size]
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Begin with the first batch."""
        self.agreed = 0
        self._masses: list[tuple[float, int]] = []
        self.exponent = 0  # of two, which the weights of the rows at hand were divided by

    def begin_batch(self, examples: Examples, step: int) -> None:
        """Agree on the next batch, that of a step on these rows, the first of which is step 0.

        Raises
        ------
        Over
            On every rank, if there are no rows left to learn from.
        ValueError
            On every rank, if rows of only some have weights.
        """
        ranks, weights = self._ranks, examples.sample_weight
        rows = slice(self.begin(step), self.begin(step + 1))
        mine = len(examples.x[rows])
        weight = mine if weights is None else weights[rows].sum()
        (numbers,) = ranks.begin_sums(_NUMBERS * ranks.size)
        each = numbers.reshape(ranks.size, _NUMBERS)
        each[ranks.rank] = mine, weights is not None, weight, self.exponent
        ranks.end_sums()
        counts, weighted, sums, exponents = each.T
        self._size = int(counts.sum())
        if not self._size or (self._drop_last and self.agreed and self._size < self._whole):
            ranks.no_step()
            raise Over
        some = np.flatnonzero(counts)
        other = next((rank for rank in some if weighted[rank] != weighted[some[0]]), None)
        if other is not None:
            text = ["no weights", "weights"]
            raise ValueError(
                "sample_weight: expected weights in the chunks of all ranks or of none, got "
                f"{text[int(weighted[other])]} on rank {other} and "
                f"{text[int(weighted[some[0]])]} on rank {some[0]}"
            )
        self._first = int(counts[: ranks.rank].sum())
        self._end = self._first + mine
        weigh = np.flatnonzero(sums)
        most = int(exponents[weigh].max()) if len(weigh) else 0
        with np.errstate(over="ignore", under="ignore"):
            self._masses.append((float(np.ldexp(sums, exponents.astype(int) - most).sum()), most))
            # On the scale of this rank's weights: infinite where they are nothing beside others.
            own = int(exponents[ranks.rank]) if weight else most
            self._total = float(np.ldexp(sums, exponents.astype(int) - own).sum())
        self.agreed += 1

    def begin(self, step: int) -> int:
        """Give the number of the first row of a step, of the rows at hand."""
        return step * self.most

    def place(self, step: int) -> tuple[int, int]:
        """Give where this rank's rows begin and end in the batch that has been agreed on."""
        return self._first, self._end

    def size(self, step: int) -> int:
        """Give the number of all rows of that batch."""
        return self._size

    def total(self, step: int) -> float:
        """Give the weight of all rows of that batch."""
        return self._total

    def weights(self) -> Array:
        """Give the weight of each batch of the epoch, or a multiple of it."""
        most = max(exponent for _, exponent in self._masses)
        with np.errstate(under="ignore"):
            return np.array([np.ldexp(mass, exponent - most) for mass, exponent in self._masses])


@dataclass
class OwnChunkedRun(ChunkedRun):
    """The epochs of a call of `fit` whose ranks give their own chunks.

    An epoch ends when all ranks have come to the end of theirs.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.ranks is not None
        assert isinstance(self.shares, ChunkShares)
        self.together, self.own = self.ranks, self.shares
        self.over = False  # no rank has rows for another step of the epoch

    def begin_epoch(self) -> None:
        """Ask for the chunks of an epoch."""
        super().begin_epoch()
        self.own.begin_epoch()
        self.over = False

    def steps(self) -> str:
        """Take the epoch's steps; see whether it has ended where a callback stops it."""
        stopped = super().steps()
        if stopped == "callback" and self.n_steps < 0 and not self.over:
            self._agree(self.steps_taken())
        return stopped

    def some_steps(self, numbers: Array | None, done: int) -> str:
        """Take steps as `Run` does, or find that no rank has rows for another."""
        try:
            return super().some_steps(numbers, done)
        except Over:
            self._end(self.steps_taken())
            return ""

    def has_rows(self, done: int) -> bool:
        """Go on to this rank's rows of the next step; False where the epoch has ended."""
        while not self.over and self.own.agreed < done:  # steps of a training that goes on
            self._agree(self.own.agreed)
        if not self.over:
            self._go_to(done)
        return not self.over

    def _go_to(self, step: int) -> None:
        """Make the piece with a step's rows that at hand, or nothing if this rank has no more."""
        while self.steps_given <= step:
            self.examples = self.given  # nothing: the piece at hand makes room
            rows = next(self.pieces, None)
            if rows is not None:
                self._take(rows)
                self.own.exponent = self.exponent
            else:
                self._check_rows()
                self.rows_known = self.n_rows
                self._make_room(step + 1 - self.steps_given)
            del rows

    def _agree(self, step: int) -> None:
        """Agree on the batch of a step without taking it."""
        self._go_to(step)
        self.together.begin_step()
        try:
            self.own.begin_batch(self.examples, step - self.step_at_hand)
            self.together.no_step()
        except Over:
            self._end(step)

    def _end(self, done: int) -> None:
        """End the epoch after so many steps; check that it has as many as others."""
        self.over = True
        if self.n_steps not in (-1, done):
            epoch = self.position.epochs + 1
            raise ValueError(
                f"chunks: expected {self.n_steps} steps, as before, got {done} steps in epoch "
                f"{epoch}"
            )
        self._know_steps(done)

    def fresh(self) -> tuple[()]:
        """Give nothing of the rows, which are others on each rank."""
        return ()

    def weights_of_steps(self) -> Array:
        """Give the weight of each step's batch."""
        return self.own.weights()

    def validate(self, data: Examples) -> Record:
        """Measure loss and metrics on all ranks' validation data: means over rows."""
        return over_ranks(self.together, super().validate(data), data)
