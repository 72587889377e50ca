"""Any number of threads computes the same bits."""

from itertools import pairwise

import numpy as np
import pytest

import densenet
from densenet import (
    Adam,
    BatchNorm,
    Dropout,
    LayerNorm,
    Linear,
    Network,
    Residual,
    Sigmoid,
    Tanh,
    kernels,
)
from tests.support.assertions import assert_same_bits
from tests.support.examples import labelled
from tests.support.losses import SquaresOfClasses
from tests.support.threads import WIDE, assert_same_for_all_numbers, wide

pytestmark = pytest.mark.usefixtures("keep_threads")


@pytest.mark.parametrize("rows", range(1, 51))
def test_products_are_bitwise_equal(dtype, rng, rows):
    x, weight = (
        rng.normal(size=(rows, 300)).astype(dtype),
        rng.normal(size=(700, 300)).astype(dtype),
    )
    bias, dy = rng.normal(size=700).astype(dtype), rng.normal(size=(rows, 700)).astype(dtype)
    assert_same_for_all_numbers(
        lambda: [
            kernels.linear_forward(x, weight, bias),
            *kernels.linear_backward(dy, x, np.asfortranarray(weight)),
        ]
    )


@pytest.mark.parametrize("size", [24_999, 25_000, 50_001, 262_147])
def test_elementwise_functions_are_bitwise_equal(dtype, rng, size):
    x, y = rng.normal(scale=5, size=(2, size)).astype(dtype)
    matrix, target = x[: size // 37 * 37].reshape(-1, 37), rng.integers(0, 37, size // 37)
    square = x * x

    def compute():
        param, m, v = x.copy(), y.copy(), square.copy()
        kernels.adam_step(param, y, m, v, 10, l1=0.1)
        loss, probabilities = kernels.softmax_cross_entropy_forward(matrix, target)
        return [
            kernels.sigmoid_forward(x),
            kernels.sigmoid_backward(x, y),
            kernels.softmax_backward(matrix, probabilities),
            loss,
            probabilities,
            kernels.softmax_cross_entropy_backward(probabilities, target),
            param,
            m,
            v,
        ]

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("rows", range(1, 51))
def test_training_is_bitwise_equal(dtype, rng, rows):
    x, y = labelled(rng, rows, 300, 10)
    start = wide(dtype)
    initial = start.flat.copy()

    def compute():
        start.flat[...] = initial
        start.reset_optimizer()
        losses = [start.train_step(x, y, Adam()) for _ in range(2)]
        return [losses, start.flat, start.optimizer_state["v"]]

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("rows", [7, 129])
def test_an_epoch_with_a_loss_that_predicts_is_bitwise_equal(dtype, rng, rows):
    x, y = labelled(rng, 3 * rows, 300, 10)

    class Predicting(SquaresOfClasses):
        def forward(self, outputs, targets):
            predicted.append(network.forward(x[:9]))
            return super().forward(outputs, targets)

    network = Network(WIDE, Predicting(), dtype=dtype, seed=1)
    initial, predicted = network.flat.copy(), []

    def compute():
        network.flat[...] = initial
        network.reset_optimizer()
        predicted.clear()
        history = network.fit(x, y, epochs=1, batch_size=rows, optimizer=Adam(), seed=0)
        return [history.batch_loss, network.flat, *predicted]

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("rows", [1, 2, 3, 7, 50, 129, 700])
def test_passes_are_bitwise_equal(dtype, rng, rows):
    x, y = labelled(rng, rows, 300, 10)
    network = wide(dtype)
    assert_same_for_all_numbers(
        lambda: [
            network.forward(x),
            network.predict_proba(x),
            network.loss(x, y),
            network.input_gradient(x, y),
            *network.gradients(x, y)[1].values(),
        ]
    )


def test_an_epoch_is_bitwise_equal(dtype, rng):
    """Shuffled, converted from integers, soft targets, weights, a short last step."""
    x, _ = labelled(rng, 103, 300, 10)
    x, y = (20 * x).astype("i2"), rng.dirichlet(np.ones(10), 103)
    weight = rng.uniform(size=103)

    def compute():
        network = wide(dtype)
        history = network.fit(x, y, epochs=2, batch_size=25, sample_weight=weight, seed=4)
        return [history.batch_loss, network.flat]

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("rows", [1, 5, 37, 150, 151, 400])
def test_layers_shared_by_columns_and_by_rows_follow_each_other(dtype, rng, rows):
    """Threads share the columns of a product with few rows, and otherwise its rows."""
    x, y = labelled(rng, rows, 300, 10)
    block = Residual([Linear(330, 420), Sigmoid(), Linear(420, 330), LayerNorm(330), Tanh()])
    stack = [Linear(300, 400), Linear(400, 330), Dropout(0.2), block, BatchNorm(330)]
    stack += [Linear(330, 320), Sigmoid(), Linear(320, 40), Linear(40, 300), Linear(300, 10)]

    def compute():
        network = wide(dtype, stack)
        losses = [network.train_step(x, y, Adam()) for _ in range(2)]
        history = network.fit(x, y, epochs=1, batch_size=64, seed=4, optimizer=Adam(clip_norm=1))
        passes = [network.forward(x), network.input_gradient(x, y)]
        return [losses, history.batch_loss, network.flat, *passes]

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("inputs", [256, 523, 784, 1025, 2500])
@pytest.mark.parametrize("rows", [1, 6, 33, 100, 200])
def test_a_first_layer_shared_by_the_depth_of_its_sums(dtype, rng, inputs, rows):
    """Threads share the inputs of a long and narrow first layer, and read no others."""
    all_rows = 2 * rows + 30  # so that large batches end with a short one
    x = rng.integers(-9, 9, size=(all_rows, inputs)).astype("i2")
    y = rng.integers(0, 10, all_rows)
    stack = [Linear(inputs, 45), Sigmoid(), Linear(45, 10)]

    def compute():
        results = []
        for optimizer in (Adam(), Adam(clip_norm=1.0)):
            network = wide(dtype, stack)
            history = network.fit(x, y, epochs=2, batch_size=rows, seed=4, optimizer=optimizer)
            own = x[:rows].astype(dtype)
            loss = network.train_step(own, y[:rows], optimizer)
            results += [history.batch_loss, loss, network.flat, network.forward(own)]
        return results

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize(("hidden", "shuffle"), [(16, True), (128, False)])
def test_threads_go_on_without_waiting_for_each_others_updates(dtype, rng, hidden, shuffle):
    """The first layer is shared by depth, and by columns."""
    x, y = rng.normal(size=(2000, 784)).astype(dtype), rng.integers(0, 10, 2000)

    def compute():
        network = wide(dtype, [Linear(784, hidden), Sigmoid(), Linear(hidden, 10)])
        options = {"epochs": 1, "batch_size": 2, "shuffle": shuffle, "optimizer": Adam()}
        history = network.fit(x, y, seed=1, **options)
        return [history.batch_loss, network.flat]

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("widths", [(784, 128, 10), (518, 256, 128, 16), (100, 512, 200, 256, 9)])
@pytest.mark.parametrize("rows", [1, 6, 33, 100, 200])
def test_layers_by_columns_with_the_next_by_depth(dtype, rng, widths, rows):
    """Threads have outputs of one layer that are their inputs of the next."""
    all_rows = 2 * rows + rows // 3 + 1
    x = rng.normal(size=(all_rows, widths[0])).astype(dtype)  # used where it is
    y = rng.integers(0, widths[-1], all_rows)
    stack = []
    for inputs, outputs in pairwise(widths):
        stack += [Linear(inputs, outputs), Sigmoid()]

    def compute():
        results = []
        for optimizer in (Adam(), Adam(clip_norm=1.0)):
            network = wide(dtype, stack[:-1])
            options = {"epochs": 2, "batch_size": rows, "optimizer": optimizer, "shuffle": False}
            history = network.fit(x, y, **options)
            own = x[:rows]
            passes = [network.forward(own), network.input_gradient(own, y[:rows])]
            results += [history.batch_loss, network.flat, *passes]
        return results

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("classes", [1, 2, 9, 32, 33])
@pytest.mark.parametrize("rows", [2, 7, 16, 37])
def test_a_row_of_softmax_does_not_depend_on_those_beside_it(dtype, rng, rows, classes):
    """Few classes are taken with a row in each lane of a register."""
    z = rng.normal(scale=5, size=(rows, classes)).astype(dtype)
    targets, weights = rng.integers(0, classes, rows), np.eye(rows, dtype=dtype)
    alone = [kernels.softmax_cross_entropy_forward(z[i : i + 1], targets[[i]]) for i in range(rows)]
    together = [
        kernels.softmax_cross_entropy_forward(z, targets, sample_weight=w)[0] for w in weights
    ]
    assert together == [loss for loss, _ in alone]
    expected = np.concatenate([probabilities for _, probabilities in alone])
    z[-1, 0] = np.nan
    assert_same_bits(kernels.softmax_forward(z)[:-1], expected[:-1])
    assert np.isnan(kernels.softmax_forward(z)[-1]).all()


@pytest.mark.parametrize("first", [0, 1, 10, 37])
def test_a_prediction_does_not_depend_on_the_rows_around_it(dtype, rng, first):
    x, _ = labelled(rng, 300, 300, 10)
    network = wide(dtype)
    whole = network.forward(x)
    assert_same_bits(network.forward(x[first : first + 13]), whole[first : first + 13])


@pytest.mark.parametrize("inputs", [256, 523, 784, 5003, 40_000])
@pytest.mark.parametrize("outputs", [1, 7, 16, 17, 32, 33])
def test_a_single_row_of_a_narrow_layer_has_the_sums_of_a_batch(dtype, rng, inputs, outputs):
    x = rng.normal(size=(15, inputs)).astype(dtype)
    network = wide(dtype, [Linear(inputs, outputs), Sigmoid(), Linear(outputs, 10)])
    densenet.set_num_threads(1)
    assert_same_bits(network.forward(x[3:4]), network.forward(x)[3:4])


@pytest.mark.parametrize("rows", [1, 2, 15, 16, 17])
@pytest.mark.parametrize("outputs", [63, 64, 71, 200])
def test_a_gradient_line_after_line_has_the_sums_of_one_by_tiles(dtype, rng, rows, outputs):
    network = wide(dtype, [Linear(37, outputs)])
    x, dy = (rng.normal(size=(rows, n)).astype(dtype) for n in (37, outputs))
    _, by_tiles, _ = kernels.linear_backward(dy, x, network.parameters["0.weight"])
    _, gradients = network.backward(x, dy)
    assert_same_bits(gradients["0.weight"], by_tiles)


@pytest.mark.parametrize("rows", [5, 14, 64, 65])
@pytest.mark.parametrize("outputs", [255, 256, 257, 300, 611])
def test_tiles_beside_each_other_have_the_sums_of_those_below(dtype, rng, rows, outputs):
    network = wide(dtype, [Linear(37, outputs)])
    x, dy = (rng.normal(size=(rows, n)).astype(dtype) for n in (37, outputs))
    weight = network.parameters["0.weight"]
    _, gradients = network.backward(x, dy)
    for begin in range(0, outputs, 100):
        part = slice(begin, begin + 100)  # too narrow for tiles beside each other
        _, below, _ = kernels.linear_backward(dy[:, part].copy(), x, weight[part])
        assert_same_bits(gradients["0.weight"][part], below)
