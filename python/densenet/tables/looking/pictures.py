"""The picture of a table's model: how training went, and how good it is."""

from typing import TYPE_CHECKING

import numpy as np

from densenet import plotting
from densenet._extras import require
from densenet.metrics import confusion_matrix
from densenet.plotting.style import title
from densenet.tables.encoding.targets import Classes, Target
from densenet.tables.looking.importance import Dependence, Importances
from densenet.tables.looking.wording import clipped, headline, plain, shortened
from densenet.tables.training.fitted import Fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fit_picture"]


def fit_picture(fitted: Fitted, importances: Importances | None = None) -> "Figure":
    """Draw the losses and, for the rows held out, the confusion matrix or the predictions.

    Without rows held out it draws those trained on.

    Parameters
    ----------
    fitted : Fitted
    importances : Importances, optional
        Of its columns; the most important ones are drawn.

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot, which therefore does not show it.

    Raises
    ------
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> from densenet.tables.looking import pictures
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.looking.importance import importances_of
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> fitted = fit(Table.from_columns(rows), Settings("says"))
    >>> found = importances_of(fitted)
    >>> [axes.get_title(loc="left") for axes in pictures.fit_picture(fitted, found).axes]
    ['Loss of smoothed targets', 'Confusion matrix', 'Importance of columns']
    """
    require("the picture", "plot", "matplotlib")
    from matplotlib.figure import Figure

    target = fitted.model.target
    side = 4.5
    if isinstance(target, Classes):
        side = min(max(side, 0.3 * len(target.values) + 1), 9)
    height = max(side, 5.4) if importances else side
    figure = Figure(
        figsize=(6.5 + side, height + 0.6), layout=plotting.spacious(), facecolor="white"
    )
    figure.suptitle(
        plain(headline(fitted)), x=0.01, ha="left", color=plotting.INK, fontsize="x-large"
    )
    grid = figure.add_gridspec(2 if importances else 1, 2, width_ratios=(5, side))
    draw_losses(figure.add_subplot(grid[0, 0]), fitted)
    draw_predictions(figure.add_subplot(grid[:, 1]), fitted)
    if importances:
        draw_importances(figure.add_subplot(grid[1, 0]), importances)
    return figure


def draw_losses(axes: "Axes", fitted: Fitted) -> None:
    """Draw the losses of training and validation over the epochs."""
    epochs = fitted.history.epochs
    losses = {"training": [record["loss"] for record in epochs]}
    if fitted.validation:
        losses["validation"] = [record["val_loss"] for record in epochs]
    plotting.loss_curves(axes, losses)
    title(axes, about_losses(fitted))


def about_losses(fitted: Fitted) -> str:
    """Say which losses `draw_losses` draws; those of a report are of targets as they are."""
    count = len(fitted.histories)
    is_smoothed = fitted.model.facts["settings"]["label_smoothing"] > 0
    what = "Loss of smoothed targets" if is_smoothed else "Loss"
    return what if count == 1 else f"{what}, the first of {count} networks"


def draw_predictions(axes: "Axes", fitted: Fitted, most_rows: int | None = None) -> None:
    """Draw the confusion matrix, or the predicted over the true values of at most so many rows."""
    target, shown = fitted.model.target, fitted.validation or fitted.train
    if isinstance(target, Classes):
        names = [plain(clipped(name)) for name in target.values]
        counts = confusion_matrix(shown.y_true, shown.y_pred, len(names))
        plotting.confusion_matrix(axes, counts, names)
    else:
        every = 1 if most_rows is None else -(-len(shown.y_true) // most_rows)
        plotting.predicted_against_true(axes, shown.y_true[::every], shown.y_pred[::every])


def draw_importances(axes: "Axes", importances: Importances, most: int = 8) -> None:
    """Draw a bar for each of the most important columns: what the loss rises by without it."""
    shown = importances.columns[:most]
    places = range(len(shown))
    rises = [one.loss for one in shown]
    spreads = [one.spread for one in shown]
    axes.barh(places, rises, height=0.62, color=plotting.BLUE)
    axes.errorbar(rises, places, xerr=spreads, fmt="none", ecolor=plotting.INK, elinewidth=1)
    axes.axvline(0, color=plotting.GREY, linewidth=1)
    axes.set_yticks(places, [plain(shortened(one.column, 28)) for one in shown])
    axes.invert_yaxis()
    axes.set_xlabel("rise of the loss when its cells are shuffled", color=plotting.INK)
    axes.grid(axis="x", color=plotting.PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=plotting.INK)
    axes.tick_params(axis="y", labelsize="small")
    more = len(importances.columns) - len(shown)
    title(axes, "Importance of columns" + (f", the first {most} of {most + more}" if more else ""))


def draw_dependence(axes: "Axes", target: Target, found: Dependence) -> None:
    """Draw what is predicted on average, over the cells of a column."""
    if isinstance(target, Classes):
        lines = {plain(clipped(target.values[i])): found.predictions[:, i] for i in _moving(found)}
        said = "mean probability" + (f" of {next(iter(lines))}" if len(lines) == 1 else "")
    else:
        lines, said = {"": found.predictions[:, 0]}, "mean prediction"
    colours = (plotting.BLUE, plotting.ORANGE, plotting.GREY)
    for (name, values), colour in zip(lines.items(), colours, strict=False):
        if found.numbers is None:
            places = range(len(values))
            axes.plot(values, places, "o", color=colour, markersize=6, label=name)
        else:
            axes.plot(found.numbers, values, "o-", color=colour, markersize=3, label=name)
    from matplotlib.ticker import MaxNLocator

    if found.numbers is None:
        cells = [plain(clipped(cell)) if cell else "(missing)" for cell in found.cells]
        axes.set_yticks(range(len(cells)), cells)
        axes.set_ylim(len(cells) - 0.5, -0.5)
        axes.set_xlabel(said, color=plotting.INK)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    else:
        axes.set_ylabel(said, color=plotting.INK)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
    axes.grid(color=plotting.PALE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, labelcolor=plotting.INK)
    if len(lines) > 1:
        axes.legend(
            frameon=False,
            ncols=len(lines),
            loc="lower left",
            bbox_to_anchor=(0, 1),
            borderaxespad=0,
            labelcolor=plotting.INK,
            handlelength=1,
        )


def _moving(found: Dependence, most: int = 3) -> list[int]:
    """Choose the classes whose probability changes most; of two classes the second."""
    spans = np.ptp(found.predictions, axis=0)
    if len(spans) == 2:
        return [1]
    return sorted(np.argsort(-spans, kind="stable")[:most].tolist())
