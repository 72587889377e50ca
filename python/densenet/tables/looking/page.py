"""A page on a table's model: one file of HTML that needs no script and no other file."""

import io
import re
import warnings
from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING

from densenet import plotting
from densenet._extras import require
from densenet.metrics import confusion_matrix
from densenet.tables.encoding.targets import Classes
from densenet.tables.looking import pictures, report
from densenet.tables.looking.importance import (
    Dependence,
    Importances,
    importances_of,
    partial_dependence,
)
from densenet.tables.looking.wording import SCORES, clipped, headline, score_text
from densenet.tables.training.fitted import Fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["fit_page"]

_MOST_CLASSES = 30  # of a confusion matrix
_MOST_DOTS = 1500
_MOST_IMPORTANT = 20
_MOST_DEPENDENCES = 6
_MOST_CELLS = 12
_COLOURS = {
    plotting.INK: "ink",
    plotting.GREY: "grey",
    plotting.PALE: "pale",
    plotting.BLUE: "blue",
    plotting.ORANGE: "orange",
}
_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #24292f; --grey: #636c76; --pale: #e3e7eb;
  --blue: #2166ac; --orange: #c8472f; --wrong: 214 96 77; }
@media screen and (prefers-color-scheme: dark) { :root { --paper: #16191d; --ink: #e6e9ec;
  --grey: #9aa4ae; --pale: #343b43; --blue: #6cb0f0; --orange: #f0907c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }
main { max-width: 68rem; margin: 0 auto; padding: 1.2rem 1rem 3rem; }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .5rem 0 1rem; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p, ul { margin: .3rem 0; max-width: 46rem; }
ul { padding-left: 1.2rem; }
.said { color: var(--grey); font-size: .9rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; vertical-align: top; }
thead th { color: var(--grey); font-weight: 500; border-bottom: 1px solid var(--pale); }
.number { text-align: right; }
td.number { white-space: nowrap; }
tbody th { font-weight: 500; overflow-wrap: anywhere; min-width: 4rem; }
.bar { min-width: 5rem; width: 40%; vertical-align: middle; }
.bar span { display: block; height: .8rem; background: var(--blue); width: calc(var(--part) * 1%); }
.matrix th, .matrix td { padding: .15rem .35rem; text-align: right; font-size: .85rem; }
.matrix td { min-width: 2rem; }
.matrix tbody th { position: sticky; left: 0; background: var(--paper); min-width: 0;
  overflow-wrap: normal; }
.matrix thead th { vertical-align: bottom; border: 0; }
.matrix .right { background: var(--pale); }
.matrix .wrong { background: rgb(var(--wrong) / var(--part)); }
.matrix .strong { color: #fff; }
.figures { display: grid; gap: 1.5rem;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 19rem), 1fr)); }
figure { margin: 0; max-width: 32rem; break-inside: avoid; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg * { stroke-linejoin: round; stroke-linecap: butt; }
@media (max-width: 30rem) { th, td { padding-right: .5rem; } .bar { min-width: 2.5rem; width: 20%; }
  .spread { display: none; } tbody th { min-width: 7rem; } }
@media print { main { max-width: none; padding: 0; } body { font-size: 10pt; }
  .wide { overflow: visible; } h2 { break-after: avoid; } tr { break-inside: avoid; }
  * { print-color-adjust: exact; } }
"""


def fit_page(fitted: Fitted, importances: Importances | None = None) -> str:
    """Write a page on a model: what was read, scores, pictures, and what it makes of its columns.

    Parameters
    ----------
    fitted : Fitted
    importances : Importances, optional
        Of its columns; by default they are computed.

    Returns
    -------
    str
        HTML without a script, which asks for no other file.

    Raises
    ------
    ImportError
        If matplotlib, which draws, is missing.

    Examples
    --------
    >>> from densenet.tables import Settings, Table, fit
    >>> from densenet.tables.looking.page import fit_page
    >>> rows = {"pet": ["cat", "<dog>"] * 50, "says": ["meow", "woof"] * 50}
    >>> page = fit_page(fit(Table.from_columns(rows), Settings("says")))
    >>> page.count("<svg"), "&lt;dog&gt;" in page, "<dog>" in page
    (2, True, False)
    """
    require("the page", "plot", "matplotlib")
    if importances is None:
        importances = importances_of(fitted)
    which = "validation" if fitted.validation else "training"
    title = escape(headline(fitted))
    parts = [
        f"<h1>{title}</h1>",
        *(f"<p>{escape(line)}</p>" for line in _lines(fitted)),
        _notes(fitted.notes),
        "<h2>Scores</h2>",
        _scores(report.scores_of(fitted)),
        _training(fitted, which),
        _confusion(fitted, which),
        _importances(importances, which),
        _dependences(fitted, importances),
        "<h2>Columns</h2>",
        _table(("column", "read as", "how"), report.about_columns(fitted.model.features)),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">\n"
        f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<main>\n{body}\n</main>\n</body>\n</html>\n"
    )


# ---- words and tables --------------------------------------------------------------------------


def _lines(fitted: Fitted) -> Iterable[str]:
    return [*report.about_table(fitted), *report.about_training(fitted)]


def _notes(notes: Sequence[str]) -> str:
    items = "".join(f"<li>{escape(note)}</li>" for note in notes)
    return f"<h2>Notes</h2>\n<ul>{items}</ul>" if notes else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], numbers: int | None = None) -> str:
    """Write a table; columns from `numbers` on are aligned to the right."""

    def mark(place: int) -> str:
        return ' class="number"' if numbers is not None and place >= numbers else ""

    above = "".join(f"<th{mark(i)}>{escape(name)}</th>" for i, name in enumerate(head))
    lines = []
    for first, *others in rows:
        cells = "".join(f"<td{mark(i)}>{escape(cell)}</td>" for i, cell in enumerate(others, 1))
        lines.append(f"<tr><th>{_name(first)}</th>{cells}</tr>")
    return (
        f'<div class="wide"><table>\n<thead><tr>{above}</tr></thead>\n<tbody>\n'
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


def _name(text: str) -> str:
    """Write a name that may go on in the next line after an underscore."""
    return escape(text).replace("_", "_<wbr>")


def _scores(scores: dict[str, dict[str, float]]) -> str:
    rows = [
        [SCORES[name], *(score_text(name, one[name]) for one in scores.values())]
        for name in scores["training"]
    ]
    return _table(("", *scores), rows, numbers=1)


def _confusion(fitted: Fitted, which: str) -> str:
    """Write the confusion matrix or, of many classes, the most frequent errors."""
    target, judged = fitted.model.target, fitted.validation or fitted.train
    if not isinstance(target, Classes):
        return ""
    names = [clipped(name) for name in target.values]
    counts = confusion_matrix(judged.y_true, judged.y_pred, len(names))
    if len(names) > _MOST_CLASSES:
        errors = report.frequent_errors(counts)
        rows = [[names[i], names[j], f"{count:,}"] for count, i, j in errors]
        heading = f"<h2>Most frequent errors in {which} rows</h2>\n"
        return heading + _table(("true", "predicted", "rows"), rows, numbers=2)
    most = max((count for count, *_ in report.frequent_errors(counts)), default=1)
    lines = []
    for i, name in enumerate(names):
        cells = [
            _count(count, i == j, (count / most) ** 0.5)
            for j, count in enumerate(counts[i].tolist())
        ]
        lines.append(f"<tr><th>{escape(name)}</th>{''.join(cells)}</tr>")
    head = "".join(f"<th>{escape(name)}</th>" for name in names)
    return (
        f"<h2>Confusion matrix of {which} rows</h2>\n"
        '<p class="said">Rows are true classes, columns predicted ones.</p>\n'
        '<div class="wide"><table class="matrix">\n'
        f"<thead><tr><th></th>{head}</tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody></table></div>"
    )


def _count(count: int, right: bool, strength: float) -> str:
    if right:
        return f'<td class="right">{count:,}</td>'
    if not count:
        return "<td></td>"
    strong = " strong" if strength > 0.6 else ""
    part = 0.15 + 0.85 * strength
    return f'<td class="wrong{strong}" style="--part: {part:.2f}">{count:,}</td>'


def _importances(importances: Importances, which: str) -> str:
    shown = importances.columns[:_MOST_IMPORTANT]
    score = SCORES[importances.score]
    most = max((one.loss for one in shown), default=0) or 1
    lines = []
    for one in shown:
        fall = f"{one.score:.2%}" if importances.score == "accuracy" else f"{one.score:.4g}"
        part = f"--part: {max(0.0, 100 * one.loss / most):.1f}"
        lines.append(
            f"<tr><th>{_name(one.column)}</th>"
            f'<td class="bar"><span style="{part}"></span></td>'
            f'<td class="number">{one.loss:.4f}'
            f'<span class="spread"> ± {one.spread:.4f}</span></td>'
            f'<td class="number">{fall}</td></tr>'
        )
    more = len(importances.columns) - len(shown)
    rest = f" {more:,} less important columns are not shown." if more else ""
    return (
        f'<h2>Importance of columns</h2>\n<p class="said">How much worse {importances.rows:,} '
        f"{which} rows are predicted when the cells of one column are shuffled: mean and standard "
        f"deviation of {importances.repeats} shuffles. A column that others repeat appears less "
        f'important than it is.{rest}</p>\n<div class="wide"><table>\n'
        "<thead><tr><th>column</th><th></th>"
        f'<th class="number">loss rises by</th><th class="number">{score} falls by</th></tr>'
        "</thead>\n<tbody>\n" + "\n".join(lines) + "\n</tbody></table></div>"
    )


# ---- pictures ----------------------------------------------------------------------------------


def _training(fitted: Fitted, which: str) -> str:
    figures = [
        _figure(
            pictures.about_losses(fitted), 4.8, 3.0, lambda axes: pictures.draw_losses(axes, fitted)
        )
    ]
    if not isinstance(fitted.model.target, Classes):
        rows = len((fitted.validation or fitted.train).y_true)
        drawn = -(-rows // -(-rows // _MOST_DOTS))
        part = f"{drawn:,} of " if drawn < rows else ""
        figures.append(
            _figure(
                f"Predicted against true, {part}{rows:,} {which} rows",
                4.8,
                4.4,
                lambda axes: pictures.draw_predictions(axes, fitted, _MOST_DOTS),
            )
        )
    return f'<h2>Training</h2>\n<div class="figures">\n{"".join(figures)}</div>'


def _dependences(fitted: Fitted, importances: Importances) -> str:
    columns = [one.column for one in importances.columns if one.loss > 0][:_MOST_DEPENDENCES]
    if not columns:
        return ""
    model, rows = fitted.model, fitted.judged_rows[0]
    found = [partial_dependence(model, rows, name, most_cells=_MOST_CELLS) for name in columns]
    figures = "".join(_dependence(fitted, one) for one in found)
    return (
        '<h2>Partial dependence</h2>\n<p class="said">What is predicted on average where all of '
        f"{found[0].rows:,} rows have the same cell in one column: quantiles of numbers, or the "
        f'most frequent categories.</p>\n<div class="figures">\n{figures}</div>'
    )


def _dependence(fitted: Fitted, found: Dependence) -> str:
    height = 2.8 if found.numbers is not None else 1.0 + 0.27 * len(found.cells)
    return _figure(
        found.column,
        4.4,
        height,
        lambda axes: pictures.draw_dependence(axes, fitted.model.target, found),
    )


def _figure(caption: str, width: float, height: float, draw: Callable[["Axes"], None]) -> str:
    """Draw a panel as SVG that stands in the page and takes its colours."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    file = io.StringIO()
    # Texts stay texts; what is defined under a name has another one in each figure.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": caption}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph")  # the reader's fonts may have it
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.add_subplot()
        draw(axes)
        axes.set_title("", loc="left")  # the caption says it
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    label = escape(caption)
    svg = _inline(file.getvalue(), label)
    return f"<figure><figcaption>{label}</figcaption>\n{svg}</figure>\n"


def _inline(svg: str, label: str) -> str:
    """Make a file of SVG a part of a page: without a head, as wide as its place."""
    head = re.search(r'<svg[^>]*(viewBox="[^"]*")[^>]*>', svg)
    assert head
    inside = re.sub(r"<(metadata|style).*?</\1>", "", svg[head.end() :], flags=re.DOTALL)
    inside = re.sub(r"<[^>]*>", _tag, inside)
    return f'<svg {head[1]} role="img" aria-label="{label}">' + re.sub(r"\n\s*", "\n", inside)


def _tag(found: "re.Match[str]") -> str:
    """Write a tag of an SVG shortly, with the colours and the font of the page."""
    tag = " ".join(found[0].split()).replace("xlink:href", "href")
    tag = re.sub(r' id="[a-z0-9.]+_[0-9]+"', "", tag)  # as of axes_1
    tag = re.sub(r" font-family: [^;\"]*;?", "", tag)
    for colour, name in _COLOURS.items():
        tag = tag.replace(colour, f"var(--{name})")
    return re.sub(r"[0-9]+\.[0-9]{3,}", lambda number: f"{float(number[0]):.2f}", tag)
