"""The picture of ``densenet explore``: a table on one slide."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from densenet import plotting
from densenet._extras import require
from densenet._typing import Array
from densenet.plotting.style import title
from densenet.tables.cells import number
from densenet.tables.looking.exploring import Column, Components, Exploration
from densenet.tables.looking.exploring_report import few_words, leading, pairs
from densenet.tables.looking.wording import (
    clipped,
    moment_text,
    number_text,
    plain,
    share_text,
    shortened,
)
from densenet.tables.table import Table

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["exploration_picture"]

_MOST_COLUMNS = 14
_MOST_IN_MATRIX = 12
_MOST_BARS = 10
_MOST_DOTS = 4000
_MOST_NAMED = 10  # classes in a legend
_MOST_LABELLED = 30  # classes whose names stand among the dots


def exploration_picture(found: Exploration) -> "Figure":
    """Draw a table's columns, how they hang together, and its two leading components.

    Parameters
    ----------
    found : Exploration
        By `densenet.tables.explore`.

    Returns
    -------
    matplotlib.figure.Figure
        As wide as a slide. Made without pyplot, which therefore does not show it.

    Raises
    ------
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> from densenet.tables.looking.exploring_picture import exploration_picture
    >>> table = Table.from_columns({"a": [1, 2, 4], "b": [1, 3, 2], "pet": ["cat", "dog", "cat"]})
    >>> figure = exploration_picture(explore(table, "pet"))
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['Columns', 'Principal components', 'Correlations', 'Associated with pet']
    """
    require("the picture", "plot", "matplotlib")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13.33, 7.5), layout=plotting.spacious(), facecolor="white")
    rows, columns = len(found.table), len(found.columns)
    figure.suptitle(
        plain(f"{clipped(Path(found.table.source).name, 60)}: {rows:,} rows, {columns:,} columns"),
        x=0.01,
        ha="left",
        color=plotting.INK,
        fontsize="xx-large",
    )
    grid = figure.add_gridspec(1, 2, width_ratios=(6.3, 10))
    _draw_columns(figure.add_subplot(grid[0]), found)
    below = grid[1]
    if found.components:
        halves = below.subgridspec(2, 1, height_ratios=(5, 4))
        _draw_components(figure.add_subplot(halves[0]), found, found.components)
        below = halves[1]
    matrix, bars = len(found.numeric) > 1, bool(found.associations)
    panels = below.subgridspec(1, max(1, matrix + bars))
    if matrix:
        _draw_correlations(figure.add_subplot(panels[0]), found)
    if bars:
        _draw_associations(figure.add_subplot(panels[-1]), found)
    return figure


# ---- columns -----------------------------------------------------------------------------------


def _draw_columns(axes: "Axes", found: Exploration) -> None:
    """Draw a line for each column: its name, its distribution, its range or frequent categories."""
    shown = _chosen(found)
    rows = len(found.table)
    for place, one in enumerate(shown):
        _draw_distribution(axes, one, place)
        colour = plotting.ORANGE if one.name == found.target else plotting.INK
        name = plain(shortened(one.name, 20))
        axes.text(0, place - 0.14, name, color=colour, va="center", fontweight="bold")
        gaps = f", {share_text(one.gaps / rows)} gaps" if one.gaps else ""
        about = f"{one.kind}, {one.distinct:,} distinct{gaps}"
        words = plain(_fitting(one, rows))
        axes.text(0, place + 0.24, about, color=plotting.GREY, va="center", fontsize="small")
        axes.text(0.65, place, words, color=plotting.INK, va="center", fontsize="small")
    axes.set_xlim(0, 1)
    axes.set_ylim(max(len(shown), 8) - 0.5, -0.5)
    axes.axis("off")
    n, every = len(shown), len(found.columns)
    part = f"the {n} most associated, of {every}" if found.associations else f"first {n} of {every}"
    title(axes, f"Columns: {part}" if n < every else "Columns")


def _chosen(found: Exploration) -> list[Column]:
    """Choose the columns to draw, in the table's order: the target and those that tell most."""
    if len(found.columns) <= _MOST_COLUMNS:
        return found.columns
    names = [found.target, *(one.column for one in found.associations)]
    names += [one.name for one in found.columns if one.name not in set(names)]
    wanted = set([name for name in names if name is not None][:_MOST_COLUMNS])
    return [one for one in found.columns if one.name in wanted]


def _draw_distribution(axes: "Axes", column: Column, place: int) -> None:
    """Draw a histogram of numbers, or a bar for each of the most frequent categories."""
    if not len(column.bins):
        return
    numbers = bool(column.quantiles)
    bins = column.bins if numbers else column.bins[:12]
    left, width = 0.42, 0.2 / (len(bins) if numbers else max(len(bins), 12))
    heights = 0.78 * bins / bins.max()
    axes.bar(
        left + width * np.arange(len(bins)),
        -heights,
        width * (1 if len(bins) > 12 else 0.85),
        bottom=place + 0.39,
        align="edge",
        color=plotting.BLUE if numbers else plotting.GREY,
    )
    axes.plot([left, left + 0.2], [place + 0.39] * 2, color=plotting.PALE, linewidth=0.8)


def _fitting(column: Column, rows: int) -> str:
    """Tell a column's range or categories in two short lines."""
    if column.quantiles and column.quantiles[0] < column.quantiles[-1]:
        text = moment_text if column.kind == "dates" else number_text
        least, _, median, _, greatest = map(text, column.quantiles)
        return f"{least} … {greatest}\nmedian {median}"
    named = [(clipped(name, 20), count) for name, count in column.frequent[:2]]
    if column.kind == "categories" and named[0][1] > 1:
        return "\n".join(f"{name} ({share_text(count / rows)})" for name, count in named)
    return few_words(column, rows, 1)


# ---- components --------------------------------------------------------------------------------


def _draw_components(axes: "Axes", found: Exploration, components: Components) -> None:
    """Draw a dot for each row, coloured by the target."""
    drawn = np.arange(len(components.rows))[:: -(-len(components.rows) // _MOST_DOTS)]
    x, y = components.places[drawn].T
    table = found.table.take(components.rows[drawn])
    size = 14 if len(drawn) > 1000 else 26
    if found.target is None:
        axes.scatter(x, y, s=size, color=plotting.BLUE, alpha=0.4, lw=0)
    else:
        gaps = table.missing(found.target)
        axes.scatter(x[gaps], y[gaps], s=size, color=plotting.GREY, alpha=0.3, lw=0)
        x, y, table = x[~gaps], y[~gaps], table.take(np.flatnonzero(~gaps))
        colour = _colour_by_value if found.task == "regression" else _colour_by_class
        colour(axes, x, y, table, found.target, size)
    axes.set_xlabel(_about(components, 0), color=plotting.INK)
    axes.set_ylabel(_about(components, 1), color=plotting.INK)
    _frame(axes)
    title(axes, "Principal components")


def _about(components: Components, which: int) -> str:
    """Name a component by its share of the variance and the features that weigh most."""
    names = ", ".join(
        f"{'' if weight > 0 else '−'}{shortened(name, 24 - 6 * which)}"
        for weight, name in leading(components, which, 3 - which)
    )
    share = f"{components.shares[which]:.0%}{' of the variance' if which == 0 else ''}"
    return plain(f"component {which + 1}, {share}: {names}")


def _colour_by_value(
    axes: "Axes", x: Array, y: Array, table: Table, target: str, size: int
) -> None:
    values = table.numbers(target)
    low, high = np.quantile(values, (0.02, 0.98)) if len(values) else (0, 1)
    dots = axes.scatter(x, y, s=size, c=values, lw=0, cmap="viridis", vmin=low, vmax=high)
    bar = axes.figure.colorbar(dots, ax=axes, pad=0.01, aspect=30)
    bar.outline.set_visible(False)
    bar.ax.yaxis.set_major_formatter(lambda value, _: number_text(float(value)))
    bar.ax.tick_params(length=0, labelcolor=plotting.INK)
    bar.ax.set_title(plain(clipped(target, 24)), color=plotting.INK, fontsize="medium", loc="right")


def _colour_by_class(
    axes: "Axes", x: Array, y: Array, table: Table, target: str, size: int
) -> None:
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    keys = np.array(table.keys(target), object)
    spelt = table.spellings(target)
    names = sorted(spelt, key=_by_number)
    few = len(names) <= _MOST_NAMED
    hues = colormaps["tab10" if few else "hsv"]
    for place, key in enumerate(names):
        at = keys == key
        # In steps of 7, so that neighbours in the alphabet have other hues.
        colour = hues(place) if few else hues((7 * place % len(names)) / len(names))
        label = plain(clipped(spelt[key], 24))
        axes.scatter(x[at], y[at], s=size, color=colour, alpha=0.5, lw=0, label=label)
    if few:
        axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1), markerscale=2)
    elif len(names) <= _MOST_LABELLED:
        for key in names:
            at = keys == key
            axes.text(
                float(np.median(x[at])),
                float(np.median(y[at])),
                plain(clipped(spelt[key], 12)),
                ha="center",
                va="center",
                fontweight="bold",
                color=plotting.INK,
                path_effects=[withStroke(linewidth=2.5, foreground="white")],
            )


def _by_number(key: str) -> tuple[float, str]:
    value = number(key)
    return (np.inf if value is None else value, key)


# ---- how columns hang together -----------------------------------------------------------------


def _draw_correlations(axes: "Axes", found: Exploration) -> None:
    """Draw the correlations of columns of numbers, those in the strongest pairs."""
    names = _correlated(found)
    at = [found.numeric.index(name) for name in names]
    matrix = found.correlations[np.ix_(at, at)]
    below = np.tri(len(names), k=-1, dtype=bool)
    axes.imshow(np.where(below, matrix, np.nan), cmap="RdBu_r", vmin=-1, vmax=1)
    for row, column in np.argwhere(below & (np.abs(np.nan_to_num(matrix)) >= 0.05)):
        value = matrix[row, column]
        colour = "white" if abs(value) > 0.6 else plotting.INK
        text = f"{value:.1f}".replace("-", "−").replace("0.", ".")
        axes.text(column, row, text, color=colour, ha="center", va="center", fontsize=7)
    for place, name in enumerate(names):  # on the diagonal: of a row and of a column
        words = plain(shortened(name, 22))
        axes.text(place - 0.35, place, words, color=plotting.INK, va="center", fontsize="small")
    axes.axis("off")
    axes.set_anchor("NW")
    more = len(found.numeric) - len(names)
    title(
        axes, "Correlations" + (f": {len(names)} of {len(found.numeric)} columns" if more else "")
    )


def _correlated(found: Exploration) -> list[str]:
    """Choose the columns of the most correlated pairs, in the table's order."""
    if len(found.numeric) <= _MOST_IN_MATRIX:
        return found.numeric
    wanted: list[str] = [found.target] if found.target in found.numeric else []
    for _, *pair in pairs(found):
        wanted += [name for name in pair if name not in wanted]
        if len(wanted) >= _MOST_IN_MATRIX:
            break
    return [name for name in found.numeric if name in wanted[:_MOST_IN_MATRIX]]


def _draw_associations(axes: "Axes", found: Exploration) -> None:
    """Draw a bar for each of the columns that have most to do with the target."""
    shown = found.associations[:_MOST_BARS]
    places = range(len(shown))
    axes.barh(places, [one.strength for one in shown], height=0.62, color=plotting.BLUE)
    for place, one in enumerate(shown):
        axes.text(one.strength + 0.015, place, f"{one.strength:.2f}", va="center", fontsize="small")
    axes.set_yticks(places, [plain(shortened(one.column, 22)) for one in shown])
    axes.set_ylim(max(len(shown), 5) - 0.5, -0.5)
    axes.set_xlim(0, 1.08)
    axes.set_xticks([])
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=plotting.INK)
    kinds = sorted({one.measure for one in shown})
    axes.set_xlabel(", ".join(kinds), color=plotting.GREY, fontsize="small")
    title(axes, plain(f"Associated with {shortened(found.target or '', 16)}"))


def _frame(axes: "Axes") -> None:
    axes.spines[:].set_visible(False)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.axhline(0, color=plotting.PALE, linewidth=0.8, zorder=0)
    axes.axvline(0, color=plotting.PALE, linewidth=0.8, zorder=0)
