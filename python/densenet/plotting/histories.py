"""One figure of a training, or of several side by side: losses by step and epoch, and scores."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.plotting.style import (
    COLORS,
    ORANGE,
    epoch_axis,
    name_ends,
    new_figure,
    score_scale,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@runtime_checkable
class _Records(Protocol):
    """What is drawn of a `History`."""

    batch_loss: list[float]
    epochs: list[dict[str, float]]
    steps_per_epoch: int


def plot_history(history: _Records | Mapping[str, _Records]) -> "Figure":
    """Draw what trainings recorded: losses of steps and epochs, and below them validation scores.

    The loss of each step is a thin line, the mean of each epoch a bold one. The steps of an epoch
    are spread around its number: those of epoch 3 from 2.5 to 3.5. Losses of steps far above those
    of all epochs leave the panel, as the very first ones often are.

    Parameters
    ----------
    history : History or mapping from names to History
        A training, or 1 to 8 to compare by their names. Each has at least one epoch. In a
        comparison each training has a colour, in all panels, and its validation loss is dashed.

    Returns
    -------
    matplotlib.figure.Figure
        The panel of losses and, below, one for each validation score.

    Raises
    ------
    ImportError
        If matplotlib is missing.
    TypeError
        If `history` is neither a History nor a mapping from str to them.
    ValueError
        If a history has no epoch or an epoch no loss, or there are no histories or more than 8.

    Examples
    --------
    >>> from densenet import History
    >>> from densenet.plotting import plot_history
    >>> epochs = [{"loss": 2.3, "val_accuracy": 0.5}, {"loss": 0.9, "val_accuracy": 0.75}]
    >>> adam = History(batch_loss=[2.6, 2.0, 1.1, 0.7], epochs=epochs)
    >>> figure = plot_history(adam)
    >>> [axes.get_title(loc="left") for axes in figure.axes]
    ['Loss of each step (thin) and epoch', 'Validation accuracy']

    Two trainings:

    >>> sgd = History(epochs=[{"loss": 2.4}, {"loss": 1.9}])
    >>> figure = plot_history({"Adam": adam, "SGD": sgd})
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['Adam 0.900', 'SGD 1.900']
    """
    several = isinstance(history, Mapping)
    trainings = _several(history) if isinstance(history, Mapping) else {"": _one(history)}
    every = [record for each in trainings.values() for record in each.epochs]
    named = dict.fromkeys(name for record in every for name in record)
    scores = [name for name in named if name.startswith("val_") and name != "val_loss"]

    figure = new_figure(6.4, 3.4 + 2.8 * len(scores))
    heights = [3.4] + [2.8] * len(scores)
    panels = figure.subplots(len(heights), 1, squeeze=False, height_ratios=heights)[:, 0]
    _losses(panels[0], trainings, several)
    for axes, name in zip(panels[1:], scores, strict=True):
        _scores(axes, trainings, name)
    for axes in panels:
        epoch_axis(axes, max(len(each.epochs) for each in trainings.values()))
        if axes is not panels[-1]:
            axes.set_xlabel("")
    return figure


def _several(histories: Mapping[str, _Records]) -> dict[str, _Records]:
    """Check some histories and their names."""
    if not 1 <= len(histories) <= len(COLORS):
        raise ValueError(
            f"history: expected 1 to {len(COLORS)} trainings to compare, got {len(histories)}"
        )
    for name in histories:
        _checks.instance("history", name, str, "names that are str")
    return {name: _one(each, f"history[{name!r}]") for name, each in histories.items()}


def _one(history: _Records, argument: str = "history") -> _Records:
    """Check a history: it has an epoch, and each epoch a loss."""
    words = "a History" if argument != "history" else "a History, or a mapping from names to some"
    _checks.instance(argument, history, _Records, words)  # type: ignore[type-abstract]
    if not history.epochs:
        raise ValueError(f"{argument}: expected at least one epoch, got none")
    for number, record in enumerate(history.epochs, 1):
        if "loss" not in record:
            raise ValueError(f"{argument}: expected a loss of each epoch, got none of {number}")
    return history


def _column(history: _Records, name: str) -> Array | None:
    """Give what the epochs recorded under a name, NaN where one did not; None where none did."""
    if not any(name in record for record in history.epochs):
        return None
    return np.array([record.get(name, np.nan) for record in history.epochs], np.float64)


def _losses(axes: "Axes", trainings: Mapping[str, _Records], several: bool) -> None:
    """Draw the losses of steps thin, those of epochs bold, and those of validation."""
    ends, of_steps, of_epochs, dashed = [], [], [], False
    for (name, each), color in zip(trainings.items(), COLORS, strict=False):
        if each.batch_loss:
            of_steps.append(_steps(axes, each, color))
        mean, validation = _column(each, "loss"), _column(each, "val_loss")
        assert mean is not None
        _curve(axes, mean, color)
        of_epochs.append(mean)
        if validation is not None:
            dashed = several
            _curve(axes, validation, color if several else ORANGE, "--" if several else "-")
            of_epochs.append(validation)
        if several:
            ends.append((of_epochs[-1][-1], name, color))
        else:
            ends.append((mean[-1], "training", color))
            ends += [] if validation is None else [(validation[-1], "validation", ORANGE)]
    _set_heights(axes, np.concatenate(of_epochs), np.concatenate([*of_steps, []]))
    name_ends(axes, ends, "{:.3f}".format)
    what = "Loss of each step (thin) and epoch" if of_steps else "Loss"
    title(axes, f"{what}, validation dashed" if dashed else what)


def _steps(axes: "Axes", history: _Records, color: str) -> Array:
    """Draw the losses of steps as a thin line, those of an epoch around its number; give them."""
    losses = np.array(history.batch_loss, np.float64)
    in_epoch = max(history.steps_per_epoch, -(-len(losses) // len(history.epochs)))
    at = 0.5 + (np.arange(len(losses)) + 0.5) / in_epoch
    axes.plot(at, losses, color=color, linewidth=0.6, alpha=0.5, zorder=1.5)
    return losses


def _set_heights(axes: "Axes", of_epochs: Array, of_steps: Array) -> None:
    """Show all losses of epochs, and of steps what is at most half as far again from the least."""
    epochs, steps = (losses[np.isfinite(losses)] for losses in (of_epochs, of_steps))
    if not len(epochs):
        return
    low, high = float(np.append(steps, epochs).min()), float(epochs.max())
    high = max(high, min(float(np.append(steps, high).max()), high + 0.5 * (high - low)))
    if low < high:
        axes.set_ylim(low - 0.05 * (high - low), high + 0.05 * (high - low))


def _scores(axes: "Axes", trainings: Mapping[str, _Records], name: str) -> None:
    """Draw a validation score of each training that has it."""
    short = name.removeprefix("val_")
    factor, number = score_scale(axes, short)
    ends = []
    for (label, each), color in zip(trainings.items(), COLORS, strict=False):
        values = _column(each, name)
        if values is not None:
            _curve(axes, factor * values, color)
            ends.append((factor * values[-1], label, color))
    name_ends(axes, ends, number)
    title(axes, f"Validation {short.replace('_', ' ')}")


def _curve(axes: "Axes", values: Array, color: str, style: str = "-") -> None:
    """Draw a bold line over the epochs; a circle where there is one epoch alone."""
    numbers = range(1, len(values) + 1)
    (line,) = axes.plot(numbers, values, style, color=color, linewidth=1.8, fillstyle="none")
    if len(values) == 1:
        line.set_marker("o")
