"""Averages of the weights after many steps or epochs, which predict in place of the last ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from densenet import _checks
from densenet._network.learner import Learned, Learner
from densenet._typing import Array
from densenet.training.callbacks import Callback

__all__ = ["WeightAveraging"]


class Average(NamedTuple):
    """The average of a `number` of weights, of which the last are those after so many `steps`."""

    learned: Learned
    number: int
    steps: int


@dataclass(frozen=True)
class WeightAveraging(Callback):
    """Average the weights while they are trained; validate, predict and save with the average.

    With a `decay`, the average moves after each step, or each `every` of them, towards the weights
    w (exponential moving average; Polyak and Juditsky 1992 for the mean)::

        average = decay * average + (1 - decay) * w

    Without one, it is the mean of the weights at the ends of epochs (stochastic weight averaging,
    Izmailov et al. 2018). It begins with the weights after the first step, or epoch, that counts.

    From the end of an epoch to the beginning of the next one, and after `fit`, the network has the
    average: validation, metrics, early stopping, `on_epoch_end` and `Checkpoint` see it. Within an
    epoch it has the weights that are trained. Both are kept and saved, and with ``resume`` training
    goes on from the weights that were trained last, to the bit.

    Running moments of batch normalisation: with a `decay` they are averaged as the weights are.
    Without one, the weights are far from each other, and the moments of their mean are not the mean
    of their moments: each time they are measured anew, by a pass over the rows of the epoch, as the
    mean over the batches.

    Parameters
    ----------
    decay : float in [0, 1), optional
        Such as 0.999: the average looks back over some ``1 / (1 - decay)`` moves. A step is then
        one call from Python, unless `every` says otherwise.
    start_epoch : int >= 1
        The first epoch whose weights count.
    every : int >= 1
        With a `decay`, how many steps lie between two moves of the average, counted from the
        beginning of each epoch; the last step of an epoch counts, too. Steps between moves are one
        call.

    Raises
    ------
    TypeError, ValueError
        If `decay` is no number in [0, 1), or `start_epoch` or `every` no integer >= 1; if `every`
        is not 1, and there is no `decay`.

    Examples
    --------
    >>> from densenet import SGD, Linear, MeanSquaredError, Network, WeightAveraging
    >>> network = Network([Linear(1, 1, bias=False, init="zeros")], MeanSquaredError())
    >>> x, y, optimizer = [[1.0]], [4.0], SGD(lr=0.25)  # a step halves the distance from 4
    >>> history = network.fit(
    ...     x, y, epochs=3, optimizer=optimizer, callbacks=[WeightAveraging(start_epoch=2)]
    ... )
    >>> network.flat  # the mean of 3 and 3.5
    array([3.25], dtype=float32)
    """

    decay: float | None = None
    start_epoch: int = 1
    every: int = 1

    def __post_init__(self) -> None:
        if self.decay is not None:
            object.__setattr__(self, "decay", _checks.setting("decay", self.decay))
        object.__setattr__(self, "start_epoch", _checks.count("start_epoch", self.start_epoch))
        object.__setattr__(self, "every", _checks.count("every", self.every))
        if self.every > 1 and self.decay is None:
            raise ValueError(f"every: expected 1 without a decay, got {self.every}")


def average_after(
    rule: WeightAveraging,
    average: Average | None,
    learner: Learner,
    epochs: int,
    n_steps: int,
    done: int,
    measure: Callable[[Array], Array],
) -> Average | None:
    """Give the average after `epochs` of `n_steps` each and `done` steps of the next one.

    Weights count once, however often this is asked. `measure` gives the running moments that batch
    normalisation has with other weights: the mean over the batches of the epoch.
    """
    steps = epochs * n_steps + done
    due = done == n_steps or (rule.decay is not None and done > 0 and done % rule.every == 0)
    counted = average is not None and average.steps >= steps
    if not due or counted or epochs + 1 < rule.start_epoch:
        return average
    now = learner.learned()
    if average is None:
        return Average(now, 1, steps)
    share = 1 / (average.number + 1) if rule.decay is None else 1 - rule.decay
    with np.errstate(all="ignore"):  # of a training that diverges
        flat, running = (
            old + old.dtype.type(share) * (new - old)
            for old, new in zip(average.learned, now, strict=True)
        )
    if rule.decay is None and running.size:
        running = measure(flat)
    return Average(Learned(flat, running), average.number + 1, steps)


def moments_over(batches: Iterable[Array], flat: Array, learner: Learner) -> Array:
    """Measure batch normalisation's moments with these weights: the mean over the batches."""
    total, count = np.zeros(learner.running.shape), 0
    for x in batches:
        moved = np.zeros_like(learner.running)
        learner.engine.forward(flat, x, learner.mode(True)._replace(running=moved, update=True))
        total += moved
        count += 1
    # A pass moves running moments by a tenth of the way, from 0 to those of its batch.
    return (total * 10 / count).astype(learner.running.dtype)


def averaging_of(callbacks: Iterable[Callback]) -> WeightAveraging | None:
    """Give the callback that averages weights; there may be one."""
    found = [callback for callback in callbacks if isinstance(callback, WeightAveraging)]
    if len(found) > 1:
        raise ValueError(f"callbacks: expected one WeightAveraging, got {len(found)}")
    return found[0] if found else None
