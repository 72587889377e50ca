"""Every activation equals its twin, from the smallest numbers to the largest."""

import numpy as np
import pytest

from densenet import kernels
from densenet._activations import ACTIVATIONS
from tests.support.assertions import assert_ulp
from tests.support.functions import ELEMENTWISE, units_allowed
from tests.support.skips import NOT_APPLICABLE


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
    assert_ulp(compiled[~tail], twin[~tail], units_allowed(name, x)[~tail])


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


# ---- GELU in extended precision ------------------------------------------------------------------


def extended_normal(x):
    """Compute Φ(x) in long double: by the trapezoidal rule for erfc (Hunter and Regan 1972)."""
    z, h = -x / np.sqrt(np.longdouble(2)), np.longdouble(0.45)
    size, pi = np.abs(z)[..., None], 4 * np.arctan(np.longdouble(1))
    t = (np.arange(1, 18) - np.longdouble(0.5)) * h
    terms = np.exp(-t * t) / (size * size + t * t)
    size = size[..., 0]
    erfc = 2 * h * size / pi * np.exp(-size * size) * terms.sum(axis=-1)
    erfc += np.where(size < pi / h, 2 / (1 + np.exp(2 * pi * size / h)), 0)
    return np.where(z < 0, 2 - erfc, erfc) / 2


@pytest.mark.skipif(
    np.finfo(np.longdouble).eps > 1e-18, reason=NOT_APPLICABLE + "no extended precision here"
)
def test_gelu_and_its_derivative_are_those_of_extended_precision(dtype, rng):
    """To 4 units in the last place in float32 and 5 in float64, as far as the tail is normal."""
    reach = {"float32": 13, "float64": 37}[np.dtype(dtype).name]
    zero = -0.7517915246935645  # of the derivative
    x = np.concatenate([rng.uniform(-reach, reach, 200_000), zero + rng.normal(0, 0.01, 50_000)])
    x = np.concatenate([x, -(10.0 ** rng.uniform(-30, 0, 20_000))]).astype(dtype)
    wide = x.astype(np.longdouble)
    y, normal = kernels.gelu_forward(x), extended_normal(wide)
    density = np.exp(-wide * wide / 2) / np.sqrt(8 * np.arctan(np.longdouble(1)))
    expected, slope = wide * normal, normal + wide * density
    units = {"float32": 4, "float64": 5}[np.dtype(dtype).name]
    assert_ulp(y, expected.astype(dtype), units)
    known = np.abs(slope) > (1e-7 if dtype == np.float32 else 1e-2)  # in extended precision
    derivative = kernels.gelu_backward(np.ones_like(x), x)
    assert_ulp(derivative[known], slope[known].astype(dtype), units)
