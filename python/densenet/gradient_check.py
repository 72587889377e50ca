"""The test of a gradient: finite differences."""

import numpy as np
import numpy.typing as npt

from densenet import _checks
from densenet.network import Network


def check_gradients(
    network: Network, x: npt.ArrayLike, y: npt.ArrayLike, *, step: float = 1e-5
) -> float:
    """Compare a network's gradient with central differences, in float64.

    Parameters
    ----------
    network : Network
        Not modified; a copy in float64 with the same backend is differentiated.
    x, y
        As in `Network.loss`; few rows are enough.
    step : float in (0, inf)
        Of the differences ``(L(w + h) - L(w - h)) / 2h``.

    Returns
    -------
    float
        The largest error over the parameters, relative to the larger of the two values, or to a
        thousandth of the gradient's largest element where both are smaller than that.

    Raises
    ------
    TypeError, ValueError
        If `network` is no network, `step` is not in (0, inf), or as `Network.loss`.

    Examples
    --------
    >>> from densenet import Linear, Network, Sigmoid, SoftmaxCrossEntropy, check_gradients
    >>> network = Network([Linear(2, 5), Sigmoid(), Linear(5, 3)], SoftmaxCrossEntropy(), seed=1)
    >>> check_gradients(network, [[1.0, 2.0], [3.0, -1.0]], [2, 0]) < 1e-6
    True
    """
    _checks.instance("network", network, Network, "a Network")
    step = _checks.positive("step", step)
    twin = Network(network.layers, network.loss_function, dtype=np.float64, backend=network.backend)
    twin.flat[...] = network.flat
    for name, moments in twin.running_moments.items():
        moments[...] = network.running_moments[name]
    _, gradient = twin.value_and_gradient(twin.flat, x, y)
    numeric = np.empty_like(gradient)
    for i, value in enumerate(twin.flat.tolist()):
        twin.flat[i] = value + step
        above = twin.loss(x, y)
        twin.flat[i] = value - step
        below = twin.loss(x, y)
        twin.flat[i] = value
        numeric[i] = (above - below) / (2 * step)
    size = np.maximum(np.abs(gradient), np.abs(numeric))
    floor = max(1e-3 * float(size.max()), float(np.finfo(np.float64).tiny))
    return float(np.max(np.abs(gradient - numeric) / np.maximum(size, floor)))
