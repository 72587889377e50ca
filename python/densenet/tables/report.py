"""What the command line tells about a table's model: a report in words, and one picture."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from densenet import plotting
from densenet._extras import require
from densenet._rounding import rounded
from densenet.metrics import confusion_matrix
from densenet.tables.columns import Categories
from densenet.tables.dates import Dates
from densenet.tables.features import Features
from densenet.tables.fitting import Fitted
from densenet.tables.model import Evaluation, TableModel
from densenet.tables.monitors import rule_of
from densenet.tables.pieces import PiecewiseLinear
from densenet.tables.targets import TASK_RULES, Classes, Target

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["describe", "fit_report", "folds_report", "picture", "score_report"]

_MOST_CLASSES = 12  # of a matrix that fits a terminal
_MOST_PAIRS = 10  # of classes most often mistaken for each other

_SCORES = {
    "loss": "loss",
    "accuracy": "accuracy",
    "precision": "precision, mean over classes",
    "recall": "recall, mean over classes",
    "f1": "F1, mean over classes",
    "baseline": "accuracy of the most frequent class",
    "r2": "R²",
    "rmse": "root mean squared error",
    "mae": "mean absolute error",
}


# ---- words -------------------------------------------------------------------------------------


def fit_report(fitted: Fitted) -> str:
    r"""Report what was read, how training went and how good the model is.

    Parameters
    ----------
    fitted : Fitted

    Returns
    -------
    str
        Paragraphs: columns, training, scores and, for classes, the confusion matrix.

    Examples
    --------
    >>> from densenet.tables import report
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> fitted = fit(Table.from_columns(rows), Settings("says"))
    >>> print("\n".join(report.fit_report(fitted).splitlines()[-4:]))
    confusion matrix of validation rows (rows true, columns predicted)
            meow  woof
      meow    10     .
      woof     .    10
    """
    model, facts = fitted.model, fitted.model.facts
    scores = {"training": fitted.train.scores}
    if fitted.validation:
        scores["validation"] = fitted.validation.scores
    judged = fitted.validation or fitted.train
    paragraphs = [
        [
            f"{facts['source']}: {facts['training_rows']:,} rows to train on, "
            f"{facts['validation_rows']:,} to validate",
            _about_task(model),
            *_about_columns(model),
            *(f"note: {note}" for note in fitted.notes),
        ],
        [*_about_training(fitted), *_about_network(model)],
        _table_of(scores),
        _confusion(model.target, judged, "validation" if fitted.validation else "training"),
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def folds_report(scores: Mapping[str, Sequence[float]]) -> str:
    """Report the scores of a cross-validation: means over the folds, and their spread.

    Parameters
    ----------
    scores : mapping of str to sequence of float
        What `densenet.tables.folds.cross_validate` gives.

    Returns
    -------
    str

    Examples
    --------
    >>> from densenet.tables import report
    >>> print(report.folds_report({"accuracy": [0.75, 0.85]}))
    2 folds, each predicted by a model of the others: mean and standard deviation
                    mean      spread
    accuracy      80.00%       5.00%
    """
    folds = len(next(iter(scores.values())))
    table = {
        "mean": {name: float(np.mean(each)) for name, each in scores.items()},
        "spread": {name: float(np.std(each)) for name, each in scores.items()},
    }
    about = "each predicted by a model of the others: mean and standard deviation"
    return "\n".join([f"{folds} folds, {about}", *_table_of(table)])


def score_report(model: TableModel, evaluation: Evaluation) -> str:
    """Report how well rows whose target is known were predicted.

    Parameters
    ----------
    model : TableModel
    evaluation : Evaluation

    Returns
    -------
    str
        Paragraphs: what is not as in training, scores and, for classes, the confusion matrix.

    Examples
    --------
    >>> from densenet.tables import report
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> fitted = fit(Table.from_columns(rows), Settings("says"))
    >>> lines = report.score_report(fitted.model, fitted.validation).splitlines()
    >>> lines[2].split()
    ['accuracy', '100.00%']
    """
    notes = []
    if evaluation.unlabelled:
        notes.append(f"note: rows without a target, not scored: {evaluation.unlabelled:,}")
    if evaluation.unknown:
        rows = int(np.sum(evaluation.y_true >= model.target.outputs))
        names = ", ".join(map(_clipped, evaluation.unknown[:_MOST_CLASSES]))
        more = ", ..." if len(evaluation.unknown) > _MOST_CLASSES else ""
        notes.append(
            f"note: rows of classes that training had not ({names}{more}): {rows:,}, which count "
            "as wrong; the loss is of the others"
        )
    paragraphs = [
        notes,
        _table_of({"score": evaluation.scores}),
        _confusion(model.target, evaluation, "these"),
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def describe(model: TableModel) -> str:
    r"""Describe a model: its target, columns, network and training.

    Parameters
    ----------
    model : TableModel

    Returns
    -------
    str
        Paragraphs.

    Examples
    --------
    >>> from densenet.tables import report
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> fitted = fit(Table.from_columns(rows), Settings("says"))
    >>> print("\n".join(report.describe(fitted.model).splitlines()[:2]))
    target: says: 2 classes: meow, woof
    columns: 0 of numbers, 1 of categories; 2 features
    """
    facts = model.facts
    scores = {name: facts[name] for name in ("training", "validation") if facts.get(name)}
    training = []
    if facts:  # a model that `densenet.tables.fitting.fit` made has them
        training = [
            f"trained on {facts['source']} by densenet {facts['densenet']}: "
            f"{facts['training_rows']:,} rows, {facts['validation_rows']:,} to validate, "
            f"{facts['epochs']} epochs, seed {facts['settings']['seed']}",
        ]
    paragraphs = [
        [*_about_columns(model), *training],
        _every_column(model.features),
        [repr(network) for network in model.networks],
        _table_of(scores),
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def _about_training(fitted: Fitted) -> list[str]:
    facts, count = fitted.model.facts, len(fitted.histories)
    seconds = sum(record["seconds"] for each in fitted.histories for record in each.epochs)
    if count > 1:
        return [f"{count} networks in {seconds:.1f} s; each held out other rows"]
    best = ""
    if fitted.validation:
        best = f"; the best is number {_best_epoch(fitted)}, and was kept"
    return [f"{facts['epochs']} epochs in {seconds:.1f} s, ended by: {facts['stopped']}{best}"]


def _best_epoch(fitted: Fitted) -> int:
    """Give the number of the epoch whose weights were kept."""
    settings = fitted.model.facts["settings"]
    weighted = settings["class_weight"] is not None
    rule = rule_of(fitted.model.target, settings["monitor"], weighted)
    scores = np.array([record[rule.monitor] for record in fitted.history.epochs])
    return 1 + int(np.nanargmax(rule.sign * scores))


def _about_columns(model: TableModel) -> list[str]:
    dates = [part for part in model.features.parts if isinstance(part, Dates)]
    categories = sum(isinstance(part, Categories) for part in model.features.parts)
    numbers = len(model.features.parts) - categories - len(dates)
    of_dates = f", {len(dates)} of dates" if dates else ""
    lines = [
        _about_target(model.target),
        f"columns: {numbers} of numbers, {categories} of categories{of_dates}; "
        f"{len(model.features.names)} features",
        *(f"dates: {part.column}: {part.about}" for part in dates),
    ]
    if model.id is not None:
        lines.insert(1, f"id: {model.id}")
    lines += [f"left out: {name}: {reason}" for name, reason in model.features.left_out.items()]
    return lines


def _about_task(model: TableModel) -> str:
    task = "classification" if isinstance(model.target, Classes) else "regression"
    if model.facts["settings"]["task"] != "auto":
        return f"task: {task}"
    return f"task: {task}, as {TASK_RULES[task]} (--task decides otherwise)"


def _about_target(target: Target) -> str:
    if isinstance(target, Classes):
        names = ", ".join(target.values[:_MOST_CLASSES])
        more = ", ..." if len(target.values) > _MOST_CLASSES else ""
        rule = ""
        if target.threshold is not None:
            index, least = target.threshold
            rule = f"; {_clipped(target.values[index])} from a probability of {least:.3g} on"
        return f"target: {target.column}: {len(target.values)} classes: {names}{more}{rule}"
    return f"target: {target.column}: values, {target.mean:.4g} ± {target.scale:.4g}"


def _about_network(model: TableModel) -> list[str]:
    chosen = model.facts["settings"]
    widths = [len(model.features.names), *chosen["hidden"], model.target.outputs]
    of_network = [f"{'-'.join(map(str, widths))}, {chosen['activation']}"]
    if chosen["normalization"]:
        of_network.append(f"{chosen['normalization']} normalization")
    of_network += ["residual"] if chosen["residual"] else []
    of_network += [f"dropout {chosen['dropout']:g}"] if chosen["dropout"] else []
    of_training = [chosen["optimizer"]]
    of_training += [] if chosen["lr"] is None else [f"learning rate {chosen['lr']:g}"]
    of_training += [f"{name} {chosen[name]:g}" for name in ("l1", "l2") if chosen[name]]
    of_training += [f"batches of {chosen['batch_size']}", f"seed {chosen['seed']}"]
    count = len(model.networks)
    which = "network" if count == 1 else f"{count} networks"
    return [f"{which}: {', '.join(of_network)}; {', '.join(of_training)}"]


def _every_column(features: Features) -> list[str]:
    rows = []
    for part in features.parts:
        if isinstance(part, Categories):
            names = [text or "(missing)" for text in part.values]
            shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            others = f"; {part.others:,} rare ones together" if part.others else ""
            rows.append((part.column, f"{len(names)} categories", f"{shown}{others}"))
        elif isinstance(part, PiecewiseLinear):
            about = f"{part.edges[0]:.4g} to {part.edges[-1]:.4g}; {part.fill:.4g} where missing"
            rows.append((part.column, f"{len(part.edges) - 1} pieces", about))
        elif isinstance(part, Dates):
            about = f"{part.spell(part.mean)} ± {part.scale:.4g} days"
            about = f"{about}; {part.spell(part.fill)} where missing"
            rows.append((part.column, "dates", about))
        else:
            about = f"{part.mean:.4g} ± {part.scale:.4g}; {part.fill:.4g} where missing"
            rows.append((part.column, "numbers", about))
    return _aligned(rows)


def _aligned(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    first, second = (max(len(row[i]) for row in rows) for i in (0, 1))
    return [f"  {a:<{first}}  {b:<{second}}  {c}" for a, b, c in rows]


def _table_of(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Write a line for each score and a column for each set of rows, such as training."""
    if not scores:
        return []
    names = list(next(iter(scores.values())))
    width = max(len(_SCORES[name]) for name in names)
    lines = [" " * width + "".join(f"{which:>12}" for which in scores)]
    for name in names:
        values = "".join(f"{_number(name, one[name]):>12}" for one in scores.values())
        lines.append(f"{_SCORES[name]:<{width}}{values}")
    return lines


def _number(name: str, value: float) -> str:
    if name in ("loss", "rmse", "mae"):
        return f"{value:.4g}"
    return rounded(value, 4, "g") if name == "r2" else rounded(value, 2, "%")


def _confusion(target: Target, evaluation: Evaluation, which: str) -> list[str]:
    """Write the confusion matrix of some rows; if it is too wide, the most frequent errors."""
    if not isinstance(target, Classes):
        return []
    names = [_clipped(name) for name in (*target.values, *evaluation.unknown)]
    counts = confusion_matrix(evaluation.y_true, evaluation.y_pred, len(names))
    if len(names) > _MOST_CLASSES:
        wrong = counts * ~np.eye(len(counts), dtype=bool)
        pairs = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
        errors = [divmod(int(pair), len(names)) for pair in pairs]
        errors = [(i, j) for i, j in errors if wrong[i, j]]
        lines = [f"{wrong[i, j]:8,}  {names[i]} -> {names[j]}" for i, j in errors]
        return [f"most frequent errors in {which} rows (true -> predicted)", *lines]
    left = max(map(len, names))
    widths = [2 + max(len(name), len(str(counts.max()))) for name in names]

    def line(first: str, rest: Iterable[object]) -> str:
        padded = (f"{one:>{width}}" for one, width in zip(rest, widths, strict=True))
        return f"  {first:<{left}}" + "".join(padded)

    rows = (
        line(name, [count or "." for count in row])
        for name, row in zip(names, counts.tolist(), strict=True)
    )
    return [
        f"confusion matrix of {which} rows (rows true, columns predicted)",
        line("", names),
        *rows,
    ]


def _clipped(name: str, most: int = 18) -> str:
    """Shorten a name and keep it on one line."""
    name = " ".join(name.split())
    return name if len(name) <= most else f"{name[: most - 1]}…"


# ---- the picture -------------------------------------------------------------------------------


def picture(fitted: Fitted) -> "Figure":
    """Draw the losses and, for the rows held out, the confusion matrix or the predictions.

    Without rows held out it draws those trained on.

    Parameters
    ----------
    fitted : Fitted

    Returns
    -------
    matplotlib.figure.Figure
        Made without pyplot, which therefore does not show it.

    Raises
    ------
    ImportError
        If matplotlib is missing.

    Examples
    --------
    >>> from densenet.tables import report
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> fitted = fit(Table.from_columns(rows), Settings("says"))
    >>> [axes.get_title(loc="left") for axes in report.picture(fitted).axes]
    ['Loss', 'Confusion matrix']
    """
    require("the picture", "plot", "matplotlib")
    from matplotlib.figure import Figure

    target, epochs = fitted.model.target, fitted.history.epochs
    shown, which = fitted.validation or fitted.train, "training"
    losses = {"training": [record["loss"] for record in epochs]}
    if fitted.validation:
        losses["validation"], which = [record["val_loss"] for record in epochs], "validation"
    side = 4.5
    if isinstance(target, Classes):
        side = min(max(side, 0.3 * len(target.values) + 1), 9)
        right = rounded(shown.scores["accuracy"], 1, "%")
        result = f"{right} of {len(shown.y_true):,} {which} rows right"
    else:
        result = f"R² {rounded(shown.scores['r2'], 2, 'f')} on {len(shown.y_true):,} {which} rows"
    figure = Figure(figsize=(6.5 + side, side + 0.6), layout=plotting.spacious(), facecolor="white")
    figure.suptitle(
        f"{_clipped(target.column, 40)}: {result}".replace("$", r"\$"),
        x=0.01,
        ha="left",
        color=plotting.INK,
        fontsize="x-large",
    )
    left, right = figure.subplots(1, 2, width_ratios=(5, side))
    plotting.loss_curves(left, losses)
    if isinstance(target, Classes):
        names = [_clipped(name).replace("$", r"\$") for name in target.values]
        counts = confusion_matrix(shown.y_true, shown.y_pred, len(names))
        plotting.confusion_matrix(right, counts, names)
    else:
        plotting.predicted_against_true(right, shown.y_true, shown.y_pred)
    return figure
