"""Words that reports, pictures and pages of a table's model share."""

from collections.abc import Sequence

import numpy as np

from densenet._rounding import rounded
from densenet.tables.encoding.targets import Classes
from densenet.tables.training.fitted import Fitted

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
        return figures(value)
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


def shortened(name: str, most: int) -> str:
    """Shorten a name in its middle, as names of columns often begin alike."""
    name = " ".join(name.split())
    end = (most - 1) // 2
    return name if len(name) <= most else f"{name[: most - 1 - end]}…{name[-end:]}"


def number_text(value: float) -> str:
    """Write a number as a reader would: a whole one with marks between thousands."""
    whole = value.is_integer() and abs(value) < 1e9
    return f"{int(value):,}" if whole else f"{value:.5g}"


def figures(value: float) -> str:
    """Write four significant digits, with marks between thousands in place of an exponent.

    Examples
    --------
    >>> from densenet.tables.looking.wording import figures
    >>> figures(46357.2), figures(1234.56), figures(0.012344), figures(-2.5e12)
    ('46,360', '1,235', '0.01234', '-2.5e+12')
    """
    if not 1e3 <= abs(value) < 1e9:
        return f"{value:.4g}"
    return f"{float(f'{value:.3e}'):,.0f}"


def moment_text(value: float) -> str:
    """Write a number of years as a date, or one of hours, which is at most 24, as a time of day."""
    if value <= 24:
        return f"{int(value)}:{int(value % 1 * 60):02}"
    return str(np.datetime64(round((value - 1970) * 365.2425), "D"))


def share_text(share: float) -> str:
    """Write a share in per cent, and none that is not 0 as 0."""
    return "<1%" if 0 < share < 0.005 else f"{share:.0%}"


def aligned(rows: Sequence[Sequence[str]], sides: str = "") -> list[str]:
    """Write rows of cells below each other; `sides` has < or > for each column, < by default."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    marks = sides.ljust(len(widths), "<")
    return [
        "  "
        + "  ".join(
            f"{cell:{mark}{width}}" for cell, mark, width in zip(row, marks, widths, strict=True)
        ).rstrip()
        for row in rows
    ]


def plain(text: str) -> str:
    """Write a text so that matplotlib takes no dollar sign for mathematics."""
    return text.replace("$", r"\$")
