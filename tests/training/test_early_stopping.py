"""Who ends training, and what is left: early stopping, callbacks, tolerance, Ctrl-C."""

import signal

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    BatchNorm,
    Callback,
    EarlyStopping,
    Linear,
    MeanSquaredError,
    Network,
    SoftmaxCrossEntropy,
    Tanh,
)
from densenet.metrics import accuracy
from tests.support.assertions import assert_same_bits
from tests.support.errors import error_of, same_error
from tests.support.examples import separable
from tests.support.losses import Squares
from tests.support.signals import interrupt_when_trained
from tests.support.skips import POSIX_SIGNALS


def make(engine, dtype="float64"):
    layers = [Linear(5, 8), BatchNorm(8), Tanh(), Linear(8, 3)]
    return Network(layers, SoftmaxCrossEntropy(), dtype=dtype, seed=1, backend=engine)


def state(network):
    return [network.flat.copy(), *(m.copy() for m in network.running_moments.values())]


def assert_state(network, expected):
    for array, wanted in zip(state(network), expected, strict=True):
        assert_same_bits(array, wanted)


class Recorder(Callback):
    """Keeps each epoch's record and weights."""

    def __init__(self):
        self.records, self.states = [], []

    def on_epoch_end(self, network, record):
        self.records.append(record)
        self.states.append(state(network))


@pytest.fixture
def data(rng):
    return separable(rng, 60, 5)


@pytest.fixture
def other(data, rng):
    """Validation data whose labels are the wrong ones: the better the fit, the worse the score."""
    return data[0], (data[1] + 1) % 3


# ---- what is monitored -------------------------------------------------------------------------


class Scores:
    """A metric that gives what it is told."""

    __name__ = "score"

    def __init__(self, scores):
        self.scores = iter(scores)

    def __call__(self, y_true, y_pred):
        return next(self.scores)


CURVES = [
    # scores, options, epochs that are run, the best epoch
    ([1, 2, 3, 2, 2, 2, 2], {"patience": 3}, 6, 3),
    ([1, 2, 3, 2, 2, 4, 1, 1, 1], {"patience": 3}, 9, 6),
    ([3, 2, 1, 0], {"patience": 1}, 2, 1),
    ([3, 3, 3, 3], {"patience": 2}, 3, 1),  # an equal score is no better
    ([3, 2, 1, 2, 2], {"patience": 2, "mode": "min"}, 5, 3),
    ([1, 1.4, 1.4, 1.4], {"patience": 2, "min_delta": 0.5}, 3, 1),
    ([1, 1.5, 2.125, 2, 2], {"patience": 2, "min_delta": 0.5}, 5, 3),  # 1.5 is no improvement
    ([1, 2, 3, 4, 5], {"patience": 1}, 5, 5),
    ([float("nan"), 1, float("nan"), float("nan")], {"patience": 2}, 4, 2),
    ([-1, -2, -3], {"patience": 2}, 3, 1),
    ([-3, -2, -1, -2, -2], {"patience": 2}, 5, 3),
]


@pytest.mark.parametrize(("scores", "options", "n_epochs", "best"), CURVES)
@pytest.mark.parametrize("restore", [True, False])
def test_patience(engine, data, scores, options, n_epochs, best, restore):
    network, recorder = make(engine), Recorder()
    history = network.fit(
        *data,
        epochs=len(scores),
        batch_size=20,
        validation_data=data,
        metrics=[Scores(scores)],
        callbacks=[recorder],
        early_stopping=EarlyStopping("val_score", restore_best=restore, **options),
    )
    assert len(history.epochs) == n_epochs
    ran_out = n_epochs - best >= options["patience"]
    assert history.stopped == ("early stopping" if ran_out else "epochs")
    assert_state(network, recorder.states[(best if restore else n_epochs) - 1])
    assert network.optimizer_state["step"] == 3 * n_epochs


@pytest.mark.parametrize(
    ("monitor", "better"),
    [
        ("val_loss", min),
        ("loss", min),
        ("val_mean_squared_error", min),
        ("val_mean_absolute_error", min),
        ("val_accuracy", max),
        ("val_r2", max),
        ("val_f1", max),
    ],
)
def test_auto_knows_which_way_is_better(monitor, better):
    assert EarlyStopping(monitor).sign == (1 if better is max else -1)
    assert EarlyStopping(monitor, mode="min").sign == -1
    assert EarlyStopping(monitor, mode="max").sign == 1


@pytest.mark.parametrize("monitor", ["val_loss", "val_accuracy", "loss"])
def test_the_best_epoch_is_what_is_left(engine, data, other, monitor):
    network, recorder = make(engine), Recorder()
    history = network.fit(
        *data,
        epochs=12,
        batch_size=20,
        optimizer=Adam(lr=0.05),
        validation_data=other,
        metrics=[accuracy],
        callbacks=[recorder],
        early_stopping=EarlyStopping(monitor, patience=12),
    )
    scores = [record[monitor] for record in history.epochs]
    best = np.argmax(scores) if monitor == "val_accuracy" else np.argmin(scores)
    assert history.epochs == recorder.records
    assert_state(network, recorder.states[best])
    if monitor == "val_loss":
        assert best == 0  # the labels are the wrong ones
        assert network.loss(*other) == pytest.approx(scores[best], rel=1e-13)


def test_a_score_that_no_record_will_have_is_refused_at_once(engine, data):
    """Before anything changes."""
    for early_stopping, validation in [
        (EarlyStopping(), None),
        (EarlyStopping("val_accuracy"), data),
        (EarlyStopping("accuracy"), data),
    ]:
        network = make(engine)
        before = state(network)
        with pytest.raises(ValueError, match="monitor: expected one of"):
            network.fit(*data, validation_data=validation, early_stopping=early_stopping)
        assert_state(network, before)
        assert network.optimizer_state.get("step", 0) == 0


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"mode": "best"}, ValueError, "mode: expected 'auto', 'min' or 'max', got 'best'"),
        ({"patience": 0}, ValueError, "patience must be an integer >= 1, got 0"),
        ({"patience": 1.5}, TypeError, "patience must be an integer >= 1, got float"),
        ({"min_delta": -1}, ValueError, "min_delta must be in [0, inf), got -1"),
    ],
)
def test_wrong_rules_are_refused_when_they_are_made(options, kind, text):
    with pytest.raises(kind) as caught:
        EarlyStopping(**options)
    assert str(caught.value) == text


# ---- ways out ----------------------------------------------------------------------------------


class Leave(Recorder):
    """Ends training in a way of its own, in the fourth epoch."""

    def __init__(self, way):
        super().__init__()
        self.way = way

    def on_epoch_end(self, network, record):
        super().on_epoch_end(network, record)
        return self.way() if record["epoch"] == 4 else None


def broken():
    raise RuntimeError("disk full")


def interrupted():
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("way", "error"), [(broken, RuntimeError), (interrupted, KeyboardInterrupt), (bool, None)]
)
@pytest.mark.parametrize("restore", [True, False])
def test_the_best_weights_are_restored_on_every_way_out(engine, data, other, way, error, restore):
    network = make(engine)
    leaving = Leave(way if error else lambda: True)
    options = {"epochs": 50, "batch_size": 20, "optimizer": Adam(lr=0.05)}
    rule = EarlyStopping(patience=50, restore_best=restore)
    options |= {"validation_data": other, "callbacks": [leaving], "early_stopping": rule}
    if error:
        with pytest.raises(error):
            network.fit(*data, **options)
    else:
        assert network.fit(*data, **options).stopped == "callback"
    assert len(leaving.records) == 4
    losses = [record["val_loss"] for record in leaving.records]
    assert np.argmin(losses) == 0
    assert_state(network, leaving.states[0 if restore else 3])
    assert network.optimizer_state["step"] == 12
    assert np.isfinite(network.fit(*data, epochs=1, optimizer=Adam()).batch_loss).all()


@POSIX_SIGNALS
def test_ctrl_c_within_an_epoch_restores_the_best_weights(engine, rng):
    x = rng.normal(size=(20_000, 5))
    y = x[:, :3].argmax(axis=1)

    class Interrupt(Recorder):
        def on_epoch_end(self, network, record):
            super().on_epoch_end(network, record)
            if record["epoch"] == 2:
                interrupt_when_trained(network)

    network, recorder = make(engine), Interrupt()
    with pytest.raises(KeyboardInterrupt):
        network.fit(
            x,
            y,
            epochs=10_000,
            batch_size=64,
            validation_data=(x[:50], (y[:50] + 1) % 3),
            callbacks=[recorder],
            early_stopping=EarlyStopping(patience=10_000),
        )
    assert np.argmin([record["val_loss"] for record in recorder.records]) == 0
    assert_state(network, recorder.states[0])
    assert network.optimizer_state["step"] >= 2 * 313


def test_an_error_before_the_first_epoch_ends_leaves_what_is_there(engine, data):
    class Broken(Callback):
        def on_step_end(self, network, step, loss):
            if step == 2:
                raise RuntimeError("disk full")

    network, by_hand = make(engine), make(engine)
    with pytest.raises(RuntimeError, match="disk full"):
        network.fit(
            *data,
            batch_size=20,
            shuffle=False,
            validation_data=data,
            callbacks=[Broken()],
            early_stopping=EarlyStopping(),
        )
    for begin in (0, 20):
        by_hand.train_step(data[0][begin : begin + 20], data[1][begin : begin + 20], Adam())
    assert_state(network, state(by_hand))


def test_fit_goes_on_from_the_best_weights(engine, data, other):
    network = make(engine)
    options = {"epochs": 6, "batch_size": 20, "validation_data": other}
    network.fit(*data, early_stopping=EarlyStopping(), **options)
    start = network.loss(*data)
    history = network.fit(*data, epochs=1, batch_size=60, optimizer=Adam(lr=0.0))
    assert history.epochs[0]["epoch"] == 1
    assert network.optimizer_state["step"] == 19  # its moments are those of the last step
    assert network.loss(*data) == pytest.approx(start, rel=0.2)  # only the moments have moved


# ---- after each step ---------------------------------------------------------------------------


class Steps(Callback):
    def __init__(self, stop_after=None):
        self.seen, self.stop_after = [], stop_after

    def on_step_end(self, network, step, loss):
        assert network.optimizer_state["step"] == step
        self.seen.append((step, loss))
        return step == self.stop_after


@pytest.mark.parametrize("stop_after", [1, 3, 4, 7])
def test_a_callback_stops_after_a_step(engine, data, stop_after):
    network, by_hand = make(engine), make(engine)
    first, second = Steps(stop_after), Steps()
    options = {"batch_size": 20, "shuffle": False}
    history = network.fit(*data, epochs=9, callbacks=[first, second, Callback()], **options)
    assert history.stopped == "callback"
    assert len(history.batch_loss) == stop_after == network.optimizer_state["step"]
    assert first.seen == second.seen == list(enumerate(history.batch_loss, 1))
    assert len(history.epochs) == -(-stop_after // 3)
    in_last = stop_after - 3 * (len(history.epochs) - 1)
    assert history.epochs[-1]["loss"] == pytest.approx(np.mean(history.batch_loss[-in_last:]))
    for step in range(stop_after):
        rows = slice(step % 3 * 20, step % 3 * 20 + 20)
        by_hand.train_step(data[0][rows], data[1][rows], Adam())
    assert_state(network, state(by_hand))


def test_watching_each_step_changes_no_bit(engine, data, rng):
    weight = rng.uniform(size=60)
    watched, alone = make(engine), make(engine)
    options = {"epochs": 3, "batch_size": 7, "seed": 1, "sample_weight": weight}
    one = watched.fit(*data, callbacks=[Steps()], **options)
    other = alone.fit(*data, **options)
    assert one.batch_loss == other.batch_loss
    assert [record["loss"] for record in one.epochs] == [record["loss"] for record in other.epochs]
    assert_state(watched, state(alone))


# ---- tolerance ---------------------------------------------------------------------------------


def linear(engine, loss=None):
    return Network(
        [Linear(3, 2)], loss or MeanSquaredError(), dtype="float64", seed=1, backend=engine
    )


@pytest.mark.parametrize("watching", [False, True])
@pytest.mark.parametrize("loss", [MeanSquaredError(), Squares()], ids=["built-in", "own"])
@pytest.mark.parametrize("clip_norm", [None, 0.05])
def test_training_stops_where_the_gradient_vanishes(engine, rng, watching, loss, clip_norm):
    """The first step whose gradient, before it is clipped by norm, is shorter is not taken."""
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    network, by_hand = linear(engine, loss), linear(engine)
    optimizer = SGD(lr=0.4, clip_norm=clip_norm)
    callbacks = [Steps()] if watching else []
    history = network.fit(
        x,
        y,
        epochs=5000,
        batch_size=20,
        shuffle=False,
        optimizer=optimizer,
        tolerance=0.02,
        callbacks=callbacks,
    )
    assert history.stopped == "tolerance"
    n_steps = 0
    while np.linalg.norm(by_hand.value_and_gradient(by_hand.flat, x, y)[1]) >= 0.02:
        by_hand.train_step(x, y, optimizer)
        n_steps += 1
    assert network.optimizer_state["step"] == n_steps > 3
    np.testing.assert_allclose(network.flat, by_hand.flat, rtol=1e-10)
    if watching:
        assert len(callbacks[0].seen) == n_steps


def test_a_tolerance_that_is_not_reached_changes_nothing(engine, data):
    one, other = make(engine), make(engine)
    options = {"epochs": 2, "batch_size": 20, "seed": 1}
    first = one.fit(*data, tolerance=1e-300, **options)
    assert first.batch_loss == other.fit(*data, **options).batch_loss
    assert first.stopped == "epochs"
    assert_state(one, state(other))


def test_a_step_without_weight_is_not_an_end(engine, rng):
    x, y, weight = rng.normal(size=(20, 3)), rng.normal(size=(20, 2)), np.ones(20)
    weight[:10] = 0
    network = linear(engine)
    options = {"batch_size": 10, "shuffle": False, "sample_weight": weight, "tolerance": 1e-6}
    history = network.fit(x, y, epochs=3, optimizer=SGD(), **options)
    assert history.stopped == "epochs"
    assert [loss == 0 for loss in history.batch_loss] == [True, False] * 3


def test_a_tolerance_within_an_epoch_ends_it_there(engine, rng):
    """The losses are those of the steps that are taken."""
    x = rng.normal(size=(40, 3))
    y = np.zeros((40, 2))
    network = linear(engine)
    y[20:] = network.forward(x[20:])  # nothing to learn from the third step of ten rows
    history = network.fit(
        x, y, epochs=2, batch_size=10, shuffle=False, optimizer=SGD(lr=0.0), tolerance=1e-9
    )
    assert history.stopped == "tolerance"
    assert len(history.batch_loss) == network.optimizer_state["step"] == 2
    assert history.epochs[0]["loss"] == pytest.approx(np.mean(history.batch_loss))


def test_a_step_that_is_not_taken_has_no_loss(engine, rng):
    """Not even where it would have been an epoch's first."""
    x, y = rng.normal(size=(20, 3)), rng.normal(size=(20, 2))
    network = linear(engine)
    history = network.fit(x, y, epochs=500, batch_size=20, optimizer=SGD(lr=0.4), tolerance=0.02)
    assert history.stopped == "tolerance"
    assert len(history.batch_loss) == network.optimizer_state["step"]


# ---- which way is better -----------------------------------------------------------------------

LESS = (
    "rmse mae mse mape log_loss root_mean_squared_error median_absolute_error max_error nll"
    " mean_poisson_deviance brier_score_loss hamming_loss"
)
MORE = (
    "acc f1 f1_macro f1_score roc_auc roc_auc_ovr_weighted auc precision recall_micro r2_score"
    " balanced_accuracy_score explained_variance neg_mean_squared_error neg_log_loss score"
    " matthews_corrcoef average_precision_score d2_absolute_error_score"
)


@pytest.mark.parametrize("prefix", ["", "val_"])
def test_auto_knows_the_usual_names(prefix):
    for names, sign in ((LESS, -1), (MORE, 1)):
        for name in names.split():
            assert EarlyStopping(prefix + name).sign == sign, name


@pytest.mark.parametrize(
    "monitor", ["val_regret", "val_gini", "<lambda>", "val_my_error", "neg_r2", "val_", "", "f2"]
)
def test_auto_asks_for_the_mode_of_other_names(monitor):
    text = (
        f"mode: expected 'min' or 'max' with monitor={monitor!r}, a name that does not tell which "
        "way is better, got 'auto'"
    )
    same_error([error_of(lambda: EarlyStopping(monitor), [])], ValueError, text)
    assert EarlyStopping(monitor, mode="min").sign == -1
    assert EarlyStopping(monitor, mode="max").sign == 1


@pytest.mark.parametrize("wrong", [None, 3, b"loss", ["loss"]])
def test_what_is_monitored_has_a_name(wrong):
    text = f"monitor: expected a str, got {'None' if wrong is None else type(wrong).__name__}"
    same_error([error_of(lambda: EarlyStopping(wrong), [])], TypeError, text)


def test_auto_knows_every_metric_of_scikit_learn_that_judges_predictions():
    metrics = pytest.importorskip("sklearn.metrics")
    clustering = "mutual rand completeness homogeneity measure mallows likelihood"
    names = [n for n in metrics.get_scorer_names() if not any(c in n for c in clustering.split())]
    assert len(names) > 40
    for name in names:
        assert EarlyStopping(f"val_{name}").sign == 1, name  # a scorer's errors are negated


def rmse(y_true, y_pred):
    return float(np.sqrt(np.mean((y_true - y_pred) ** 2)))


def test_the_least_error_is_kept(engine, rng):
    x = rng.normal(size=(60, 3))
    y = x.sum(axis=1)
    network = Network([Linear(3, 1)], MeanSquaredError(), dtype="float64", seed=1, backend=engine)
    history = network.fit(
        x,
        y,
        epochs=40,
        optimizer=SGD(lr=0.1),
        validation_data=(x, y),
        metrics=[rmse],
        early_stopping=EarlyStopping("val_rmse", patience=5),
    )
    scores = [record["val_rmse"] for record in history.epochs]
    assert len(scores) == 40
    assert rmse(y, network.predict(x)) == pytest.approx(min(scores), rel=1e-12)
