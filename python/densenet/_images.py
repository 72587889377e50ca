"""Pictures of rows that are images and were taken for something else."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._drawing import GREY, INK, ORANGE, new_figure, title
from densenet._typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def misclassified(
    axes: "Axes",
    images: npt.ArrayLike,
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    shape: Sequence[int] = (28, 28),
    class_names: Sequence[str] | None = None,
    columns: int = 7,
) -> None:
    """Draw a grid of images, each with "true → predicted" below it.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    images : array of shape (rows, pixels)
        The larger a pixel the darker, or colours.
    y_true, y_pred : arrays of shape (rows,)
        What each image shows, and what it was taken for.
    shape : sequence of int
        Of one image: (height, width) or, in colour, (height, width, 3).
    class_names : sequence of str, optional
        By default the labels themselves.
    columns : int
        Of the grid.

    Raises
    ------
    TypeError, ValueError
        If a length does not fit.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib import pyplot
    >>> from densenet.plotting import misclassified
    >>> figure, axes = pyplot.subplots()
    >>> misclassified(axes, np.eye(4), [0, 1, 1, 0], [1, 0, 0, 1], shape=(2, 2), columns=2)
    >>> len(axes.images)
    4
    """
    columns = _checks.count("columns", columns)
    pictures = _pictures("images", images, shape)
    name = _namer(class_names)
    labels = [
        (name(true), name(pred))
        for true, pred in zip(np.asarray(y_true), np.asarray(y_pred), strict=True)
    ]
    short = max((len(text) for pair in labels for text in pair), default=0) <= 2
    tall = shape[0] / shape[1]
    wide, high = 1.5, tall + (0.65 if short else 0.8)  # room for the gap and for the caption
    for i, (picture, (true, pred)) in enumerate(zip(pictures, labels, strict=True)):
        x, y = wide * (i % columns), high * (i // columns)
        axes.imshow(picture, cmap="gray_r", extent=(x, x + 1, y + tall, y))
        caption: dict[str, Any] = {"y": y + tall + 0.08, "va": "top", "fontsize": "small"}
        if short:
            axes.text(x + 0.38, s=true, color=INK, ha="right", **caption)
            axes.text(x + 0.5, s="→", color=GREY, ha="center", **caption)
            axes.text(x + 0.62, s=pred, color=ORANGE, ha="left", **caption)
        else:
            caption |= {"ha": "center", "fontsize": "x-small"}
            axes.text(x + 0.5, s=f"{true}\n", color=INK, **caption)
            axes.text(x + 0.5, s=f"\n→ {pred}", color=ORANGE, **caption)
    axes.set_xlim(-0.1, wide * columns - (wide - 1) + 0.1)
    axes.set_ylim(max(1, -(-len(pictures) // columns)) * high, -0.1)
    axes.set_aspect("equal", anchor="NW")
    axes.set_axis_off()
    title(axes, "Misclassified, true → predicted")


def _pictures(argument: str, rows: npt.ArrayLike, shape: Sequence[int]) -> Array:
    """Give each row as an image."""
    pixels = np.asarray(rows)
    if pixels.ndim < 2 or pixels[:1].size != np.prod(shape) * len(pixels[:1]):
        raise ValueError(
            f"{argument}: expected rows of {np.prod(shape)} pixels for shape {tuple(shape)}, "
            f"got shape {pixels.shape}"
        )
    return pixels.reshape(len(pixels), *shape)


def _namer(class_names: Sequence[str] | None) -> Callable[[Any], str]:
    """Make a function from a label to at most 12 letters."""

    def name(label: Any) -> str:
        text = str(label if class_names is None else class_names[label])
        return text if len(text) <= 12 else f"{text[:11]}…"

    return name


def plot_misclassified(
    x: npt.ArrayLike,
    y_true: npt.ArrayLike,
    y_pred: npt.ArrayLike,
    *,
    shape: Sequence[int] = (28, 28),
    class_names: Sequence[str] | None = None,
    columns: int = 7,
    most: int = 42,
) -> "Figure":
    """Draw the rows whose class was predicted wrongly, as images.

    Parameters
    ----------
    x : array of shape (rows, pixels)
        All rows, right and wrong. Sort them to have the worst errors first.
    y_true, y_pred : integer arrays of shape (rows,)
    shape, class_names, columns
        As in `misclassified`.
    most : int
        Errors shown, the first ones.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError, ValueError
        If a length does not fit.

    Examples
    --------
    >>> from densenet.datasets import load_digits
    >>> from densenet.plotting import plot_misclassified
    >>> _, _, x, y = load_digits()
    >>> figure = plot_misclassified(x, y, (y // 2) * 2, shape=(8, 8), most=14)
    >>> figure.axes[0].get_title(loc="left")
    '14 of 906 misclassified in 1,797, true → predicted'
    """
    rows, true, pred = np.asarray(x), np.asarray(y_true), np.asarray(y_pred)
    for name, labels in ("y_true", true), ("y_pred", pred):
        if labels.shape != rows.shape[:1]:
            raise ValueError(f"{name}: expected shape {rows.shape[:1]}, got {labels.shape}")
    wrong = np.flatnonzero(true != pred)
    shown = wrong[: _checks.count("most", most)]
    lines = max(1, -(-len(shown) // _checks.count("columns", columns)))
    width = max(0.8 * columns + 0.4, 5)  # room for the title
    cell = 0.55 * width / (0.8 * columns + 0.4)
    figure = new_figure(width, lines * cell * (shape[0] / shape[1] + 0.75) + 0.8)
    axes = figure.subplots()
    misclassified(
        axes,
        _pictures("x", rows[shown], shape),
        true[shown],
        pred[shown],
        shape=shape,
        class_names=class_names,
        columns=columns,
    )
    part = f"{len(wrong):,}" if len(shown) == len(wrong) else f"{len(shown)} of {len(wrong):,}"
    title(axes, f"{part} misclassified in {len(rows):,}, true → predicted")
    return figure
