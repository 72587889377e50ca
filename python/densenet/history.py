"""What training leaves behind: losses, scores and times."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Record: TypeAlias = dict[str, float]


@dataclass
class History:
    """What `Network.fit` has seen.

    Attributes
    ----------
    batch_loss : list of float
        The loss of each step, before its update.
    epochs : list of dict
        For each epoch ``"epoch"`` (counts from 1), ``"loss"`` (the mean over its rows),
        ``"lr"`` (of its last step), ``"seconds"`` (of training, without validation) and, with
        validation data, ``"val_loss"`` and ``"val_" + name`` for each metric.
    stopped : str
        Why training ended: ``"epochs"``, ``"early stopping"``, ``"callback"`` or ``"tolerance"``.
    """

    batch_loss: list[float] = field(default_factory=list)
    epochs: list[Record] = field(default_factory=list)
    stopped: str = "epochs"

    def plot(self) -> "Figure":
        """Draw the curves (needs matplotlib)."""
        from densenet.plotting import plot_history

        return plot_history(self)
