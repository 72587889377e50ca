"""`Network.fit`: order, batches, history, callbacks, optimizer state."""

import itertools

import numpy as np
import pytest

from densenet import SGD, Adam, Callback, Linear, Network, RMSprop, Sigmoid
from densenet import SoftmaxCrossEntropy as Loss
from densenet.metrics import accuracy
from densenet.training import History
from tests.support.assertions import assert_same_bits
from tests.support.examples import labelled


@pytest.fixture
def network(engine):
    return make(engine)


def make(backend, dtype="float32"):
    return Network(
        [Linear(7, 9), Sigmoid(), Linear(9, 3)], Loss(), dtype=dtype, seed=1, backend=backend
    )


@pytest.fixture
def data(rng):
    return labelled(rng, 23, 7)


# ---- order and batches -------------------------------------------------------------------------


def test_without_shuffling_fit_is_a_sequence_of_steps(engine, data):
    x, y = data
    network, by_hand = make(engine), make(engine)
    history = network.fit(x, y, epochs=2, batch_size=10, shuffle=False, optimizer=Adam(lr=0.01))
    losses = [
        by_hand.train_step(x[begin : begin + 10], y[begin : begin + 10], Adam(lr=0.01))
        for begin in (0, 10, 20, 0, 10, 20)
    ]
    assert history.batch_loss == losses
    assert_same_bits(network.flat, by_hand.flat)


def test_shuffling_takes_every_row_once_in_an_order_of_its_own_each_epoch(network, data):
    x, y = data
    expected = sorted(network.loss(x[i : i + 1], y[i : i + 1]) for i in range(23))
    history = network.fit(x, y, epochs=3, batch_size=1, optimizer=SGD(lr=0.0))
    orders = np.array(history.batch_loss).reshape(3, 23)
    for order in orders:
        np.testing.assert_allclose(sorted(order), expected, rtol=1e-5)
    for one, other in itertools.combinations(orders, 2):
        assert not np.array_equal(one, other)


def test_the_seed_fixes_the_order(engine, data):
    def losses(seed, backend=engine):
        return make(backend).fit(*data, epochs=2, batch_size=4, seed=seed).batch_loss

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)
    np.testing.assert_allclose(losses(1, "compiled"), losses(1, "reference"), rtol=1e-4)


def test_without_a_seed_the_networks_own_generator_goes_on(engine, data):
    one, other = make(engine), make(engine)
    first = one.fit(*data, epochs=2, batch_size=4).batch_loss
    assert other.fit(*data, epochs=1, batch_size=4).batch_loss == first[:6]
    assert other.fit(*data, epochs=1, batch_size=4).batch_loss == first[6:]
    assert_same_bits(other.flat, one.flat)


@pytest.mark.parametrize(
    ("rows", "batch_size", "steps", "kept"),
    [(23, 10, 3, 2), (20, 10, 2, 2), (21, 10, 3, 2), (7, 1, 7, 7), (1, 1, 1, 1), (10, 10, 1, 1)],
)
def test_the_last_step_is_short_or_dropped(engine, data, rows, batch_size, steps, kept):
    x, y = data[0][:rows], data[1][:rows]
    assert len(make(engine).fit(x, y, epochs=1, batch_size=batch_size).batch_loss) == steps
    network = make(engine)
    history = network.fit(x, y, epochs=1, batch_size=batch_size, drop_last=True, shuffle=False)
    by_hand = make(engine)
    used = kept * batch_size
    expected = by_hand.fit(x[:used], y[:used], epochs=1, batch_size=batch_size, shuffle=False)
    assert history.batch_loss == expected.batch_loss
    assert history.epochs[0]["loss"] == expected.epochs[0]["loss"]
    assert_same_bits(network.flat, by_hand.flat)


def test_a_batch_may_be_larger_than_the_data(engine, data):
    one, other = make(engine), make(engine)
    assert one.fit(*data, epochs=2, batch_size=10**6).batch_loss == (
        other.fit(*data, epochs=2, batch_size=23).batch_loss
    )


# ---- history -----------------------------------------------------------------------------------


def test_history_records_every_step_and_epoch(network, data):
    history = network.fit(*data, epochs=3, batch_size=10, optimizer=SGD(lr=0.25))
    assert len(history.batch_loss) == 9
    assert all(type(loss) is float for loss in history.batch_loss)
    assert [record["epoch"] for record in history.epochs] == [1, 2, 3]
    for record, steps in zip(history.epochs, np.reshape(history.batch_loss, (3, 3)), strict=True):
        assert set(record) == {"epoch", "loss", "lr", "seconds"}
        assert record["loss"] == pytest.approx((10 * steps[0] + 10 * steps[1] + 3 * steps[2]) / 23)
        assert record["lr"] == 0.25
        assert record["seconds"] > 0


def test_an_epochs_loss_weighs_steps_by_their_rows_weights(network, data, rng):
    x, y = data
    weight = rng.uniform(0, 2, 23)
    weight[10:20] = 0
    before = network.loss(x, y, weight)
    history = network.fit(
        x, y, epochs=1, batch_size=10, sample_weight=weight, optimizer=SGD(lr=0.0)
    )
    assert history.epochs[0]["loss"] == pytest.approx(before, rel=1e-5)


def test_an_epoch_without_weight_has_no_loss(network, data):
    before = network.flat.copy()
    history = network.fit(*data, epochs=2, batch_size=10, sample_weight=np.zeros(23))
    assert [record["loss"] for record in history.epochs] == [0, 0]
    assert_same_bits(network.flat, before)


def mean_class(y_true, y_pred):
    assert y_true.shape == y_pred.shape == (8,)
    return 100 * y_true.mean() + y_pred.mean()


@pytest.mark.parametrize("kind", ["indices", "rows"])
def test_validation_measures_other_rows_after_each_epoch(network, data, rng, kind):
    x, y = rng.normal(size=(8, 7)), rng.integers(0, 3, 8)
    targets = y if kind == "indices" else np.eye(3)[y]
    history = network.fit(
        *data, epochs=2, batch_size=10, validation_data=(x, targets), metrics=[mean_class]
    )
    last = history.epochs[-1]
    assert set(last) == {"epoch", "loss", "lr", "seconds", "val_loss", "val_mean_class"}
    assert last["val_loss"] == pytest.approx(network.loss(x, y), rel=1e-6)
    assert last["val_mean_class"] == mean_class(y, network.predict(x))
    assert history.epochs[0]["val_loss"] != last["val_loss"]


def test_rows_of_the_validation_loss_may_have_weights(network, data, rng):
    x, y = rng.normal(size=(8, 7)), rng.integers(0, 3, 8)
    weights = rng.random(8)
    history = network.fit(*data, validation_data=(x, y, weights), metrics=[mean_class])
    last = history.epochs[-1]
    assert last["val_loss"] == pytest.approx(network.loss(x, y, weights), rel=1e-6)
    assert last["val_loss"] != pytest.approx(network.loss(x, y), rel=1e-3)
    assert last["val_mean_class"] == mean_class(y, network.predict(x))
    with pytest.raises(ValueError, match=r"^validation_data: sample_weight: "):
        network.fit(*data, validation_data=(x, y, weights[:3]))


def test_validation_changes_nothing(engine, data, rng):
    validation = rng.normal(size=(8, 7)), rng.integers(0, 3, 8)
    with_it, without = make(engine), make(engine)
    one = with_it.fit(*data, epochs=3, batch_size=4, validation_data=validation)
    other = without.fit(*data, epochs=3, batch_size=4)
    assert one.batch_loss == other.batch_loss
    assert_same_bits(with_it.flat, without.flat)


def test_fit_learns(network, rng):
    x = rng.normal(size=(300, 7))
    y = x[:, :3].argmax(axis=1)
    history = network.fit(x, y, epochs=60, batch_size=32, optimizer=Adam(lr=0.02))
    assert np.mean(network.predict(x) == y) > 0.97
    assert network.predict(x).dtype == np.int64
    assert history.epochs[-1]["loss"] < 0.2 * history.epochs[0]["loss"]


# ---- callbacks ---------------------------------------------------------------------------------


class Recorder(Callback):
    def __init__(self, stop_after=None):
        self.records, self.stop_after = [], stop_after

    def on_epoch_end(self, network, record):
        self.records.append((network, record))
        return record["epoch"] == self.stop_after


def test_callbacks_see_each_epoch_and_stop_the_training(network, data):
    first, second = Recorder(stop_after=2), Recorder()
    history = network.fit(*data, epochs=9, batch_size=10, callbacks=[first, second, Callback()])
    assert [record["epoch"] for record in history.epochs] == [1, 2]
    for recorder in (first, second):  # a stop does not keep the news from the others
        assert [record for _, record in recorder.records] == history.epochs
        assert all(told is network for told, _ in recorder.records)
    assert network.optimizer_state["step"] == len(history.batch_loss) == 6


def test_an_error_in_a_callback_reaches_the_caller(network, data):
    class Broken(Callback):
        def on_epoch_end(self, network, record):
            raise RuntimeError("disk full")

    with pytest.raises(RuntimeError, match="disk full"):
        network.fit(*data, epochs=3, batch_size=10, callbacks=[Broken()])
    assert network.optimizer_state["step"] == 3
    network.fit(*data, epochs=1, batch_size=10)
    assert network.optimizer_state["step"] == 6


def test_a_progress_bar_changes_nothing(engine, data):
    pytest.importorskip("tqdm")
    with_it, without = make(engine), make(engine)
    one = with_it.fit(*data, epochs=3, batch_size=4, progress=True)
    other = without.fit(*data, epochs=3, batch_size=4)
    assert one.batch_loss == other.batch_loss


# ---- the optimizer's state ---------------------------------------------------------------------


def test_a_further_fit_goes_on(engine, data):
    at_once, in_parts = make(engine), make(engine)
    options = {"batch_size": 10, "shuffle": False}
    whole = at_once.fit(*data, epochs=5, **options).batch_loss
    parts = in_parts.fit(*data, epochs=2, **options).batch_loss
    parts += in_parts.fit(*data, epochs=3, **options).batch_loss
    assert whole == parts
    assert_same_bits(at_once.flat, in_parts.flat)


def test_the_state_is_empty_before_any_step_and_after_a_reset(network, data):
    assert network.optimizer_state == {}
    network.train_step(*data, Adam())
    assert set(network.optimizer_state) == {"step", "m", "v"}
    assert network.optimizer_state["step"] == 1
    network.reset_optimizer()
    assert network.optimizer_state == {}
    network.train_step(*data, SGD())  # no warning: there is nothing to discard
    assert network.optimizer_state == {"step": 1}


def test_a_reset_network_trains_like_a_new_one(engine, data):
    network = make(engine)
    start = network.flat.copy()
    first = [network.train_step(*data, Adam()) for _ in range(3)]
    network.reset_optimizer()
    network.flat[...] = start
    assert [network.train_step(*data, Adam()) for _ in range(3)] == first


def test_another_rule_discards_the_state_with_a_warning(network, data):
    network.fit(*data, epochs=2, batch_size=10, optimizer=Adam())
    with pytest.warns(UserWarning, match="state of Adam is discarded.*RMSprop") as caught:
        network.fit(*data, epochs=1, batch_size=10, optimizer=RMSprop())
    assert set(network.optimizer_state) == {"step", "v"}
    assert network.optimizer_state["step"] == 3
    assert caught[0].filename == __file__  # points at the user's line
    with pytest.warns(UserWarning, match="state of RMSprop is discarded.*SGD") as caught:
        network.train_step(*data, SGD())
    assert caught[0].filename == __file__


def test_other_settings_of_the_same_rule_keep_the_state(network, data):
    network.train_step(*data, Adam(lr=0.1))
    m = network.optimizer_state["m"]
    network.train_step(*data, Adam(lr=0.01, beta1=0.5, l2=0.1))
    assert network.optimizer_state["m"] is m
    assert network.optimizer_state["step"] == 2


def test_momentum_may_be_switched_on_and_off(engine, data):
    network, twin = make(engine, "float64"), make(engine, "float64")
    network.train_step(*data, SGD(lr=0.1))
    twin.train_step(*data, SGD(lr=0.1))
    twin.reset_optimizer()
    for momentum in (0.9, 0.5):
        optimizer = SGD(lr=0.1, momentum=momentum)
        network.train_step(*data, optimizer)
        twin.train_step(*data, optimizer)
    assert_same_bits(network.flat, twin.flat)
    velocity = network.optimizer_state["velocity"].copy()
    network.train_step(*data, SGD(lr=0.1))
    assert_same_bits(network.optimizer_state["velocity"], velocity)


def test_a_history_is_a_frame_by_epoch_and_by_step(rng):
    pandas = pytest.importorskip("pandas")
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20)
    network = Network([Linear(3, 2)], Loss(), seed=1)
    history = network.fit(x, y, epochs=3, batch_size=8, validation_data=(x, y), metrics=[accuracy])
    epochs = history.to_frame()
    assert epochs.index.name == "epoch"
    assert epochs.index.tolist() == [1, 2, 3]
    assert list(epochs.columns) == [name for name in history.epochs[0] if name != "epoch"]
    assert epochs["val_accuracy"].tolist() == [each["val_accuracy"] for each in history.epochs]
    steps = history.to_frame(by="step")
    expected = pandas.Series(history.batch_loss, range(1, 10), name="loss")
    pandas.testing.assert_series_equal(steps["loss"], expected, check_index=False)
    assert steps.index.tolist() == list(range(1, 10))
    assert steps.index.name == "step"
    with pytest.raises(ValueError, match=r"^by: expected .epoch. or .step., got "):
        history.to_frame(by="batch")


def test_a_history_without_an_epoch_is_an_empty_frame():
    pytest.importorskip("pandas")
    for by in ("epoch", "step"):
        frame = History().to_frame(by)
        assert len(frame) == 0
        assert frame.index.name == by


def test_a_history_shows_itself_in_a_line():
    records = [{"epoch": i, "loss": 1 / i, "seconds": 0.1, "val_loss": 2.0} for i in range(1, 1001)]
    assert (
        repr(History([1.0] * 10**5, records, "diverged"))
        == "<History: epochs=1000, steps=100000, stopped='diverged', loss=0.001, val_loss=2>"
    )
    assert repr(History()) == "<History: epochs=0, steps=0, stopped='epochs'>"
