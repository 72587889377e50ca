"""Parts of a batch: their losses and gradients add up, and dropout draws as in the whole."""

import numpy as np
import pytest

import densenet as dn
from densenet import Dropout, Linear, Network, Sigmoid
from tests.support.assertions import assert_same_bits
from tests.support.networks import INPUTS, LOSSES, OUTPUTS, make, targets


def test_rows_draw_what_they_would_draw_in_the_batch(engine):
    layers = [Dropout(0.5), Linear(INPUTS, OUTPUTS, bias=False)]
    network = make(layers, backend=engine, dtype="float64")
    x, y = np.ones((10, INPUTS)), np.ones((10, OUTPUTS))
    x[:7] = 0  # these rows have no part in the gradient
    _, whole = network.loss_and_gradient(x, y)
    _, part = network.loss_and_gradient(x[7:], y[7:], first_row=7, total_weight=10)
    np.testing.assert_allclose(part, whole, rtol=1e-12)
    _, elsewhere = network.loss_and_gradient(x[7:], y[7:], first_row=6, total_weight=10)
    assert not np.allclose(elsewhere, whole)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_parts_of_a_batch_add_up(engine, dtype, rng, loss, weighted):
    layers = [Linear(INPUTS, 6), Dropout(0.4), dn.LayerNorm(6), Sigmoid(), Linear(6, OUTPUTS)]
    layers += [dn.Softmax()] if isinstance(loss, dn.CrossEntropy) else []
    network = make(layers, loss, engine, dtype)
    x, y = rng.normal(size=(23, INPUTS)), targets(rng, loss, 23)
    weight = rng.uniform(size=23) * (rng.random(23) > 0.3) if weighted else None
    if weighted:
        weight[5:11] = 0  # a part that weighs nothing
    whole_loss, whole = network.loss_and_gradient(x, y, weight)
    total, sums = 23 if weight is None else weight.sum(), []
    for _ in range(2):
        value, gradient = 0.0, np.zeros_like(whole)
        for begin, end in ((0, 5), (5, 11), (11, 12), (12, 23)):
            rows = slice(begin, end)
            its_loss, part = network.loss_and_gradient(
                x[rows],
                y[rows],
                None if weight is None else weight[rows],
                first_row=begin,
                total_weight=total,
            )
            value, gradient = value + its_loss, gradient + part
        sums.append((value, gradient))
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(value, whole_loss, rtol=1e-6 if dtype == "float32" else 1e-12)
    np.testing.assert_allclose(gradient, whole, rtol=tolerance, atol=tolerance)
    assert sums[0][0] == sums[1][0]
    assert_same_bits(sums[0][1], sums[1][1])


def test_weights_of_any_size_are_divided_by_the_total(engine):
    network = Network([Linear(1, 1, init="zeros")], dn.MeanSquaredError(), backend=engine)
    x, y = [[1.0], [1.0]], [2.0, 4.0]
    for unit in (1e-300, 1.0, 1e300):
        loss, gradient = network.loss_and_gradient(x, y, [unit, 3 * unit], total_weight=8 * unit)
        assert loss == pytest.approx((4 + 3 * 16) / 8)
        np.testing.assert_allclose(gradient, [-2 * (2 + 12) / 8] * 2, rtol=1e-6)


def test_a_total_that_is_the_rows_own_changes_no_bit(engine, rng):
    network = make([Linear(INPUTS, 6), Sigmoid(), Linear(6, OUTPUTS)], backend=engine)
    x, y = rng.normal(size=(9, INPUTS)), rng.normal(size=(9, OUTPUTS))
    loss, gradient = network.loss_and_gradient(x, y)
    its_loss, its_gradient = network.loss_and_gradient(x, y, total_weight=9)
    assert its_loss == loss
    assert_same_bits(its_gradient, gradient)
