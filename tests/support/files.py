"""Networks that go through a file, and a list with a layer of every kind."""

from densenet import Network, layers
from densenet._activations import ACTIVATIONS

EVERY_LAYER = [
    layers.Linear(4, 3, bias=False, init="he_normal"),
    *(entry.layer() for entry in ACTIVATIONS.values()),
    layers.LeakyReLU(0.3),
    layers.ELU(0.7),
    layers.Softmax(),
    layers.Dropout(0.4),
    layers.LayerNorm(3, eps=1e-3),
    layers.BatchNorm(3, eps=1e-4),
    layers.Residual([layers.Linear(3, 3), layers.Residual([layers.Tanh(), layers.BatchNorm(3)])]),
    layers.Linear(3, 2),
]


def through_file(network, path, **options):
    network.save(path)
    return Network.load(path, **options)
