"""Ranks that hold their own rows: shares of each batch, and sums over all rows."""

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    Callback,
    Checkpoint,
    Dropout,
    EarlyStopping,
    LayerNorm,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
)
from densenet.metrics import accuracy
from densenet.training.shares import Shares
from tests.support.ranks import Fails, all_of, assert_equal, in_batches, on_ranks, parts

LAYERS = [Linear(7, 16), LayerNorm(16), ReLU(), Dropout(0.3), Linear(16, 4)]
COUNTS = [41, 1, 58]


@pytest.fixture
def data(rng):
    x = rng.normal(size=(sum(COUNTS), 7)).astype(np.float32)
    return (
        x,
        x[:, :4].argmax(axis=1),
        rng.uniform(0.1, 3, len(x)) * 1e3 ** (np.arange(len(x)) // 41),
    )


def make(engine="compiled", layers=LAYERS):
    return Network(layers, SoftmaxCrossEntropy(), seed=1, backend=engine, dtype="float64")


def trainer(data, make=make, counts=COUNTS, weigh=False, validate=False, **options):
    """Make a function that trains on a rank's rows of the data, and gives network and history."""
    options = {"epochs": 3, "batch_size": 24, **options}

    def train(workers):
        x, y, w = (each[parts(counts)[workers.rank]] for each in data)
        own = dict(options)
        if weigh:
            own["sample_weight"] = w
        if validate:
            own["validation_data"] = (x, y, w) if weigh else (x, y)
        network = make()
        return network, network.fit(x, y, workers=workers, **own)

    return train


def own(train, size=3):
    return on_ranks(size, train, own_rows=True)


# ---- what is computed ----------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [2, 24, 33, 1000])
@pytest.mark.parametrize("weigh", [False, True])
def test_batches_are_those_of_one_process_in_another_order(data, engine, batch_size, weigh):
    options = {"shuffle": False, "batch_size": batch_size, "optimizer": Adam(lr=1e-2)}
    train = trainer(data, lambda: make(engine), weigh=weigh, validate=True, **options)
    network, history = assert_equal(own(train))
    x, y, w = (each[in_batches(batch_size, COUNTS)] for each in data)
    weights = {"sample_weight": w} if weigh else {}
    alone = make(engine)
    validation = (x, y, w) if weigh else (x, y)
    whole = alone.fit(x, y, epochs=3, validation_data=validation, **options, **weights)
    np.testing.assert_allclose(history.batch_loss, whole.batch_loss, rtol=1e-9)
    np.testing.assert_allclose(network.flat, alone.flat, rtol=1e-8, atol=1e-8)
    for mine, theirs in zip(history.epochs, whole.epochs, strict=True):
        assert mine["loss"] == pytest.approx(theirs["loss"], rel=1e-9)
        assert mine["val_loss"] == pytest.approx(theirs["val_loss"], rel=1e-9)
    assert history.steps_per_epoch == whole.steps_per_epoch


def test_balanced_classes_are_counted_on_all_ranks(data):
    x, y, w = data
    y = np.sort(y)  # so that ranks have other classes
    options = {"shuffle": False, "class_weight": "balanced"}
    network, history = assert_equal(own(trainer((x, y, w), weigh=True, **options)))
    order, alone = in_batches(24, COUNTS), make()
    whole = alone.fit(
        x[order], y[order], epochs=3, batch_size=24, sample_weight=w[order], **options
    )
    np.testing.assert_allclose(history.batch_loss, whole.batch_loss, rtol=1e-9)
    np.testing.assert_allclose(network.flat, alone.flat, rtol=1e-8, atol=1e-8)


def test_each_epoch_takes_each_row_once_in_a_new_order(data):
    layers = [Linear(7, 4)]
    options = {"optimizer": SGD(lr=1e-30), "batch_size": 30, "seed": 3}
    _, history = assert_equal(own(trainer(data, lambda: make(layers=layers), **options)))
    sizes = np.array([30, 30, 30, 10])
    losses = np.reshape(history.batch_loss, (3, 4))
    x, y, _ = data
    np.testing.assert_allclose(losses @ sizes / 100, make(layers=layers).loss(x, y), rtol=1e-12)
    assert len({*losses[:, 0], *losses[:, 1]}) == 6


@pytest.mark.parametrize("counts", [[50, 50], [1, 1, 98], [33, 34, 33], [7, 1, 1, 1, 90]])
@pytest.mark.parametrize("batch_size", [1, 3, 16, 100])
@pytest.mark.parametrize("drop_last", [False, True])
def test_shares_are_in_proportion_and_add_up(counts, batch_size, drop_last):
    each = [Shares(rank, counts, batch_size, drop_last) for rank in range(len(counts))]
    taken = [0] * len(counts)
    for step in range(each[0].n_steps):
        place = 0
        for rank, shares in enumerate(each):
            first, end = shares.place(step)
            assert (first, shares.begin(step)) == (place, taken[rank])
            place, taken[rank] = end, taken[rank] + end - first
        assert place == each[0].size(step)
        assert drop_last is False or place == batch_size
        done = sum(taken) / sum(counts)
        assert all(abs(m - n * done) <= 2 for m, n in zip(taken, counts, strict=True))
    assert drop_last or taken == counts


def test_shares_of_many_rows_do_not_overflow():
    counts = [2**30, 2**30 - 1]
    shares = Shares(1, counts, 2**20, False)
    assert shares.n_steps == 2**11
    assert shares.place(2**11 - 1)[1] == shares.size(2**11 - 1) == 2**20 - 1


def test_metrics_are_means_over_the_rows_of_all(data):
    options = {
        "metrics": [accuracy],
        "early_stopping": EarlyStopping("val_accuracy", patience=2),
        "epochs": 30,
    }
    network, history = assert_equal(own(trainer(data, validate=True, **options)))
    assert history.stopped == "early stopping"
    x, y, _ = data
    best = max(each["val_accuracy"] for each in history.epochs)
    assert best == pytest.approx(accuracy(y, network.predict(x)), abs=1e-12)


def test_validation_rows_that_all_hold_are_measured_as_by_one(data):
    x, y, _ = data
    train = trainer(data, validation_data=(x, y), metrics=[accuracy])
    network, history = assert_equal(own(train))
    assert history.epochs[-1]["val_loss"] == pytest.approx(network.loss(x, y), rel=1e-12)
    assert history.epochs[-1]["val_accuracy"] == pytest.approx(accuracy(y, network.predict(x)))


def test_one_rank_is_fit_to_the_bit(data):
    train = trainer(data, counts=[100])

    def alone():
        network = make()
        return network, network.fit(*data[:2], epochs=3, batch_size=24)

    assert_equal([alone(), *own(train, 1)])


def test_a_repeat_gives_the_same_bits(data):
    train = trainer(data, seed=4)
    assert_equal([*own(train), *own(train)])


def test_a_network_smaller_than_a_message_learns(data):
    def small():
        return Network([Linear(7, 1)], MeanSquaredError(), seed=1)

    train = trainer(data, small, weigh=True, validate=True)
    assert_equal(own(train))


# ---- to go on ------------------------------------------------------------------------------------


class StopsAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, network, step, loss):
        return step == self.step


@pytest.mark.parametrize("step", [3, 5, 6])
def test_ranks_go_on_from_the_file_of_rank_0(data, tmp_path, step):
    path = tmp_path / f"model-{step}"

    def first(workers):
        x, y, w = (each[parts(COUNTS)[workers.rank]] for each in data)
        network = make()
        stops = [StopsAt(step)] if workers.rank == 1 else []
        saves = [Checkpoint(path, seconds=0)]
        network.fit(x, y, **options, sample_weight=w, workers=workers, callbacks=stops + saves)
        if workers.rank == 0:
            network.save(path)

    def rest(workers):
        x, y, w = (each[parts(COUNTS)[workers.rank]] for each in data)
        network = Network.load(path)
        history = network.fit(x, y, **options, sample_weight=w, workers=workers, resume=True)
        return network, history

    options = {"epochs": 3, "batch_size": 24}
    whole = own(trainer(data, weigh=True))
    all_of(own(first))
    assert_equal([*whole, *own(rest)])


def test_other_shares_are_refused_to_go_on(data):
    def train(workers):
        network, _ = trainer(data)(workers)
        x, y, _ = (each[parts([40, 2, 58])[workers.rank]] for each in data)
        network.fit(x, y, epochs=4, batch_size=24, workers=workers, resume=True)

    for end in own(train):
        with pytest.raises(ValueError, match=r"x: expected 100 rows on ranks with 41, 1, 58 to"):
            raise end


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("when", [("begin", 2), ("step", 3), ("step", 5), ("end", 1), ("end", 3)])
def test_an_error_of_one_rank_is_one_on_all(data, when):
    def train(workers):
        callbacks = [Fails(when)] if workers.rank == 1 else []
        trainer(data, weigh=True, validate=True, callbacks=callbacks)(workers)

    first, failed, last = own(train)
    expected = "workers: expected all 3 ranks to go on, got an error on rank 1: OSError: no space"
    assert [str(first), str(failed), str(last)] == [expected, "no space", expected]


def test_a_metric_that_fails_on_one_rank_is_an_error_on_all(data):
    def train(workers):
        def score(y_true, y_pred):
            if workers.rank == 2:
                raise OSError("no space")
            return 0.5

        trainer(data, validate=True, metrics=[score])(workers)

    assert [type(end) for end in own(train)] == [RuntimeError, RuntimeError, OSError]


def test_ranks_agree_on_whose_rows_they_are(data):
    def train(workers):
        workers.own_rows = workers.rank == 2
        trainer(data)(workers)

    expected = "workers.own_rows: expected the same on all 3 ranks, got others on rank 2 than on"
    assert [str(end).partition(" rank 0")[0] for end in on_ranks(3, train)] == [expected] * 3


@pytest.mark.parametrize("name", ["sample_weight", "validation_data"])
def test_what_only_some_ranks_have_is_named(data, name):
    def train(workers):
        given = {"weigh" if name == "sample_weight" else "validate": workers.rank == 1}
        trainer(data, **given)(workers)

    expected = f"{name}: expected the same on all 3 ranks, got others on rank 1 than on rank 0"
    assert [str(end) for end in own(train)] == [expected] * 3


def test_too_many_rows_are_refused_on_all(monkeypatch, data):
    monkeypatch.setattr("densenet.training.own_rows.MOST", 99)
    for end in own(trainer(data)):
        with pytest.raises(ValueError, match="x: expected at most 99 rows on all ranks, got 100"):
            raise end


def test_exact_sums_are_refused(data):
    for end in on_ranks(2, trainer(data, counts=[50, 50]), exact=True, own_rows=True):
        with pytest.raises(ValueError, match=r"workers\.exact: expected False with own_rows=True"):
            raise end
