"""Training in batches, in scikit-learn's order of rows and with its penalty for each batch."""

import itertools
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from densenet import training
from densenet._typing import Array
from densenet.estimators import _build
from densenet.estimators._rows import ROWS_AT_ONCE, Rows
from densenet.estimators._watch import Watch
from densenet.training.callbacks import overriding

# Adam's ε depends on the step t, and changes by 1 / (2t) of itself at each. One call takes at most
# t / _PART steps with the ε of their middle.
_PART = 100


def train(estimator: Any, rows: Rows, watch: Watch, random_state: Any, epochs: int) -> None:
    """Train until the loss or the score no longer improves, for at most `epochs` epochs."""
    order = np.arange(len(rows))
    batch_size = _batch_size(estimator, len(rows))
    for _ in range(epochs):
        if estimator.shuffle:
            drawn = np.arange(len(rows))
            random_state.shuffle(drawn)
            order = order[drawn]  # the same order as sklearn.utils.shuffle, without its checks
        start = time.perf_counter()
        loss, stops = _epoch(estimator, rows, order, batch_size)
        seconds = time.perf_counter() - start
        estimator.t_ += len(rows)
        stops |= watch.note(loss, seconds)
        if estimator.solver == "sgd" and estimator.learning_rate == "invscaling":
            watch.set_rate(estimator.learning_rate_init / (estimator.t_ + 1) ** estimator.power_t)
        if watch.out_of_patience():
            break
        if stops:
            estimator.stopped_ = "callback"
            break


def _batch_size(estimator: Any, n: int) -> int:
    if estimator.batch_size == "auto":
        return min(200, n)
    if estimator.batch_size > n:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
            stacklevel=5,
        )
    return min(int(estimator.batch_size), n)


def _runs(masses: Array, most: Callable[[], int]) -> Iterator[tuple[float, range]]:
    """Group neighbouring batches of equal mass, at most ``most()`` of them, for one call each."""
    for mass, batches in itertools.groupby(range(len(masses)), masses.__getitem__):
        together = list(batches)
        begin, end = together[0], together[-1] + 1
        while begin < end:
            run = range(begin, min(begin + most(), end))
            yield float(mass), run
            begin = run.stop


def _epoch(estimator: Any, rows: Rows, order: Array, batch_size: int) -> tuple[float, bool]:
    """Train on every row once; give the mean loss, and True if a callback asked to stop.

    ``alpha`` is divided by the sum of a batch's weights; without weights, by its number of rows.
    Batches whose weights are all 0 are skipped.
    """
    network, scale = estimator.network_, rows.objective.scale
    watchers = overriding("on_step_end", estimator.callbacks)
    weights = _build.coefs(network)
    total, stops = 0.0, False

    def steps() -> int:
        return int(network.optimizer_state.get("step", 0))

    def most() -> int:
        if watchers:
            return 1
        at_once = max(1, ROWS_AT_ONCE // batch_size)
        return min(at_once, 1 + steps() // _PART) if estimator.solver == "adam" else at_once

    masses = rows.masses(order, batch_size)
    for mass, batches in _runs(masses if estimator.alpha else masses > 0, most):
        if not mass:
            continue
        rule = _build.optimizer_of(estimator, steps() + (len(batches) + 1) / 2)
        l2 = estimator.l2 + estimator.alpha / mass
        optimizer = _build.for_loss(rule, scale, estimator.l1, l2)
        begin, end = batches.start * batch_size, min(batches.stop * batch_size, len(rows))
        x, given = rows.take(order[begin:end] if estimator.shuffle else slice(begin, end))
        before = after = penalty(weights, optimizer.l1 * scale, optimizer.l2 * scale)
        if len(batches) == 1:
            losses = [network.train_step(x, optimizer=optimizer, **given)]
        else:
            options: dict[str, Any] = given | {"batch_size": batch_size, "optimizer": optimizer}
            history = training.fit(network, x, epochs=1, shuffle=False, **options)
            losses = history.batch_loss
            after = penalty(weights, optimizer.l1 * scale, optimizer.l2 * scale)
        if not np.isfinite(losses).all():
            # scikit-learn takes such a step, which makes every weight NaN, and goes on.
            network.flat[...] = np.nan
            return np.nan, stops
        n = len(batches)
        counts = np.minimum(batch_size, end - begin - batch_size * np.arange(n))
        # The mean over the steps of the penalty before each, as if it changed evenly.
        penalties = before + (after - before) * (n - 1) / (2 * n)
        total += scale * float(counts @ losses) + (end - begin) * penalties
        answers = [w.on_step_end(network, steps(), scale * losses[0]) for w in watchers]
        stops = any(answers)
        if stops:
            break
    return total / len(rows), stops


def penalty(weights: list[Array], l1: float, l2: float) -> float:
    """Compute ``l1 Σ|w| + l2/2 Σ w²`` over all weights."""
    value = 0.0
    if l1:
        value += l1 * sum(float(np.abs(w).sum(dtype=np.float64)) for w in weights)
    if l2:
        value += l2 / 2 * sum(float(np.linalg.norm(w)) ** 2 for w in weights)
    return value
