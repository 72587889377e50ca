"""What ranks tell each other while they train one network: parts of sums, and how they fare.

They exchange *messages*, each by one sum over all ranks. How long a message is depends on its place
alone, not on what it tells: within a step, the gradient's is long, and those of the sums that batch
normalisation needs before it are short; all others are as long as the first of a step. And each has
room for a word of each rank. So a rank that fails tells the others with its next message, whatever
they are waiting for, and none waits in vain.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any

import numpy as np

from densenet import _checks
from densenet._engine.memory import aligned
from densenet._typing import Array
from densenet.training.digests import Words
from densenet.workers.contract import Workers

_STEP, _STOP, _END, _END_AND_STOP, _FAILED = range(1, 6)  # what a rank says; 0 is silence
_PIECES = 4  # of 16 bits, which floats of any type hold and add to zeros without rounding
_TEXT = 400  # characters of an error that other ranks are told of
_ROOM = 16  # numbers that a rank brings in a message before training begins
_WIDE = np.dtype(np.float64)
_CHUNK = 32  # rows of a batch whose sum is always made in one piece, if sums are exact


class Stopped(Exception):  # noqa: N818 (no error: the way out of a call)
    """Ends a call of the engine before a step, because a callback of another rank says so."""


def ranks_of(workers: Workers | None) -> "Ranks | None":
    """Check `workers`; give None where this process is the only one and sums as `fit` does."""
    if workers is None:
        return None
    for name in ("rank", "size", "allreduce", "broadcast"):
        if not hasattr(workers, name):
            got = _checks.describe(workers)
            raise TypeError(
                "workers: expected an object with rank, size, allreduce and broadcast, got "
                f"{got} without {name}"
            )
    size = _checks.count("workers.size", workers.size)
    rank = _checks.count("workers.rank", workers.rank, 0, size - 1)
    exact = _checks.flag("workers.exact", getattr(workers, "exact", False))
    own_rows = _checks.flag("workers.own_rows", getattr(workers, "own_rows", False))
    if exact and own_rows:
        raise ValueError(
            "workers.exact: expected False with own_rows=True, where batches depend on the number "
            "of ranks, got True"
        )
    return Ranks(workers, rank, size, exact, own_rows) if size > 1 or exact else None


class Ranks:
    """The ranks that train a network, as one of them sees them.

    Within its context an error of this rank is told to the others, as long as they listen.

    Attributes
    ----------
    rank, size : int
    exact, own_rows : bool
    parts : Parts
        Who sums what of a batch; from `begin` on.
    """

    def __init__(
        self, workers: Workers, rank: int, size: int, exact: bool, own_rows: bool = False
    ) -> None:
        self._workers, self.rank, self.size = workers, rank, size
        self.exact, self.own_rows = exact, own_rows
        self._over = False  # nobody listens: all is done, or the ranks are out of step
        self._message = _Message(size, size * _ROOM * _PIECES, words=len(NAMES))  # the next one

    # ---- the beginning and the end ---------------------------------------------------------------

    def meet(self, words: Words) -> None:
        """Compare the words of all ranks, by `NAMES`.

        Raises
        ------
        ValueError
            On every rank, if one of them has another word than the first.
        RuntimeError
            If another rank has failed before.
        """
        self._say(_STEP, [words[name] for name in NAMES])
        pieces = self._message.words[:, 1:].reshape(self.size, len(NAMES), _PIECES)
        for name, each in zip(NAMES, pieces.swapaxes(0, 1), strict=True):
            others = np.flatnonzero((each != each[0]).any(axis=1))
            if len(others):
                self._over = True
                raise ValueError(self._differ(name, int(others[0])))

    def begin(
        self, n: int, batch_size: int, dtype: np.dtype[Any], widths: Sequence[int] = ()
    ) -> None:
        """Make room for the messages of a training of `n` parameters.

        `widths` has that of each of the sums that a step brings before its gradient.
        """
        self.parts = Parts(self.rank, self.size, batch_size, self.exact)
        n_sums = self.parts.n_sums
        self._whole = _Message(self.size, n_sums * n, 1, self.parts.n, dtype)
        self.sums = self._whole.room[: n_sums * n].reshape(-1, n)
        self._loss = np.zeros(1)
        self._n_before, self._left = len(widths), 0
        short = _Message(self.size, n_sums * max(widths)) if widths else self._whole
        self._first = self._message = short

    def gather(self, numbers: Array) -> Array:
        """Give the numbers that each rank brings, as many on all: float64, a row for each rank.

        Raises
        ------
        RuntimeError
            If another rank has failed.
        """
        found = np.zeros((self.size, len(numbers)))
        message = self._message
        most = message.numbers.shape[1]
        for begin in range(0, len(numbers), most):
            mine = np.array(numbers[begin : begin + most], np.float64)
            message.all[...] = 0
            message.numbers[self.rank, : len(mine)] = mine.view(np.uint16).reshape(-1, _PIECES)
            self._say(_STEP)
            pieces = message.numbers[:, : len(mine)].astype(np.uint16)
            found[:, begin : begin + most] = pieces.view(np.float64)[..., 0]
        return found

    def agree(self, name: str, number: float) -> None:
        """Compare a number of all ranks before they compare their words.

        Raises
        ------
        ValueError
            On every rank, if one of them has another than the first.
        """
        each = self.gather(np.array([number]))[:, 0]
        others = np.flatnonzero(each != each[0])
        if len(others):
            self._over = True
            raise ValueError(self._differ(name, int(others[0])))

    def _differ(self, name: str, other: int) -> str:
        return (
            f"{name}: expected the same on all {self.size} ranks, got others on rank {other} than "
            f"on rank 0{_ADVICE.get(name, '')}"
        )

    def close(self) -> None:
        """End the training: no rank waits for a message of another."""
        self._over = True

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is not None and not self._over:
            self._message.all[...] = 0
            with suppress(Exception):  # what has happened to this rank is raised
                self._say(_FAILED, text=f"{type(error).__name__}: {error}")

    # ---- messages --------------------------------------------------------------------------------

    def begin_step(self) -> None:
        """Begin the messages of a step; where ranks add up one sum, each writes its own whole."""
        if self.exact:
            self.sums[...] = 0
        self._whole.losses[...] = 0
        self._left = self._n_before

    def begin_sums(self, width: int) -> Array:
        """Begin the message of the next sums of a step; give room for those of parts, zeros."""
        self._first.all[...] = 0
        return self._first.room[: self.parts.n_sums * width].reshape(-1, width)

    def end_sums(self) -> None:
        """Send that message; what all ranks have written is added up in its room.

        Raises
        ------
        Stopped
            If a callback of another rank stops the training before this step.
        RuntimeError
            If another rank has failed.
        """
        self._add_up()
        self._left -= 1
        if self._left == 0:
            self._message = self._whole

    def no_step(self) -> None:
        """End a step after its first sums: there is nothing more to add up."""
        self._message = self._first

    def put_loss(self, part: int, loss: float) -> None:
        """Write a part's loss into the message of the gradient."""
        self._loss[0] = loss
        self._whole.losses[part] = self._loss.view(np.uint16)

    def end_step(self) -> None:
        """Send that message, which ends the step; what all ranks have written is added up in it.

        Raises
        ------
        Stopped
            If a callback of another rank stops the training before this step.
        RuntimeError
            If another rank has failed.
        """
        self._add_up()
        self._message = self._first

    def loss(self, n_parts: int) -> float:
        """Add up the losses of all parts of the step that has ended."""
        losses = self._whole.losses[:n_parts].astype(np.uint16).view(np.float64)[:, 0]
        return float(sum(losses.tolist()))

    def stop(self) -> None:
        """Tell the others to stop before the next step of the epoch."""
        self._message.all[...] = 0
        self._say(_STOP)

    def end_epoch(self, epoch: int, word: int, stops: bool) -> bool:
        """Compare the words of all ranks at the end of an epoch; tell whether one of them stops.

        Raises
        ------
        RuntimeError
            If they differ, or another rank has failed: on every rank.
        """
        self._message.all[...] = 0
        said = self._say(_END_AND_STOP if stops else _END, [word])
        words = self._message.words[:, 1:]
        others = np.flatnonzero((words != words[0]).any(axis=1))
        if len(others):
            self._over = True
            raise RuntimeError(
                "workers: expected the same parameters, moments, scores and rows on all "
                f"{self.size} ranks after epoch {epoch}, got others on rank {others[0]} than on "
                "rank 0"
            )
        return _END_AND_STOP in said

    def _add_up(self) -> None:
        """Send the message of a step at hand, unless another rank stops the training before it."""
        if _STOP in self._say(_STEP):
            raise Stopped

    def _say(self, what: int, words: Sequence[int] = (), text: str = "") -> list[int]:
        """Send the message with words of this rank; give what each rank says."""
        message = self._message
        message.words[...] = 0
        mine = message.words[self.rank]
        mine[0] = what
        if words:
            mine[1 : 1 + _PIECES * len(words)] = np.array(words, np.uint64).view(np.uint16)
        self._over = True  # a rank that fails within cannot tell the others
        self._workers.allreduce(message.all)
        said: list[int] = message.words[:, 0].tolist()
        if what in (_STEP, _END) and said.count(what) == self.size:  # nearly always
            self._over = False
            return said
        if _FAILED in said:
            raise self._failure(said.index(_FAILED), text)
        kinds = {_STEP, _STOP} if what in (_STEP, _STOP) else {_END, _END_AND_STOP}
        other = next((rank for rank, each in enumerate(said) if each not in kinds), None)
        if other is not None and said[other] in (_STEP, _STOP, _END, _END_AND_STOP):
            raise RuntimeError(
                f"workers: expected as many steps in an epoch on all {self.size} ranks, got "
                f"others on rank {other} than on rank {self.rank}"
            )
        if other is not None:
            raise RuntimeError(
                "workers.allreduce: expected the sum of the arrays of all ranks, in place, got "
                f"none from rank {other}"
            )
        self._over = False
        return said

    def _failure(self, rank: int, text: str) -> RuntimeError:
        """Make the error that tells of another rank's; all ranks take part."""
        codes = np.zeros(_TEXT)
        known = text.encode("utf-8", "replace")[:_TEXT]
        codes[: len(known)] = np.frombuffer(known, np.uint8)
        self._workers.broadcast(codes, rank)
        told = codes[codes > 0].astype(np.uint8).tobytes().decode("utf-8", "replace")
        return RuntimeError(
            f"workers: expected all {self.size} ranks to go on, got an error on rank {rank}: {told}"
        )


class _Message:
    """A vector that all ranks add up.

    Attributes
    ----------
    all : the vector
    room : of it, for sums
    numbers : the same memory, cut for numbers of each rank: (size, numbers, _PIECES)
    losses : (parts, _PIECES)
    words : of each rank, what it says and then some words: (size, 1 + _PIECES * words)
    """

    def __init__(
        self,
        size: int,
        room: int,
        words: int = 1,
        parts: int = 0,
        dtype: "np.dtype[Any]" = _WIDE,
    ) -> None:
        each = size * _PIECES  # for a number of each rank
        room = max(room, each)
        ends = np.cumsum([room, parts * _PIECES, size * (1 + _PIECES * words)])
        self.all = aligned(int(ends[-1]), dtype)
        self.room, losses, said, _ = np.split(self.all, ends)
        self.numbers = self.room[: room - room % each].reshape(size, -1, _PIECES)
        self.losses = losses.reshape(parts, _PIECES)
        self.words = said.reshape(size, 1 + _PIECES * words)


class Parts:
    """The parts of a batch, and those of them that a rank sums.

    By default there is one part for each rank, and one sum, which all ranks add up. If sums are
    exact, parts are chunks of a fixed number of rows, and added in a binary tree: in pairs of
    neighbours, then pairs of these, and so on. A rank's parts lie side by side; it adds those which
    are whole *nodes* of the tree, and the sum of each node goes to the others as it is. So what is
    added to what does not depend on the number of ranks.
    """

    def __init__(self, rank: int, size: int, batch_size: int, exact: bool) -> None:
        self.exact = exact
        self.n = -(-batch_size // _CHUNK) if exact else size
        bounds = [self.n * r // size for r in range(size + 1)]
        self.mine = range(bounds[rank], bounds[rank + 1])
        self._bounds = bounds
        self.n_sums = len(self.nodes(self.n)) if exact else 1

    def of(self, rows: int) -> int:
        """Give the number of parts of a batch of so many rows, at most a whole one."""
        return -(-rows // _CHUNK) if self.exact else self.n

    def rows(self, part: int, rows: int) -> tuple[int, int]:
        """Give the first row of a part of a batch of so many rows, and the one after its last."""
        if self.exact:
            return part * _CHUNK, min((part + 1) * _CHUNK, rows)
        return part * rows // self.n, (part + 1) * rows // self.n

    def nodes(self, n: int) -> list[tuple[int, int]]:
        """List the nodes of all ranks that make up a batch of `n` parts."""
        pairs = zip(self._bounds, self._bounds[1:], strict=False)
        return [node for begin, end in pairs for node in _nodes(begin, min(end, n), n)]


def _nodes(begin: int, end: int, n: int) -> Iterator[tuple[int, int]]:
    """Give the largest nodes, of the tree over `n` parts, that make up some of them."""
    while begin < end:
        size = 1
        while begin % (2 * size) == 0 and size < n and min(begin + 2 * size, n) <= end:
            size *= 2
        yield begin, min(begin + size, n)
        begin += size


def halves(begin: int, end: int) -> int:
    """Give where the second of the two nodes begins that make up a node."""
    return begin + (1 << (end - begin - 1).bit_length() - 1)


NAMES = (
    "network",
    "dtype",
    "backend",
    "precision",
    "x",
    "y",
    "class_weight",
    "sample_weight",
    "validation_data",
    "metrics",
    "epochs",
    "batch_size",
    "optimizer",
    "shuffle",
    "drop_last",
    "early_stopping",
    "callbacks",
    "tolerance",
    "seed",
    "resume",
    "workers.exact",
    "parameters",
    "optimizer_state",
    "order",
)
"""What must be the same on all ranks when training begins, in the order in which it is compared."""

_ADVICE: Mapping[str, str] = {
    "parameters": ": give Network a seed, or load one file on all ranks",
    "order": ": give Network or fit a seed, or load one file on all ranks",
}
