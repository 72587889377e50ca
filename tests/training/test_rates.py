"""Schedules far out: a finite rate for every step, and steps that are none."""

import sys

import numpy as np
import pytest

from densenet import (
    SGD,
    ConstantLR,
    CosineLR,
    ExponentialLR,
    Linear,
    MeanSquaredError,
    Network,
    StepLR,
    WarmupLR,
)

GROWING = [
    ExponentialLR(1e-3, 1.1),
    ExponentialLR(1e-300, 1e300),
    ExponentialLR(0.0, 2.0),
    ExponentialLR(1e300, 1 - 2**-53),
    StepLR(1.0, 3, 1e200),
    StepLR(1e300, 10**30, 0.0),
    CosineLR(1.7e308, 10**400, 1e308),
    CosineLR(0.0, 7, 1.7e308),
    WarmupLR(1.7e308, 10**400),
    WarmupLR(ExponentialLR(1.0, 1.5), 7),
]


@pytest.mark.parametrize("rate", GROWING)
def test_every_step_has_a_finite_rate(rate):
    steps = [0, 1, 2, 7, 1000, 7447, 7448, 10**6, 2**63, 10**30, 10**400]
    assert all(0 <= rate(step) <= sys.float_info.max for step in steps)


def test_rates_grow_up_to_the_largest_float():
    rate = ExponentialLR(1e-3, 1.1)
    grown = [rate(step) for step in range(7300, 7600)]
    assert grown == sorted(grown)
    assert grown[-1] == sys.float_info.max
    assert rate(7448) == pytest.approx(1.1 * rate(7447), rel=1e-12)  # 1.1^7448 is no float
    assert ExponentialLR(1e-300, 1.1)(10**4) == pytest.approx(8.449900251207171e113, rel=1e-11)
    assert CosineLR(1.7e308, 10)(0) == 1.7e308


def test_training_outlives_the_largest_rate(engine):
    network = Network([Linear(1, 1)], MeanSquaredError(), dtype="float64", backend=engine)
    optimizer = SGD(ExponentialLR(1e-3, 1e100))
    network.parameters["0.bias"][:] = 0
    for _ in range(6):  # with a gradient of 0, which even the largest rate leaves finite
        network.train_step([[0.0]], [0.0], optimizer)
    assert network.optimizer_state["step"] == 6


@pytest.mark.parametrize("rate", [*GROWING, ConstantLR(0.1)])
@pytest.mark.parametrize(
    ("step", "kind", "got"),
    [
        (-1, ValueError, "-1"),
        (1.5, TypeError, "float"),
        ("3", TypeError, "str"),
        (None, TypeError, "None"),
        (True, TypeError, "bool"),
        (np.ones(2), TypeError, "float64 of shape (2,)"),
    ],
)
def test_steps_are_counted_in_integers(rate, step, kind, got):
    with pytest.raises(kind) as caught:
        rate(step)
    assert str(caught.value) == f"step must be an integer >= 0, got {got}"
