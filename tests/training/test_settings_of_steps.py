"""Steps of one call with settings of their own: as if each were a call by itself."""

import dataclasses

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    Dropout,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    RMSprop,
    set_num_threads,
)
from densenet._network.state import learner_of
from densenet.training.steps import take_steps
from tests.support.assertions import assert_same_bits
from tests.support.losses import Squares

ROWS, STEPS, BATCH = 70, 6, 8
L2 = [0.5 / n for n in range(1, STEPS + 1)]
EPS = [10.0**-n for n in range(STEPS)]
OPTIMIZERS = [Adam(), Adam(l1=0.01, clip_norm=0.1), RMSprop(), SGD(momentum=0.9)]


def trained(optimizer, dtype, backend="compiled", loss=None, together=True, width=90):
    """The network after the steps, their losses and penalties; in one call or in one for each."""
    layers = [Linear(60, width), ReLU(), Dropout(0.1), Linear(width, 3)]
    loss = MeanSquaredError() if loss is None else loss
    network = Network(layers, loss, dtype=dtype, seed=3, backend=backend)
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(ROWS, 60)), rng.normal(size=(ROWS, 3))
    order = rng.permutation(ROWS)[: STEPS * BATCH - 3]  # some rows are left out, and the last batch
    examples = learner_of(network).examples(x, y)  # is smaller
    kept, penalty = np.zeros((2, STEPS))
    runs = [range(STEPS)] if together else [range(step, step + 1) for step in range(STEPS)]
    for run in runs:
        part = slice(run.start, run.stop)
        each = {"l2": L2[part], "eps": EPS[part]}
        rule = optimizer
        if not hasattr(rule, "eps"):
            del each["eps"]
        if not together:  # by the settings of the optimizer itself
            own = {name: value for name, (value,) in each.items()}
            rule, each = dataclasses.replace(optimizer, **own), {}
        given = (examples, rule, order, BATCH, run.start, kept[part])
        outcome = take_steps(network, *given, penalty=penalty[part], **each)
        assert outcome.steps == len(run)
    return network, kept, penalty


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("loss", [None, Squares()], ids=["built in", "own"])
def test_one_call_is_a_call_for_each_step(optimizer, loss, dtype, engine):
    one, losses, penalties = trained(optimizer, dtype, engine, loss)
    many, *others = trained(optimizer, dtype, engine, loss, together=False)
    assert_same_bits(one.flat, many.flat)
    assert_same_bits(losses, others[0])
    assert_same_bits(penalties, others[1])
    assert one.optimizer_state["step"] == STEPS


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_the_core_does_as_the_reference(optimizer):
    ours, *values = trained(optimizer, "float64")
    twin, *expected = trained(optimizer, "float64", "reference")
    np.testing.assert_allclose(ours.flat, twin.flat, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(values, expected, rtol=1e-10)


def test_the_penalty_is_that_of_the_weights_before_a_step(dtype, engine):
    network = Network([Linear(60, 90), Linear(90, 3)], MeanSquaredError(), dtype=dtype, seed=1)
    weights = [value for value in network.parameters.values() if value.ndim == 2]
    network.parameters["0.bias"][:] = 1000  # which is not penalised
    expected = sum(
        0.25 * np.abs(w.astype("f8")).sum() + 0.75 / 2 * np.square(w.astype("f8")).sum()
        for w in weights
    )
    examples = learner_of(network).examples(np.ones((4, 60)), np.ones((4, 3)))
    found = np.zeros(1)
    given = (examples, SGD(l1=0.25, l2=7.0), None, 4, 0, np.zeros(1))
    take_steps(network, *given, l2=[0.75], penalty=found)
    assert found[0] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_bits_do_not_depend_on_threads(threads, dtype, keep_threads):
    wide = {"width": 300}  # several parts of each sum
    set_num_threads(1)
    alone, *expected = trained(Adam(l1=0.01), dtype, **wide)
    set_num_threads(threads)
    shared, *values = trained(Adam(l1=0.01), dtype, **wide)
    assert_same_bits(shared.flat, alone.flat)
    assert_same_bits(np.array(values), np.array(expected))
