"""Training on all rows at once: scipy's L-BFGS over a network's flat vector."""

import math
import time
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from densenet._engine.cancel import HERE
from densenet._typing import Array
from densenet.estimators._rows import Rows
from densenet.estimators._watch import Watch
from densenet.layers import BatchNorm, Dropout, walk
from densenet.network import Network


def check(estimator: Any, network: Network) -> None:
    """Refuse what L-BFGS cannot minimise: a loss with corners, or one that changes at random.

    Raises
    ------
    ValueError
        If there is an L1 penalty, dropout or batch normalisation.
    """
    if estimator.l1:
        raise ValueError(f"l1: expected 0 with solver='lbfgs', got {estimator.l1}")
    for layer in walk(network.layers):
        if isinstance(layer, BatchNorm | Dropout):
            name = type(layer).__name__
            raise ValueError(f"solver: expected a stochastic one with {name}, got 'lbfgs'")


def train(estimator: Any, rows: Rows, watch: Watch) -> None:
    """Minimise ``loss + (alpha / Σ weights + l2) / 2 ‖W‖²`` over all rows."""
    network, objective, mass = estimator.network_, rows.objective, rows.mass
    l2 = estimator.l2 + estimator.alpha / mass
    is_weight = np.concatenate(
        [np.full(value.size, value.ndim == 2) for value in network.parameters.values()]
    )
    start = time.perf_counter()

    def value_and_gradient(point: Array) -> tuple[float, Array]:
        HERE.check()
        network.flat[...] = point
        weights = np.where(is_weight, point, 0)
        value, gradient = l2 / 2 * float(weights @ weights), l2 * weights
        for part in rows.parts():
            share = len(rows.targets[part]) if rows.weight is None else rows.weight[part].sum()
            if share:
                x, given = rows.take(part)
                loss, gradients = network.gradients(x, training=False, **given)
                value += objective.scale * share / mass * loss
                together = np.concatenate([g.T.ravel() for g in gradients.values()])
                gradient += objective.scale * share / mass * together
        return value, gradient

    def note(intermediate_result: OptimizeResult) -> None:
        network.flat[...] = intermediate_result.x
        if watch.note(float(intermediate_result.fun), time.perf_counter() - start):
            estimator.stopped_ = "callback"
            raise StopIteration

    result = minimize(
        value_and_gradient,
        network.flat.astype(np.float64),
        method="L-BFGS-B",
        jac=True,
        callback=note,
        options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
    )
    network.flat[...] = result.x
    estimator.loss_ = float(result.fun)
    estimator.best_loss_ = min(estimator.best_loss_, estimator.loss_)
    estimator.n_iter_ = min(result.nit, estimator.max_iter)
    if estimator.stopped_:
        return
    estimator.stopped_ = "tolerance"
    if result.status != 0 and math.isfinite(result.fun):
        watch.warn_of_the_end(
            f"lbfgs failed to converge after {result.nit} iteration(s) (status={result.status}): "
            f"{result.message}. Scale the data, or allow more with max_iter and max_fun.",
            stacklevel=5,
        )
