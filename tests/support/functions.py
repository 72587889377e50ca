"""Good arguments of the functions in `densenet.kernels`, and settings to try them with."""

import inspect

import numpy as np

from densenet import reference
from densenet._activations import ACTIVATIONS

ELEMENTWISE = tuple(kind for kind in ACTIVATIONS if kind != "identity")


def units_allowed(activation, x):
    """How many units in the last place an activation of each x may be from its twin.

    Far left, GELU's twin magnifies a rounding: that of the argument of erfc.
    """
    wide = activation == "gelu" and x.dtype == np.float64
    return 4 + 2 * np.clip(-x, 0, 40) ** 2 if wide else np.full_like(x, 4)


def _loss_targets(name, normal, probabilities):
    if name.startswith("cross_entropy"):
        return probabilities
    if name.startswith("logistic"):
        return np.sign(normal(4, 3))
    return probabilities if name.startswith("binary") else normal(4, 3)


def arguments_of(name, rng, dtype):
    """Good arguments of a function by name: 4 rows, 5 inputs, 3 outputs or classes."""

    def normal(*shape):
        return rng.normal(size=shape).astype(dtype)

    logits = normal(4, 3)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = rng.integers(0, 3, 4)
    step = {"param": normal(3, 5), "grad": normal(3, 5)}
    parameters = list(inspect.signature(getattr(reference, name)).parameters)
    if parameters[0] == "outputs":
        return {
            "outputs": probabilities,
            "targets": _loss_targets(name, normal, probabilities),
            "sample_weight": np.abs(normal(4)),
        }
    if name.startswith(ELEMENTWISE):
        arrays = [word for word in parameters if word in ("x", "y", "dy")]
        return {word: normal(4, 5) for word in arrays}
    return {
        "linear_forward": {"x": normal(4, 5), "weight": normal(3, 5), "bias": normal(3)},
        "linear_backward": {"dy": normal(4, 3), "x": normal(4, 5), "weight": normal(3, 5)},
        "softmax_forward": {"x": normal(4, 3)},
        "softmax_backward": {"dy": normal(4, 3), "y": probabilities},
        "softmax_cross_entropy_forward": {
            "logits": logits,
            "targets": labels,
            "sample_weight": np.abs(normal(4)),
            "label_smoothing": 0.1,
        },
        "softmax_cross_entropy_backward": {
            "probabilities": probabilities,
            "targets": labels,
            "sample_weight": np.abs(normal(4)),
            "label_smoothing": 0.1,
        },
        "sgd_step": {**step, "velocity": normal(3, 5), "lr": 0.1, "momentum": 0.9},
        "rmsprop_step": {**step, "v": np.abs(normal(3, 5)), "lr": 0.1},
        "adam_step": {**step, "m": normal(3, 5), "v": np.abs(normal(3, 5)), "step": 10},
        "adamw_step": {**step, "m": normal(3, 5), "v": np.abs(normal(3, 5)), "step": 10},
    }[name]


def random_targets(rng, kind, batch, classes, dtype=np.float64):
    labels = rng.integers(0, classes, batch)
    if kind == "indices":
        return labels
    if kind == "one-hot":
        return np.eye(classes, dtype=dtype)[labels]
    return rng.dirichlet(np.full(classes, 0.7), batch).astype(dtype)


SGD_SETTINGS = [
    {},
    {"l1": 0.3, "l2": 0.2},
    {"momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.9},
    {"momentum": 0.5, "dampening": 0.2, "l1": 0.1, "l2": 0.2},
    {"momentum": 0.9, "nesterov": True},
    {"momentum": 0.7, "nesterov": True, "l1": 0.1, "l2": 0.2},
]
PENALTIES = [{}, {"l1": 0.3}, {"l2": 0.2}, {"l1": 0.3, "l2": 0.2}]


def central_differences(function, x, step=1e-6):
    """The gradient of a function of a float64 array, (f(x + h) - f(x - h)) / 2h."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        moved = x.copy()
        moved[i] = x[i] + step
        above = function(moved)
        moved[i] = x[i] - step
        gradient[i] = (above - function(moved)) / (2 * step)
    return gradient
