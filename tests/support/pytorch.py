"""PyTorch's layers and networks that compute what densenet's do; a skip where it is missing."""

import pytest

from densenet import ELU, BatchNorm, Dropout, LayerNorm, LeakyReLU, Linear, Residual, Softmax

torch = pytest.importorskip("torch")


class TorchResidual(torch.nn.Sequential):
    def forward(self, x):
        return x + super().forward(x)


def twin_layer(layer):
    """The layer of PyTorch that does the same."""
    nn = torch.nn
    match layer:
        case Linear():
            return nn.Linear(layer.inputs, layer.outputs, bias=layer.bias)
        case LeakyReLU():
            return nn.LeakyReLU(layer.slope)
        case ELU():
            return nn.ELU(layer.alpha)
        case Softmax():
            return nn.Softmax(dim=1)
        case LayerNorm():
            return nn.LayerNorm(layer.width, layer.eps)
        case BatchNorm():
            return nn.BatchNorm1d(layer.width, layer.eps, momentum=0.1)
        case Residual():
            return TorchResidual(*map(twin_layer, layer.layers))
        case Dropout():
            return nn.Dropout(layer.rate)
    return getattr(nn, type(layer).__name__)()


def twin_network(network):
    """`torch.nn.Sequential` of the same layers with the same weights, taken by name."""
    module = torch.nn.Sequential(*map(twin_layer, network.layers)).double()
    arrays = network.parameters | network.running_moments
    state = {name: torch.from_numpy(array.copy()) for name, array in arrays.items()}
    missing, unexpected = module.load_state_dict(state, strict=False)
    assert not unexpected
    assert all(name.endswith("num_batches_tracked") for name in missing)
    return module
