"""Words that reports, pictures and pages of a table's model share."""

from densenet._rounding import rounded
from densenet.tables.fitting import Fitted
from densenet.tables.targets import Classes

SCORES = {
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
"""What the scores of an `Evaluation` are called."""


def score_text(name: str, value: float) -> str:
    """Write a score: an error in its unit, a share in per cent."""
    if name in ("loss", "rmse", "mae"):
        return f"{value:.4g}"
    return rounded(value, 4, "g") if name == "r2" else rounded(value, 2, "%")


def headline(fitted: Fitted) -> str:
    """Say in a line what was predicted, and how well."""
    target, judged = fitted.model.target, fitted.validation or fitted.train
    which = f"{len(judged.y_true):,} {'validation' if fitted.validation else 'training'} rows"
    if isinstance(target, Classes):
        result = f"{rounded(judged.scores['accuracy'], 1, '%')} of {which} right"
    else:
        result = f"R² {rounded(judged.scores['r2'], 2, 'f')} on {which}"
    return f"{clipped(target.column, 40)}: {result}"


def clipped(name: str, most: int = 18) -> str:
    """Shorten a name and keep it on one line."""
    name = " ".join(name.split())
    return name if len(name) <= most else f"{name[: most - 1]}…"
