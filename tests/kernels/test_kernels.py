"""The compiled functions equal their twins in NumPy, whatever the arrays look like."""

import inspect

import numpy as np
import pytest

from densenet import reference
from densenet._activations import ACTIVATIONS
from tests.support.arrays import LAYOUTS
from tests.support.assertions import (
    assert_product,
    assert_same_bits,
    assert_signs_of_zeros,
    assert_ulp,
)
from tests.support.functions import (
    ELEMENTWISE,
    PENALTIES,
    SGD_SETTINGS,
    random_targets,
    units_allowed,
)
from tests.support.processes import run_python

SIZES = [1, 7, 64, 65]
SHAPES = [(1, 1), (1, 65), (7, 7), (64, 64), (65, 1), (65, 7), (33, 130), (7, 64, 3), (1001,), ()]
# (batch, inputs, outputs)
PRODUCTS = [(b, i, o) for b in SIZES for i in SIZES for o in SIZES] + [
    (13, 3, 2),
    (128, 100, 10),
    (5, 1030, 17),
    (1030, 6, 5),
    (29, 40, 333),
]


def normal(rng, dtype, *shape, scale=1.0):
    return rng.normal(scale=scale, size=shape).astype(dtype)


# ---- the twins' outsides -----------------------------------------------------------------------


def test_twins_have_the_same_names(twins):
    kernels, twin = twins
    assert kernels.__all__ == twin.__all__ == sorted(kernels.__all__)


@pytest.mark.parametrize("name", reference.__all__)
def test_twins_have_the_same_signature(twins, name):
    compiled, twin = (inspect.signature(getattr(module, name)) for module in twins)
    assert compiled == twin
    assert "sample_weight=" not in str(twin).partition("*")[0]  # options go by name


def test_compiled_works_with_the_reference_unimportable():
    code = """
import sys
sys.modules["densenet.reference"] = None
import numpy as np
import densenet
from densenet import kernels
x = np.random.default_rng(0).normal(size=(7, 3))
y = np.arange(7) % 2
kernels.sigmoid_forward(x[::-1])
kernels.sgd_step(x.copy(), x, lr=0.1)
network = densenet.Network([densenet.Linear(3, 2)], densenet.SoftmaxCrossEntropy(), seed=0)
history = network.fit(x, y, epochs=3, batch_size=3, validation_data=(x, y))
network.predict_proba(x), network.input_gradient(x, y), network.plan()
densenet.check_gradients(network, x, y)
assert history.epochs[-1]["loss"] < history.epochs[0]["loss"]
print("trained")
"""
    assert run_python(code) == "trained"


# ---- products ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("batch", "inputs", "outputs"), PRODUCTS)
def test_linear_forward_is_within_the_bound(backend, dtype, rng, batch, inputs, outputs):
    x, weight = normal(rng, dtype, batch, inputs), normal(rng, dtype, outputs, inputs)
    bias = normal(rng, dtype, outputs)
    assert_product(backend.linear_forward(x, weight), x, weight.T)
    assert_product(backend.linear_forward(x, weight, bias), x, weight.T, plus=bias)


@pytest.mark.parametrize(("batch", "inputs", "outputs"), PRODUCTS)
def test_linear_backward_is_within_the_bound(backend, dtype, rng, batch, inputs, outputs):
    dy, x = normal(rng, dtype, batch, outputs), normal(rng, dtype, batch, inputs)
    weight = normal(rng, dtype, outputs, inputs)
    dx, dweight, dbias = backend.linear_backward(dy, x, weight)
    assert_product(dx, dy, weight)
    assert_product(dweight, dy.T, x)
    assert_product(dbias[None], np.ones((1, batch), dtype), dy)


@pytest.mark.parametrize("rows", [2, 7, 29, 65])
def test_a_row_of_a_product_does_not_depend_on_the_other_rows(twins, dtype, rng, rows):
    kernels, _ = twins
    x, weight = normal(rng, dtype, rows, 130), normal(rng, dtype, 37, 130)
    whole = kernels.linear_forward(x, weight)
    alone = [kernels.linear_forward(x[i : i + 1], weight)[0] for i in range(rows)]
    assert_same_bits(whole, alone)


@pytest.mark.parametrize("order", ["C", "F"])
def test_memory_order_of_weight_changes_no_bit(twins, dtype, rng, order):
    kernels, _ = twins
    x, weight, dy = (normal(rng, dtype, *s) for s in [(65, 37), (19, 37), (65, 19)])
    other = np.array(weight, order=order)
    assert_same_bits(kernels.linear_forward(x, other), kernels.linear_forward(x, weight))
    assert_same_bits(
        kernels.linear_backward(dy, x, other)[0], kernels.linear_backward(dy, x, weight)[0]
    )


# ---- elementwise functions and rows ------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sigmoid_equals_its_twin(twins, dtype, rng, shape):
    kernels, twin = twins
    x, dy = normal(rng, dtype, *shape, scale=20), normal(rng, dtype, *shape)
    x, dy = np.asarray(x, dtype), np.asarray(dy, dtype)
    y = twin.sigmoid_forward(x)
    assert isinstance(y, np.ndarray)
    assert_ulp(kernels.sigmoid_forward(x), y)
    assert_ulp(kernels.sigmoid_backward(dy, y), twin.sigmoid_backward(dy, y))


def test_sigmoid_equals_its_twin_over_the_whole_range(twins, dtype):
    kernels, twin = twins
    x = np.concatenate([np.linspace(-750, 750, 30_011), np.linspace(-1, 1, 3001)]).astype(dtype)
    extremes = np.array([np.finfo(dtype).max, np.finfo(dtype).tiny, 0], dtype)
    x = np.concatenate([x, extremes, -extremes])
    assert_ulp(kernels.sigmoid_forward(x), twin.sigmoid_forward(x))


@pytest.mark.parametrize("classes", [1, 2, 7, 10, 64, 65, 1000])
@pytest.mark.parametrize("batch", [1, 7, 65])
def test_softmax_equals_its_twin(twins, dtype, rng, batch, classes):
    kernels, twin = twins
    x, dy = normal(rng, dtype, batch, classes, scale=5), normal(rng, dtype, batch, classes)
    y = twin.softmax_forward(x)
    assert_ulp(kernels.softmax_forward(x), y)
    assert_softmax_gradient(kernels.softmax_backward(dy, y), dy, y)
    assert_softmax_gradient(twin.softmax_backward(dy, y), dy, y)


def assert_softmax_gradient(dx, dy, y):
    """Within the product bound of the sum, and 4 units more for the rest."""
    wide_dy, wide_y = dy.astype(np.longdouble), y.astype(np.longdouble)
    exact = wide_y * (wide_dy - (wide_dy * wide_y).sum(axis=1, keepdims=True))
    terms = (np.abs(wide_dy) * wide_y).sum(axis=1, keepdims=True)
    eps = np.finfo(dx.dtype).eps
    limit = eps * wide_y * (4 * np.abs(wide_dy) + (4 + 2 * y.shape[1]) * terms)
    assert (np.abs(dx - exact) <= limit + np.finfo(dx.dtype).tiny).all()


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("kind", ["indices", "one-hot", "soft"])
@pytest.mark.parametrize(("batch", "classes"), [(1, 2), (7, 10), (65, 64), (64, 7), (3, 1000)])
def test_cross_entropy_equals_its_twin(
    twins, dtype, rng, batch, classes, kind, weighted, label_smoothing
):
    logits = normal(rng, dtype, batch, classes, scale=4)
    targets = random_targets(rng, kind, batch, classes, dtype)
    options = {"label_smoothing": label_smoothing}
    if weighted:
        options["sample_weight"] = rng.uniform(0, 2, batch).astype(dtype)

    (loss, p), (twin_loss, twin_p) = (
        twin.softmax_cross_entropy_forward(logits, targets, **options) for twin in twins
    )
    assert type(loss) is type(twin_loss) is float
    of_sum = 2 * batch * np.finfo(np.float64).eps
    assert loss == pytest.approx(twin_loss, rel=float(8 * np.finfo(dtype).eps + of_sum))
    assert_ulp(p, twin_p)
    compiled, twin = (
        module.softmax_cross_entropy_backward(twin_p, targets, **options) for module in twins
    )
    assert_ulp(compiled, twin, ulp=4 + 2 * batch * weighted)  # Σ w, too, is a sum


@pytest.mark.parametrize("index_type", ["i1", "u1", "i4", "u8", ">i8", "?"])
def test_class_indices_may_be_any_integers(backend, dtype, rng, index_type):
    logits, labels = normal(rng, dtype, 9, 2), rng.integers(0, 2, 9)
    expected = backend.softmax_cross_entropy_forward(logits, labels)
    loss, probabilities = backend.softmax_cross_entropy_forward(logits, labels.astype(index_type))
    assert loss == expected[0]
    assert_same_bits(probabilities, expected[1])


# ---- the sign of zero --------------------------------------------------------------------------

# What an activation gives for -0, where that is a zero.
OF_MINUS_ZERO = {name: 0.0 if name == "relu" else -0.0 for name in ELEMENTWISE if name != "sigmoid"}
SETTINGS = [("leaky_relu", {"slope": 0.0}), ("leaky_relu", {"slope": 0.5})]
SETTINGS += [("elu", {"alpha": 0.0}), ("elu", {"alpha": 0.5}), ("sigmoid", {})]
SETTINGS += [(name, {}) for name in OF_MINUS_ZERO]
WAYS = ("forward", "backward")
# Those whose derivatives are written in x.
FROM_INPUT = [name for name in ELEMENTWISE if ACTIVATIONS[name].layer.from_input]
LENGTHS = range(1, 36)  # whole registers of any width, and every ragged end


@pytest.mark.parametrize(("name", "expected"), OF_MINUS_ZERO.items())
def test_an_activation_of_minus_zero_has_its_sign_in_every_lane(backend, dtype, name, expected):
    forward = getattr(backend, f"{name}_forward")
    for size in LENGTHS:
        assert_same_bits(forward(np.full(size, -0.0, dtype)), np.full(size, expected, dtype))
        assert_same_bits(forward(np.zeros(size, dtype)), np.zeros(size, dtype))


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_zeros_beside_other_values_have_the_sign_of_the_reference(
    twins, dtype, rng, name, settings
):
    tiny, most = np.finfo(dtype).tiny, np.finfo(dtype).max / 4
    positive = [0.0, tiny, 1e-3, 0.5, 1.0, 2.0, 30.0, 1000.0, most, np.inf]
    values = np.array([*positive, *np.negative(positive), np.nan], dtype)
    forward, backward = ([getattr(m, f"{name}_{way}") for m in twins] for way in WAYS)
    for size in LENGTHS:
        x, dy = rng.choice(values, size), rng.choice(values, size)
        y, twin = forward[0](x, **settings), forward[1](x, **settings)
        known = np.isfinite(twin)
        np.testing.assert_array_equal(y[~known], twin[~known])
        assert_ulp(y[known], twin[known], units_allowed(name, x[known]))
        y = x if name in FROM_INPUT else forward[1](x, **settings)
        for of in (y, rng.choice(values, size)):
            compiled, twin = (function(dy, of, **settings) for function in backward)
            assert_signs_of_zeros(compiled, twin)


@pytest.mark.parametrize(("name", "settings"), SETTINGS, ids=str)
def test_the_gradient_of_a_zero_has_the_sign_of_the_reference(twins, dtype, name, settings):
    signs = np.array([0.0, -0.0, 1.0, -1.0], dtype)
    dy, of = (np.ravel(part) for part in np.meshgrid(signs, signs))
    for turn in range(16):  # each pair in every lane
        pair = np.roll(dy, turn), np.roll(of, turn)
        compiled, twin = (getattr(m, f"{name}_backward")(*pair, **settings) for m in twins)
        # Mish's derivative at -1 is a difference: 0.06 = 0.30 - 0.24.
        assert_ulp(compiled, twin, ulp=16 if name == "mish" else 4)


@pytest.mark.parametrize("name", ["adam_step", "rmsprop_step", "sgd_step"])
def test_weights_that_l1_makes_zero_have_no_sign(backend, dtype, rng, name):
    arrays = step_arguments(rng, dtype, (65,), {"adam_step": 2, "rmsprop_step": 1}.get(name, 0))
    param = arrays[0]
    param[:3] = 0.0, -0.0, 1e-3
    take_step(backend, name, arrays, {"lr": 0.1, "l1": 1e5})
    assert_same_bits(param, np.zeros_like(param))


# ---- optimizers, from random moments at step 10 ------------------------------------------------

STEPS = [
    *(("sgd_step", 1 if "momentum" in s else 0, {"lr": 0.1, **s}) for s in SGD_SETTINGS),
    *(("rmsprop_step", 1, s) for s in PENALTIES),
    ("rmsprop_step", 1, {"lr": 0.3, "beta": 0.0, "eps": 0.0}),
    *(("adam_step", 2, s) for s in PENALTIES),
    ("adam_step", 2, {"lr": 0.3, "beta1": 0.0, "beta2": 0.5, "eps": 0.1}),
]


def step_arguments(rng, dtype, shape, states):
    """Random param, grad and moments; those that count squares are positive."""
    param, grad = normal(rng, dtype, *shape), normal(rng, dtype, *shape)
    moments = [normal(rng, dtype, *shape) for _ in range(states)]
    if moments:
        moments[-1] = np.abs(moments[-1])
    return [np.array(array, dtype) for array in (param, grad, *moments)]


def take_step(module, name, arrays, settings):
    count = (10,) if name == "adam_step" else ()
    assert getattr(module, name)(*arrays, *count, **settings) is None


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "states", "settings"), STEPS, ids=str)
def test_optimizers_equal_their_twins(twins, dtype, rng, name, states, settings, shape):
    arrays = step_arguments(rng, dtype, shape, states)
    copies = [array.copy() for array in arrays]
    take_step(twins[0], name, arrays, settings)
    take_step(twins[1], name, copies, settings)
    for array, copy in zip(arrays, copies, strict=True):
        assert_ulp(array, copy)


@pytest.mark.parametrize("param_order", ["C", "F"])
@pytest.mark.parametrize("layout", ["C", "F", "spread", "reversed"])
@pytest.mark.parametrize(("name", "states"), [("sgd_step", 1), ("adam_step", 2)])
def test_optimizers_read_and_write_any_strides(
    backend, dtype, rng, name, states, layout, param_order
):
    settings = {"momentum": 0.9, "lr": 0.1} if name == "sgd_step" else {"lr": 0.1}
    plain = step_arguments(rng, dtype, (7, 65), states)
    param = np.array(plain[0], order=param_order)
    strided = [param, *(LAYOUTS[layout](array) for array in plain[1:])]
    holders = [array if array.base is None else array.base for array in strided]

    take_step(backend, name, plain, settings)
    take_step(backend, name, strided, settings)

    for array, expected in zip(strided, plain, strict=True):
        assert_same_bits(array, expected)
    for array, holder in zip(strided, holders, strict=True):  # the arrays are the caller's own
        assert np.shares_memory(array, holder)
        if layout == "spread" and array.base is not None:
            assert np.isnan(holder[::2]).all()  # and what lies between their elements, too


@pytest.mark.parametrize("layout", ["swapped", "misaligned"])
def test_optimizers_read_gradients_of_any_kind(backend, dtype, rng, layout):
    arrays = step_arguments(rng, dtype, (7, 65), 2)
    copies = [array.copy() for array in arrays]
    copies[1] = LAYOUTS[layout](copies[1])
    take_step(backend, "adam_step", arrays, {})
    take_step(backend, "adam_step", copies, {})
    assert_same_bits(copies[0], arrays[0])


def test_a_gradient_may_be_broadcast(backend, dtype, rng):
    (param,) = step_arguments(rng, dtype, (7, 5), 0)[:1]
    grad = normal(rng, dtype, 5)
    expected = param.copy()
    backend.sgd_step(expected, np.tile(grad, (7, 1)), lr=0.1)
    backend.sgd_step(param, np.broadcast_to(grad, (7, 5)), lr=0.1)
    assert_same_bits(param, expected)


# ---- arguments of any layout, never modified ---------------------------------------------------

_BATCH, _INPUTS, _OUTPUTS = 7, 65, 9


def calls(rng, dtype):
    """One call of each function that returns something, as (name, arrays)."""
    x, weight = normal(rng, dtype, _BATCH, _INPUTS), normal(rng, dtype, _OUTPUTS, _INPUTS)
    bias, dy = normal(rng, dtype, _OUTPUTS), normal(rng, dtype, _BATCH, _OUTPUTS)
    p = reference.softmax_forward(dy)
    soft = random_targets(rng, "soft", _BATCH, _OUTPUTS, dtype)
    labels = random_targets(rng, "indices", _BATCH, _OUTPUTS)
    return [
        ("linear_forward", (x, weight)),
        ("linear_forward", (x, weight, bias)),
        ("linear_backward", (dy, x, weight)),
        ("sigmoid_forward", (x,)),
        ("sigmoid_backward", (dy, p)),
        ("softmax_forward", (dy,)),
        ("softmax_backward", (dy, p)),
        ("softmax_cross_entropy_forward", (dy, labels)),
        ("softmax_cross_entropy_forward", (dy, soft)),
        ("softmax_cross_entropy_backward", (p, labels)),
        ("softmax_cross_entropy_backward", (p, soft)),
    ]


def outputs(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.parametrize("number", range(11))
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_layout_of_an_argument_changes_no_bit(backend, dtype, rng, number, layout):
    name, arrays = calls(rng, dtype)[number]
    arranged = [LAYOUTS[layout](array) for array in arrays]
    before = [array.tobytes() for array in arranged]
    for array in arranged:
        array.flags.writeable = False

    expected = outputs(getattr(backend, name)(*arrays))
    actual = outputs(getattr(backend, name)(*arranged))

    assert [array.tobytes() for array in arranged] == before
    for a, e in zip(actual, expected, strict=True):
        if backend is reference and name.startswith("linear"):
            np.testing.assert_allclose(a, e, rtol=1e-4)  # BLAS chooses its order by the layout
        else:
            assert_same_bits(a, e)
        if isinstance(a, np.ndarray):
            assert a.flags.c_contiguous
            assert a.flags.writeable
            assert a.dtype == dtype
            assert not any(np.shares_memory(a, array) for array in arranged)


# ---- NaN and infinity --------------------------------------------------------------------------

SPECIAL = [np.nan, np.inf, -np.inf]


@pytest.mark.parametrize("value", SPECIAL)
@pytest.mark.parametrize("number", range(11))
def test_nan_and_infinity_go_where_the_reference_sends_them(twins, dtype, rng, number, value):
    name, arrays = calls(rng, dtype)[number]
    for which, array in enumerate(arrays):
        if array.dtype != dtype or ("entropy" in name and which == 1):
            continue  # not floating, or targets, which must be probabilities
        for place in (0, array.size // 2, array.size - 1):
            special = [a.copy() for a in arrays]
            special[which].flat[place] = value
            results = [outputs(getattr(module, name)(*special)) for module in twins]
            for compiled, twin in zip(*results, strict=True):
                assert_same_kind(compiled, twin)


def assert_same_kind(actual, desired):
    """NaN where there is NaN, infinity where there is infinity, and close elsewhere."""
    np.testing.assert_allclose(actual, desired, rtol=1e-4, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("value", SPECIAL)
def test_rows_of_softmax_with_infinity_in_every_place(twins, dtype, rng, value):
    x = normal(rng, dtype, 66, 65)
    x[np.arange(65), np.arange(65)] = value
    x[65] = value
    compiled, twin = (module.softmax_forward(x) for module in twins)
    assert_same_kind(compiled, twin)
    assert np.isnan(compiled[65]).all()
    assert np.isnan(compiled[:65]).all() == (value != -np.inf)


@pytest.mark.parametrize("value", SPECIAL)
@pytest.mark.parametrize(("name", "states", "settings"), STEPS, ids=str)
def test_optimizers_spread_nan_and_infinity_no_further(
    twins, dtype, rng, name, states, settings, value
):
    arrays = step_arguments(rng, dtype, (40,), states)
    clean = [array.copy() for array in arrays]
    for which, array in enumerate(arrays):
        array[which * 7] = value
    copies = [array.copy() for array in arrays]
    take_step(twins[0], name, arrays, settings)
    take_step(twins[1], name, copies, settings)
    take_step(twins[0], name, clean, settings)
    for array, copy, other in zip(arrays, copies, clean, strict=True):
        np.testing.assert_array_equal(np.isnan(array), np.isnan(copy))
        assert_ulp(array, copy)
        away = np.arange(40) % 7 != 0
        assert_same_bits(array[away], other[away])
