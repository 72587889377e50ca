"""Principal components of encoded rows: the directions in which they differ most."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from densenet._engine.made_rows import MadeRows
from densenet._typing import Array

__all__ = ["PrincipalComponents", "principal_components"]

_BLOCK = 4096
"""Rows, or columns where these are more, that are centred at a time, in float64."""
_LEAST = np.finfo(np.float64).tiny

Numbers = npt.NDArray[np.float64]


class PrincipalComponents(NamedTuple):
    """All principal components of some rows, that of the largest variance first.

    Attributes
    ----------
    mean : array of shape (columns,)
        Of the rows.
    variances : array of shape (components,)
        Of the rows along each component. There are as many components as rows or columns,
        whichever are fewer.
    directions : array of shape (components, columns)
        Of length 1 and at right angles where the variance is not 0. The largest element of each is
        positive, as either sign would do.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.components import principal_components
    >>> found = principal_components(np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]]))
    >>> found.directions[0].round(3).tolist(), found.variances.round(3).tolist()
    ([0.447, 0.894], [3.333, 0.0])
    """

    mean: Numbers
    variances: Numbers
    directions: Numbers


def principal_components(x: Array | MadeRows) -> PrincipalComponents:
    """Find the principal components of rows (Pearson 1901, Hotelling 1933).

    They are the right singular vectors of the centred rows C, computed as the eigenvectors of
    ``Cᵀ C`` or, where there are more columns than rows, from those of ``C Cᵀ``, in float64. That
    is faster than NumPy's SVD of C, and takes the memory of the smaller of the two. A variance
    below some 1e-15 of the largest is nothing but rounding. The last bits depend on NumPy's linear
    algebra, and so on the processor and on how many threads that takes.

    Parameters
    ----------
    x : float array of shape (rows, columns)
        Or rows that are made when they are asked for: some at a time, with the results of the
        array, to the bit; all at once if they are fewer than the columns.

    Returns
    -------
    PrincipalComponents

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.components import principal_components
    >>> x = np.random.default_rng(0).normal(size=(50, 4))
    >>> mean, variances, directions = principal_components(x)
    >>> along = (x - mean) @ directions.T
    >>> np.allclose(along.var(axis=0), variances), np.allclose(directions @ directions.T, np.eye(4))
    (True, True)
    """
    rows, columns = x.shape
    held = np.asarray(x) if rows < columns else None
    parts = [slice(begin, begin + _BLOCK) for begin in range(0, rows, _BLOCK)]
    mean = sum(x[part].sum(axis=0, dtype=np.float64) for part in parts) / rows
    products = np.zeros((min(x.shape),) * 2)
    for begin in range(0, max(x.shape), _BLOCK):
        part = slice(begin, begin + _BLOCK)
        centred = x[part] - mean if held is None else (held[:, part] - mean[part]).T
        products += centred.T @ centred
    values, vectors = np.linalg.eigh(products)  # ascending
    directions = vectors.T[::-1]
    if held is not None:
        directions = directions @ (held - mean)
        directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), _LEAST)
    largest = np.abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(len(directions)), largest] < 0, -1.0, 1.0)
    variances = np.maximum(values[::-1], 0) / rows
    return PrincipalComponents(mean, variances, directions * signs[:, np.newaxis])
