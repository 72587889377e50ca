"""Fitted estimators and networks go through every tool that saves Python objects."""

import copy
import io
import pickle

import numpy as np
import pytest

import densenet as dn

CASES = {
    "adam": {"tol": 0.01},
    "lbfgs": {"solver": "lbfgs", "tol": 0.1},
    "early stopping": {"early_stopping": True, "tol": 0.01},
    "own rule": {"solver": dn.SGD(dn.CosineLR(0.1, steps=500), momentum=0.9), "tol": 0.1},
    "normalised": {"normalization": "batch", "dropout": 0.1, "tol": 0.05},
}
X = np.random.default_rng(0).normal(size=(80, 4))
Y = X[:, :3].argmax(axis=1)


@pytest.fixture
def network(engine):
    layers = [dn.Linear(4, 5), dn.BatchNorm(5), dn.ReLU(), dn.Linear(5, 3)]
    network = dn.Network(layers, dn.SoftmaxCrossEntropy(), seed=0, backend=engine)
    network.fit(X, Y, epochs=2, batch_size=32)
    return network


def by_skops(thing):
    sio = pytest.importorskip("skops.io")
    data = sio.dumps(thing)
    return sio.loads(data, trusted=sio.get_untrusted_types(data=data))


def by_joblib(thing):
    joblib = pytest.importorskip("joblib")
    file = io.BytesIO()
    joblib.dump(thing, file)
    file.seek(0)
    return joblib.load(file)


def by_cloudpickle(thing):
    return pickle.loads(pytest.importorskip("cloudpickle").dumps(thing))


WAYS = {
    **{
        f"protocol {number}": lambda thing, number=number: pickle.loads(pickle.dumps(thing, number))
        for number in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "skops": by_skops,
    "joblib": by_joblib,
    "cloudpickle": by_cloudpickle,
    "deepcopy": copy.deepcopy,
}


@pytest.fixture(params=WAYS)
def way(request):
    return WAYS[request.param]


def test_a_network_comes_back_and_goes_on(network, way):
    found = way(network)
    assert found.flat.tobytes() == network.flat.tobytes()
    assert found.optimizer_state["step"] == network.optimizer_state["step"] == 6
    for each in (found, network):
        each.fit(X, Y, epochs=2, batch_size=32)
    assert found.flat.tobytes() == network.flat.tobytes()
    assert found.backend == network.backend


def test_a_network_within_fit_comes_back_and_goes_on(network, way):
    class Stop(dn.Callback):
        def on_epoch_end(self, network, record):
            return record["epoch"] == 2

    early = dn.EarlyStopping("loss", patience=9)
    settings = {"epochs": 4, "batch_size": 32, "seed": 5, "early_stopping": early}
    network.fit(X, Y, callbacks=[Stop()], **settings)
    found = way(network)
    for each in (found, network):
        each.fit(X, Y, resume=True, **settings)
    assert found.flat.tobytes() == network.flat.tobytes()


@pytest.mark.parametrize("case", CASES)
def test_a_fitted_estimator_comes_back_and_goes_on(case, way):
    estimators = pytest.importorskip("densenet.estimators")
    model = estimators.DenseClassifier((6,), random_state=0, **CASES[case]).fit(X, Y)
    found = way(model)
    np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))
    assert found.loss_curve_ == model.loss_curve_
    if case != "lbfgs":
        for each in (found, model):
            each.partial_fit(X, Y)
        np.testing.assert_array_equal(found.predict_proba(X), model.predict_proba(X))
