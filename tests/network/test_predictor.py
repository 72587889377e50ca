"""Copies of a network that predict: large weights rounded to bf16, sums as those of floats.

The compiled network whose weights have been replaced by the rounded ones gives the same bits.
"""

import copy
import pickle
import threading
import tracemalloc

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    BinaryCrossEntropy,
    CrossEntropy,
    Linear,
    LogisticLoss,
    MeanSquaredError,
    Network,
    Predictor,
    ReLU,
    Residual,
    Sigmoid,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
)
from densenet._precision import HELD, PRECISIONS, HeldAsBf16, Precision
from densenet.config import has_bf16_products
from densenet.reference.products import product, rounded
from tests.support.assertions import assert_product, assert_same_bits
from tests.support.backends import ENGINES
from tests.support.networks import ACTIVATIONS
from tests.support.skips import NOT_APPLICABLE
from tests.support.threads import assert_same_for_all_numbers

EVERY_LAYER = [
    Linear(7, 40),
    densenet.BatchNorm(40),
    *ACTIVATIONS,
    densenet.Dropout(0.5),
    Residual([Linear(40, 33), densenet.LayerNorm(33), ReLU(), Linear(33, 40)]),
    Linear(40, 6, bias=False),
    Softmax(),
]
SHAPES = [
    (1, 1),
    (2, 31),
    (33, 50),
    (50, 33),
    (130, 1100),  # several chunks of columns
    (1100, 130),  # shared by depth, whose sums are added up pairwise
    (1100, 9),  # so few columns that one row's sums are pairwise, too
    (2500, 1300),  # deeper than a chunk
    (4500, 70),
]
LAST_NAN = np.uint32(0x7FFFFFFF).view(np.float32)  # to whose bits nothing can be added


@pytest.fixture
def all_held(monkeypatch):
    """Hold every weight as bf16, however small."""
    monkeypatch.setitem(HELD, 1, HeldAsBf16(1))


@pytest.fixture
def all_rows(monkeypatch):
    """Let products of any size be of bf16 pieces."""
    monkeypatch.setitem(PRECISIONS, "medium", Precision(1, 0.0, 1))


def batch(rng, rows, columns):
    return rng.normal(size=(rows, columns)).astype("f4")


def make(layers, precision="medium", backend="compiled", loss=None):
    """A network whose biases, scales and moments are random, too."""
    network = Network(
        layers, loss or MeanSquaredError(), seed=1, precision=precision, backend=backend
    )
    rng = np.random.default_rng(2)
    network.flat[...] += rng.normal(scale=0.1, size=network.n_parameters)
    for name, array in network.running_moments.items():
        array[...] = rng.uniform(0.5, 1.5, array.shape) - ("mean" in name)
    return network


def with_rounded_weights(layers, held=HELD[1]):
    """The network of floats as they are, whose large weights are those of a predictor."""
    network = make(layers, "highest")
    for array in network.parameters.values():
        if array.ndim == 2 and held.includes(*array.shape[::-1]):
            array[...] = rounded(np.ascontiguousarray(array))
    return network


# ---- few rows ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("all_held")
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_few_rows_have_the_bits_of_rounded_weights(rng, shape, threads):
    densenet.set_num_threads(threads)
    layers = [Linear(*shape), Tanh()]
    predictor, plain = make(layers).predictor(), with_rounded_weights(layers, HeldAsBf16(1))
    for rows in [*range(1, 17), 27, 42, 57, 63]:
        x = batch(rng, rows, shape[0])
        assert_same_bits(predictor.forward(x), plain.forward(x))


@pytest.mark.usefixtures("all_held")
@pytest.mark.parametrize("rows", [1, 2, 5, 6, 7, 14, 15, 40])
def test_every_kind_of_layer(rng, rows):
    predictor = make(EVERY_LAYER).predictor()
    plain = with_rounded_weights(EVERY_LAYER, HeldAsBf16(1))
    x = batch(rng, rows, 7)
    assert_same_bits(predictor.forward(x), plain.forward(x))
    its = make(EVERY_LAYER, backend="reference").predictor().forward(x)
    np.testing.assert_allclose(predictor.forward(x), its, rtol=2e-4, atol=1e-6)


@pytest.mark.parametrize("backend", ENGINES)
def test_the_product_is_near_its_exact_value(rng, backend):
    network = make([Linear(400, 700)], backend=backend)
    x, bias = batch(rng, 9, 400), network.parameters["0.bias"]
    weight = rounded(np.ascontiguousarray(network.parameters["0.weight"]))
    assert_product(network.predictor().forward(x), x, weight.T, bias)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_same_bits_on_any_number_of_threads(rng, rows):
    layers = [Linear(784, 1024), ReLU(), Linear(1024, 1024), ReLU(), Linear(1024, 10)]
    predictor, x = make(layers).predictor(), batch(rng, rows, 784)
    assert_same_bits(predictor.forward(x), with_rounded_weights(layers).forward(x))
    assert_same_for_all_numbers(lambda: [predictor.forward(x)])


@pytest.mark.usefixtures("all_held")
@pytest.mark.parametrize(
    "special", [np.nan, LAST_NAN, np.inf, -np.inf, 3.4e38, 1e-39, -1e-45, -0.0, 0.0]
)
@pytest.mark.parametrize("rows", [1, 20])
def test_special_weights(rng, special, rows):
    layers = [Linear(37, 21)]
    network, plain = make(layers), make(layers, "highest")
    network.parameters["0.weight"][3, 5] = special
    for array, its in zip(plain.parameters.values(), network.parameters.values(), strict=True):
        array[...] = rounded(np.ascontiguousarray(its)) if its.ndim == 2 else its
    y, its = network.predictor().forward(x := batch(rng, rows, 37)), plain.forward(x)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(its))  # of any sign and payload
    assert_same_bits(y[~np.isnan(y)], its[~np.isnan(its)])
    assert np.isfinite(y[:, 3]).all() == (abs(special) < 3.4e38)  # which becomes infinite


@pytest.mark.usefixtures("all_held")
@pytest.mark.parametrize("backend", ENGINES)
def test_a_denormal_weight_is_zero(backend):
    """The largest one would round to a normal number."""
    network = make([Linear(3, 2, bias=False)], backend=backend)
    network.flat[...] = np.nextafter(np.finfo("f4").smallest_normal, np.float32(0))
    assert (network.predictor().forward(np.full((1, 3), 1e38)) == 0).all()


@pytest.mark.usefixtures("all_held")
def test_what_stands_behind_a_row_does_not_count(rng):
    """An odd depth leaves half a word, and its cells are filled up."""
    x = np.full((4, 40), np.nan, "f4")
    x[:, :33] = batch(rng, 4, 33)
    predictor = make([Linear(33, 5)]).predictor()
    assert_same_bits(predictor.forward(x[:, :33]), predictor.forward(x[:, :33].copy()))
    assert np.isfinite(predictor.forward(x[:, :33])).all()


# ---- many rows ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [64, 130, 700, 1200])
def test_many_rows_are_the_networks(rng, rows):
    """By cells that are cut once; without matrix registers, of floats with rounded weights."""
    layers = [Linear(150, 600), Sigmoid(), Residual([Linear(600, 600), ReLU()]), Linear(600, 10)]
    network, x = make(layers), batch(rng, rows, 150)
    predictor = network.predictor()
    expected = network if has_bf16_products() else with_rounded_weights(layers)
    for threads in (1, 2, 3):
        densenet.set_num_threads(threads)
        assert_same_bits(predictor.forward(x), expected.forward(x))


@pytest.mark.usefixtures("all_held", "all_rows")
@pytest.mark.parametrize("shape", SHAPES[:6])
def test_cells_equal_the_references_products(rng, shape):
    if not has_bf16_products():
        pytest.skip(NOT_APPLICABLE + "needs AMX, and the build for AVX-512")
    network, x = make([Linear(*shape, bias=False)]), batch(rng, 35, shape[0])
    expected = product(x, network.parameters["0.weight"].T, 1)
    assert_same_bits(network.predictor().forward(x), expected)


@pytest.mark.usefixtures("all_held")
@pytest.mark.parametrize("rows", [1, 64])
def test_calls_of_different_sizes_share_no_scratch_memory(rng, rows):
    predictor = make([Linear(100, 300), Sigmoid(), Linear(300, 200)]).predictor()
    x = batch(rng, 200, 100)
    first = predictor.forward(x[:rows])
    for other in (200, 3, 64):
        predictor.forward(x[:other])
        assert_same_bits(predictor.forward(x[:rows]), first)


# ---- the copy ----------------------------------------------------------------------------------


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize(
    ("dtype", "precision"), [("f4", "highest"), ("f4", "high"), ("f8", "highest")]
)
def test_the_networks_bits_where_nothing_is_rounded(rng, backend, dtype, precision):
    network = Network(
        EVERY_LAYER, CrossEntropy(), dtype=dtype, precision=precision, seed=1, backend=backend
    )
    predictor = network.predictor()
    for rows in (1, 5, 200):
        x = rng.normal(size=(rows, 7))
        assert_same_bits(predictor.forward(x), network.forward(x))
        assert_same_bits(predictor.predict_proba(x), network.predict_proba(x))
        assert_same_bits(predictor.predict(x), network.predict(x))
    assert predictor.nbytes == network.flat.nbytes


@pytest.mark.parametrize("precision", ["highest", "medium"])
@pytest.mark.parametrize("backend", ENGINES)
def test_later_training_does_not_reach_it(rng, backend, precision):
    layers = [Linear(400, 800), densenet.BatchNorm(800), Linear(800, 3)]
    network = make(layers, precision, backend, SoftmaxCrossEntropy())
    x, y = batch(rng, 20, 400), rng.integers(0, 3, 20)
    predictor = network.predictor()
    before, proba = predictor.forward(x), predictor.predict_proba(x)
    network.train_step(x, y, Adam(lr=0.1))
    network.flat[:5] = 7
    assert_same_bits(predictor.forward(x), before)
    assert_same_bits(predictor.predict_proba(x), proba)
    assert not np.array_equal(network.predictor().forward(x), before)


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize(
    "loss",
    [SoftmaxCrossEntropy(), BinaryCrossEntropy(), LogisticLoss(), MeanSquaredError()],
    ids=lambda loss: type(loss).__name__,
)
def test_predictions_are_by_the_loss(rng, backend, loss):
    network = make([Linear(6, 3)], "highest", backend, loss)
    predictor, x = network.predictor(), batch(rng, 8, 6)
    assert_same_bits(predictor.predict(x), network.predict(x))
    if loss.predicts == "values":
        with pytest.raises(
            TypeError, match=r"^predict_proba: expected a loss on classes, got Mean"
        ):
            predictor.predict_proba(x)
    else:
        assert_same_bits(predictor.predict_proba(x), network.predict_proba(x))


class Own:
    def forward(self, outputs, targets):
        return 0.0

    def backward(self, outputs, targets):
        return outputs


@pytest.mark.parametrize("backend", ENGINES)
def test_a_loss_of_ones_own(rng, backend):
    network = make([Linear(3, 2)], "medium", backend, Own())
    x = batch(rng, 4, 3)
    assert_same_bits(network.predictor().predict(x), network.predict(x))
    assert "Own" in repr(network.predictor())


def test_bytes_of_what_it_holds():
    network = Network([Linear(300, 1000), ReLU(), Linear(1000, 10)], MeanSquaredError(), seed=1)
    assert network.predictor().nbytes == network.flat.nbytes
    network = Network([Linear(300, 1000), Linear(1000, 10)], MeanSquaredError(), precision="medium")
    assert network.predictor().nbytes == 2 * 320 * 1024 + 4 * (1000 + 1000 * 10 + 10)


def test_small_and_narrow_weights_stay_floats(rng):
    layers = [Linear(200, 300), Linear(300, 200), Linear(200, 4000), Linear(4000, 50)]
    held = [HELD[1].includes(layer.inputs, layer.outputs) for layer in layers]
    assert held == [False, False, True, False]
    predictor, plain = make(layers).predictor(), with_rounded_weights(layers)
    x = batch(rng, 2, 200)
    assert_same_bits(predictor.forward(x), plain.forward(x))


def test_several_threads_of_python_at_once(rng):
    network = make([Linear(400, 700), ReLU(), Linear(700, 400)])
    predictor = network.predictor()
    rows = [batch(rng, n, 400) for n in (1, 2, 70, 1, 9, 33)]
    expected = [predictor.forward(x) for x in rows]
    faults = []

    def look(number):
        for _ in range(100):
            if not np.array_equal(predictor.forward(rows[number]), expected[number]):
                faults.append(number)

    threads = [threading.Thread(target=look, args=(number,)) for number in range(len(rows))]
    for thread in threads:
        thread.start()
    for _ in range(50):
        network.train_step(rows[2], np.zeros((70, 400), "f4"), SGD())
    for thread in threads:
        thread.join()
    assert not faults


def test_it_is_made_while_another_thread_trains(rng):
    """What it copies is what the network was between two steps."""
    layers = [Linear(1, 1000, bias=False, init="zeros")]
    network = Network(layers, MeanSquaredError(), seed=1)
    x, y = np.ones((1, 1)), np.ones((1, 1000))
    thread = threading.Thread(target=network.fit, args=(x, y), kwargs={"epochs": 3000})
    thread.start()
    while thread.is_alive():
        outputs = network.predictor().forward(x)
        assert (outputs == outputs[0, 0]).all()
    thread.join()


def test_calls_keep_nothing(rng):
    predictor = make([Linear(400, 700), ReLU(), Linear(700, 10)]).predictor()
    x = batch(rng, 1, 400)
    predictor.forward(x)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(200):
            predictor.forward(x)
        assert tracemalloc.get_traced_memory()[0] - before < 2000
    finally:
        tracemalloc.stop()


# ---- the object --------------------------------------------------------------------------------


def test_what_it_says():
    network = Network(
        [Linear(300, 1000), ReLU()], SoftmaxCrossEntropy(), seed=1, precision="medium"
    )
    predictor = network.predictor()
    assert isinstance(predictor, Predictor)
    assert predictor.precision == "medium"
    lines = repr(predictor).splitlines()
    assert lines[0].startswith("Predictor: 301,000 parameters in 659,360 bytes, SoftmaxCross")
    assert lines[0].endswith(", compiled, medium precision")
    assert lines[1:] == repr(network).splitlines()[1:]


@pytest.mark.parametrize("way", [copy.copy, copy.deepcopy, pickle.dumps])
@pytest.mark.parametrize("backend", ENGINES)
def test_it_is_neither_copied_nor_pickled(way, backend):
    predictor = make([Linear(2, 1)], backend=backend).predictor()
    message = "^Predictor: expected a Network to copy or pickle, got a Predictor: make one of"
    with pytest.raises(TypeError, match=message):
        way(predictor)


@pytest.mark.parametrize("backend", ENGINES)
def test_wrong_arguments(backend):
    predictor = make([Linear(3, 2)], backend=backend, loss=SoftmaxCrossEntropy()).predictor()
    for method in (predictor.forward, predictor.predict, predictor.predict_proba):
        with pytest.raises(ValueError, match=r"^x: expected shape \(batch, 3\), got \(1, 2\)"):
            method([[1.0, 2.0]])
        with pytest.raises(TypeError, match=r"^x: "):
            method([["a", "b", "c"]])
    with pytest.raises(TypeError, match=r"^network: expected a Network, got "):
        Predictor("network")
