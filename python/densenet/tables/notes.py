"""Notes, of one line each, about what in a table may be other than its owner thinks."""

import re
from collections import Counter
from collections.abc import Collection, Sequence

from densenet.tables.cells import looks_like_a_date, number
from densenet.tables.encoding.dates import example
from densenet.tables.encoding.ids import are_uuids, differ_in_each_row
from densenet.tables.encoding.targets import MOST_CLASSES, Task
from densenet.tables.names import look_like_cells
from densenet.tables.table import Table

__all__ = ["notes"]

_BEGINS_AS_NUMBER = re.compile(r"[-+−~<>≈]?\s?[$€£¥]?\s?[0-9][0-9.,'’\s]*.{0,15}", re.DOTALL)
_MOST = 0.9  # share of dates in a column from which on it is said to hold dates


def notes(
    table: Table, target: str, task: Task, id: str | None = None, asked: Collection[str] = ()
) -> list[str]:
    r"""Say what in a table may be other than its owner thinks.

    Parameters
    ----------
    table : Table
    target : str
    task : "classification" or "regression"
    id : str, optional
        The column that names rows.
    asked : collection of str
        Columns that are left out, or read as categories or numbers, because the owner asked for it.

    Returns
    -------
    list of str

    Raises
    ------
    ValueError
        If a few cells of a column, at most a tenth, are no numbers while the others are, or if its
        numbers or dates may mean two things.

    Examples
    --------
    >>> from densenet.tables.notes import notes
    >>> from densenet.tables import Table
    >>> rows = {"when": ["31.1.24", "2.1.24"], "price": ["1,5", "2"], "y": [0, 1]}
    >>> print("\n".join(notes(Table.from_columns(rows), "y", "classification")))
    'when' looks like dates, read as mere texts: write them like 2024-12-31
    'price': '1,5' is read as 1.5
    """
    said = list(filter(None, [look_like_cells(table.columns)]))
    if id is not None:
        ids = [rows for key, rows in table.key_counts(id).items() if key]
        repeated = sum(ids) - len(ids)
        if repeated:
            said.append(
                f"{repeated:,} rows have the {id!r} of another: such rows are not divided "
                "between training and validation"
            )
    for name in table.columns:
        if name == id or name in asked or name in table.unnamed:
            continue
        if name == target and task == "classification":
            said += _about_texts(table, name) + _about_numerals(table, name)
        elif name in table.date_guesses and name != target:
            said += _about_dates(table, name)
        elif table.is_text(name):
            said += _about_texts(table, name)
        else:
            said += _about_numerals(table, name)
            said += [] if name == target else _about_numbers(table, name)
    return said


def _about_numbers(table: Table, name: str) -> list[str]:
    """Point out numbers that may be an id, though not so likely that they are left out."""
    if not differ_in_each_row(table, name):
        return []
    words = "has another whole number in each row: leave it out if that is an id"
    return [f"{name!r} {words} (--id {name} or --ignore {name})"]


def _about_dates(table: Table, name: str) -> list[str]:
    """Say how a column's dates are read, if they do not begin with the year."""
    said = example(table, name)
    return [f"{name!r}: {said}"] if said else []


def _about_numerals(table: Table, name: str) -> list[str]:
    """Say how a column's numbers are read, if they are not written as programs write them."""
    guess = table.guesses.get(name)
    example = table.example(name) if guess and not guess.doubt else ""
    return [f"{name!r}: {example}"] if example else []


def _about_texts(table: Table, name: str) -> list[str]:
    """Point out texts that look like dates or numbers."""
    counts = Counter({text: rows for text, rows in table.text_counts(name).items() if text})
    if not counts or are_uuids(counts):
        return []

    def share(texts: Collection[str]) -> float:
        return sum(counts[text] for text in texts) / counts.total()

    dates = {text for text in counts if looks_like_a_date(text)}
    if share(dates) >= _MOST:
        return [f"{name!r} looks like dates, read as mere texts: write them like 2024-12-31"]
    if share(dates) >= 0.5:
        others = [text for text, _ in counts.most_common() if text not in dates]
        part = f"{share(dates):.0%} of the cells look like dates, but it is read as text"
        return [f"{name!r}: {part}{_because(others)}"]
    others = [text for text, _ in counts.most_common() if number(text) is None]
    like = [text for text in others if _BEGINS_AS_NUMBER.fullmatch(text)]
    because = [text for text in others if text not in set(like)] or others
    reason = _because(because)
    if 0.5 <= 1 - share(others) < 1:
        part = f"{1 - share(others):.0%} of the cells are numbers"
        return [f"{name!r}: {part}, but it is read as text{reason}"]
    if len(counts) > MOST_CLASSES and share(like) >= 0.5:
        part = f"cells such as {_short(like[0])} are read as texts, not as numbers"
        return [f"{name!r}: {part}{'' if because is others else reason}"]
    return []


def _because(texts: Sequence[str]) -> str:
    words = ", ".join(map(_short, texts[:3])) + (", ..." if len(texts) > 3 else "")
    return f" because of {words} (--missing takes words as missing)"


def _short(text: str) -> str:
    return repr(text if len(text) <= 20 else f"{text[:19]}…")
