"""Bad hyper-parameters: the same clear error from both twins and from the specs."""

from dataclasses import replace

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    AdamW,
    ConstantLR,
    CosineLR,
    Linear,
    RMSprop,
    SoftmaxCrossEntropy,
    StepLR,
    WarmupLR,
)
from tests.support.errors import assert_refused, error_of, same_error
from tests.support.functions import arguments_of

# ---- settings ----------------------------------------------------------------------------------

_RATE, _DECAY = "[0, inf)", "[0, 1)"
SETTINGS = [
    *((f, s, _RATE) for f in ("sgd_step", "rmsprop_step", "adam_step") for s in ("lr", "l1", "l2")),
    ("rmsprop_step", "eps", _RATE),
    ("adam_step", "eps", _RATE),
    ("sgd_step", "momentum", _DECAY),
    ("rmsprop_step", "beta", _DECAY),
    ("adam_step", "beta1", _DECAY),
    ("adam_step", "beta2", _DECAY),
    ("softmax_cross_entropy_forward", "label_smoothing", _DECAY),
    ("softmax_cross_entropy_backward", "label_smoothing", _DECAY),
    ("sgd_step", "dampening", "[0, 1]"),
    ("sgd_step", "nesterov", "{False, True}"),
]


@pytest.mark.parametrize(("name", "setting", "words"), SETTINGS)
def test_settings_out_of_range(twins, dtype, rng, name, setting, words):
    arguments = arguments_of(name, rng, dtype)
    beyond = {_DECAY: 1.0, _RATE: 1e999, "[0, 1]": 1.5, "{False, True}": 2}[words]
    for wrong in (beyond, -1e-9, -1, float("nan"), float("inf"), -float("inf")):
        text = f"{setting} must be in {words}, got {wrong}"
        assert_refused(twins, name, arguments | {setting: wrong}, ValueError, text)


@pytest.mark.parametrize(("name", "setting", "words"), SETTINGS)
def test_settings_that_are_no_numbers(twins, dtype, rng, name, setting, words):
    arguments = arguments_of(name, rng, dtype)
    for wrong, got in (("0.1", "str"), (None, "None"), ((1, 2), "tuple"), (1j, "complex")):
        text = f"{setting} must be a number in {words}, got {got}"
        assert_refused(twins, name, arguments | {setting: wrong}, TypeError, text)


def test_settings_too_large_for_a_float(twins, dtype, rng):
    arguments = arguments_of("adam_step", rng, dtype) | {"lr": 10**400}
    text = f"lr must be in [0, inf), got {10**400}"
    assert_refused(twins, "adam_step", arguments, ValueError, text)


@pytest.mark.parametrize("number", [np.float32, np.float64, np.int64, np.uint8, np.bool_, bool])
def test_settings_may_be_numbers_of_any_kind(backend, dtype, rng, number):
    arguments = arguments_of("rmsprop_step", rng, dtype)
    plain = {key: value.copy() for key, value in arguments.items() if key != "lr"}
    backend.rmsprop_step(**arguments | {"lr": number(1)})
    backend.rmsprop_step(**plain | {"lr": 1.0})
    assert arguments["param"].tobytes() == plain["param"].tobytes()


@pytest.mark.parametrize(
    ("wrong", "kind", "got"),
    [
        (0, ValueError, "0"),
        (-3, ValueError, "-3"),
        (1.0, TypeError, "float"),
        (float("nan"), TypeError, "float"),
        ("1", TypeError, "str"),
        (None, TypeError, "None"),
    ],
)
def test_wrong_steps(twins, dtype, rng, wrong, kind, got):
    arguments = arguments_of("adam_step", rng, dtype) | {"step": wrong}
    text = f"step must be an integer >= 1, got {got}"
    assert_refused(twins, "adam_step", arguments, kind, text)


@pytest.mark.parametrize("step", [np.int64(10), np.uint8(10), 2**31, 2**62, 2**64, 10**30])
def test_steps_may_be_any_integer(twins, dtype, rng, step):
    results = []
    arguments = arguments_of("adam_step", rng, dtype) | {"step": step}
    for module in twins:
        copies = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in arguments.items()}
        module.adam_step(**copies)
        results.append(copies["param"])
    np.testing.assert_allclose(*results, rtol=1e-6)


@pytest.mark.parametrize("setting", ["momentum", "dampening"])
def test_momentum_needs_a_velocity(twins, dtype, rng, setting):
    arguments = arguments_of("sgd_step", rng, dtype)
    del arguments["velocity"], arguments["momentum"]
    arguments[setting] = 0.5
    text = "velocity: expected an array of shape (3, 5), got None"
    assert_refused(twins, "sgd_step", arguments, ValueError, text)


@pytest.mark.parametrize(("momentum", "dampening"), [(0.0, 0.0), (0.9, 0.5), (0, 0)])
def test_nesterov_needs_momentum_and_no_dampening(twins, dtype, rng, momentum, dampening):
    arguments = arguments_of("sgd_step", rng, dtype)
    arguments |= {"momentum": momentum, "dampening": dampening, "nesterov": True}
    text = (
        "nesterov must be used with momentum > 0 and dampening 0, got "
        f"momentum {momentum} and dampening {dampening}"
    )
    assert_refused(twins, "sgd_step", arguments, ValueError, text)


# ---- specs -------------------------------------------------------------------------------------

SPECS = [
    (lambda: Linear(0, 3), ValueError, "inputs must be an integer >= 1, got 0"),
    (lambda: Linear(3, -1), ValueError, "outputs must be an integer >= 1, got -1"),
    (lambda: Linear(3.0, 3), TypeError, "inputs must be an integer >= 1, got float"),
    (lambda: Linear(3, "3"), TypeError, "outputs must be an integer >= 1, got str"),
    (
        lambda: Linear(3, 3, init="best"),
        ValueError,
        "init: expected one of glorot_uniform, glorot_normal, he_uniform, he_normal, "
        "lecun_uniform, lecun_normal, zeros, pytorch, got 'best'",
    ),
    (lambda: Adam(beta1=1.2), ValueError, "beta1 must be in [0, 1), got 1.2"),
    (lambda: Adam(beta2=1), ValueError, "beta2 must be in [0, 1), got 1"),
    (lambda: Adam(lr=-0.1), ValueError, "lr must be in [0, inf), got -0.1"),
    (lambda: Adam(eps=float("nan")), ValueError, "eps must be in [0, inf), got nan"),
    (lambda: Adam(lr="fast"), TypeError, "lr must be a number in [0, inf), got str"),
    (lambda: RMSprop(beta=-0.1), ValueError, "beta must be in [0, 1), got -0.1"),
    (lambda: RMSprop(l1=-1), ValueError, "l1 must be in [0, inf), got -1"),
    (lambda: SGD(l2=float("inf")), ValueError, "l2 must be in [0, inf), got inf"),
    (lambda: SGD(momentum=1.0), ValueError, "momentum must be in [0, 1), got 1.0"),
    (lambda: SGD(dampening=1.5), ValueError, "dampening must be in [0, 1], got 1.5"),
    (lambda: SGD(nesterov=2), ValueError, "nesterov must be in {False, True}, got 2"),
    (
        lambda: SGD(nesterov=True),
        ValueError,
        "nesterov must be used with momentum > 0 and dampening 0, got momentum 0.0 and "
        "dampening 0.0",
    ),
    (
        lambda: SoftmaxCrossEntropy(label_smoothing=1.0),
        ValueError,
        "label_smoothing must be in [0, 1), got 1.0",
    ),
    (
        lambda: SoftmaxCrossEntropy("0.1"),
        TypeError,
        "label_smoothing must be a number in [0, 1), got str",
    ),
]


@pytest.mark.parametrize(("make", "kind", "text"), SPECS)
def test_specs_refuse_what_makes_no_sense(make, kind, text):
    same_error([error_of(make, [])], kind, text)


# ---- schedules ---------------------------------------------------------------------------------

SCHEDULED = [
    *((SGD, name) for name in ("momentum", "dampening", "nesterov", "l1", "l2", "clip_norm")),
    *((RMSprop, name) for name in ("beta", "eps", "clip_value")),
    *((Adam, name) for name in ("beta1", "beta2", "eps", "l2")),
    *((AdamW, name) for name in ("weight_decay", "beta1", "clip_norm")),
]
SCHEDULES = [ConstantLR(0.5), CosineLR(0.9, steps=100), WarmupLR(StepLR(0.5, every=3), steps=2)]


@pytest.mark.parametrize(("rule", "name"), SCHEDULED)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: type(s).__name__)
def test_only_the_learning_rate_follows_a_schedule(rule, name, schedule):
    error = error_of(lambda: rule(0.1, **{name: schedule}), [])
    assert type(error) is TypeError
    assert str(error).startswith(f"{name} must be a number in ")
    assert str(error).endswith(f", got {type(schedule).__name__}")
    assert rule(schedule).lr is schedule
    error = error_of(lambda: replace(rule(schedule), **{name: schedule}), [])
    assert str(error).startswith(f"{name} must be a number in ")


@pytest.mark.parametrize("name", ["lr", "momentum", "l1", "l2", "dampening"])
def test_a_kernel_takes_no_schedule(twins, dtype, rng, name):
    arguments = arguments_of("sgd_step", rng, dtype) | {name: CosineLR(0.9, steps=100)}
    words = {"momentum": "[0, 1)", "dampening": "[0, 1]"}.get(name, "[0, inf)")
    text = f"{name} must be a number in {words}, got CosineLR"
    assert_refused(twins, "sgd_step", arguments, TypeError, text)
