"""The rows that an estimator learns from or predicts for, dense or sparse."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from densenet import _checks
from densenet._typing import Array
from densenet.estimators._objective import Objective
from densenet.network import Network

ROWS_AT_ONCE = 8192
"""Rows that are gathered, and made dense if they are sparse, at a time."""


def parts(n: int) -> Iterator[slice]:
    """Cut rows into parts that are dense at a time."""
    return (slice(begin, begin + ROWS_AT_ONCE) for begin in range(0, n, ROWS_AT_ONCE))


def is_frame(x: Any) -> bool:
    """Tell a frame from an array."""
    return hasattr(x, "columns")


def check(**given: Any) -> None:
    """Refuse masked arrays, and frames that have a column without numbers, by name.

    Raises
    ------
    TypeError
        If an array has a mask.
    ValueError
        If a frame has a column of something else than numbers, or with gaps.
    """
    for name, x in given.items():
        _checks.unmasked(name, x)
        try:
            _checks.columns(name, x)
        except TypeError as error:  # which scikit-learn calls a wrong value
            raise ValueError(str(error)) from None


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
    """Rows of x, with their targets, coded for a loss, and weights.

    With an index they are those rows of x, which are never copied as a whole.
    """

    x: Any
    targets: Array
    weight: Array | None
    objective: Objective
    index: Array | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Any) -> tuple[Array, dict[str, Any]]:
        """Give some rows, dense, and the arguments by which a network learns their targets."""
        weight = None if self.weight is None else self.weight[rows]
        places = rows if self.index is None else self.index[rows]
        return dense(self.x[places]), self.objective.given(self.targets[rows], weight)

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
