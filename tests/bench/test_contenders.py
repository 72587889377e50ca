"""What contenders do besides training by a loss of densenet: all of a job show the same numbers."""

import importlib.util

import numpy as np
import pytest

import designs
import estimators
import many
import predict
from densenet import losses
from densenet._activations import ACTIVATIONS
from estimators import Fitting
from many import Many
from peers import CONTENDERS
from peers.densenet import FocalLoss
from predict import Prediction
from report import REFERENCE
from tests.support.contests import FIT, STEP
from tests.support.skips import NOT_APPLICABLE
from workloads import ALONE, NETS, Net, parse

pytestmark = pytest.mark.usefixtures("keep_threads")


def test_the_own_loss_has_its_gradient(rng):
    outputs, targets = rng.normal(size=(6, 4)), rng.integers(0, 4, 6)
    loss, step = FocalLoss(), 1e-6
    assert isinstance(loss, losses.CustomLoss)
    found = loss.backward(outputs, targets)
    for place in np.ndindex(outputs.shape):
        moved = np.zeros_like(outputs)
        moved[place] = step
        up, down = (loss.forward(outputs + sign * moved, targets) for sign in (1, -1))
        assert found[place] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-9)


def first(net, name):
    return CONTENDERS[net.job][name](net.task(threads=1)).first()


def test_a_loss_of_one_s_own_is_trained_by():
    net = Net("", (7, 5, 3), 4, design=designs.parse("relu+own_loss"))
    judge = first(net, REFERENCE)
    plain = first(Net("", (7, 5, 3), 4, design=designs.parse("relu")), REFERENCE)
    assert np.all(np.less(judge, plain))  # each term of it is smaller than that of cross-entropy
    for name in (FIT, STEP, ALONE):
        assert first(net, name) == pytest.approx(judge, rel=1e-5)


def test_pytorch_has_every_activation_by_the_same_name():
    nn = pytest.importorskip("torch.nn")
    assert all(hasattr(nn, entry.layer.__name__) for entry in ACTIVATIONS.values())


@pytest.mark.parametrize("design", ["relu", "silu+batch_norm+dropout", "tanh+layer_norm+residual"])
def test_predictions_agree(design):
    pytest.importorskip("sklearn")
    net = Prediction.of(parse(f"7-5-5-3:4:{design}"), 2)
    judge = first(net, REFERENCE)
    assert np.shape(judge) == (2 * 3,)
    for name in (*Prediction.ours, ALONE, *(["scikit-learn"] if design == "relu" else [])):
        assert first(net, name) == pytest.approx(judge, rel=1e-4)


@pytest.mark.filterwarnings("ignore")  # it has not converged
@pytest.mark.parametrize("kind", estimators._KINDS)
def test_fits_agree(kind):
    pytest.importorskip("sklearn")
    net = Fitting.of(kind, parse("7-5-3:20:tanh"), 60, 3)
    judge = first(net, "scikit-learn")
    for name in (*Fitting.ours, ALONE):
        assert first(net, name) == pytest.approx(judge, rel=1e-4)
    assert first(net, Fitting.beside) == pytest.approx(judge, rel=1e-4)


def networks(text, n, rows, epochs):
    net = parse(text)
    settings = {"examples": rows, "passes": epochs, "networks": n}
    return Many(net.name, net.widths, net.batch, design=net.design, **settings)


def test_many_fits_agree():
    net = networks("7-16-3:20:relu", 3, 300, 20)
    judge = first(net, "densenet, fit in turn")
    for name in (*Many.ours, Many.beside, ALONE):
        assert first(net, name) == judge


@pytest.mark.filterwarnings("ignore")  # it has not converged
@pytest.mark.parametrize(
    ("module", "name"), [("sklearn", "scikit-learn, processes"), ("optax", "JAX, vmap")]
)
def test_many_fits_of_others_learn_as_much(module, name):
    if module == "optax" and importlib.util.find_spec(module) is None:
        pytest.skip(NOT_APPLICABLE + "JAX is installed for benchmarks alone")
    pytest.importorskip(module)
    net = networks("7-16-3:20:relu", 8, 300, 20)
    assert first(net, name) == pytest.approx(first(net, Many.ours[0]), rel=net.tolerance)


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (Prediction.of(parse("7-5-3:4:gelu"), 2), "perceptrons have no gelu"),
        (Prediction.of(parse("7-5-2:4:relu"), 2), "one output, and not two, for two classes"),
        (Fitting.of("classifier", parse("7-5-2:4:relu"), 8, 1), "one output, and not two"),
    ],
)
def test_what_scikit_learn_has_not_is_said(net, message):
    pytest.importorskip("sklearn")
    with pytest.raises(ValueError, match=message):
        first(net, "scikit-learn")


def test_estimators_are_timed_with_adam_alone():
    pytest.importorskip("sklearn")
    net = Fitting.of("regressor", parse("7-5-3:4:relu+sgd"), 8, 1)
    with pytest.raises(ValueError, match=r"with Adam alone, not with relu\+sgd"):
        first(net, Fitting.ours[0])


# ---- their work --------------------------------------------------------------------------------


def test_a_prediction_s_limit_is_its_products_or_its_bytes():
    net = Prediction.of(parse("5-4-3:7:relu"), 6)
    assert (net.name, net.batch, net.shape) == ("5-4-3:6:relu", 6, "5-4-3 relu")
    assert net.flop == 2 * 6 * (5 * 4 + 4 * 3)
    assert net.moved_bytes == net.footprint == 4 * (39 + 6 * (5 + 3))
    assert net.limit(flops=1.0, bandwidth=1e9) == net.flop
    assert net.limit(flops=1e9, bandwidth=1.0) == net.moved_bytes
    assert Prediction.of(NETS["C"], 32).name == "C:32"


def test_a_fit_s_limit_is_that_of_all_its_steps():
    step = parse("5-4-3:10")
    fit, bagged = (Fitting.of(kind, step, 40, 3) for kind in ("classifier", "bagging"))
    assert fit.limit(2.0, 3.0) == pytest.approx(3 * 4 * step.limit(2.0, 3.0))
    assert bagged.limit(2.0, 3.0) == pytest.approx(20 * fit.limit(2.0, 3.0))
    assert fit.about == {
        "net": "classifier:5-4-3:10",
        "shape": "5-4-3",
        "batch": 10,
        "rows": 40,
        "epochs": 3,
    }
    assert Fitting.of("regressor", step, 40, 3).widths == (5, 4, 1)


def test_the_limit_of_many_is_that_of_each():
    step = parse("5-4-3:10")
    net = networks("5-4-3:10", 7, 40, 3)
    assert net.limit(2.0, 3.0) == pytest.approx(7 * 3 * 4 * step.limit(2.0, 3.0))
    assert net.about["networks"] == 7


# ---- their tools -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tool", "arguments", "names"),
    [
        (predict, [], [f"{net}:{rows}" for net in ("C", "F") for rows in (1, 32, 10_000)]),
        (predict, ["B", "--rows", "8"], ["B:8"]),
        (estimators, [], [f"{kind}:54-100-7:200:relu" for kind in estimators._KINDS]),
        (estimators, ["bagging", "--net", "7-5-3:4"], ["bagging:7-5-3:4"]),
        (many, [], ["64-32-10:32:relu"]),
        (many, ["7-5-3:4", "--networks", "3"], ["7-5-3:4"]),
    ],
)
def test_tools_choose_their_nets(monkeypatch, tool, arguments, names):
    monkeypatch.setattr("sys.argv", [tool.__name__, *arguments])
    assert set(names) <= {net.name for net in tool._arguments().nets}


@pytest.mark.parametrize(
    ("tool", "arguments", "message"),
    [
        (predict, ["H"], "net: expected one of"),
        (predict, ["--rows", "0"], "must be an integer >= 1, got '0'"),
        (estimators, ["transformer"], "must be one of classifier, regressor, bagging, got"),
        (estimators, ["--net", "7"], "--net: net: expected one of"),
        (many, ["7"], "NET: net: expected one of"),
        (many, ["--networks", "0"], "must be an integer >= 1, got '0'"),
        (estimators, ["--only", "torch"], "must be part of a name in densenet, estimator"),
    ],
)
def test_tools_refuse_what_they_cannot_time(monkeypatch, capsys, tool, arguments, message):
    monkeypatch.setattr("sys.argv", [tool.__name__, *arguments])
    with pytest.raises(SystemExit):
        tool._arguments()
    assert message in capsys.readouterr().err
