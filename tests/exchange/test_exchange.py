"""Networks to and from other programs: state dicts of arrays, and what all partners share.

Each partner has a file of tests of its own, which takes its random networks from here.
"""

import importlib
import re

import numpy as np
import pytest

import densenet as dn
from densenet import exchange
from tests.support.assertions import assert_same_bits
from tests.support.exchange import CASES, random_network, rows, small
from tests.support.networks import kinds
from tests.support.processes import run_python


def test_the_random_networks_have_every_layer():
    found = [kinds(random_network(*case, "float32").layers) for case in CASES]
    assert set.union(*found) == set(dn.layers.__all__)


# ---- state dicts -------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_state_dict_is_all_that_predicts(seed, engine, dtype, rng):
    one = random_network(seed, dn.Huber(), dtype, engine)
    other = dn.Network(one.layers, dn.Huber(), dtype=dtype, seed=seed + 1, backend=engine)
    exchange.load_state_dict(other, exchange.state_dict(one))
    assert_same_bits(other.flat, one.flat)
    x = rows(rng, dtype)
    assert_same_bits(other.predict(x), one.predict(x))


def test_a_state_dict_has_pytorchs_names_and_arrays_of_its_own():
    network = small()
    state = exchange.state_dict(network)
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert set(state) == {*(f"0.{n}" for n in norm), "1.0.weight", "1.0.bias", "2.weight"}
    assert state["2.weight"].shape == (2, 3)
    assert state["0.num_batches_tracked"].dtype == np.int64
    before = network.flat.copy()
    for array in state.values():
        assert array.flags.c_contiguous
        array[...] = 7
    assert_same_bits(network.flat, before)


def test_values_of_a_state_dict_are_converted():
    state = exchange.state_dict(small(), np.ndarray.tolist)
    assert state["0.num_batches_tracked"] == 0
    assert np.shape(state["1.0.weight"]) == (3, 3)


def test_a_state_dict_may_hold_any_real_numbers():
    network = small("float64")
    state = exchange.state_dict(network)
    exchange.load_state_dict(network, {name: np.rint(9 * a).tolist() for name, a in state.items()})
    np.testing.assert_array_equal(network.parameters["2.weight"], np.rint(9 * state["2.weight"]))


def without(state, name):
    return {key: value for key, value in state.items() if key != name}


NAMES = "state: expected the network's names, got "


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda s: without(s, "2.weight"), NAMES + "2.weight missing"),
        (lambda s: without(s, "0.running_var"), NAMES + "0.running_var missing"),
        (lambda s: s | {"2.bias": np.ones(2)}, NAMES + "2.bias too many"),
        (lambda s: s | {"2.num_batches_tracked": 1}, NAMES + "2.num_batches_tracked too many"),
        (
            lambda s: without(s, "0.bias") | {"a": 1, "b": 1},
            NAMES + "0.bias missing and a, b too many",
        ),
        (
            lambda s: s | {"2.weight": np.ones((3, 2))},
            "state['2.weight']: expected shape (2, 3), got (3, 2)",
        ),
    ],
)
def test_a_state_dict_that_does_not_fit_changes_nothing(change, error, rng):
    network = small()
    before = network.flat.copy(), network._learner.running.copy()
    state = {name: array + 1 for name, array in exchange.state_dict(network).items()}
    with pytest.raises(ValueError, match=f"^{re.escape(error)}$"):
        exchange.load_state_dict(network, change(state))
    assert_same_bits(network.flat, before[0])
    assert_same_bits(network._learner.running, before[1])


def test_a_state_dict_of_other_things_is_refused():
    with pytest.raises(TypeError, match="state: expected a mapping from names, got list"):
        exchange.load_state_dict(small(), [1])
    state = exchange.state_dict(small()) | {"2.weight": [["a"] * 3] * 2}
    with pytest.raises(TypeError, match=r"state\['2.weight'\]: expected real numbers, got list"):
        exchange.load_state_dict(small(), state)


def test_numbers_too_large_for_the_network_warn_before_anything_changes():
    network = small()
    before = network.flat.copy()
    state = exchange.state_dict(network) | {"2.weight": np.full((2, 3), 1e300)}
    state["0.bias"] = state["0.bias"] + 1
    with pytest.raises(RuntimeWarning, match="overflow"):
        exchange.load_state_dict(network, state)
    assert_same_bits(network.flat, before)


# ---- what all share ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda given: exchange.state_dict(given),
        lambda given: exchange.load_state_dict(given, {}),
        lambda given: exchange.to_sklearn(given),
        lambda given: exchange.to_onnx(given, "never"),
        lambda given: exchange.to_c(given, "never"),
    ],
)
def test_only_a_network_is_exported(call):
    with pytest.raises(TypeError, match=r"^network: expected a Network, got list$"):
        call([dn.Linear(2, 2)])


@pytest.mark.parametrize("write", [exchange.to_onnx, exchange.to_c])
def test_a_layer_of_nobody_is_refused_and_nothing_written(write, tmp_path):
    if write is exchange.to_onnx:
        pytest.importorskip("onnx")
    network = small()
    network._layers = (*network.layers, dn.layers.Layer())
    with pytest.raises(TypeError, match=r"^network: expected layers of densenet\.layers, got "):
        write(network, tmp_path / "model")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "extra"),
    [
        ("to_onnx(network, 'never')", "onnx"),
        ("to_sklearn(network)", "sklearn"),
        ("from_sklearn(None)", "sklearn"),
    ],
)
def test_a_missing_partner_is_named_with_its_extra(call, extra):
    code = f"""
import sys
sys.modules.update(dict.fromkeys(("onnx", "sklearn", "torch")))
import densenet as dn
from densenet.exchange import *
network = dn.Network([dn.Linear(2, 1)], dn.MeanSquaredError())
load_state_dict(network, state_dict(network))
try:
    {call}
except ImportError as error:
    print(error)
"""
    assert f'pip install "densenet-cpu[{extra}]"' in run_python(code)


def test_each_partner_is_a_module_of_its_own():
    for name in ("torch", "sklearn", "onnx", "c"):
        module = importlib.import_module(f"densenet.exchange.{name}")
        assert set(module.__all__) & set(exchange.__all__)
