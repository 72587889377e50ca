"""Networks of linear and sigmoid layers in every order, and examples of three classes for them."""

import numpy as np

from densenet import Identity, Linear, Sigmoid
from densenet import SoftmaxCrossEntropy as Loss
from tests.support import networks
from tests.support.backends import ENGINES

STACKS = {
    "no hidden layer": [Linear(7, 3)],
    "one hidden layer": [Linear(7, 65), Sigmoid(), Linear(65, 3)],
    "several": [Linear(7, 17), Sigmoid(), Linear(17, 9), Sigmoid(), Linear(9, 1), Linear(1, 3)],
    "no bias": [Linear(7, 5, bias=False), Sigmoid(), Linear(5, 3, bias=False)],
    "activation first": [Sigmoid(), Linear(7, 3)],
    "activation last": [Linear(7, 3), Sigmoid()],
    "two activations": [Linear(7, 5), Sigmoid(), Sigmoid(), Linear(5, 3)],
    "three first": [Sigmoid(), Sigmoid(), Identity(), Linear(7, 3)],
    "identities": [Identity(), Linear(7, 5), Identity(), Sigmoid(), Identity(), Linear(5, 3)],
    "identities last": [Linear(7, 5), Linear(5, 3), Identity(), Identity()],
    "two classes": [Linear(7, 4, init="he_normal"), Sigmoid(), Linear(4, 2)],
}


def make(layers=STACKS["one hidden layer"], backend="compiled", dtype="float32", loss=None):
    """A network whose biases, too, are random, and which classifies as a rule."""
    return networks.make(layers, loss or Loss(), backend, dtype)


def both(layers, dtype, loss=None):
    return [make(layers, backend, dtype, loss) for backend in ENGINES]


def examples(rng, network, rows=23, kind="indices"):
    x = rng.normal(size=(rows, 7))
    classes = network.forward(x[:1]).shape[1]
    if kind == "soft":
        return x, rng.dirichlet(np.full(classes, 0.7), rows)
    return x, rng.integers(0, classes, rows)
