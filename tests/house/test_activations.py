"""One registry knows every activation, and everything that names activations follows it."""

import inspect
import warnings

import pytest

from densenet import layers, reference
from densenet._activations import ACTIVATIONS
from densenet.layers import Activation
from densenet.tables import Settings, Values

ELEMENTWISE = [entry for entry in ACTIVATIONS.values() if entry.layer is not layers.Identity]


def kind(entry):
    return entry.layer.kind


def test_every_activation_has_an_entry():
    public = {getattr(layers, name) for name in layers.__all__}
    activations = {layer for layer in public if issubclass(layer, Activation)}
    assert {entry.layer for entry in ACTIVATIONS.values()} == activations
    assert len({entry.name for entry in ACTIVATIONS.values()}) == len(ACTIVATIONS)


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=kind)
def test_its_functions_take_what_its_layer_says(entry):
    settings = list(entry.layer().settings())
    value = "x" if entry.layer.from_input else "y"
    for way, arrays in (("forward", ["x"]), ("backward", ["dy", value])):
        function = getattr(reference, f"{kind(entry)}_{way}")
        assert list(inspect.signature(function).parameters) == [*arrays, *settings]


@pytest.mark.parametrize("entry", ELEMENTWISE, ids=kind)
def test_the_table_command_trains_with_it(entry):
    network = Settings("y", activation=kind(entry)).make_network(3, Values("y", 0.0, 1.0))
    assert isinstance(network.layers[1], entry.layer)
    assert network.layers[0].init == entry.init


@pytest.mark.parametrize("entry", ACTIVATIONS.values(), ids=kind)
def test_estimators_know_it_by_its_name(entry):
    pytest.importorskip("sklearn")
    from densenet.estimators import DenseRegressor

    model = DenseRegressor(
        hidden_layer_sizes=(3,), activation=entry.name, solver="lbfgs", max_iter=2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two iterations are few
        network = model.fit([[0.0], [1.0]], [0.0, 1.0]).network_
    assert isinstance(network.layers[1], entry.layer)
