"""The encoding of a column of numbers by its place in its range, piece by piece, and as a whole.

It is what `densenet.tables.PiecewiseLinear` writes, and no layer: nothing is learned.
"""

import numpy as np

from densenet._typing import Array

__all__ = ["FURTHEST", "encode_pieces"]

FURTHEST = 1e6
"""Scales from the center at which the smooth clip has long come to rest."""


def encode_pieces(
    cells: Array,
    edges: Array,
    fill: float,
    center: float,
    scale: float,
    gaps: bool,
    features: Array,
) -> None:
    """Write the features of the cells of a column.

    Feature i is ``clip((x - e_i) / (e_(i+1) - e_i), 0, 1)`` with the edges ``e_0 < ... < e_n``. If
    n > 1, one before them is ``z / sqrt(1 + (z / 3)²)`` with ``z = (x - center) / scale``. With
    `gaps`, one behind them is 1 where the cell is missing.

    Parameters
    ----------
    cells : float64 array of shape (rows,)
        NaN where missing, which `fill` takes the place of; otherwise finite.
    edges : float64 array of shape (n + 1,)
    fill, center, scale : float
    gaps : bool
    features : float32 array of shape (rows, features)

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.pieces import encode_pieces
    >>> features = np.empty((2, 3), np.float32)
    >>> cells, edges = np.array([3.0, np.nan]), np.array([0.0, 4.0])
    >>> encode_pieces(cells, edges, 1.0, 2.0, 1.0, True, features[:, 1:])
    >>> features[:, 1:].tolist()
    [[0.75, 0.0], [0.25, 1.0]]
    """
    missing = np.isnan(cells)
    x = np.where(missing, fill, cells)
    n = len(edges) - 1
    first = 0 if n == 1 else 1
    if first:
        z = _ratio(x, center / 2, scale / 2).clip(-FURTHEST, FURTHEST)
        features[:, 0] = z / np.sqrt(1 + np.square(z / 3))
    at = np.searchsorted(edges[1:-1], x, side="right")  # the piece of x
    low = edges[at] / 2
    features[:, first : first + n] = at[:, np.newaxis] > np.arange(n)
    features[np.arange(len(x)), first + at] = _ratio(x, low, edges[at + 1] / 2 - low).clip(0, 1)
    if gaps:
        features[:, -1] = missing


def _ratio(x: Array, half_start: float | Array, half_width: float | Array) -> Array:
    """Give (x - start) / width, infinite where that is too large; no difference overflows.

    The least of all widths is 0 when halved, and so is every distance within it.
    """
    half_width = np.maximum(half_width, np.finfo(np.float64).smallest_subnormal)
    with np.errstate(over="ignore"):
        ratio: Array = (x / 2 - half_start) / half_width
    return ratio
