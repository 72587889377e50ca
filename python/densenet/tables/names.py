"""The names of a table's columns: that there are any, differ, and are no row of cells."""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from densenet.tables.cells import number

__all__ = ["check_names", "look_like_cells"]


def check_names(source: str, names: Sequence[str], *, of_first_row: bool = False) -> None:
    """Check that there are columns, and that their names differ.

    Parameters
    ----------
    source : str
        The table's name, to begin an error message with.
    names : sequence of str
    of_first_row : bool
        True if they are the cells of a file's first row: the error says if they look like data.

    Raises
    ------
    ValueError
        If there is no name, or one is there twice.

    Examples
    --------
    >>> from densenet.tables.names import check_names
    >>> check_names("t.csv", ["width", "height", "width"])
    Traceback (most recent call last):
    ValueError: t.csv: expected names that differ, got column 'width' 2 times
    """
    if not names:
        raise ValueError(f"{source}: expected columns, got none")
    name, times = Counter(names).most_common(1)[0]
    if times > 1:
        hint = look_like_cells(names) if of_first_row else ""
        raise ValueError(
            f"{source}: expected names that differ, got column {name!r} {times} times"
            + (f"; {hint}" if hint else "")
        )


def look_like_cells(names: Iterable[str]) -> str:
    """Say that names look like the cells of a row: numbers in no order. Give "" if they do not.

    Examples
    --------
    >>> from densenet.tables.names import look_like_cells
    >>> look_like_cells(["5.1", "3.5", "setosa"]).partition(":")[0]
    "names of columns such as '5.1', '3.5' look like a row of cells"
    >>> look_like_cells(["2023", "2024", "country"])
    ''
    """
    values = {name: value for name in names if (value := number(name)) is not None}
    numbers = np.array(list(values.values()))
    steps, are_whole = np.diff(numbers), bool(np.all(numbers == np.rint(numbers)))
    in_order = bool(np.all(steps > 0)) or (are_whole and bool(np.all(steps < 0)))  # such as years
    if len(numbers) < 2 or in_order:
        return ""
    shown = ", ".join(repr(name[:20]) for name in list(values)[:2])
    return (
        f"names of columns such as {shown} look like a row of cells: --no-header, or header=0, "
        "reads a file whose first row has no names"
    )
