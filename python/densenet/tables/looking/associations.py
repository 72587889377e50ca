"""How much two columns have to do with each other, in numbers from 0 to 1."""

import math

import numpy as np
import numpy.typing as npt

from densenet._typing import Array
from densenet.tables.encoding.specs import mean_and_deviation

__all__ = ["correlation_ratio", "correlations", "cramers_v"]

Numbers = npt.NDArray[np.float64]


def correlations(columns: Numbers) -> Numbers:
    """Compute Pearson's correlation of every pair of columns.

    Parameters
    ----------
    columns : array of shape (rows, columns)
        NaN where a cell is missing; each pair counts the rows in which neither is.

    Returns
    -------
    array of shape (columns, columns)
        NaN where one of the two does not vary.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.looking.associations import correlations
    >>> x = np.array([[1.0, 2.0], [2.0, np.nan], [3.0, 6.0]])
    >>> correlations(x).round(3).tolist()
    [[1.0, 1.0], [1.0, 1.0]]
    """
    known = ~np.isnan(columns)
    scaled = np.zeros_like(columns)
    for place, (cells, there) in enumerate(zip(columns.T, known.T, strict=True)):
        if there.any():
            mean, deviation = mean_and_deviation(cells[there])
            if deviation > 0:
                scaled[there, place] = (cells[there] - mean) / deviation
    there = known.astype(np.float64)
    count = np.maximum(there.T @ there, 1)
    sums, squares = scaled.T @ there, (scaled**2).T @ there  # of one, where the other is known
    products = scaled.T @ scaled - sums * sums.T / count
    variances = np.maximum(squares - sums**2 / count, 0)
    variances[variances < 1e-12 * count] = np.nan  # nothing but rounding
    matrix: Numbers = np.clip(products / np.sqrt(variances * variances.T), -1, 1)
    return matrix


def correlation_ratio(groups: Array, values: Numbers) -> float:
    """Compute the correlation ratio of numbers and the groups that they are in.

    Its square is the share of the variance that lies between the groups (Pearson 1903), less what
    groups that mean nothing would have of it (Kelley 1935). With two groups of many rows it is the
    size of Pearson's correlation.

    Parameters
    ----------
    groups : integer array of shape (rows,)
        The group of each row, from 0.
    values : array of shape (rows,)
        NaN where missing; such rows do not count.

    Returns
    -------
    float
        NaN where the values do not vary, or each row is a group.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.looking.associations import correlation_ratio
    >>> correlation_ratio(np.array([0, 0, 1, 1]), np.array([1.0, 1.0, 3.0, 3.0]))
    1.0
    """
    known = ~np.isnan(values)
    groups, values = groups[known], values[known]
    n, k = len(values), len(np.unique(groups))
    if n <= k:
        return float("nan")
    mean, deviation = mean_and_deviation(values)
    if not deviation > 0:
        return float("nan")
    sums = np.bincount(groups, (values - mean) / deviation)
    between = float(np.sum(sums**2 / np.maximum(np.bincount(groups), 1))) / n
    within = (1 - min(1.0, between)) * (n - 1) / (n - k)
    return math.sqrt(max(0.0, 1 - within))


def cramers_v(first: Array, second: Array) -> float:
    """Compute Cramér's V of two columns of categories, from the table of their counts.

    It is 0 where they are independent, and 1 where one decides the other (Cramér 1946), less what
    columns that are independent would have of it (Bergsma 2013).

    Parameters
    ----------
    first, second : integer arrays of shape (rows,)
        The category of each row, from 0.

    Returns
    -------
    float
        NaN where one has a single category, or another one in each row.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.looking.associations import cramers_v
    >>> cramers_v(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0]))
    1.0
    """
    counts = np.zeros((int(first.max()) + 1, int(second.max()) + 1))
    np.add.at(counts, (first, second), 1)
    counts = counts[counts.any(axis=1)][:, counts.any(axis=0)]
    n, (r, k) = len(first), counts.shape
    if min(r, k) == 1 or max(r, k) == n:
        return float("nan")
    rows, columns = counts.sum(axis=1, keepdims=True), counts.sum(axis=0, keepdims=True)
    expected = rows * columns / n
    chi2 = float(np.sum((counts - expected) ** 2 / expected))
    phi2 = max(0.0, chi2 / n - (r - 1) * (k - 1) / (n - 1))
    least = min(r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)) - 1
    return math.sqrt(min(1.0, phi2 / least))
