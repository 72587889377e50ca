"""Predict the time of a step by many ranks from six costs of a machine, and draw it.

    python bench/ranks.py --model ranks.json
    python bench/ranks_model.py ranks.json ranks.png

The first measures the costs, and steps of 1, 2 and 4 ranks; the second draws what the model says of
them and of up to 1,000 ranks. Drawing needs `matplotlib`.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from math import log2
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

_BLUE, _GREY, _RED, _GREEN = "#2166ac", "#7d8590", "#d6604d", "#35978f"
_RANKS = np.unique(np.geomspace(1, 1000, 80).round().astype(int))


class Costs(NamedTuple):
    """What a step's parts cost in seconds, as measured on one and two ranks."""

    fixed: float  # of a gradient, whatever its rows
    row: float  # of a gradient, for each row
    update: float
    latency: float  # of a message
    byte: float  # of a message, for each byte
    sums: float = 0.0  # what a rank does for each message of batch normalisation's, beside sending


class Parts(NamedTuple):
    """The seconds of a step that go into each of its parts."""

    compute: float
    latency: float
    bytes: float


def parts(
    costs: Costs,
    rows: int,
    n_bytes: int,
    ranks: int,
    cores: float = np.inf,
    sums: Sequence[int] = (),
) -> Parts:
    """Predict the parts of a step of `rows` rows on so many ranks, of one thread each.

    ::

        t(p) = max(1, p / cores) (fixed + row n / p + update + m sums)
               + (1 + m) 2 log2(p) latency + 2 (p - 1) / p bytes byte

    A sum over p ranks is a reduction and a distribution of its p pieces, each of which moves all
    but one p-th of the bytes through each rank, in log2(p) messages (Rabenseifner 2004,
    "Optimization of collective reduction operations"). `n_bytes` are those of the gradient, `sums`
    those of each of the m sums before it that batch normalisation needs, of which one rank has
    none.
    """
    shared = sums if ranks > 1 else ()
    mine = costs.fixed + costs.row * rows / ranks + costs.update + len(shared) * costs.sums
    moved = 2 * (ranks - 1) / ranks * (n_bytes + sum(shared)) * costs.byte
    latency = (1 + len(shared)) * 2 * log2(ranks) * costs.latency
    return Parts(max(1.0, ranks / cores) * mine, latency, moved)


def predicted(
    costs: Costs,
    rows: int,
    n_bytes: int,
    ranks: int,
    cores: float = np.inf,
    sums: Sequence[int] = (),
) -> float:
    """Predict the seconds of a step: the sum of its `parts`."""
    return sum(parts(costs, rows, n_bytes, ranks, cores, sums))


def draw(nets: Sequence[Mapping[str, Any]], kind: str, path: Path) -> None:
    """Draw for each network the time of a step against the number of ranks.

    `nets` are what `ranks.py --model` writes, with or without steps that were measured; `kind` is
    "median" or "best".
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5 * len(nets), 4.6), layout="constrained")
    for axes, net in zip(figure.subplots(1, len(nets), squeeze=False)[0], nets, strict=True):
        costs, measured = Costs(**net[kind]["costs"]), net[kind]["measured"]
        given, sums = (costs, net["rows"], net["bytes"]), net.get("sums", ())
        each = 1e6 * np.array([parts(*given, int(n), sums=sums) for n in _RANKS])
        axes.loglog(_RANKS, each.sum(axis=1), color=_BLUE, linewidth=2.2, label="a step")
        looks = zip(Parts._fields, (_GREY, _GREEN, _RED), (":", "--", "-."), strict=True)
        for column, (name, colour, line) in enumerate(looks):
            shown = each[:, column] > 0
            axes.loglog(
                _RANKS[shown], each[shown, column], line, color=colour, linewidth=1.2, label=name
            )
        if here := sorted(map(int, measured)):
            cores = net["cores"]
            values = [1e6 * predicted(*given, n, cores, sums) for n in here]
            axes.plot(here, values, "x", color=_BLUE, label=f"a step on {cores} cores, predicted")
            values = [1e6 * measured[str(n)] for n in here]
            axes.plot(here, values, "o", color="black", markersize=4, label="and measured")
        axes.set_title(f"{net['net'].partition(':')[0]}, batches of {net['rows']}")
        axes.set_xlabel("ranks")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.yaxis.set_minor_formatter("")
        highest = max(each[0].sum(), *(1e6 * seconds for seconds in measured.values()), 0.0)
        axes.set_ylim(max(1.0, each[:, 0].min() / 4), 1.5 * highest)
        axes.grid(color="#e3e7eb")
    first = figure.axes[0]
    first.set_ylabel("µs")
    figure.legend(
        *first.get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False
    )
    figure.savefig(path, dpi=110)


def main() -> int:
    """Read what was measured, and draw it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("measured", type=Path, help="what ranks.py --model has written")
    parser.add_argument("picture", type=Path)
    parser.add_argument("--kind", choices=("median", "best"), default="median")
    given = parser.parse_args()
    draw(json.loads(given.measured.read_text()), given.kind, given.picture)
    return 0


if __name__ == "__main__":
    sys.exit(main())
