"""Callbacks that give the rows of an epoch."""

import numpy as np
import pytest

from densenet import Adam, Callback, EarlyStopping, MeanSquaredError, Network
from densenet.layers import Linear
from densenet.training import orders, reading
from tests.support.assertions import assert_same_bits
from tests.support.examples import separable
from tests.support.files import through_file
from tests.support.losses import SquaresOfClasses
from tests.support.training import Kill, KilledError, assert_same, make

ROWS = 23
OPTIONS = {"epochs": 4, "batch_size": 8, "optimizer": Adam(lr=0.05)}


@pytest.fixture
def data(rng):
    return separable(rng, ROWS, 5)


class Give(Callback):
    """Gives what a function makes of an epoch's number; keeps the numbers."""

    def __init__(self, function):
        self.function, self.epochs = function, []

    def on_epoch_begin(self, network, epoch):
        self.epochs.append(epoch)
        return self.function(epoch)


def drawn(epoch):
    return separable(np.random.default_rng(epoch), ROWS, 5)


def test_an_epoch_learns_from_the_rows_it_is_given(engine, data):
    """The epochs equal calls of fit with those rows, one after the other."""
    weights = np.arange(1.0, ROWS + 1)
    whole, parts = make(engine), make(engine)
    give = Give(lambda epoch: None if epoch == 2 else drawn(epoch))
    history = whole.fit(*data, **OPTIONS, sample_weight=weights, callbacks=[give])
    assert give.epochs == [1, 2, 3, 4]
    losses = []
    for epoch in give.epochs:
        rows = data if epoch == 2 else drawn(epoch)
        losses += parts.fit(*rows, **OPTIONS | {"epochs": 1}, sample_weight=weights).batch_loss
    assert history.batch_loss == losses
    assert_same_bits(whole.flat, parts.flat)


def test_new_rows_may_be_of_another_kind(engine, data):
    """Another type, a list, soft targets: the same numbers give the same bits."""
    x, y = data[0].astype(np.float32), data[1]
    expected = make(engine)
    expected.fit(x, y, **OPTIONS)
    for rows in ((x.tolist(), y.tolist()), (np.asfortranarray(x.astype(float)), y.astype("u1"))):
        network = make(engine)
        network.fit(np.zeros((ROWS, 5)), y, **OPTIONS, callbacks=[Give(lambda _, r=rows: r)])
        assert_same_bits(network.flat, expected.flat)
    soft = make(engine)
    soft.fit(x, y, **OPTIONS, callbacks=[Give(lambda _: (x, np.eye(3)[y]))])
    np.testing.assert_allclose(soft.flat, expected.flat, rtol=1e-4, atol=1e-5)


def test_a_loss_of_ones_own_gets_the_targets_it_is_given(engine, data):
    one, two = (make(engine, loss=SquaresOfClasses()) for _ in range(2))
    one.fit(*drawn(0), **OPTIONS)
    two.fit(*data, **OPTIONS, callbacks=[Give(lambda _: drawn(0))])
    assert_same_bits(one.flat, two.flat)


@pytest.mark.parametrize("point", [{"step": 1}, {"step": 5}, {"epoch": 2}, {"step": 11}])
def test_training_with_new_rows_resumes(engine, data, tmp_path, point):
    """With validation and early stopping."""
    options = OPTIONS | {
        "validation_data": drawn(9),
        "early_stopping": EarlyStopping(patience=3),
    }
    whole = make(engine)
    expected = whole.fit(*data, **options, callbacks=[Give(drawn)])
    network = make(engine)
    with pytest.raises(KilledError):
        network.fit(*data, **options, callbacks=[Give(drawn), Kill(**point)])
    again = through_file(network, tmp_path / "model", backend=engine)
    for each in (network, again):
        history = each.fit(*data, **options, callbacks=[Give(drawn)], resume=True)
        assert_same(each, history, whole, expected)


def test_mapped_rows_may_be_given(monkeypatch, data, tmp_path):
    monkeypatch.setattr(orders, "_BLOCK", 160)
    monkeypatch.setattr(orders, "_GROUP", 640)
    made, make_reader = [], reading.Reader
    monkeypatch.setattr(reading, "Reader", lambda *g: made.append(g) or make_reader(*g))

    def mapped(epoch):
        x, y = drawn(epoch)
        np.save(tmp_path / f"{epoch}.npy", x)
        return np.load(tmp_path / f"{epoch}.npy", mmap_mode="r"), y

    one, two = make(), make()
    one.fit(*data, **OPTIONS, shuffle="blocks", callbacks=[Give(drawn)])
    assert not made
    two.fit(*data, **OPTIONS, shuffle="blocks", callbacks=[Give(mapped)])
    assert len(made) == 4
    assert_same_bits(one.flat, two.flat)


def test_rows_in_the_networks_memory_are_copied():
    """A step would change them."""
    flats = []
    for copies in (True, False):
        network = Network([Linear(4, 1)], MeanSquaredError(), seed=1)

        def give(_, network=network, copies=copies):
            x = network.flat[:4].reshape(1, 4)
            return (x.copy() if copies else x), [1.0]

        network.fit(np.ones((1, 4)), [1.0], epochs=3, callbacks=[Give(give)])
        flats.append(network.flat)
    assert_same_bits(*flats)


def test_x_may_be_changed_in_place(engine, data):
    x, y = data

    def change(epoch):
        x[...] = drawn(epoch)[0]

    one, two = make(engine), make(engine)
    one.fit(x.copy(), y, **OPTIONS, callbacks=[Give(lambda epoch: (drawn(epoch)[0], y))])
    two.fit(x, y, **OPTIONS, callbacks=[Give(change)])
    assert_same_bits(one.flat, two.flat)


def test_columns_that_lie_one_after_another_are_copied_at_the_start(engine, data):
    """What is written into them later changes nothing."""
    x, y = data
    columns = np.asfortranarray(x)

    def change(epoch):
        columns[...] = epoch

    one, two = make(engine), make(engine)
    one.fit(x, y, **OPTIONS)
    two.fit(columns, y, **OPTIONS, callbacks=[Give(change)])
    assert_same_bits(one.flat, two.flat)


def test_which_rows_are_copied(tmp_path):
    """Those of a frame's columns; not those of a mapped file, or of one value for all."""
    rows = np.arange(12.0).reshape(4, 3)
    for x in (np.asfortranarray(rows), np.asfortranarray(rows)[:, 1:]):
        copied = orders.row_by_row(x)
        assert copied.flags.c_contiguous
        assert_same_bits(copied, x)
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=(3, 5)).T
    for x in (rows, rows[::-1], rows[:, ::2], mapped, np.broadcast_to([[1.0]], (4, 3))):
        assert orders.row_by_row(x) is x


REFUSED = [
    (True, TypeError, "on_epoch_begin: expected a pair (x, y), got bool"),
    (np.ones((2, 5)), TypeError, "on_epoch_begin: expected a pair (x, y), got float64 of shape "
     "(2, 5)"),
    ((1, 2, 3), ValueError, "on_epoch_begin: expected a pair (x, y), got 3 elements"),
    (
        (np.ones((ROWS, 4)), np.zeros(ROWS, int)),
        ValueError,
        f"on_epoch_begin: x: expected shape (batch, 5), got ({ROWS}, 4)",
    ),
    (
        (np.ones((22, 5)), np.zeros(22, int)),
        ValueError,
        f"on_epoch_begin: x: expected {ROWS} rows, got shape (22, 5)",
    ),
    (
        (np.ones((ROWS, 5)), np.full(ROWS, 3)),
        ValueError,
        "on_epoch_begin: y: expected class indices in [0, 3), got 3",
    ),
    (
        (np.ones((ROWS, 5)), np.zeros(4, int)),
        ValueError,
        f"on_epoch_begin: y: expected shape ({ROWS},), got (4,)",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("given", "kind", "text"), REFUSED)
def test_rows_that_do_not_fit_are_refused(engine, data, given, kind, text):
    """The network is as the last step left it, and training can be resumed."""
    whole = make(engine)
    expected = whole.fit(*data, **OPTIONS)
    network, until = make(engine), make(engine)
    with pytest.raises(kind) as caught:
        network.fit(*data, **OPTIONS, callbacks=[Give({1: None, 2: given}.get)])
    assert str(caught.value) == text
    until.fit(*data, **OPTIONS | {"epochs": 1})
    assert_same_bits(network.flat, until.flat)
    assert_same(network, network.fit(*data, **OPTIONS, resume=True), whole, expected)


def test_one_callback_gives_rows(engine, data):
    both = [Give(drawn), Give(drawn)]
    text = "on_epoch_begin: expected rows from one callback in an epoch, got them from 2"
    with pytest.raises(ValueError, match=f"^{text}$"):
        make(engine).fit(*data, **OPTIONS, callbacks=both)
    turns = [Give({1: drawn(1), 3: drawn(3)}.get), Give({2: drawn(2)}.get)]
    one, two = make(engine), make(engine)
    one.fit(*data, **OPTIONS, callbacks=turns)
    two.fit(*data, **OPTIONS, callbacks=[Give(lambda e: drawn(e) if e < 4 else None)])
    assert_same_bits(one.flat, two.flat)


# ---- parts ---------------------------------------------------------------------------------------


def test_calls_with_parts_of_the_rows_give_the_bits_of_one_call(engine, rng):
    """Parts of whole batches, in each epoch anew; dropout, moments and running moments go on."""
    x, y = separable(rng, 60, 5)
    options = OPTIONS | {"batch_size": 10, "shuffle": False}
    whole, parts = make(engine), make(engine)
    history = whole.fit(x, y, **options)
    losses = []
    for _ in range(options["epochs"]):
        for begin, end in ((0, 20), (20, 50), (50, 60)):
            part = parts.fit(x[begin:end], y[begin:end], **options | {"epochs": 1})
            losses += part.batch_loss
    assert losses == history.batch_loss
    assert_same_bits(parts.flat, whole.flat)
