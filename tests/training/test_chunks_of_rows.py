"""Training on rows that come in chunks: the bits, the memory and the errors."""

import gc
import weakref

import numpy as np
import pytest

from densenet import (
    Adam,
    Callback,
    Checkpoint,
    EarlyStopping,
    Linear,
    MeanSquaredError,
    Network,
    WeightAveraging,
)
from densenet.metrics import accuracy
from tests.support.assertions import assert_same_bits
from tests.support.errors import error_of
from tests.support.examples import separable
from tests.support.files import through_file
from tests.support.losses import SquaresOfClasses
from tests.support.training import Kill, KilledError, assert_same, make

ROWS = 53
OPTIONS = {"epochs": 3, "batch_size": 8, "optimizer": Adam(lr=0.05)}
CUTS = {
    "whole batches": [16, 8, 24],
    "one chunk": [ROWS],
    "single rows": [1] * ROWS,
    "any": [7, 0, 10, 3, 3, 1, 25],
    "the rest": [48],
}


@pytest.fixture
def data(rng):
    return separable(rng, ROWS, 5)


def cut(sizes, *arrays):
    """A function that gives rows in chunks of these sizes, and then the rest."""

    def chunks():
        begin = 0
        for size in [*sizes, len(arrays[0])]:
            chunk = tuple(array[begin : begin + size] for array in arrays)
            if size == 0 or len(chunk[0]):
                yield chunk
            begin += size

    return chunks


@pytest.mark.parametrize("sizes", CUTS.values(), ids=CUTS)
def test_chunks_give_the_bits_of_their_rows_in_one(engine, data, sizes):
    options = OPTIONS | {"validation_data": data, "metrics": [accuracy]}
    one, two = make(engine), make(engine)
    expected = one.fit(*data, **options, shuffle=False)
    assert_same(two, two.fit(cut(sizes, *data), **options), one, expected)


@pytest.mark.parametrize("sizes", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("soft", [False, True])
def test_weights_and_classes_count_as_in_one(engine, data, sizes, soft, rng):
    """Chunks have weights of other sizes, and one of them none but 0."""
    x, y = data
    weights = rng.uniform(size=ROWS) * np.where(np.arange(ROWS) < 20, 1e-3, 1e6)
    weights[8:24] = 0
    options = OPTIONS | {"class_weight": {0: 0.3, 2: 1.7}, "drop_last": True}
    y = rng.dirichlet(np.ones(3), ROWS) if soft else y
    one, two = make(engine), make(engine)
    expected = one.fit(x, y, sample_weight=weights, **options, shuffle=False)
    history = two.fit(cut(sizes, x, y, weights), **options, shuffle=False)
    assert_same(two, history, one, expected)


def test_a_loss_of_ones_own_and_values_come_in_chunks(engine, data):
    x, y = data
    for loss, targets in ((SquaresOfClasses(), y), (MeanSquaredError(), np.eye(3)[y])):
        one, two = make(engine, loss=loss), make(engine, loss=loss)
        expected = one.fit(x, targets, **OPTIONS, shuffle=False)
        assert_same(two, two.fit(cut([10, 9], x, targets), **OPTIONS), one, expected)


def test_targets_of_a_loss_of_ones_own_may_be_texts(engine, data):
    class Names(SquaresOfClasses):
        def forward(self, outputs, targets):
            return super().forward(outputs, np.char.str_len(targets) - 1)

        def backward(self, outputs, targets):
            return super().backward(outputs, np.char.str_len(targets) - 1)

    x, y = data
    names = np.array(["a", "bb", "ccc"])[y]
    short = [names[begin : begin + 3].tolist() for begin in range(0, ROWS, 3)]

    def chunks():
        for index, some in enumerate(short):
            yield x[3 * index : 3 * index + 3], some

    one, two = make(engine, loss=Names()), make(engine, loss=Names())
    expected = one.fit(x, names, **OPTIONS, shuffle=False)
    assert_same(two, two.fit(chunks, **OPTIONS), one, expected)


def test_chunks_may_be_of_several_types(engine, data):
    """Lists, frames and arrays of any real type: the rows are those of one array."""
    x = np.round(data[0] * 8)
    y = data[1]
    parts = [x[:10].astype(int), x[10:21].astype(np.float32), x[21:40].tolist(), x[40:]]

    def chunks():
        begin = 0
        for part in parts:
            yield [part, y[begin : begin + len(part)].tolist()]
            begin += len(part)

    one, two = make(engine), make(engine)
    expected = one.fit(x, y, **OPTIONS, shuffle=False)
    assert_same(two, two.fit(chunks, **OPTIONS), one, expected)


def test_a_batch_may_be_larger_than_any_array(engine, data):
    one, two = make(engine), make(engine)
    options = OPTIONS | {"batch_size": 2**64}
    expected = one.fit(*data, **options, shuffle=False)
    assert_same(two, two.fit(cut([20], *data), **options), one, expected)


@pytest.mark.parametrize("drop_last", [False, True])
def test_fewer_rows_than_a_batch_are_one(engine, data, drop_last):
    x, y = data[0][:5], data[1][:5]
    one, two = make(engine), make(engine)
    options = OPTIONS | {"drop_last": drop_last}
    expected = one.fit(x, y, **options, shuffle=False)
    assert_same(two, two.fit(cut([2], x, y), **options), one, expected)


@pytest.mark.parametrize(
    "point", [{"step": 1}, {"step": 6}, {"step": 7}, {"step": 11}, {"epoch": 2}]
)
def test_training_on_chunks_resumes(engine, data, tmp_path, point):
    options = OPTIONS | {
        "validation_data": data,
        "early_stopping": EarlyStopping("loss", patience=2),
        "seed": 3,
    }
    weights = np.arange(1.0, ROWS + 1)
    chunks = cut([20, 21], *data, weights)
    whole, network = make(engine), make(engine)
    expected = whole.fit(*data, sample_weight=weights, **options, shuffle=False)
    with pytest.raises(KilledError):
        network.fit(chunks, **options, callbacks=[Kill(**point)])
    again = through_file(network, tmp_path / "model", backend=engine)
    for each in (network, again):
        assert_same(each, each.fit(chunks, **options, resume=True), whole, expected)


def test_a_checkpoint_within_an_epoch_goes_on(data, tmp_path):
    path = tmp_path / "model.safetensors"

    class Always(Checkpoint):
        def is_due(self):
            return True

    whole, network = make(), make()
    expected = whole.fit(*data, **OPTIONS, shuffle=False)
    saving = Always(path, epochs=9)
    with pytest.raises(KilledError):
        network.fit(cut([9], *data), **OPTIONS, callbacks=[saving, Kill(step=10)])
    again = Network.load(path)
    assert_same(again, again.fit(cut([30], *data), **OPTIONS, resume=True), whole, expected)


@pytest.mark.parametrize("rule", [WeightAveraging(0.9), WeightAveraging(start_epoch=2)])
def test_weights_are_averaged(engine, data, rule):
    one, two = make(engine), make(engine)
    expected = one.fit(*data, **OPTIONS, shuffle=False, callbacks=[rule])
    assert_same(two, two.fit(cut([9, 20], *data), **OPTIONS, callbacks=[rule]), one, expected)


class Stop(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, network, step, loss):
        return step == self.step


@pytest.mark.parametrize("step", [1, 3, 7, 9, 14])
def test_a_callback_stops_it_where_it_would_stop_one_array(engine, data, step):
    one, two = make(engine), make(engine)
    expected = one.fit(*data, **OPTIONS, shuffle=False, callbacks=[Stop(step)])
    history = two.fit(cut([24], *data), **OPTIONS, callbacks=[Stop(step)])
    assert_same(two, history, one, expected)


def test_callbacks_see_the_epoch_before_its_chunks(data):
    told = []

    class Note(Callback):
        def on_epoch_begin(self, network, epoch):
            told.append(epoch)

    def chunks():
        told.append("chunks")
        yield data

    make().fit(chunks, **OPTIONS, callbacks=[Note()])
    assert told == [1, "chunks", 2, "chunks", 3, "chunks"]


def test_one_chunk_is_in_memory_at_a_time(engine, data):
    alive, most = weakref.WeakSet(), []

    class Whole(np.ndarray):  # which a weak reference may lead to
        pass

    def read(begin):
        gc.collect()
        most.append(len(alive))
        x = data[0][begin : begin + 20].copy().view(Whole)
        alive.add(Key(x))
        return x, data[1][begin : begin + 20]

    class Key:
        """Lives as long as an array."""

        def __init__(self, array):
            array.key = self

    def chunks():
        yield from map(read, range(0, ROWS, 20))

    make(engine).fit(chunks, **OPTIONS)
    assert most == [0] * 9


def test_a_chunk_may_be_overwritten_when_the_next_is_asked_for(engine, data):
    """As by a reader that fills the same array again."""
    x, y = np.empty((10, 5)), np.empty(10, int)

    def chunks():
        for begin in range(0, ROWS, 10):
            n = min(10, ROWS - begin)
            x[:n], y[:n] = (each[begin : begin + n] for each in data)
            yield x[:n], y[:n]

    one, two = make(engine), make(engine)
    expected = one.fit(*data, **OPTIONS, shuffle=False)
    assert_same(two, two.fit(chunks, **OPTIONS), one, expected)


def test_rows_in_the_networks_memory_are_copied():
    flats = []
    for copies in (True, False):
        network = Network([Linear(4, 1)], MeanSquaredError(), seed=1)

        def chunks(network=network, copies=copies):
            x = network.flat[:4].reshape(1, 4)
            yield (x.copy() if copies else x), [1.0]

        network.fit(chunks, epochs=3)
        flats.append(network.flat)
    assert_same_bits(*flats)


# ---- errors --------------------------------------------------------------------------------------


def after(steps, engine, data):
    """A network that has taken so many steps on rows as they lie."""
    network = make(engine)
    if steps:
        rows = [each[: 8 * steps] for each in data]
        network.fit(*rows, **OPTIONS | {"epochs": 1}, shuffle=False)
    return network


X, Y = np.ones((10, 5)), np.zeros(10, int)
BAD = [
    (X, TypeError, "expected (x, y) or (x, y, sample_weight), got float64 of shape (10, 5)"),
    ((X,), ValueError, "expected (x, y) or (x, y, sample_weight), got 1 elements"),
    ((X[:, :4], Y), ValueError, "x: expected shape (batch, 5), got (10, 4)"),
    ((X[:0, :4], Y[:0]), ValueError, "x: expected shape (batch, 5), got (0, 4)"),
    ((X, Y + 3), ValueError, "y: expected class indices in [0, 3), got 3"),
    ((X, Y[:9]), ValueError, "y: expected shape (10,), got (9,)"),
    (
        (X, np.eye(3)[Y]),
        ValueError,
        "y: expected shape (batch), as in the chunks before, got (10, 3)",
    ),
    (
        (X, Y, np.ones(10)),
        ValueError,
        "sample_weight: expected None, as in the chunks before, got weights",
    ),
    ((X, Y, -np.ones(10)), ValueError, "sample_weight: expected finite numbers >= 0, got -1"),
]


@pytest.mark.parametrize(("bad", "kind", "text"), BAD)
def test_a_bad_chunk_ends_training_at_the_last_whole_step(engine, data, bad, kind, text):
    def chunks():
        yield data[0][:20], data[1][:20]
        yield bad

    network = make(engine)
    error = error_of(lambda: network.fit(chunks, **OPTIONS), [])
    assert (type(error), str(error)) == (kind, f"chunks[1]: {text}")
    assert_same_bits(network.flat, after(2, engine, data).flat)


def test_what_reading_raises_comes_out_as_it_is(engine, data):
    """And training goes on when the data are there again."""

    def chunks():
        yield data[0][:20], data[1][:20]
        raise OSError("the disk is gone")

    whole, network = make(engine), make(engine)
    with pytest.raises(OSError, match=r"^the disk is gone$"):
        network.fit(chunks, **OPTIONS)
    assert_same_bits(network.flat, after(2, engine, data).flat)
    expected = whole.fit(*data, **OPTIONS, shuffle=False)
    history = network.fit(cut([], *data), **OPTIONS, resume=True)
    assert_same(network, history, whole, expected)


def epochs_of(*sizes):
    """A function that gives so many rows in one epoch after the other."""
    left = iter(sizes)
    return lambda: [(np.ones((n, 5)), np.zeros(n, int)) for n in [next(left)] if n]


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ([16, 9], "expected 16 rows, as before, got 9 rows in epoch 2"),
        ([16, 8], "expected 16 rows, as before, got 8 rows in epoch 2"),
        ([16, 17], "expected 16 rows, as in the epoch before, got more"),
        (
            [0],
            "expected rows in each epoch, got none in epoch 1: the function has to begin anew "
            "with each call",
        ),
        (
            [16, 0],
            "expected rows in each epoch, got none in epoch 2: the function has to begin "
            "anew with each call",
        ),
    ],
)
def test_epochs_have_the_same_number_of_rows(engine, sizes, text):
    network = make(engine)
    error = error_of(lambda: network.fit(epochs_of(*sizes), **OPTIONS), [])
    assert (type(error), str(error)) == (ValueError, f"chunks: {text}")


def test_an_epoch_that_goes_on_has_its_rows_again(engine, data):
    network = make(engine)
    with pytest.raises(KilledError):
        network.fit(cut([], *data), **OPTIONS, callbacks=[Kill(step=5)])
    flat = network.flat.copy()
    few = [each[:32] for each in data]
    error = error_of(lambda: network.fit(cut([], *few), **OPTIONS, resume=True), [])
    text = "chunks: expected 5 steps, as before, got 4 steps in epoch 1"
    assert (type(error), str(error)) == (ValueError, text)
    assert_same_bits(network.flat, flat)


def test_an_iterator_that_cannot_begin_anew_is_refused(engine, data):
    once = iter([data])
    network = make(engine)
    error = error_of(lambda: network.fit(lambda: once, **OPTIONS), [])
    assert "got none in epoch 2" in str(error)
    assert network.optimizer_state["step"] == 7


REFUSED = [
    (
        {"x": iter([(X, Y)])},
        TypeError,
        "y: expected targets, or in place of x a function that gives chunks of rows anew for each "
        "epoch, got None beside list_iterator",
    ),
    (
        {"x": X},
        TypeError,
        "y: expected targets, or in place of x a function that gives chunks of rows anew for each "
        "epoch, got None beside float64 of shape (10, 5)",
    ),
    (
        {"sample_weight": np.ones(10)},
        TypeError,
        "sample_weight: expected None with chunks, which are (x, y, sample_weight) where rows have "
        "weights, got float64 of shape (10,)",
    ),
    (
        {"shuffle": True},
        ValueError,
        "shuffle: expected False or None with chunks, whose rows are learned from as they come, "
        "got True",
    ),
    (
        {"shuffle": "blocks"},
        ValueError,
        "shuffle: expected False or None with chunks, whose rows are learned from as they come, "
        "got 'blocks'",
    ),
    (
        {"class_weight": "balanced"},
        TypeError,
        "class_weight: expected a dict with chunks, whose classes nobody has counted, got "
        "'balanced'",
    ),
    (
        {"x": lambda: 3},
        TypeError,
        "chunks: expected a function that gives an iterable of chunks, got int of it",
    ),
]


@pytest.mark.parametrize(("given", "kind", "text"), REFUSED)
def test_arguments_that_do_not_go_with_chunks_are_refused(engine, given, kind, text):
    network = make(engine)
    flat = network.flat.copy()
    error = error_of(lambda: network.fit(**{"x": lambda: [(X, Y)], **given}), [])
    assert (type(error), str(error)) == (kind, text)
    assert_same_bits(network.flat, flat)


def test_a_callback_may_not_give_rows_beside_chunks(engine, data):
    class Give(Callback):
        def on_epoch_begin(self, network, epoch):
            return data

    error = error_of(lambda: make(engine).fit(cut([], *data), **OPTIONS, callbacks=[Give()]), [])
    assert str(error) == "on_epoch_begin: expected None with chunks, which are the rows, got tuple"


def test_rows_and_chunks_do_not_take_over_from_each_other(data):
    network = make()
    network.fit(*data, **OPTIONS, shuffle=False)
    error = error_of(lambda: network.fit(cut([], *data), **OPTIONS, resume=True), [])
    assert str(error) == "x: expected 53 rows to resume, got chunks"
