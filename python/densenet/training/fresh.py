"""The rows of an epoch: those given to `fit`, or what a callback gives in their place."""

from collections.abc import Sequence
from typing import Any

from densenet import _checks
from densenet._engine.contract import Examples, apart
from densenet._network.learner import Learner
from densenet._typing import Array
from densenet.training.callbacks import Callback
from densenet.training.orders import row_by_row


def rows_of_epoch(
    callbacks: Sequence[Callback],
    network: Any,
    learner: Learner,
    moments: Sequence[Array],
    examples: Examples,
    epoch: int,
) -> Examples:
    """Ask callbacks for the rows of an epoch, with the weights of `examples`, those given to `fit`.

    Raises
    ------
    TypeError, ValueError
        If a callback gives neither None nor a pair (x, y) that fits the network and has as many
        rows; or if several give rows.
    """
    given = [callback.on_epoch_begin(network, epoch) for callback in callbacks]
    pairs = [pair for pair in given if pair is not None]
    if not pairs:
        return examples
    if len(pairs) > 1:
        raise ValueError(
            f"on_epoch_begin: expected rows from one callback in an epoch, got them from "
            f"{len(pairs)}"
        )
    x, y = _checks.pair("on_epoch_begin", pairs[0])
    with _checks.within("on_epoch_begin"):
        fresh = learner.examples(x, y)
        _checks.same_length("x", fresh.x, len(examples.x))
    fresh = fresh._replace(x=row_by_row(fresh.x), sample_weight=examples.sample_weight)
    return apart(fresh, (learner.flat, *moments))
