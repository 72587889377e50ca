"""Optimizers by hand, from random moments at step 10, and where they end."""

import math

import numpy as np
import pytest

from densenet import reference
from tests.support.functions import PENALTIES, SGD_SETTINGS


def soft(w, amount):
    """The proximal step of the absolute value."""
    return math.copysign(max(abs(w) - amount, 0.0), w)


def sgd_by_hand(w, g, v, *, lr, momentum=0.0, dampening=0.0, nesterov=False, l1=0.0, l2=0.0):
    g = g + l2 * w
    if v is None:
        return soft(w - lr * g, l1 * lr), None
    v = momentum * v + (1 - dampening) * g
    moved = w - lr * (g + momentum * v if nesterov else v)
    return soft(moved, l1 * lr * (1 - dampening) / (1 - momentum)), v


def rmsprop_by_hand(w, g, v, *, lr=1e-3, beta=0.9, eps=1e-8, l1=0.0, l2=0.0):
    g = g + l2 * w
    v = beta * v + (1 - beta) * g**2
    step = lr / (math.sqrt(v) + eps)
    return soft(w - step * g, l1 * step), v


def adam_by_hand(w, g, m, v, t, *, lr=1e-3, beta1=0.9, beta2=0.999, eps=1e-8, l1=0.0, l2=0.0):
    g = g + l2 * w
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    m_hat, v_hat = m / (1 - beta1**t), v / (1 - beta2**t)
    step = lr / (math.sqrt(v_hat) + eps)
    return soft(w - step * m_hat, l1 * step), m, v


@pytest.mark.parametrize("settings", SGD_SETTINGS, ids=str)
def test_sgd_by_hand(backend, rng, settings):
    w, v = rng.normal(size=7), rng.normal(size=7)
    state = (v,) if "momentum" in settings else ()
    expected = [(a, b if state else None) for a, b in zip(w.tolist(), v.tolist(), strict=True)]
    for _ in range(3):
        g = rng.normal(size=7)
        backend.sgd_step(w, g, *state, lr=0.1, **settings)
        expected = [
            sgd_by_hand(a, x, b, lr=0.1, **settings)
            for (a, b), x in zip(expected, g.tolist(), strict=True)
        ]
    np.testing.assert_allclose(w, [a for a, _ in expected], rtol=1e-13, atol=1e-15)
    if state:
        np.testing.assert_allclose(v, [b for _, b in expected], rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("penalties", PENALTIES, ids=str)
def test_rmsprop_by_hand(backend, rng, penalties):
    settings = {"lr": 0.05, "beta": 0.8, "eps": 1e-3, **penalties}
    w, v = rng.normal(size=7), rng.uniform(0, 2, 7)
    expected = list(zip(w.tolist(), v.tolist(), strict=True))
    for _ in range(3):
        g = rng.normal(size=7)
        backend.rmsprop_step(w, g, v, **settings)
        expected = [
            rmsprop_by_hand(a, x, b, **settings)
            for (a, b), x in zip(expected, g.tolist(), strict=True)
        ]
    np.testing.assert_allclose([w, v], np.transpose(expected), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("first_step", [1, 10])
@pytest.mark.parametrize("penalties", PENALTIES, ids=str)
def test_adam_by_hand(backend, rng, penalties, first_step):
    settings = {"lr": 0.05, "beta1": 0.8, "beta2": 0.99, "eps": 1e-3, **penalties}
    w, m, v = rng.normal(size=7), rng.normal(size=7), rng.uniform(0, 2, 7)
    expected = list(zip(w.tolist(), m.tolist(), v.tolist(), strict=True))
    for step in range(first_step, first_step + 3):
        g = rng.normal(size=7)
        backend.adam_step(w, g, m, v, step, **settings)
        expected = [
            adam_by_hand(a, x, b, c, step, **settings)
            for (a, b, c), x in zip(expected, g.tolist(), strict=True)
        ]
    np.testing.assert_allclose([w, m, v], np.transpose(expected), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", ["rmsprop", "adam"])
def test_default_settings_by_hand(backend, rng, name):
    w, g, m, v = rng.normal(size=7), *rng.uniform(0.1, 1, (3, 7))
    if name == "adam":
        expected = [adam_by_hand(*values, 10)[0] for values in zip(w, g, m, v, strict=True)]
        backend.adam_step(w, g, m, v, 10)
    else:
        expected = [rmsprop_by_hand(*values)[0] for values in zip(w, g, v, strict=True)]
        backend.rmsprop_step(w, g, v)
    np.testing.assert_allclose(w, expected, rtol=1e-13)


def test_l1_gives_exact_zeros(backend, dtype, rng):
    w = rng.normal(size=65).astype(dtype)
    before, g, v = w.copy(), np.zeros(65, dtype), rng.uniform(0.5, 1, 65).astype(dtype)
    backend.rmsprop_step(w, g, v, lr=0.1, beta=0.0, eps=1.0, l1=5.0)  # a threshold of 0.5
    small = np.abs(before) <= 0.4999
    assert 10 < small.sum() < 55
    assert not w[small].any()
    np.testing.assert_allclose(
        w[~small], before[~small] - np.sign(before[~small]) * 0.5, rtol=1e-4, atol=1e-4
    )


RULES = [("sgd_step", 0, {"lr": 0.05})]
for decay in (0.0, 0.5, 0.9):
    RULES += [
        ("sgd_step", 1, {"lr": 0.05, "momentum": decay}),
        ("sgd_step", 1, {"lr": 0.05, "momentum": decay, "dampening": decay}),
        ("rmsprop_step", 1, {"lr": 0.02, "beta": decay, "eps": 0.1}),
        ("adam_step", 2, {"lr": 0.02, "beta1": decay, "beta2": max(decay, 0.5), "eps": 0.1}),
    ]
    if decay:
        RULES.append(("sgd_step", 1, {"lr": 0.02, "momentum": decay, "nesterov": True}))


@pytest.mark.parametrize(("name", "states", "settings"), RULES)
def test_every_rule_ends_where_the_l1_penalised_quadratic_is_smallest(name, states, settings, rng):
    curvature, best, alpha = rng.uniform(0.5, 2, 16), rng.normal(size=16), 0.4
    w, state = rng.normal(size=16), np.zeros((states, 16))
    step = getattr(reference, name)
    for t in range(1, 3001):
        count = (t,) if name == "adam_step" else ()
        step(w, curvature * (w - best), *state, *count, l1=alpha, **settings)
    wanted = np.array([soft(b, alpha / h) for b, h in zip(best, curvature, strict=True)])
    assert 0 < np.count_nonzero(wanted) < 16
    np.testing.assert_allclose(w, wanted, atol=1e-6)
    assert not w[wanted == 0].any()


def test_nesterov_equals_its_look_ahead_form(backend, rng):
    curvature, best = rng.uniform(0.5, 2, 7), rng.normal(size=7)
    eta, rho = 0.05, 0.9
    w, v = rng.normal(size=7), np.zeros(7)
    place, speed = w.copy(), np.zeros(7)  # w = place + ρ speed
    for _ in range(30):
        backend.sgd_step(w, curvature * (w - best), v, lr=eta, momentum=rho, nesterov=True)
        speed = rho * speed - eta * curvature * (place + rho * speed - best)
        place = place + speed
    np.testing.assert_allclose(w, place + rho * speed, rtol=1e-12, atol=1e-14)
