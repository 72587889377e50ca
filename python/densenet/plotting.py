"""Pictures of training and of its result: small functions, each of which draws into an Axes.

They need matplotlib, which ``pip install "densenet[plot]"`` installs. Lines are labelled where they
end rather than in a legend, and one accent marks what to look at.
"""

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    from densenet.training import History

__all__ = [
    "confusion_matrix",
    "loss_curves",
    "misread_digits",
    "plot_history",
    "predicted_against_true",
    "spacious",
    "validation_curve",
]

INK, GREY, PALE = "#24292f", "#7d8590", "#e3e7eb"
BLUE, ORANGE = "#2166ac", "#d6604d"
_LINES = (BLUE, ORANGE, GREY)


def spacious() -> "ConstrainedLayoutEngine":
    """Make a layout with room between the panels of a figure."""
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches


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
        For each label a loss per epoch.
    dots : mapping of str to sequence of float, optional
        Losses drawn as a circle per epoch: for what should lie on a line.
    least : float, optional
        The least possible loss, where it is not 0.
    """
    _curves(axes, lines, dots or {}, "{:.3f}", least)
    _title(axes, "Loss")


def validation_curve(axes: "Axes", scores: Sequence[float], name: str = "accuracy") -> None:
    """Draw a validation score over the epochs.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    scores : sequence of float
        One per epoch.
    name : str
        Of the score. An accuracy is shown in per cent.
    """
    if name == "accuracy":
        _curves(axes, {"": [100 * score for score in scores]}, {}, "{:.1f}%")
        axes.yaxis.set_major_formatter("{x:g}%")
    else:
        _curves(axes, {"": scores}, {}, "{:.3g}")
    _title(axes, f"Validation {name.replace('_', ' ')}")


def _curves(
    axes: "Axes",
    lines: Mapping[str, Sequence[float]],
    dots: Mapping[str, Sequence[float]],
    number: str,
    least: float | None = None,
) -> None:
    """Draw curves over the epochs, each with its name and last value written at its end."""
    ends = []
    colors = cycle(_LINES)
    for curves, style in (lines, "-"), (dots, "o"):
        for name, values in curves.items():
            color = next(colors)
            epochs = range(1, len(values) + 1)
            alone = "o" if len(values) == 1 else style  # one point makes no line
            axes.plot(epochs, values, alone, color=color, markersize=4.5, fillstyle="none")
            ends.append((values[-1], name, color))
    if least is not None:
        axes.axhline(least, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        ends.append((least, "least possible", GREY))
    _epoch_axis(axes, max(map(len, [*lines.values(), *dots.values()])))

    low, high = axes.get_ylim()
    heights = np.array([(value - low) / (high - low) for value, _, _ in ends])
    heights = np.nan_to_num(heights, nan=0.5).clip(0, 1)  # of a training that diverged
    for (value, name, color), height in zip(ends, _spread(heights, 0.075), strict=True):
        text = f"{name} {number.format(value)}".strip()
        axes.text(1.01, height, text, color=color, transform=axes.transAxes, va="center")


def _epoch_axis(axes: "Axes", epochs: int) -> None:
    from matplotlib.ticker import MaxNLocator

    margin = max(0.5, 0.02 * epochs)
    axes.set_xlim(1 - margin, epochs + margin)
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(color=GREY, labelcolor=INK, length=0)
    axes.tick_params(axis="x", length=3)


def _spread(heights: npt.ArrayLike, gap: float) -> list[float]:
    """Move heights in [0, 1] upwards until there is this gap between them, but not beyond 1."""
    values = np.asarray(heights, np.float64)
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(values))
    placed = np.empty_like(values)
    placed[order] = np.maximum.accumulate(values[order] - steps).clip(max=1 - steps[-1]) + steps
    return [float(height) for height in placed]


def _title(axes: "Axes", text: str) -> None:
    axes.set_title(text, loc="left", color=INK, fontsize="medium", fontweight="bold", pad=10)


# ---- classes -----------------------------------------------------------------------------------


def confusion_matrix(
    axes: "Axes", matrix: npt.ArrayLike, class_names: Sequence[str] | None = None
) -> None:
    """Draw a confusion matrix: what is right in grey, every error in the accent colour.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    matrix : integer array of shape (classes, classes)
        Rows are true classes, columns predicted ones.
    class_names : sequence of str, optional
        By default the indices.
    """
    from matplotlib.colors import to_rgb

    counts = np.asarray(matrix)
    names = [str(i) for i in range(len(counts))] if class_names is None else list(class_names)
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    strength = np.sqrt(wrong / max(1, wrong.max()))  # the root lets one error be seen beside ten
    tint = np.where(wrong > 0, 0.15 + 0.85 * strength, 0)
    image = 1 - tint[:, :, np.newaxis] * (1 - np.array(to_rgb(ORANGE)))
    image[np.diag_indices(len(counts))] = to_rgb(PALE)
    axes.imshow(image)
    axes.set_anchor("NW")
    for (row, column), count in np.ndenumerate(counts):
        if count:
            color = "white" if row != column and strength[row, column] > 0.6 else INK
            axes.text(
                column, row, f"{count}", color=color, ha="center", va="center", fontsize="small"
            )
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted", color=INK)
    axes.set_ylabel("true", color=INK)
    axes.tick_params(length=0, labelcolor=INK)
    axes.spines[:].set_visible(False)
    _title(axes, "Confusion matrix")


def misread_digits(
    axes: "Axes",
    images: npt.ArrayLike,
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    columns: int = 7,
) -> None:
    """Draw a grid of images, each with "true → predicted" below it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    images : array of shape (rows, side * side)
        Square images, the larger a pixel the darker.
    y_true, y_pred : integer arrays of shape (rows,)
        What each image shows, and what it was taken for.
    columns : int
        Of the grid.
    """
    pictures = np.asarray(images)
    side = round(pictures.shape[1] ** 0.5)
    wide, high = 1.5, 1.65  # of a cell, in images: room for the gap and for the caption
    for i, (picture, true, pred) in enumerate(
        zip(pictures, np.asarray(y_true), np.asarray(y_pred), strict=True)
    ):
        x, y = wide * (i % columns), high * (i // columns)
        axes.imshow(picture.reshape(side, side), cmap="gray_r", extent=(x, x + 1, y + 1, y))
        caption: dict[str, Any] = {"y": y + 1.08, "va": "top", "fontsize": "small"}
        axes.text(x + 0.38, s=f"{true}", color=INK, ha="right", **caption)
        axes.text(x + 0.5, s="→", color=GREY, ha="center", **caption)
        axes.text(x + 0.62, s=f"{pred}", color=ORANGE, ha="left", **caption)
    axes.set_xlim(-0.1, wide * columns - (wide - 1) + 0.1)
    axes.set_ylim(max(1, -(-len(pictures) // columns)) * high, -0.1)
    axes.set_aspect("equal", anchor="NW")
    axes.set_axis_off()
    _title(axes, "Misread digits, true → predicted")


# ---- values ------------------------------------------------------------------------------------


def predicted_against_true(axes: "Axes", y_true: npt.ArrayLike, y_pred: npt.ArrayLike) -> None:
    """Draw a dot for each prediction over the true value, and the line where the two are equal.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    y_true, y_pred : arrays of shape (rows,)
        Values, in one unit.
    """
    true, pred = np.asarray(y_true), np.asarray(y_pred)
    # Many dots lie over each other: the paler, the more there are.
    axes.scatter(true, pred, s=12, color=BLUE, alpha=max(0.05, min(0.6, 150 / len(true))), lw=0)
    axes.axline((float(true.mean()),) * 2, slope=1, color=GREY, lw=1, ls=(0, (4, 3)), zorder=0)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel("true", color=INK)
    axes.set_ylabel("predicted", color=INK)
    axes.grid(color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(color=GREY, labelcolor=INK, length=0)
    _title(axes, "Predicted against true")


# ---- pictures ----------------------------------------------------------------------------------


def plot_history(history: "History") -> "Figure":
    """Draw what training recorded: the losses, and each validation score beside them.

    Parameters
    ----------
    history : History
        Of at least one epoch.

    Returns
    -------
    matplotlib.figure.Figure
        Known to pyplot: ``pyplot.show()`` shows it.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    ValueError
        If there is no epoch to draw.
    """
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError('plotting needs matplotlib: pip install "densenet[plot]"') from error
    if not history.epochs:
        raise ValueError("history: expected at least one epoch, got none")
    columns = {name: [record[name] for record in history.epochs] for name in history.epochs[0]}
    losses = {"training": columns["loss"]}
    if "val_loss" in columns:
        losses["validation"] = columns["val_loss"]
    scores = [name for name in columns if name.startswith("val_") and name != "val_loss"]

    figure = pyplot.figure(
        figsize=(5.2 * (1 + len(scores)), 3.4), layout=spacious(), facecolor="white"
    )
    panels = figure.subplots(1, 1 + len(scores), squeeze=False)[0]
    loss_curves(panels[0], losses)
    for axes, name in zip(panels[1:], scores, strict=True):
        validation_curve(axes, columns[name], name.removeprefix("val_"))
    return figure
