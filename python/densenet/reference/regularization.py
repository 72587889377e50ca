"""Dropout, and its random generator: Philox 4x32 with 10 rounds (Salmon et al. 2011).

A random number is a function of a counter and a key, so it does not matter which thread draws it.
"""

import numpy as np

from densenet._typing import Array


def philox(counter: Array, seed: int) -> Array:
    """Turn counters of four 32-bit words, (..., 4), into four random words each, uint32.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.regularization import philox
    >>> [hex(draw) for draw in philox(np.array([0, 0, 0, 0]), seed=0)]
    ['0x6627e8d5', '0xe169c58d', '0xbc57ac4c', '0x9b00dbd8']
    """
    c = [counter[..., i].astype(np.uint64) for i in range(4)]
    low, high = seed & 0xFFFFFFFF, seed >> 32
    word = np.uint64(0xFFFFFFFF)
    for _ in range(10):
        a = np.uint64(0xD2511F53) * c[0]
        b = np.uint64(0xCD9E8D57) * c[2]
        half = np.uint64(32)
        c = [(b >> half) ^ c[1] ^ np.uint64(low), b & word, (a >> half) ^ c[3] ^ np.uint64(high)]
        c.append(a & word)
        low, high = (low + 0x9E3779B9) & 0xFFFFFFFF, (high + 0xBB67AE85) & 0xFFFFFFFF
    return np.stack(c, axis=-1).astype(np.uint32)


def dropout(
    x: Array, rate: float, *, seed: int, step: int, layer: int, first_row: int = 0
) -> Array:
    """Set elements to 0 with probability `rate` and scale the rest by ``1 / (1 - rate)``.

    The backward pass is the same function of dy. Element (row, column) is kept if its random
    number is at least ``rate 2³²``. The counter (column // 4, row, step, layer) gives the numbers
    of four columns. Rows are counted from `first_row` on: parts of a batch draw as the whole does.
    Words have 32 bits: a step draws what the one 2³² steps before it drew.

    Parameters
    ----------
    x : array of shape (batch, width)
    rate : float in [0, 1)
    seed : int
        The key: 64 bits.
    step, layer : int
        The optimizer's step, and the number of the layer in the network.
    first_row : int
        Where the rows of `x` begin in the batch.

    Returns
    -------
    array of shape (batch, width)

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.reference.regularization import dropout
    >>> dropout(np.ones((2, 5)), 0.5, seed=1, step=0, layer=0)
    array([[2., 2., 2., 2., 2.],
           [2., 0., 0., 0., 2.]])
    """
    batch, width = x.shape
    blocks = -(-width // 4)
    counter = np.empty((batch, blocks, 4), np.uint64)
    counter[..., 0] = np.arange(blocks)
    counter[..., 1] = np.arange(first_row, first_row + batch)[:, None]
    counter[..., 2], counter[..., 3] = step & 0xFFFFFFFF, layer
    draws = philox(counter, seed).reshape(batch, 4 * blocks)[:, :width]
    scale = x.dtype.type(1 / (1 - rate))
    y: Array = np.where(draws >= int(rate * 2**32), x * scale, x.dtype.type(0))
    return y
