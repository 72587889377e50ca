"""Training in batches, in scikit-learn's order of rows and with its penalty for each batch."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from densenet._network.state import learner_of
from densenet._typing import Array
from densenet.estimators import _build
from densenet.estimators._rows import Rows
from densenet.estimators._watch import Watch
from densenet.optimizers import Optimizer
from densenet.training.callbacks import overriding
from densenet.training.orders import row_by_row
from densenet.training.steps import take_steps


def train(
    estimator: Any, rows: Rows, order: Array, watch: Watch, random_state: Any, epochs: int
) -> None:
    """Train until the loss or the score no longer improves, for at most `epochs` epochs.

    `order` has the numbers of the rows to train on.
    """
    n = len(order)
    training = _Training(estimator, rows, _batch_size(estimator, n, watch))
    for _ in range(epochs):
        if estimator.shuffle:
            drawn = np.arange(n)
            random_state.shuffle(drawn)
            order = order[drawn]  # the same order as sklearn.utils.shuffle, without its checks
        start = time.perf_counter()
        loss, stops = training.epoch(order)
        seconds = time.perf_counter() - start
        estimator.t_ += n
        stops |= watch.note(loss, seconds)
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            watch.set_rate(estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t)
        if watch.out_of_patience():
            break
        if stops:
            estimator.stopped_ = "callback"
            break


def _batch_size(estimator: Any, n: int, watch: Watch) -> int:
    if estimator.batch_size == "auto":
        return min(200, n)
    if estimator.batch_size > n:
        watch.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            UserWarning,
            stacklevel=6,
        )
    return min(int(estimator.batch_size), n)


def _runs(counting: Array, most: int) -> Iterator[range]:
    """Group neighbouring batches that count, at most `most` of them, for one call each."""
    if most >= len(counting) and counting.all():  # np.diff takes its time
        yield range(len(counting))
        return
    edges = np.flatnonzero(np.diff(counting, prepend=False, append=False))
    for begin, end in edges.reshape(-1, 2).tolist():
        for first in range(begin, end, most):
            yield range(first, min(first + most, end))


class _Training:
    """What the epochs of one call of `fit` or `partial_fit` have in common."""

    def __init__(self, estimator: Any, rows: Rows, batch_size: int) -> None:
        self._estimator, self._rows, self._batch_size = estimator, rows, batch_size
        self._network, self._scale = estimator.network_, rows.objective.scale
        self._learner = learner_of(self._network)
        self._watchers = overriding("on_step_end", estimator.callbacks)
        x, given = rows.take(slice(None))
        self._examples = self._learner.examples(row_by_row(x), **given)
        self._most = 1 if self._watchers else len(rows)  # batches of a call
        self._rules: tuple[Optimizer, Optimizer] | None = None  # for the rate `_rate`
        self._rate: float | None = None

    def epoch(self, order: Array) -> tuple[float, bool]:
        """Train on rows in this order; give the mean loss, and True if a callback asked to stop.

        ``alpha`` is divided by the sum of a batch's weights; without weights, by its number of
        rows. Batches whose weights are all 0 are skipped.
        """
        masses = self._rows.masses(order, self._batch_size)
        total = 0.0
        for batches in _runs(masses > 0, self._most):
            losses = self._steps(order, batches, masses[batches.start : batches.stop])
            if losses is None:
                # scikit-learn takes such a step, which makes every weight NaN, and goes on.
                self._network.flat[...] = np.nan
                return np.nan, False
            loss, penalty = self._scale * losses
            sizes = np.minimum(self._batch_size, len(order) - self._batch_size * np.array(batches))
            total += float(sizes @ (loss + penalty))
            step = self._steps_taken()
            answers = [w.on_step_end(self._network, step, float(loss[0])) for w in self._watchers]
            if any(answers):
                return total / len(order), True
        return total / len(order), False

    def _steps(self, order: Array, batches: range, masses: Array) -> Array | None:
        """Train on some batches of an epoch; give their losses and the penalties before each step.

        None stands for a loss that is not finite.
        """
        estimator, scale, n = self._estimator, self._scale, len(batches)
        rule, optimizer = self._rule_and_optimizer()
        l2 = (rule.l2 + (estimator.l2 + estimator.alpha / masses)) / scale
        first = self._steps_taken(type(optimizer))
        losses = np.zeros((2, n))
        outcome = take_steps(
            self._network,
            self._examples,
            optimizer,
            order,
            self._batch_size,
            batches.start,
            losses[0],
            l2=l2.tolist() if estimator.alpha else None,
            eps=_build.eps_of_steps(estimator, scale, first + 1, n),
            penalty=losses[1] if optimizer.l1 or l2.any() else None,
        )
        return None if outcome.diverged else losses

    def _rule_and_optimizer(self) -> tuple[Optimizer, Optimizer]:
        """Give what the parameters ask for, and the same for the network's loss."""
        estimator, kept = self._estimator, self._rules
        if kept is None or self._rate != estimator.learning_rate_:
            rule = _build.optimizer_of(estimator)
            kept = rule, _build.for_loss(rule, self._scale, estimator.l1, estimator.l2)
            self._rules, self._rate = kept, estimator.learning_rate_
        return kept

    def _steps_taken(self, rule: type[Optimizer] | None = None) -> int:
        """Count the steps of the optimizer, or of this one if the network's is of its class."""
        state = self._learner.optimizer_state
        return 0 if state is None or rule not in (None, state.rule) else state.step
