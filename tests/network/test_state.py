"""A network's state: live views of aligned buffers, in copies and pickles, too."""

import copy
import pickle

import numpy as np
import pytest

from densenet import Adam, Linear, MeanSquaredError, Network
from densenet import SoftmaxCrossEntropy as Loss
from tests.support.assertions import assert_apart, assert_same_bits
from tests.support.backends import ENGINES
from tests.support.stacks import STACKS, examples, make


def test_parameters_are_named_and_shaped_as_in_torch(engine):
    network = make(STACKS["several"], engine)
    shapes = {name: parameter.shape for name, parameter in network.parameters.items()}
    assert shapes == {
        "0.weight": (17, 7),
        "0.bias": (17,),
        "2.weight": (9, 17),
        "2.bias": (9,),
        "4.weight": (1, 9),
        "4.bias": (1,),
        "5.weight": (3, 1),
        "5.bias": (3,),
    }
    assert list(make(STACKS["no bias"], engine).parameters) == ["0.weight", "2.weight"]


def test_a_forward_pass_by_hand(engine, rng):
    network = make(STACKS["one hidden layer"], engine, "float64")
    x, _ = examples(rng, network)
    p = network.parameters
    hidden = 1 / (1 + np.exp(-(x @ p["0.weight"].T + p["0.bias"])))
    expected = hidden @ p["2.weight"].T + p["2.bias"]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-12)


def test_flat_and_parameters_are_live_views_of_one_buffer(engine, dtype, rng):
    network = make(STACKS["several"], engine, dtype)
    x, _ = examples(rng, network)
    assert network.flat.shape == (network.n_parameters,)
    assert network.flat.dtype == dtype
    assert network.flat.ctypes.data % 64 == 0
    assert network.flat.flags.c_contiguous
    assert network.flat.flags.writeable
    assert sum(p.size for p in network.parameters.values()) == network.n_parameters

    network.flat[...] = np.arange(network.n_parameters) + 1
    every = np.concatenate([p.ravel() for p in network.parameters.values()])
    assert sorted(every) == list(range(1, network.n_parameters + 1))  # no padding, no overlap
    network.flat[...] = 0
    network.parameters["5.bias"][...] = [1, 2, 3]
    assert network.forward(x)[4].tolist() == [1, 2, 3]
    for parameter in network.parameters.values():
        assert np.shares_memory(parameter, network.flat)


def test_training_writes_into_the_arrays_that_the_user_holds(engine, rng):
    network = make(backend=engine)
    x, y = examples(rng, network)
    flat, weight = network.flat, network.parameters["0.weight"]
    network.train_step(x, y, Adam())
    assert_apart(network)
    moments = network.optimizer_state
    before, m = weight.copy(), moments["m"].copy()
    network.fit(x, y, epochs=2)
    assert network.flat is flat
    assert not np.array_equal(weight, before)
    assert network.optimizer_state["m"] is moments["m"]
    assert not np.array_equal(moments["m"], m)


def through_pickle(network):
    return pickle.loads(pickle.dumps(network))


def test_gradients_are_fresh_arrays(engine, rng):
    network = make(backend=engine)
    x, y = examples(rng, network)
    first, second = network.gradients(x, y)[1], network.gradients(x, y)[1]
    for name, gradient in first.items():
        assert not np.shares_memory(gradient, second[name])
        assert not np.shares_memory(gradient, network.flat)
        assert gradient.shape == network.parameters[name].shape


@pytest.mark.parametrize("clone", [copy.deepcopy, copy.copy, through_pickle])
def test_a_copy_keeps_views_and_buffer_together(engine, dtype, rng, clone):
    network = make(STACKS["several"], engine, dtype)
    x, y = examples(rng, network)
    network.fit(x, y, epochs=2, batch_size=5)
    twin = clone(network)

    assert_same_bits(twin.flat, network.flat)
    assert_apart(twin)
    assert not np.shares_memory(twin.flat, network.flat)
    for parameter in twin.parameters.values():
        assert np.shares_memory(parameter, twin.flat)
    for name in ("m", "v"):
        assert not np.shares_memory(twin.optimizer_state[name], network.optimizer_state[name])

    before = network.flat.copy()
    twin.parameters["0.weight"][...] *= 2
    assert not np.array_equal(twin.forward(x), network.forward(x))
    assert_same_bits(network.flat, before)


@pytest.mark.parametrize("clone", [copy.deepcopy, through_pickle])
def test_training_of_a_copy_continues_to_the_bit(engine, dtype, rng, clone):
    network = make(STACKS["several"], engine, dtype)
    x, y = examples(rng, network)
    network.fit(x, y, epochs=2, batch_size=5)
    twin = clone(network)
    histories = [n.fit(x, y, epochs=3, batch_size=5) for n in (network, twin)]  # same order, too
    assert histories[0].batch_loss == histories[1].batch_loss
    assert_same_bits(twin.flat, network.flat)
    assert twin.optimizer_state["step"] == network.optimizer_state["step"] == 25


def test_a_pickle_travels_between_processes_and_holds_no_engine(engine):
    network = make(backend=engine)
    assert b"Engine" not in pickle.dumps(network)


def test_the_same_seed_gives_the_same_network_on_both_backends(layers, dtype):
    compiled, reference = (
        Network(layers, Loss(), dtype=dtype, seed=5, backend=backend) for backend in ENGINES
    )
    assert_same_bits(compiled.flat, reference.flat)
    other = Network(layers, Loss(), dtype=dtype, seed=6)
    assert not np.array_equal(compiled.flat, other.flat)
    for name, parameter in compiled.parameters.items():
        assert parameter.any() == name.endswith("weight")  # a bias starts at 0


@pytest.mark.parametrize(
    ("init", "variance"),
    [
        ("glorot_uniform", 2 / 500),
        ("glorot_normal", 2 / 500),
        ("he_uniform", 2 / 300),
        ("he_normal", 2 / 300),
        ("lecun_uniform", 1 / 300),
        ("lecun_normal", 1 / 300),
    ],
)
def test_initial_weights_have_their_variance(init, variance):
    weight = Network([Linear(300, 200, init=init)], Loss(), seed=1).parameters["0.weight"]
    assert weight.var() == pytest.approx(variance, rel=0.05)
    assert abs(weight.mean()) < 0.01 * np.sqrt(variance) * 3
    bounded = np.abs(weight).max() <= np.sqrt(3 * variance) * 1.0001
    assert bounded == init.endswith("uniform")


# ---- what cannot be assigned ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("loss_function", MeanSquaredError()),
        ("layers", ()),
        ("dtype", np.dtype(np.float64)),
        ("backend", "reference"),
        ("flat", np.zeros(3)),
        ("parameters", {}),
        ("n_parameters", 3),
        ("running_moments", {}),
        ("optimizer_state", {}),
    ],
)
def test_what_the_engine_was_made_from_cannot_be_assigned(engine, name, value):
    network = Network([Linear(2, 3)], Loss(), seed=1, backend=engine)
    before = repr(getattr(network, name))
    with pytest.raises(AttributeError):
        setattr(network, name, value)
    assert repr(getattr(network, name)) == before
    network.gradients(np.ones((4, 2)), np.array([0, 1, 2, 0]))
