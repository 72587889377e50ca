"""Faults that no test caught when they were put in; `python -m tests.faults` puts in more."""

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    CrossEntropy,
    LayerNorm,
    Linear,
    MeanSquaredError,
    Network,
    RMSprop,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
)
from tests.support.assertions import assert_same_bits, assert_ulp
from tests.support.losses import Squares

# ---- balanced class weights when a class is missing from y -------------------------------------


@pytest.mark.parametrize("missing", [0, 1, 3], ids="class {}".format)
@pytest.mark.parametrize("soft", [False, True], ids=["indices", "probabilities"])
def test_balanced_weights_where_a_class_is_missing(engine, rng, missing, soft):
    """The others have ``n / (C · count)``, and the missing one has no row to weigh."""
    labels = np.delete(np.arange(4), missing)[rng.choice(3, size=40, p=[0.6, 0.3, 0.1])]
    x, y = rng.normal(size=(40, 5)), np.eye(4)[labels] if soft else labels
    counts = np.bincount(labels, minlength=4)
    weights = np.divide(40, 4 * counts, where=counts > 0, out=np.zeros(4))[labels]
    layers, options = [Linear(5, 4)], {"epochs": 2, "batch_size": 7, "seed": 1}
    balanced, weighted = (
        Network(layers, SoftmaxCrossEntropy(), seed=1, backend=engine) for _ in range(2)
    )
    one = balanced.fit(x, y, class_weight="balanced", **options)
    other = weighted.fit(x, y, sample_weight=weights, **options)
    assert np.isfinite(one.batch_loss).all()
    assert one.batch_loss == other.batch_loss
    assert_same_bits(balanced.flat, weighted.flat)


# ---- x that is the network's own, under a loss of one's own ------------------------------------


OWN = {
    "parameters": lambda network: network.flat[:36].reshape(6, 6),
    "parameters from the last on": lambda network: network.flat[6:42].reshape(6, 6)[::-1, ::-1],
    "a weight": lambda network: network.parameters["0.weight"],
    "a weight backwards": lambda network: network.parameters["0.weight"][::-1, ::-1],
    "a moment": lambda network: network.optimizer_state["m"][:36].reshape(6, 6),
}


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
@pytest.mark.parametrize("loss", [Squares(), MeanSquaredError()], ids=["own", "built in"])
def test_rows_that_are_the_network_s_own_stay_while_it_trains(engine, rng, own, loss):
    """Several steps change the parameters and moments, and not the rows that a user saw there."""
    y, adam = rng.normal(size=(6, 6)), Adam(lr=0.1)
    ours, twin = (Network([Linear(6, 6)], loss, seed=1, backend=engine) for _ in range(2))
    for network in (ours, twin):
        network.train_step(np.eye(6), y, adam)
    options = {"epochs": 1, "batch_size": 2, "shuffle": False, "optimizer": adam}
    ours.fit(own(ours), y, **options)
    twin.fit(own(twin).copy(), y, **options)
    assert_same_bits(ours.flat, twin.flat)


# ---- the second pass of a normalisation's mean --------------------------------------------------


def symmetric(rng, width):
    """Numbers whose mean is exactly 0."""
    half = rng.integers(1, 2**10, (3, width // 2)) * 2.0**-4
    return rng.permuted(np.concatenate([half, -half], axis=1), axis=1)


def one_sided(rng, width):
    """The same, but that nearly all round to one side where they are added to large numbers."""
    rows = np.full((3, width), 2.0**-4)
    rows[np.arange(3), rng.integers(0, width, 3)] = -(width - 1) * 2.0**-4
    return rows


@pytest.mark.parametrize("deviations", [symmetric, one_sided])
@pytest.mark.parametrize("offset", [0.0, 2.0**30, 2.0**40, -(2.0**45)])
@pytest.mark.parametrize("width", [64, 1000, 10_000])
def test_normalisation_far_from_zero_loses_nothing_of_the_mean(
    engine, rng, deviations, offset, width
):
    """A plain sum of so many numbers is off by more than their differences from the mean allow."""
    part = deviations(rng, width)
    x = part + offset
    np.testing.assert_array_equal(x - offset, part)  # all fit a double
    variance = np.square(part.astype(np.longdouble)).mean(axis=1, keepdims=True)
    expected = (part / np.sqrt(variance + 1e-5)).astype(np.float64)
    for layer, given, wanted in ((LayerNorm, x, expected), (BatchNorm, x.T, expected.T)):
        layers = [layer(given.shape[1])]
        network = Network(layers, MeanSquaredError(), dtype="float64", backend=engine)
        assert_ulp(network.forward(given, training=True), wanted, 4)


# ---- a step that is not taken ------------------------------------------------------------------


def test_a_step_that_the_tolerance_ends_moves_no_running_moments(engine, rng):
    x, y = rng.normal(size=(8, 5)), rng.integers(0, 3, 8)
    layers = [Linear(5, 4), BatchNorm(4), Linear(4, 3)]
    network = Network(layers, SoftmaxCrossEntropy(), seed=1, backend=engine)
    network.fit(x, y, epochs=2)
    before = {name: moment.copy() for name, moment in network.running_moments.items()}
    assert network.fit(x, y, epochs=2, tolerance=1e9).stopped == "tolerance"
    for name, moment in network.running_moments.items():
        assert_same_bits(moment, before[name])


# ---- a batch that is shorter than those before, on several threads -----------------------------


@pytest.mark.parametrize("rows", [1, 5, 33])
@pytest.mark.usefixtures("keep_threads")
def test_a_shorter_last_batch_begins_when_all_have_updated(rng, rows):
    """Threads share the first layer by columns, and then by depth: they read what others update.

    Where there are more threads than processors, some are late every time.
    """
    layers = [Linear(1280, 640), Sigmoid(), Linear(640, 256), Sigmoid(), Linear(256, 10)]
    x = rng.normal(size=(256 + rows, 1280)).astype(np.float32)  # used in place
    y = rng.integers(0, 10, len(x))
    options = {"epochs": 10, "batch_size": 256, "shuffle": False, "optimizer": SGD(lr=0.1)}
    results = set()
    for threads in (1, 2, 4, 4):
        densenet.set_num_threads(threads)
        network = Network(layers, SoftmaxCrossEntropy(), seed=1)
        network.fit(x, y, **options)
        results.add(network.flat.tobytes())
    assert len(results) == 1


# ---- rows whose distance is no multiple of an element's size -----------------------------------


def packed(x, gap):
    """The same rows as a field of records, so many bytes apart from each other."""
    record = np.dtype([("x", x.dtype, x.shape[1:]), ("rest", "V", gap)])
    records = np.zeros(len(x), record)
    records["x"] = x
    return records["x"]


@pytest.mark.parametrize("gap", [1, 2, 3, 6])
def test_rows_between_odd_numbers_of_bytes(engine, dtype, rng, gap):
    plain, y = rng.normal(size=(20, 5)).astype(dtype), rng.integers(0, 3, 20)
    x = packed(plain, gap)
    assert x.strides[0] % x.itemsize
    assert_same_bits(x, plain)
    results = []
    for given in (x, plain):
        settings = {"dtype": dtype, "backend": engine, "seed": 1}
        network = Network([Linear(5, 3)], SoftmaxCrossEntropy(), **settings)
        history = network.fit(given, y, epochs=2, batch_size=8, shuffle=False)
        losses = [*history.batch_loss, network.train_step(given, y, Adam()), network.loss(given, y)]
        gradient = network.gradients(given, y)[1]["0.weight"]
        results.append((losses, network.flat, network.forward(given), gradient))
    for one, other in zip(*results, strict=True):
        assert_same_bits(one, other)


VIEWS = {
    "of a wider array": lambda x: np.hstack([np.full((20, 2), np.nan), x, x])[:, 2:7],
    "every other one": lambda x: np.repeat(x, 2, axis=0)[::2],
    "from the last on": lambda x: x[::-1].copy()[::-1],
    "all the same": lambda x: np.broadcast_to(x[0], x.shape),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS)
def test_rows_that_do_not_lie_next_to_each_other(engine, dtype, rng, view):
    x, y = view(rng.normal(size=(20, 5)).astype(dtype)), rng.integers(0, 3, 20)
    flats = []
    for given in (x, x.copy("C")):
        settings = {"dtype": dtype, "backend": engine, "seed": 1}
        network = Network([Linear(5, 3)], SoftmaxCrossEntropy(), **settings)
        network.fit(given, y, epochs=2, batch_size=8, shuffle=False)
        network.train_step(given, y, Adam())
        flats.append(network.flat)
    assert_same_bits(*flats)


# ---- penalties ---------------------------------------------------------------------------------


@pytest.mark.parametrize("clip", [{}, {"clip_norm": 1e-2}, {"clip_value": 1e-3}], ids=str)
@pytest.mark.parametrize("optimizer", [SGD, Adam, AdamW, RMSprop])
def test_no_penalty_touches_a_bias_or_the_scale_of_a_normalisation(engine, rng, optimizer, clip):
    """However the update is taken: with the weight's gradient, or when all of it is there."""
    penalties = {"l1": 0.5, "l2": 0.5} | ({"weight_decay": 0.5} if optimizer is AdamW else {})
    x, y = rng.normal(size=(9, 6)), rng.integers(0, 3, 9)
    flats = []
    for settings in ({}, penalties):
        layers = [Linear(6, 5), LayerNorm(5), BatchNorm(5), Linear(5, 3)]
        network = Network(layers, SoftmaxCrossEntropy(), dtype="float64", seed=1, backend=engine)
        network.flat[...] = np.random.default_rng(5).normal(size=network.n_parameters)
        network.train_step(x, y, optimizer(lr=0.01, **clip, **settings))
        flats.append(network.parameters)
    for name, value in flats[0].items():
        is_weight = value.ndim == 2
        assert np.array_equal(value, flats[1][name]) != is_weight, name


@pytest.mark.parametrize("decay", [0.0, 0.1, 3.0])
def test_adamw_by_hand(backend, dtype, rng, decay):
    """``w (1 - η λ)``, and then a step of Adam on the same gradient and moments."""
    w, g, m = (rng.normal(size=7).astype(dtype) for _ in range(3))
    v = rng.uniform(0, 2, 7).astype(dtype)
    adam = [each.copy() for each in (w, m, v)]
    adam[0] *= dtype.type(1 - 0.05 * decay)
    backend.adamw_step(w, g, m, v, 10, lr=0.05, weight_decay=decay)
    backend.adam_step(adam[0], g, *adam[1:], 10, lr=0.05)
    for one, other in zip((w, m, v), adam, strict=True):
        np.testing.assert_allclose(one, other, rtol=4 * np.finfo(dtype).eps)


# ---- 0 · ln 0 ----------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_a_class_that_is_impossible_and_not_wanted_costs_nothing(backend, dtype, smoothing):
    """``0 · ln 0`` is 0: the loss is that of the other classes."""
    logits = np.array([[1.0, -np.inf, -2.0, 0.5], [-np.inf, 3.0, 2.0, -np.inf]], dtype)
    targets = np.array([[0.25, 0.0, 0.75, 0.0], [0.0, 0.5, 0.5, 0.0]], dtype)
    loss, probabilities = backend.softmax_cross_entropy_forward(
        logits, targets, label_smoothing=smoothing
    )
    powers = np.exp(logits.astype(np.float64))
    expected = powers / powers.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(probabilities, expected, rtol=1e-6)
    wanted = targets > 0
    surprise = -(targets[wanted] * np.log(expected[wanted])).sum() / 2
    assert loss == (np.inf if smoothing else pytest.approx(surprise, rel=1e-6))
    gradient = backend.softmax_cross_entropy_backward(probabilities, targets)
    np.testing.assert_allclose(gradient, (expected - targets) / 2, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("targets", [[2, 1], [[0.25, 0, 0.75], [0, 1, 0]]], ids=["indices", "soft"])
def test_a_probability_of_zero_that_is_not_wanted_costs_nothing(backend, dtype, targets):
    outputs = np.array([[0.5, 0.0, 0.5], [0.0, 1.0, 0.0]], dtype)
    targets = np.array(targets)
    targets = targets if targets.ndim == 1 else targets.astype(dtype)
    loss = backend.cross_entropy_forward(outputs, targets)
    assert loss == pytest.approx(np.log(2) / 2)
    gradient = backend.cross_entropy_backward(outputs, targets)
    wanted = np.eye(3)[targets] if targets.ndim == 1 else targets
    expected = np.divide(-wanted, 2 * outputs, where=wanted > 0, out=np.zeros((2, 3)))
    np.testing.assert_allclose(gradient, expected, rtol=1e-6)


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), CrossEntropy()], ids=repr)
@pytest.mark.parametrize("classes", [3, 40])
def test_networks_that_rule_a_class_out(engine, rng, loss, classes):
    """A bias of minus infinity makes a class impossible; who does not want it learns the rest."""
    layers = [Linear(4, classes)] + ([Softmax()] if isinstance(loss, CrossEntropy) else [])
    network = Network(layers, loss, seed=1, dtype="float64", backend=engine)
    network.parameters["0.bias"][1] = -np.inf
    x = rng.normal(size=(9, 4))
    y = rng.dirichlet(np.ones(classes), 9)
    y[:, 1] = 0
    y /= y.sum(axis=1, keepdims=True)
    kept = np.delete(np.arange(classes), 1)
    smaller = Network(
        [Linear(4, classes - 1), *layers[1:]], loss, seed=1, dtype="float64", backend=engine
    )
    smaller.parameters["0.weight"][...] = network.parameters["0.weight"][kept]
    smaller.parameters["0.bias"][...] = network.parameters["0.bias"][kept]
    expected, gradients = smaller.gradients(x, y[:, kept])
    value, ours = network.gradients(x, y)
    assert value == pytest.approx(expected, rel=1e-12)
    assert network.loss(x, y) == pytest.approx(expected, rel=1e-12)
    np.testing.assert_allclose(ours["0.weight"][kept], gradients["0.weight"], rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(ours["0.weight"][1], 0)


@pytest.mark.parametrize("size", [20.0, 90.0, 800.0, 1e30])
def test_losses_on_large_logits_are_as_large_as_these(backend, dtype, size):
    """``ln(1 + e^z)`` is z, or 0, where e^z is more than a number can hold."""
    logits = np.array([[size, -size]], dtype)
    right, wrong = np.array([[1.0, 0.0]], dtype), np.array([[0.0, 1.0]], dtype)
    for name, targets, others in (
        ("binary_cross_entropy", right, wrong),
        ("logistic", 2 * right - 1, 2 * wrong - 1),
    ):
        forward, backward = (getattr(backend, f"{name}_{way}") for way in ("forward", "backward"))
        assert forward(logits, targets) == pytest.approx(np.log1p(np.exp(-size)), rel=1e-6)
        assert forward(logits, others) == pytest.approx(float(dtype.type(size)), rel=1e-6)
        np.testing.assert_allclose(backward(logits, targets), 0, atol=3e-9)
        np.testing.assert_allclose(backward(logits, others), [[0.5, -0.5]], rtol=1e-6)


# ---- activations -------------------------------------------------------------------------------


def test_powers_of_e_are_right_down_to_the_smallest_normal_number(backend, dtype):
    """Elements of a softmax far below the largest keep all their digits."""
    least = np.log(float(np.finfo(dtype).tiny))
    x = np.linspace(0, least + 1, 50, dtype=dtype)[None]
    wide = x.astype(np.longdouble)
    expected = (np.exp(wide) / np.exp(wide).sum()).astype(dtype)
    assert_ulp(backend.softmax_forward(x), expected, 4)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 3.0])
def test_the_slope_of_elu_knows_alpha(backend, alpha):
    x = np.array([-3.0, -1.0, -0.1, 0.5, 2.0])
    y = backend.elu_forward(x, alpha=alpha)
    slope = backend.elu_backward(np.ones(5), y, alpha=alpha)
    np.testing.assert_allclose(slope, np.where(x > 0, 1, alpha * np.exp(x)), rtol=1e-12)
