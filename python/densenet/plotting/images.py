"""Pictures of misclassified rows that are images."""

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


_MOST_COLUMNS = 1000  # no file format takes a wider figure


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
        Grey values, dark where they are large, or colours.
    y_true, y_pred : arrays of shape (rows,)
        True and predicted label of each image; class indices if there are `class_names`.
    shape : sequence of int
        The shape of one image: (height, width) or, in colour, (height, width, 3).
    class_names : sequence of str, optional
        By default the labels themselves are written.
    columns : int in [1, 1000]
        Images in a row of the grid.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError
        If `axes` are no Axes, `images` no real numbers, or a size is no integer.
    ValueError
        If rows are not of as many pixels as `shape` has, the lengths of `y_true` or `y_pred` and
        `images` differ, a label has no name in `class_names`, or `columns` is out of range.

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
    """Draw pictures in a grid, with a caption (true, predicted) below each."""
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
    """Check the shape of an image: two or three integers >= 1."""
    sizes = _checks.sequence("shape", shape, "two integers, or three")
    if len(sizes) not in (2, 3):
        raise ValueError(f"shape: expected (height, width) or (height, width, 3), got {sizes}")
    return tuple(_checks.count(f"shape[{i}]", size) for i, size in enumerate(sizes))


def _pictures(argument: str, rows: npt.ArrayLike, shape: Sequence[int]) -> Array:
    """Check rows of pixels and give them as images, (rows, *shape)."""
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
    """Write the captions of rows: pairs of true and predicted label."""
    true = _named("y_true", y_true, rows, class_names)
    return list(zip(true, _named("y_pred", y_pred, rows, class_names), strict=True))


def _named(
    argument: str, labels: npt.ArrayLike, rows: int, class_names: Sequence[str] | None
) -> list[str]:
    """Write each row's label, or its class's name, with at most 12 characters."""
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
    """Draw the misclassified rows as images, in a figure of their own.

    Parameters
    ----------
    x : array of shape (rows, pixels)
        All rows, also the correct ones. Sort them to show the worst errors first.
    y_true, y_pred : integer arrays of shape (rows,)
        True and predicted class.
    shape, class_names, columns
        As in `misclassified`.
    most : int
        Number of errors to show, from the first one on.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError
        If `x` holds no real numbers, or a size is no integer.
    ValueError
        If rows are not of as many pixels as `shape` has, the lengths of `x`, `y_true` and `y_pred`
        differ, a class has no name in `class_names`, or `columns` or `most` is out of range.

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
