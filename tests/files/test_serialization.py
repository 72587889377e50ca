"""Networks in files: what comes back, and what is refused."""

import os
import stat
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    AdamW,
    Huber,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    Residual,
    RMSprop,
    layers,
    losses,
    serialization,
)
from densenet import optimizers as rules
from tests.support.assertions import assert_apart, assert_same_bits
from tests.support.files import EVERY_LAYER
from tests.support.losses import Squares
from tests.support.stacks import STACKS, examples, make


def through(network, path, **options):
    network.save(path)
    return Network.load(path, **options)


# ---- what comes back ---------------------------------------------------------------------------


@pytest.mark.parametrize("stack", STACKS)
def test_a_network_comes_back(stack, engine, dtype, rng, path):
    network = make(STACKS[stack], engine, dtype)
    x, y = examples(rng, network)
    network.fit(x, y, epochs=2, batch_size=5)
    twin = through(network, path, backend=engine)
    assert twin.dtype == dtype
    assert twin.backend == engine
    assert twin.layers == network.layers
    assert twin.loss_function == network.loss_function
    assert twin.flat.ctypes.data % 64 == 0
    assert_same_bits(twin.forward(x), network.forward(x))
    histories = [each.fit(x, y, epochs=2, batch_size=5) for each in (network, twin)]
    assert histories[0].batch_loss == histories[1].batch_loss
    assert_same_bits(twin.flat, network.flat)
    for name, moments in network.running_moments.items():
        assert_same_bits(twin.running_moments[name], moments)


def test_every_layer_comes_back(path, rng):
    assert {type(layer).__name__ for layer in EVERY_LAYER} == set(layers.__all__)
    network = Network(EVERY_LAYER, MeanSquaredError(), seed=1)
    twin = through(network, path)
    assert twin.layers == network.layers
    x = rng.normal(size=(9, 4))
    for training in (False, True):
        assert_same_bits(twin.forward(x, training), network.forward(x, training))


@pytest.mark.parametrize("name", losses.__all__)
def test_every_loss_comes_back(name, path):
    kind = getattr(losses, name)
    loss = kind(*([0.25] if fields(kind) else []))
    assert through(Network([Linear(3, 2)], loss, seed=1), path).loss_function == loss


OPTIMIZERS = [SGD(), SGD(momentum=0.9), RMSprop(), Adam(), AdamW()]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_every_optimizers_state_comes_back(optimizer, dtype, rng, path):
    assert {type(each).__name__ for each in OPTIMIZERS} == set(rules.__all__)
    network = make(STACKS["several"], "compiled", dtype)
    x, y = examples(rng, network)
    network.fit(x, y, epochs=3, batch_size=5, optimizer=optimizer)
    twin = through(network, path)
    assert twin.optimizer_state.keys() == network.optimizer_state.keys()
    assert twin.optimizer_state["step"] == network.optimizer_state["step"] > 0
    assert_apart(twin)
    for name in optimizer.states:
        assert_same_bits(twin.optimizer_state[name], network.optimizer_state[name])
    losses = [each.train_step(x, y, optimizer) for each in (network, twin)]
    assert losses[0] == losses[1]
    assert_same_bits(twin.flat, network.flat)


@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16, np.int8, np.longdouble])
def test_an_initial_weight_of_ones_own_comes_back(kind, path, rng):
    init = rng.normal(size=(2, 3)).astype(kind)
    network = Network([Residual([Linear(2, 3), Linear(3, 2, init=init)])], Huber(0.5), seed=1)
    network.flat[...] = rng.normal(size=network.n_parameters)
    twin = through(network, path)
    assert_same_bits(twin.flat, network.flat)
    came_back = twin.layers[0].layers[1].init
    assert_same_bits(came_back, init.astype(np.float64) if kind is np.longdouble else init)


def test_a_file_fits_both_backends(path, rng):
    network = make(backend="compiled")
    x, _ = examples(rng, network)
    network.save(path)
    reference = Network.load(path, backend="reference")
    np.testing.assert_allclose(reference.forward(x), network.forward(x), rtol=1e-4, atol=1e-6)
    with pytest.raises(
        ValueError, match=r"^backend: expected 'compiled' or 'reference', got 'gpu'"
    ):
        Network.load(path, backend="gpu")


def test_other_programs_find_the_parameters_as_torch_names_them(path, rng):
    safetensors = pytest.importorskip("safetensors.numpy")
    network = Network(EVERY_LAYER, MeanSquaredError(), seed=1)
    network.train_step(rng.normal(size=(9, 4)), rng.normal(size=(9, 2)), Adam())
    network.save(path)
    arrays = safetensors.load_file(path)
    for name, parameter in (network.parameters | network.running_moments).items():
        assert_same_bits(arrays[name], parameter)
    m = network._learner.layout.views(network.optimizer_state["m"])
    for name, moment in m.items():
        assert_same_bits(arrays[f"optimizer.m.{name}"], moment)


def test_the_same_network_gives_the_same_file(path, tmp_path, rng):
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    for name in ("one", "two"):
        network = Network(EVERY_LAYER, MeanSquaredError(), seed=1)
        network.fit(x, y, epochs=2, batch_size=7)
        network.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_loss_of_ones_own_is_given_again(path):
    Network([Linear(3, 2)], Squares(), seed=1).save(path)
    loss = Squares()
    assert Network.load(path, loss=loss).loss_function is loss
    with pytest.raises(TypeError) as caught:
        Network.load(path)
    assert str(caught.value) == "loss: expected the network's own Squares, got None"
    make().save(path)
    with pytest.raises(TypeError) as caught:
        Network.load(path, loss=loss)
    assert str(caught.value) == (
        "loss: expected None, as the file has SoftmaxCrossEntropy(label_smoothing=0.0), got Squares"
    )


# ---- attachments -------------------------------------------------------------------------------


def test_attachments_come_back(path):
    given = {
        "names": ["é", "\N{SNOWMAN}", "0" * 64, '"\\'],
        "nested": {"": None, "mean": [0.1, -1e-300, np.float64(1 / 3), np.int64(2**62)]},
        "tuple": (True, False),
    }
    serialization.save(make(), path, attachments=given)
    assert serialization.load(path)[1] == given | {"tuple": [True, False]}
    make().save(path)
    assert serialization.load(path)[1] == {}


@pytest.mark.parametrize(
    ("attachments", "text"),
    [
        ({1: "a"}, "attachments: expected str keys, got 1"),
        ({"a": [{None: 2}]}, "attachments['a'][0]: expected str keys, got None"),
        ({"a": {1, 2}}, "attachments['a']: expected what JSON can hold, got set"),
        (
            {"a": np.zeros(3)},
            "attachments['a']: expected what JSON can hold, got float64 of shape (3,)",
        ),
    ],
)
def test_attachments_that_would_not_come_back_are_refused(path, attachments, text):
    with pytest.raises(TypeError) as caught:
        serialization.save(make(), path, attachments=attachments)
    assert str(caught.value) == text
    assert not path.exists()


# ---- what cannot be saved ----------------------------------------------------------------------


class Mine(ReLU):
    pass


class Relu(layers.ReLU):
    pass


Relu.__name__ = "ReLU"  # a class of the user's own, by a name that is known


@pytest.mark.parametrize("kind", [Mine, Relu])
def test_a_layer_of_ones_own_is_refused(path, kind):
    with pytest.raises(TypeError, match=f"^save: expected one of .*, got {kind.__name__}$"):
        Network([Linear(2, 2), kind()], MeanSquaredError()).save(path)
    assert not path.exists()


def test_another_generator_is_refused(path):
    network = make()
    network._learner.rng = np.random.Generator(np.random.MT19937(1))
    with pytest.raises(TypeError) as caught:
        network.save(path)
    assert str(caught.value) == "save: expected NumPy's default generator, PCG64, got MT19937"


def test_a_description_longer_than_the_format_allows_is_refused(path, monkeypatch):
    monkeypatch.setattr("densenet._files.safetensors._LONGEST", 100)
    message = r"expected what safetensors can hold, got a header of [\d,]+ bytes, more than 100$"
    with pytest.raises(ValueError, match=message):
        make().save(path)
    assert not path.exists()


# ---- the file as a whole -----------------------------------------------------------------------


@pytest.mark.parametrize(("of", "breaks"), [(os, "fsync"), (Path, "replace")])
def test_a_save_that_fails_leaves_the_file_that_was_there(path, monkeypatch, of, breaks, tmp_path):
    make().save(path)
    before = path.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(of, breaks, full)
    with pytest.raises(OSError, match="No space left"):
        make(STACKS["several"]).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_goes_on_pointing_to_its_file(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    make().save(link)
    assert link.is_symlink()
    assert Network.load(path).layers == make().layers


def test_a_file_has_the_rights_of_any_other(path, tmp_path):
    make().save(path)
    (tmp_path / "other").write_text("")
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE((tmp_path / "other").stat().st_mode)


def test_paths_may_be_text(path):
    make().save(str(path))
    assert Network.load(str(path)).layers == make().layers


def test_what_is_not_there_is_an_error_of_the_system(path):
    with pytest.raises(FileNotFoundError):
        Network.load(path)
    with pytest.raises(FileNotFoundError):
        make().save(path / "below")
