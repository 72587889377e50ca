"""The specification, tested by what it does not contain: differences, hand-made steps, facts.

Most tests run on both backends: a fact about the mathematics is one about the compiled code too.
"""

import itertools
import math
import shutil
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import Linear, Network, Sigmoid, SoftmaxCrossEntropy
from tests.support.functions import central_differences, random_targets
from tests.support.processes import run_python

# ---- every backward pass against central differences, in float64 --------------------------------


def assert_derivative(gradient, function, at):
    numeric = central_differences(function, at)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(("batch", "inputs", "outputs"), [(1, 1, 1), (7, 5, 3), (3, 17, 9)])
def test_linear_backward_is_the_derivative(backend, rng, batch, inputs, outputs):
    x, weight = rng.normal(size=(batch, inputs)), rng.normal(size=(outputs, inputs))
    bias, dy = rng.normal(size=outputs), rng.normal(size=(batch, outputs))

    dx, dweight, dbias = backend.linear_backward(dy, x, weight)

    assert_derivative(dx, lambda a: np.sum(dy * backend.linear_forward(a, weight, bias)), x)
    assert_derivative(dweight, lambda a: np.sum(dy * backend.linear_forward(x, a, bias)), weight)
    assert_derivative(dbias, lambda a: np.sum(dy * backend.linear_forward(x, weight, a)), bias)


@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 3, 4)])
def test_sigmoid_backward_is_the_derivative(backend, rng, shape):
    x, dy = rng.normal(scale=3, size=shape), rng.normal(size=shape)
    dx = backend.sigmoid_backward(dy, backend.sigmoid_forward(x))
    assert_derivative(dx, lambda a: np.sum(dy * backend.sigmoid_forward(a)), x)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (4, 2), (3, 11)])
def test_softmax_backward_is_the_derivative(backend, rng, shape):
    x, dy = rng.normal(scale=3, size=shape), rng.normal(size=shape)
    dx = backend.softmax_backward(dy, backend.softmax_forward(x))
    assert_derivative(dx, lambda a: np.sum(dy * backend.softmax_forward(a)), x)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("kind", ["indices", "one-hot", "soft"])
def test_cross_entropy_backward_is_the_derivative(backend, rng, kind, weighted, label_smoothing):
    logits = rng.normal(scale=2, size=(6, 5))
    targets = random_targets(rng, kind, 6, 5)
    options = {"label_smoothing": label_smoothing}
    if weighted:
        options["sample_weight"] = rng.uniform(0.1, 3, 6) * [1, 1, 0, 1, 1, 1]

    def loss(z):
        return backend.softmax_cross_entropy_forward(z, targets, **options)[0]

    probabilities = backend.softmax_cross_entropy_forward(logits, targets, **options)[1]
    dlogits = backend.softmax_cross_entropy_backward(probabilities, targets, **options)
    assert_derivative(dlogits, loss, logits)


# ---- facts -------------------------------------------------------------------------------------


def test_linear_broadcasts_the_bias_over_rows(backend, dtype):
    x, bias = np.array([[1, 2], [3, 4]], dtype), np.array([7, 9], dtype)
    weight = np.array([[0, 1], [2, 3]], dtype).T
    assert backend.linear_forward(x, weight, bias).tolist() == [[11, 16], [15, 24]]


def test_linear_without_bias_is_the_product(backend, dtype):
    x, weight = np.array([[1, 2], [3, 4]], dtype), np.array([[0, 1], [2, 3]], dtype).T
    assert backend.linear_forward(x, weight).tolist() == [[4, 7], [8, 15]]


def test_linear_backward_by_hand(backend, dtype):
    dy = np.array([[1, 2], [3, 4]], dtype)
    x = np.array([[5, 6, 7], [8, 9, 10]], dtype)
    weight = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    dx, dweight, dbias = backend.linear_backward(dy, x, weight)
    assert dx.tolist() == [[9, 12, 15], [19, 26, 33]]
    assert dweight.tolist() == [[29, 33, 37], [42, 48, 54]]
    assert dbias.tolist() == [4, 6]


def test_sigmoid_is_stable_and_symmetric(backend, dtype):
    x = np.array([-1e4, -100, -3, 0, 3, 100, 1e4], dtype)
    y = backend.sigmoid_forward(x)
    expected = [0, math.exp(-100), 1 / (1 + math.exp(3)), 0.5, 1 / (1 + math.exp(-3)), 1, 1]
    np.testing.assert_allclose(y, expected, rtol=4 * np.finfo(dtype).eps, atol=np.finfo(dtype).tiny)


def test_softmax_rows_are_probabilities(backend, dtype, rng):
    y = backend.softmax_forward(rng.normal(scale=30, size=(65, 7)).astype(dtype))
    assert (y >= 0).all()
    np.testing.assert_allclose(y.sum(axis=1), 1, rtol=8 * np.finfo(dtype).eps)


def test_softmax_ignores_a_constant_added_to_a_row(backend, dtype, rng):
    x = rng.integers(-50, 50, (7, 10)).astype(dtype)  # whole numbers, so that adding is exact
    moved = x + rng.integers(-1000, 1000, (7, 1)).astype(dtype)
    assert backend.softmax_forward(x).tobytes() == backend.softmax_forward(moved).tobytes()


@pytest.mark.parametrize("size", [1e4, 1e30])
def test_cross_entropy_is_finite_for_huge_logits(backend, dtype, size):
    logits = np.array([[size, -size, 0], [size, -size, 0], [-size, -size, -size]], dtype)
    loss, probabilities = backend.softmax_cross_entropy_forward(logits, np.array([0, 1, 2]))
    assert loss == pytest.approx((0 + 2 * size + math.log(3)) / 3, rel=1e-6)
    assert probabilities[:2].tolist() == [[1, 0, 0], [1, 0, 0]]
    dlogits = backend.softmax_cross_entropy_backward(probabilities, np.array([0, 1, 2]))
    assert np.isfinite(dlogits).all()


def test_cross_entropy_by_hand(backend):
    logits = [[0.5, -1.0, 2.0], [1.5, 0.0, -0.25]]
    labels, weights, smoothing = [2, 1], [0.25, 1.5], 0.2

    total = 0.0
    for z, label, weight in zip(logits, labels, weights, strict=True):
        norm = sum(math.exp(v) for v in z)
        for c, v in enumerate(z):
            wanted = (1 - smoothing) * (c == label) + smoothing / 3
            total -= weight * wanted * math.log(math.exp(v) / norm)

    loss, _ = backend.softmax_cross_entropy_forward(
        np.array(logits),
        np.array(labels),
        sample_weight=np.array(weights),
        label_smoothing=smoothing,
    )
    assert loss == pytest.approx(total / sum(weights), rel=1e-14)


@pytest.mark.parametrize("label_smoothing", [0.0, 0.3])
def test_one_hot_rows_equal_indices(backend, dtype, rng, label_smoothing):
    logits, labels = rng.normal(size=(65, 7)).astype(dtype), rng.integers(0, 7, 65)
    one_hot = np.eye(7, dtype=dtype)[labels]
    by_index, by_row = (
        backend.softmax_cross_entropy_forward(logits, t, label_smoothing=label_smoothing)[0]
        for t in (labels, one_hot)
    )
    assert by_index == pytest.approx(by_row, rel=float(8 * np.finfo(dtype).eps))


def test_rows_of_dlogits_sum_to_0_and_are_negative_only_at_the_target(backend, dtype, rng):
    logits, labels = rng.normal(size=(65, 10)).astype(dtype), rng.integers(0, 10, 65)
    _, probabilities = backend.softmax_cross_entropy_forward(logits, labels)
    dlogits = backend.softmax_cross_entropy_backward(probabilities, labels)
    assert np.abs(dlogits.sum(axis=1)).max() <= 4 * np.finfo(dtype).eps
    np.testing.assert_array_equal(dlogits < 0, np.arange(10) == labels[:, None])


def test_weights_that_are_all_0_give_no_loss_and_no_gradient(backend, dtype, rng):
    logits, labels = rng.normal(size=(4, 3)).astype(dtype), np.array([0, 1, 2, 0])
    options = {"sample_weight": np.zeros(4, dtype)}
    loss, probabilities = backend.softmax_cross_entropy_forward(logits, labels, **options)
    assert loss == 0
    assert probabilities.tobytes() == backend.softmax_forward(logits).tobytes()
    assert not backend.softmax_cross_entropy_backward(probabilities, labels, **options).any()


def test_the_size_of_sample_weights_does_not_matter(backend, dtype, rng):
    logits, labels = rng.normal(size=(9, 4)).astype(dtype), rng.integers(0, 4, 9)
    weights = rng.uniform(size=9).astype(dtype)
    one, other = (
        backend.softmax_cross_entropy_forward(logits, labels, sample_weight=w)[0]
        for w in (weights, 1024 * weights)
    )
    assert one == other


def test_the_batch_gradient_is_the_mean_of_single_gradients(engine, rng):
    network = Network(
        [Linear(5, 7), Sigmoid(), Linear(7, 3)],
        SoftmaxCrossEntropy(),
        dtype="float64",
        seed=1,
        backend=engine,
    )
    x, y = rng.normal(size=(13, 5)), rng.integers(0, 3, 13)
    _, whole = network.gradients(x, y)
    singles = [network.gradients(x[i : i + 1], y[i : i + 1])[1] for i in range(13)]
    for name, gradient in whole.items():
        mean = np.mean([single[name] for single in singles], axis=0)
        np.testing.assert_allclose(gradient, mean, rtol=1e-12, atol=1e-15)


def test_two_linear_layers_equal_one(engine, rng):
    loss = SoftmaxCrossEntropy()
    two = Network([Linear(9, 2), Linear(2, 8)], loss, dtype="float64", seed=1, backend=engine)
    two.flat[...] = rng.normal(size=two.n_parameters)
    one = Network([Linear(9, 8)], loss, dtype="float64", backend=engine)
    p = two.parameters
    one.parameters["0.weight"][...] = p["1.weight"] @ p["0.weight"]
    one.parameters["0.bias"][...] = p["1.weight"] @ p["0.bias"] + p["1.bias"]

    x = rng.normal(size=(7, 9))
    np.testing.assert_allclose(two.forward(x), one.forward(x), rtol=1e-12, atol=1e-12)
    assert np.linalg.matrix_rank(one.parameters["0.weight"]) == 2  # the bottleneck's width


@pytest.mark.parametrize(
    ("widths", "n_parameters"), [((100, 100), 10_100), ((100, 10, 100), 2_110)]
)
def test_parameter_counts(engine, widths, n_parameters):
    layers = [Linear(a, b) for a, b in itertools.pairwise(widths)]
    network = Network(layers, SoftmaxCrossEntropy(), backend=engine)
    assert network.n_parameters == network.flat.size == n_parameters


def test_a_network_784_16_16_10_has_13002_parameters(engine):
    layers = [Linear(784, 16), Sigmoid(), Linear(16, 16), Sigmoid(), Linear(16, 10)]
    assert Network(layers, SoftmaxCrossEntropy(), backend=engine).n_parameters == 13_002


def test_a_small_step_against_the_gradient_lowers_the_loss_by_its_norm(engine, rng):
    network = Network(
        [Linear(5, 7), Sigmoid(), Linear(7, 3)],
        SoftmaxCrossEntropy(),
        dtype="float64",
        seed=1,
        backend=engine,
    )
    x, y = rng.normal(size=(13, 5)), rng.integers(0, 3, 13)
    before, gradient = network.value_and_gradient(network.flat, x, y)
    norm, eta = np.linalg.norm(gradient), 1e-5
    network.flat[...] -= eta * gradient / norm
    assert network.loss(x, y) - before == pytest.approx(-eta * norm, rel=1e-3)


def test_the_saddle_at_0_holds_gradient_descent(engine, dtype, rng):
    layers = [Linear(3, 4, bias=False, init="zeros"), Linear(4, 2, bias=False, init="zeros")]
    network = Network(layers, SoftmaxCrossEntropy(), dtype=dtype, backend=engine)
    x, y = rng.normal(size=(7, 3)), rng.integers(0, 2, 7)
    for _ in range(3):
        assert network.train_step(x, y, densenet.SGD(lr=0.5)) == pytest.approx(math.log(2))
    assert not network.flat.any()


# ---- independence of the compiled module -------------------------------------------------------

_WITHOUT_CORE = """
import sys
sys.path[:0] = [{package!r}, *{packages!r}]
import numpy as np
import densenet
from densenet import reference
assert densenet.__file__.startswith({package!r}), densenet.__file__
x = np.random.default_rng(0).normal(size=(7, 3))
y = np.arange(7) % 2
w = np.ones((2, 3))
logits = reference.linear_forward(x, w)
loss, p = reference.softmax_cross_entropy_forward(logits, y)
dw = reference.linear_backward(reference.softmax_cross_entropy_backward(p, y), x, w)[1]
reference.adam_step(w, dw, 0 * w, 0 * w, 1)
layers = [densenet.Linear(3, 4), densenet.Sigmoid(), densenet.Linear(4, 2)]
network = densenet.Network(layers, densenet.SoftmaxCrossEntropy(), seed=0, backend="reference")
history = network.fit(x, y, epochs=3, batch_size=3)
assert history.epochs[-1]["loss"] < history.epochs[0]["loss"]
for attempt in (
    lambda: densenet.Network(layers, densenet.SoftmaxCrossEntropy()),
    lambda: __import__("densenet.kernels"),
    densenet.show_config,
):
    try:
        attempt()
    except ImportError as error:
        assert "compiled core" in str(error), error
    else:
        raise AssertionError("the compiled core is still there")
print("trained")
"""


def test_reference_works_with_the_compiled_module_removed(tmp_path):
    shutil.copytree(
        Path(densenet.__file__).parent,
        tmp_path / "densenet",
        ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"),
    )
    # -S: an editable install's finder would bring the compiled module back.
    packages = [str(Path(np.__file__).parents[1])]
    code = _WITHOUT_CORE.format(package=str(tmp_path), packages=packages)
    assert run_python(code, options=("-S", "-W", "error")) == "trained"


def test_reference_never_imports_the_compiled_module():
    code = """
import sys
import densenet, densenet.reference
from densenet.reference import network
layers = [densenet.Linear(3, 2)]
densenet.Network(layers, densenet.SoftmaxCrossEntropy(), backend="reference").fit(
    [[1, 2, 3], [4, 5, 6]], [0, 1], epochs=1)
print([name for name in sys.modules if name.startswith(("densenet._co", "densenet.k"))])
"""
    assert run_python(code) == "[]"
