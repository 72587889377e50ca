"""Steps whose batches ranks share: each computes its part, and all take the same step."""

import math
import time
from collections.abc import Callable
from contextlib import suppress

import numpy as np

from densenet._engine.contract import BatchMeans, Examples, Mode, Outcome, Steps
from densenet._network.learner import Learner
from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.training.ranks import Ranks, halves
from densenet.training.shared_moments import Enough, SharedMoments
from densenet.training.shares import Batches

_EVERY = 0.02  # seconds between calls of a progress function


class SharedSteps:
    """Takes steps as an engine does, with the gradients of all ranks.

    A batch is that of a single process. This rank's engine computes losses and gradients of its
    parts of the rows, the ranks add them up, and each rank's engine ends the step with the sum.
    Where ranks hold their own rows, `shares` says which of them are in a batch. Where the network
    has batch normalisation, they add up sums over the batch within these passes, too.
    """

    def __init__(self, learner: Learner, ranks: Ranks, shares: Batches | None = None) -> None:
        self._engine, self._ranks, self._shares = learner.engine, ranks, shares
        self._moments = SharedMoments(learner.layout, learner.dtype, ranks)

    def train(
        self,
        flat: Array,
        moments: list[Array],
        optimizer: Optimizer,
        examples: Examples,
        steps: Steps,
        batch_loss: Array,
        progress: Callable[[int], None] | None,
        mode: Mode,
    ) -> Outcome:
        """Take steps as `Engine.train` does.

        A callback of another rank that stops the training is an outcome with the error `Stopped`.
        """
        engine = self._engine
        done, before = 0, int(steps.taken[0])
        told = time.monotonic()
        try:
            for lr in steps.lr:
                now = mode._replace(step=mode.step + done)
                loss, weighs = self._sum(flat, examples, steps, steps.first + done, now)
                batch_loss[done] = loss
                if not weighs:
                    engine.change([(steps.taken, steps.taken + 1)])
                elif not math.isfinite(loss):
                    return Outcome(done, 1, diverged=True)
                else:
                    given = (flat, moments, optimizer, lr, steps.taken, self._ranks.sums[0])
                    moved = self._moments.moved(mode.running)
                    applied = engine.apply_gradient(*given, mode.running, moved, steps.tolerance)
                    if not applied.taken:
                        return Outcome(done, 1, converged=True)
                done += 1
                if progress is not None and time.monotonic() - told >= _EVERY:
                    progress(done)
                    told = time.monotonic()
        except BaseException as error:
            return Outcome(int(steps.taken[0]) - before, 1, error=error)
        return Outcome(done, 1)

    def _sum(
        self, flat: Array, examples: Examples, steps: Steps, step: int, mode: Mode
    ) -> tuple[float, bool]:
        """Sum a batch's gradients over all ranks; give its loss, and whether its rows weigh."""
        ranks, moments = self._ranks, self._moments
        ranks.begin_step()
        if self._shares is not None:
            self._shares.begin_batch(examples, step)
        n, total, rows_of = self._batch(examples, steps.order, steps.batch_size, step)

        def compute(part: int, out: Array, means: BatchMeans | None) -> bool:
            """Write a part's gradient, and its loss; tell whether it has rows that count."""
            first, given = rows_of(part)
            if given is None or total == 0:
                out[...] = 0
                return False
            of_part = mode._replace(first_row=first, means=means)
            ranks.put_loss(part, self._engine.loss_and_gradient(flat, given, out, of_part))
            return True

        moments.begin(n)
        n_parts = ranks.parts.of(n)
        if ranks.exact:
            _exact_sums(ranks, moments, n_parts, compute)
        else:
            if not compute(ranks.rank, ranks.sums[0], moments.over_ranks):
                moments.without_rows()
            ranks.end_step()
        return ranks.loss(n_parts), total > 0

    def _batch(
        self, examples: Examples, order: Array | None, batch_size: int, step: int
    ) -> "tuple[int, float, Callable[[int], tuple[int, Examples | None]]]":
        """Give the number and the weight of a batch's rows, and a function of its parts.

        That gives the place in the batch where a part of this rank begins, and its rows, if any.
        """
        x, targets, weights, _ = examples
        ranks, shares = self._ranks, self._shares

        def rows(begin: int, end: int) -> "slice | Array":
            return slice(begin, end) if order is None else order[begin:end]

        if shares is not None:
            begin, n, total = shares.begin(step), shares.size(step), shares.total(step)
        else:
            begin = step * batch_size
            n = min(batch_size, (len(x) if order is None else len(order)) - begin)
            total = float(n) if weights is None else float(weights[rows(begin, begin + n)].sum())

        def rows_of(part: int) -> tuple[int, Examples | None]:
            first, end = ranks.parts.rows(part, n) if shares is None else shares.place(step)
            if first == end:
                return first, None
            at = begin if shares is not None else begin + first
            mine = rows(at, at + end - first)
            own = None if weights is None else weights[mine]
            return first, Examples(_rows_of(x, mine), targets[mine], own, total or None)

        return n, total, rows_of

    def measure(
        self, flat: Array, examples: Examples, order: Array | None, batch_size: int, mode: Mode
    ) -> Array:
        """Give the mean of batch normalisation's moments over the whole batches of an epoch.

        All ranks take part, with parameters `flat` and their own rows.
        """
        shares, moments, unused = self._shares, self._moments, np.empty_like(flat)
        assert shares is not None
        total, n_batches = np.zeros(mode.running.shape), shares.rows // batch_size
        for step in range(n_batches):
            n, _, rows_of = self._batch(examples, order, batch_size, step)
            first, given = rows_of(self._ranks.rank)
            moments.begin(n)
            if given is None:
                moments.without_rows(backwards=False)
            else:
                of_part = mode._replace(first_row=first, means=moments.forwards)
                with suppress(Enough):
                    self._engine.loss_and_gradient(flat, given, unused, of_part)
            moved = moments.moved(np.zeros_like(mode.running))
            assert moved is not None
            total += moved
        # They move by a tenth of the way, from 0 to those of a batch.
        return (total * 10 / n_batches).astype(mode.running.dtype)


def _rows_of(x: Array, rows: "slice | Array") -> Array:
    """Give rows of x. `take` is faster than an index, but copies all of a strided x before."""
    if isinstance(rows, slice) or not (x.flags.c_contiguous and x.flags.aligned):
        return x[rows]
    return x.take(rows, axis=0)


def _exact_sums(
    ranks: Ranks,
    moments: SharedMoments,
    n_parts: int,
    compute: Callable[[int, Array, BatchMeans | None], bool],
) -> None:
    """Sum the gradients of a batch's parts over all ranks in the order of a tree.

    A rank computes its parts one after the other, and each needs sums over all of them. So it
    begins its parts anew for each of these sums, knows those before it, and ends there.
    """
    unused = np.empty_like(ranks.sums[0])

    def sum_part(part: int, out: Array) -> None:
        out[...] = 0
        with suppress(Enough):
            compute(part, unused, moments.known(out))

    for width in moments.widths:
        sums = ranks.begin_sums(width)
        moments.put(_exact_sum(ranks, n_parts, sums, sum_part, ranks.end_sums))

    def gradient(part: int, out: Array) -> None:
        compute(part, out, moments.known())

    _exact_sum(ranks, n_parts, ranks.sums, gradient, ranks.end_step)


@np.errstate(all="ignore")  # of a training that diverges
def _exact_sum(
    ranks: Ranks,
    n_parts: int,
    sums: Array,
    sum_part: Callable[[int, Array], None],
    send: Callable[[], None],
) -> Array:
    """Sum the parts of a batch over all ranks in the order of a tree.

    `send` adds up over all ranks what they have written into `sums`, a row for each node.
    """
    nodes = ranks.parts.nodes(n_parts)
    of_node: dict[tuple[int, int], Array] = dict(zip(nodes, sums, strict=False))

    def sum_node(first: int, end: int, out: Array) -> None:
        if end - first == 1:
            sum_part(first, out)
            return
        half, other = halves(first, end), np.empty_like(out)
        sum_node(first, half, out)
        sum_node(half, end, other)
        out += other

    for first, end in nodes:
        if first in ranks.parts.mine:
            sum_node(first, end, of_node[first, end])
    send()

    def join(first: int, end: int) -> Array:
        """Add what makes up a node into its first sum."""
        if (first, end) in of_node:
            return of_node[first, end]
        half = halves(first, end)
        whole = join(first, half)
        whole += join(half, end)
        return whole

    whole = join(0, n_parts)
    whole += 0.0  # where ranks have added zeros of others to it, -0 has become 0 already
    return whole
