"""Trainings of more than 2³² steps, which take hours on small networks: counts of 64 bits.

Dropout numbers steps by 32 bits. A count is set here to what it is after so many steps.
"""

import numpy as np
import pytest

from densenet import Adam, SoftmaxCrossEntropy
from densenet.reference.regularization import dropout
from tests.support.assertions import assert_same_bits
from tests.support.backends import ENGINES
from tests.support.examples import separable
from tests.support.files import through_file
from tests.support.losses import SquaresOfClasses
from tests.support.training import assert_same, make

ADAM = Adam()


def after(steps, engine, loss=None):
    """A network that seems to have been trained for so many steps, and rows to go on with."""
    network, (x, y) = make(engine, "float64", loss), separable(np.random.default_rng(0), 24, 5)
    network.train_step(x, y, ADAM)
    network._learner.optimizer_state.taken[0] = steps
    return network, x, y


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), SquaresOfClasses()], ids=["its", "own"])
@pytest.mark.parametrize("steps", [2**32 - 3, 2**32, 2**53 - 50])
def test_beyond_32_bits_the_engines_agree(steps, loss):
    results = []
    for engine in ENGINES:
        network, x, y = after(steps, engine, loss)
        losses = [network.train_step(x, y, ADAM) for _ in range(5)]
        losses += network.fit(x, y, epochs=2, batch_size=8, optimizer=ADAM, seed=3).batch_loss
        losses.append(network.gradients(x, y)[0])
        assert network.optimizer_state["step"] == steps + 11
        results.append([losses, network.forward(x, training=True)])
    for compiled, reference in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, reference, rtol=1e-9, atol=1e-12)


def test_beyond_32_bits_training_resumes(engine, tmp_path):
    whole, x, y = after(2**32 - 4, engine)
    options = {"batch_size": 8, "optimizer": ADAM, "seed": 3}
    whole.fit(x, y, epochs=2, **options)
    resumed = through_file(whole, tmp_path / "network", backend=engine)
    expected = whole.fit(x, y, epochs=4, resume=True, **options)
    history = resumed.fit(x, y, epochs=4, resume=True, **options)
    assert_same(resumed, history, whole, expected)


def test_steps_2_to_the_32_apart_draw_alike(engine):
    first, x, _ = after(7, engine)
    later, _, _ = after(7 + 2**32, engine)
    assert_same_bits(first.forward(x, training=True), later.forward(x, training=True))
    draws = [dropout(x, 0.5, seed=1, step=step, layer=2) for step in (7, 2**32 + 7, 2**33 + 7, 8)]
    for draw in draws[1:3]:
        assert_same_bits(draw, draws[0])
    assert not np.array_equal(draws[3], draws[0])
