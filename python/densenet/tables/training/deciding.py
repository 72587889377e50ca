"""What is settled about classes beside the training: their weights, a rare one's threshold."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from densenet._typing import Array
from densenet.tables.cells import index_of
from densenet.tables.encoding.targets import Classes, Target, Values
from densenet.tables.table import Table
from densenet.tables.training.monitors import rule_of
from densenet.tables.training.settings import Settings
from densenet.tables.training.thresholds import best_threshold

__all__ = ["check_decisions", "weights_of", "with_threshold", "without_absent"]


def check_decisions(settings: Settings, target: Target, held: Sequence[Array]) -> None:
    """Check before training what is to be decided by the rows held out.

    Parameters
    ----------
    settings : Settings
    target : Classes or Values
    held : sequence of arrays of shape (rows,)
        The targets that each network holds out; empty if no rows are held out.

    Raises
    ------
    ValueError
        If the monitor, patience, calibration or a threshold does not fit the target or the rows
        held out.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Classes, Settings
    >>> from densenet.tables.training.deciding import check_decisions
    >>> genre = Classes("genre", ("Pop", "Rock"))
    >>> check_decisions(Settings("genre", threshold="auto"), genre, [np.array([0, 0])])
    Traceback (most recent call last):
    ValueError: threshold: expected rows of both classes held out, got none of one
    """
    rule_of(target, settings.monitor)
    classes = target.outputs if isinstance(target, Classes) else 0
    if settings.calibrate and not classes:
        raise ValueError(f"calibrate: expected classes, but {target.column!r} has values")
    for name in "monitor", "patience", "calibrate":
        if getattr(settings, name) and not held:
            raise ValueError(f"{name}: expected rows held out, got none: give them or a share")
    if settings.threshold is not None and classes != 2:
        got = f"{classes} classes" if classes else "values"
        raise ValueError(f"threshold: expected a target of two classes, got {got}")
    if (
        settings.threshold == "auto"
        and len({each for targets in held for each in set(targets)}) < 2
    ):
        raise ValueError("threshold: expected rows of both classes held out, got none of one")


def weights_of(settings: Settings, target: Target, counts: Array) -> Array | None:
    """Give the weight of each class, (classes,); None if they have none.

    Parameters
    ----------
    settings : Settings
    target : Classes or Values
    counts : integer array of shape (classes,)
        The training rows of each class; of values they are not looked at.

    Raises
    ------
    ValueError
        If a class is named that there is not, or twice, a class to balance has no rows, all weights
        are 0, or the target has values.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Classes, Settings
    >>> from densenet.tables.training.deciding import weights_of
    >>> settings = Settings("genre", class_weight="balanced")
    >>> weights_of(settings, Classes("genre", ("Pop", "Rock")), np.array([3, 1])).round(2)
    array([0.67, 2.  ])
    """
    given = settings.class_weight
    if given is None:
        return None
    if isinstance(target, Values):
        raise ValueError(f"class_weight: expected classes, but {target.column!r} has values")
    if isinstance(given, str):
        if not counts.all():
            absent = target.values[int(np.argmin(counts))]
            raise ValueError(f"class_weight: expected rows of each class, got none of {absent!r}")
        return int(counts.sum()) / (target.outputs * counts)
    index = index_of(target.values)
    unknown = [name for name in given if index(name) < 0]
    if unknown:
        expected = ", ".join(map(repr, target.values[:6])) + (", ..." if target.outputs > 6 else "")
        raise ValueError(f"class_weight: expected classes of {expected}, got {unknown[0]!r}")
    weights = np.ones(target.outputs)
    names: dict[int, str] = {}
    for name, weight in given.items():
        same = names.setdefault(index(name), name)
        if same != name:
            raise ValueError(
                f"class_weight: expected each class once, got {same!r} and {name!r}, which are one"
            )
        weights[index(name)] = weight
    if not weights.any():
        raise ValueError("class_weight: expected a weight above 0 for any class, got none")
    return weights


def without_absent(settings: Settings, target: Target, table: Table) -> Settings:
    """Take the weights of classes from the settings that a part of the rows does not have.

    Parameters
    ----------
    settings : Settings
    target : Classes or Values
        Of all rows. What the settings weigh that is no class of it stays, to be refused.
    table : Table
        The part.

    Examples
    --------
    >>> from densenet.tables import Classes, Settings, Table
    >>> from densenet.tables.training.deciding import without_absent
    >>> settings = Settings("genre", class_weight={"Folk": 5, "Rock": 2})
    >>> part = Table.from_columns({"genre": ["Rock", "Pop"]})
    >>> without_absent(settings, Classes("genre", ("Folk", "Pop", "Rock")), part).class_weight
    {'Rock': 2.0}
    """
    given = settings.class_weight
    if not isinstance(given, Mapping) or not isinstance(target, Classes):
        return settings
    index = index_of(target.values)
    places, _ = target.places(table)
    there = {-1, *places.tolist()}
    kept = {name: weight for name, weight in given.items() if index(name) in there}
    return replace(settings, class_weight=kept)


def with_threshold(
    target: Classes,
    threshold: float | Literal["auto"],
    counts: Array,
    judged: tuple[Array, Array] | None,
) -> Classes:
    """Give the target a threshold for the rarer of its two classes.

    Parameters
    ----------
    target : Classes
    threshold : float or "auto"
    counts : integer array of shape (2,)
        The training rows of each class, which tell the rarer one.
    judged : pair of arrays of shape (rows, 2) and (rows,)
        Probabilities and classes of the rows held out; needed for "auto".

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Classes
    >>> from densenet.tables.training.deciding import with_threshold
    >>> with_threshold(Classes("y", ("a", "b")), 0.2, np.array([2, 1]), None).threshold
    (1, 0.2)
    """
    rare = int(np.argmin(counts))
    if threshold == "auto":
        assert judged, "checked before training"
        outputs, held = judged
        threshold = best_threshold(outputs[:, rare], held == rare)
    return replace(target, threshold=(rare, threshold))
