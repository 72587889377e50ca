"""Every argument check, once: both backends raise these errors, and no others.

The reference calls a check first. The compiled side tests its arguments itself, in a few
nanoseconds, and calls the check of the same name only where a test fails. A check raises the one
clear error, or returns arguments that can be used: contiguous, aligned, in native byte order.

``TypeError`` is for what a thing is (not an array, another element type), ``ValueError`` for what
it holds. A message names the argument, what was expected and what came.
"""

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from numbers import Real
from typing import Any, TypeAlias

import numpy as np

from densenet._typing import Array

# ---- arrays ------------------------------------------------------------------------------------


def describe(value: object) -> str:
    """Say what came in place of what was expected."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of shape {value.shape}"
    return "None" if value is None else type(value).__name__


def _floating(**arrays: Any) -> None:
    """Require arrays that are all of float32, or all of float64."""
    first = ""
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise TypeError(f"{name}: expected a NumPy array, got {describe(array)}")
        dtype = array.dtype.newbyteorder("=")
        if not first:
            if dtype not in (np.float32, np.float64):
                raise TypeError(f"{name}: expected float32 or float64, got {array.dtype}")
            first, wanted = name, dtype
        elif dtype != wanted:
            raise TypeError(f"{name}: expected {wanted} like {first}, got {array.dtype}")


def _shape(name: str, array: Array, expected: tuple[int | str, ...]) -> None:
    """Require this shape; a word in it stands for any length but 0."""
    if array.shape == expected:
        return
    fits = len(expected) == array.ndim and all(
        got > 0 if isinstance(want, str) else got == want
        for want, got in zip(expected, array.shape, strict=True)
    )
    if not fits:
        words = ", ".join(map(str, expected)) + ("," if len(expected) == 1 else "")
        raise ValueError(f"{name}: expected shape ({words}), got {array.shape}")


def _not_empty(name: str, array: Array) -> None:
    if array.size == 0:
        raise ValueError(f"{name}: expected at least one element, got shape {array.shape}")


def _usable(array: Array, *, either_order: bool = False) -> Array:
    """Give the array itself if it is aligned, native and contiguous, otherwise a copy that is."""
    flags = array.flags
    contiguous = flags.c_contiguous or (either_order and flags.f_contiguous)
    if contiguous and flags.aligned and array.dtype.isnative:
        return array
    return np.array(array, array.dtype.newbyteorder("="), order="C")


def elementwise(x: Any, parameter: Mapping[str, Any]) -> tuple[Array, dict[str, float]]:
    """Check the arguments of an activation's forward pass: x of any shape, and its parameter."""
    _floating(x=x)
    _not_empty("x", x)
    return _usable(x), settings(parameter)


def _elementwise_backward(
    dy: Any, name: str, value: Any, parameter: Mapping[str, Any]
) -> tuple[Array, Array, dict[str, float]]:
    _floating(**{"dy": dy, name: value})
    _not_empty("dy", dy)
    _shape(name, value, dy.shape)
    return _usable(dy), _usable(value), settings(parameter)


def elementwise_backward(
    dy: Any, y: Any, parameter: Mapping[str, Any]
) -> tuple[Array, Array, dict[str, float]]:
    """Check the arguments of an activation's backward pass, of any one shape."""
    return _elementwise_backward(dy, "y", y, parameter)


def elementwise_backward_from_x(
    dy: Any, x: Any, parameter: Mapping[str, Any]
) -> tuple[Array, Array, dict[str, float]]:
    """Check them where the derivative wants the input."""
    return _elementwise_backward(dy, "x", x, parameter)


def matrix(x: Any) -> tuple[Array]:
    """Check the argument of a function of rows."""
    _floating(x=x)
    _shape("x", x, ("batch", "classes"))
    return (_usable(x),)


def matrix_backward(dy: Any, y: Any) -> tuple[Array, Array]:
    """Check the arguments of the backward pass of a function of rows."""
    _floating(dy=dy, y=y)
    _shape("dy", dy, ("batch", "classes"))
    _shape("y", y, dy.shape)
    return _usable(dy), _usable(y)


def linear_forward(x: Any, weight: Any, bias: Any) -> tuple[Array, Array, Array | None]:
    """Check the arguments of ``linear_forward``."""
    given = {"x": x, "weight": weight}
    _floating(**(given if bias is None else given | {"bias": bias}))
    _shape("x", x, ("batch", "inputs"))
    _shape("weight", weight, ("outputs", x.shape[1]))
    if bias is not None:
        _shape("bias", bias, (weight.shape[0],))
        bias = _usable(bias)
    return _usable(x), _usable(weight, either_order=True), bias


def linear_backward(dy: Any, x: Any, weight: Any) -> tuple[Array, Array, Array]:
    """Check the arguments of ``linear_backward``."""
    _floating(dy=dy, x=x, weight=weight)
    _shape("dy", dy, ("batch", "outputs"))
    _shape("x", x, (dy.shape[0], "inputs"))
    _shape("weight", weight, (dy.shape[1], x.shape[1]))
    return _usable(dy), _usable(x), _usable(weight, either_order=True)


# ---- losses ------------------------------------------------------------------------------------


def _common(array: Array, dtype: np.dtype[Any]) -> Array:
    """Give the array, converted where its type is a float that the core does not read."""
    read = array.dtype.kind != "f" or array.dtype.itemsize in (4, 8)
    return array if read else array.astype(dtype)


def class_targets(
    targets: Any, batch: int, classes: int, dtype: np.dtype[Any], name: str = "targets"
) -> Array:
    """Check class indices (int64 comes back) or rows of probabilities (as they came)."""
    if not isinstance(targets, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array, got {describe(targets)}")
    kind = targets.dtype.kind
    if kind not in "biuf" or (kind == "f" and targets.ndim == 1):
        raise TypeError(
            f"{name}: expected integer class indices of shape ({batch},) or rows of "
            f"probabilities of shape ({batch}, {classes}), got {describe(targets)}"
        )
    if targets.ndim == 1:
        _shape(name, targets, (batch,))
        for label in (targets[targets.argmin()], targets[targets.argmax()]):  # min runs Python
            if not 0 <= label < classes:
                raise ValueError(f"{name}: expected class indices in [0, {classes}), got {label}")
        return _usable(targets.astype(np.int64, copy=False))
    _shape(name, targets, (batch, classes))
    given = targets.dtype if kind == "f" else dtype
    tolerance = math.sqrt(max(np.finfo(dtype).eps, np.finfo(given).eps))
    rows = 1 + (1 << 20) // classes  # a bounded part of the targets at a time
    for begin in range(0, batch, rows):
        part = np.asarray(targets[begin : begin + rows], np.float64)
        with np.errstate(invalid="ignore"):
            sums = part.sum(axis=1)
        wrong = ~((part >= 0).all(axis=1) & (np.abs(sums - 1) <= tolerance))
        if wrong.any():
            row = int(np.argmax(wrong))
            raise ValueError(
                f"{name}: expected rows >= 0 that sum to 1, got a smallest value of "
                f"{part[row].min():g} and a sum of {sums[row]:.9g} in row {begin + row}"
            )
    if kind == "f" and np.finfo(given).eps > np.finfo(dtype).eps:  # make up for its rounding
        wide = targets.astype(dtype)
        targets = wide / wide.sum(axis=1, keepdims=True)
    return _common(targets, dtype)


def weights(sample_weight: Any, batch: int, name: str = "sample_weight") -> Array:
    """Check sample weights: finite, at least 0, one for each row. float64 comes back."""
    array = np.asarray(sample_weight)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got {describe(sample_weight)}")
    _shape(name, array, (batch,))
    wrong = ~((array >= 0) & np.isfinite(array))
    if wrong.any():
        first = array[np.argmax(wrong)]
        raise ValueError(f"{name}: expected finite numbers >= 0, got {first:g}")
    return _usable(array.astype(np.float64, copy=False))


def _loss_arrays(
    loss: str, name: str, scores: Any, axis: str, targets: Any, sample_weight: Any
) -> tuple[Array, Array, Array | None]:
    """Check what every loss gets: a matrix of this name, targets that fit it, weights."""
    given = {name: scores}
    _floating(**(given if sample_weight is None else given | {"sample_weight": sample_weight}))
    _shape(name, scores, ("batch", axis))
    batch, width = scores.shape
    if isinstance(targets, np.ndarray) and targets.dtype.kind == "f" and targets.ndim == 2:
        _floating(**given, targets=targets)
    dtype = scores.dtype.newbyteorder("=")
    if loss.endswith("cross_entropy") and not loss.startswith("binary"):
        targets = class_targets(targets, batch, width, dtype)
    else:
        targets = value_targets(targets, loss, batch, width, dtype)
    if targets.ndim == 2:
        targets = _usable(targets.astype(dtype, copy=False))
    if sample_weight is not None:
        sample_weight = weights(sample_weight, batch).astype(dtype)
    return _usable(scores), targets, sample_weight


def softmax_cross_entropy_forward(
    logits: Any, targets: Any, sample_weight: Any, label_smoothing: Any
) -> tuple[Array, Array, Array | None, float]:
    """Check the arguments of ``softmax_cross_entropy_forward``."""
    loss = "softmax_cross_entropy"
    arrays = _loss_arrays(loss, "logits", logits, "classes", targets, sample_weight)
    return *arrays, setting("label_smoothing", label_smoothing)


def softmax_cross_entropy_backward(
    probabilities: Any, targets: Any, sample_weight: Any, label_smoothing: Any
) -> tuple[Array, Array, Array | None, float]:
    """Check the arguments of ``softmax_cross_entropy_backward``."""
    loss = "softmax_cross_entropy"
    arrays = _loss_arrays(loss, "probabilities", probabilities, "classes", targets, sample_weight)
    return *arrays, setting("label_smoothing", label_smoothing)


_ADMITTED: dict[str, tuple[str, Callable[[Array], Array]]] = {
    "binary_cross_entropy": ("numbers in [0, 1]", lambda t: (t >= 0) & (t <= 1)),
    "logistic": ("-1 or 1", lambda t: np.abs(t) == 1),
}


def value_targets(
    targets: Any, loss: str, batch: int, outputs: int, dtype: np.dtype[Any], name: str = "targets"
) -> Array:
    """Check targets that are a real number for each output: (batch, outputs) comes back."""
    if not isinstance(targets, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array, got {describe(targets)}")
    if targets.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got {describe(targets)}")
    if outputs == 1 and targets.ndim == 1:
        targets = targets[:, None]
    _shape(name, targets, (batch, outputs))
    if loss in _ADMITTED:
        words, admits = _ADMITTED[loss]
        wrong = ~admits(targets)
        if wrong.any():
            raise ValueError(f"{name}: expected {words}, got {targets[wrong][0]}")
    return _common(targets, dtype)


def loss(
    name: str, outputs: Any, targets: Any, sample_weight: Any, values: Mapping[str, Any]
) -> tuple[str, Array, Array, Array | None, dict[str, float]]:
    """Check the arguments of a loss of this name, forward or backward."""
    arrays = _loss_arrays(name, "outputs", outputs, "outputs", targets, sample_weight)
    return name, *arrays, settings(values)


# ---- settings ----------------------------------------------------------------------------------

_Range: TypeAlias = tuple[str, Callable[[float], bool]]
_DECAY: _Range = ("[0, 1)", lambda value: 0 <= value < 1)
_RATE: _Range = ("[0, inf)", lambda value: 0 <= value < math.inf)
_POSITIVE: _Range = ("(0, inf)", lambda value: 0 < value < math.inf)
_RANGES: dict[str, _Range] = {
    "lr": _RATE,
    "eps": _RATE,
    "l1": _RATE,
    "l2": _RATE,
    "momentum": _DECAY,
    "beta": _DECAY,
    "beta1": _DECAY,
    "beta2": _DECAY,
    "label_smoothing": _DECAY,
    "rate": _DECAY,
    "min_delta": _RATE,
    "tolerance": _RATE,
    "factor": _RATE,
    "final": _RATE,
    "slope": _RATE,
    "alpha": _RATE,
    "weight_decay": _RATE,
    "delta": _POSITIVE,
    "clip_norm": _POSITIVE,
    "clip_value": _POSITIVE,
    "dampening": ("[0, 1]", lambda value: 0 <= value <= 1),
    "nesterov": ("{False, True}", lambda value: value in (0, 1)),
}


OPTIONAL = ("clip_norm", "clip_value")
"""Settings that None turns off."""


def setting(name: str, value: Any) -> float:
    """Check a hyper-parameter against the range of its name."""
    words, fits = _RANGES[name]
    if not isinstance(value, (float, Real, np.bool_)):  # float first: Real takes time
        raise TypeError(f"{name} must be a number in {words}, got {describe(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond the largest float
        number = math.inf
    if not fits(number):
        raise ValueError(f"{name} must be in {words}, got {value}")
    return number


def settings(values: Mapping[str, Any]) -> dict[str, float]:
    """Check the hyper-parameters of an optimizer, one by one and against each other."""
    numbers = {
        name: setting(name, value)
        for name, value in values.items()
        if not (value is None and name in OPTIONAL)
    }
    if numbers.get("nesterov") and (not numbers["momentum"] or numbers["dampening"]):
        raise ValueError(
            "nesterov must be used with momentum > 0 and dampening 0, got "
            f"momentum {values['momentum']} and dampening {values['dampening']}"
        )
    return numbers


def count(name: str, value: Any, least: int = 1, most: float = math.inf) -> int:
    """Check a whole number."""
    words = f">= {least}" if most == math.inf else f"in [{least}, {most}]"
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer {words}, got {describe(value)}") from None
    if not least <= number <= most:
        raise ValueError(f"{name} must be an integer {words}, got {number}")
    return number


# ---- updates in place --------------------------------------------------------------------------


def _in_place(name: str, array: Array) -> None:
    """Require what can be written where it is: no copy can stand in for what the caller holds."""
    if not array.flags.writeable:
        raise ValueError(f"{name}: expected a writeable array, got a read-only one")
    if not array.dtype.isnative:
        raise ValueError(f"{name}: expected native byte order, got {array.dtype.str}")
    if not array.flags.aligned:
        raise ValueError(f"{name}: expected an aligned array, got a misaligned one")
    if any(step == 0 and size > 1 for step, size in zip(array.strides, array.shape, strict=True)):
        raise ValueError(f"{name}: expected elements of its own, got a broadcast array")


_EFFORT: Any = 1_000_000  # candidate solutions; NumPy's stubs know of -1 and 0 only


def _share_memory(a: Array, b: Array) -> bool:
    try:
        return np.shares_memory(a, b, max_work=_EFFORT)
    except np.exceptions.TooHardError:
        return True  # too intricate to be of use


def update(
    arrays: Mapping[str, Any], step: Any, values: Mapping[str, Any]
) -> tuple[list[Array], int, dict[str, float]]:
    """Check the arguments of an optimizer's step: param, grad and its state, by name."""
    numbers = settings(values)
    _floating(**arrays)
    param = arrays["param"]
    _not_empty("param", param)
    places = dict(arrays)
    for name, array in arrays.items():
        _shape(name, array, param.shape)
        if name == "grad":
            readable = array.dtype.isnative and array.flags.aligned
            places[name] = array if readable else _usable(array)
        else:
            _in_place(name, array)
        for other in list(arrays)[: list(arrays).index(name)]:
            if _share_memory(arrays[other], array):
                raise ValueError(f"{name}: expected memory of its own, got some of {other}'s")
    if not (param.flags.c_contiguous or param.flags.f_contiguous):
        raise ValueError(f"param: expected a C- or F-contiguous array, got strides {param.strides}")
    if "velocity" not in arrays and (numbers.get("momentum") or numbers.get("dampening")):
        raise ValueError(f"velocity: expected an array of shape {param.shape}, got None")
    # A decay factor to the power of a larger step is the same: 0, or 1 to within rounding.
    return list(places.values()), min(count("step", step), 2**53), numbers


# ---- a network's arguments ---------------------------------------------------------------------


def inputs(x: Any, width: int, name: str = "x") -> Array:
    """Check a network's input: any real element type and strides, converted later row by row."""
    array = np.asarray(x)
    dtype = array.dtype
    if dtype.kind not in "biuf" or (dtype.kind == "f" and dtype.itemsize not in (4, 8)):
        got = describe(x) if array is x else dtype
        raise TypeError(f"{name}: expected float32, float64, integers or bool, got {got}")
    _shape(name, array, ("batch", width))
    return array


def matching(name: str, array: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
    """Check an array of the network's own element type."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"{name}: expected a NumPy array, got {describe(array)}")
    if array.dtype.newbyteorder("=") != dtype:
        raise TypeError(f"{name}: expected {dtype}, got {array.dtype}")
    _shape(name, array, shape)
    return _usable(array)


def real(name: str, array: Any, shape: tuple[int, ...]) -> Array:
    """Check an array of real numbers of this shape."""
    values = np.asarray(array)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"{name}: expected real numbers, got {describe(array)}")
    _shape(name, values, shape)
    return values


def layers(name: str, given: Any, kind: type) -> tuple[Any, ...]:
    """Check a sequence of at least one layer."""
    if not isinstance(given, Sequence):
        raise TypeError(f"{name}: expected a sequence of layers, got {describe(given)}")
    if not given:
        raise ValueError(f"{name}: expected at least one layer, got none")
    for index, layer in enumerate(given):
        if not isinstance(layer, kind):
            raise TypeError(f"{name}[{index}]: expected a layer, got {describe(layer)}")
    return tuple(given)


def same_length(name: str, array: Array, batch: int) -> None:
    """Require one entry for each row."""
    if array.shape[:1] != (batch,):
        raise ValueError(f"{name}: expected {batch} rows, got shape {array.shape}")
