"""What the examples' pictures share: a headline, panels, and lines whose names stand at their ends.

The examples draw the rest with Matplotlib's own calls, in the palette of `densenet.plotting`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from densenet.plotting import GREY, INK, PALE, spacious

Surface = Callable[[np.ndarray, np.ndarray], np.ndarray]


def panels(headline: str, *titles: str, height: float = 4.6) -> tuple[Figure, list[Axes]]:
    """Make a figure with a headline and a row of panels."""
    figure = Figure(figsize=(11, height), layout=spacious(), facecolor="white")
    figure.suptitle(headline, x=0.01, ha="left", color=INK, fontsize="x-large")
    row = list(figure.subplots(1, len(titles)))
    for axes, title in zip(row, titles, strict=True):
        axes.set_title(title, loc="left", color=INK, fontsize="medium", fontweight="bold", pad=10)
        axes.grid(axis="y", color=PALE, linewidth=0.8)
        axes.set_axisbelow(True)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.spines["bottom"].set_color(GREY)
        axes.tick_params(which="both", length=0, color=GREY, labelcolor=INK)
        axes.tick_params(axis="x", length=3)
        axes.xaxis.label.set_color(INK)
        axes.yaxis.label.set_color(INK)
    return figure, row


def name_lines(axes: Axes, gap: float = 0.06) -> None:
    """Write each labelled line's name beside its last point; call it once the scales are set."""
    lines = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    axes.autoscale_view()  # Matplotlib would compute the limits only when it draws
    to_axes = axes.transData - axes.transAxes
    ends = [to_axes.transform((line.get_xdata()[-1], line.get_ydata()[-1])) for line in lines]
    lowest = 0.0
    for (_, height), line in sorted(zip(ends, lines, strict=True), key=lambda end: end[0][1]):
        place = max(lowest, min(height, 1.0))
        text = {"color": line.get_color(), "transform": axes.transAxes, "va": "center"}
        axes.text(1.02, place, str(line.get_label()), **text)
        lowest = place + gap


def landscape(axes: Axes, surface: Surface, x: np.ndarray, y: np.ndarray, levels: object) -> None:
    """Draw the contour lines of a loss over two weights."""
    axes.contour(x, y, surface(*np.meshgrid(x, y)), levels, colors=GREY, linewidths=0.6, alpha=0.6)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)


def save(figure: Figure) -> None:
    """Save the picture to the file named on the command line, else to one named as the program."""
    names = [word for word in sys.argv[1:] if not word.startswith("--")]
    name = names[0] if names else Path(sys.argv[0]).stem + ".png"
    figure.savefig(name, dpi=150)
    print(f"picture: {name}")
