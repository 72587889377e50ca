"""What ``densenet explore`` tells about a table, in words."""

from pathlib import Path

import numpy as np

from densenet.tables.looking.exploring import Column, Components, Exploration
from densenet.tables.looking.wording import (
    aligned,
    clipped,
    moment_text,
    number_text,
    share_text,
    shortened,
)

__all__ = ["exploration_report", "few_words", "leading", "pairs"]

_MOST_COLUMNS = 60
_MOST_NAMED = 8  # pairs and associations
_MOST_FREQUENT = 4


def exploration_report(found: Exploration) -> str:
    r"""Report a table's columns, how they hang together, and its components.

    Parameters
    ----------
    found : Exploration
        By `densenet.tables.explore`.

    Returns
    -------
    str
        Paragraphs.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> from densenet.tables.looking.exploring_report import exploration_report
    >>> table = Table.from_columns({"age": [20, 60, 40, 41], "pet": ["cat", "dog", "cat", ""]})
    >>> print("\n".join(exploration_report(explore(table)).splitlines()[:4]))
    table: 4 rows, 2 columns
    <BLANKLINE>
      column  kind        gaps       distinct  range, or most frequent
      age     numbers     .                 4  20 … 60, median 40.5
    """
    table, columns = found.table, found.columns
    most = _drawn(found.drawn, len(table))
    paragraphs = [
        [
            f"{Path(table.source).name}: {len(table):,} rows, {len(columns):,} columns",
            *([f"target: {found.target}: {found.task}"] if found.target else []),
            *(f"note: {note}" for note in found.notes),
        ],
        _about_columns(found),
        _associations(found, most),
        _pairs(found, most),
        _components(found.components, len(table)),
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def few_words(column: Column, rows: int, most: int = _MOST_FREQUENT) -> str:
    """Tell a column's range, or its most frequent categories.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> from densenet.tables.looking.exploring_report import few_words
    >>> found = explore(Table.from_columns({"pet": ["cat", "dog", "cat", ""]}))
    >>> few_words(found.columns[0], 4)
    'cat (50%), dog (25%)'
    """
    if column.quantiles:
        least, _, median, _, greatest = column.quantiles
        text = moment_text if column.kind == "dates" else number_text
        if least == greatest:
            return f"always {text(least)}"
        return f"{text(least)} … {text(greatest)}, median {text(median)}"
    named = column.frequent[:most]
    if not named or (named[0][1] == 1 and column.distinct > 2):
        return f"each once, as {clipped(named[0][0])}" if named else ""
    more = ", ..." if column.distinct > len(named) else ""
    return (
        ", ".join(f"{clipped(name)} ({share_text(count / rows)})" for name, count in named) + more
    )


def pairs(found: Exploration) -> list[tuple[float, str, str]]:
    """Give the pairs of columns of numbers, the most correlated first.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> from densenet.tables.looking.exploring_report import pairs
    >>> pairs(explore(Table.from_columns({"a": [1, 2, 3], "b": [-2, -4, -6]})))
    [(-1.0, 'a', 'b')]
    """
    first, second = np.triu_indices(len(found.numeric), 1)
    values = found.correlations[first, second]
    order = np.argsort(-np.abs(np.nan_to_num(values)), kind="stable")
    return [
        (float(values[i]), found.numeric[first[i]], found.numeric[second[i]])
        for i in order.tolist()
        if values[i] == values[i]
    ]


def leading(components: Components, which: int, most: int = 3) -> list[tuple[float, str]]:
    """Give the features that weigh most in a component, with their weights.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> from densenet.tables.looking.exploring_report import leading
    >>> found = explore(Table.from_columns({"a": [1, 2, 3], "b": [2, 4, 6]}))
    >>> [(round(weight, 3), name) for weight, name in leading(found.components, 0)]
    [(0.707, 'a'), (0.707, 'b')]
    """
    weights = components.weights[which]
    order = np.argsort(-np.abs(weights).round(6), kind="stable")[:most].tolist()
    return [(float(weights[i]), components.names[i]) for i in order]


def _drawn(rows: int, of: int) -> str:
    return f", of {rows:,} rows" if rows < of else ""


def _about_columns(found: Exploration) -> list[str]:
    columns, rows = found.columns, len(found.table)
    lines = [("column", "kind", "gaps", "distinct", "range, or most frequent")]
    for one in columns[:_MOST_COLUMNS]:
        gaps = f"{one.gaps:,} ({one.gaps / rows:.1%})" if one.gaps else "."
        words = found.table.unreadable.get(one.name) or few_words(one, rows)
        lines.append((shortened(one.name, 40), one.kind, gaps, f"{one.distinct:,}", words))
    more = len(columns) - _MOST_COLUMNS
    return aligned(lines, "<<<><") + ([f"  and {more:,} more columns"] if more > 0 else [])


def _associations(found: Exploration, most: str) -> list[str]:
    shown = found.associations[:_MOST_NAMED]
    if not shown:
        return []
    return [
        f"most associated with {found.target}, from 0 to 1{most}",
        *aligned(
            [(f"{one.strength:.2f}", shortened(one.column, 40), one.measure) for one in shown], ">"
        ),
    ]


def _pairs(found: Exploration, most: str) -> list[str]:
    shown = pairs(found)[:_MOST_NAMED]
    if not shown:
        return []
    return [
        f"most correlated columns of numbers{most}",
        *aligned([(f"{r:+.2f}", shortened(a, 40), shortened(b, 40)) for r, a, b in shown], ">"),
    ]


def _components(components: Components | None, rows: int) -> list[str]:
    if components is None:
        return []
    most = _drawn(len(components.rows), rows)
    first, second = components.shares
    lines = [
        f"principal components of {len(components.names):,} features: the first two explain "
        f"{first:.1%} and {second:.1%} of the variance{most}"
    ]
    for which in (0, 1):
        names = (
            f"{shortened(name, 40)} {weight:+.2f}" for weight, name in leading(components, which)
        )
        lines.append(f"  {which + 1}: {', '.join(names)}, ...")
    return lines
