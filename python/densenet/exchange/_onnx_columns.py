"""Encodings of a table's columns as nodes of ONNX: one function for each kind of column.

Neighbours of one kind are encoded together: their cells become one matrix, whose columns are
repeated for their features, and one formula with a constant for each feature does the rest.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import compress
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from densenet.exchange.onnx import Graph
from densenet.reference import pieces
from densenet.tables.encoding import columns, dates
from densenet.tables.encoding.columns import Categories, Numbers
from densenet.tables.encoding.dates import Dates
from densenet.tables.encoding.pieces import PiecewiseLinear


def _numbers(graph: Graph, cells: str, parts: Sequence[Numbers]) -> str:
    add = graph.add
    fill, mean, scale = (_each(parts, name) for name in ("fill", "mean", "scale"))
    filled = add("Where", add("IsNaN", cells), fill, cells)
    deviations = add("Div", add("Sub", filled, mean), scale)
    return _clipped(graph, deviations, columns.FURTHEST)


def _pieces(graph: Graph, cells: str, parts: Sequence[PiecewiseLinear]) -> str:
    """Append features of three sorts, each for all columns at once, and put them in order."""
    add = graph.add
    missing = add("IsNaN", cells)
    filled = add("Where", missing, _each(parts, "fill"), cells)
    halves = add("Mul", filled, np.array(0.5))  # so that no difference overflows
    widths = [len(part.edges) - 1 for part in parts]
    at = range(len(parts))
    sorts = [
        (_whole, halves, [int(width > 1) for width in widths], 0),
        (_shares, halves, widths, 1),
        (_gaps, missing, [int(part.gaps) for part in parts], 2),
    ]
    features, places = [], []
    for make, values, counts, place in sorts:
        if any(counts):
            some = list(compress(parts, counts))
            features.append(make(graph, _spread(graph, values, counts), some))
            places += [(int(i), place) for i in np.repeat(at, counts)]
    return _in_order(graph, features, places)


def _whole(graph: Graph, halves: str, parts: Sequence[PiecewiseLinear]) -> str:
    """Append ``z / √(1 + (z / 3)²)`` with ``z = (x - center) / scale``."""
    add = graph.add
    center, scale = (_each(parts, name) / 2 for name in ("center", "scale"))
    z = _clipped(graph, add("Div", add("Sub", halves, center), scale), pieces.FURTHEST)
    third = add("Div", z, np.array(3.0))
    return add("Div", z, add("Sqrt", add("Add", add("Mul", third, third), np.array(1.0))))


def _shares(graph: Graph, halves: str, parts: Sequence[PiecewiseLinear]) -> str:
    """Append the share of each piece that lies below x."""
    edges = [np.array(part.edges) / 2 for part in parts]
    starts = np.concatenate([edge[:-1] for edge in edges])
    widths = np.concatenate([np.diff(edge) for edge in edges])
    shares = graph.add("Div", graph.add("Sub", halves, starts), widths)
    return graph.add("Clip", shares, np.array(0.0), np.array(1.0))


def _gaps(graph: Graph, missing: str, parts: Sequence[PiecewiseLinear]) -> str:
    return graph.cast(missing, np.float64)


def _dates(graph: Graph, cells: str, parts: Sequence[Dates]) -> str:
    add = graph.add
    missing = add("IsNaN", cells)
    fill, mean, scale = (_each(parts, name) for name in ("fill", "mean", "scale"))
    days = _clipped(graph, add("Where", missing, fill, cells), dates.FURTHEST_DAY)
    deviations = add("Div", add("Sub", days, mean), scale)
    features = [_clipped(graph, deviations, columns.FURTHEST)]
    places = [(i, 0) for i in range(len(parts))]
    for cycle, place in _CYCLES.items():
        those = [i for i, part in enumerate(parts) if cycle in part.cycles]
        if those:
            counts = [int(cycle in part.cycles) for part in parts]
            share = place(graph, _spread(graph, days, counts))
            angle = add("Mul", share, np.array(2 * math.pi))
            # A quarter of a turn ahead: onnxruntime 1.23 has no Cos of float64.
            ahead = add("Add", angle, np.array(math.pi / 2))
            gaps = _spread(graph, missing, counts)
            for offset, place_in_circle in enumerate((angle, ahead), 1):
                features.append(add("Where", gaps, np.array(0.0), add("Sin", place_in_circle)))
                places += [(i, 2 * parts[i].cycles.index(cycle) + offset) for i in those]
    flags = [int(part.missing) for part in parts]
    if any(flags):
        features.append(graph.cast(_spread(graph, missing, flags), np.float64))
        places += [(i, 2 * len(dates.CYCLES) + 1) for i in compress(range(len(parts)), flags)]
    return _in_order(graph, features, places)


def _of_year(graph: Graph, days: str) -> str:
    """Append the share of its year that has passed, for days since 1970.

    A year has 365.2425 days on average, and none begins two days later than this makes it begin.
    """
    add = graph.add
    early = add("Div", add("Add", days, np.array(_DAYS_BEFORE_1970 - 2.0)), np.array(365.2425))
    year = add("Floor", early)  # of those since year 1, the right one or the one before
    following = add("Add", year, np.array(1.0))
    is_over = graph.cast(add("GreaterOrEqual", days, _new_year(graph, following)), np.float64)
    year = add("Add", year, is_over)
    begin, end = _new_year(graph, year), _new_year(graph, add("Add", year, np.array(1.0)))
    return add("Div", add("Sub", days, begin), add("Sub", end, begin))


def _new_year(graph: Graph, years: str) -> str:
    """Append days from 1970 to the beginning of a year, given as years since year 1."""
    add = graph.add
    leaps = [add("Floor", add("Div", years, np.array(every))) for every in (4.0, 100.0, 400.0)]
    leap_days = add("Add", add("Sub", leaps[0], leaps[1]), leaps[2])
    days = add("Add", add("Mul", years, np.array(365.0)), leap_days)
    return add("Sub", days, np.array(float(_DAYS_BEFORE_1970)))


def _of_week(graph: Graph, days: str) -> str:
    """Append the share of its week that has passed before a day: 1970 began on a Thursday."""
    add, seven = graph.add, np.array(7.0)
    since_monday = add("Add", add("Floor", days), np.array(3.0))
    weeks = add("Floor", add("Div", since_monday, seven))
    return add("Div", add("Sub", since_monday, add("Mul", weeks, seven)), seven)


def _of_day(graph: Graph, days: str) -> str:
    return graph.add("Sub", days, graph.add("Floor", days))


_DAYS_BEFORE_1970 = 719_162  # since the beginning of year 1
_CYCLES = {"year": _of_year, "week": _of_week, "day": _of_day}


def _categories(graph: Graph, cells: str, parts: Sequence[Categories]) -> str:
    codes = [[*range(len(part.values)), *([-1] if part.others else [])] for part in parts]
    spread = _spread(graph, cells, list(map(len, codes)))
    return graph.add("Equal", spread, np.concatenate(codes, dtype=np.int64))


def _spread(graph: Graph, values: str, counts: Sequence[int]) -> str:
    """Append the repetition of each column of a matrix, as often as `counts` says.

    A matrix of one column is left alone, as it meets the constants of all its features.
    """
    if len(counts) == 1 or set(counts) == {1}:
        return values
    return graph.add("Gather", values, np.repeat(np.arange(len(counts)), counts), axis=1)


def _in_order(graph: Graph, features: list[str], places: list[tuple[int, int]]) -> str:
    """Join blocks of features and sort their columns by places: the part, and where in it."""
    joined = graph.add("Concat", *features, axis=1) if len(features) > 1 else features[0]
    order = sorted(range(len(places)), key=places.__getitem__)
    is_sorted = order == list(range(len(order)))
    return joined if is_sorted else graph.add("Gather", joined, np.array(order), axis=1)


def _clipped(graph: Graph, values: str, furthest: float) -> str:
    return graph.add("Clip", values, np.array(-float(furthest)), np.array(float(furthest)))


def _each(parts: Sequence[Any], name: str) -> npt.NDArray[np.float64]:
    return np.array([getattr(part, name) for part in parts], np.float64)


class Kind(NamedTuple):
    """How columns of a kind become features.

    Attributes
    ----------
    cells : type
        Of the cells.
    encode : function of (graph, cells, parts)
        Appends what makes features of a matrix of cells, (batch, parts).
    """

    cells: npt.DTypeLike
    encode: Callable[[Graph, str, Any], str]


KINDS: Mapping[type, Kind] = {
    Numbers: Kind(np.float64, _numbers),
    PiecewiseLinear: Kind(np.float64, _pieces),
    Categories: Kind(np.int64, _categories),
    Dates: Kind(np.float64, _dates),
}
"""Each kind of column that can be exported."""
