"""What a model makes of its columns: their importance, and how predictions depend on one.

Both ask the model for predictions of rows in which the cells of one column are replaced by cells of
other rows, so a column is changed as a whole, however many features it becomes.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet.tables.encoding.columns import Categories, Rows
from densenet.tables.encoding.dates import Dates, years
from densenet.tables.encoding.features import Features
from densenet.tables.encoding.targets import Classes
from densenet.tables.looking.shuffling import Asked
from densenet.tables.model import TableModel
from densenet.tables.table import Table, as_table
from densenet.tables.training.fitted import Fitted

__all__ = [
    "Dependence",
    "Importance",
    "Importances",
    "importances_of",
    "partial_dependence",
    "permutation_importance",
]

_MOST_FEATURES = 500_000_000
"""The most features of all rows that importance is computed from: a few seconds of predictions."""
_LEAST_ROWS = 50
_MOST_ROWS = 2000
_MOST_REPEATS = 1000
_LEAST_SHARE = 0.05
"""The share of the numbers below the least that predictions are asked for: it is no outlier."""


class Importance(NamedTuple):
    """How much worse a model predicts without what one column tells.

    Attributes
    ----------
    column : str
    loss : float
        The mean over several shuffles of the loss with the column's cells shuffled, minus the loss
        without.
    spread : float
        The standard deviation over the shuffles.
    score : float
        The mean by which the score falls.

    Examples
    --------
    >>> from densenet.tables.looking.importance import Importance
    >>> Importance("age", 0.25, 0.01, 0.125).column
    'age'
    """

    column: str
    loss: float
    spread: float
    score: float


class Importances(NamedTuple):
    """The importance of every column that a model reads.

    Attributes
    ----------
    columns : tuple of Importance
        The most important one first.
    rows, repeats : int
        The rows that were predicted, and how often each column was shuffled.
    score : "accuracy" or "r2"
        What ``Importance.score`` is a difference of.

    Examples
    --------
    >>> from densenet.tables.looking.importance import Importances
    >>> Importances((), 2000, 5, "r2").rows
    2000
    """

    columns: tuple[Importance, ...]
    rows: int
    repeats: int
    score: str


def permutation_importance(
    model: TableModel, table: Table, *, repeats: int = 5, most_rows: int = _MOST_ROWS, seed: int = 0
) -> Importances:
    """Shuffle the cells of each column in turn, and tell how much worse the predictions become.

    A column whose cells others repeat appears less important than it is: the model reads the
    others. See Breiman, "Random Forests", 2001, and Fisher, Rudin and Dominici, "All Models are
    Wrong, but Many are Useful", 2019.

    Parameters
    ----------
    model : TableModel
    table : Table
        Rows with their targets, better not those that were trained on.
    repeats : int
        How often each column is shuffled, at most 1000 times.
    most_rows : int
        Of more rows so many are drawn. There are fewer where columns or features are many, so that
        it takes seconds.
    seed : int
        Decides which rows are drawn, and how they are shuffled.

    Returns
    -------
    Importances

    Raises
    ------
    ValueError
        If a column is missing, no row has a target, or an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.looking.importance import permutation_importance
    >>> rng = np.random.default_rng(0)
    >>> useful, noise = rng.normal(size=(2, 200))
    >>> rows = {"noise": noise, "useful": useful, "y": 3 * useful}
    >>> fitted = fit(Table.from_columns(rows), Settings("y"))
    >>> found = permutation_importance(fitted.model, fitted.judged_rows[0])
    >>> [(one.column, one.loss > 1) for one in found.columns], found.rows
    ([('useful', True), ('noise', False)], 40)
    """
    _checks.instance("model", model, TableModel, "a TableModel")
    as_table(table)
    repeats = _checks.count("repeats", repeats, most=_MOST_REPEATS)
    most_rows = _checks.count("most_rows", most_rows)
    rng = np.random.default_rng(_checks.count("seed", seed, 0))
    columns, width = model.features.columns, model.features.width
    affordable = _MOST_FEATURES // (len(columns) * repeats * width)
    table = table.take(_some(len(table), min(most_rows, max(_LEAST_ROWS, affordable)), rng))
    asked = Asked(model, table)
    before = asked.judged([(columns[0], np.arange(len(table))[np.newaxis])])
    order = np.tile(np.arange(len(table)), (repeats, 1))
    after = asked.judged((column, rng.permuted(order, axis=1)) for column in columns)
    rises = after.reshape(len(columns), repeats, 2) - before
    means, spreads = rises.mean(axis=1).tolist(), rises.std(axis=1).tolist()
    found = [
        Importance(column, loss, spread, -score)
        for column, (loss, score), (spread, _) in zip(columns, means, spreads, strict=True)
    ]
    found.sort(key=lambda one: -one.loss)
    score = "accuracy" if isinstance(model.target, Classes) else "r2"
    return Importances(tuple(found), len(table), repeats, score)


def importances_of(fitted: Fitted, *, seed: int = 0) -> Importances:
    """Compute the importance of columns for a model that was just trained.

    Of several networks, each predicts rows that it held out, and means are over the networks.

    Parameters
    ----------
    fitted : Fitted
    seed : int
        As for `permutation_importance`.

    Returns
    -------
    Importances

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.looking.importance import importances_of
    >>> x = np.linspace(-1, 1, 200)
    >>> fitted = fit(Table.from_columns({"x": x, "y": 3 * x}), Settings("y", nets=2))
    >>> importances_of(fitted).rows
    80
    """
    model, parts = fitted.model, fitted.judged_rows
    models = [replace(model, networks=(network,)) for network in model.networks]
    if len(parts) < len(models):  # rows that all networks predict
        models = [model]
    most = -(-_MOST_ROWS // len(models))
    each = [
        permutation_importance(one, rows, most_rows=most, seed=seed)
        for one, rows in zip(models, parts, strict=True)
    ]
    by_column = [{one.column: one for one in found.columns} for found in each]
    columns = [
        Importance(name, *np.mean([one[name][1:] for one in by_column], axis=0).tolist())
        for name in by_column[0]
    ]
    columns.sort(key=lambda one: -one.loss)
    rows = sum(found.rows for found in each)
    return Importances(tuple(columns), rows, each[0].repeats, each[0].score)


class Dependence(NamedTuple):
    """What a model predicts on average where all rows have the same cell in one column.

    Attributes
    ----------
    column : str
    cells : list of str
        The cells, as the table writes them.
    numbers : array of shape (cells,), or None
        The cells as numbers, ascending, those of dates as years; None for categories, of which the
        most frequent is first.
    predictions : array of shape (cells, outputs)
        The mean probability of each class, or the mean value in the target's unit.
    rows : int
        How many rows were predicted for each cell.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.looking.importance import Dependence
    >>> Dependence("pet", ["cat", "dog"], None, np.array([[1.5], [2.5]]), 100).cells
    ['cat', 'dog']
    """

    column: str
    cells: list[str]
    numbers: npt.NDArray[np.float64] | None
    predictions: npt.NDArray[np.float64]
    rows: int


def partial_dependence(
    model: TableModel,
    table: Table,
    column: str,
    *,
    most_cells: int = 20,
    most_rows: int = 1000,
    seed: int = 0,
) -> Dependence:
    """Predict all rows with the same cell in one column, for several such cells.

    The cells are all numbers of a column or, of many, quantiles from 5 to 95 per cent; or the most
    frequent categories. Where columns hang together it asks for rows that do not occur. See
    Friedman, "Greedy Function Approximation", 2001.

    Parameters
    ----------
    model : TableModel
    table : Table
    column : str
        A column that the model reads.
    most_cells : int
        The most cells to try.
    most_rows : int
        Of more rows so many are drawn.
    seed : int
        Decides which rows are drawn.

    Returns
    -------
    Dependence

    Raises
    ------
    ValueError
        If the model does not read the column, a column is missing, the table has no rows, or an
        argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.looking.importance import partial_dependence
    >>> x = np.linspace(-1, 1, 200)
    >>> fitted = fit(Table.from_columns({"x": x, "y": 3 * x}), Settings("y"))
    >>> found = partial_dependence(fitted.model, fitted.judged_rows[0], "x", most_cells=2)
    >>> found.numbers.round(1).tolist(), found.predictions[:, 0].round().tolist()
    ([-0.9, 0.9], [-3.0, 3.0])
    """
    _checks.instance("model", model, TableModel, "a TableModel")
    as_table(table)
    parts = {part.column: part for part in model.features.parts}
    if _checks.text("column", column) not in parts:
        raise ValueError(f"column: expected one that the model reads, got {column!r}")
    table.require(model.features.columns)
    if not len(table):
        raise ValueError(f"{table.source}: expected rows, got none")
    most_cells = _checks.count("most_cells", most_cells)
    most_rows = _checks.count("most_rows", most_rows)
    rng = np.random.default_rng(_checks.count("seed", seed, 0))
    part = parts[column]
    if isinstance(part, Categories) or table.missing(column).all():
        rows, numbers = _frequent(table, column, most_cells), None
    else:
        if isinstance(part, Dates):
            numbers = years(table, column, part.format)
        else:
            numbers = table.numbers(column)
        rows, numbers = _quantiles(numbers, most_cells)
    cells = table.names(column)[rows].tolist()
    chosen = _some(len(table), most_rows, rng)
    # The rows that are predicted, and after them those that have the cells to try.
    table = table.take(np.concatenate([chosen, rows]))
    model = _remembering(model, table)
    predictions = []
    for place in range(len(chosen), len(table)):
        changed = table.with_cells(column, np.full(len(table), place))
        if isinstance(model.target, Classes):
            outputs = model.predict_proba(changed)
        else:
            outputs = np.asarray(model.predict(changed))[:, np.newaxis]
        predictions.append(outputs[: len(chosen)].mean(axis=0, dtype=np.float64))
    return Dependence(column, cells, numbers, np.array(predictions), len(chosen))


def _frequent(table: Table, column: str, most: int) -> list[int]:
    """Give for each of the most frequent categories the first row that has it."""
    keys = table.keys(column)
    first = {key: row for row, key in reversed(list(enumerate(keys)))}
    counts = Counter(keys)
    return [first[key] for key in sorted(counts, key=lambda key: (-counts[key], key))[:most]]


def _quantiles(
    numbers: npt.NDArray[np.float64], most: int
) -> tuple[list[int], npt.NDArray[np.float64]]:
    """Give rows whose numbers are all that there are or, of many, quantiles at even distances."""
    values, first = np.unique(numbers, return_index=True)
    known = values == values
    if known.sum() <= most:
        return first[known].tolist(), values[known]
    order = np.argsort(numbers, kind="stable")[: int(np.sum(numbers == numbers))]  # NaN is last
    places = np.linspace(_LEAST_SHARE, 1 - _LEAST_SHARE, most) * (len(order) - 1)
    rows = order[np.rint(places).astype(int)]
    values, first = np.unique(numbers[rows], return_index=True)
    return rows[first].tolist(), values


def _some(count: int, most: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Draw at most so many of the numbers below `count`, ascending."""
    return np.sort(rng.permutation(count)[:most])


@dataclass(frozen=True)
class _Remembering(Features):
    """Features that encode again only those columns in which a table differs from a known one."""

    table: Table = None  # type: ignore[assignment]
    held: Rows = None  # type: ignore[assignment]
    ends: Mapping[str, int] = None  # type: ignore[assignment]

    def transform(self, table: Table) -> Rows:
        if len(table) != len(self.table):
            return super().transform(table)
        features: Rows = self.held.copy()
        for part in self.parts:
            if not table.shares(part.column, self.table):
                changed = part.transform(table)
                end = self.ends[part.column]
                features[:, end - changed.shape[1] : end] = changed
        return features

    def encoded(self, table: Table) -> Rows:
        return self.transform(table)


def _remembering(model: TableModel, table: Table) -> TableModel:
    """Give a model that has encoded a table already."""
    features = model.features
    known = {setting.name: getattr(features, setting.name) for setting in fields(Features)}
    widths = [part.width for part in features.parts]
    remembering = _Remembering(
        **known,
        table=table,
        held=features.transform(table),
        ends=dict(zip(features.columns, np.cumsum(widths).tolist(), strict=True)),
    )
    return replace(model, features=remembering)
