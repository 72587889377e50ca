"""What is in a table: its columns, how they hang together, and its two leading components."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet._typing import Array
from densenet.tables.components import principal_components
from densenet.tables.encoding.dates import years
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.ids import find_ids
from densenet.tables.encoding.targets import Task, infer_task
from densenet.tables.looking.associations import correlation_ratio, correlations, cramers_v
from densenet.tables.notes import notes
from densenet.tables.table import Table, as_table

__all__ = ["Association", "Column", "Components", "Exploration", "explore"]

_MOST_ROWS = 10_000
"""The most rows that correlations and components are computed from."""
_MOST_CELLS = 5_000_000
_LEAST_ROWS = 1000
_BINS = 24


class Column(NamedTuple):
    """What is in one column.

    Attributes
    ----------
    name : str
    kind : "numbers", "dates", "categories", "id", "empty" or "unreadable"
        An id names the rows.
    gaps, distinct : int
        How many cells are missing, and how many of the others differ.
    quantiles : tuple of float
        Of numbers: the least, the three quartiles and the greatest. Those of dates are years, or
        hours of a day.
    bins : integer array
        How many numbers are in each of several bins of one width; or how many cells hold each of
        the most frequent categories.
    frequent : list of tuple of str and int
        The most frequent categories, and how many cells hold each.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> table = Table.from_columns({"age": [20, 60, 40, 40], "pet": ["cat", "dog", "cat", ""]})
    >>> age, pet = explore(table).columns
    >>> age.kind, age.distinct, age.quantiles
    ('numbers', 3, (20.0, 35.0, 40.0, 45.0, 60.0))
    >>> pet.gaps, pet.frequent
    (1, [('cat', 2), ('dog', 1)])
    """

    name: str
    kind: str
    gaps: int
    distinct: int
    quantiles: tuple[float, ...]
    bins: Array
    frequent: list[tuple[str, int]]


class Association(NamedTuple):
    """How much a column has to do with the target.

    Attributes
    ----------
    column : str
    strength : float
        From 0 to 1, by `measure`.
    measure : "correlation", "correlation ratio" or "Cramér's V"
        Of two columns of numbers, of numbers and categories, of two columns of categories.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> table = Table.from_columns({"x": [1, 2, 3, 4], "y": [4.5, 3.5, 2.5, 1.5]})
    >>> explore(table, "y", task="regression").associations
    [Association(column='x', strength=1.0, measure='correlation')]
    """

    column: str
    strength: float
    measure: str


class Components(NamedTuple):
    """The two leading principal components of the columns as a network reads them.

    Attributes
    ----------
    rows : integer array of shape (rows,)
        The rows of the table that were drawn.
    places : array of shape (rows, 2)
        Where these rows lie along the components.
    shares : tuple of float
        The share of the features' variance that each explains.
    weights : array of shape (2, features)
        The direction of each, of length 1.
    names : list of str
        Names of the features.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> table = Table.from_columns({"a": [1, 2, 3, 4], "b": [2, 4, 6, 8]})
    >>> [round(share, 3) for share in explore(table).components.shares]
    [1.0, 0.0]
    """

    rows: npt.NDArray[np.intp]
    places: npt.NDArray[np.float64]
    shares: tuple[float, float]
    weights: npt.NDArray[np.float64]
    names: list[str]


class Exploration(NamedTuple):
    """What `explore` finds in a table.

    Attributes
    ----------
    table : Table
    target : str or None
    task : "classification", "regression" or None
        What predicting the target would be.
    columns : list of Column
    numeric : list of str
        The columns of numbers that vary, in the order of the table.
    correlations : array of shape (numeric, numeric)
        Pearson's, NaN where there is none.
    associations : list of Association
        Of the other columns with the target, the strongest first.
    components : Components or None
        None where fewer than two features vary.
    drawn : int
        How many rows correlations, associations and components were computed from.
    notes : list of str
        What may be other than its owner thinks.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> found = explore(Table.from_columns({"n": [5, 3, 1], "pet": ["cat", "dog", "cat"]}), "pet")
    >>> found.task, found.numeric, found.drawn
    ('classification', ['n'], 3)
    """

    table: Table
    target: str | None
    task: Task | None
    columns: list[Column]
    numeric: list[str]
    correlations: npt.NDArray[np.float64]
    associations: list[Association]
    components: Components | None
    drawn: int
    notes: list[str]


def explore(
    table: Table,
    target: str | None = None,
    *,
    task: Task = "auto",
    ignore: Collection[str] = (),
    text: Collection[str] = (),
    seed: int = 0,
) -> Exploration:
    """Look at a table before anything is learned from it.

    Parameters
    ----------
    table : Table
    target : str, optional
        A column that is to be predicted: associations are with it, and it is not among the
        components.
    task : "auto", "classification" or "regression"
        As for `fit_target`.
    ignore, text : collection of str
        Columns to leave out; columns to read as categories even if they hold numbers.
    seed : int
        Decides which rows are drawn where there are many.

    Returns
    -------
    Exploration

    Raises
    ------
    ValueError
        If a column that is named is missing, the table has no rows, or a few cells of a column, at
        most a tenth, are no numbers while the others are.

    Examples
    --------
    >>> from densenet.tables import Table, explore
    >>> rows = {"height": [1.5, 1.7, 1.9, 1.8], "age": [9, 30, 50, 40], "sex": list("fmmf")}
    >>> found = explore(Table.from_columns(rows), "age", task="regression")
    >>> [(one.column, round(one.strength, 2)) for one in found.associations]
    [('height', 1.0), ('sex', 0.0)]
    """
    ignore, text = _checks.texts("ignore", ignore), _checks.texts("text", text)
    wanted = [] if target is None else [_checks.text("target", target)]
    as_table(table).require([*wanted, *ignore, *text])
    _checks.choice("task", task, ("auto", "classification", "regression"))
    rng = np.random.default_rng(_checks.count("seed", seed, 0))
    if not len(table):
        raise ValueError(f"{table.source}: expected rows, got none")
    names = [name for name in [*table.columns, *table.unreadable] if name not in ignore]
    if target is not None and task == "auto":
        task = infer_task(table, target)
    as_texts = set(text) | ({target} if target and task == "classification" else set())
    asked = {*ignore, *text, *wanted}
    ids = find_ids(table, [name for name in table.columns if name not in asked])
    table = replace(table, unnamed={**table.unnamed, **ids})
    columns = [_column(table, name, name in as_texts) for name in names]
    said = notes(table, target or "", task, None, {*ignore, *text})

    rows = np.sort(rng.permutation(len(table))[:_MOST_ROWS])
    some = table.take(rows)
    numeric = [one.name for one in columns if one.kind in ("numbers", "dates") and one.distinct > 1]
    numbers = (
        np.array([_numbers(some, name) for name in numeric]).reshape(len(numeric), len(rows)).T
    )
    matrix = correlations(numbers)
    found = [] if target is None else _associations(some, columns, target, numeric, matrix)
    others = [name for name in names if name != target]
    components = _components(some, others, set(text) - {target}, rng)
    if components is not None:
        components = components._replace(rows=rows[components.rows])
    known = None if target is None else task
    return Exploration(
        table, target, known, columns, numeric, matrix, found, components, len(rows), said
    )


def _column(table: Table, name: str, as_text: bool) -> Column:
    """Look at one column."""
    if name in table.unreadable:
        return Column(name, "unreadable", 0, 0, (), np.zeros(0, int), [])
    missing = table.missing(name)
    gaps = int(missing.sum())
    if missing.all():
        return Column(name, "empty", gaps, 0, (), np.zeros(0, int), [])
    is_date = name in table.date_guesses and not as_text
    if as_text or (not is_date and table.is_text(name)):
        spelt = table.spellings(name)
        counts = Counter(table.keys(name))
        counts.pop("", None)
        frequent = [(spelt[key], count) for key, count in counts.most_common(_BINS)]
        bins = np.array([count for _, count in frequent])
        return Column(name, "categories", gaps, len(counts), (), bins, frequent)
    values = _numbers(table, name)
    values = values[values == values]
    quantiles = 2 * np.quantile(values / 2, (0, 0.25, 0.5, 0.75, 1))  # halves do not overflow
    half = quantiles[-1] / 2 - quantiles[0] / 2
    places = np.zeros(len(values)) if half == 0 else (values / 2 - quantiles[0] / 2) / half
    whole = half < _BINS / 2 and bool(np.all(values == np.rint(values)))
    count = int(2 * half) + 1 if whole else _BINS  # one for each whole number
    bins = np.bincount((places * count).astype(int).clip(0, count - 1), minlength=count)
    distinct = len(np.unique(values))
    kind = "id" if name in table.unnamed else "dates" if is_date else "numbers"
    return Column(name, kind, gaps, distinct, tuple(quantiles.tolist()), bins, [])


def _associations(
    table: Table,
    columns: Sequence[Column],
    target: str,
    numeric: Sequence[str],
    matrix: npt.NDArray[np.float64],
) -> list[Association]:
    """Measure how much each column has to do with the target, in the rows that have one."""
    labelled = table.take(np.flatnonzero(~table.missing(target)))
    groups = None if target in numeric else _codes(labelled, target)
    found = []
    for one in columns:
        if (
            one.name == target
            or one.kind not in ("numbers", "dates", "categories")
            or not len(labelled)
        ):
            continue
        if one.kind != "categories" and groups is None:
            row, column = numeric.index(target), one.name
            r = matrix[row, numeric.index(column)] if column in numeric else np.nan
            strength, measure = abs(float(r)), "correlation"
        elif one.kind != "categories":
            assert groups is not None
            strength = correlation_ratio(groups, _numbers(labelled, one.name))
            measure = "correlation ratio"
        elif groups is None:
            strength = correlation_ratio(_codes(labelled, one.name), labelled.numbers(target))
            measure = "correlation ratio"
        else:
            strength, measure = cramers_v(_codes(labelled, one.name), groups), "Cramér's V"
        if strength == strength:
            found.append(Association(one.name, strength, measure))
    return sorted(found, key=lambda one: -one.strength)


def _numbers(table: Table, column: str) -> npt.NDArray[np.float64]:
    """Give a column's numbers, or its dates as years, NaN where missing."""
    return years(table, column) if column in table.date_guesses else table.numbers(column)


def _codes(table: Table, column: str) -> Array:
    """Give numbers to the categories of a column; missing cells are one of them, (rows,)."""
    keys = table.keys(column)
    codes = {key: i for i, key in enumerate(dict.fromkeys(keys))}
    return np.array([codes[key] for key in keys], np.intp)


def _components(
    table: Table, columns: Sequence[str], text: Collection[str], rng: np.random.Generator
) -> Components | None:
    """Find the two directions in which the rows differ most."""
    try:
        features = Features.fit(table, columns, text=text)
    except ValueError:  # there is nothing to learn from
        return None
    most = max(_LEAST_ROWS, _MOST_CELLS // features.width)
    rows = np.sort(rng.permutation(len(table))[:most])
    x = features.transform(table.take(rows))
    found = principal_components(x)
    if len(found.variances) < 2 or not found.variances[0]:
        return None
    weights = found.directions[:2]
    first, second = (found.variances[:2] / np.sum(found.variances)).tolist()
    places = (x - found.mean) @ weights.T
    return Components(rows, places, (first, second), weights, features.names)
