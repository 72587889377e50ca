"""Pictures of training and of its result.

Functions that take an Axes draw one panel. Those whose names begin with ``plot_`` make a whole
figure, which ``pyplot.show()`` shows. All need matplotlib: ``pip install "densenet-cpu[plot]"``.
The names of lines stand at their ends rather than in a legend, and one accent colour marks what to
look at.
"""

from densenet.plotting.figures import (
    confusion_matrix,
    loss_curves,
    plot_confusion_matrix,
    plot_lr_range,
    predicted_against_true,
    validation_curve,
)
from densenet.plotting.histories import plot_history
from densenet.plotting.images import misclassified, plot_misclassified
from densenet.plotting.style import BLUE, GREY, INK, ORANGE, PALE, spacious

__all__ = [
    "BLUE",
    "GREY",
    "INK",
    "ORANGE",
    "PALE",
    "confusion_matrix",
    "loss_curves",
    "misclassified",
    "plot_confusion_matrix",
    "plot_history",
    "plot_lr_range",
    "plot_misclassified",
    "predicted_against_true",
    "spacious",
    "validation_curve",
]
