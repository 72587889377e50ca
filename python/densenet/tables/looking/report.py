"""What the command line tells about a table's model, in words."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from densenet._typing import Array
from densenet.metrics import confusion_matrix
from densenet.tables.encoding.columns import Categories
from densenet.tables.encoding.dates import Dates
from densenet.tables.encoding.features import NAMED, Features
from densenet.tables.encoding.pieces import PiecewiseLinear
from densenet.tables.encoding.targets import TASK_RULES, Classes, Target
from densenet.tables.looking.importance import Importances
from densenet.tables.looking.wording import SCORES, aligned, clipped, figures, score_text, shortened
from densenet.tables.model import Evaluation, TableModel
from densenet.tables.training.fitted import Fitted
from densenet.tables.training.monitors import rule_of

__all__ = ["describe", "fit_report", "folds_report", "score_report"]

_MOST_CLASSES = 12  # of a matrix that fits a terminal
_MOST_PAIRS = 10  # of classes most often mistaken for each other
_MOST_IMPORTANT = 10  # columns that are named as important


def fit_report(fitted: Fitted, importances: Importances | None = None) -> str:
    r"""Report what was read, how training went and how good the model is.

    Parameters
    ----------
    fitted : Fitted
    importances : Importances, optional
        Of its columns, by `densenet.tables.looking.importance.importances_of`.

    Returns
    -------
    str
        Paragraphs: columns, training, scores, for classes the confusion matrix, and the most
        important columns.

    Examples
    --------
    >>> from densenet.tables.looking import report
    >>> from densenet.tables import Settings, Table, fit
    >>> rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    >>> fitted = fit(Table.from_columns(rows), Settings("says"))
    >>> print("\n".join(report.fit_report(fitted).splitlines()[-4:]))
    confusion matrix of validation rows (rows true, columns predicted)
            meow  woof
      meow    10     .
      woof     .    10
    """
    judged = fitted.validation or fitted.train
    which = "validation" if fitted.validation else "training"
    paragraphs = [
        [*about_table(fitted), *(f"note: {note}" for note in fitted.notes)],
        about_training(fitted),
        _table_of(scores_of(fitted)),
        _confusion(fitted.model.target, judged, which),
        _importance(importances, which) if importances else [],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def about_table(fitted: Fitted) -> list[str]:
    """Say in lines what was read."""
    facts = fitted.model.facts
    return [
        f"{facts['source']}: {facts['training_rows']:,} rows to train on, "
        f"{facts['validation_rows']:,} to validate",
        _about_task(fitted.model),
        *_about_columns(fitted.model),
    ]


def about_training(fitted: Fitted) -> list[str]:
    """Say in lines how training went."""
    facts, count = fitted.model.facts, len(fitted.histories)
    about = [*_about_network(fitted.model), *_about_decided(facts["settings"])]
    seconds = sum(record["seconds"] for each in fitted.histories for record in each.epochs)
    if count > 1:
        others = "; each held out other rows" if len(fitted.judged_rows) > 1 else ""
        return [f"{count} networks, {seconds:.1f} s of training in all{others}", *about]
    best = ""
    if fitted.validation:
        best = _about_kept(fitted, len(fitted.validation.y_true))
    ended = f"{facts['epochs']} epochs in {seconds:.1f} s, ended by: {facts['stopped']}{best}"
    return [ended, *about]


def scores_of(fitted: Fitted) -> dict[str, dict[str, float]]:
    """Give the scores of the rows trained on, and of those held out if there are any."""
    scores = {"training": fitted.train.scores}
    if fitted.validation:
        scores["validation"] = fitted.validation.scores
    return scores


def folds_report(scores: Mapping[str, Sequence[float]], drawn: int = 0) -> str:
    """Report the scores of a cross-validation: means over the folds, and their spread.

    Parameters
    ----------
    scores : mapping of str to sequence of float
        What `densenet.tables.training.folds.cross_validate` gives.
    drawn : int
        How many rows were drawn to be divided into folds; 0 if all rows were.

    Returns
    -------
    str

    Examples
    --------
    >>> from densenet.tables.looking import report
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
    of = f" of the {drawn:,} rows drawn" if drawn else ""
    about = "each predicted by a model of the others: mean and standard deviation"
    return "\n".join([f"{folds} folds{of}, {about}", *_table_of(table)])


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
    >>> from densenet.tables.looking import report
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
        names = ", ".join(map(clipped, evaluation.unknown[:_MOST_CLASSES]))
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
    >>> from densenet.tables.looking import report
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
    if facts:  # a model that `densenet.tables.training.fitting.fit` made has them
        training = [
            f"trained on {facts['source']} by densenet {facts['densenet']}: "
            f"{facts['training_rows']:,} rows, {facts['validation_rows']:,} to validate, "
            f"{facts['epochs']} epochs, seed {facts['settings']['seed']}",
        ]
    before = [f"{one['source']} ({one['training_rows']:,} rows)" for one in facts.get("before", [])]
    if before:
        training.append(f"trained before on: {', '.join(before)}")
    paragraphs = [
        [*_about_columns(model), *training],
        aligned(about_columns(model.features)),
        [repr(network) for network in model.networks],
        _table_of(scores),
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs if lines)


def _about_kept(fitted: Fitted, held: int) -> str:
    """Say which epoch was the best one, and which was kept."""
    settings = fitted.model.facts["settings"]
    weighted = any(settings.get(name) is not None for name in ("class_weight", "weight"))
    rule = rule_of(fitted.model.target, settings["monitor"], weighted, held)
    best, best_number, kept = -np.inf, 0, 0
    for number, record in enumerate(fitted.history.epochs, 1):
        score = rule.sign * record[rule.monitor]
        if rule.keeps(score, best):
            kept = number
        if rule.improves(score, best):
            best, best_number = score, number
    if kept == best_number:
        return f"; the best is number {kept}, and was kept"
    return f"; the best is number {best_number}; number {kept}, as good as that, was kept"


def _about_columns(model: TableModel) -> list[str]:
    dates = [part for part in model.features.parts if isinstance(part, Dates)]
    categories = sum(isinstance(part, Categories) for part in model.features.parts)
    numbers = len(model.features.parts) - categories - len(dates)
    of_dates = f", {len(dates)} of dates" if dates else ""
    lines = [
        _about_target(model.target),
        f"columns: {numbers} of numbers, {categories} of categories{of_dates}; "
        f"{model.features.width} features",
        *(f"dates: {part.column}: {part.about}" for part in dates),
    ]
    if model.id is not None:
        lines.insert(1, f"id: {model.id}")
    weight = model.facts["settings"].get("weight") if model.facts else None
    if weight is not None:
        lines.insert(1, f"weights of rows: {weight}")
    reduced = model.facts.get("reduced")
    if reduced is not None:
        lines.append(
            f"principal components: {reduced['inputs']:,} features became "
            f"{reduced['components']:,}, which explain {reduced['share']:.1%} of their variance"
        )
    for name, reason in model.features.left_out.items():
        told = reason.replace(NAMED, "--numbers or --text learns from it")
        lines.append(f"left out: {name}: {told}")
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
            rule = f"; {clipped(target.values[index])} from a probability of {least:.3g} on"
        return f"target: {target.column}: {len(target.values)} classes: {names}{more}{rule}"
    return f"target: {target.column}: values, {figures(target.mean)} ± {figures(target.scale)}"


def _about_network(model: TableModel) -> list[str]:
    chosen = model.facts["settings"]
    widths = [model.features.width, *chosen["hidden"], model.target.outputs]
    if "reduced" in model.facts:
        widths.insert(1, model.facts["reduced"]["components"])
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


def _about_decided(settings: Mapping[str, Any]) -> list[str]:
    """Say what the rows that judge the model have decided themselves."""
    decided = ["temperature"] if settings["calibrate"] else []
    decided += ["threshold"] if settings["threshold"] == "auto" else []
    if not decided:
        return []
    return [
        f"{' and '.join(decided)} chosen by the validation rows, whose scores are so somewhat too "
        "good: --folds scores other rows"
    ]


def about_columns(features: Features) -> list[tuple[str, str, str]]:
    """Say of each column what it is read as, and how."""
    rows = []
    for part in features.parts:
        if isinstance(part, Categories):
            names = [text or "(missing)" for text in part.values]
            shown = ", ".join(names[:6]) + (", ..." if len(names) > 6 else "")
            others = f"; {part.others:,} rare ones together" if part.others else ""
            rows.append((part.column, f"{len(names)} categories", f"{shown}{others}"))
        elif isinstance(part, PiecewiseLinear):
            ends = f"{figures(part.edges[0])} to {figures(part.edges[-1])}"
            about = f"{ends}; {figures(part.fill)} where missing"
            rows.append((part.column, f"{len(part.edges) - 1} pieces", about))
        elif isinstance(part, Dates):
            about = f"{part.spell(part.mean)} ± {part.scale:.4g} days"
            about = f"{about}; {part.spell(part.fill)} where missing"
            rows.append((part.column, "dates", about))
        else:
            about = f"{figures(part.mean)} ± {figures(part.scale)}"
            about = f"{about}; {figures(part.fill)} where missing"
            rows.append((part.column, "numbers", about))
    return rows


def _table_of(scores: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Write a line for each score and a column for each set of rows, such as training."""
    if not scores:
        return []
    names = list(next(iter(scores.values())))
    width = max(len(SCORES[name]) for name in names)
    lines = [" " * width + "".join(f"{which:>12}" for which in scores)]
    for name in names:
        values = "".join(f"{score_text(name, one[name]):>12}" for one in scores.values())
        lines.append(f"{SCORES[name]:<{width}}{values}")
    return lines


def _confusion(target: Target, evaluation: Evaluation, which: str) -> list[str]:
    """Write the confusion matrix of some rows; if it is too wide, the most frequent errors."""
    if not isinstance(target, Classes):
        return []
    names = [clipped(name) for name in (*target.values, *evaluation.unknown)]
    counts = confusion_matrix(evaluation.y_true, evaluation.y_pred, len(names))
    if len(names) > _MOST_CLASSES:
        errors = frequent_errors(counts)
        lines = [f"{count:8,}  {names[i]} -> {names[j]}" for count, i, j in errors]
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


def frequent_errors(counts: Array) -> list[tuple[int, int, int]]:
    """Give the most frequent errors of a confusion matrix: how many, true class, predicted one."""
    wrong = counts * ~np.eye(len(counts), dtype=bool)
    pairs = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    errors = [divmod(int(pair), len(counts)) for pair in pairs]
    return [(int(wrong[i, j]), i, j) for i, j in errors if wrong[i, j]]


def _importance(importances: Importances, which: str) -> list[str]:
    """Write what the loss and the score lose when the cells of a column are shuffled."""
    shown, score = importances.columns[:_MOST_IMPORTANT], importances.score
    rows = [("column", "loss rises by", f"{SCORES[score]} falls by")]
    for one in shown:
        fall = f"{one.score:.2%}" if score == "accuracy" else f"{one.score:.4g}"
        rows.append((shortened(one.column, 40), f"{one.loss:.4f} ± {one.spread:.4f}", fall))
    more = len(importances.columns) - len(shown)
    return [
        f"importance: the cells of one column shuffled, mean of {importances.repeats} times, "
        f"{importances.rows:,} {which} rows",
        *aligned(rows),
        *([f"  and {more:,} less important column{'s' if more > 1 else ''}"] if more else []),
    ]
