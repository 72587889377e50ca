"""What was measured, as tables (Markdown that reads well as it is) and as a picture."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from timing import Timing, micros
from workloads import Net

OURS = ("densenet, fit", "densenet, train_step")
NEAR_LIMIT = 1.2  # a time below so many limits is as good as a target


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Give a Markdown table with aligned columns; all but the first are set right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first = cells[0].ljust(widths[0])
        rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
        return "| " + " | ".join([first, *rest]) + " |"

    rule = "|".join(["-" * (widths[0] + 2), *("-" * (width + 1) + ":" for width in widths[1:])])
    return "\n".join([line(header), f"|{rule}|", *map(line, rows)])


@dataclass
class Result:
    """One net: seconds of a step for each contender, and what the machine could do meanwhile."""

    net: Net
    flops: float
    bandwidth: float
    timings: dict[str, Timing] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)  # of contenders without a time

    @property
    def limit(self) -> float:
        """Seconds of a step at the measured peaks."""
        return self.net.limit(self.flops, self.bandwidth)

    @property
    def best_peer(self) -> str | None:
        """Who is fastest of all others."""
        peers = [name for name in self.timings if name not in OURS]
        return min(peers, key=lambda name: self.timings[name].median, default=None)

    def ratio(self, name: str) -> float | None:
        """How many times as fast as the best peer a contender is."""
        if self.best_peer is None or name not in self.timings:
            return None
        return self.timings[self.best_peer].median / self.timings[name].median

    @property
    def verdict(self) -> str:
        """Whether `fit` reaches its target, and by which of its two ways."""
        ratio = self.ratio(OURS[0])
        if OURS[0] not in self.timings:
            return "not run"
        if self.timings[OURS[0]].median <= NEAR_LIMIT * self.limit:
            slower = ratio is not None and ratio < 1
            return "yes, at the limit" if not slower else "at the limit, but slower than a peer"
        if ratio is None:
            return "no peer"
        if ratio >= self.net.target:
            return "yes"
        return "no" if ratio >= 1 else "no, slower than a peer"


def summary(results: Sequence[Result]) -> str:
    """Give a row for each net: our times, the best peer's, the limit and the target."""
    header = (
        "net",
        "shape",
        "batch",
        "fit µs",
        "train_step µs",
        "best peer",
        "its µs",
        "fit ratio",
        "train_step ratio",
        "limit µs",
        "fit % of limit",
        "target",
        "met",
    )
    rows = []
    for result in results:
        times = [str(result.timings[name]) if name in result.timings else "-" for name in OURS]
        ratios = [result.ratio(name) for name in OURS]
        fit = result.timings.get(OURS[0])
        best = result.best_peer
        rows.append(
            (
                result.net.name,
                result.net.shape,
                str(result.net.batch),
                *times,
                best or "-",
                str(result.timings[best]) if best else "-",
                *("-" if ratio is None else f"{ratio:.2f}x" for ratio in ratios),
                micros(result.limit),
                f"{100 * result.limit / fit.median:.0f} %" if fit else "-",
                f"{result.net.target:g}x",
                result.verdict,
            )
        )
    return table(header, rows)


def contenders(results: Sequence[Result]) -> str:
    """Give a row for each contender, with its time for each net."""
    names = list(dict.fromkeys(n for result in results for n in (*result.timings, *result.notes)))
    rows = [
        [
            name,
            *(
                str(result.timings[name]) if name in result.timings else result.notes.get(name, "-")
                for result in results
            ),
        ]
        for name in names
    ]
    return table(["µs per step", *(result.net.name for result in results)], rows)


def peaks(results: Sequence[Result]) -> str:
    """Give the machine's peaks, as measured between each net's rounds."""
    header = ("net", "MFLOP", "multiply-add peak GFLOP/s", "update KB", "in-place GB/s")
    rows = [
        (
            result.net.name,
            f"{result.net.flop / 1e6:,.2f}",
            f"{result.flops / 1e9:.0f}",
            f"{result.net.parameters * 24 / 1e3:,.0f}",
            f"{result.bandwidth / 1e9:.1f}",
        )
        for result in results
    ]
    return table(header, rows)


# ---- the picture ---------------------------------------------------------------------------------

_BLUE, _GREY, _PALE = "#2166ac", "#7d8590", "#e3e7eb"
_LOOKS = {  # hue for the library, shape for the way to use it
    "densenet, fit": (_BLUE, "o"),
    "densenet, train_step": (_BLUE, "D"),
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


def picture(results: Sequence[Result], path: Path, caption: str) -> None:
    """Draw each net as a row: times relative to the best peer, and the machine's limit."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [result for result in results if result.best_peer]
    figure, axes = plt.subplots(figsize=(10, 2.4 + 0.5 * len(shown)), layout="constrained")
    for row, result in enumerate(shown):
        unit = result.timings[result.best_peer or ""].median
        axes.axhline(row, color=_PALE, linewidth=1, zorder=0)
        for name, timing in result.timings.items():
            colour, marker = _LOOKS.get(name, (_GREY, "."))
            ours = name in OURS
            # The quartiles as a thin line, drawn beneath its mark.
            axes.plot(
                [timing.low / unit, timing.high / unit], [row, row], color=colour, linewidth=1.5
            )
            axes.scatter(
                timing.median / unit,
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
    axes.set_yticks(range(len(shown)), [_label(result.net) for result in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlabel("time of a training step, best peer = 1 (left is faster)")
    figure.suptitle(
        "\n".join(textwrap.wrap(caption, 165)), x=0.01, ha="left", fontsize=8, color=_GREY
    )
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="y", length=0)
    handles = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))
    figure.legend(
        handles.values(), handles.keys(), loc="outside lower center", ncols=5, frameon=False
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)
