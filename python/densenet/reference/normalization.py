"""Layer and batch normalisation: ``y = γ ∘ x̂ + β`` with ``x̂ = (x - mean) / √(variance + ε)``.

Mean and variance are those of a row over its columns (``axis=1``, Ba et al. 2016) or of a column
over the rows (``axis=0``, Ioffe and Szegedy 2015). The variance is the biased one.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from densenet._typing import Array


def _means(
    values: Sequence[Array],
    axis: int,
    dtype: "np.dtype[Any]",
    means: Callable[[Array], object] | None,
) -> list[Array]:
    """Give the mean of each matrix along an axis, or over all rows of a batch.

    `means` turns sums over the rows at hand, a vector of the type `dtype`, into the means over a
    batch that has other rows, too.
    """
    if means is None:
        return [each.mean(axis, keepdims=True) for each in values]
    sums = np.concatenate([each.sum(axis) for each in values]).astype(dtype)
    means(sums)
    return list(sums.astype(values[0].dtype).reshape(len(values), 1, -1))


def mean_and_variance(
    x: Array, axis: int, means: Callable[[Array], object] | None = None
) -> tuple[Array, Array]:
    """Compute mean and variance along an axis, in float64.

    Rounding leaves the first mean a little off. The mean difference from it corrects both: it is
    added to the mean, and its square is subtracted from the variance. With `means`, x has some of
    the rows of a batch: it turns sums over these into the means over all.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.normalization import mean_and_variance
    >>> mean_and_variance(np.array([[1.0, 3.0]]), axis=1)
    (array([[2.]]), array([[1.]]))
    """
    wide = x.astype(np.float64)
    (rough,) = _means([wide], axis, x.dtype, means)
    squares, rest = _means([(wide - rough) ** 2, wide - rough], axis, x.dtype, means)
    mean = np.where(np.isfinite(rough), rough + rest, rough)
    variance = squares - rest**2
    return mean.astype(x.dtype), variance.astype(x.dtype)


def _normalized(x: Array, mean: Array, variance: Array, eps: float) -> tuple[Array, Array]:
    inverse: Array = (1 / np.sqrt(variance.astype(np.float64) + eps)).astype(x.dtype)
    return (x - mean) * inverse, inverse


def norm_forward(
    x: Array, gamma: Array, beta: Array, mean: Array, variance: Array, eps: float
) -> Array:
    """Normalise with a given mean and variance, then scale and shift.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.normalization import mean_and_variance, norm_forward
    >>> x = np.array([[1.0, 3.0], [0.0, 40.0]])
    >>> norm_forward(x, np.ones(2), np.zeros(2), *mean_and_variance(x, axis=1), eps=0.0)
    array([[-1.,  1.],
           [-1.,  1.]])
    """
    xhat, _ = _normalized(x, mean, variance, eps)
    y: Array = xhat * gamma + beta
    return y


def norm_backward(
    dy: Array,
    x: Array,
    gamma: Array,
    mean: Array,
    variance: Array,
    eps: float,
    axis: int | None,
    means: Callable[[Array], object] | None = None,
) -> tuple[Array, Array, Array]:
    """Differentiate `norm_forward`; `axis` is that of the mean, None if that is a constant.

    `means` is that of `mean_and_variance`; ``dγ`` and ``dβ`` are sums over the rows at hand.

    With ``g = γ ∘ dy``: ``dx = (g - mean(g) - x̂ ∘ mean(g ∘ x̂)) / √(variance + ε)``,
    ``dγ = Σ dy ∘ x̂`` and ``dβ = Σ dy``.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.normalization import mean_and_variance, norm_backward
    >>> x, dy = np.array([[1.0, 2.0, 6.0]]), np.array([[1.0, 0.0, 0.0]])
    >>> found = mean_and_variance(x, axis=1)
    >>> dx, dgamma, dbeta = norm_backward(dy, x, np.ones(3), *found, eps=0.0, axis=1)
    >>> dx.round(3)
    array([[ 0.176, -0.22 ,  0.044]])
    >>> dgamma.round(3)
    array([-0.926,  0.   ,  0.   ])
    """
    xhat, inverse = _normalized(x, mean, variance, eps)
    g = gamma * dy
    if axis is None:
        dx = g * inverse
    else:
        mean_g, along = _means([g, g * xhat], axis, x.dtype, means)
        dx = (g - mean_g - xhat * along) * inverse
    return dx, (dy * xhat).sum(0), dy.sum(0)
