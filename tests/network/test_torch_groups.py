"""Frozen layers and rates for each layer as PyTorch has them: ``requires_grad`` and groups."""

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    LayerNorm,
    Linear,
    MeanSquaredError,
    Network,
    Residual,
    RMSprop,
    Sigmoid,
    Tanh,
)
from tests.support.pytorch import torch, twin_network

INPUTS, OUTPUTS = 6, 3
BODY = [Linear(INPUTS, 8), Tanh(), BatchNorm(8), Residual([Linear(8, 8), LayerNorm(8), Sigmoid()])]
LAYERS = [*BODY, Linear(8, 8), Tanh(), Linear(8, OUTPUTS)]
FACTORS = [
    {"6": 1.0},
    {"6": 1.0, "4": 0.1, "3.0.bias": 0.01},
    {"0": 0.5, "2": 3.0, "6.weight": 2.0},
]
OPTIMIZERS = [
    SGD(lr=0.05, momentum=0.9, l2=0.01),
    SGD(lr=0.05, momentum=0.9, nesterov=True, clip_norm=0.2),
    RMSprop(lr=0.01, clip_norm=0.1),
    Adam(lr=0.01, l2=0.01, clip_norm=0.1),
    AdamW(lr=0.01, weight_decay=0.1),
]


def factor_of(name, factors):
    return next((f for each, f in factors.items() if f"{name}.".startswith(f"{each}.")), None)


def twin_optimizer(optimizer, module, factors):
    """One of PyTorch with a group for each parameter; those without a factor need no gradient."""
    groups = []
    for name, parameter in module.named_parameters():
        factor = factor_of(name, factors)
        if factor is None:
            parameter.requires_grad_(False)
            continue
        decay = getattr(optimizer, "weight_decay", optimizer.l2) if parameter.ndim == 2 else 0.0
        group = {"params": [parameter], "lr": optimizer.lr * factor, "weight_decay": decay}
        groups.append(group)
    match optimizer:
        case SGD():
            return torch.optim.SGD(groups, momentum=0.9, nesterov=optimizer.nesterov)
        case RMSprop():
            return torch.optim.RMSprop(groups, alpha=optimizer.beta, eps=optimizer.eps)
        case AdamW():
            return torch.optim.AdamW(groups)
    return torch.optim.Adam(groups)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("factors", FACTORS, ids=str)
def test_steps_are_those_of_groups(engine, rng, optimizer, factors):
    network = Network(LAYERS, MeanSquaredError(), dtype="float64", seed=1, backend=engine)
    network.flat[...] += rng.normal(scale=0.1, size=network.n_parameters)
    module = twin_network(network)
    other = twin_optimizer(optimizer, module, factors)
    settings = vars(optimizer) | {"trainable": list(factors), "lr_factors": factors}
    rule = type(optimizer)(**settings)
    for _ in range(6):
        x, y = rng.normal(size=(12, INPUTS)), rng.normal(size=(12, OUTPUTS))
        other.zero_grad()
        loss = torch.nn.functional.mse_loss(module(torch.from_numpy(x)), torch.from_numpy(y))
        loss.backward()
        assert network.train_step(x, y, rule) == pytest.approx(loss.item(), rel=1e-9)
        learning = [each for each in module.parameters() if each.requires_grad]
        if optimizer.clip_norm is not None:  # PyTorch scales by c / (norm + 1e-6)
            norm = torch.nn.utils.get_total_norm([each.grad for each in learning])
            wanted = optimizer.clip_norm * float((norm + 1e-6) / norm)
            torch.nn.utils.clip_grad_norm_(learning, wanted)
            assert norm > optimizer.clip_norm
        other.step()
    state = module.state_dict()
    for name, array in (network.parameters | network.running_moments).items():
        np.testing.assert_allclose(array, state[name].numpy(), rtol=1e-8, atol=1e-10)
