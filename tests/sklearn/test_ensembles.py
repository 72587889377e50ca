"""Ensembles: members as if fitted alone, their mean, their spread, and scikit-learn's contract."""

import pickle
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")

import pandas as pd
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV

import densenet
from densenet import Callback
from densenet.estimators import (
    DenseClassifier,
    DenseEnsembleClassifier,
    DenseEnsembleRegressor,
    DenseRegressor,
)
from densenet.estimators.ensemble import _sampler
from tests.support.assertions import assert_same_bits
from tests.support.estimator_checks import each_check, run_check
from tests.support.losses import Squares

BOTH = pytest.mark.parametrize("kind", ["classifier", "regressor"])
KINDS = {
    "classifier": (DenseEnsembleClassifier, DenseClassifier),
    "regressor": (DenseEnsembleRegressor, DenseRegressor),
}
FEW = {"hidden_layer_sizes": (6,), "max_iter": 4, "random_state": 3, "batch_size": 16}

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@pytest.mark.filterwarnings("default", "ignore::sklearn.exceptions.ConvergenceWarning")
@each_check(
    [
        DenseEnsembleClassifier(n_members=2, max_iter=60),
        DenseEnsembleRegressor(n_members=2, max_iter=60),
    ]
)
def test_scikit_learns_check(estimator, check):
    run_check(check, estimator)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(90, 5))
    return x, x[:, :3].argmax(axis=1), rng.uniform(0, 2, 90)


def made(kind, bootstrap=False, **settings):
    """An ensemble of three, and an estimator of the same parameters."""
    ensemble, single = KINDS[kind]
    return ensemble(**FEW | settings, n_members=3, bootstrap=bootstrap), single(**FEW | settings)


SETTINGS = {
    "plain": {},
    "early stopping": {"early_stopping": True, "validation_fraction": 0.3},
    "dropout": {"dropout": 0.2, "normalization": "batch", "solver": "sgd"},
    "lbfgs": {"solver": "lbfgs"},
}


@BOTH
@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_each_member_is_as_if_fitted_alone(data, kind, settings, n_threads):
    x, y, weight = data
    ensemble, single = made(kind, **settings)
    ensemble.set_params(n_threads=n_threads).fit(x, y, weight)
    assert len({member.random_state for member in ensemble.estimators_}) == 3
    for member in ensemble.estimators_:
        alone = clone(single).set_params(random_state=member.random_state).fit(x, y, weight)
        assert_same_bits(member.network_.flat, alone.network_.flat)
        assert member.loss_curve_ == alone.loss_curve_
        assert member.stopped_ == alone.stopped_


@BOTH
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_bootstrap_sample_is_as_its_rows(data, kind, solver):
    x, y, weight = data
    ensemble, single = made(kind, bootstrap=True, solver=solver)
    ensemble.fit(x, y, weight)
    for member in ensemble.estimators_:
        rows = _sampler(member.random_state).randint(90, size=90)
        alone = clone(single).set_params(random_state=member.random_state)
        alone.fit(x[rows], y[rows], weight[rows])
        assert_same_bits(member.network_.flat, alone.network_.flat)
        assert member.loss_curve_ == alone.loss_curve_


def test_no_row_of_a_bootstrap_sample_is_validated_on(data):
    """Scores of members that stop early are of rows that they have not seen."""
    x, y, _ = data
    seen = []

    class Rows(DenseClassifier):
        def score(self, *of):
            seen.append(of[0][:, 0].tolist())
            return super().score(*of)

    ensemble, _ = made("classifier", bootstrap=True, early_stopping=True)
    ensemble._member_class = Rows
    ensemble.fit(x, y)
    sets = {tuple(each) for each in seen}
    assert len(sets) == 3  # each member has its own
    assert all(len(set(each)) == len(each) == 9 for each in sets)


@pytest.mark.parametrize("labels", [["no", "yes"], ["a", "b", "c"], [7, -3, 2]])
def test_classes_of_any_kind_have_mean_probabilities(data, labels):
    x, y, _ = data
    names = np.array(labels)[y % len(labels)]
    ensemble = made("classifier")[0].fit(x, names)
    each = [member.predict_proba(x) for member in ensemble.estimators_]
    mean, std = ensemble.predict_proba(x, return_std=True)
    np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-12)
    np.testing.assert_allclose(std, np.std(each, axis=0), rtol=1e-6, atol=1e-12)
    assert_same_bits(mean, ensemble.predict_proba(x))
    assert list(ensemble.classes_) == sorted(labels)
    assert (ensemble.predict(x) == ensemble.classes_[mean.argmax(axis=1)]).all()


def test_labels_have_mean_probabilities(data):
    x, y, _ = data
    labels = np.eye(3, dtype=int)[y]
    ensemble = made("classifier")[0].fit(x, labels)
    mean, std = ensemble.predict_proba(x, return_std=True)
    assert mean.shape == std.shape == (90, 3)
    assert (ensemble.predict(x) == (mean > 0.5)).all()


@pytest.mark.parametrize("outputs", [1, 2])
def test_values_have_a_mean_and_a_spread(data, outputs):
    x, _, _ = data
    y = x[:, 0] if outputs == 1 else x[:, :2]
    ensemble = made("regressor")[0].fit(x, y)
    each = [member.predict(x) for member in ensemble.estimators_]
    mean, std = ensemble.predict(x, return_std=True)
    assert mean.shape == y.shape
    np.testing.assert_allclose(mean, np.mean(each, axis=0), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(std, np.std(each, axis=0), rtol=1e-6, atol=1e-12)
    assert_same_bits(mean, ensemble.predict(x))


@BOTH
def test_rows_to_validate_on_are_used_by_all_members(data, kind):
    x, y, _ = data
    ensemble, _ = made(kind, early_stopping=True)
    ensemble.fit(x[:60], y[:60], X_val=x[60:], y_val=y[60:])
    for member in ensemble.estimators_:
        assert len(member.validation_scores_) == member.n_iter_


@BOTH
def test_frames_and_sparse_rows_are_as_arrays(data, kind):
    x, y, _ = data
    x = x * (abs(x) > 0.5)
    settings = {"early_stopping": True, "shuffle": False}
    plain, frame, sparse = (made(kind, **settings)[0] for _ in range(3))
    plain.fit(x, y)
    frame.fit(pd.DataFrame(x, columns=list("abcde")), y)
    sparse.fit(csr_array(x), y)
    assert list(frame.feature_names_in_) == list("abcde")
    for a, b, c in zip(plain.estimators_, frame.estimators_, sparse.estimators_, strict=True):
        assert_same_bits(a.network_.flat, b.network_.flat)
        assert_same_bits(a.network_.flat, c.network_.flat)


@BOTH
def test_a_warm_start_goes_on_with_each_member(data, kind):
    x, y, _ = data
    ensemble, single = made(kind, warm_start=True)
    first = ensemble.fit(x, y).estimators_
    before = [member.network_.flat.copy() for member in first]
    second = ensemble.fit(x, y).estimators_
    for old, kept, new in zip(first, before, second, strict=True):
        assert_same_bits(old.network_.flat, kept)
        alone = clone(single).set_params(random_state=old.random_state).fit(x, y).fit(x, y)
        assert_same_bits(new.network_.flat, alone.network_.flat)
    with pytest.raises(ValueError, match="n_members: expected 3 as before, got 4"):
        ensemble.set_params(n_members=4).fit(x, y)


def test_a_search_and_pickles_work(data):
    x, y, _ = data
    search = GridSearchCV(made("classifier")[0], {"n_members": [1, 2]}, cv=2).fit(x, y)
    again = pickle.loads(pickle.dumps(search.best_estimator_))
    assert_same_bits(again.predict_proba(x), search.predict_proba(x))


def test_one_warning_tells_how_many_members_have_not_converged(data):
    x, y, _ = data
    with pytest.warns(ConvergenceWarning) as told:
        made("classifier")[0].fit(x, y)
    assert len(told) == 1
    assert str(told[0].message).startswith("3 of 3 members: Stochastic Optimizer: Maximum iter")
    assert told[0].filename == __file__


def test_members_are_trained_at_the_same_time_each_on_one_thread(data):
    barrier, seen = threading.Barrier(3, timeout=250), set()

    class Meets(Callback):
        def on_epoch_end(self, network, record):
            barrier.wait()
            seen.add((threading.get_ident(), densenet.get_num_threads()))

    made("regressor", callbacks=[Meets()], n_threads=3)[0].fit(data[0], data[1])
    assert len(seen) == 3
    assert {number for _, number in seen} == {1}


def test_an_error_leaves_the_ensemble_as_it_was(data):
    x, y, _ = data

    class Fails(Squares):
        def backward(self, outputs, targets):
            raise ArithmeticError("too much")

    ensemble = made("regressor")[0].fit(x, y)
    before = ensemble.predict(x)
    with pytest.raises(ArithmeticError, match="too much"):
        ensemble.set_params(loss=Fails()).fit(x, y)
    assert_same_bits(ensemble.predict(x), before)


def test_what_belongs_to_one_network_is_missing(data):
    ensemble = made("classifier")[0].fit(*data[:2])
    for name in ("coefs_", "intercepts_", "partial_fit", "network_"):
        assert not hasattr(ensemble, name), name
    with pytest.raises(AttributeError, match="coefs_: expected a single network, got an ensemble"):
        getattr(ensemble, "coefs_")  # noqa: B009


def test_bad_settings_are_refused(data):
    x, y, _ = data
    with pytest.raises(ValueError, match="n_members must be an integer >= 1, got 0"):
        made("classifier")[0].set_params(n_members=0).fit(x, y)
    with pytest.raises(TypeError, match="bootstrap must be True or False, got str"):
        made("classifier")[0].set_params(bootstrap="no").fit(x, y)
    with pytest.raises(TypeError, match="return_std must be True or"):
        made("classifier")[0].fit(x, y).predict_proba(x, return_std="no")
