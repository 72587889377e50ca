"""The cases of bench.py: each kernel's arguments, its work, and how far the backends may differ.

Cases are made from a kernel's name and signature, so a new kernel of a known kind needs no case of
its own.
"""

import inspect
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np

from densenet import kernels, reference
from densenet._typing import Array

# Small, medium and large.
_PRODUCTS = ((1, 784, 16), (32, 64, 32), (128, 784, 128), (1024, 1024, 1024))  # batch, in, out
_TABLES = ((32, 16), (128, 1024), (1024, 4096))
_CLASSES = ((32, 10), (1024, 10), (2048, 1000))
_VECTORS = ((13_002,), (394_634,), (10_510_346,))  # the parameters of nets A, E and G
_STATES = ("velocity", "m", "v")
_ULP = 4
_DRAWN = 400_009  # an odd period, so that repeated numbers fall on other lanes and threads


@dataclass
class Case:
    """One kernel at one shape and dtype.

    ``arguments`` makes the same positional and keyword arguments for both backends. ``tolerances``
    takes the positional ones and the reference's outputs, returned or written in place; it gives
    the largest difference allowed for each output, as an array or a number.
    """

    kernel: str
    shape: str
    dtype: np.dtype[Any]
    arguments: Callable[[], tuple[list[Any], dict[str, Any]]]
    tolerances: Callable[[list[Any], list[Any]], list[Any]]
    flop: int = 0  # of products; other kernels are measured by their bytes
    bytes: int = 0  # read and written
    footprint: int = 0  # bytes of all distinct arrays
    in_place: Sequence[int] = field(default=())  # positions of the arguments that it updates

    def bind(self, module: ModuleType) -> Callable[[], Any]:
        """Make a function without arguments that calls the module's kernel on arrays of its own."""
        function = getattr(module, self.kernel)
        arguments, settings = self.arguments()
        if self.in_place:
            return lambda: (function(*arguments, **settings), [arguments[i] for i in self.in_place])
        return lambda: function(*arguments, **settings)

    def _outputs(self, module: ModuleType) -> list[Any]:
        result = self.bind(module)()
        if self.in_place:
            return list(result[1])
        return list(result) if isinstance(result, tuple) else [result]

    def disagreement(self) -> float:
        """Give the largest difference between the backends; 1 is the most that is allowed."""
        ours, theirs = self._outputs(kernels), self._outputs(reference)
        allowed = self.tolerances(self.arguments()[0], theirs)
        worst = 0.0
        for a, b, limit in zip(ours, theirs, allowed, strict=True):
            difference = np.abs(np.asarray(a, np.float64) - np.asarray(b, np.float64))
            largest = float(np.max(difference / limit))
            worst = max(worst, largest) if largest == largest else float("inf")
        return worst


def every_case(quick: bool) -> Iterator[Case]:
    """Give the cases of all kernels; if ``quick``, in float32 and without the largest sizes."""
    for name in kernels.__all__:
        make, sizes = _kind(name)
        if make is None:
            continue
        for size in sizes[: len(sizes) - quick]:
            for dtype in (np.float32,) if quick else (np.float32, np.float64):
                yield make(name, size, np.dtype(dtype))


def unknown_kernels() -> list[str]:
    """Give the names of kernels that are of no known kind and have no case."""
    return [name for name in kernels.__all__ if _kind(name)[0] is None]


def _kind(name: str) -> tuple[Callable[[str, Any, np.dtype[Any]], Case] | None, Sequence[Any]]:
    parameters = inspect.signature(getattr(reference, name)).parameters.values()
    needed = [p.name for p in parameters if p.default is p.empty and p.kind is not p.KEYWORD_ONLY]
    if name == "linear_forward":
        return _linear_forward, _PRODUCTS
    if name == "linear_backward":
        return _linear_backward, _PRODUCTS
    if name.startswith("softmax_cross_entropy"):
        return _cross_entropy, _CLASSES
    if name.startswith("softmax"):
        return _softmax, _CLASSES
    if name.endswith("_step"):
        return _update, _VECTORS
    if needed == ["outputs", "targets"]:
        return _loss, _CLASSES
    if needed in (["x"], ["dy", "y"], ["dy", "x"]):
        return _elementwise, _TABLES
    return None, ()


# ---- tolerances: those of docs/promises.md -------------------------------------------------------


def _ulps(values: Any) -> Any:
    """Give four units in the last place of each value, at least the smallest normal number."""
    values = np.abs(np.asarray(values))
    return np.maximum(_ULP * np.spacing(values), np.finfo(values.dtype).tiny).astype(np.float64)


def _product(a: Array, b: Array, bias: Array | None = None) -> Array:
    """Give ``2 K eps Σ|a||b|`` for each element of a product, where K is the number of terms."""
    terms = a.shape[1]
    sizes: Array = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
    if bias is not None:
        terms, sizes = terms + 1, sizes + np.abs(bias)
    limits = np.finfo(a.dtype)
    tolerance: Array = 2 * terms * float(limits.eps) * sizes + float(limits.tiny)
    return tolerance


# ---- cases ---------------------------------------------------------------------------------------


def _normal(seed: int, dtype: np.dtype[Any], *shapes: tuple[int, ...]) -> list[Array]:
    """Draw normal numbers; large arrays repeat them, for drawing takes longer than a kernel."""
    rng = np.random.default_rng(seed)
    drawn = [rng.standard_normal(min(_DRAWN, math.prod(shape))).astype(dtype) for shape in shapes]
    return [np.resize(numbers, shape) for numbers, shape in zip(drawn, shapes, strict=True)]


def _linear_forward(name: str, size: tuple[int, int, int], dtype: np.dtype[Any]) -> Case:
    batch, inputs, outputs = size
    shapes = (batch, inputs), (outputs, inputs), (outputs,)
    elements = batch * inputs + outputs * inputs + batch * outputs
    return Case(
        name,
        f"{batch} x {inputs} -> {outputs}",
        dtype,
        lambda: (list(_normal(1, dtype, *shapes)), {}),
        lambda given, _: [_product(given[0], given[1].T, given[2])],
        flop=2 * batch * inputs * outputs,
        footprint=elements * dtype.itemsize,
    )


def _linear_backward(name: str, size: tuple[int, int, int], dtype: np.dtype[Any]) -> Case:
    batch, inputs, outputs = size
    shapes = (batch, outputs), (batch, inputs), (outputs, inputs)
    elements = 2 * (batch * inputs + outputs * inputs) + batch * outputs

    def tolerances(given: list[Any], _: list[Any]) -> list[Any]:
        dy, x, weight = given
        ones = np.ones((1, batch), dtype)
        return [_product(dy, weight), _product(dy.T, x), _product(ones, dy)[0]]

    return Case(
        name,
        f"{batch} x {inputs} -> {outputs}",
        dtype,
        lambda: (list(_normal(2, dtype, *shapes)), {}),
        tolerances,
        flop=4 * batch * inputs * outputs,
        footprint=elements * dtype.itemsize,
    )


def _elementwise(name: str, size: tuple[int, int], dtype: np.dtype[Any]) -> Case:
    arrays = 1 if name.endswith("_forward") else 2
    return Case(
        name,
        f"{size[0]} x {size[1]}",
        dtype,
        # A backward kernel may take outputs of its forward one: numbers in (0, 1) suit them all.
        lambda: (
            _normal(3, dtype, size)
            if arrays == 1
            else [*_normal(3, dtype, size), _between(4, dtype, size)],
            {},
        ),
        lambda _, expected: [_ulps(expected[0])],
        bytes=(arrays + 1) * size[0] * size[1] * dtype.itemsize,
        footprint=(arrays + 1) * size[0] * size[1] * dtype.itemsize,
    )


def _between(seed: int, dtype: np.dtype[Any], size: tuple[int, ...]) -> Array:
    return np.random.default_rng(seed).uniform(0.01, 0.99, size).astype(dtype)


def _probabilities(dtype: np.dtype[Any], size: tuple[int, int]) -> Array:
    return reference.softmax_forward(_normal(5, dtype, size)[0])


def _softmax(name: str, size: tuple[int, int], dtype: np.dtype[Any]) -> Case:
    forward = name.endswith("_forward")

    def arguments() -> tuple[list[Any], dict[str, Any]]:
        (x,) = _normal(6, dtype, size)
        return ([x] if forward else [x, _probabilities(dtype, size)]), {}

    def tolerances(given: list[Any], expected: list[Any]) -> list[Any]:
        if forward:
            return [_ulps(expected[0])]
        dy, y = (np.abs(array).astype(np.float64) for array in given)
        eps = float(np.finfo(dtype).eps)  # the row's sum is a product of length C
        return [y * eps * (2 * size[1] * (dy * y).sum(1, keepdims=True) + _ULP * dy) + 1e-300]

    count = (2 if forward else 3) * size[0] * size[1] * dtype.itemsize
    shape = f"{size[0]} x {size[1]}"
    return Case(name, shape, dtype, arguments, tolerances, bytes=count, footprint=count)


def _cross_entropy(name: str, size: tuple[int, int], dtype: np.dtype[Any]) -> Case:
    forward = name.endswith("_forward")

    def arguments() -> tuple[list[Any], dict[str, Any]]:
        targets = np.random.default_rng(7).integers(0, size[1], size[0])
        first = _normal(8, dtype, size)[0] if forward else _probabilities(dtype, size)
        return [first, targets], {}

    def tolerances(given: list[Any], expected: list[Any]) -> list[Any]:
        if not forward:
            return [_ulps(expected[0])]
        sums = 2 * size[0] * float(np.finfo(np.float64).eps)
        return [abs(expected[0]) * (sums + _ULP * float(np.finfo(dtype).eps)), _ulps(expected[1])]

    count = 2 * size[0] * size[1] * dtype.itemsize
    shape = f"{size[0]} x {size[1]}"
    return Case(name, shape, dtype, arguments, tolerances, bytes=count, footprint=count)


def _loss(name: str, size: tuple[int, int], dtype: np.dtype[Any]) -> Case:
    forward = name.endswith("_forward")

    def arguments() -> tuple[list[Any], dict[str, Any]]:
        # Probabilities are valid targets of most losses; the logistic one takes -1 and 1.
        targets = _probabilities(dtype, size)
        if name.startswith("logistic"):
            targets = np.sign(_normal(11, dtype, size)[0])
        return [_between(10, dtype, size), targets], {}

    def tolerances(_: list[Any], expected: list[Any]) -> list[Any]:
        if forward:
            return [abs(expected[0]) * 2 * size[0] * size[1] * float(np.finfo(np.float64).eps)]
        # A gradient may be a difference of numbers up to 1, divided by the number of outputs.
        share = 1 / (size[0] * size[1])
        return [_ULP * float(np.finfo(dtype).eps) * (np.abs(expected[0]) + share)]

    count = (2 if forward else 3) * size[0] * size[1] * dtype.itemsize
    shape = f"{size[0]} x {size[1]}"
    return Case(name, shape, dtype, arguments, tolerances, bytes=count, footprint=count)


def _update(name: str, size: tuple[int], dtype: np.dtype[Any]) -> Case:
    names = list(inspect.signature(getattr(reference, name)).parameters)
    states = [state for state in names if state in _STATES]
    n = size[0]

    def arguments() -> tuple[list[Any], dict[str, Any]]:
        param, grad, *moments = _normal(9, dtype, *[size] * (2 + len(states)))
        moments = [np.abs(m) if s == "v" else m for s, m in zip(states, moments, strict=True)]
        settings = {"lr": 1e-3} | ({"momentum": 0.9} if "momentum" in names else {})
        return [param, grad, *moments, *([10] if "step" in names else [])], settings

    updated = (0, *range(2, 2 + len(states)))
    return Case(
        name,
        f"{n:,}",
        dtype,
        arguments,
        lambda _, expected: [_ulps(array) for array in expected],
        bytes=(2 * len(updated) + 1) * n * dtype.itemsize,
        footprint=(len(updated) + 1) * n * dtype.itemsize,
        in_place=updated,
    )
