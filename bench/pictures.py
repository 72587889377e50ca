"""Pictures of what nets.py and curves.py measured."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from report import Curve, Result
from workloads import Net

_BLUE, _GREY, _PALE = "#2166ac", "#7d8590", "#e3e7eb"
_LOOKS = {  # the colour stands for the library, the marker for the way to use it
    "densenet, fit": (_BLUE, "o"),
    "densenet, train_step": (_BLUE, "D"),
    "densenet, one thread": (_BLUE, "|"),
    "PyTorch, fused Adam": ("#d6604d", "s"),
    "PyTorch, foreach Adam": ("#d6604d", "^"),
    "PyTorch, compiled": ("#d6604d", "v"),
    "JAX, jit a step": ("#35978f", "s"),
    "JAX, jit an epoch": ("#35978f", "o"),
    "scikit-learn": ("#b8860b", "P"),
    "NumPy reference": (_GREY, "X"),
}


def _label(net: Net) -> str:
    return net.name if ":" in net.name else f"{net.name}   {net.shape}:{net.batch}"


def ladder(results: Sequence[Result], path: Path, caption: str) -> None:
    """Draw a row for each net: times relative to its best peer, and the machine's limit.

    Every result must have a peer.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 2.4 + 0.5 * len(results)), layout="constrained")
    axes = figure.subplots()
    for row, result in enumerate(results):
        unit = result.seconds(result.best_peer or "")
        axes.axhline(row, color=_PALE, linewidth=1, zorder=0)
        for name, timing in result.timings.items():
            colour, marker = _LOOKS.get(name, (_GREY, "."))
            ours = name in result.net.ours
            # The quartiles are a thin line beneath the marker.
            axes.plot(
                [timing.low / unit, timing.high / unit], [row, row], color=colour, linewidth=1.5
            )
            axes.scatter(
                result.seconds(name) / unit,
                row,
                s=70 if ours else 34,
                color=colour,
                marker=marker,
                edgecolors="white",
                linewidths=0.6,
                label=name,
                zorder=4 if ours else 3,
            )
        axes.scatter(result.limit / unit, row, s=160, marker="|", color="black", label="limit")
    axes.axvline(1, color=_GREY, linewidth=1, linestyle=":", zorder=1)
    axes.set_xscale("log")
    ticks = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500)
    low, high = axes.get_xlim()
    within = [tick for tick in ticks if low <= tick <= high]
    axes.set_xticks(within, [f"{tick:g}" for tick in within])
    axes.set_xticks([], minor=True)
    axes.set_yticks(range(len(results)), [_label(result.net) for result in results])
    axes.set_ylim(len(results) - 0.5, -0.5)
    axes.set_xlabel("time of a training step, best peer = 1 (left is faster)")
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    _finish(figure, axes, path, caption)


def curves(measured: Sequence[Curve], names: Sequence[str], path: Path, caption: str) -> None:
    """Draw a panel for each curve: medians, the band of their quartiles, the machine's limit."""
    from matplotlib.figure import Figure

    columns = min(2, len(measured))
    rows = -(-len(measured) // columns)
    figure = Figure(figsize=(5.2 * columns, 1 + 3.6 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False)
    for axes in panels.flat[len(measured) :]:
        axes.remove()
    for axes, curve in zip(panels.flat, measured, strict=False):
        for name in names:
            colour, marker = _LOOKS[name]
            values = [v for v, result in curve.points.items() if name in result.timings]
            timings = [curve.points[v].timings[name] for v in values]
            axes.fill_between(
                values,
                [timing.low * 1e6 for timing in timings],
                [timing.high * 1e6 for timing in timings],
                color=colour,
                alpha=0.2,
                linewidth=0,
            )
            medians = [timing.median * 1e6 for timing in timings]
            axes.plot(values, medians, color=colour, marker=marker, markersize=4.5, label=name)
        limits = [result.limit * 1e6 for result in curve.points.values()]
        axes.plot(
            list(curve.points),
            limits,
            color="black",
            linestyle=(0, (4, 3)),
            label="limit",
            zorder=3,
        )
        axes.set_xscale("log", base=2)
        axes.set_xticks(list(curve.points), [f"{value}" for value in curve.points], fontsize=8)
        axes.set_xticks([], minor=True)
        axes.set_yscale("log")
        low, high = np.log10(axes.get_ylim())
        axes.set_ylim(10 ** np.floor(low), 10 ** np.ceil(high))  # whole decades
        axes.yaxis.set_major_formatter("{x:,.10g}")
        axes.set_yticks([], minor=True)
        axes.set_xlabel(curve.variable)
        axes.set_ylabel("µs per step")
        axes.set_title(curve.fixed, loc="left", fontsize="medium")
        axes.grid(color=_PALE, linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
    _finish(figure, panels.flat[0], path, caption)


def _finish(figure: Any, axes: Any, path: Path, caption: str) -> None:
    """Add the caption and the legend of ``axes`` to the figure; save it."""
    width = int(16.5 * figure.get_figwidth())  # letters
    text = "\n".join(textwrap.wrap(caption, width))
    figure.suptitle(text, x=0.01, ha="left", fontsize=8, color=_GREY)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=5, frameon=False
    )
    figure.savefig(path, dpi=150)
