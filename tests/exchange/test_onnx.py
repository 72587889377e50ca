"""Export to ONNX, checked by onnx and run by onnxruntime."""

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime

import densenet as dn
from densenet import _activations
from densenet.exchange import to_onnx
from densenet.exchange.onnx import model
from tests.support.assertions import assert_ulp
from tests.support.exchange import CASES, close, random_network, rows
from tests.support.losses import Squares
from tests.support.networks import ACTIVATIONS, make

PROVIDERS = ["CPUExecutionProvider"]


@pytest.fixture
def run(tmp_path):
    """Write a network, check the file, and run it."""

    def run(network, x):
        path = tmp_path / "network.onnx"
        to_onnx(network, path)
        onnx.checker.check_model(path, full_check=True)
        session = onnxruntime.InferenceSession(path, providers=PROVIDERS)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(None, {"inputs": x}), strict=True))

    return run


@pytest.mark.parametrize(("seed", "loss"), CASES, ids=str)
def test_predictions_are_equal(seed, loss, dtype, rng, run):
    network = random_network(seed, loss, dtype)
    x = rows(rng, dtype)
    found = run(network, x)
    close(found["outputs"], network.forward(x), dtype)
    if loss.predicts == "values":
        assert set(found) == {"outputs"}
    else:
        close(found["probabilities"], network.predict_proba(x), dtype)


def alone(layer, loss=None):
    """A network that is a layer, behind another that changes nothing."""
    first = dn.Linear(1, 1, bias=False, init=[[1.0]])
    return lambda dtype: dn.Network([first, layer], loss or dn.MeanSquaredError(), dtype=dtype)


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=str)
def test_activations_everywhere(layer, dtype, run):
    edge = [0.0, 1e-30, 1e-8, 0.3, 1, 6, 8.87, 8.9, 30, 80, 1e4, 1e30, np.inf, np.nan]
    x = np.array([*edge, *(-np.array(edge)), *np.linspace(-12, 12, 500)], dtype)[:, None]
    network = alone(layer)(dtype)
    found, expected = run(network, x)["outputs"], network.forward(x)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    known = np.isfinite(expected)
    np.testing.assert_array_equal(found[np.isinf(expected)], expected[np.isinf(expected)])
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(found[known], expected[known], rtol=8 * eps, atol=8 * eps)
    if dtype == np.float64 and _activations.ACTIVATIONS[layer.kind].onnx_float64:
        # written out by densenet: small values, too, are precise
        ordinary = known & (np.abs(expected) > 1e-15)
        np.testing.assert_allclose(found[ordinary], expected[ordinary], rtol=100 * eps)


@pytest.mark.parametrize("norm", [dn.LayerNorm, dn.BatchNorm])
def test_norms_of_columns_far_from_zero(norm, dtype, rng, run):
    network = make([norm(9)], dtype=dtype)
    x = rows(rng, dtype, 20, 9) + 3000
    for name, moments in network.running_moments.items():
        moments[...] = x.mean(0) if "mean" in name else x.var(0)
    expected = network.forward(x)
    assert np.ptp(expected) > 2
    close(run(network, x)["outputs"], expected, dtype, 10_000)


@pytest.mark.parametrize("batch", [1, 2, 64, 65])
def test_any_batch_will_do(batch, rng, run):
    network = make([dn.Linear(7, 3), dn.GELU()], dtype="float64")
    x = rows(rng, "float64", batch)
    assert run(network, x)["outputs"].shape == (batch, 3)


def test_settings_are_not_rounded_to_float32(run):
    """ONNX has attributes in float32 alone: 0.1 there is off by 1.5e-9."""
    x = np.array([[-1.0]])
    for layer in (dn.LeakyReLU(0.1), dn.ELU(0.1)):
        network = alone(layer)("float64")
        assert_ulp(run(network, x)["outputs"], network.forward(x))
    network = make([dn.LayerNorm(2, eps=0.1)], dtype="float64")
    x = np.array([[0.1, -0.2]])
    assert_ulp(run(network, x)["outputs"], network.forward(x), 16)


def test_a_loss_of_ones_own_has_outputs_alone(rng, run):
    network = make([dn.Linear(7, 3)], Squares())
    x = rows(rng, "float32")
    assert set(run(network, x)) == {"outputs"}
    assert model(network).metadata_props[0].value == "Squares"


def test_a_float32_network_has_the_operators_of_its_layers(tmp_path):
    layers = [dn.Linear(4, 5), dn.ELU(), dn.GELU(), dn.Dropout(0.1), dn.Linear(5, 3)]
    network = dn.Network(layers, dn.SoftmaxCrossEntropy())
    to_onnx(network, tmp_path / "network.onnx")
    made = onnx.load(tmp_path / "network.onnx")
    gelu = ["Mul", "Erf", "Add", "Mul", "Mul"]
    operators = ["Gemm", "Elu", *gelu, "Gemm", "Softmax"]
    assert [node.op_type for node in made.graph.node] == operators
    named = {node.name: node.op_type for node in made.graph.node if "_" not in node.name}
    assert named == {"outputs": "Gemm", "probabilities": "Softmax"}
    assert set(network.parameters) <= {constant.name for constant in made.graph.initializer}
    assert made.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    assert made.opset_import[0].version == 13
    assert made.ir_version == 7
    assert made.producer_name == "densenet"
    assert made.metadata_props[0].value == repr(network.loss_function)


LINEAR, RELU = dn.Linear(7, 7), dn.ReLU()
PLAIN = [
    ([LINEAR, RELU, LINEAR], dn.MeanSquaredError(), ["Gemm", "Relu", "Gemm"]),
    ([LINEAR, RELU, LINEAR], dn.SoftmaxCrossEntropy(), ["Gemm", "Relu", "Gemm", "Softmax"]),
    ([LINEAR, dn.Tanh(), dn.Dropout(0.5)], dn.Huber(), ["Gemm", "Tanh"]),
    ([LINEAR, dn.Identity()], dn.LogisticLoss(), ["Gemm", "Sigmoid"]),
    ([dn.Residual([dn.Dropout(0.5)]), LINEAR], dn.MeanSquaredError(), ["Add", "Gemm"]),
    ([LINEAR, dn.Residual([RELU])], dn.MeanAbsoluteError(), ["Gemm", "Relu", "Add"]),
    # Where one value has two names there has to be a node between them.
    ([LINEAR, dn.Softmax()], dn.CrossEntropy(), ["Gemm", "Softmax", "Identity"]),
    ([dn.BatchNorm(7)], dn.SoftmaxCrossEntropy(), ["Sub", "Mul", "Add", "Softmax"]),
]


@pytest.mark.parametrize(("layers", "loss", "operators"), PLAIN, ids=str)
def test_no_node_is_there_for_a_name_alone(layers, loss, operators, dtype, rng, run):
    network = make(layers, loss, dtype=dtype)
    assert [node.op_type for node in model(network).graph.node] == operators
    x = rows(rng, dtype)
    found = run(network, x)
    close(found["outputs"], network.forward(x), dtype)
    if "probabilities" in found:
        close(found["probabilities"], network.predict_proba(x), dtype)


def test_a_network_that_changes_nothing_has_outputs_all_the_same(rng, run):
    network = make([dn.Residual([dn.Linear(7, 7, init="zeros")]), dn.Dropout(0.1)])
    network.flat[...] = 0
    x = rows(rng, "float32")
    np.testing.assert_array_equal(run(network, x)["outputs"], x)


def test_a_network_larger_than_a_file_can_be_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("densenet.exchange.onnx._LIMIT", 11)
    network = make([dn.Linear(2, 1)])
    message = "network: expected at most 11 bytes of weights, got 12"
    with pytest.raises(ValueError, match=f"^{message}$"):
        to_onnx(network, tmp_path / "never.onnx")
    assert not list(tmp_path.iterdir())
