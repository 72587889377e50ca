"""Comparisons of arrays: to the bit, in units in the last place, or as products may differ."""

from itertools import pairwise

import numpy as np


def assert_ulp(actual, desired, ulp=4):
    """Check that elements differ by at most so many units in the last place, and zeros not in sign.

    `ulp` is a number, or an array of one for each element, all of which are finite then.
    Differences up to the smallest normal number are none, because threads flush denormals.
    """
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.dtype == desired.dtype
    assert actual.shape == desired.shape
    finite = np.isfinite(desired)
    np.testing.assert_array_equal(actual[~finite], desired[~finite])
    assert np.isfinite(actual[finite]).all()
    a, d = actual[finite].astype(np.longdouble), desired[finite].astype(np.longdouble)
    unit = np.spacing(np.maximum(np.abs(actual[finite]), np.abs(desired[finite])))
    limit = np.maximum(ulp * unit, np.finfo(actual.dtype).tiny)
    worst = np.max(np.abs(a - d) / limit, initial=0)
    assert worst <= 1, f"{float(worst):.3g} times the units in the last place that are allowed"
    assert_signs_of_zeros(actual, desired)


def assert_signs_of_zeros(actual, desired):
    """Check that where both are zero, both are 0 or both are -0."""
    zeros = (actual == 0) & (desired == 0)
    np.testing.assert_array_equal(np.signbit(actual[zeros]), np.signbit(desired[zeros]))


def assert_product(actual, a, b, plus=None):
    """Check ``a @ b + plus`` against extended precision: within 2 K eps Σ|a||b|."""
    wide_a, wide_b = np.asarray(a, np.longdouble), np.asarray(b, np.longdouble)
    exact, size = wide_a @ wide_b, np.abs(wide_a) @ np.abs(wide_b)
    terms = wide_a.shape[1]
    if plus is not None:
        exact, size, terms = exact + plus, size + np.abs(plus), terms + 1
    assert actual.dtype == a.dtype
    assert actual.shape == exact.shape
    limit = 2 * terms * float(np.finfo(a.dtype).eps) * size + np.finfo(a.dtype).tiny
    worst = float(np.max(np.abs(actual - exact) / limit))
    assert worst <= 1, f"{worst:.3g} times the bound"


def assert_same_bits(actual, desired):
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert (actual.dtype, actual.shape) == (desired.dtype, desired.shape)
    assert actual.tobytes() == desired.tobytes()


def assert_apart(network):
    """Parameters and moments start cache lines of their own, at different places of a page."""
    moments = (array for name, array in network.optimizer_state.items() if name != "step")
    places = sorted(array.ctypes.data % 4096 for array in (network.flat, *moments))
    assert all(place % 64 == 0 for place in places)
    assert all(b - a >= 1024 for a, b in pairwise([*places, places[0] + 4096]))
