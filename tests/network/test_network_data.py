"""Data of every element type, layout and size give what their converted copies give."""

import copy

import numpy as np
import pytest

from densenet import Linear, MeanSquaredError, Network
from tests.support.arrays import LAYOUTS
from tests.support.assertions import assert_same_bits
from tests.support.stacks import STACKS, both, examples, make

# Every type where rows are gathered in C++, some where NumPy converts them.
DATA_TYPES = [("reference", name) for name in ("?", "i2", "f4", "f8")]
NAMES = ["?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"]
DATA_TYPES += [("compiled", name) for name in NAMES]


def all_results(network, x, y):
    network = copy.deepcopy(network)
    loss, gradients = network.gradients(x, y)
    results = [network.forward(x), network.predict_proba(x), network.input_gradient(x, y)]
    results += [np.array(loss), network.loss(x, y), *gradients.values()]
    history = network.fit(x, y, epochs=2, batch_size=5, seed=0)
    return [*results, history.batch_loss, network.flat]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(("backend", "data_type"), DATA_TYPES)
def test_x_of_any_type_and_layout_equals_its_converted_copy(backend, dtype, rng, data_type, layout):
    network = make(STACKS["no bias"], backend, dtype)
    values, y = examples(rng, network, 12)
    values = 50 * np.abs(values) if data_type[0] in "u?" else 30 * values
    x = LAYOUTS[layout](values.astype(data_type))
    before = x.tobytes()
    x.flags.writeable = False
    converted = np.ascontiguousarray(x, dtype)
    for actual, expected in zip(
        all_results(network, x, y), all_results(network, converted, y), strict=True
    ):
        assert_same_bits(actual, expected)
    assert x.tobytes() == before


@pytest.mark.parametrize("data_type", ["f4", "f8", "u1"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_more_rows_and_columns_than_are_gathered_together(engine, dtype, rng, data_type, layout):
    network = Network([Linear(21, 3)], MeanSquaredError(), dtype=dtype, backend=engine, seed=0)
    values = (50 * rng.random((300, 21))).astype(data_type)
    x = LAYOUTS[layout](values)
    assert_same_bits(network.forward(x), network.forward(np.ascontiguousarray(x, dtype)))


def test_x_may_be_a_list_or_a_memory_map(engine, rng, tmp_path):
    network = make(backend=engine)
    x, y = examples(rng, network, 12)
    mapped = np.memmap(tmp_path / "x", "f8", "w+", shape=x.shape)
    mapped[...] = x
    mapped.flush()
    del mapped
    mapped = np.memmap(tmp_path / "x", "f8", "r", shape=x.shape)
    for given, labels in ((x.tolist(), y.tolist()), (mapped, y)):
        for actual, expected in zip(
            all_results(network, given, labels), all_results(network, x, y), strict=True
        ):
            assert_same_bits(actual, expected)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("kind", "target_type"),
    [("indices", "i4"), ("indices", "u1"), ("soft", "f4"), ("soft", "f8")],
)
def test_targets_of_any_type_and_layout(engine, dtype, rng, kind, layout, target_type):
    network = make(backend=engine, dtype=dtype)
    x, y = examples(rng, network, 12)
    if kind == "soft":
        y = rng.multinomial(64, [0.5, 0.3, 0.2], 12) / 64  # exact in every type
    arranged = LAYOUTS[layout](y.astype(target_type))
    plain = np.array(arranged, dtype if kind == "soft" else "i8", order="C")
    for actual, expected in zip(
        all_results(network, x, arranged), all_results(network, x, plain), strict=True
    ):
        assert_same_bits(actual, expected)


def test_one_hot_rows_of_integers_are_targets(engine, rng):
    network = make(backend=engine)
    x, y = examples(rng, network, 12)
    expected = network.loss(x, y)
    for one_hot in (np.eye(3, dtype="i8")[y], np.eye(3, dtype="?")[y]):
        assert network.loss(x, one_hot) == pytest.approx(expected, rel=1e-6)
        copy.deepcopy(network).fit(x, one_hot, epochs=1)


def test_probabilities_of_a_float32_network_are_targets_of_a_float64_one(engine, rng):
    teacher, student = (make(backend=engine, dtype=dtype) for dtype in ("float32", "float64"))
    x, _ = examples(rng, teacher, 65)
    rows = teacher.predict_proba(x)
    wide = rows.astype("f8")
    wide /= wide.sum(axis=1, keepdims=True)
    assert student.loss(x, rows) == pytest.approx(student.loss(x, wide), rel=1e-12)


@pytest.mark.parametrize("layout", ["F", "spread", "reversed", "swapped", "misaligned"])
def test_backward_takes_dy_of_any_layout(engine, dtype, rng, layout):
    network = make(backend=engine, dtype=dtype)
    x, _ = examples(rng, network)
    dy = rng.normal(size=(len(x), 3)).astype(dtype)
    dx, gradients = network.backward(x, dy)
    other_dx, others = network.backward(x, LAYOUTS[layout](dy))
    assert_same_bits(other_dx, dx)
    for name, gradient in gradients.items():
        assert_same_bits(others[name], gradient)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_reach_the_same_rows_and_parameters(dtype, rng, value):
    compiled, reference = both(STACKS["one hidden layer"], dtype)
    x, y = examples(rng, compiled)
    x[3, 2] = value
    outputs = [network.forward(x) for network in (compiled, reference)]
    np.testing.assert_array_equal(*map(np.isnan, outputs))
    assert not np.isnan(np.delete(outputs[0], 3, axis=0)).any()
    results = [network.gradients(x, y) for network in (compiled, reference)]
    assert np.isnan(results[0][0]) == np.isnan(results[1][0])
    for name in compiled.parameters:
        np.testing.assert_array_equal(*(np.isnan(gradients[name]) for _, gradients in results))


def test_the_loss_of_many_rows_is_the_mean_over_all(engine, rng):
    """More rows than are measured at once, with a short rest."""
    network = make(STACKS["no hidden layer"], engine, "float64")
    rows = 8192 * 2 + 5
    x, y, weight = rng.normal(size=(rows, 7)), rng.integers(0, 3, rows), rng.uniform(size=rows)
    p = network.predict_proba(x)[np.arange(rows), y]
    assert network.loss(x, y) == pytest.approx(-np.log(p).mean(), rel=1e-12)
    expected = -(weight * np.log(p)).sum() / weight.sum()
    assert network.loss(x, y, weight) == pytest.approx(expected, rel=1e-12)
    assert network.loss(x, y, 0 * weight) == 0
