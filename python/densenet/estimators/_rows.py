"""The rows that an estimator learns from or predicts for, dense or sparse."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from densenet._typing import Array
from densenet.estimators._objective import Objective
from densenet.network import Network

ROWS_AT_ONCE = 8192
"""Rows that are gathered, and made dense if they are sparse, at a time."""


def parts(n: int) -> Iterator[slice]:
    """Cut rows into parts that are dense at a time."""
    return (slice(begin, begin + ROWS_AT_ONCE) for begin in range(0, n, ROWS_AT_ONCE))


def dense(x: Any) -> Array:
    """Make a few rows dense."""
    values: Array = x.toarray() if issparse(x) else x
    return values


def outputs(network: Network, x: Any) -> Array:
    """Compute a network's outputs for any number of rows."""
    if not issparse(x):
        return network.forward(x)
    return np.concatenate([network.forward(dense(x[part])) for part in parts(x.shape[0])])


@dataclass(frozen=True)
class Rows:
    """Rows with their targets, coded for a loss, and weights."""

    x: Any
    targets: Array
    weight: Array | None
    objective: Objective

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Any) -> tuple[Array, dict[str, Any]]:
        """Give some rows, dense, and the arguments by which a network learns their targets."""
        weight = None if self.weight is None else self.weight[rows]
        return dense(self.x[rows]), self.objective.given(self.targets[rows], weight)

    def masses(self, order: Array, batch_size: int) -> Array:
        """Give the sum of the weights in each batch: without weights, its number of rows."""
        weight = np.ones(len(self)) if self.weight is None else self.weight[order]
        return np.add.reduceat(weight, np.arange(0, len(self), batch_size))

    @property
    def mass(self) -> float:
        """Sum of all weights."""
        return float(len(self) if self.weight is None else self.weight.sum())

    def loss(self, network: Network) -> float:
        """Measure the loss, without penalties."""
        total = 0.0
        for part in parts(len(self)):
            share = len(self.targets[part]) if self.weight is None else self.weight[part].sum()
            if share:
                x, given = self.take(part)
                total += share * network.loss(x, **given)
        return self.objective.scale * total / self.mass if self.mass else 0.0
