"""Batch normalisation over ranks: the moments are those of whole batches, and the same on all."""

import numpy as np
import pytest

import densenet as dn
from densenet import (
    SGD,
    Adam,
    BatchNorm,
    Callback,
    Checkpoint,
    Dropout,
    Linear,
    Network,
    ReLU,
    Residual,
    SoftmaxCrossEntropy,
    Tanh,
)
from densenet._engine.layout import Layout
from densenet._engine.memory import aligned
from densenet.training.shared_moments import SharedMoments, widths_of
from tests.support.assertions import assert_same_bits
from tests.support.ranks import Fails, all_of, assert_equal, in_batches, on_ranks, parts
from tests.support.threads import assert_same_for_all_numbers

# The first layer with parameters needs no sums backwards; one within a block does.
LAYERS = [
    BatchNorm(7),
    Linear(7, 16),
    BatchNorm(16),
    Tanh(),
    Dropout(0.3),
    Residual([Linear(16, 16), BatchNorm(16), Tanh()]),
    Linear(16, 4),
]
ROWS = 103  # in batches of 20: the last one has 3 rows
SUMS = len(widths_of(Layout(LAYERS)))


@pytest.fixture
def data(rng):
    x = rng.normal(size=(ROWS, 7)) * np.arange(1, 8) + 100
    return x, (x - 100)[:, :4].argmax(axis=1), rng.uniform(0.1, 3, ROWS) * (rng.random(ROWS) > 0.3)


def make(engine="compiled", dtype="float64", layers=LAYERS):
    return Network(layers, SoftmaxCrossEntropy(), seed=1, backend=engine, dtype=dtype)


def trainer(data, make=make, weigh=False, **options):
    """Make a function that trains on the workers given, and gives network and history."""
    options = {"epochs": 3, "batch_size": 20, "optimizer": SGD(lr=0.1, momentum=0.5), **options}
    if weigh:
        options["sample_weight"] = data[2]

    def train(workers=None):
        network = make()
        return network, network.fit(*data[:2], workers=workers, **options)

    return train


def assert_close(ours, twin, tolerance=1e-12):
    """Compare networks and histories, each array by its largest element, or 1."""
    (network, history), (alone, whole) = ours, twin
    pairs = [
        (network.flat, alone.flat),
        *zip(network.running_moments.values(), alone.running_moments.values(), strict=True),
        (np.array(history.batch_loss), np.array(whole.batch_loss)),
    ]
    for a, b in pairs:
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * max(1, np.abs(b).max()))


# ---- what is computed ----------------------------------------------------------------------------


@pytest.mark.parametrize("weigh", [False, True])
@pytest.mark.parametrize("size", [2, 3, 7])
def test_ranks_normalise_as_one_process_does(data, engine, size, weigh):
    train = trainer(data, lambda: make(engine), weigh)
    assert_close(assert_equal(on_ranks(size, train)), train())


def test_float32(data, engine):
    train = trainer(data, lambda: make(engine, "float32"))
    assert_close(assert_equal(on_ranks(3, train)), train(), 1e-4)


OPTIONS = {
    "clipping": {"optimizer": SGD(lr=0.1, clip_norm=0.1, clip_value=0.01, l2=1e-3)},
    "frozen": {"optimizer": SGD(lr=0.1, trainable=["6"])},
    "drop_last": {"drop_last": True, "shuffle": False},
    "tolerance": {"tolerance": 0.4, "epochs": 50},
    "one row": {"batch_size": 1, "epochs": 1},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_of_fit_mean_the_same(data, options):
    train = trainer(data, **options)
    ours, twin = assert_equal(on_ranks(2, train)), train()
    assert_close(ours, twin, 1e-11)
    assert ours[1].stopped == twin[1].stopped


def test_a_batch_without_weight_moves_nothing(data):
    x, y, _ = data
    weight = np.ones(ROWS)
    weight[:20] = 0
    for exact in (False, True):
        train = trainer((x, y, weight), weigh=True, shuffle=False, epochs=1)
        ours = assert_equal(on_ranks(2, train, exact))
        assert_close(ours, train())
        assert ours[1].batch_loss[0] == 0


def test_a_step_that_diverges_moves_no_moments(data, engine):
    x = data[0].copy()
    x[31] = np.inf

    def train(workers=None):
        network = make(engine)
        options = {"batch_size": 20, "shuffle": False, "optimizer": SGD(lr=0.1)}
        return network, dn.training.fit(network, x, data[1], workers=workers, **options)

    alone, history = train()
    ends = all_of(on_ranks(2, train))
    assert [each.stopped for _, each in [*ends, (alone, history)]] == ["diverged"] * 3
    for network, _ in ends:
        assert_close(
            (network, dn.History(history.batch_loss[:1])),
            (alone, dn.History(history.batch_loss[:1])),
        )


def test_one_rank_and_a_repeat_give_the_same_bits(data, engine):
    train = trainer(data, lambda: make(engine), weigh=True)
    assert_equal([train(), *on_ranks(1, train)])
    assert_equal([*on_ranks(3, train), *on_ranks(3, train)])


def test_exact_sums_do_not_depend_on_the_number_of_ranks(rng, engine, dtype):
    x = rng.normal(size=(233, 7))  # batches of 5 chunks and of 3
    data = x, x[:, :4].argmax(axis=1), rng.uniform(size=len(x))
    train = trainer(data, lambda: make(engine, dtype), weigh=True, epochs=1, batch_size=150)
    ends = [end for size in (1, 2, 3, 7) for end in on_ranks(size, train, exact=True)]
    assert_close(assert_equal(ends), train(), 1e-12 if dtype == "float64" else 1e-4)


def test_chunks_are_their_rows(data):
    x, y, _ = data

    def chunks():
        for rows in (slice(0, 33), slice(33, 34), slice(34, ROWS)):
            yield x[rows], y[rows]

    def train(workers):
        network = make()
        return network, network.fit(chunks, workers=workers, epochs=3, batch_size=20)

    whole = trainer(data, shuffle=False, optimizer=Adam())
    assert_equal([*on_ranks(3, train), *on_ranks(3, whole)])


def test_moments_of_rows_far_from_zero_are_sound(rng, engine):
    x = 1e6 + rng.normal(size=(64, 3))
    train = trainer(
        (x, rng.integers(3, size=64)),
        lambda: make(engine, layers=[BatchNorm(3), Linear(3, 3)]),
        epochs=1,
        batch_size=64,
    )
    network, _ = assert_equal(on_ranks(3, train))
    variance = network.running_moments["0.running_var"]
    expected = 0.9 + 0.1 * x.var(axis=0, ddof=1)
    np.testing.assert_allclose(variance, expected, rtol=1e-9)


# ---- rows of one's own ---------------------------------------------------------------------------


@pytest.mark.parametrize("counts", [[50, 53], [60, 1, 42]], ids=str)
@pytest.mark.parametrize("weigh", [False, True])
def test_ranks_with_their_own_rows_normalise_over_all(data, engine, counts, weigh):
    batch_size = 20
    options = {"shuffle": False, "epochs": 2}

    def train(workers):
        own = tuple(each[parts(counts)[workers.rank]] for each in data)
        return trainer(own, lambda: make(engine), weigh, **options)(workers)

    order = in_batches(batch_size, counts)
    alone = trainer([each[order] for each in data], lambda: make(engine), weigh, **options)
    # Dropout draws by the place of a row in its batch, which is the same here and there.
    assert_close(assert_equal(on_ranks(len(counts), train, own_rows=True)), alone(), 1e-11)


@pytest.mark.parametrize("own_rows", [False, True])
def test_moments_of_averaged_weights_are_measured_over_all_ranks(data, engine, own_rows):
    x, y, _ = data
    layers = [Linear(7, 5), BatchNorm(5), Tanh(), Linear(5, 4)]
    counts = [60, 1, 42]
    options = {"callbacks": [dn.WeightAveraging()], "shuffle": False}

    def train(workers):
        rows = parts(counts)[workers.rank] if own_rows else slice(None)
        own = x[rows], y[rows]
        return trainer(own, lambda: make(engine, layers=layers), **options)(workers)

    order = in_batches(20, counts) if own_rows else slice(None)
    alone = trainer((x[order], y[order]), lambda: make(engine, layers=layers), **options)
    assert_close(assert_equal(on_ranks(3, train, own_rows=own_rows)), alone())


# ---- to stop, and to go on -----------------------------------------------------------------------


class StopsAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_step_end(self, network, step, loss):
        return step == self.step


@pytest.mark.parametrize("step", [3, 5, 6, 12])
@pytest.mark.parametrize("own_rows", [False, True])
def test_ranks_go_on_from_the_file_of_rank_0(data, engine, tmp_path, step, own_rows):
    path, counts = tmp_path / "model", [60, 1, 42]
    options = {"epochs": 3, "batch_size": 20}
    flags, others = ({"own_rows": True}, 3) if own_rows else ({"exact": True}, 2)

    def rows(workers):
        return [each[parts(counts)[workers.rank]] if own_rows else each for each in data[:2]]

    def whole(workers):
        return trainer(rows(workers), lambda: make(engine), optimizer=None)(workers)

    def first(workers):
        network = make(engine)
        stops = [StopsAt(step)] if workers.rank == 1 else []
        saves = [Checkpoint(path, seconds=0)]
        network.fit(*rows(workers), **options, workers=workers, callbacks=stops + saves)
        if workers.rank == 0:
            network.save(path)

    def rest(workers):
        network = Network.load(path, backend=engine)
        return network, network.fit(*rows(workers), **options, workers=workers, resume=True)

    all_of(on_ranks(3, first, **flags))
    assert_equal([*on_ranks(others, whole, **flags), *on_ranks(others, rest, **flags)])


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("at", range(SUMS + 1))
@pytest.mark.parametrize("exact", [False, True])
def test_an_error_within_a_pass_is_one_on_all(data, engine, monkeypatch, at, exact):
    """After some of a step's sums: as many as there are leaves the gradient's message."""
    error, networks = KeyboardInterrupt("enough"), {}

    def failing(method):
        def call(self, given):
            method(self, given)
            if self._ranks.rank == 1 and self._rows and len(self._means) == at:
                raise error

        return call

    for name in ("begin", "put"):
        monkeypatch.setattr(SharedMoments, name, failing(getattr(SharedMoments, name)))

    def train(workers):
        networks[workers.rank] = network = make(engine)
        network.fit(*data[:2], batch_size=20, workers=workers)

    first, failed, last = on_ranks(3, train, exact)
    assert failed is error
    expected = "workers: expected all 3 ranks to go on, got an error on rank 1: KeyboardInterrupt"
    assert [str(end).startswith(expected) for end in (first, last)] == [True] * 2
    untouched = make(engine)
    for network in networks.values():
        assert_same_bits(network.flat, untouched.flat)
        assert_same_bits(network._learner.running, untouched._learner.running)


class Breaks:
    """Workers whose engine fails in a message of a rank, and of all that wait for it."""

    def __init__(self, workers, message):
        self.rank, self.size, self.exact = workers.rank, workers.size, workers.exact
        self.broadcast, self._workers = workers.broadcast, workers
        self.left = message

    def allreduce(self, array):
        self.left -= 1
        if self.left < 0:
            raise ConnectionError("Connection closed by peer")
        self._workers.allreduce(array)


@pytest.mark.parametrize("at", range(SUMS + 1))
@pytest.mark.parametrize("exact", [False, True])
def test_an_error_of_the_engine_is_raised_as_it_is(data, engine, at, exact):
    """In one of a step's sums, or in the gradient's message."""
    networks = {}

    def train(workers):
        networks[workers.rank] = network = make(engine)
        before = 2  # messages, in which ranks compare what they are given
        network.fit(*data[:2], batch_size=20, workers=Breaks(workers, before + at))

    ends = on_ranks(3, train, exact)
    assert [repr(end) for end in ends] == ["ConnectionError('Connection closed by peer')"] * 3
    untouched = make(engine)
    for network in networks.values():
        assert_same_bits(network.flat, untouched.flat)
        assert_same_bits(network._learner.running, untouched._learner.running)


@pytest.mark.parametrize("when", [("begin", 2), ("step", 4), ("step", 6), ("end", 1), ("end", 3)])
@pytest.mark.parametrize("exact", [False, True])
def test_an_error_of_a_callback_is_one_on_all(data, when, exact):
    def train(workers):
        callbacks = [Fails(when)] if workers.rank == 1 else []
        network = make()
        network.fit(*data[:2], epochs=3, batch_size=20, workers=workers, callbacks=callbacks)

    first, failed, last = on_ranks(3, train, exact)
    expected = "workers: expected all 3 ranks to go on, got an error on rank 1: OSError: no space"
    assert [str(first), str(failed), str(last)] == [expected, "no space", expected]


class Drifts(Callback):
    """Does what no callback may do: changes the network on one rank alone."""

    def on_epoch_end(self, network, record):
        network._learner.running[0] += 1e-6


def test_other_moments_are_found_at_the_end_of_the_epoch(data):
    def train(workers):
        callbacks = [Drifts()] if workers.rank == 1 else []
        make().fit(*data[:2], batch_size=20, workers=workers, callbacks=callbacks)

    for end in on_ranks(2, train):
        with pytest.raises(RuntimeError, match=r"after epoch 1, got others on rank 1 than on"):
            raise end


# ---- a pass over a part of a batch ---------------------------------------------------------------


def part_of_a_batch(network, rows, means):
    """Give loss and gradient of some rows of a batch, whose means the function gives."""
    learner = network._learner
    x, y = rows
    gradient = aligned(learner.layout.size, learner.dtype)
    mode = learner.mode(training=True)._replace(means=means)
    loss = learner.engine.loss_and_gradient(learner.flat, learner.examples(x, y), gradient, mode)
    return loss, gradient


ORDERS = {
    "first": LAYERS,
    "after dropout": [Dropout(0.3), BatchNorm(7), Linear(7, 4), BatchNorm(4)],
    "in a block": [Residual([BatchNorm(7), ReLU(), Linear(7, 7)]), BatchNorm(7), Linear(7, 4)],
    "after LayerNorm": [dn.LayerNorm(7), BatchNorm(7), Linear(7, 4, bias=False)],
    "last": [Linear(7, 4, bias=False), BatchNorm(4)],
    "none": [Linear(7, 4)],
}


@pytest.mark.parametrize("layers", ORDERS.values(), ids=ORDERS)
def test_means_are_asked_for_in_one_order(data, engine, layers):
    network, asked = make(engine, layers=layers), []

    def means(sums):
        asked.append(len(sums))
        assert sums.flags.c_contiguous
        assert sums.dtype == network.dtype
        sums /= ROWS

    before = network._learner.running.copy()
    loss, gradient = part_of_a_batch(network, data[:2], means)
    assert asked == widths_of(network._learner.layout)
    assert_same_bits(network._learner.running, before)
    twin, its_gradient = network.loss_and_gradient(*data[:2])
    assert loss == pytest.approx(twin, rel=1e-12)
    np.testing.assert_allclose(gradient, its_gradient, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rows", [1, 7, 64, 65])
def test_any_number_of_threads_gives_the_same_bits(keep_threads, dtype, rng, rows):
    layers = [Linear(300, 300), BatchNorm(300), ReLU(), BatchNorm(300), Linear(300, 10)]
    network = Network(layers, SoftmaxCrossEntropy(), dtype=dtype, seed=1)
    x, y = rng.normal(size=(rows, 300)).astype(dtype), rng.integers(10, size=rows)

    def compute():
        seen = []

        def means(sums):
            seen.append(sums.copy())
            sums /= 2 * rows
            sums += 1

        return [*part_of_a_batch(network, (x, y), means), *seen]

    assert_same_for_all_numbers(compute)


@pytest.mark.parametrize("at", range(SUMS))
def test_what_the_means_raise_ends_the_pass(keep_threads, data, engine, at):
    dn.config.set_num_threads(2)
    network, asked = make(engine), []
    expected = network.loss_and_gradient(*data[:2])
    before = network._learner.running.copy()
    error = KeyboardInterrupt("enough")

    def means(sums):
        asked.append(sums)
        if len(asked) > at:
            raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        part_of_a_batch(network, data[:2], means)
    assert caught.value is error
    assert len(asked) == at + 1
    assert_same_bits(network._learner.running, before)
    loss, gradient = make(engine).loss_and_gradient(*data[:2])
    assert (loss, gradient.tobytes()) == (expected[0], expected[1].tobytes())


def test_others_read_while_means_are_asked_for(data, engine):
    network = make(engine)
    expected, seen = network.predict(data[0]), []

    def means(sums):
        seen.append(network.predict(data[0]))
        sums /= ROWS

    part_of_a_batch(network, data[:2], means)
    assert len(seen) == SUMS
    for each in seen:
        assert_same_bits(each, expected)


def test_nobody_trains_while_means_are_asked_for(data):
    network = make()

    def means(sums):
        network.loss_and_gradient(*data[:2])

    with pytest.raises(RuntimeError, match="loss_and_gradient"):
        part_of_a_batch(network, data[:2], means)
