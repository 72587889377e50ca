"""The style of all pictures: colours, room between panels, names of lines at their ends."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._extras import require
from densenet._rounding import rounded
from densenet._typing import Array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

INK, GREY, PALE = "#24292f", "#7d8590", "#e3e7eb"
BLUE, ORANGE = "#2166ac", "#d6604d"
COLORS = (BLUE, ORANGE, GREY, "#1b7837", "#762a83", "#b8860b", "#35978f", INK)  # of lines


def spacious() -> "ConstrainedLayoutEngine":
    """Make a layout with room between the panels of a figure.

    Examples
    --------
    >>> from matplotlib import pyplot
    >>> from densenet.plotting import spacious
    >>> figure, (left, right) = pyplot.subplots(1, 2, layout=spacious())
    """
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    return ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.12)  # inches


def check_axes(axes: object) -> None:
    """Check that matplotlib is there and that `axes` are its Axes."""
    require("plotting", "plot", "matplotlib")
    from matplotlib.axes import Axes

    _checks.instance("axes", axes, Axes, "Axes of matplotlib")


def check_curves(name: str, given: Mapping[str, npt.ArrayLike]) -> dict[str, Array]:
    """Check a mapping from labels to vectors of at least one number, (epochs,)."""
    lines = _checks.mapping(name, given, "a mapping from labels to numbers")
    return {
        label: _checks.real(f"{name}[{label!r}]", values, ("epochs",))
        for label, values in lines.items()
    }


def new_figure(width: float, height: float) -> "Figure":
    """Make a figure of this size in inches, which pyplot will show."""
    require("plotting", "plot", "matplotlib")
    from matplotlib import pyplot

    return pyplot.figure(figsize=(width, height), layout=spacious(), facecolor="white")


def curves(
    axes: "Axes",
    lines: Mapping[str, Array],
    dots: Mapping[str, Array],
    number: Callable[[float], str],
    least: float | None = None,
) -> None:
    """Draw curves over the epochs, and at each one's end its name and last value.

    ``number`` writes a value; ``least`` is drawn as a dashed line.
    """
    ends = []
    colors = cycle(COLORS)
    for group, style in (lines, "-"), (dots, "o"):
        for name, values in group.items():
            color = next(colors)
            epochs = range(1, len(values) + 1)
            alone = "o" if len(values) == 1 else style  # a line of one point would not be seen
            axes.plot(epochs, values, alone, color=color, markersize=4.5, fillstyle="none")
            ends.append((values[-1], name, color))
    if least is not None:
        axes.axhline(least, color=GREY, linewidth=1, linestyle=(0, (4, 3)))
        ends.append((least, "least possible", GREY))
    epoch_axis(axes, max(map(len, [*lines.values(), *dots.values()])))
    name_ends(axes, ends, number)


def name_ends(
    axes: "Axes", ends: Sequence[tuple[float, str, str]], number: Callable[[float], str]
) -> None:
    """Write name and value of curves, ``(last value, name, colour)``, to the right of a panel."""
    low, high = axes.get_ylim()
    heights = np.array([(value - low) / (high - low) for value, _, _ in ends])
    heights = np.nan_to_num(heights, nan=0.5).clip(0, 1)  # NaN where training diverged
    for (value, name, color), height in zip(ends, _spread(heights, 0.075), strict=True):
        text = f"{name} {number(value)}".strip()
        axes.text(1.01, height, text, color=color, transform=axes.transAxes, va="center")


def epoch_axis(axes: "Axes", epochs: int) -> None:
    """Let the lower edge of a panel count the epochs from 1."""
    from matplotlib.ticker import MaxNLocator

    margin = max(0.5, 0.02 * epochs)
    axes.set_xlim(1 - margin, epochs + margin)
    axes.set_xlabel("epoch", color=INK)
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True))
    quiet(axes)


def score_scale(axes: "Axes", name: str) -> tuple[float, Callable[[float], str]]:
    """Give by what to multiply a score before it is drawn, and how to write what is drawn.

    An accuracy is shown in per cent.
    """
    if name == "accuracy":
        axes.yaxis.set_major_formatter("{x:g}%")
        return 100.0, lambda score: rounded(score / 100, 1, "%")
    return 1.0, lambda score: rounded(score, 3, "g")


def quiet(axes: "Axes") -> None:
    """Reduce a diagram's frame to few ticks, a pale grid and the lower edge."""
    from matplotlib.ticker import MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.grid(axis="y", color=PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(GREY)
    axes.tick_params(color=GREY, labelcolor=INK, length=0)
    axes.tick_params(axis="x", length=3)


def _spread(heights: npt.ArrayLike, gap: float) -> list[float]:
    """Move heights in [0, 1] apart until they differ by `gap` at least, none beyond 1."""
    values = np.asarray(heights, np.float64)
    order = np.argsort(values, kind="stable")
    steps = gap * np.arange(len(values))
    placed = np.empty_like(values)
    placed[order] = np.maximum.accumulate(values[order] - steps).clip(max=1 - steps[-1]) + steps
    return [float(height) for height in placed]


def title(axes: "Axes", text: str) -> None:
    """Write a panel's title."""
    axes.set_title(text, loc="left", color=INK, fontsize="medium", fontweight="bold", pad=10)
