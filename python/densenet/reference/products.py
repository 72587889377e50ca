"""Products of bf16 pieces, as processors with matrix registers compute them."""

import numpy as np

from densenet._typing import Array

_DEPTH = 32  # steps of the depth that one instruction takes


@np.errstate(all="ignore")
def product(a: Array, b: Array, pieces: int) -> Array:
    """Multiply two matrices whose numbers are sums of bf16 pieces: ``c_ij = Σ_k a_ik b_kj``.

    ``pieces`` 0 is ``a @ b``. With one piece, ``a`` and ``b`` are rounded to bf16. With two,
    ``a = high + low``, and of the four products that of low and low is left out::

        c ≈ low a · high b + high a · high b + high a · low b

    Each 32 steps of the depth give these in turn, as `_accumulate` adds them up. For finite numbers
    in [2⁻¹⁰⁰, 3.3e38], K deep and with u = 2⁻²⁴, the error is at most
    ``(2⁻⁷ + (17 + K/32) u) Σ|a||b|``
    with one piece and ``(2⁻¹⁵ + (17 + 3K/32) u) Σ|a||b|`` with two.

    Parameters
    ----------
    a : array of float32, shape (rows, depth)
    b : array of float32, shape (depth, columns)
    pieces : 0, 1 or 2

    Returns
    -------
    array of float32, shape (rows, columns)

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.products import product
    >>> third = np.array([[1 / 3]], "f4")
    >>> one = np.ones((1, 1), "f4")
    >>> [f"{product(third, one, pieces)[0, 0]:.8f}" for pieces in (0, 1, 2)]
    ['0.33333334', '0.33398438', '0.33333206']
    """
    if pieces == 0:
        c: Array = a @ b
        return c
    left, right = _split(a, pieces), _split(b, pieces)
    pairs = [(0, 0)] if pieces == 1 else [(1, 0), (0, 0), (0, 1)]
    sums = np.zeros((a.shape[0], b.shape[1]), np.float32)
    for k in range(0, a.shape[1], _DEPTH):
        for i, j in pairs:
            sums = _accumulate(sums, left[i][:, k : k + _DEPTH], right[j][k : k + _DEPTH])
    return sums


def _split(x: Array, pieces: int) -> list[Array]:
    """Take a matrix apart into pieces, each a matrix of floats that are bf16 numbers."""
    high = rounded(x)
    return [high] if pieces == 1 else [high, rounded(x - high)]


def rounded(x: Array) -> Array:
    """Round to bf16, ties to even: denormal numbers to zero. A NaN stays one.

    Parameters
    ----------
    x : array of float32

    Returns
    -------
    array of float32

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.products import rounded
    >>> rounded(np.array([1 / 3, 1 + 2**-8, 1e-39], "f4"))
    array([0.33398438, 1.        , 0.        ], dtype=float32)
    """
    bits = x.view(np.uint32)
    nearest = (bits + (0x7FFF + ((bits >> 16) & 1))) & np.uint32(0xFFFF0000)
    y = np.where(np.isnan(x), x, nearest.astype(np.uint32).view(np.float32))
    y[np.abs(x) < np.finfo(np.float32).smallest_normal] = 0
    return y


def _accumulate(sums: Array, a: Array, b: Array) -> Array:
    """Add ``a b`` to sums as the instruction TDPBF16PS does.

    The products of even steps are added up from zero, and those of odd steps by themselves; then
    the sum of both is added. A product of two bf16 numbers is exact in float64, so that adding it
    there and rounding to float32 is one fused step, but for ties that a second rounding decides:
    these come out right as well, for the sum in float64 is made odd where it is not exact.
    """
    halves = []
    for first in (0, 1):
        half = np.zeros_like(sums)
        for k in range(first, a.shape[1], 2):
            half = _fused(a[:, k, np.newaxis], b[np.newaxis, k], half)
        halves.append(half)
    return _flushed(sums + _flushed(halves[0] + halves[1]))


def _fused(a: Array, b: Array, c: Array) -> Array:
    """Compute ``a b + c`` with one rounding, to float32."""
    product = a.astype(np.float64) * b
    total = product + c
    # What is lost of the exact sum (Knuth's two-sum); where it is not zero, the last bit is set to
    # odd, away from a tie (Boldo and Melquiond 2008).
    back = total - product
    lost = (product - (total - back)) + (c - back)
    inexact = (lost != 0) & np.isfinite(total)
    bits = total.view(np.int64)
    even = inexact & (bits & 1 == 0)
    toward = np.where((lost > 0) == (total > 0), 1, -1)
    odd = np.where(even, bits + toward, bits).view(np.float64)
    return _flushed(odd.astype(np.float32))


def _flushed(x: Array) -> Array:
    """Replace denormal numbers by zeros."""
    return np.where(np.abs(x) < np.finfo(np.float32).smallest_normal, np.copysign(0, x), x).astype(
        np.float32
    )
