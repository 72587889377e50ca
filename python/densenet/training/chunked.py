"""Training on rows that come in chunks, of which one is in memory at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any, NamedTuple

import numpy as np

from densenet import _checks
from densenet._engine.contract import Examples, apart
from densenet._network.learner import Learner
from densenet._typing import Array, Chunk
from densenet.training import orders
from densenet.training.class_weights import exponent_of, factors_of_classes, weighted
from densenet.training.digests import digest
from densenet.training.run import Run


class _Rows(NamedTuple):
    """Checked rows, with weights as they were given; they may be part of a caller's array."""

    x: Array
    targets: Array
    weights: Array | None

    def part(self, begin: int, end: int) -> "_Rows":
        """Give some of them, without a copy."""
        weights = self.weights
        return _Rows(
            self.x[begin:end],
            self.targets[begin:end],
            None if weights is None else weights[begin:end],
        )

    def copy(self) -> "_Rows":
        return _Rows(*(None if each is None else each.copy() for each in self))  # type: ignore[arg-type]


class ChunkSource:
    """Gives the rows of each epoch chunk by chunk, checked and cut into whole batches.

    Attributes
    ----------
    nothing : Examples
        No rows, in place of those that other calls of `fit` are given.
    shuffled : False
        Rows are learned from as they come.
    """

    def __init__(self, learner: Learner, chunks: Any, shuffle: Any, sample_weight: Any) -> None:
        """Check what `fit` is given beside a `y` of None."""
        if not callable(chunks):
            raise TypeError(
                "y: expected targets, or in place of x a function that gives chunks of rows anew "
                f"for each epoch, got None beside {_checks.describe(chunks)}"
            )
        if sample_weight is not None:
            raise TypeError(
                "sample_weight: expected None with chunks, which are (x, y, sample_weight) where "
                f"rows have weights, got {_checks.describe(sample_weight)}"
            )
        self._learner, self._chunks = learner, chunks
        self._by_class: Array | None = None
        self.nothing = Examples(np.empty((0, learner.layout.inputs)), np.empty(0))
        self.shuffled: orders.Shuffle = False
        if shuffle is not None and orders.chosen(shuffle, self.nothing.x, None):
            raise ValueError(
                "shuffle: expected False or None with chunks, whose rows are learned from as they "
                f"come, got {shuffle!r}"
            )

    def weigh_classes(self, class_weight: object) -> None:
        """Multiply the weights of rows by those of their classes."""
        words = "a dict with chunks, whose classes nobody has counted"
        self._by_class = factors_of_classes(class_weight, self._learner.layout.outputs, words)

    def run(self, drop_last: bool) -> Callable[..., Run]:
        """Give the class of a run over these rows."""
        return partial(ChunkedRun, source=self, drop_last=drop_last)

    def batches(self, batch_size: int, drop_last: bool) -> Iterator[_Rows]:
        """Ask for the chunks of an epoch, and give their rows in pieces of whole batches.

        The rows that a chunk has beyond its last whole batch begin the first batch of the next one.
        The last piece is what rows are left in the end. A piece may be part of a chunk: drop it
        before you ask for the next one, and one chunk is in memory at a time.
        """
        waiting: list[_Rows] = []  # fewer than a batch, of chunks that are no longer here
        n_waiting, first = 0, True
        for rows in self._checked():
            begin, n = 0, len(rows.x)
            if waiting:
                begin = min(batch_size - n_waiting, n)
                waiting.append(rows.part(0, begin).copy())
                n_waiting += begin
            if n_waiting == batch_size:
                yield self._joined(waiting)
                waiting, n_waiting, first = [], 0, False
            end = n - (n - begin) % batch_size
            if begin < end:
                yield rows.part(begin, end)
                first = False
            if end < n:
                waiting.append(rows.part(end, n).copy())
                n_waiting += n - end
            del rows  # before the next chunk is asked for
        if waiting and (first or not drop_last):
            yield self._joined(waiting)

    def examples(self, rows: _Rows, trained: Iterable[Array]) -> tuple[Examples, int]:
        """Give rows to learn from, and the exponent of two that their weights were divided by."""
        weights, exponent = rows.weights, 0
        if weights is not None:
            largest = weights.max()
            exponent = exponent_of(largest)
            weights = _checks.scaled(weights)
        examples = Examples(orders.row_by_row(rows.x), rows.targets, weights)
        return apart(examples, trained), exponent

    def _checked(self) -> Iterator[_Rows]:
        """Check the chunks of an epoch, each as it comes; leave out those without rows."""
        given = self._chunks()
        try:
            chunks = iter(given)
        except TypeError:
            got = _checks.describe(given)
            raise TypeError(
                f"chunks: expected a function that gives an iterable of chunks, got {got} of it"
            ) from None
        del given
        kind, numbers = None, count()  # `enumerate` would keep a chunk while it asks for the next
        for chunk in chunks:
            with _checks.within(f"chunks[{next(numbers)}]"):
                rows = self._check(chunk)
                del chunk
                if rows is not None:
                    kind = _same_kind(rows, kind)
            if rows is not None:
                yield rows
            del rows

    def _check(self, chunk: Chunk) -> _Rows | None:
        """Check a chunk; None stands for one without rows."""
        if not isinstance(chunk, tuple | list):
            got = _checks.describe(chunk)
            raise TypeError(f"expected (x, y) or (x, y, sample_weight), got {got}")
        if len(chunk) not in (2, 3):
            got = f"{len(chunk)} elements"
            raise ValueError(f"expected (x, y) or (x, y, sample_weight), got {got}")
        x, y, *rest = chunk
        _checks.not_sparse("x", x, "in a chunk")
        x, y = _checks.plain("x", x), _checks.plain("y", y)
        weights = None
        if rest and rest[0] is not None:
            weights = _checks.plain("sample_weight", rest[0])
        if x.shape == (0, self._learner.layout.inputs) and len(y) == 0:
            return None
        examples = self._learner.examples(x, y, weights)
        if weights is not None:
            weights = weights.astype(np.float64)
        if self._by_class is not None:
            weights = weighted(self._by_class, examples.targets, weights)
        return _Rows(examples.x, examples.targets, weights)

    def _joined(self, parts: list[_Rows]) -> _Rows:
        """Put parts of several chunks into one batch."""
        if len(parts) == 1:
            return parts[0]
        dtype = self._learner.dtype
        x, targets, weights = zip(*parts, strict=True)
        return _Rows(
            _stacked(x, dtype),
            _stacked(targets, dtype),
            None if weights[0] is None else np.concatenate(weights),
        )


def _stacked(parts: tuple[Array, ...], dtype: "np.dtype[Any]") -> Array:
    """Put arrays into one; numbers of several types become the network's, as all rows do."""
    if len({part.dtype for part in parts}) == 1 or any(p.dtype.kind not in "biuf" for p in parts):
        return np.concatenate(parts)
    with np.errstate(over="ignore", invalid="ignore"):
        return np.concatenate(parts, dtype=dtype, casting="unsafe")


def _same_kind(rows: _Rows, kind: tuple[tuple[int, ...], bool] | None) -> tuple[Any, bool]:
    """Refuse targets or weights of another kind than those of the chunks before."""
    own = rows.targets.shape[1:], rows.weights is not None
    if kind is None or own == kind:
        return own
    if own[0] != kind[0]:
        words = ", ".join(map(str, ("batch", *kind[0])))
        shape = rows.targets.shape
        raise ValueError(f"y: expected shape ({words}), as in the chunks before, got {shape}")
    wanted, got = ("weights", "None") if kind[1] else ("None", "weights")
    raise ValueError(f"sample_weight: expected {wanted}, as in the chunks before, got {got}")


@dataclass
class ChunkedRun(Run):
    """The epochs of a call of `fit` on chunks.

    How many rows and steps an epoch has is known when the first one has ended.
    """

    source: ChunkSource = field(kw_only=True)
    drop_last: bool = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rows_known: int | None = None  # of an epoch
        self.pieces: Iterator[_Rows] = iter(())
        self.steps_given = 0  # of the epoch, by the pieces up to that at hand
        self.step_at_hand = 0  # the first one of the piece at hand
        self.masses: list[tuple[Array, int]] = []  # of the steps' rows, by pieces; exponents
        self.exponent = 0  # of two, which the weights of the piece at hand were divided by
        self.digest = 0  # of the rows that ranks have read in the epoch

    def begin_epoch(self) -> None:
        """Ask for the chunks of an epoch."""
        position = self.position
        steps = position.losses // position.epochs if position.epochs else 0
        self.n_steps = steps
        super().begin_epoch()
        self.n_steps = steps or -1  # which no number of steps taken equals
        self.n_rows = self.steps_given = self.step_at_hand = 0
        self.masses, self.digest = [], 0
        self.pieces = self.source.batches(self.batch_size, self.drop_last)

    def fresh_rows(self) -> Examples:
        """Tell callbacks of the epoch that begins. They may not give rows."""
        for callback in self.beginning:
            who: Any = self.network
            rows = callback.on_epoch_begin(who, self.position.epochs + 1)
            if rows is not None:
                got = _checks.describe(rows)
                raise TypeError(
                    f"on_epoch_begin: expected None with chunks, which are the rows, got {got}"
                )
        return self.given

    def fresh(self) -> Sequence[Any]:
        """Give what all ranks must have alike: the digest of the rows read in this epoch."""
        return (self.digest,)

    def steps(self) -> str:
        """Take the epoch's steps; see whether it has ended where a callback stops at a piece's."""
        stopped = super().steps()
        if stopped == "callback" and self.n_steps < 0:
            self.has_rows(self.steps_taken())
        return stopped

    def has_rows(self, done: int) -> bool:
        """Go on to the piece of the next step, which is read; False at the end of the epoch."""
        while self.steps_given <= done:
            self.examples = self.given  # nothing: the piece at hand makes room
            rows = next(self.pieces, None)
            if rows is None:
                self._check_end(done)
                return False
            self._take(rows)
            del rows
        return True

    def _take(self, rows: _Rows) -> None:
        """Make a piece that at hand."""
        n = len(rows.x)
        self.n_rows += n
        if self.rows_known is not None and self.n_rows > self.rows_known:
            raise ValueError(
                f"chunks: expected {self.rows_known} rows, as in the epoch before, got more"
            )
        if self.ranks is not None and self.shares is None:
            for begin in range(0, n, self.batch_size):  # so that it does not matter where cuts are
                self.digest = digest(self.digest, *rows.part(begin, begin + self.batch_size))
        trained = (self.learner.flat, *self.moments)
        self.examples, self.exponent = self.source.examples(rows, trained)
        weights = self.examples.sample_weight
        if weights is not None:
            sums = np.add.reduceat(weights, range(0, n, self.batch_size))
            self.masses.append((sums, self.exponent))
        self._make_room(-(-n // self.batch_size))

    def _make_room(self, steps: int) -> None:
        """Give so many steps more, and make room for their losses."""
        self.step_at_hand = self.steps_given
        self.steps_given += steps
        losses = self.position.batch_loss
        room = self.steps_given - len(losses)
        if room > 0:
            more = np.zeros(max(room, len(losses)))
            self.position.batch_loss = np.concatenate([losses, more])

    def _check_rows(self) -> None:
        """Check that an epoch which ends has rows, and as many as others."""
        epoch, rows = self.position.epochs + 1, self.n_rows
        if not rows:
            raise ValueError(
                f"chunks: expected rows in each epoch, got none in epoch {epoch}: the function has "
                "to begin anew with each call"
            )
        if self.rows_known is not None and rows < self.rows_known:
            raise ValueError(
                f"chunks: expected {self.rows_known} rows, as before, got {rows} rows in epoch "
                f"{epoch}"
            )

    def _check_end(self, done: int) -> None:
        """Check that an epoch which ends after these steps has as many rows as others."""
        self._check_rows()
        if self.n_steps not in (-1, self.steps_given) or self.steps_given < done:
            raise ValueError(
                f"chunks: expected {max(self.n_steps, done)} steps, as before, got "
                f"{self.steps_given} steps in epoch {self.position.epochs + 1}"
            )
        self.rows_known = self.n_rows
        self._know_steps(self.steps_given)

    def _know_steps(self, n_steps: int) -> None:
        """Take note of the number of an epoch's steps."""
        self.n_steps = n_steps
        if self.bar is not None and not self.bar.total:
            self.bar.total = self.n_steps * self.epochs

    def rows_at(self, order: Array | None, done: int) -> tuple[Examples, None, int, int]:
        """Give the piece at hand."""
        return self.examples, None, self.step_at_hand, self.steps_given

    def weights_of_steps(self) -> Array | None:
        """Add up the weights of the rows of each step; None where rows have no weights."""
        if not self.masses:
            return None
        largest = max(exponent for _, exponent in self.masses)
        return np.concatenate([np.ldexp(sums, e - largest) for sums, e in self.masses])

    def batches(self) -> Iterator[Array]:
        """Give the inputs of the epoch's whole batches; the chunks are asked for once more."""
        for rows in self.source.batches(self.batch_size, self.drop_last):
            n = len(rows.x)
            size = min(self.batch_size, self.n_rows)
            for begin in range(0, n - n % size, size):
                yield rows.x[begin : begin + size]
            del rows

    def leave(self) -> None:
        """End the epoch's chunks, and leave the network as other runs do."""
        self.pieces, self.examples = iter(()), self.given
        super().leave()
