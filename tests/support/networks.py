"""Networks of every layer and loss, with random parameters, and targets for them."""

import numpy as np

import densenet as dn
from densenet import _activations

ACTIVATIONS = [entry.layer() for entry in _activations.ACTIVATIONS.values()]
ACTIVATIONS += [dn.LeakyReLU(0.3), dn.ELU(0.5)]
ON_CLASSES = [dn.SoftmaxCrossEntropy(), dn.SoftmaxCrossEntropy(0.1), dn.CrossEntropy()]
ON_SIGNS = [dn.BinaryCrossEntropy(), dn.LogisticLoss()]
ON_VALUES = [dn.MeanSquaredError(), dn.MeanAbsoluteError(), dn.Huber(), dn.Huber(0.2)]
LOSSES = ON_CLASSES + ON_SIGNS + ON_VALUES
INPUTS, OUTPUTS = 7, 4


def make(layers, loss=None, backend="compiled", dtype="float32", seed=1):
    """A network whose biases, scales and moments, too, are random."""
    network = dn.Network(
        layers, loss or dn.MeanSquaredError(), dtype=dtype, seed=seed, backend=backend
    )
    rng = np.random.default_rng(2)
    network.flat[...] += rng.normal(scale=0.1, size=network.n_parameters)
    for name, array in network.running_moments.items():
        array[...] = rng.uniform(0.5, 1.5, array.shape) - ("mean" in name)
    return network


def targets(rng, loss, rows, outputs=OUTPUTS):
    predicts = loss.predicts
    if predicts == "classes":
        return rng.integers(0, outputs, rows)
    if predicts == "bits":
        return rng.integers(0, 2, (rows, outputs))
    if predicts == "signs":
        return 2 * rng.integers(0, 2, (rows, outputs)) - 1
    return rng.normal(size=(rows, outputs))


def kinds(layers):
    """Names of the classes of layers, of those in residual blocks too."""
    inner = [kinds(layer.layers) for layer in layers if isinstance(layer, dn.Residual)]
    return {type(layer).__name__ for layer in layers}.union(*inner)
