"""Turns X, a frame as people have it, into the columns of a table."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse

from densenet import _checks
from densenet.estimators._given import is_frame, readable, validated
from densenet.tables.cells import missing_words
from densenet.tables.frames import cells_of, columns_of, is_categorical
from densenet.tables.names import check_names


class FrameColumns(NamedTuple):
    """The columns of X: their cells by name, and which of them are of a type for categories."""

    cells: dict[str, Any]
    categories: tuple[str, ...]

    def named(self, parameter: str, given: Any) -> tuple[str, ...]:
        """Give the names of columns that a parameter gives by name, position or flag.

        A flag for each column is what scikit-learn's histogram gradient boosting takes, too.
        """
        names = list(self.cells)
        asked = _one_by_one(parameter, given)
        flags = [isinstance(one, bool | np.bool_) for one in asked]
        if all(flags) and len(flags) == len(names):
            return tuple(name for name, flag in zip(names, asked, strict=True) if flag)
        found = set()
        for one, is_flag in zip(asked, flags, strict=True):
            if isinstance(one, str) and one in names:
                found.add(one)
            elif not is_flag and isinstance(one, int | np.integer) and 0 <= one < len(names):
                found.add(names[one])
            else:
                raise ValueError(
                    f"{parameter}: expected names or positions of the {len(names)} columns, or a "
                    f"flag for each, got {one!r}" + (f" among {len(flags)}" if is_flag else "")
                )
        return tuple(name for name in names if name in found)


def _one_by_one(parameter: str, given: Any) -> tuple[Any, ...]:
    """Give the items of a sequence, or of a vector such as the columns of a frame."""
    if hasattr(given, "__array__") and np.ndim(given) == 1:
        return tuple(_checks.as_array(parameter, given).tolist())
    return _checks.sequence(parameter, given, "names or positions of columns")


def read(estimator: Any, x: Any, *, fresh: bool, least: int = 1, name: str = "X") -> FrameColumns:
    """Check X, or X_val, and give its columns; with `fresh`, note the names of its features.

    Columns keep the names that they had in `fit`; those of arrays are named c0, c1, ..., as
    ``densenet predict`` names those of a file without a header. Words for missing cells are those
    of files, too. `least` is the fewest rows.
    """
    x = _checks.unwrapped(name, x)
    if _checks.is_arrow(x):
        check_names(name, x.column_names)
        x = dict(_checks.pairs(x) or [])
    if isinstance(x, Mapping) and not issparse(x):  # a matrix of scipy may be a dict
        check_names(name, list(x))
        _note(estimator, name, list(x), fresh)
    elif is_frame(x):
        check_names(name, list(map(str, x.columns)))
        if fresh or _known(estimator) is getattr(estimator, "feature_names_in_", None):
            validated(estimator, x, reset=fresh, skip_check_array=True)
        else:  # scikit-learn would not know the names, and only warn
            _note(estimator, name, list(x.columns), fresh)
    else:
        readable(name, x)
        if getattr(getattr(x, "dtype", None), "kind", "") == "T":  # scikit-learn 1.9 knows no such
            x = x.astype(object)
        x = validated(
            estimator,
            x,
            reset=fresh,
            dtype=None,
            ensure_all_finite="allow-nan",
            ensure_min_samples=least,
        )
    columns = [column for _, column in columns_of(name, x)]
    if fresh:
        estimator._names_in = getattr(estimator, "feature_names_in_", None)
    known = _known(estimator)
    names = [f"c{i}" for i in range(len(columns))] if known is None else list(known)
    cells = {
        label: _cleaned(f"{name}, column {label!r}", column)
        for label, column in zip(names, columns, strict=True)
    }
    rows, *others = sorted({len(column) for column in cells.values()})
    if others:
        raise ValueError(f"{name}: expected columns of one length, got {[rows, *others]} rows")
    if rows < least:
        raise ValueError(f"{name}: expected at least {least} rows, got {rows}")
    pairs = zip(names, columns, strict=True)
    return FrameColumns(cells, tuple(label for label, column in pairs if is_categorical(column)))


def _known(estimator: Any) -> Any:
    """Give the names of the columns in `fit`, None if they had none.

    ``KernelExplainer`` of shap 0.51 copies a model, sets the copy's `feature_names_in_` to None, so
    that scikit-learn does not warn, and asks it with arrays.
    """
    names = getattr(estimator, "feature_names_in_", None)
    return getattr(estimator, "_names_in", None) if names is None else names


def _note(estimator: Any, name: str, names: list[Any], fresh: bool) -> None:
    """Note the names of a mapping's columns or compare them, as scikit-learn does with frames."""
    names = _checks.texts(name, names)
    if fresh:
        estimator.feature_names_in_ = np.array(names, object)
        estimator.n_features_in_ = len(names)
        return
    known = _known(estimator)
    known = names if known is None else list(known)
    if names != known or len(names) != estimator.n_features_in_:
        raise ValueError(
            f"{name}: The feature names should match those that were passed during fit: expected "
            f"{known}, got {names}"
        )


def _cleaned(name: str, column: Any) -> Any:
    """Empty the words for missing cells in a column that has texts of its own."""
    cells, are_own = cells_of(name, column)
    if cells.dtype != object:
        return cells
    if not are_own:
        return column
    words, texts = missing_words(), [cell.strip() for cell in cells]
    return np.array(["" if text.lower() in words else text for text in texts], object)
