"""Bad arrays: one clear error, of the same type and text from both twins, and nothing changes."""

import re

import numpy as np
import pytest

from tests.support.arrays import misaligned, reversed_axes, spread, swapped
from tests.support.errors import KINDS, assert_refused
from tests.support.functions import arguments_of, random_targets

# ---- good arguments, to be spoiled --------------------------------------------------------------


def test_the_good_arguments_are_good(twins, dtype, rng):
    for module in twins:
        for name in module.__all__:
            getattr(module, name)(**arguments_of(name, rng, dtype))


# ---- shapes ------------------------------------------------------------------------------------

SHAPES = [
    ("linear_forward", "x", (5,), "(batch, inputs), got (5,)"),
    ("linear_forward", "x", (0, 5), "(batch, inputs), got (0, 5)"),
    ("linear_forward", "x", (4, 0), "(batch, inputs), got (4, 0)"),
    ("linear_forward", "x", (1, 4, 5), "(batch, inputs), got (1, 4, 5)"),
    ("linear_forward", "weight", (5, 3), "(outputs, 5), got (5, 3)"),
    ("linear_forward", "weight", (0, 5), "(outputs, 5), got (0, 5)"),
    ("linear_forward", "weight", (), "(outputs, 5), got ()"),
    ("linear_forward", "bias", (4,), "(3,), got (4,)"),
    ("linear_forward", "bias", (1, 3), "(3,), got (1, 3)"),
    ("linear_backward", "dy", (3,), "(batch, outputs), got (3,)"),
    ("linear_backward", "dy", (0, 3), "(batch, outputs), got (0, 3)"),
    ("linear_backward", "x", (5, 5), "(4, inputs), got (5, 5)"),
    ("linear_backward", "weight", (5, 3), "(3, 5), got (5, 3)"),
    ("sigmoid_backward", "y", (5, 4), "(4, 5), got (5, 4)"),
    ("sigmoid_backward", "y", (20,), "(4, 5), got (20,)"),
    ("softmax_forward", "x", (3,), "(batch, classes), got (3,)"),
    ("softmax_forward", "x", (4, 0), "(batch, classes), got (4, 0)"),
    ("softmax_forward", "x", (0, 3), "(batch, classes), got (0, 3)"),
    ("softmax_backward", "dy", (3,), "(batch, classes), got (3,)"),
    ("softmax_backward", "y", (3, 4), "(4, 3), got (3, 4)"),
    ("softmax_cross_entropy_forward", "logits", (12,), "(batch, classes), got (12,)"),
    ("softmax_cross_entropy_forward", "logits", (0, 3), "(batch, classes), got (0, 3)"),
    ("softmax_cross_entropy_forward", "sample_weight", (3,), "(4,), got (3,)"),
    ("softmax_cross_entropy_forward", "sample_weight", (4, 1), "(4,), got (4, 1)"),
    ("softmax_cross_entropy_backward", "probabilities", (3,), "(batch, classes), got (3,)"),
    ("softmax_cross_entropy_backward", "sample_weight", (3,), "(4,), got (3,)"),
    ("sgd_step", "grad", (5, 3), "(3, 5), got (5, 3)"),
    ("sgd_step", "velocity", (15,), "(3, 5), got (15,)"),
    ("rmsprop_step", "v", (5,), "(3, 5), got (5,)"),
    ("adam_step", "m", (3, 1), "(3, 5), got (3, 1)"),
    ("adam_step", "v", (1, 3, 5), "(3, 5), got (1, 3, 5)"),
]


@pytest.mark.parametrize(("name", "argument", "shape", "text"), SHAPES)
def test_wrong_shapes(twins, dtype, rng, name, argument, shape, text):
    arguments = arguments_of(name, rng, dtype)
    arguments[argument] = rng.uniform(size=shape).astype(dtype)
    assert_refused(twins, name, arguments, ValueError, f"{argument}: expected shape {text}")


@pytest.mark.parametrize(
    ("name", "argument", "shape"),
    [
        ("sigmoid_forward", "x", (0,)),
        ("sigmoid_forward", "x", (3, 0)),
        ("sigmoid_backward", "dy", (0, 5)),
        ("sgd_step", "param", (0,)),
        ("adam_step", "param", (3, 0)),
    ],
)
def test_empty_arrays(twins, dtype, rng, name, argument, shape):
    arguments = arguments_of(name, rng, dtype)
    arguments[argument] = np.empty(shape, dtype)
    text = f"{argument}: expected at least one element, got shape {shape}"
    assert_refused(twins, name, arguments, ValueError, text)


# ---- element types -----------------------------------------------------------------------------

ARRAY_ARGUMENTS = [
    (name, argument)
    for name in (
        "linear_forward",
        "linear_backward",
        "sigmoid_forward",
        "sigmoid_backward",
        "softmax_forward",
        "softmax_backward",
        "softmax_cross_entropy_forward",
        "softmax_cross_entropy_backward",
        "sgd_step",
        "rmsprop_step",
        "adam_step",
    )
    for argument, value in arguments_of(name, np.random.default_rng(0), "f8").items()
    if isinstance(value, np.ndarray) and argument != "targets"
]


WRONG_TYPES = ["f2", "c8", "c16", "i4", "i8", "u1", "?", "O", "U3", "M8[s]"]


@pytest.mark.parametrize(("name", "argument"), ARRAY_ARGUMENTS)
def test_wrong_element_types(twins, dtype, rng, name, argument):
    arguments = arguments_of(name, rng, dtype)
    good = arguments[argument]
    first = next(iter(arguments))
    wanted = "float32 or float64" if argument == first else f"{dtype} like {first}"
    for wrong in WRONG_TYPES:
        arguments[argument] = bad = (10 * np.abs(good)).astype("i8").astype(wrong)
        text = f"{argument}: expected {wanted}, got {bad.dtype}"
        assert_refused(twins, name, arguments, TypeError, text)


@pytest.mark.parametrize(("name", "argument"), ARRAY_ARGUMENTS)
def test_mixed_floating_types(twins, dtype, rng, name, argument):
    arguments = arguments_of(name, rng, dtype)
    first = next(iter(arguments))
    if argument == first:
        pair = [a for n, a in ARRAY_ARGUMENTS if n == name and a != first][:1]
        if not pair:
            return  # one array alone cannot be mixed
        (argument,) = pair
    other = np.dtype("f8" if dtype == "f4" else "f4")
    arguments[argument] = arguments[argument].astype(other)
    text = f"{argument}: expected {dtype} like {first}, got {other}"
    assert_refused(twins, name, arguments, TypeError, text)


@pytest.mark.parametrize(("name", "argument"), ARRAY_ARGUMENTS)
def test_what_is_no_array(twins, dtype, rng, name, argument):
    arguments = arguments_of(name, rng, dtype)
    for wrong in ([[1.0, 2.0]], 1.0, "text", None, np.float32(1), b"12345678"):
        if wrong is None and argument in ("bias", "sample_weight", "velocity"):
            continue  # may be left out
        arguments[argument] = wrong
        got = "None" if wrong is None else type(wrong).__name__
        text = f"{argument}: expected a NumPy array, got {got}"
        assert_refused(twins, name, arguments, TypeError, text)


# ---- targets and sample weights ----------------------------------------------------------------

TARGETS = [
    ([0, 1, 3, 2], ValueError, "class indices in [0, 3), got 3"),
    ([0, -1, 1, 2], ValueError, "class indices in [0, 3), got -1"),
    ([0, 2**40, 1, 2], ValueError, f"class indices in [0, 3), got {2**40}"),
    (np.array([0, 1, 2, 2**63], "u8"), ValueError, f"class indices in [0, 3), got {2**63}"),
    ([0, 1, 2], ValueError, "shape (4,), got (3,)"),
    ([0, 1, 2, 0, 1], ValueError, "shape (4,), got (5,)"),
    (np.empty(0, "i8"), ValueError, "shape (4,), got (0,)"),
    (1, ValueError, "shape (4, 3), got ()"),
    ([0.0, 1.0, 2.0, 1.0], TypeError, KINDS.format("float64", "(4,)")),
    (np.array([0, 1, 2, 1], "O"), TypeError, KINDS.format("object", "(4,)")),
    (np.array([0, 1, 2, 1], "c16"), TypeError, KINDS.format("complex128", "(4,)")),
    (np.array(["a", "b", "c", "a"]), TypeError, KINDS.format("<U1", "(4,)")),
    (np.eye(3), ValueError, "shape (4, 3), got (3, 3)"),
    (np.eye(4), ValueError, "shape (4, 3), got (4, 4)"),
]
ROWS = [
    ([0.5, 0.6, 0.0], 0),
    ([0.5, 0.4, 0.0], 0),
    ([-0.25, 0.75, 0.5], -0.25),
    ([0.0, 0.0, 0.0], 0),
    ([np.nan, 0.5, 0.5], np.nan),
    ([np.inf, 0.0, 0.0], 0),
    ([1.0, np.inf, -np.inf], -np.inf),
]
CROSS_ENTROPIES = [f"softmax_cross_entropy_{way}" for way in ("forward", "backward")]


@pytest.mark.parametrize("name", CROSS_ENTROPIES)
@pytest.mark.parametrize(("targets", "kind", "text"), TARGETS)
def test_wrong_targets(twins, dtype, rng, name, targets, kind, text):
    targets = np.array(targets)
    if kind is ValueError and targets.dtype.kind == "f":
        targets = targets.astype(dtype)
    arguments = arguments_of(name, rng, dtype) | {"targets": targets}
    assert_refused(twins, name, arguments, kind, f"targets: expected {text}")


@pytest.mark.parametrize("wrong", [[0, 1, 2, 1], 1, None])
def test_targets_that_are_no_array(twins, dtype, rng, wrong):
    arguments = arguments_of(CROSS_ENTROPIES[0], rng, dtype) | {"targets": wrong}
    got = "None" if wrong is None else type(wrong).__name__
    text = f"targets: expected a NumPy array, got {got}"
    assert_refused(twins, CROSS_ENTROPIES[0], arguments, TypeError, text)


@pytest.mark.parametrize("name", CROSS_ENTROPIES)
@pytest.mark.parametrize(("row", "smallest"), ROWS)
def test_rows_of_targets_that_are_no_probabilities(twins, dtype, rng, name, row, smallest):
    targets = random_targets(rng, "soft", 4, 3, dtype)
    targets[2] = row
    with np.errstate(invalid="ignore"):
        total = targets[2].astype(np.float64).sum()
    arguments = arguments_of(name, rng, dtype) | {"targets": targets}
    text = (
        f"targets: expected rows >= 0 that sum to 1, got a smallest value of {smallest:g} and a "
        f"sum of {total:.9g} in row 2"
    )
    assert_refused(twins, name, arguments, ValueError, text)


@pytest.mark.parametrize("name", CROSS_ENTROPIES)
def test_rows_of_targets_may_miss_1_by_the_root_of_epsilon(twins, dtype, rng, name):
    tolerance = np.sqrt(np.finfo(dtype).eps)
    arguments = arguments_of(name, rng, dtype)
    for module in twins:
        near = np.array([[0.25 + 0.9 * tolerance, 0.5, 0.25]] * 4, dtype)
        getattr(module, name)(**arguments | {"targets": near})
    far = np.array([[0.25 + 1.1 * tolerance, 0.5, 0.25]] * 4, dtype)
    text = (
        "targets: expected rows >= 0 that sum to 1, got a smallest value of 0.25 and a "
        f"sum of {far[0].sum(dtype='f8'):.9g} in row 0"
    )
    assert_refused(twins, name, arguments | {"targets": far}, ValueError, text)


@pytest.mark.parametrize("wrong", ["f2", "f8", "f4"])
def test_rows_of_targets_of_another_type(twins, dtype, rng, wrong):
    if wrong == dtype:
        return
    targets = random_targets(rng, "soft", 4, 3, wrong)
    arguments = arguments_of(CROSS_ENTROPIES[0], rng, dtype) | {"targets": targets}
    text = f"targets: expected {dtype} like logits, got {np.dtype(wrong)}"
    assert_refused(twins, CROSS_ENTROPIES[0], arguments, TypeError, text)


@pytest.mark.parametrize("name", CROSS_ENTROPIES)
@pytest.mark.parametrize("wrong", [-0.5, np.nan, np.inf, -np.inf])
def test_wrong_sample_weights(twins, dtype, rng, name, wrong):
    arguments = arguments_of(name, rng, dtype)
    arguments["sample_weight"][2] = wrong
    text = f"sample_weight: expected finite numbers >= 0, got {wrong:g}"
    assert_refused(twins, name, arguments, ValueError, text)


# ---- arrays that are updated in place ----------------------------------------------------------

IN_PLACE = [
    (name, argument)
    for name, argument in ARRAY_ARGUMENTS
    if name.endswith("_step") and argument != "grad"
]


def read_only(array):
    array = array.copy()
    array.flags.writeable = False
    return array


def broadcast(array):
    view = np.broadcast_to(array[:1].copy(), array.shape)
    view.flags.writeable = True
    return view


def other_order(dtype):
    return dtype.newbyteorder("S").str


UNWRITABLE = [
    (read_only, "expected a writeable array, got a read-only one"),
    (swapped, "expected native byte order, got {other_order}"),
    (misaligned, "expected an aligned array, got a misaligned one"),
    (broadcast, "expected elements of its own, got a broadcast array"),
]


@pytest.mark.filterwarnings("ignore:.*writeable flag:DeprecationWarning")
@pytest.mark.parametrize(("make", "text"), UNWRITABLE, ids=lambda value: "")
@pytest.mark.parametrize(("name", "argument"), IN_PLACE)
def test_arrays_that_cannot_be_updated_in_place(twins, dtype, rng, name, argument, make, text):
    arguments = arguments_of(name, rng, dtype)
    arguments[argument] = make(arguments[argument])
    text = f"{argument}: " + text.format(other_order=other_order(dtype))
    assert_refused(twins, name, arguments, ValueError, text)


@pytest.mark.parametrize("make", [spread, reversed_axes])
@pytest.mark.parametrize("name", ["sgd_step", "rmsprop_step", "adam_step"])
def test_param_must_be_contiguous(twins, dtype, rng, name, make):
    arguments = arguments_of(name, rng, dtype)
    arguments["param"] = make(arguments["param"])
    strides = arguments["param"].strides
    text = f"param: expected a C- or F-contiguous array, got strides {strides}"
    assert_refused(twins, name, arguments, ValueError, text)


def pairs():
    for name in ("sgd_step", "rmsprop_step", "adam_step"):
        names = [argument for n, argument in ARRAY_ARGUMENTS if n == name]
        for i, second in enumerate(names):
            for first in names[:i]:
                yield name, first, second


@pytest.mark.parametrize(("name", "first", "second"), list(pairs()))
def test_arrays_that_share_memory(twins, dtype, rng, name, first, second):
    arguments = arguments_of(name, rng, dtype)
    text = f"{second}: expected memory of its own, got some of {first}'s"
    memory = rng.uniform(size=(4, 5)).astype(dtype)
    for other in (memory[:3], memory[1:], memory[2::-1], memory[:3].copy()):
        shared = arguments | {first: memory[:3], second: other}
        if np.shares_memory(memory[:3], other):
            assert_refused(twins, name, shared, ValueError, text)
        else:
            for module in twins:
                getattr(module, name)(**shared)


def test_arrays_that_interlock_without_sharing_are_fine(backend, dtype, rng):
    memory = np.abs(rng.normal(size=(3, 5, 2))).astype(dtype)
    arguments = arguments_of("adam_step", rng, dtype)
    apart = arguments | {k: v.copy() for k, v in arguments.items() if k != "step"}
    arguments |= {"m": memory[..., 0], "v": memory[..., 1]}
    apart |= {"m": memory[..., 0].copy(), "v": memory[..., 1].copy()}
    backend.adam_step(**arguments)
    backend.adam_step(**apart)
    for name in ("param", "m", "v"):
        assert arguments[name].tobytes() == apart[name].tobytes()


def test_no_message_is_pybind11s_own(twins):
    kernels, _ = twins
    for name in kernels.__all__:
        function = getattr(kernels, name)
        with pytest.raises(TypeError) as caught:
            function(*[object()] * 2, **{"lr": 1.0} if name == "sgd_step" else {})
        assert not re.search("incompatible function|Invoked with", str(caught.value))
