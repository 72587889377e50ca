"""Every activation equals its twin, from the smallest numbers to the largest."""

import numpy as np
import pytest

from densenet._activations import ACTIVATIONS
from tests.support.assertions import assert_ulp
from tests.support.functions import ELEMENTWISE


def everywhere(dtype):
    """Where activations bend, where powers of e overflow, and the ends of the element type."""
    info = np.finfo(dtype)
    ends = np.array([info.max / 2, info.tiny, info.eps, 0.0], dtype)
    dense = [np.linspace(-reach, reach, 20_011) for reach in (1, 12, 120, 800)]
    return np.concatenate([*dense, ends, -ends]).astype(dtype)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_an_activation_equals_its_twin(twins, dtype, name):
    x = everywhere(dtype)
    compiled, twin = (getattr(module, f"{name}_forward")(x) for module in twins)
    near = 1000 * np.finfo(dtype).tiny
    tail = np.abs(twin) < near  # the factor of x may be denormal there, and threads flush it to 0
    assert (np.abs(compiled[tail]) < near).all()
    assert_ulp(compiled[~tail], twin[~tail])


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_its_derivative_equals_its_twin(twins, dtype, name):
    """To 8 units, or of what cancels in it: a derivative that passes through 0 is a difference."""
    x = everywhere(dtype)[:-8]
    dy = np.ones_like(x)
    of = x if ACTIVATIONS[name].layer.from_input else getattr(twins[1], f"{name}_forward")(x)
    compiled, twin = (getattr(module, f"{name}_backward")(dy, of) for module in twins)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(compiled, twin, rtol=8 * eps, atol=4 * eps)


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_its_derivative_is_the_slope(backend, name):
    x = np.linspace(-9, 9, 600)  # 0 is not among them, where some have a corner
    forward, backward = (getattr(backend, f"{name}_{way}") for way in ("forward", "backward"))
    of = x if ACTIVATIONS[name].layer.from_input else forward(x)
    slope = (forward(x + 1e-5) - forward(x - 1e-5)) / 2e-5
    np.testing.assert_allclose(backward(np.ones_like(x), of), slope, rtol=1e-7, atol=1e-9)
