"""How weights start: random, with a variance that keeps signals the same size in every layer."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from densenet._typing import Array

# In quotes, here and below: naming the type must not import `numpy.random`, which takes time.
Draw: TypeAlias = "Callable[[np.random.Generator, int, int], Array]"


def _scaled(gain: float, fan: Callable[[int, int], float], shape: str) -> Draw:
    """Make an initializer of variance ``gain / fan(inputs, outputs)``."""

    def draw(rng: "np.random.Generator", inputs: int, outputs: int) -> Array:
        deviation = np.sqrt(gain / fan(inputs, outputs))
        if shape == "normal":
            return rng.normal(0.0, deviation, (outputs, inputs))
        limit = np.sqrt(3.0) * deviation
        return rng.uniform(-limit, limit, (outputs, inputs))

    return draw


def _mean_fan(inputs: int, outputs: int) -> float:
    return (inputs + outputs) / 2


def _fan_in(inputs: int, outputs: int) -> float:
    return float(inputs)


def _zeros(rng: "np.random.Generator", inputs: int, outputs: int) -> Array:
    return np.zeros((outputs, inputs))


INITIALIZERS: dict[str, Draw] = {
    "glorot_uniform": _scaled(1.0, _mean_fan, "uniform"),  # Glorot and Bengio 2010
    "glorot_normal": _scaled(1.0, _mean_fan, "normal"),
    "he_uniform": _scaled(2.0, _fan_in, "uniform"),  # He et al. 2015
    "he_normal": _scaled(2.0, _fan_in, "normal"),
    "lecun_uniform": _scaled(1.0, _fan_in, "uniform"),  # LeCun et al. 1998
    "lecun_normal": _scaled(1.0, _fan_in, "normal"),
    "zeros": _zeros,
    # torch.nn.Linear: He's rule for a leaky ReLU of slope √5 (2 / (1 + 5) = 1/3), so U(±1/√inputs).
    "pytorch": _scaled(1 / 3, _fan_in, "uniform"),
}

BIAS_INITIALIZERS: dict[str, Draw] = {
    "pytorch": lambda rng, inputs, outputs: rng.uniform(-1, 1, outputs) / np.sqrt(inputs)
}
"""How biases start that do not start at 0, by the name of their weight's initializer."""
