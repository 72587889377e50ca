"""Layer and batch normalisation: ``y = γ ∘ x̂ + β`` with ``x̂ = (x - mean) / √(variance + ε)``.

Mean and variance are those of a row over its columns (``axis=1``, Ba et al. 2016) or of a column
over the rows (``axis=0``, Ioffe and Szegedy 2015). The variance is the biased one.
"""

import numpy as np

from densenet._typing import Array


def mean_and_variance(x: Array, axis: int) -> tuple[Array, Array]:
    """Compute mean and variance along an axis, in float64.

    Rounding leaves the first mean a little off. The mean difference from it corrects both: it is
    added to the mean, and its square is subtracted from the variance.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.normalization import mean_and_variance
    >>> mean_and_variance(np.array([[1.0, 3.0]]), axis=1)
    (array([[2.]]), array([[1.]]))
    """
    wide = x.astype(np.float64)
    rough = wide.mean(axis, keepdims=True)
    rest = (wide - rough).mean(axis, keepdims=True)
    mean = np.where(np.isfinite(rough), rough + rest, rough)
    variance = ((wide - rough) ** 2).mean(axis, keepdims=True) - rest**2
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
    dy: Array, x: Array, gamma: Array, mean: Array, variance: Array, eps: float, axis: int | None
) -> tuple[Array, Array, Array]:
    """Differentiate `norm_forward`; `axis` is that of the mean, None if that is a constant.

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
        along = (g * xhat).mean(axis, keepdims=True)
        dx = (g - g.mean(axis, keepdims=True) - xhat * along) * inverse
    return dx, (dy * xhat).sum(0), dy.sum(0)
