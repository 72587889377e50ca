"""How the dense estimators are validated, stopped, watched, trained on; and what errors leave."""

import re
import warnings

import numpy as np
import pytest

pytest.importorskip("sklearn")

from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import balanced_accuracy_score, make_scorer

import densenet as dn
from densenet.estimators import DenseClassifier, DenseRegressor

BOTH = pytest.mark.parametrize("estimator", [DenseClassifier, DenseRegressor])


@pytest.fixture
def iris():
    x, y = load_iris(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order], y[order]


def fit(estimator, x, y, **settings):
    """Train for a few epochs that need not converge."""
    settings = {"random_state": 0, "hidden_layer_sizes": 8, "max_iter": 10, **settings}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return estimator(**settings).fit(x, y)


# ---- validation, stopping, callbacks -----------------------------------------------------------


def halves(iris):
    x, y = iris
    return (x[:75], y[:75]), {"X_val": x[75:], "y_val": y[75:]}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@BOTH
def test_a_validation_set_of_ones_own_is_scored_after_each_epoch(estimator, iris):
    rows, held = halves(iris)
    model = estimator(random_state=0, max_iter=6, alpha=2.0).fit(*rows, **held)
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == 6
    assert model.validation_scores_[-1] == model.score(held["X_val"], held["y_val"])
    scale = 1 if estimator is DenseClassifier else 0.5
    expected = scale * model.network_.loss(held["X_val"], held["y_val"])
    assert model.validation_loss_curve_[-1] == pytest.approx(expected)
    assert model.best_validation_score_ is not None
    assert model.best_loss_ == min(model.loss_curve_)
    plain = estimator(random_state=0, max_iter=6, alpha=2.0).fit(*rows)
    np.testing.assert_array_equal(model.predict(iris[0]), plain.predict(iris[0]))


@pytest.mark.parametrize(
    "scoring",
    ["neg_log_loss", make_scorer(balanced_accuracy_score), "loss", None],
    ids=["name", "scorer", "loss", "default"],
)
def test_early_stopping_on_any_score_keeps_the_best_weights(scoring, iris):
    rows, held = halves(iris)
    model = DenseClassifier(
        (30, 30), random_state=0, early_stopping=True, scoring=scoring, learning_rate_init=0.03
    ).fit(*rows, **held)
    assert model.stopped_ == "early stopping"
    best = int(np.argmax(model.validation_scores_))
    assert best < model.n_iter_ - 1
    assert model.best_validation_score_ == model.validation_scores_[best]
    assert model.best_loss_ is None
    again = model.network_.loss(held["X_val"], held["y_val"])
    assert again == pytest.approx(model.validation_loss_curve_[best], rel=1e-12)
    if scoring == "loss":
        assert model.validation_scores_ == [-v for v in model.validation_loss_curve_]
    if scoring is None:
        assert model.score(held["X_val"], held["y_val"]) == model.best_validation_score_


def test_the_best_weights_bring_their_moments(iris):
    settings = {"normalization": "batch", "early_stopping": True, "tol": 0.0}
    model = fit(DenseClassifier, *iris, **settings, learning_rate_init=0.1, max_iter=20)
    best = int(np.argmax(model.validation_scores_))
    assert best < 19
    shorter = fit(DenseClassifier, *iris, **settings, learning_rate_init=0.1, max_iter=best + 1)
    np.testing.assert_array_equal(model.predict_proba(iris[0]), shorter.predict_proba(iris[0]))


@BOTH
def test_partial_fit_stops_early_and_goes_on_from_the_best(estimator, iris):
    rows, held = halves(iris)
    model = estimator(random_state=0, early_stopping=True, n_iter_no_change=3, tol=0.01)
    classes = {"classes": [0, 1, 2]} if estimator is DenseClassifier else {}
    for _ in range(300):
        model.partial_fit(*rows, **classes, **held)
        if model.stopped_:
            break
    assert model.stopped_ == "early stopping"
    assert model.n_iter_ == 1
    assert len(model.loss_curve_) == len(model.validation_scores_) > 4
    best = model.best_validation_score_
    assert best == max(model.validation_scores_)
    assert model.score(held["X_val"], held["y_val"]) == pytest.approx(best)
    model.partial_fit(*rows, **held)
    assert model.stopped_ == ""
    inside = estimator(random_state=0, early_stopping=True).partial_fit(*iris, **classes)
    assert inside.t_ == 135


class Log(dn.Callback):
    def __init__(self, last_step=None):
        self.steps, self.records, self.last_step = [], [], last_step

    def on_step_end(self, network, step, loss):
        self.steps.append((step, loss))
        return step == self.last_step

    def on_epoch_end(self, network, record):
        self.records.append(record)
        return len(self.records) == 4


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_callbacks_see_epochs_and_may_stop(solver, iris):
    log = Log()
    rows, held = halves(iris)
    model = DenseClassifier(random_state=0, solver=solver, callbacks=[log], batch_size=30)
    model.fit(*rows, **held)
    assert model.stopped_ == "callback"
    assert model.n_iter_ == 4
    assert [r["loss"] for r in log.records] == model.loss_curve_
    assert [r["val_score"] for r in log.records] == model.validation_scores_
    assert {"epoch", "lr", "seconds", "val_loss"} <= set(log.records[0])
    if solver == "adam":
        assert [step for step, _ in log.steps] == list(range(1, 13))


def test_watching_steps_changes_no_bit_and_may_stop_there(iris):
    log = Log()
    log.on_epoch_end = lambda network, record: None
    watched = fit(DenseClassifier, *iris, solver="sgd", batch_size=32, alpha=0, callbacks=[log])
    plain = fit(DenseClassifier, *iris, solver="sgd", batch_size=32, alpha=0)
    np.testing.assert_array_equal(watched.coefs_[0], plain.coefs_[0])
    np.testing.assert_allclose(watched.loss_curve_, plain.loss_curve_, rtol=1e-12)
    stopped = fit(DenseClassifier, *iris, batch_size=32, callbacks=[Log(last_step=7)])
    assert stopped.stopped_ == "callback"
    assert stopped.n_iter_ == 2


def test_ctrl_c_ends_training_with_a_warning_and_the_best_weights(iris):
    class Press(dn.Callback):
        def on_epoch_end(self, network, record):
            if record["epoch"] == 5:
                raise KeyboardInterrupt

    model = DenseClassifier(random_state=0, callbacks=[Press()], early_stopping=True)
    with pytest.warns(UserWarning, match="Training interrupted by user") as caught:
        model.fit(*iris)
    assert caught[0].filename == __file__
    assert model.stopped_ == "interrupted"
    assert len(model.validation_scores_) == 5


# ---- going on, and errors ----------------------------------------------------------------------


def test_warm_start_refuses_another_network(iris):
    model = fit(DenseClassifier, *iris, warm_start=True)
    weights = model.network_.flat.copy()
    for change in ({"hidden_layer_sizes": 9}, {"activation": "tanh"}, {"loss": dn.CrossEntropy()}):
        before = model.get_params()
        with pytest.raises(ValueError, match="layers and loss: expected those that were fitted"):
            model.set_params(**change).fit(*iris)
        model.set_params(**before)
    np.testing.assert_array_equal(model.network_.flat, weights)


def test_partial_fit_warns_of_another_solver_and_heeds_a_new_rate(iris):
    model = DenseRegressor(random_state=0, solver="sgd").partial_fit(*iris)
    assert model.set_params(learning_rate_init=0.5).partial_fit(*iris).learning_rate_ == 0.5
    with pytest.warns(UserWarning, match="the state of SGD is discarded"):
        model.set_params(solver="adam").partial_fit(*iris)


def test_a_failed_fit_leaves_the_estimator_as_it_was(iris):
    x, y = iris
    model = fit(DenseClassifier, x, y)
    before, predicted = dict(vars(model)), model.predict_proba(x)
    for bad in ({"X": x[:, :2], "y": y[:9]}, {"X": x, "y": y, "sample_weight": np.zeros(150)}):
        with pytest.raises(ValueError):  # noqa: PT011
            model.fit(**bad)
    with pytest.raises(ValueError, match="y: expected classes among"):
        model.partial_fit(x, y + 1)
    assert vars(model) == before
    np.testing.assert_array_equal(model.predict_proba(x), predicted)
    new = DenseClassifier()
    with pytest.raises(ValueError, match=re.escape("y: expected classes among [0 1], got [2]")):
        new.partial_fit(x, y, classes=[0, 1])
    assert not hasattr(new, "classes_")


@BOTH
def test_the_warning_of_too_few_epochs_points_at_the_call(estimator, iris):
    for solver in ("adam", "lbfgs"):
        with pytest.warns(ConvergenceWarning) as caught:
            estimator(max_iter=2, solver=solver).fit(*iris)
        assert caught[0].filename == __file__
