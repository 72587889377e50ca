"""Training where each rank holds its own rows: what of them is summed over all ranks."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from densenet import _checks
from densenet._engine.contract import Examples
from densenet._engine.layout import Layout
from densenet._typing import Array
from densenet.training import orders
from densenet.training.averaging import WeightAveraging
from densenet.training.class_weights import class_weights, exponent_of
from densenet.training.digests import digest
from densenet.training.history import Record
from densenet.training.ranks import Ranks
from densenet.training.run import Run
from densenet.training.shares import MOST, Shares

_AT_ONCE = 2**22  # numbers of all ranks that are added up together


def shares_of(ranks: Ranks, rows: int, batch_size: int, drop_last: bool) -> tuple[Shares, str]:
    """Agree on the batches of ranks of which this one holds so many rows; say who holds what.

    Raises
    ------
    ValueError
        On every rank, if they hold too many rows.
    """
    counts = [int(count) for count in ranks.gather(np.array([rows]))[:, 0]]
    if sum(counts) > MOST:
        raise ValueError(f"x: expected at most {MOST} rows on all ranks, got {sum(counts)}")
    shares = Shares(ranks.rank, counts, min(batch_size, sum(counts)), drop_last)
    return shares, f" on ranks with {', '.join(map(str, counts))}"


def weighed(
    ranks: Ranks, examples: Examples, given: Any, class_weight: Any = None, classes: int = 0
) -> Examples:
    """Give this rank's rows weights of the same scale as those of others.

    The largest weight of all ranks is in [1/2, 1). `given` are the weights as `fit` was given them.
    """
    weights, exponent = examples.sample_weight, 0
    if weights is not None:
        exponent = math.frexp(float(_checks.plain("sample_weight", given).max()))[1]
        weights = _scaled_alike(ranks, weights, exponent)
        examples = examples._replace(sample_weight=weights)
    if class_weight is None:
        return examples
    weights = class_weights(examples, class_weight, classes, ranks)
    return examples._replace(sample_weight=_scaled_alike(ranks, weights))


def _scaled_alike(ranks: Ranks, weights: Array, exponent: int = 0) -> Array:
    """Scale weights, which stand for `weights` times a power of two, by one power on all ranks."""
    own = exponent_of(float(weights.max())) + exponent
    most = int(ranks.gather(np.array([own])).max())
    with np.errstate(under="ignore"):
        weights = np.ldexp(weights, exponent - most)
    weights[weights < np.finfo(np.float64).tiny] = 0
    return weights


@dataclass
class OwnRun(Run):
    """The epochs of a call of `fit` whose ranks hold their own rows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        assert self.ranks is not None
        assert isinstance(self.shares, Shares)
        self.together, self.own = self.ranks, self.shares
        self.own_order: Array | None = None  # of this rank's rows, in the epoch at hand

    def begin_epoch(self) -> None:
        """Begin an epoch, and agree on the weights of its batches."""
        super().begin_epoch()
        self.own_order = self._own_order()
        weights = self.examples.sample_weight
        if weights is not None:
            if self.own_order is not None:
                weights = weights[self.own_order]
            self.own.totals = _added(self.together, self.own.sums(weights))

    def drawn(self) -> Array | None:
        """Let the generator go on, alike on all ranks; each draws the order of its rows from it."""
        if self.shuffled:
            self.rng.integers(2**63)
        return None

    def _own_order(self) -> Array | None:
        """Draw the order of this rank's rows in the epoch at hand, again when training goes on."""
        rng = np.random.default_rng([digest(self.position.drawn), self.together.rank])
        x = self.examples.x
        draw = orders.drawing(self.shuffled, x, len(x), self.batch_size, rng)
        return None if draw is None else draw()

    def order(self) -> Array | None:
        """Give the numbers of this rank's rows in the order of this epoch; None as they lie."""
        return self.own_order

    def measure(self, flat: Array) -> Array:
        """Measure batch normalisation's moments with other parameters, over all ranks' rows."""
        assert self.shared is not None
        given = (self.examples, self.own_order, self.batch_size, self.learner.mode(True))
        return self.shared.measure(flat, *given)

    def learn_from(self, examples: Examples) -> None:
        """Take the rows of the next steps from these; nothing is read ahead of a mapped file."""
        self.examples = examples

    def fresh(self) -> Sequence[Any]:
        """Give nothing of the rows, which are others on each rank."""
        return ()

    def weights_of_steps(self) -> Array | None:
        """Give the weight of each step's batch; None where rows have no weights."""
        return None if self.examples.sample_weight is None else self.own.totals

    def validate(self, data: Examples) -> Record:
        """Measure loss and metrics on all ranks' validation data: means over rows."""
        return over_ranks(self.together, super().validate(data), data)


def check_averaging(averaging: WeightAveraging, layout: Layout) -> None:
    """Refuse averages whose moments would be measured over chunks that ranks read themselves."""
    if averaging.decay is None and layout.running_size:
        raise ValueError(
            "callbacks: expected WeightAveraging with a decay, where ranks give chunks of their "
            "own to a network with BatchNorm, got decay=None"
        )


def over_ranks(ranks: Ranks, own: Record, data: Examples) -> Record:
    """Give the means over all ranks of what each has measured on its own validation data."""
    rows, weights = float(len(data.x)), data.sample_weight
    weight = rows if weights is None else float(weights.sum())
    factors = [weight if name == "val_loss" else rows for name in own]
    numbers = np.array([*own.values(), *factors]).reshape(2, -1)
    with np.errstate(all="ignore"):  # of a training that diverges
        numbers[0] = np.where(numbers[1] > 0, numbers[0] * numbers[1], 0)
        sums, totals = _added(ranks, numbers.ravel()).reshape(2, -1)
        means = np.where(totals > 0, sums / totals, 0)
    return dict(zip(own, means.tolist(), strict=True))


def _added(ranks: Ranks, numbers: Array) -> Array:
    """Add up numbers of all ranks, in their order."""
    total, most = np.zeros(len(numbers)), max(1, _AT_ONCE // ranks.size)
    for begin in range(0, len(numbers), most):
        total[begin : begin + most] = ranks.gather(numbers[begin : begin + most]).sum(axis=0)
    return total
