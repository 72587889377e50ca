"""Where the time of a step goes: every part is there, and the whole is not less than its parts."""

import copy
import pickle
import re

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    BatchNorm,
    Dropout,
    Identity,
    LayerNorm,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SoftmaxCrossEntropy,
)

X = np.random.default_rng(0).normal(size=(70, 40))
Y = np.random.default_rng(1).integers(5, size=70)

HEADER = ["name", "layer", "part", "product µs", "GFLOP/s", "of"]


def make(**settings):
    layers = [
        Linear(40, 30),
        Sigmoid(),
        LayerNorm(30),
        Residual([Linear(30, 30, bias=False), Identity(), BatchNorm(30), ReLU()]),
        Dropout(0.1),
        Linear(30, 5),
    ]
    return Network(layers, SoftmaxCrossEntropy(), seed=3, **settings)


def parts_of(profile, name):
    return {part.part: part for part in profile if part.name == name}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_product_is_there_with_what_follows_it(dtype):
    profile = make(dtype=dtype).profile(X, Y)
    first, inner, last = (parts_of(profile, name) for name in ("0", "3.0", "5"))
    assert {way: part.then for way, part in first.items()} == {
        "forward": "bias, Sigmoid",
        "weight gradient": "update",
    }
    assert {way: part.then for way, part in inner.items()} == {
        "forward": "store",
        "input gradient": "store",
        "weight gradient": "update",
    }
    assert last["forward"].then == "bias"
    for part in (*first.values(), *inner.values(), *last.values()):
        assert part.layer == "Linear"
        assert min(part.product, part.rest, part.gflops) > 0
    flop = 2 * 70 * 40 * 30
    assert first["forward"].gflops == pytest.approx(flop / first["forward"].product * 1e-3)


def test_other_layers_and_the_rest_of_the_step_are_there():
    profile = make().profile(X, Y, Adam(clip_norm=1.0))
    for name in ("2", "3", "3.2", "4"):
        parts = parts_of(profile, name)
        assert parts["forward"].then == parts["input gradient"].then == "elementwise"
        assert all(part.product == 0 for part in parts.values())
    assert "weight gradient" in parts_of(profile, "3.2")
    assert {"gather rows", "loss", "clip and update"} < set(parts_of(profile, ""))
    assert parts_of(profile, "0")["weight gradient"].then == "store"


def test_the_whole_is_the_sum_of_the_parts():
    profile = make().profile(X, Y, steps=50)
    assert sum(part.micros for part in profile) == pytest.approx(profile.step)
    assert profile.threads >= 1
    lines = str(profile).splitlines()
    assert len(lines) == len(profile) + 2
    assert re.split("  +", lines[0]) == [*HEADER, "then", "µs", "%"]
    assert lines[-1].endswith(f"on {profile.threads} thread" + "s" * (profile.threads > 1))


@pytest.mark.parametrize("optimizer", [None, SGD(momentum=0.9)])
def test_the_network_is_not_trained(optimizer):
    network = make()
    network.fit(X, Y, epochs=1)
    before = pickle.dumps(network)
    twin = copy.deepcopy(network)
    network.profile(X, Y, optimizer)
    assert pickle.dumps(network) == before
    assert network.train_step(X, Y, adam := Adam()) == twin.train_step(X, Y, adam)


def test_what_cannot_be_profiled_is_refused():
    class Mine:
        def forward(self, outputs, targets):
            return 0.0

        def backward(self, outputs, targets):
            return outputs

    with pytest.raises(TypeError, match="profile: expected a loss of densenet, got Mine"):
        Network([Linear(40, 5)], Mine()).profile(X, Y)
    with pytest.raises(ValueError, match="profile: expected a network with backend='compiled'"):
        make(backend="reference").profile(X, Y)
    with pytest.raises(ValueError, match="y: expected class indices"):
        make().profile(X, Y + 1)
    with pytest.raises(TypeError, match="optimizer: expected an optimizer"):
        make().profile(X, Y, "adam")
    with pytest.raises(ValueError, match="steps"):
        make().profile(X, Y, steps=0)


def test_an_unsuitable_target_is_named():
    with pytest.raises(ValueError, match="y: expected shape"):
        Network([Linear(40, 5)], MeanSquaredError()).profile(X, np.ones((70, 4)))


def test_a_gradient_of_few_rows_is_not_told_apart_from_its_update():
    profile = Network([Linear(40, 64)], MeanSquaredError()).profile(X[:2], np.ones((2, 64)))
    (gradient,) = (part for part in profile if part.part == "weight gradient")
    assert (gradient.product, gradient.gflops, gradient.then) == (0, 0, "update")
    assert gradient.rest > 0
