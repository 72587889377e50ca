"""Temperature scaling (Guo et al. 2017): probabilities that come true as often as they say.

A network that has been trained long is too sure of itself. Its logits are divided by one number,
the temperature at which the cross-entropy of rows that it has not learned from is least. No row
changes its class.

Where all these rows are right, the colder the lower the cross-entropy, without an end. So they are
taken to be right no more often than Laplace's rule of succession says: after n right rows the next
one is right with probability (n + 1) / (n + 2). The rest, less than one row in all, goes to the
class that is likeliest besides. Platt (1999) smooths targets alike.
"""

import numpy as np

from densenet import _checks
from densenet._engine.made_rows import MadeRows, in_pieces
from densenet._typing import Array
from densenet.network import Network

__all__ = ["calibrate", "temperature_of"]

COLDEST, HOTTEST = 0.05, 20.0
"""Bounds of the temperature; rows that are all wrong have no least cross-entropy."""

_STEPS = 60  # of a bisection: to the last bit of a float64


def calibrate(
    network: Network, x: Array | MadeRows, classes: Array, weights: Array | None = None
) -> float:
    """Divide a network's logits by the temperature that suits rows which it has not learned from.

    The weight and bias of its last layer are divided, so that its file and its exports need nothing
    further.

    Parameters
    ----------
    network : Network
        Ends in a linear layer.
    x : array of shape (rows, inputs)
    classes : integer array of shape (rows,)
    weights : array of shape (rows,), optional

    Returns
    -------
    float
        The temperature.

    Raises
    ------
    ValueError
        If the arrays do not fit each other or the network.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet import Linear, Network, SoftmaxCrossEntropy
    >>> from densenet.tables.training.calibration import calibrate
    >>> network = Network([Linear(1, 2)], SoftmaxCrossEntropy(), seed=0)
    >>> network.flat[:] = [0, 4, 0, 0]  # logits 0 and 4 x
    >>> x, classes = np.ones((4, 1)), np.array([1, 1, 1, 0])
    >>> network.predict_proba(x)[0].round(2)
    array([0.02, 0.98], dtype=float32)
    >>> temperature = calibrate(network, x, classes)
    >>> network.predict_proba(x)[0].round(2)
    array([0.33, 0.67], dtype=float32)
    """
    temperature = temperature_of(in_pieces(network.forward, x), classes, weights)
    last = next(reversed(network.parameters)).rpartition(".")[0]
    for name, values in network.parameters.items():
        if name.rpartition(".")[0] == last:
            values /= temperature
    return temperature


def temperature_of(logits: Array, classes: Array, weights: Array | None = None) -> float:
    """Find the t for which the cross-entropy of ``softmax(logits / t)`` is least.

    Of n rows, the target of a row's class is ``(n + 1) / (n + 2)``, and that of the likeliest other
    class the rest. The cross-entropy is convex in ``1 / t``. The zero of its derivative, the mean
    over rows of the expected logit less that of the targets, is found by bisection.

    Parameters
    ----------
    logits : array of shape (rows, classes)
    classes : integer array of shape (rows,)
        Each row's class.
    weights : array of shape (rows,), optional
        Each row's weight in that mean.

    Returns
    -------
    float
        From 0.05 to 20, for rows that are all wrong.

    Raises
    ------
    ValueError
        If logits and classes do not fit each other.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.tables.training.calibration import temperature_of
    >>> sure = np.array([[4.0, 0.0], [4.0, 0.0], [4.0, 0.0], [4.0, 0.0]])
    >>> hot = temperature_of(sure, np.array([0, 0, 0, 1]))  # sure to 98 %, right in 75 %
    >>> shares = np.exp(sure[0] / hot)
    >>> (shares / shares.sum()).round(2)
    array([0.67, 0.33])
    """
    logits = np.asarray(logits, np.float64)
    rows = np.arange(len(logits))
    classes = _checks.indices("classes", classes, logits.shape[1], "class indices")
    if len(classes) != len(logits):
        raise ValueError(f"classes: expected {len(logits)} as there are logits, got {len(classes)}")
    logits = logits - logits.max(axis=1, keepdims=True)
    of_class, others = logits[rows, classes], logits.copy()
    others[rows, classes] = -np.inf
    wanted = of_class + (others.max(axis=1) - of_class) / (len(logits) + 2)

    def derivative(inverse: float) -> float:
        shares = np.exp(inverse * logits)
        expected = (shares * logits).sum(axis=1) / shares.sum(axis=1)
        return float(np.average(expected - wanted, weights=weights))

    low, high = 1 / HOTTEST, 1 / COLDEST
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if derivative(middle) > 0 else (middle, high)
    return 2 / (low + high)
