"""The rows that an estimator trains on or predicts for, dense or sparse, some at a time."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import issparse

from densenet import _checks
from densenet._typing import Array
from densenet.estimators._objective import Objective
from densenet.network import Network

ROWS_AT_ONCE = 8192
"""Number of rows whose loss or gradient is computed at a time."""

_OUTPUT_BYTES = 2**22
"""Memory for outputs of networks that are computed together."""


def as_rows(x: Any) -> Any:
    """Give checked rows, and sparse ones as networks read them: slices of these copy nothing."""
    return _checks.inputs(x, x.shape[1], "X") if issparse(x) else x


def outputs(networks: Sequence[Network], x: Any, finish: Callable[[list[Array]], Array]) -> Array:
    """Compute ``finish(each network's outputs)``, a function of each row, for any number of rows.

    Few rows are taken at a time: all outputs, of which `finish` may leave one number a row, would
    go through memory.
    """
    first, x = networks[0], as_rows(x)
    n = most = len(x)
    if first.precision == "highest":  # lower ones compute by the number of rows of a call
        row = len(networks) * first.outputs * first.dtype.itemsize
        most = max(1, min(n, _OUTPUT_BYTES // row))

    def of(part: slice) -> Array:
        return finish([network.forward(x[part]) for network in networks])

    some = of(slice(0, most))
    if n <= most:
        return some
    found = np.empty((n, *some.shape[1:]), some.dtype)
    found[:most] = some
    for begin in range(most, n, most):
        part = slice(begin, begin + most)
        found[part] = of(part)
    return found


@dataclass(frozen=True)
class Rows:
    """Rows of x, their targets in the form that the loss expects, and their weights.

    Sparse rows are in the form that `as_rows` gives. `numbers` has, for each target, the number of
    its row of x; None stands for all in their order.
    """

    x: Any
    targets: Array
    weight: Array | None
    objective: Objective
    numbers: Array | None = None

    @classmethod
    def among(
        cls, x: Any, numbers: Array, targets: Array, weight: Array | None, objective: Objective
    ) -> "Rows":
        """Give all rows of x, where targets and weights are known of those with these numbers."""
        n = x.shape[0]
        all_targets = np.repeat(targets[:1], n, axis=0)  # any that the loss admits
        all_targets[numbers] = targets
        if weight is None:
            return cls(x, all_targets, None, objective)
        all_weights = np.zeros(n, weight.dtype)
        all_weights[numbers] = weight
        return cls(x, all_targets, all_weights, objective)

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Any) -> tuple[Array, dict[str, Any]]:
        """Give some rows, and the arguments with which a network trains on their targets."""
        weight = None if self.weight is None else self.weight[rows]
        numbers = rows if self.numbers is None else self.numbers[rows]
        return self.x[numbers], self.objective.given(self.targets[rows], weight)

    def parts(self) -> Iterator[slice]:
        """Cut the rows into slices that are taken one at a time."""
        return (slice(i, i + ROWS_AT_ONCE) for i in range(0, len(self), ROWS_AT_ONCE))

    def masses(self, order: Array, batch_size: int) -> Array:
        """Give the sum of the weights in each batch; without weights, its number of rows."""
        begins = np.arange(0, len(order), batch_size)
        if self.weight is None:
            return np.minimum(len(order) - begins, batch_size).astype(np.float64)
        sums: Array = np.add.reduceat(self.weight[order], begins)
        return sums.astype(np.float64)

    @property
    def mass(self) -> float:
        """Sum of all weights."""
        return float(len(self) if self.weight is None else self.weight.sum())

    def loss(self, network: Network) -> float:
        """Compute the loss of all rows, without penalties."""
        total = 0.0
        for part in self.parts():
            share = len(self.targets[part]) if self.weight is None else self.weight[part].sum()
            if share:
                x, given = self.take(part)
                total += share * network.loss(x, **given)
        return self.objective.scale * total / self.mass if self.mass else 0.0
