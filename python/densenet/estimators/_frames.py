"""Turns X, a frame as people have it, into the columns of a table."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import validate_data

from densenet import _checks
from densenet._typing import Array
from densenet.estimators._rows import is_frame
from densenet.tables.cells import clean, missing_words
from densenet.tables.frames import cells_of, columns_of, is_categorical
from densenet.tables.table import check_names


class Columns(NamedTuple):
    """The columns of X: their cells by name, and the names of those that hold categories."""

    cells: dict[str, Array]
    categories: tuple[str, ...] = ()


def read(
    estimator: Any,
    x: Any,
    *,
    fresh: bool,
    categorical: Collection[Any] = (),
    least: int = 1,
    name: str = "X",
) -> Columns:
    """Check X, or X_val, and give its columns; with `fresh`, note the names of its features.

    Columns keep the names that they had in `fit`; those of arrays are named c0, c1, ..., as
    ``densenet predict`` names those of a file without a header. Words for missing cells are those
    of files, too. `categorical` has names or positions of columns, `least` is the fewest rows.
    """
    _checks.unmasked(name, x)
    if isinstance(x, Mapping) and not issparse(x):  # a matrix of scipy may be a dict
        check_names(name, list(x))
        _note(estimator, name, list(x), fresh)
    elif is_frame(x):
        check_names(name, list(map(str, x.columns)))
        validate_data(estimator, x, reset=fresh, skip_check_array=True)
    else:
        x = validate_data(
            estimator,
            x,
            reset=fresh,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=least,
        )
    columns = [column for _, column in columns_of(name, x)]
    names = getattr(estimator, "feature_names_in_", [f"c{i}" for i in range(len(columns))])
    names = list(names)
    cells = {
        label: _cleaned(cells_of(f"{name}, column {label!r}", column))
        for label, column in zip(names, columns, strict=True)
    }
    rows, *others = sorted({len(column) for column in cells.values()})
    if others:
        raise ValueError(f"{name}: expected columns of one length, got {[rows, *others]} rows")
    if rows < least:
        raise ValueError(f"{name}: expected at least {least} rows, got {rows}")
    chosen = _named("categorical_features", categorical, names)
    chosen |= {label for label, one in zip(names, columns, strict=True) if is_categorical(one)}
    return Columns(cells, tuple(label for label in names if label in chosen))


def _note(estimator: Any, name: str, names: list[Any], fresh: bool) -> None:
    """Note the names of a mapping's columns or compare them, as scikit-learn does with frames."""
    names = _checks.texts(name, names)
    if fresh:
        estimator.feature_names_in_ = np.array(names, object)
        estimator.n_features_in_ = len(names)
        return
    known = list(getattr(estimator, "feature_names_in_", names))
    if names != known or len(names) != estimator.n_features_in_:
        raise ValueError(
            f"{name}: The feature names should match those that were passed during fit: expected "
            f"{known}, got {names}"
        )


def _cleaned(cells: Array) -> Array:
    return cells if cells.dtype != object else np.array(clean(cells, missing_words()), object)


def _named(parameter: str, given: Collection[Any], names: list[str]) -> set[str]:
    """Give the names of columns that are given by name or by position."""
    found = set()
    for one in _checks.sequence(parameter, given, "names or positions of columns"):
        if isinstance(one, str) and one in names:
            found.add(one)
        elif isinstance(one, int | np.integer) and 0 <= one < len(names):
            found.add(names[one])
        else:
            raise ValueError(
                f"{parameter}: expected names or positions of the {len(names)} columns, got {one!r}"
            )
    return found
