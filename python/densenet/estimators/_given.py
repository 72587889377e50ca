"""Checks what an estimator is given, X, y and weights, and reads it as scikit-learn does."""

from collections.abc import Iterator, Mapping, MappingView, Set
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils.validation import _check_sample_weight, _get_feature_names, validate_data

from densenet import _checks
from densenet._typing import Array

_LABELS = (str, bytes, int, float, np.generic)
"""Types of objects that scikit-learn takes for labels, or refuses by their name."""

_NO_SEQUENCES = (Mapping, MappingView, Set, Iterator)


def is_frame(x: Any) -> bool:
    """Tell a data frame, of which scikit-learn can take rows, from an array."""
    others = _checks.library(x) == "narwhals" or type(x).__name__ == "RecordBatch"
    return hasattr(x, "columns") and not others


def validated(estimator: Any, *given: Any, **how: Any) -> Any:
    """Check data as scikit-learn does, and give them as NumPy's arrays, or sparse.

    With its setting ``array_api_dispatch`` scikit-learn 1.9 would leave arrays of JAX and tensors
    of PyTorch as they are, and ask PyTorch for a dtype of NumPy. Without it, it makes float64 of
    tensors of float32. A batch of Arrow has names for it before 1.9, and no rows that it can take.
    """
    read = map(_checks.decoded, given)
    given = tuple(np.asarray(each) if _is_array(each) else each for each in read)
    unknown = _checks.library(given[0]) == "polars" and _get_feature_names(given[0]) is None
    x = _Named(given[0]) if unknown else given[0]
    with config_context(array_api_dispatch=False):
        return validate_data(estimator, x, *given[1:], **how)


def _is_array(x: Any) -> bool:
    """Tell what is taken as an array, without names."""
    return _checks.library(x) == "torch" or type(x).__name__ == "RecordBatch"


class _Named:
    """A frame of polars 2 whose columns' names scikit-learn finds.

    Before 1.9 it asks for them by ``__dataframe__``, which polars 2.0 no longer has, and takes the
    frame for an array without a word: columns in another order would be taken by their positions.
    """

    def __init__(self, frame: Any) -> None:
        self._frame, self.shape = frame, frame.shape

    def __dataframe__(self) -> "_Named":
        return self

    def column_names(self) -> list[str]:
        return list(self._frame.columns)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self._frame, dtype)


def check(**given: Any) -> None:
    """Refuse masked arrays, dates, and frames that have a column without numbers, by name.

    Raises
    ------
    TypeError
        If an array has a mask, a frame is a query not yet run, or NumPy cannot read it.
    ValueError
        If an array holds dates, or a column of a frame anything but numbers, or has gaps.
    """
    for name, x in given.items():
        readable(name, x)
        x = _checks.unwrapped(name, x)
        try:
            _checks.columns(name, x)
        except TypeError as error:  # scikit-learn raises ValueError here
            raise ValueError(str(error)) from None
        no_dates(name, x)


def readable(name: str, values: Any) -> None:
    """Refuse masked arrays, and what NumPy cannot read.

    Such are tensors with a gradient, and what is no sequence: of a dict, a set or a generator NumPy
    makes one object.

    Raises
    ------
    TypeError
        If it is one of these.
    """
    _checks.unmasked(name, values)
    if isinstance(values, _NO_SEQUENCES) and not issparse(values):  # one of scipy is a dict
        _checks.unwrapped(name, values)  # knows better how to go on where there are rows to read
        advice = ": make a frame of it, by pandas.DataFrame" if isinstance(values, Mapping) else ""
        got = _checks.describe(values)
        raise TypeError(f"{name}: expected an array or a frame, got {got}{advice}")
    if _checks.library(values) == "torch":
        _checks.as_array(name, values)


def no_dates(name: str, values: Any) -> None:
    """Refuse dates and time spans, which scikit-learn takes for numbers, and a gap for -2**63.

    Raises
    ------
    ValueError
        If an array, a series or a column of a frame holds them.
    """
    for _, column in _checks.pairs(values) or [("", values)]:
        kind: Any = getattr(column, "dtype", None)
        if not hasattr(kind, "kind"):  # a list, or a series of polars or Arrow
            try:
                kind = np.asarray(column).dtype
            except (TypeError, ValueError, RuntimeError):  # scikit-learn says why
                return
        if kind.kind in "mM":
            raise ValueError(f"{name}: expected numbers, got {kind}: turn it into numbers first")


def labels_known(name: str, labels: Any) -> None:
    """Refuse missing labels, those of NumPy's StringDType, and objects such as intervals.

    scikit-learn compares None and pandas' NA with other labels, which fails, and takes NaT for one.
    Of StringDType its version 1.9 says only that it is none, and of objects that they are unknown.

    Raises
    ------
    TypeError
        If they are of that type.
    ValueError
        If an object or a date is missing, or an object is no text, number or boolean. For floats
        scikit-learn looks itself.
    """
    if labels is None:
        return
    kind = getattr(labels, "dtype", None)
    if getattr(kind, "kind", "") == "T":
        raise TypeError(
            f"{name}: expected labels of a type that scikit-learn knows, got {kind}: make them "
            "objects, by astype(object)"
        )
    try:
        values = np.asarray(_checks.decoded(labels))
    except (TypeError, ValueError, RuntimeError):  # scikit-learn says why
        return
    missing = 0
    if values.dtype.kind in "mM":
        missing = int(np.isnat(values).sum())
    elif values.dtype == object:
        missing = sum(map(_is_missing, values.ravel().tolist()))
    if missing:
        raise ValueError(
            f"{name}: expected a label in each row, got {missing} of {values.size} missing: leave "
            "those rows out"
        )
    kinds = set(map(type, values.ravel().tolist())) if values.dtype == object else set()
    others = [each.__name__ for each in kinds if not issubclass(each, _LABELS)]
    if others:
        raise ValueError(
            f"{name}: expected texts, numbers or booleans as labels, got {min(others)}: make them "
            "texts, by astype(str)"
        )


def _is_missing(label: object) -> bool:
    """Tell None, NaN and pandas' NA and NaT from labels."""
    if isinstance(label, str | int):
        return False
    return str(label) in _checks.MISSING_OBJECTS


def plain_labels(labels: Any) -> Any:
    """Give labels of a nullable type of pandas that have no gap in NumPy's own type.

    scikit-learn makes floats of them: True becomes 1.0, and ids beyond 2**53 are rounded.
    """
    kind = getattr(labels, "dtype", None)
    own = getattr(kind, "numpy_dtype", None)  # of Int64, boolean and int64[pyarrow], for example
    if isinstance(kind, np.dtype) or getattr(own, "kind", "") not in tuple("biu"):
        return labels
    return labels if labels.isna().any() else labels.to_numpy(dtype=own)


def weights(name: str, given: Any, x: Any) -> Array | None:
    """Check the weights of the rows of x, None or (n,), as scikit-learn does.

    Raises
    ------
    TypeError, ValueError
        If they have a mask, are of another length, one is negative or no finite number, or all are
        0.
    """
    if given is None:
        return None
    readable(name, given)
    checked: Array = _check_sample_weight(_checks.decoded(given), x, ensure_non_negative=True)
    _checks.weights(checked, len(checked), name)
    if not checked.any():
        raise ValueError(f"{name}: expected a positive sum, got zeros")
    return checked
