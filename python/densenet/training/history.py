"""What training leaves behind: losses, scores and times."""

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from densenet import _checks
from densenet._extras import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame

Record: TypeAlias = dict[str, float]


@dataclass(repr=False)
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
    steps_per_epoch : int
        The number of steps of a whole epoch: only the last epoch may have been left before its end.
        0 where that is not known, in which case all are taken to be equally long.

    Examples
    --------
    >>> from densenet import SGD, Linear, MeanSquaredError, Network
    >>> network = Network([Linear(1, 1, init="zeros")], MeanSquaredError())
    >>> history = network.fit([[1.0]], [5.0], epochs=3, optimizer=SGD(lr=0.1))
    >>> [round(record["loss"], 2) for record in history.epochs], history.stopped
    ([25.0, 9.0, 3.24], 'epochs')
    >>> history
    <History: epochs=3, steps=3, stopped='epochs', loss=3.24>
    >>> figure = history.plot()
    """

    batch_loss: list[float] = field(default_factory=list)
    epochs: list[Record] = field(default_factory=list)
    stopped: str = "epochs"
    steps_per_epoch: int = 0

    def __repr__(self) -> str:
        """Tell in a line what a notebook shows of a call of `fit`: not each of a million losses."""
        last = self.epochs[-1] if self.epochs else {}
        scores = [f", {name}={value:.4g}" for name, value in last.items() if _is_score(name)]
        length = f"epochs={len(self.epochs)}, steps={len(self.batch_loss)}"
        return f"<History: {length}, stopped={self.stopped!r}{''.join(scores)}>"

    def plot(self) -> "Figure":
        """Draw the losses of steps and epochs and all scores as curves (needs matplotlib).

        `densenet.plotting.plot_history` draws several trainings into one figure.
        """
        from densenet.plotting import plot_history

        return plot_history(self)

    def to_frame(self, by: Literal["epoch", "step"] = "epoch") -> "DataFrame":
        """Give the records as a frame (needs pandas).

        Parameters
        ----------
        by : "epoch" or "step"
            A row for each epoch with all that `epochs` holds, or for each step with its loss.

        Returns
        -------
        pandas.DataFrame
            A new one. Its index counts epochs or steps from 1, and is called as `by` says.

        Raises
        ------
        ValueError
            If `by` is neither.
        ModuleNotFoundError
            If pandas is not installed.

        Examples
        --------
        >>> from densenet.training import History
        >>> records = [{"epoch": 1, "loss": 3.0}, {"epoch": 2, "loss": 1.0}]
        >>> history = History([4.0, 2.0, 1.0], records)
        >>> int(history.to_frame()["loss"].idxmin())  # the best epoch
        2
        >>> history.to_frame(by="step")["loss"].rolling(2).mean().tolist()
        [nan, 3.0, 1.5]
        """
        _checks.choice("by", by, ("epoch", "step"))
        require("History.to_frame", "pandas", "pandas")
        import pandas as pd

        if by == "epoch":
            return pd.DataFrame(self.epochs or {"epoch": []}).set_index("epoch")
        steps = pd.RangeIndex(1, len(self.batch_loss) + 1, name="step")
        return pd.DataFrame({"loss": self.batch_loss}, index=steps)


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


def _is_score(name: str) -> bool:
    return name == "loss" or name.startswith("val_")
