"""Curves, matrices and scatter plots of training and of its result."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.plotting.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    PALE,
    check_axes,
    check_curves,
    curves,
    new_figure,
    quiet,
    score_scale,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# ---- what is drawn -----------------------------------------------------------------------------


@runtime_checkable
class _RangeTested(Protocol):
    """What is drawn of an `LRRange`."""

    @property
    def lrs(self) -> Array:
        """Learning rates, ascending."""

    @property
    def losses(self) -> Array:
        """The loss at each rate."""

    @property
    def smoothed(self) -> Array:
        """The losses, smoothed."""

    @property
    def suggestion(self) -> float | None:
        """The rate to mark."""


# ---- curves ------------------------------------------------------------------------------------


def loss_curves(
    axes: "Axes",
    lines: Mapping[str, Sequence[float]],
    dots: Mapping[str, Sequence[float]] | None = None,
    least: float | None = None,
) -> None:
    """Draw losses over the epochs.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    lines : mapping of str to sequence of float
        The loss of each epoch, by label.
    dots : mapping of str to sequence of float, optional
        Losses to draw as circles: those that should lie on a line.
    least : float, optional
        The least possible loss, if it is not 0; drawn as a dashed line.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError
        If `axes` are no Axes, or losses are no numbers.
    ValueError
        If there is no line and no dot, or one has no epoch.

    Examples
    --------
    >>> from matplotlib import pyplot
    >>> from densenet.plotting import loss_curves
    >>> figure, axes = pyplot.subplots()
    >>> loss_curves(axes, {"training": [2.3, 0.9, 0.5], "validation": [2.3, 1.1, 0.8]})
    >>> [text.get_text() for text in axes.texts]
    ['training 0.500', 'validation 0.800']
    """
    check_axes(axes)
    drawn = check_curves("lines", lines), check_curves("dots", {} if dots is None else dots)
    if not any(drawn):
        raise ValueError("lines: expected at least one line, got none")
    if least is not None:
        least = float(_checks.real("least", least, ()))
    curves(axes, *drawn, "{:.3f}".format, least)
    title(axes, "Loss")


def validation_curve(axes: "Axes", scores: Sequence[float], name: str = "accuracy") -> None:
    """Draw a validation score over the epochs.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    scores : sequence of float
        The score of each epoch.
    name : str
        The name of the score. An accuracy is shown in per cent. No score below 1 is rounded to 1.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError
        If `axes` are no Axes, `scores` no numbers or `name` no str.
    ValueError
        If there is no score.

    Examples
    --------
    >>> from matplotlib import pyplot
    >>> from densenet.plotting import validation_curve
    >>> figure, axes = pyplot.subplots()
    >>> validation_curve(axes, [0.7, 0.85, 0.9])
    >>> axes.texts[0].get_text()
    '90.0%'
    """
    check_axes(axes)
    values = _checks.real("scores", scores, ("epochs",))
    factor, number = score_scale(axes, _checks.text("name", name))
    curves(axes, {"": factor * values}, {}, number)
    title(axes, f"Validation {name.replace('_', ' ')}")


def plot_lr_range(result: _RangeTested) -> "Figure":
    """Draw a learning-rate range test: each step's loss, the smoothed losses and the suggestion.

    Parameters
    ----------
    result : LRRange
        From `densenet.lr_range_test`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import LRRange
    >>> from densenet.plotting import plot_lr_range
    >>> lrs, losses = np.array([1e-3, 1e-2, 1e-1, 1.0]), np.array([2.3, 2.2, 0.9, 4.1])
    >>> figure = plot_lr_range(LRRange(lrs, losses, losses, 0.01))
    >>> figure.axes[0].texts[0].get_text()
    'steepest at 0.01'
    """
    _checks.instance("result", result, _RangeTested, "an LRRange")  # type: ignore[type-abstract]
    figure = new_figure(5.2, 3.4)
    axes = figure.subplots()
    axes.semilogx(result.lrs, result.losses, color=GREY, linewidth=0.8, alpha=0.6)
    axes.semilogx(result.lrs, result.smoothed, color=BLUE)
    low, start = result.smoothed.min(), result.smoothed[0]
    room = max(start - low, 0.1 * abs(low), np.finfo(np.float32).tiny)
    axes.set_ylim(low - 0.25 * room, start + 0.5 * room)  # losses that diverge leave the picture
    if result.suggestion is not None:
        height = float(np.interp(result.suggestion, result.lrs, result.smoothed))
        axes.plot(result.suggestion, height, "o", color=ORANGE, markersize=6)
        early = result.suggestion**2 < result.lrs[0] * result.lrs[-1]  # in the left half
        axes.annotate(
            f"steepest at {result.suggestion:.2g}",
            (result.suggestion, height),
            xytext=(8, 4) if early else (-8, -4),
            textcoords="offset points",
            color=ORANGE,
            ha="left" if early else "right",
            va="bottom" if early else "top",
        )
    axes.set_xlabel("learning rate", color=INK)
    quiet(axes)
    title(axes, "Loss while the learning rate grows")
    return figure


# ---- classes -----------------------------------------------------------------------------------


def confusion_matrix(
    axes: "Axes", matrix: npt.ArrayLike, class_names: Sequence[str] | None = None
) -> None:
    """Draw a confusion matrix: correct predictions in grey, errors in the accent colour.

    Counts and names are left out if they would be too small to read.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    matrix : integer array of shape (classes, classes)
        Rows are true classes, columns predicted ones.
    class_names : sequence of str, optional
        By default the indices.

    Raises
    ------
    TypeError
        If the matrix does not hold integers.
    ValueError
        If the matrix is not square, or there is not one name for each class.

    Examples
    --------
    >>> from matplotlib import pyplot
    >>> from densenet.plotting import confusion_matrix
    >>> figure, axes = pyplot.subplots()
    >>> confusion_matrix(axes, [[9, 1], [0, 8]], ["cat", "dog"])
    >>> [text.get_text() for text in axes.texts]
    ['9', '1', '8']
    """
    from matplotlib.colors import to_rgb

    check_axes(axes)
    counts, names = _check_matrix(matrix, class_names)
    n = len(counts)
    wrong = counts * ~np.eye(n, dtype=bool)
    strength = np.sqrt(wrong / max(1, wrong.max()))  # the root keeps one error visible beside ten
    tint = np.where(wrong > 0, 0.15 + 0.85 * strength, 0)
    image = 1 - tint[:, :, np.newaxis] * (1 - np.array(to_rgb(ORANGE)))
    image[np.diag_indices(n)] = to_rgb(PALE)
    axes.imshow(image)
    axes.set_anchor("NW")

    box = axes.get_window_extent()
    cell = min(box.width, box.height) * 72 / axes.figure.dpi / n  # in points
    size = min(8.5, cell / (0.7 * len(f"{counts.max()}")))
    for (row, column), count in np.ndenumerate(counts):
        if count and size >= 4:
            color = "white" if row != column and strength[row, column] > 0.6 else INK
            axes.text(column, row, f"{count}", color=color, ha="center", va="center", fontsize=size)

    every = int(np.ceil(9 / cell))  # a tick label is about 9 points high
    fits = 6 * max(map(len, names)) <= every * cell
    ticks = range(0, n, every)
    axes.set_xticks(ticks, names[::every], rotation=0 if fits else 90)
    axes.set_yticks(ticks, names[::every])
    axes.set_xlabel("predicted", color=INK)
    axes.set_ylabel("true", color=INK)
    axes.tick_params(length=0, labelcolor=INK, labelsize="small")
    axes.spines[:].set_visible(False)
    title(axes, "Confusion matrix")


def _check_matrix(
    matrix: npt.ArrayLike, class_names: Sequence[str] | None
) -> tuple[Array, list[str]]:
    """Check a confusion matrix and the names of its classes; by default these are the indices."""
    counts = _checks.as_array("matrix", matrix)
    n = len(counts) if counts.ndim else 0
    if counts.dtype.kind not in "iu":
        raise TypeError(f"matrix: expected integer counts, got {counts.dtype}")
    if counts.shape != (n, n) or n == 0:
        raise ValueError(f"matrix: expected shape (classes, classes), got {counts.shape}")
    if class_names is None:
        return counts, [str(i) for i in range(n)]
    names = _checks.names("class_names", class_names)
    if len(names) != n:
        raise ValueError(f"class_names: expected {n} names, got {len(names)}")
    return counts, names


def plot_confusion_matrix(
    matrix: npt.ArrayLike, class_names: Sequence[str] | None = None
) -> "Figure":
    """Draw a confusion matrix in a figure of its own, larger for more classes.

    Parameters, errors and colours are those of `confusion_matrix`.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> from densenet import metrics, plotting
    >>> counts = metrics.confusion_matrix([0, 0, 1, 2, 2], [0, 1, 1, 2, 2])
    >>> figure = plotting.plot_confusion_matrix(counts, ["cat", "dog", "owl"])
    >>> figure.axes[0].get_ylabel()
    'true'
    """
    counts, names = _check_matrix(matrix, class_names)
    side = min(2.2 + 0.38 * len(counts), 9)
    figure = new_figure(side, side)
    confusion_matrix(figure.subplots(), counts, names)
    return figure


# ---- values ------------------------------------------------------------------------------------


def predicted_against_true(axes: "Axes", y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> None:
    """Draw a dot for each prediction over its true value, and the line where both are equal.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    y_true, y_pred : arrays of shape (rows,)
        Values in the same unit.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError
        If `axes` are no Axes, or values are no real numbers.
    ValueError
        If there are no rows, or the shapes differ.

    Examples
    --------
    >>> from matplotlib import pyplot
    >>> from densenet.plotting import predicted_against_true
    >>> figure, axes = pyplot.subplots()
    >>> predicted_against_true(axes, [1.0, 2.0, 4.0], [1.5, 2.5, 3.0])
    >>> axes.collections[0].get_offsets().tolist()
    [[1.0, 1.5], [2.0, 2.5], [4.0, 3.0]]
    """
    check_axes(axes)
    true = _checks.real("y_true", y_true, ("rows",))
    pred = _checks.real("y_pred", y_pred, true.shape)
    # Dots are paler the more there are, for they overlap.
    axes.scatter(true, pred, s=12, color=BLUE, alpha=max(0.05, min(0.6, 150 / len(true))), lw=0)
    axes.axline((float(true.mean()),) * 2, slope=1, color=GREY, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("true", color=INK)
    axes.set_ylabel("predicted", color=INK)
    quiet(axes)
    axes.grid(axis="x", color=PALE, linewidth=0.8)
    title(axes, "Predicted against true")
