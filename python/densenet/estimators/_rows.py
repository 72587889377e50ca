"""The rows that an estimator trains on or predicts for, dense or sparse."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.utils.validation import (
    _check_sample_weight,
    _get_feature_names,
    validate_data,
)

from densenet import _checks
from densenet._typing import Array
from densenet.estimators._objective import Objective
from densenet.network import Network

ROWS_AT_ONCE = 8192
"""Number of rows that are gathered, and made dense if they are sparse, at a time."""

_OUTPUT_BYTES = 2**22
"""Memory for outputs of networks that are computed together."""

_DENSE_BYTES = 2**26
"""Memory for sparse rows that are made dense; a batch may take more."""


_LABELS = (str, bytes, int, float, np.generic)
"""Types of objects that scikit-learn takes for labels, or refuses by their name."""


def rows_at_once(x: Any) -> int:
    """Give how many rows to take at a time: few of wide sparse ones, which are made dense."""
    if not issparse(x):
        return ROWS_AT_ONCE
    row: int = x.shape[1] * x.dtype.itemsize
    return max(1, min(ROWS_AT_ONCE, _DENSE_BYTES // row))


def parts(n: int, most: int) -> Iterator[slice]:
    """Cut n rows into slices of at most so many."""
    return (slice(begin, begin + most) for begin in range(0, n, most))


class Dense:
    """Makes sparse rows dense, each time in the same memory: what was given before is lost."""

    def __init__(self) -> None:
        self._memory = np.empty(0)

    def __call__(self, x: Any) -> Array:
        """Make rows dense if they are sparse."""
        if not issparse(x):
            dense: Array = x
            return dense
        size = x.shape[0] * x.shape[1]
        if self._memory.size < size or self._memory.dtype != x.dtype:
            self._memory = np.empty(size, x.dtype)
        made: Array = x.toarray(out=self._memory[:size].reshape(x.shape))
        return made


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
        If an array has a mask, a frame is a query not yet run, or NumPy cannot read a tensor.
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
    """Refuse masked arrays, and tensors that NumPy cannot read, such as those with a gradient.

    Raises
    ------
    TypeError
        If it is one of these.
    """
    _checks.unmasked(name, values)
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


def outputs(networks: Sequence[Network], x: Any, finish: Callable[[list[Array]], Array]) -> Array:
    """Compute ``finish(each network's outputs)``, a function of each row, for any number of rows.

    Few rows are taken at a time: all outputs, of which `finish` may leave one number a row, would
    go through memory.
    """
    first, n, dense = networks[0], x.shape[0], Dense()
    most = rows_at_once(x) if issparse(x) else n
    if first.precision == "highest":  # lower ones compute by the number of rows of a call
        row = len(networks) * first.outputs * first.dtype.itemsize
        most = max(1, min(most, _OUTPUT_BYTES // row))

    def of(part: slice) -> Array:
        rows = dense(x[part])
        return finish([network.forward(rows) for network in networks])

    some = of(slice(0, most))
    if n <= most:
        return some
    found = np.empty((n, *some.shape[1:]), some.dtype)
    found[:most] = some
    for begin in range(most, n, most):
        part = slice(begin, begin + most)
        found[part] = of(part)
    return found


@dataclass(frozen=True)
class Rows:
    """Rows of x, their targets in the form that the loss expects, and their weights.

    `numbers` has, for each target, the number of its row of x; None stands for all in their order.
    """

    x: Any
    targets: Array
    weight: Array | None
    objective: Objective
    numbers: Array | None = None
    _dense: Dense = field(default_factory=Dense)

    @classmethod
    def among(
        cls, x: Any, numbers: Array, targets: Array, weight: Array | None, objective: Objective
    ) -> "Rows":
        """Give all rows of x, where targets and weights are known of those with these numbers."""
        n = x.shape[0]
        all_targets = np.repeat(targets[:1], n, axis=0)  # any that the loss admits
        all_targets[numbers] = targets
        if weight is None:
            return cls(x, all_targets, None, objective)
        all_weights = np.zeros(n, weight.dtype)
        all_weights[numbers] = weight
        return cls(x, all_targets, all_weights, objective)

    def __len__(self) -> int:
        return len(self.targets)

    def take(self, rows: Any) -> tuple[Array, dict[str, Any]]:
        """Give some rows, dense, and the arguments with which a network trains on their targets.

        Sparse rows that were given before are overwritten.
        """
        weight = None if self.weight is None else self.weight[rows]
        numbers = rows if self.numbers is None else self.numbers[rows]
        return self._dense(self.x[numbers]), self.objective.given(self.targets[rows], weight)

    def parts(self) -> Iterator[slice]:
        """Cut the rows into slices that are taken one at a time."""
        return parts(len(self), rows_at_once(self.x))

    def masses(self, order: Array, batch_size: int) -> Array:
        """Give the sum of the weights in each batch; without weights, its number of rows."""
        begins = np.arange(0, len(order), batch_size)
        if self.weight is None:
            return np.minimum(len(order) - begins, batch_size).astype(np.float64)
        sums: Array = np.add.reduceat(self.weight[order], begins)
        return sums.astype(np.float64)

    @property
    def mass(self) -> float:
        """Sum of all weights."""
        return float(len(self) if self.weight is None else self.weight.sum())

    def loss(self, network: Network) -> float:
        """Compute the loss of all rows, without penalties."""
        total = 0.0
        for part in self.parts():
            share = len(self.targets[part]) if self.weight is None else self.weight[part].sum()
            if share:
                x, given = self.take(part)
                total += share * network.loss(x, **given)
        return self.objective.scale * total / self.mass if self.mass else 0.0
