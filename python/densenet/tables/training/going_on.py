"""Going on from a model with new rows: what the model decides, and what the rows must be."""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import fields, replace
from typing import Any, NamedTuple

import numpy as np

from densenet._typing import Array
from densenet.network import Network
from densenet.tables.encoding.oddities import Oddities
from densenet.tables.encoding.targets import Classes
from densenet.tables.model import TableModel
from densenet.tables.table import Table
from densenet.tables.training.settings import Settings

__all__ = ["DECIDED", "check_rows", "gentler", "network_from", "settings_from", "tables_of"]

DECIDED = (
    "target",
    "id",
    "ignore",
    "text",
    "numbers",
    "missing",
    "present",
    "task",
    "impute",
    "most_categories",
    "pieces",
    "hidden",
    "activation",
    "dropout",
    "label_smoothing",
    "normalization",
    "residual",
    "reduce",
    "nets",
)
"""The settings that a model decides for the training that goes on from it."""

_LR = 0.2  # times the share of rows that are new: of the learning rate of a first training
_MOST_NAMED = 6  # classes that a message names


def settings_from(start: TableModel, settings: Settings) -> Settings:
    """Give the settings of a training that goes on from a model, with all that it decides.

    Parameters
    ----------
    start : TableModel
        Made by `densenet.tables.fit`.
    settings : Settings
        What the model decides has its default, or is what the model has.

    Raises
    ------
    ValueError
        If a setting is another than the model's, or nothing is known of the model's settings.

    Examples
    --------
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.training.going_on import settings_from
    >>> table = Table.from_columns({"x": range(100), "y": ["a", "b"] * 50})
    >>> model = fit(table, Settings("y", hidden=(8,), numbers=("x",), epochs=1)).model
    >>> settings = settings_from(model, Settings("y"))
    >>> settings.hidden, settings.numbers, settings.task
    ((8,), ('x',), 'classification')
    >>> settings_from(model, Settings("y", hidden=(16,)))
    Traceback (most recent call last):
    ValueError: hidden: expected that of the model, (8,), got (16,)
    """
    if not start.facts:
        raise ValueError("start: expected a model that fit made, got one without facts about it")
    known = start.facts["settings"]
    decided = {name: known[name] for name in DECIDED if name in known} | {
        "target": start.target.column,
        "id": start.id,
        "missing": start.missing,
        "present": start.present,
        "task": "classification" if isinstance(start.target, Classes) else "regression",
        "nets": len(start.networks),
    }
    try:
        of_model = replace(settings, **decided)
    except (TypeError, ValueError) as error:
        raise ValueError(f"start: the model's settings are not readable: {error}") from None
    defaults = {field.name: field.default for field in fields(Settings)}
    for name in DECIDED:
        given, expected = getattr(settings, name), getattr(of_model, name)
        if given not in (defaults[name], expected):
            raise ValueError(f"{name}: expected that of the model, {expected!r}, got {given!r}")
    return of_model


def gentler(settings: Settings, start: TableModel, rows: int) -> Settings:
    """Give settings by which so many new rows change a model the less, the more rows it knows.

    The learning rate is a fifth of that of a first training times the share of new rows among all,
    unless it is given. There are as many epochs as training on all rows, old and new, would take.

    Parameters
    ----------
    settings : Settings
    start : TableModel
    rows : int
        New ones.

    Examples
    --------
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.training.going_on import gentler
    >>> table = Table.from_columns({"x": [0.5, 1, 2, 3] * 25, "y": ["a", "b"] * 50})
    >>> model = fit(table, Settings("y", epochs=1)).model
    >>> settings = gentler(Settings("y"), model, 80)
    >>> settings.lr, settings.visits / Settings("y").visits
    (0.0003, 0.5)
    """
    share = rows / (rows + sum(one["training_rows"] for one in tables_of(start)))
    lr = settings.lr
    if lr is None:
        lr = float(f"{_LR * share * settings.highest_lr:.2g}")
    return replace(settings, lr=lr, visits=max(1, round(share * settings.visits)))


def tables_of(model: TableModel) -> list[dict[str, Any]]:
    """Give the ``source`` and ``training_rows`` of each table that a model was trained on, in turn.

    Examples
    --------
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.training.going_on import tables_of
    >>> table = Table.from_columns({"x": [0.5, 1, 2, 3] * 25, "y": ["a", "b"] * 50})
    >>> model = fit(table, Settings("y", epochs=1)).model
    >>> tables_of(fit(table, Settings("y", epochs=1), start=model).model)
    [{'source': 'table', 'training_rows': 80}, {'source': 'table', 'training_rows': 80}]
    """
    facts = model.facts
    last = {name: facts[name] for name in ("source", "training_rows")}
    return [*facts.get("before", []), last]


class Checked(NamedTuple):
    """What `check_rows` found.

    Attributes
    ----------
    said : list of str
        What in the rows is unlike those that the model knows.
    rows : int
    counts : integer array of shape (classes,)
        The rows of each class; empty for values.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.training.going_on import Checked
    >>> Checked([], 3, np.array([1, 2])).rows
    3
    """

    said: list[str]
    rows: int
    counts: Array


def check_rows(start: TableModel, tables: Iterable[Table]) -> Checked:
    """Check rows to go on with, and say what in them is unlike those that the model knows.

    Parameters
    ----------
    start : TableModel
    tables : iterable of Table
        Each row has a target.

    Raises
    ------
    ValueError
        If a column is missing, a cell of a column of numbers is no number, or a target is a class
        that the model does not know, or no number though the model predicts values.

    Examples
    --------
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.training.going_on import check_rows
    >>> rows = {"color": ["red", "blue"] * 50, "y": ["a", "b"] * 50}
    >>> model = fit(Table.from_columns(rows), Settings("y", epochs=1)).model
    >>> check_rows(model, [Table.from_columns({"color": ["red", "pink"], "y": ["a", "a"]})]).said
    ["column 'color': 1 cell of no known category ('pink') taken as none of them", \
"no row has class 'b', which may be forgotten"]
    >>> check_rows(model, [Table.from_columns({"color": ["red", "blue"], "y": ["a", "c"]})])
    Traceback (most recent call last):
    ValueError: table, column 'y': expected classes of the model, 'a', 'b', got 'c': train anew
    """
    target, features = start.target, start.features
    odd = [Oddities()] * len(features.parts)
    unknown: set[str] = set()
    rows, counts, source = 0, np.zeros(0, np.int64), ""
    if isinstance(target, Classes):
        counts = np.zeros(target.outputs, np.int64)
    for table in tables:
        if not len(table):
            continue
        rows, source = rows + len(table), table.source
        odd = [one.plus(other) for one, other in zip(odd, features.oddities(table), strict=True)]
        if isinstance(target, Classes):
            places, names = target.places(table)
            unknown.update(names)
            counts += np.bincount(places, minlength=len(counts))[: len(counts)]
        else:
            target.encode(table)  # refuses what is no number
    if isinstance(target, Classes) and unknown:
        raise ValueError(
            f"{source}, column {target.column!r}: expected classes of the model, "
            f"{_named(target.values)}, got {_named(sorted(unknown))}: train anew"
        )
    told = features.told(odd)
    lines = [f"column {column!r}: {surprise}" for column, surprise in told.items()]
    if isinstance(target, Classes) and not counts.all():
        absent = [name for name, count in zip(target.values, counts, strict=True) if not count]
        lines.append(f"no row has class {_named(absent)}, which may be forgotten")
    return Checked(lines, rows, counts)


def network_from(network: Network) -> Network:
    """Copy a network to train it further; the optimizer begins anew.

    Examples
    --------
    >>> from densenet import Linear, Network, SoftmaxCrossEntropy
    >>> from densenet.tables.training.going_on import network_from
    >>> network = Network([Linear(2, 3)], SoftmaxCrossEntropy(), seed=0)
    >>> other = network_from(network)
    >>> bool((other.flat == network.flat).all()), other.flat is network.flat
    (True, False)
    """
    new = copy(network)
    new.reset_optimizer()
    return new


def _named(names: Sequence[str]) -> str:
    """List names, not too many."""
    more = ", ..." if len(names) > _MOST_NAMED else ""
    return ", ".join(map(repr, names[:_MOST_NAMED])) + more
