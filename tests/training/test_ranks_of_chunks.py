"""Chunks of rows that many ranks read alike."""

import numpy as np
import pytest

from densenet import (
    Callback,
    Checkpoint,
    Dropout,
    EarlyStopping,
    Linear,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
)
from tests.support.ranks import all_of, assert_equal, on_ranks

ROWS = 103


@pytest.fixture
def data(rng):
    x = rng.normal(size=(ROWS, 7)).astype(np.float32)
    return x, x[:, :4].argmax(axis=1), rng.uniform(0.1, 3, ROWS)


def make(engine="compiled"):
    layers = [Linear(7, 16), ReLU(), Dropout(0.3), Linear(16, 4)]
    return Network(layers, SoftmaxCrossEntropy(), seed=1, backend=engine)


def cut(data, *ends):
    """Make a function that gives the data in chunks which end there."""

    def chunks():
        for begin, end in zip((0, *ends), (*ends, ROWS), strict=True):
            yield tuple(each[begin:end] for each in data)

    return chunks


def trainer(chunks, make=make, **options):
    def train(workers):
        network = make()
        return network, network.fit(
            chunks, workers=workers, **{"epochs": 3, "batch_size": 20, **options}
        )

    return train


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_ranks_learn_from_chunks_as_from_the_rows(data, engine, exact, weigh, drop_last):
    options = {"epochs": 3, "batch_size": 20, "drop_last": drop_last}
    rows = data if weigh else data[:2]
    validation = {"validation_data": data[:2]}
    train = trainer(cut(rows, 7, 60, 61), lambda: make(engine), **options, **validation)
    ends = on_ranks(3, train, exact)

    def whole(workers):
        network = make(engine)
        weights = {"sample_weight": data[2]} if weigh else {}
        given = options | weights | validation
        return network, network.fit(*data[:2], shuffle=False, workers=workers, **given)

    assert_equal([*ends, *on_ranks(3, whole, exact)] if not weigh else ends)
    network, history = ends[0]
    alone, alike = trainer(cut(rows, 50), lambda: make(engine), **options)(None)
    np.testing.assert_allclose(history.batch_loss, alike.batch_loss, rtol=1e-4)
    np.testing.assert_allclose(network.flat, alone.flat, rtol=1e-4, atol=1e-4)


def test_where_rows_are_cut_may_differ_by_rank_and_epoch(data):
    cuts = iter([(5,), (50, 51), (99,), (20, 40), (), (13,)])

    def train(workers):
        def chunks():
            return cut(data, *(own.pop(0)))()

        own = [next(cuts) for _ in range(3)]
        return trainer(chunks)(workers)

    assert_equal([*on_ranks(2, trainer(cut(data, 40))), *on_ranks(2, train)])


def test_early_stopping_and_going_on(data, tmp_path):
    chunks = cut(data, 30, 77)
    options = {
        "validation_data": data[:2],
        "early_stopping": EarlyStopping(patience=1, min_delta=0.05),
    }
    _, history = assert_equal(on_ranks(2, trainer(chunks, epochs=200, **options)))
    assert history.stopped == "early stopping"

    path = tmp_path / "model"

    class Stops(Callback):
        def on_step_end(self, network, step, loss):
            return step == 8

    def first(workers):
        callbacks = [Stops()] if workers.rank == 1 else [Checkpoint(path, seconds=0)]
        trainer(chunks, callbacks=callbacks)(workers)

    def rest(workers):
        network = Network.load(path)
        return network, network.fit(chunks, epochs=3, batch_size=20, workers=workers, resume=True)

    all_of(on_ranks(2, first))
    assert_equal([*on_ranks(2, trainer(chunks)), *on_ranks(2, rest)])


# ---- what goes wrong -----------------------------------------------------------------------------


def test_other_rows_on_a_rank_are_found_at_the_end_of_the_epoch(data):
    x, y, _ = data

    def train(workers):
        trainer(cut((x + (workers.rank == 1), y), 50))(workers)

    for end in on_ranks(3, train):
        with pytest.raises(RuntimeError, match=r"rows on all 3 ranks after epoch 1, .* rank 1 "):
            raise end


@pytest.mark.parametrize("less", [3, 20, 45])
def test_fewer_rows_on_a_rank_are_an_error_on_all(data, less):
    def train(workers):
        rows = ROWS - less * (workers.rank == 1)
        trainer(lambda: [tuple(each[:rows] for each in data)])(workers)

    ends = on_ranks(3, train)
    assert [type(end) for end in ends] == [RuntimeError] * 3
    if less > 3:
        text = "expected as many steps in an epoch on all 3 ranks, got others on rank"
        assert all(text in str(end) for end in ends)


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_an_error_of_reading_is_one_on_all(data, epoch, at):
    def train(workers):
        def chunks():
            calls.append(1)
            for number, chunk in enumerate(cut(data, 45, 80)()):
                if workers.rank == 1 and (len(calls), number) == (epoch, at):
                    raise OSError("no disk")
                yield chunk

        calls = []
        trainer(chunks)(workers)

    first, failed, last = on_ranks(3, train)
    expected = "workers: expected all 3 ranks to go on, got an error on rank 1: OSError: no disk"
    assert [str(first), str(failed), str(last)] == [expected, "no disk", expected]
