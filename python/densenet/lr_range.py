"""The learning-rate range test: which rates a network learns from, found in one short training."""

import copy
import math
from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from densenet import _checks, training
from densenet._network.state import learner_of
from densenet._typing import Array
from densenet.network import Network
from densenet.optimizers import Adam, Optimizer
from densenet.schedules import ExponentialLR
from densenet.training.callbacks import Callback

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LRRange", "lr_range_test"]

_DIVERGED = 4.0  # times the least loss, where the least is positive


@dataclass(frozen=True, eq=False)
class LRRange:
    """What a learning-rate range test has measured.

    Attributes
    ----------
    lrs : float64 array of shape (steps,)
        Learning rates, from the lowest up to the highest or to where the loss diverged.
    losses : float64 array of shape (steps,)
        The loss of each step's batch, before its update.
    smoothed : float64 array of shape (steps,)
        The mean loss of the steps around each.
    suggestion : float or None
        The rate at which the smoothed loss falls fastest over the logarithm of the rate; None where
        it never falls.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import LRRange
    >>> lrs, losses = np.array([1e-3, 1e-2, 1e-1, 1.0]), np.array([2.3, 2.2, 0.9, 4.1])
    >>> result = LRRange(lrs, losses, smoothed=losses, suggestion=0.01)
    >>> figure = result.plot()
    """

    lrs: Array
    losses: Array
    smoothed: Array
    suggestion: float | None

    def plot(self) -> "Figure":
        """Draw the losses over the learning rate, as `densenet.plotting.plot_lr_range` does."""
        from densenet.plotting import plot_lr_range

        return plot_lr_range(self)


def lr_range_test(
    network: Network,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    optimizer: Optimizer | None = None,
    *,
    lowest: float = 1e-6,
    highest: float = 1.0,
    steps: int = 100,
    batch_size: int = 128,
    seed: int | None = None,
) -> LRRange:
    """Train a copy of a network while the learning rate grows from step to step.

    Step i of n has the rate ``lowest (highest / lowest)^(i / (n - 1))``. The test ends early where
    the loss is no longer finite, or its mean over the last steps is four times the least such mean.

    Parameters
    ----------
    network : Network
        Not modified: a copy of it, without its optimizer's state, is trained. Use it before the
        network is trained, because the result depends on the weights that it has.
    x, y
        As in `Network.fit`, in a new order each epoch.
    optimizer : optimizer, optional
        `Adam` by default. Its own learning rate is not used.
    lowest, highest : float in (0, inf)
        The first and the last learning rate.
    steps : int in [2, 2**31)
    batch_size : int
        The number of rows of a step; all, if there are fewer. A last, shorter batch is left out.
    seed : int, optional
        Decides the order of the rows and dropout.

    Returns
    -------
    LRRange

    Raises
    ------
    TypeError, ValueError
        As `Network.fit`; or if `network` is no network, `lowest` is not less than `highest`, or the
        first loss is not finite.

    References
    ----------
    L. N. Smith, "Cyclical Learning Rates for Training Neural Networks", 2017, section 3.3. He lets
    the rate grow linearly; that it grows exponentially, and the steepest point, are common practice
    since.

    Examples
    --------
    >>> from densenet import Linear, Network, ReLU, SoftmaxCrossEntropy, lr_range_test
    >>> from densenet.datasets import load_digits
    >>> x, y, _, _ = load_digits()
    >>> network = Network([Linear(64, 32), ReLU(), Linear(32, 10)], SoftmaxCrossEntropy(), seed=1)
    >>> result = lr_range_test(network, x, y, seed=1)
    >>> 1e-4 < result.suggestion < 1e-1
    True
    >>> float(result.lrs[0])
    1e-06
    """
    _checks.instance("network", network, Network, "a Network")
    low, high = _checks.positive("lowest", lowest), _checks.positive("highest", highest)
    if not low < high:
        raise ValueError(f"lowest: expected less than highest, {highest}, got {lowest}")
    steps = _checks.count("steps", steps, 2, _checks.MOST_STEPS)
    factor = math.exp((math.log(high) - math.log(low)) / (steps - 1))
    schedule = ExponentialLR(low, factor)
    optimizer = Adam() if optimizer is None else optimizer

    trained = copy.deepcopy(network)
    trained.reset_optimizer()
    learner_of(trained).check_optimizer(optimizer, stacklevel=2)
    reach = max(1, steps // 20)
    history = training.fit(
        trained,
        x,
        y,
        epochs=steps,  # each has a step at least
        batch_size=batch_size,
        optimizer=replace(optimizer, lr=schedule),
        drop_last=True,
        callbacks=[_End(steps, 2 * reach + 1)],
        seed=seed,
    )
    losses = np.array(history.batch_loss)
    losses = losses[np.isfinite(losses)]  # the last one may not be
    if len(losses) == 0:
        raise ValueError(f"x: expected a finite loss to begin with, got {history.batch_loss[0]}")
    smoothed = _means(losses, reach)
    # They grow exponentially: steps are their logarithm.
    lrs = np.array([schedule(step) for step in range(len(losses))])
    return LRRange(lrs, losses, smoothed, _steepest(lrs, smoothed, reach))


class _End(Callback):
    """Ends the test: after its last step, or where the loss diverges."""

    def __init__(self, steps: int, width: int) -> None:
        self._steps = steps
        self._recent: deque[float] = deque(maxlen=width)
        self._least = math.inf

    def on_step_end(self, network: Network, step: int, loss: float) -> bool:
        """Compare the mean of the last losses with the least such mean."""
        self._recent.append(loss)
        mean = sum(self._recent) / len(self._recent)
        if len(self._recent) == self._recent.maxlen:
            self._least = min(self._least, mean)
        # A loss of the user's own may be negative, whose multiples are less and not more.
        diverged = mean - self._least > (_DIVERGED - 1) * abs(self._least)
        return step == self._steps or diverged or not math.isfinite(loss)


def _means(losses: Array, reach: int) -> Array:
    """Give the mean of each loss and of up to `reach` losses before and after it."""
    return np.array([losses[max(0, i - reach) : i + reach + 1].mean() for i in range(len(losses))])


def _steepest(lrs: Array, losses: Array, reach: int) -> float | None:
    """Give the rate where losses fall most from `reach` steps before to `reach` after it.

    Only steps up to the least loss count; None if the first loss is the least.
    """
    falling = losses[: int(losses.argmin()) + 1]
    if len(falling) < 2:
        return None
    steps = np.arange(len(falling))
    after, before = (steps + reach).clip(max=steps[-1]), (steps - reach).clip(min=0)
    return float(lrs[np.argmin(falling[after] - falling[before])])
