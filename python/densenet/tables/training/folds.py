"""Cross-validation of a table: each part of its rows is predicted by a model of the others."""

from dataclasses import replace

import numpy as np

from densenet import _checks
from densenet.tables.encoding.ids import find_ids
from densenet.tables.encoding.targets import fit_target, infer_task
from densenet.tables.table import Table, as_table
from densenet.tables.training.deciding import without_absent
from densenet.tables.training.fitting import fit
from densenet.tables.training.holding_out import divide
from densenet.tables.training.settings import Settings

__all__ = ["cross_validate"]


def cross_validate(
    table: Table, settings: Settings, folds: int = 5, *, progress: bool = False
) -> dict[str, list[float]]:
    """Score a training run on rows that it has not seen, with every row once among them.

    The rows are divided into folds, as evenly by target as rows are held out; those of one id stay
    together. Which columns name the rows is decided by all rows, as in `fit`. For each fold a model
    is trained on the others, where some rows are held out as in `fit`, and its predictions of the
    fold are scored. A weight of a class that the others lack has no effect there.

    Parameters
    ----------
    table : Table
    settings : Settings
    folds : int
        At least 2.
    progress : bool
        True shows a progress bar for each model.

    Returns
    -------
    dict of str to list of float
        For each score of `TableModel.score` that of each fold.

    Raises
    ------
    ValueError
        If there are fewer rows, or ids, than folds; also all that `fit` raises.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables import Settings, Table, cross_validate
    >>> x = np.linspace(-1, 1, 200)
    >>> sign = np.where(x > 0, "plus", "minus")
    >>> scores = cross_validate(Table.from_columns({"x": x, "sign": sign}), Settings("sign"), 4)
    >>> len(scores["accuracy"]), min(scores["accuracy"]) > 0.9
    (4, True)
    """
    folds = _checks.count("folds", folds, 2)
    _checks.instance("settings", settings, Settings, "Settings")
    table, settings = _with_ids(as_table(table), settings)
    table = table.take(np.flatnonzero(~table.missing(settings.target)))
    if settings.task == "auto":
        settings = replace(settings, task=infer_task(table, settings.target))
    target = fit_target(table, settings.target, settings.task)
    part = divide(table, settings, settings.task, folds)
    each = []
    for fold in range(folds):
        others = table.take(np.flatnonzero(part != fold))
        chosen = without_absent(settings, target, others)
        model = fit(others, chosen, progress=progress).model
        each.append(model.score(table.take(np.flatnonzero(part == fold))).scores)
    return {name: [scores[name] for scores in each] for name in each[0]}


def _with_ids(table: Table, settings: Settings) -> tuple[Table, Settings]:
    """Decide by all rows which columns name them, so that each fold's model reads the same ones."""
    known = {settings.target, settings.id, settings.weight}
    known |= {*settings.ignore, *settings.text, *settings.numbers}
    open_ = [name for name in table.columns if name not in known]
    table = replace(table, unnamed={**table.unnamed, **find_ids(table, open_)})
    numbers = [
        name
        for name in open_
        if not (name in table.unnamed or name in table.date_guesses or table.is_text(name))
    ]
    return table, replace(settings, numbers=(*settings.numbers, *numbers))
