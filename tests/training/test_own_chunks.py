"""Chunks that ranks read themselves: each gives its part of every batch while it has rows."""

import numpy as np
import pytest

from densenet import (
    SGD,
    BatchNorm,
    Callback,
    Checkpoint,
    Dropout,
    EarlyStopping,
    Linear,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    WeightAveraging,
)
from densenet.metrics import accuracy
from tests.support.ranks import all_of, assert_equal, on_ranks

COUNTS = [41, 1, 58]  # of 6, 7 and 7 rows in each batch of 20
LAYERS = [Linear(7, 16), BatchNorm(16), ReLU(), Linear(16, 4)]
DRAWING = [Linear(7, 16), BatchNorm(16), Dropout(0.3), Linear(16, 4)]
SGD_STEPS = {"optimizer": SGD(lr=0.1, momentum=0.5)}


@pytest.fixture
def data(rng):
    x = rng.normal(size=(sum(COUNTS), 7))
    weights = rng.uniform(0.1, 3, len(x)) * 1e3 ** (np.arange(len(x)) // 41)
    return x, x[:, :4].argmax(axis=1), weights


def make(engine="compiled", layers=LAYERS):
    return Network(layers, SoftmaxCrossEntropy(), seed=1, backend=engine, dtype="float64")


def rows_of(rank, counts=COUNTS):
    end = sum(counts[: rank + 1])
    return slice(end - counts[rank], end)


def cut(arrays, *ends):
    """Make a function that gives arrays in chunks which end there."""

    def chunks():
        for begin, end in zip((0, *ends), (*ends, len(arrays[0])), strict=True):
            yield tuple(each[begin:end] for each in arrays)

    return chunks


def trainer(data, make=make, counts=COUNTS, ends=(), **options):
    """Make a function that trains on a rank's chunks, and gives network and history."""
    options = {"epochs": 3, "batch_size": 20, **options}

    def train(workers):
        own = [each[rows_of(workers.rank, counts)] for each in data]
        network = make()
        return network, network.fit(cut(own, *ends), workers=workers, **options)

    return train


def own(train, size=3):
    return on_ranks(size, train, own_rows=True)


def batches(batch_size, counts, drop_last=False):
    """List the rows of each batch, by their numbers."""
    size, taken, listed = len(counts), [0] * len(counts), []
    quotas = [(r + 1) * batch_size // size - r * batch_size // size for r in range(size)]
    while taken != list(counts):
        rows = []
        for rank, quota in enumerate(quotas):
            begin = rows_of(rank, counts).start + taken[rank]
            mine = min(quota, counts[rank] - taken[rank])
            rows += range(begin, begin + mine)
            taken[rank] += mine
        if not drop_last or not listed or len(rows) == batch_size:
            listed.append(rows)
    return listed


# ---- what is computed ----------------------------------------------------------------------------


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
@pytest.mark.parametrize("counts", [COUNTS, [50, 50], [34, 33, 33]], ids=str)
def test_batches_have_rows_of_all_ranks(data, engine, weigh, drop_last, counts):
    rows = data if weigh else data[:2]
    train = trainer(rows, lambda: make(engine), counts, epochs=2, drop_last=drop_last, **SGD_STEPS)
    network, history = assert_equal(own(train, len(counts)))
    alone, losses = make(engine), []
    listed = batches(20, counts, drop_last)
    for _ in range(2):
        for each in listed:
            x, y, *weights = (array[each] for array in rows)
            losses.append(alone.train_step(x, y, SGD_STEPS["optimizer"], *weights))
    np.testing.assert_allclose(history.batch_loss, losses, rtol=1e-11)
    np.testing.assert_allclose(network.flat, alone.flat, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(
        network.running_moments.values(), alone.running_moments.values(), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-12)
    sizes = [data[2][each].sum() if weigh else len(each) for each in listed]
    mean = np.average(losses[: len(listed)], weights=sizes)
    assert history.epochs[0]["loss"] == pytest.approx(mean, rel=1e-11)
    assert history.steps_per_epoch == len(listed)


def test_where_chunks_are_cut_does_not_matter(data):
    cuts = iter([(5,), (30, 31), (40,), (), (1,), ()])

    def train(workers):
        def chunks():
            ends = [end for end in mine.pop(0) if end < COUNTS[workers.rank]]
            return cut([each[rows_of(workers.rank)] for each in data], *ends)()

        mine = [next(cuts) for _ in range(2)]
        network = make(layers=DRAWING)
        return network, network.fit(chunks, workers=workers, epochs=2, batch_size=20)

    whole = trainer(data, lambda: make(layers=DRAWING), epochs=2)
    assert_equal([*own(whole), *own(whole), *own(train)])


def test_validation_and_early_stopping_are_over_all_ranks(data):
    x, y, _ = data

    def train(workers):
        mine = rows_of(workers.rank)
        network = make()
        return network, network.fit(
            cut([x[mine], y[mine]]),
            workers=workers,
            epochs=40,
            batch_size=20,
            validation_data=(x[mine], y[mine]),
            metrics=[accuracy],
            early_stopping=EarlyStopping("val_loss", patience=2, min_delta=0.05),
        )

    network, history = assert_equal(own(train))
    assert history.stopped == "early stopping"
    best = min(history.epochs, key=lambda epoch: epoch["val_loss"])
    assert best["val_loss"] <= network.loss(x, y) + 1e-12
    assert {round(each["val_accuracy"] * 100, 9) % 1 for each in history.epochs} == {0}


def test_one_rank_is_fit_to_the_bit(data):
    train = trainer(data, counts=[100])
    network = make()
    assert_equal([(network, network.fit(cut(data), epochs=3, batch_size=20)), *own(train, 1)])


def test_weights_of_any_size_are_on_one_scale(data):
    x, y, weights = data
    scales = np.repeat([1e-300, 1.0, 1e300], COUNTS)
    assert_equal(own(trainer((x, y, weights * scales))))
    some = trainer((x, y, np.where(scales == 1e300, 1e300 * weights, 0.0)), **SGD_STEPS)
    twin = trainer((x, y, np.where(scales == 1e300, weights, 0.0)), **SGD_STEPS)
    (network, _), (other, _) = assert_equal(own(some)), assert_equal(own(twin))
    np.testing.assert_allclose(network.flat, other.flat, rtol=1e-9, atol=1e-12)


# ---- to stop, and to go on -----------------------------------------------------------------------


class StopsAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, network, step, loss):
        return step == self.step


@pytest.mark.parametrize("step", [3, 9, 12, 18])  # an epoch has 9
@pytest.mark.parametrize("rank", [0, 1])
def test_ranks_go_on_from_the_file_of_rank_0(data, tmp_path, step, rank):
    path = tmp_path / "model"

    def first(workers):
        stops = [StopsAt(step)] if workers.rank == rank else []
        saves = [Checkpoint(path, seconds=0)]
        network, history = trainer(data, lambda: make(layers=DRAWING), callbacks=stops + saves)(
            workers
        )
        assert history.stopped == "callback"
        assert len(history.batch_loss) == step
        if workers.rank == 0:
            network.save(path)

    def rest(workers):
        return trainer(data, lambda: Network.load(path), resume=True)(workers)

    whole = own(trainer(data, lambda: make(layers=DRAWING)))
    assert whole[0][1].steps_per_epoch == 9
    all_of(own(first))
    assert_equal([*whole, *own(rest)])


def test_another_number_of_ranks_is_refused_to_go_on(data):
    networks = {}

    def first(workers):
        networks[workers.rank], _ = trainer(data)(workers)

    def rest(workers):
        trainer(data, lambda: networks[workers.rank], [50, 50], epochs=4, resume=True)(workers)

    all_of(own(first))
    for end in own(rest, 2):
        with pytest.raises(ValueError, match="x: expected chunks on 3 ranks to"):
            raise end


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("epoch", [1, 2])
@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("rank", [0, 2])
def test_an_error_of_reading_is_one_on_all(data, epoch, at, rank):
    def train(workers):
        def chunks():
            calls.append(1)
            for number, chunk in enumerate(cut([each[mine] for each in data], *ends)()):
                if workers.rank == rank and (len(calls), number) == (epoch, at):
                    raise OSError("no disk")
                yield chunk
            if workers.rank == rank and (len(calls), 2) == (epoch, at):
                raise OSError("no disk")

        calls, mine = [], rows_of(workers.rank)
        ends = [20] if workers.rank != 1 else []
        make().fit(chunks, workers=workers, epochs=3, batch_size=20)

    ends = own(train)
    expected = f"workers: expected all 3 ranks to go on, got an error on rank {rank}: OSError: "
    assert str(ends.pop(rank)) == "no disk"
    assert [str(end) for end in ends] == [expected + "no disk"] * 2


@pytest.mark.parametrize("less", [1, 20, 41])
def test_fewer_rows_than_in_the_epoch_before_are_an_error_on_all(data, less):
    def train(workers):
        def chunks():
            calls.append(1)
            mine = rows_of(workers.rank)
            short = less if workers.rank == 0 and len(calls) == 2 else 0
            return cut([each[mine][: COUNTS[workers.rank] - short] for each in data])()

        calls = []
        make().fit(chunks, workers=workers, epochs=3, batch_size=20)

    first, *others = own(train)
    text = "got none in epoch 2" if less == 41 else f"41 rows, as before, got {41 - less} rows in"
    assert text in str(first)
    assert [str(end).endswith(f"ValueError: {first}") for end in others] == [True] * 2


def test_more_rows_are_an_error_on_all(data):
    def train(workers):
        def chunks():
            calls.append(1)
            more = 3 if workers.rank == 1 and len(calls) == 2 else 0
            begin = rows_of(workers.rank).start
            return cut([each[begin : begin + COUNTS[workers.rank] + more] for each in data])()

        calls = []
        make().fit(chunks, workers=workers, epochs=3, batch_size=20)

    first, second, third = own(train)
    assert str(second) == "chunks: expected 1 rows, as in the epoch before, got more"
    assert str(first) == str(third)
    assert str(first).endswith(str(second))


def test_weights_of_some_ranks_are_refused_on_all(data):
    def train(workers):
        trainer(data if workers.rank == 2 else data[:2])(workers)

    expected = "sample_weight: expected weights in the chunks of all ranks or of none, got weights"
    assert [str(end) for end in own(train)] == [
        f"{expected} on rank 2 and no weights on rank 0"
    ] * 3


def test_a_batch_has_a_row_of_each_rank(data):
    for end in own(trainer(data, batch_size=2)):
        with pytest.raises(
            ValueError, match="batch_size: expected at least 3 with chunks of their"
        ):
            raise end


def test_means_of_weights_are_refused_where_moments_cannot_be_measured(data):
    for end in own(trainer(data, callbacks=[WeightAveraging()])):
        with pytest.raises(ValueError, match="callbacks: expected WeightAveraging with a decay"):
            raise end
    assert_equal(own(trainer(data, callbacks=[WeightAveraging(decay=0.9)])))
    plain = [Linear(7, 4)]
    assert_equal(own(trainer(data, lambda: make(layers=plain), callbacks=[WeightAveraging()])))
