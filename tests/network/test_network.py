"""Networks: both backends compute the same, and what they show is what they hold."""

import copy
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import densenet
from densenet import SGD, Adam, Linear, Network, RMSprop, kernels
from densenet import SoftmaxCrossEntropy as Loss
from tests.support.assertions import assert_same_bits
from tests.support.stacks import STACKS, both, examples, make

OPTIMIZERS = [
    SGD(lr=0.3),
    SGD(lr=0.3, l1=0.01, l2=0.05),
    SGD(lr=0.1, momentum=0.9),
    SGD(lr=0.1, momentum=0.9, dampening=0.5, l1=0.01, l2=0.05),
    SGD(lr=0.1, momentum=0.9, nesterov=True, l1=0.01),
    RMSprop(lr=0.01),
    RMSprop(lr=0.01, beta=0.5, eps=1e-3, l1=0.01, l2=0.05),
    Adam(lr=0.01),
    Adam(lr=0.02, beta1=0.5, beta2=0.9, eps=1e-3, l1=0.01, l2=0.05),
]


def close(actual, desired, dtype):
    """Equal but for the order of sums: relative to the largest element."""
    assert actual.dtype == desired.dtype == dtype
    size = np.abs(desired).max(initial=np.finfo(dtype).tiny)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=200 * np.finfo(dtype).eps * size)


# ---- compiled equals reference -----------------------------------------------------------------


@pytest.mark.parametrize("rows", [1, 7, 65])
def test_passes_equal_the_reference(layers, dtype, rng, rows):
    compiled, reference = both(layers, dtype)
    x, y = examples(rng, compiled, rows)
    weight = rng.uniform(0, 2, rows)
    close(compiled.forward(x), reference.forward(x), dtype)
    close(compiled.predict_proba(x), reference.predict_proba(x), dtype)
    close(compiled.input_gradient(x, y), reference.input_gradient(x, y), dtype)
    np.testing.assert_array_equal(compiled.predict(x), compiled.forward(x).argmax(axis=1))
    for arguments in ((x, y), (x, y, weight)):
        tolerance = 100 * np.finfo(dtype).eps
        assert compiled.loss(*arguments) == pytest.approx(
            reference.loss(*arguments), rel=float(tolerance)
        )
        (loss, gradients), (twin_loss, twins) = (
            network.gradients(*arguments) for network in (compiled, reference)
        )
        assert loss == pytest.approx(twin_loss, rel=float(tolerance))
        assert list(gradients) == list(twins) == list(compiled.parameters)
        for name, gradient in gradients.items():
            close(gradient, twins[name], dtype)


@pytest.mark.parametrize("rows", [1, 2, 33, 97, 200])
@pytest.mark.parametrize("inputs", [1, 13, 30, 300, 1024])
@pytest.mark.parametrize("outputs", [8, 16, 20, 32, 48, 64, 300, 520])
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("keep_threads")
def test_weight_gradients_have_the_bits_of_the_kernel(rows, inputs, outputs, threads, dtype, rng):
    """The kernel goes by tiles; a network takes other ways where rows are few or layers narrow."""
    network = Network([Linear(inputs, outputs)], Loss(), seed=0, dtype=dtype)
    x = rng.standard_normal((rows, inputs)).astype(dtype)
    dy = rng.standard_normal((rows, outputs)).astype(dtype)
    densenet.set_num_threads(threads)
    dx, gradients = network.backward(x, dy)
    expected = kernels.linear_backward(dy, x, network.parameters["0.weight"])
    actual = dx, gradients["0.weight"], gradients["0.bias"]
    for got, wanted in zip(actual, expected, strict=True):
        assert_same_bits(got, wanted)


def test_backward_equals_the_reference_and_the_gradient_of_the_loss(layers, dtype, rng):
    compiled, reference = both(layers, dtype)
    x, y = examples(rng, compiled)
    logits = compiled.forward(x)
    dy = ((compiled.predict_proba(x) - np.eye(logits.shape[1])[y]) / len(x)).astype(dtype)
    expected_dx, (_, expected) = reference.input_gradient(x, y), reference.gradients(x, y)
    for network in (compiled, reference):
        dx, gradients = network.backward(x, dy)
        close(dx, expected_dx, dtype)
        for name, gradient in gradients.items():
            close(gradient, expected[name], dtype)


def test_value_and_gradient_equal_the_reference(layers, dtype, rng):
    compiled, reference = both(layers, dtype)
    x, y = examples(rng, compiled)
    point = rng.normal(size=compiled.n_parameters)
    before = compiled.flat.copy()
    (loss, gradient), (twin_loss, twin) = (
        network.value_and_gradient(point, x, y) for network in (compiled, reference)
    )
    assert loss == pytest.approx(twin_loss, rel=float(100 * np.finfo(dtype).eps))
    assert gradient.dtype == np.float64
    close(gradient.astype(dtype), twin.astype(dtype), dtype)
    assert_same_bits(compiled.flat, before)

    compiled.flat[...] = point
    assert compiled.loss(x, y) == pytest.approx(loss, rel=float(100 * np.finfo(dtype).eps))


def test_value_and_gradient_lays_out_the_gradient_like_the_parameters(engine, rng):
    network = make(STACKS["several"], engine, "float64")
    x, y = examples(rng, network)
    _, gradient = network.value_and_gradient(network.flat, x, y)
    _, gradients = network.gradients(x, y)
    network.flat[...] = gradient
    for name, parameter in network.parameters.items():
        np.testing.assert_array_equal(parameter, gradients[name])


@pytest.mark.parametrize(
    ("loss", "kind"), [(Loss(), "indices"), (Loss(label_smoothing=0.1), "soft")], ids=["", "smooth"]
)
def test_check_gradients_is_small(layers, engine, rng, loss, kind):
    network = make(layers, engine, "float32", loss)
    x, y = examples(rng, network, 5, kind)
    before = network.flat.copy()
    assert densenet.check_gradients(network, x, y) < 1e-5
    assert_same_bits(network.flat, before)


def test_check_gradients_notices_a_wrong_gradient(engine, rng, monkeypatch):
    network = make(STACKS["no hidden layer"], engine)
    x, y = examples(rng, network, 5)
    right = Network.value_and_gradient

    def wrong(self, *arguments):
        loss, gradient = right(self, *arguments)
        gradient[3] *= 1.01
        return loss, gradient

    monkeypatch.setattr(Network, "value_and_gradient", wrong)
    assert densenet.check_gradients(network, x, y) > 1e-3


TOLERANCE = {"float32": 1e-4, "float64": 1e-10}


def assert_same_training(networks, dtype, x, y, optimizer, **options):
    """The losses of 20 steps and more agree, and every network has learned."""
    curves = []
    for network in networks:
        history = network.fit(x, y, epochs=4, batch_size=9, optimizer=optimizer, seed=3, **options)
        curves.append(history.batch_loss)
        assert network.optimizer_state["step"] == len(history.batch_loss) >= 20
    np.testing.assert_allclose(*curves, rtol=TOLERANCE[str(dtype)])
    return curves[0]


@pytest.mark.parametrize("kind", ["indices", "soft"])
def test_training_equals_the_reference(layers, dtype, rng, kind):
    networks = both(layers, dtype)
    x, y = examples(rng, networks[0], 50, kind)
    curve = assert_same_training(networks, dtype, x, y, Adam(lr=0.02))
    assert np.mean(curve[-6:]) < np.mean(curve[:6])


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_training_equals_the_reference_with_every_optimizer(optimizer, dtype, rng):
    networks = both(STACKS["several"], dtype)
    x, y = examples(rng, networks[0], 50)
    assert_same_training(networks, dtype, x, y, optimizer)
    moments = [network.optimizer_state for network in networks]
    assert list(moments[0]) == list(moments[1]) == ["step", *optimizer.states]
    tolerance = 1e4 * np.finfo(dtype).eps
    for name in optimizer.states:
        np.testing.assert_allclose(moments[0][name], moments[1][name], rtol=0, atol=tolerance)
    np.testing.assert_allclose(networks[0].flat, networks[1].flat, rtol=0, atol=10 * tolerance)


@pytest.mark.parametrize("loss", [Loss(), Loss(label_smoothing=0.2)], ids=["", "smooth"])
@pytest.mark.parametrize("kind", ["indices", "soft"])
def test_weighted_training_equals_the_reference(dtype, rng, kind, loss):
    networks = both(STACKS["one hidden layer"], dtype, loss)
    x, y = examples(rng, networks[0], 50, kind)
    weight = rng.uniform(0, 3, 50) * (rng.uniform(size=50) > 0.3)
    assert_same_training(networks, dtype, x, y, Adam(), sample_weight=weight)


def test_train_step_equals_the_functions(engine, rng, twins):
    """One step by hand: gradients, then the optimizer's function on each parameter."""
    network = make(STACKS["one hidden layer"], engine, "float64")
    x, y = examples(rng, network)
    network.fit(x, y, epochs=1, batch_size=4)
    by_hand = copy.deepcopy(network)
    settings = {"lr": 0.02, "beta1": 0.8, "beta2": 0.9, "eps": 1e-4, "l1": 0.01, "l2": 0.1}

    loss, gradients = by_hand.gradients(x, y)
    state = by_hand.optimizer_state
    parameters = by_hand.parameters
    step = state.pop("step") + 1
    offset = 0
    for name, parameter in parameters.items():
        if name.endswith("bias"):  # not penalised
            settings |= {"l1": 0.0, "l2": 0.0}
        part = slice(offset, offset := offset + parameter.size)
        moments = [state[m][part].reshape(parameter.T.shape).T for m in ("m", "v")]
        twins[1].adam_step(parameter, gradients[name], *moments, step, **settings)
        settings |= {"l1": 0.01, "l2": 0.1}

    assert network.train_step(x, y, Adam(**settings)) == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(network.flat, by_hand.flat, rtol=0, atol=1e-13)
    for name in ("m", "v"):
        np.testing.assert_allclose(network.optimizer_state[name], state[name], atol=1e-13)


def test_a_batch_without_weight_moves_nothing(engine, dtype, rng):
    network = make(STACKS["several"], engine, dtype)
    x, y = examples(rng, network, 40)
    network.fit(x, y, epochs=2, batch_size=9)
    before, moments = network.flat.copy(), copy.deepcopy(network.optimizer_state)
    assert network.train_step(x, y, Adam(l1=0.1, l2=0.1), sample_weight=np.zeros(40)) == 0
    assert_same_bits(network.flat, before)
    for name in ("m", "v"):
        assert_same_bits(network.optimizer_state[name], moments[name])


def test_a_step_without_weight_is_passed_over(engine, rng):
    network = make(backend=engine)
    x, y = examples(rng, network, 40)
    weight = np.ones(40)
    weight[10:20] = 0  # the second of four steps
    history = network.fit(x, y, epochs=1, batch_size=10, shuffle=False, sample_weight=weight)
    assert [loss == 0 for loss in history.batch_loss] == [False, True, False, False]


def test_rows_without_weight_are_as_if_absent(engine, rng):
    x, y = examples(rng, make(backend=engine), 20)
    weight = np.array([1.0, 0.0] * 10)
    networks = [make(backend=engine, dtype="float64") for _ in range(2)]
    for _ in range(3):
        networks[0].train_step(x, y, Adam(), sample_weight=weight)
        networks[1].train_step(x[::2], y[::2], Adam())
    np.testing.assert_allclose(networks[0].flat, networks[1].flat, rtol=1e-12)


def test_biases_are_not_penalised(engine, rng):
    network = make(STACKS["no hidden layer"], engine)
    x, y = examples(rng, network)
    bias = network.parameters["0.bias"].copy()
    network.train_step(x, y, SGD(lr=0.1, l1=1e3))
    assert not network.parameters["0.weight"].any()
    assert network.parameters["0.bias"].any()
    assert np.abs(network.parameters["0.bias"] - bias).max() <= 0.1


# ---- other people's optimizers, many threads ---------------------------------------------------


def test_scipys_optimizers_train_a_network(engine, rng):
    optimize = pytest.importorskip("scipy.optimize")
    network = make(backend=engine, dtype="float64")
    x, y = examples(rng, network, 65)
    before = network.loss(x, y)
    result = optimize.minimize(
        network.value_and_gradient,
        network.flat,
        (x, y),
        "L-BFGS-B",
        jac=True,
        options={"maxiter": 50},
    )
    network.flat[...] = result.x
    assert network.loss(x, y) == pytest.approx(result.fun, rel=1e-12)
    assert result.fun < 0.1 * before


def test_predict_is_safe_from_many_threads(engine, rng):
    network = make(STACKS["several"], engine)
    batches = [rng.normal(size=(rows, 7)) for rows in (1, 7, 64, 65, 300) * 8]
    expected = [network.predict_proba(batch) for batch in batches]
    with ThreadPoolExecutor(8) as pool:
        for actual, proba in zip(pool.map(network.predict_proba, batches), expected, strict=True):
            assert_same_bits(actual, proba)


# ---- what a network says of itself -------------------------------------------------------------


def test_the_plan_names_the_backend_of_every_layer(layers, engine):
    plan = make(layers, engine).plan()
    assert [row.name for row in plan] == [str(i) for i in range(len(layers))]
    assert [row.layer for row in plan] == [type(layer).__name__ for layer in layers]
    assert {row.backend for row in plan} == {engine}
    lines = str(plan).splitlines()
    assert len(lines) == 1 + len(layers)
    assert all(type(layer).__name__ in line for layer, line in zip(layers, lines[1:], strict=True))
