"""Random networks of all layers for every partner, and what comes close to their predictions."""

import numpy as np

import densenet as dn
from tests.support.networks import ACTIVATIONS, INPUTS, LOSSES, OUTPUTS, make

CASES = list(enumerate(3 * LOSSES))


def random_layers(rng, width, depth):
    """Draw layers from a width; give them and the width that they end in."""
    layers = []
    for _ in range(depth):
        kind = rng.choice(["linear", "same", "residual"], p=[0.4, 0.45, 0.15])
        if kind == "linear":
            outputs = int(rng.choice([1, 3, 5, 8, 17, 33]))
            layers.append(dn.Linear(width, outputs, bias=bool(rng.integers(2))))
            width = outputs
        elif kind == "same":
            norms = [dn.LayerNorm(width), dn.BatchNorm(width)]
            same_width = [*ACTIVATIONS, dn.Softmax(), dn.Dropout(0.3), *norms]
            layers.append(same_width[rng.integers(len(same_width))])
        else:
            block, end = random_layers(rng, width, depth // 2)
            layers.append(dn.Residual([*block, dn.Linear(end, width)]))
    return layers, width


def random_network(seed, loss, dtype, backend="compiled"):
    """A network that its seed says, because each partner takes many at once."""
    rng = np.random.default_rng(seed)
    layers, width = random_layers(rng, INPUTS, int(rng.integers(1, 8)))
    layers.append(dn.Linear(width, OUTPUTS))
    if isinstance(loss, dn.CrossEntropy):
        layers.append(dn.Softmax())
    return make(layers, loss, backend, dtype, seed)


def rows(rng, dtype, count=13, width=INPUTS):
    return rng.normal(scale=2, size=(count, width)).astype(dtype)


def small(dtype="float32", seed=0):
    layers = [
        dn.BatchNorm(3),
        dn.Residual([dn.Linear(3, 3), dn.Tanh()]),
        dn.Linear(3, 2, bias=False),
    ]
    return make(layers, dtype=dtype, seed=seed)


def close(actual, desired, dtype, factor=16):
    """Compare predictions that went through the same layers in another order of sums."""
    assert actual.dtype == desired.dtype == dtype
    size = max(np.abs(desired).max(), 1)
    np.testing.assert_allclose(actual, desired, rtol=0, atol=factor * np.finfo(dtype).eps * size)
