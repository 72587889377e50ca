"""Pictures of rows that are images and were taken for something else."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.plotting.style import GREY, INK, ORANGE, check_axes, new_figure, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


_MOST_COLUMNS = 1000  # a figure of more is too large for any file


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
    columns : int in [1, 1000]
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
    check_axes(axes)
    columns = _checks.count("columns", columns, most=_MOST_COLUMNS)
    shape = _shape(shape)
    pictures = _pictures("images", images, shape)
    _grid(axes, pictures, _captions(y_true, y_pred, len(pictures), class_names), shape, columns)


def _grid(
    axes: "Axes",
    pictures: Array,
    labels: Sequence[tuple[str, str]],
    shape: Sequence[int],
    columns: int,
) -> None:
    """Draw pictures with their captions."""
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


def _shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Check the shape of an image."""
    sizes = _checks.sequence("shape", shape, "two integers, or three")
    if len(sizes) not in (2, 3):
        raise ValueError(f"shape: expected (height, width) or (height, width, 3), got {sizes}")
    return tuple(_checks.count(f"shape[{i}]", size) for i, size in enumerate(sizes))


def _pictures(argument: str, rows: npt.ArrayLike, shape: Sequence[int]) -> Array:
    """Give each row as an image."""
    pixels = _checks.as_array(argument, rows)
    if pixels.dtype.kind not in "biuf":
        raise TypeError(f"{argument}: expected real numbers, got {_checks.describe(pixels)}")
    if pixels.ndim < 2 or pixels[:1].size != np.prod(shape) * len(pixels[:1]):
        raise ValueError(
            f"{argument}: expected rows of {np.prod(shape)} pixels for shape {tuple(shape)}, "
            f"got shape {pixels.shape}"
        )
    return pixels.reshape(len(pixels), *shape)


def _captions(
    y_true: npt.ArrayLike, y_pred: npt.ArrayLike, rows: int, class_names: Sequence[str] | None
) -> list[tuple[str, str]]:
    """Name what each row shows, and what it was taken for."""
    true = _named("y_true", y_true, rows, class_names)
    return list(zip(true, _named("y_pred", y_pred, rows, class_names), strict=True))


def _named(
    argument: str, labels: npt.ArrayLike, rows: int, class_names: Sequence[str] | None
) -> list[str]:
    """Write each row's label with at most 12 letters."""
    found = _checks.as_array(argument, labels)
    if found.shape != (rows,):
        raise ValueError(f"{argument}: expected shape ({rows},), got {found.shape}")
    texts = [str(label) for label in found]
    if class_names is not None:
        names = _checks.names("class_names", class_names)
        texts = [names[i] for i in _checks.indices(argument, found, len(names), "class indices")]
    return [text if len(text) <= 12 else f"{text[:11]}…" for text in texts]


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
    rows = _checks.as_array("x", x)
    if rows.ndim == 0:
        raise ValueError(f"x: expected shape (rows, pixels), got {rows.shape}")
    true, pred = _checks.as_array("y_true", y_true), _checks.as_array("y_pred", y_pred)
    shape = _shape(shape)
    for name, labels in ("y_true", true), ("y_pred", pred):
        if labels.shape != rows.shape[:1]:
            raise ValueError(f"{name}: expected shape {rows.shape[:1]}, got {labels.shape}")
    wrong = np.flatnonzero(true != pred)
    shown = wrong[: _checks.count("most", most)]
    lines = max(1, -(-len(shown) // _checks.count("columns", columns, most=_MOST_COLUMNS)))
    pictures = _pictures("x", rows[shown], shape)
    captions = _captions(true[shown], pred[shown], len(shown), class_names)
    width = max(0.8 * columns + 0.4, 5)  # room for the title
    cell = 0.55 * width / (0.8 * columns + 0.4)
    figure = new_figure(width, lines * cell * (shape[0] / shape[1] + 0.75) + 0.8)
    axes = figure.subplots()
    _grid(axes, pictures, captions, shape, columns)
    part = f"{len(wrong):,}" if len(shown) == len(wrong) else f"{len(shown)} of {len(wrong):,}"
    title(axes, f"{part} misclassified in {len(rows):,}, true → predicted")
    return figure
