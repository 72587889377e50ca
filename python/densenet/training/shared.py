"""Steps whose batches ranks share: each computes its part, and all take the same step."""

import math
import time
from collections.abc import Callable

import numpy as np

from densenet._engine.contract import Engine, Examples, Mode, Outcome, Steps
from densenet._typing import Array
from densenet.optimizers import Optimizer
from densenet.training.ranks import Ranks, halves
from densenet.training.shares import Shares

_EVERY = 0.02  # seconds between calls of a progress function


class SharedSteps:
    """Takes steps as an engine does, with the gradients of all ranks.

    A batch is that of a single process. This rank's engine computes losses and gradients of its
    parts of the rows, the ranks add them up, and each rank's engine ends the step with the sum.
    Where ranks hold their own rows, `shares` says which of them are in a batch.
    """

    def __init__(self, engine: Engine, ranks: Ranks, shares: Shares | None = None) -> None:
        self._engine, self._ranks, self._shares = engine, ranks, shares

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
                    applied = engine.apply_gradient(*given, mode.running, None, steps.tolerance)
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
        x, targets, weights, _ = examples
        order, ranks, shares = steps.order, self._ranks, self._shares

        def rows(begin: int, end: int) -> "slice | Array":
            return slice(begin, end) if order is None else order[begin:end]

        if shares is not None:
            begin, n, total = shares.begin(step), shares.size(step), shares.total(step)
        else:
            begin = step * steps.batch_size
            n = min(steps.batch_size, (len(x) if order is None else len(order)) - begin)
            total = float(n) if weights is None else float(weights[rows(begin, begin + n)].sum())

        def sum_part(part: int, out: Array) -> None:
            first, end = ranks.parts.rows(part, n) if shares is None else shares.place(step)
            if first == end or total == 0:
                out[...] = 0
                return
            at = begin if shares is not None else begin + first
            mine = rows(at, at + end - first)
            own = None if weights is None else weights[mine]
            given = Examples(_rows_of(x, mine), targets[mine], own, total)
            of_part = mode._replace(first_row=first)
            ranks.put_loss(part, self._engine.loss_and_gradient(flat, given, out, of_part))

        ranks.begin_step()
        n_parts = ranks.parts.of(n)
        if ranks.exact:
            loss = _exact_sum(ranks, n_parts, sum_part)
        else:
            sum_part(ranks.rank, ranks.sums[0])
            loss = ranks.end_step(n_parts)
        return loss, total > 0


def _rows_of(x: Array, rows: "slice | Array") -> Array:
    """Give rows of x. `take` is faster than an index, but copies all of a strided x before."""
    if isinstance(rows, slice) or not (x.flags.c_contiguous and x.flags.aligned):
        return x[rows]
    return x.take(rows, axis=0)


@np.errstate(all="ignore")  # of a training that diverges
def _exact_sum(ranks: Ranks, n_parts: int, sum_part: Callable[[int, Array], None]) -> float:
    """Sum the parts of a batch over all ranks in the order of a tree; give the loss."""
    nodes = ranks.parts.nodes(n_parts)
    sums = dict(zip(nodes, ranks.sums, strict=False))

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
            sum_node(first, end, sums[first, end])
    loss = ranks.end_step(n_parts)

    def join(first: int, end: int) -> Array:
        """Add what makes up a node into its first sum."""
        if (first, end) in sums:
            return sums[first, end]
        half = halves(first, end)
        whole = join(first, half)
        whole += join(half, end)
        return whole

    whole = join(0, n_parts)
    whole += 0.0  # where ranks have added zeros of others to it, -0 has become 0 already
    return loss
