"""Weights to and from PyTorch itself."""

import numpy as np
import pytest

import densenet as dn
from densenet import exchange
from tests.support.assertions import assert_same_bits
from tests.support.exchange import CASES, close, random_network, rows, small
from tests.support.pytorch import twin_layer

torch = pytest.importorskip("torch")


def module_of(layers, dtype):
    module = torch.nn.Sequential(*map(twin_layer, layers)).eval()
    return module.double() if dtype == np.float64 else module


def predict(module, x):
    with torch.no_grad():
        return module(torch.from_numpy(x)).numpy()


def shake(module):
    """Let a module have learned something: random parameters and moments."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, value in module.state_dict().items():
            if value.is_floating_point():
                noise = torch.rand(value.shape, generator=generator, dtype=value.dtype)
                value.copy_(noise + 0.5 if "var" in name else noise - 0.5)


@pytest.mark.parametrize(("seed", "loss"), CASES, ids=str)
def test_weights_go_there(seed, loss, dtype, rng):
    network = random_network(seed, loss, dtype)
    module = module_of(network.layers, dtype)
    module.load_state_dict(exchange.state_dict(network, torch.from_numpy))
    x = rows(rng, dtype)
    close(predict(module, x), network.forward(x), dtype)


@pytest.mark.parametrize(("seed", "loss"), CASES, ids=str)
def test_weights_come_from_there(seed, loss, dtype, rng):
    network = random_network(seed, loss, dtype)
    module = module_of(network.layers, dtype)
    shake(module)
    exchange.load_state_dict(network, module.state_dict())
    x = rows(rng, dtype)
    close(predict(module, x), network.forward(x), dtype)
    back = exchange.state_dict(network, torch.from_numpy)
    assert list(back) != []
    for name, value in module.state_dict().items():
        assert torch.equal(back[name], value)


@pytest.mark.parametrize("kind", ["bfloat16", "float16", "float64", "int64"])
def test_tensors_of_other_types_are_rounded_once(kind):
    network = small()
    wanted = getattr(torch, kind)
    tensors = exchange.state_dict(network, torch.from_numpy)
    state = {name: (3 * value).to(wanted) for name, value in tensors.items()}
    exchange.load_state_dict(network, state)
    for name, view in network.parameters.items():
        assert_same_bits(view.copy(), state[name].to(torch.float32).numpy())


def test_parameters_with_gradients_are_tensors_too():
    network, module = small(), module_of(small().layers, np.float32)
    state = dict(module.named_parameters()) | dict(module.named_buffers())
    exchange.load_state_dict(network, state)
    assert_same_bits(network.parameters["2.weight"].copy(), state["2.weight"].detach().numpy())


def test_identity_stands_for_a_layer_without_weights():
    module = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2))
    network = dn.Network([dn.Identity(), dn.Linear(4, 2)], dn.MeanSquaredError())
    exchange.load_state_dict(network, module.state_dict())
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    close(predict(module, x.reshape(3, 2, 2)), network.forward(x), np.float32)
