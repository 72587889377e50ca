"""What more than one partner asks of a network."""

import numpy as np

from densenet import _checks
from densenet._typing import Array
from densenet.layers import BatchNorm, Identity, Layer, Linear, Sigmoid, Softmax
from densenet.losses import CustomLoss, Loss, SoftmaxCrossEntropy
from densenet.network import Network


def check_network(network: object) -> None:
    """Raise TypeError unless `network` is a Network."""
    if not isinstance(network, Network):
        raise TypeError(f"network: expected a Network, got {_checks.describe(network)}")


def probability_layer(loss: Loss | CustomLoss) -> Layer | None:
    """Give the layer that turns outputs into probabilities; None if the loss has none."""
    if not isinstance(loss, Loss) or loss.predicts == "values":
        return None
    if loss.predicts == "classes":
        return Softmax() if isinstance(loss, SoftmaxCrossEntropy) else Identity()
    return Sigmoid()


def batch_norm_scale(network: Network, name: str, layer: BatchNorm) -> Array:
    """Compute ``γ / √(running variance + ε)``, the factor of each column in prediction."""
    gamma = network.parameters[f"{name}.weight"].astype(np.float64)
    variance = network.running_moments[f"{name}.running_var"].astype(np.float64)
    scale: Array = (gamma / np.sqrt(variance + layer.eps)).astype(network.dtype)
    return scale


def describe_layer(layer: Layer) -> str:
    """Write a layer in one line, without the array that its weight may have started from."""
    if isinstance(layer, Linear):
        return f"Linear({layer.inputs}, {layer.outputs}{'' if layer.bias else ', bias=False'})"
    return repr(layer)
