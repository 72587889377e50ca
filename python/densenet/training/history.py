"""What training leaves behind: losses, scores and times."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record: TypeAlias = dict[str, float]


@dataclass
class History:
    """The losses, scores and times of one training with `Network.fit`.

    Attributes
    ----------
    batch_loss : list of float
        The loss of each step, before its update. Where training diverged, the last one is not
        finite: that step was not taken.
    epochs : list of dict
        For each epoch ``"epoch"`` (counts from 1), ``"loss"`` (the mean over its rows),
        ``"lr"`` (of its last step), ``"seconds"`` (of training, without validation) and, with
        validation data, ``"val_loss"`` and ``"val_" + name`` for each metric.
    stopped : str
        Why training ended: ``"epochs"``, ``"early stopping"``, ``"callback"``, ``"tolerance"`` or
        ``"diverged"`` (a loss, or at the end a parameter, was not finite).

    Examples
    --------
    >>> from densenet import SGD, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
    >>> history = network.fit([[1.0]], [5.0], epochs=3, optimizer=SGD(lr=0.1))
    >>> [round(record["loss"], 2) for record in history.epochs], history.stopped
    ([25.0, 9.0, 3.24], 'epochs')
    >>> figure = history.plot()
    """

    batch_loss: list[float] = field(default_factory=list)
    epochs: list[Record] = field(default_factory=list)
    stopped: str = "epochs"

    def plot(self) -> "Figure":
        """Draw the losses and scores as curves (needs matplotlib)."""
        from densenet.plotting import plot_history

        return plot_history(self)


def divergence(history: History) -> str:
    """Give the text of the warning that training has diverged.

    It says at which step the loss was not finite or, where all losses are finite, that a parameter
    is not finite after the last step.
    """
    steps = sum(map(math.isfinite, history.batch_loss))
    if steps == len(history.batch_loss):
        return f"training has diverged: a parameter is not finite after the last step, {steps}"
    return (
        f"training has diverged: the loss of step {steps + 1}, in epoch {len(history.epochs)}, is "
        f"{history.batch_loss[-1]}; the step was not taken"
    )
