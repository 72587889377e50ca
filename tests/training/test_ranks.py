"""One network trained by many ranks: batches of one process, the same bits on all ranks."""

import os

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
    EarlyStopping,
    LayerNorm,
    Linear,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    WeightAveraging,
)
from densenet.metrics import accuracy
from densenet.training.ranks import Parts, halves
from tests.support.assertions import assert_same_bits
from tests.support.losses import SquaresOfClasses
from tests.support.ranks import Fails, all_of, assert_equal, on_ranks
from tests.support.training import assert_same

LAYERS = [Linear(7, 16), LayerNorm(16), ReLU(), Dropout(0.3), Linear(16, 4)]
ROWS = 103  # in batches of 40: the last one has 23 rows


@pytest.fixture
def data(rng):
    x = rng.normal(size=(ROWS, 7)).astype(np.float32)
    return x, x[:, :4].argmax(axis=1)


def make(engine="compiled", dtype="float32", loss=None, layers=LAYERS, precision="highest"):
    loss = loss or SoftmaxCrossEntropy()
    return Network(layers, loss, seed=1, backend=engine, dtype=dtype, precision=precision)


def trainer(data, make=make, **options):
    """Make a function that trains on the workers given, and gives network and history."""
    options = {"epochs": 3, "batch_size": 40, **options}

    def train(workers=None):
        network = make()
        return network, network.fit(*data, workers=workers, **options)

    return train


# ---- what is computed ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [2, 3, 25])
def test_ranks_train_as_one_process_does(data, engine, dtype, size):
    train = trainer(data, lambda: make(engine, dtype), optimizer=Adam(lr=1e-2))
    alone, history = train()
    network, its_history = assert_equal(on_ranks(size, train))
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(its_history.batch_loss, history.batch_loss, rtol=tolerance)
    np.testing.assert_allclose(network.flat, alone.flat, rtol=tolerance, atol=tolerance)


def test_one_rank_is_fit_to_the_bit(data, engine):
    for layers in (LAYERS, [Linear(7, 5), BatchNorm(5), Linear(5, 4)]):
        train = trainer(data, lambda layers=layers: make(engine, layers=layers), seed=3)
        (end,) = all_of(on_ranks(1, train))
        assert_equal([train(), end])
    train = trainer(data, lambda: make(engine, loss=SquaresOfClasses()))
    assert_equal([train(), *all_of(on_ranks(1, train))])


def test_a_repeat_gives_the_same_bits(data):
    train = trainer(data, seed=4)
    assert_equal([*on_ranks(3, train), *on_ranks(3, train)])


OPTIONS = {
    "weights": {"sample_weight": np.arange(ROWS) % 5, "class_weight": "balanced"},
    "clipping": {"optimizer": SGD(lr=0.1, momentum=0.9, clip_norm=0.1, clip_value=0.01, l2=1e-3)},
    "schedule": {"optimizer": Adam(lr=dn.StepLR(0.01, 2, 0.5), lr_factors={"0": 0.5})},
    "frozen": {"optimizer": SGD(lr=0.1, trainable=["4"])},
    "order": {"shuffle": False, "drop_last": True},
    "blocks": {"shuffle": "blocks", "seed": 5},
    "averages": {"callbacks": [WeightAveraging(decay=0.9)]},
    "tolerance": {"tolerance": 0.35, "epochs": 50, "optimizer": SGD(lr=0.1)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_options_of_fit_mean_the_same(data, options):
    def make_wide():
        return make(dtype="float64")

    alone, history = trainer(data, make_wide, **options)()
    network, its_history = assert_equal(on_ranks(2, trainer(data, make_wide, **options)))
    np.testing.assert_allclose(its_history.batch_loss, history.batch_loss, rtol=1e-10)
    np.testing.assert_allclose(network.flat, alone.flat, rtol=1e-9, atol=1e-9)
    assert its_history.stopped == history.stopped


def test_a_batch_without_weight_moves_nothing(data):
    weight = np.ones(ROWS)
    weight[:40] = 0
    train = trainer(data, sample_weight=weight, shuffle=False, epochs=1, optimizer=SGD())
    network, history = assert_equal(on_ranks(2, train))
    assert history.batch_loss[0] == 0
    assert network.optimizer_state["step"] == 3


def test_validation_and_early_stopping_are_the_same_on_all(data):
    options = {
        "validation_data": data,
        "metrics": [accuracy],
        "early_stopping": EarlyStopping("val_accuracy", patience=2),
        "epochs": 30,
    }
    alone, history = trainer(data, lambda: make(dtype="float64"), **options)()
    ends = on_ranks(2, trainer(data, lambda: make(dtype="float64"), **options))
    network, its_history = assert_equal(ends)
    assert its_history.stopped == history.stopped == "early stopping"
    assert [e["val_accuracy"] for e in its_history.epochs] == [
        e["val_accuracy"] for e in history.epochs
    ]
    np.testing.assert_allclose(network.flat, alone.flat, rtol=1e-9, atol=1e-9)


def test_divergence_is_the_same_on_all(data, engine):
    x = data[0].copy()
    x[17] = np.inf

    def train(workers=None):
        network = make(engine, layers=[Linear(7, 4)])
        options = {"batch_size": 10, "shuffle": False, "workers": workers}
        return network, dn.training.fit(network, x, data[1], **options)

    histories = [train()[1], *(history for _, history in all_of(on_ranks(2, train)))]
    assert [history.stopped for history in histories] == ["diverged"] * 3
    assert [str(history.batch_loss[1:]) for history in histories] == ["[nan]"] * 3


# ---- sums that do not depend on the number of ranks ----------------------------------------------


def test_exact_sums_do_not_depend_on_the_number_of_ranks(rng, engine, dtype):
    x = rng.normal(size=(433, 7)).astype(np.float32)  # batches of 10 and of 5 chunks
    weight = rng.uniform(size=len(x))
    options = {"epochs": 1, "batch_size": 300, "sample_weight": weight}
    train = trainer((x, x[:, :4].argmax(axis=1)), lambda: make(engine, dtype), **options)
    assert_equal([end for size in (1, 2, 3, 7, 12) for end in on_ranks(size, train, exact=True)])


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 13])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 16])
def test_each_node_is_one_of_the_tree(n, size):
    tree = set()

    def grow(begin, end):
        tree.add((begin, end))
        if end - begin > 1:
            half = halves(begin, end)
            assert (half - begin) & (half - begin - 1) == 0  # a power of two
            assert half - begin >= end - half
            grow(begin, half)
            grow(half, end)

    for short in range(1, n + 1):
        tree.clear()
        grow(0, short)
        parts = Parts(0, size, 32 * n, True)
        nodes = parts.nodes(short)
        assert set(nodes) <= tree
        assert len(nodes) <= parts.n_sums
        assert [part for node in nodes for part in range(*node)] == list(range(short))
        owners = [Parts(rank, size, 32 * n, True).mine for rank in range(size)]
        assert all(sum(b in mine and e - 1 in mine for mine in owners) == 1 for b, e in nodes)


def test_parts_of_a_batch_are_all_of_its_rows():
    for exact in (False, True):
        for rows in (1, 5, 31, 32, 33, 64, 100):
            parts = Parts(1, 3, 100, exact)
            bounds = [parts.rows(part, rows) for part in range(parts.of(rows))]
            assert [row for begin, end in bounds for row in range(begin, end)] == list(range(rows))


# ---- who is told ---------------------------------------------------------------------------------


class StopsAt(Callback):
    def __init__(self, workers, rank, *, step=None, epoch=None):
        self.mine, self.step, self.epoch = workers.rank == rank, step, epoch

    def on_step_end(self, network, step, loss):
        return self.mine and step == self.step

    def on_epoch_end(self, network, record):
        return self.mine and record["epoch"] == self.epoch


@pytest.mark.parametrize("at", [{"step": 4}, {"step": 3}, {"step": 9}, {"epoch": 2}], ids=str)
@pytest.mark.parametrize("rank", [0, 1])
def test_a_callback_of_one_rank_stops_all(data, rank, at):
    def train(workers):
        network = make()
        callbacks = [StopsAt(workers, rank, **at)] if workers.rank == rank else []
        return network, network.fit(
            *data, epochs=3, batch_size=40, workers=workers, callbacks=callbacks
        )

    network, history = assert_equal(on_ranks(2, train))
    assert history.stopped == "callback"
    assert network.optimizer_state["step"] == at.get("step", 6)


def test_rank_0_alone_writes_and_any_number_of_ranks_goes_on(data, tmp_path):
    def train(folder, epochs, resume=None):
        def of_rank(workers):
            mine = tmp_path / folder / str(workers.rank)
            mine.mkdir(parents=True)
            network = make() if resume is None else Network.load(resume)
            history = network.fit(
                *data,
                epochs=epochs,
                batch_size=40,
                workers=workers,
                callbacks=[Checkpoint(mine / "model", seconds=0)],
                resume=resume is not None,
            )
            return network, history

        return of_rank

    whole, history = assert_equal(on_ranks(2, train("whole", 4), exact=True))
    assert_equal(on_ranks(3, train("first", 2), exact=True))
    assert os.listdir(tmp_path / "first" / "0") == ["model"]
    assert os.listdir(tmp_path / "first" / "1") == []
    saved = tmp_path / "first" / "0" / "model"
    network, its_history = assert_equal(on_ranks(2, train("rest", 4, saved), exact=True))
    assert_same(network, its_history, whole, history)


# ---- what goes wrong -----------------------------------------------------------------------------


@pytest.mark.parametrize("when", [("begin", 2), ("step", 4), ("step", 6), ("end", 1), ("end", 3)])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("error", [OSError("no space: ü"), KeyboardInterrupt()], ids=repr)
def test_an_error_of_one_rank_is_one_on_all(data, when, exact, error):
    networks = {}

    def train(workers):
        networks[workers.rank] = network = make()
        callbacks = [Fails(when, error)] if workers.rank == 1 else []
        network.fit(*data, epochs=3, batch_size=40, workers=workers, callbacks=callbacks)

    first, failed, last = on_ranks(3, train, exact)
    assert failed is error
    text = f"{type(error).__name__}: {error}"
    expected = f"workers: expected all 3 ranks to go on, got an error on rank 1: {text}"
    assert [str(first), str(last)] == [expected] * 2
    assert type(first) is RuntimeError
    for rank in (1, 2):
        assert_same_bits(networks[rank].flat, networks[0].flat)


def test_an_error_of_all_ranks_is_their_own(data):
    train = trainer(data, callbacks=[Fails(("step", 2), OSError("full"))])
    assert [repr(end) for end in on_ranks(2, train)] == ["OSError('full')"] * 2


KINDS = "layers", "dtype", "engine", "precision"  # of networks
UNEQUAL = {
    "network": lambda x, y: {"layers": [Linear(7, 16), Linear(16, 4)]},
    "dtype": lambda x, y: {"dtype": "float64"},
    "backend": lambda x, y: {"engine": "reference"},
    "precision": lambda x, y: {"precision": "high"},
    "x": lambda x, y: {"x": x + (np.arange(ROWS) == ROWS - 1)[:, None]},
    "y": lambda x, y: {"y": 3 - y},
    "sample_weight": lambda x, y: {"sample_weight": np.ones(ROWS)},
    "validation_data": lambda x, y: {"validation_data": (x, y)},
    "epochs": lambda x, y: {"epochs": 9},
    "class_weight": lambda x, y: {"class_weight": "balanced"},
    "batch_size": lambda x, y: {"batch_size": 41},
    "optimizer": lambda x, y: {"optimizer": Adam(lr=0.5)},
    "shuffle": lambda x, y: {"shuffle": False},
    "drop_last": lambda x, y: {"drop_last": True},
    "early_stopping": lambda x, y: {"early_stopping": EarlyStopping("loss")},
    "callbacks": lambda x, y: {"callbacks": [WeightAveraging()]},
    "tolerance": lambda x, y: {"tolerance": 0.5},
    "seed": lambda x, y: {"seed": 7},
}


@pytest.mark.parametrize("name", UNEQUAL)
def test_what_differs_between_ranks_is_named_on_all(data, name):
    other = UNEQUAL[name](*data)
    networks = {}

    def train(workers):
        options = {"epochs": 3, "batch_size": 40} | (other if workers.rank == 2 else {})
        kinds = {key: options.pop(key) for key in KINDS if key in options}
        network = networks[workers.rank] = make(**kinds)
        before = network.flat.copy()
        x, y = (options.pop(key, value) for key, value in zip("xy", data, strict=True))
        try:
            network.fit(x, y, workers=workers, **options)
        finally:
            assert_same_bits(network.flat, before)

    ends = on_ranks(3, train)
    expected = f"{name}: expected the same on all 3 ranks, got others on rank 2 than on rank 0"
    assert [str(end) for end in ends] == [expected] * 3
    assert {type(end) for end in ends} == {ValueError}


def test_networks_that_differ_are_named(data):
    def train(workers):
        network = Network(LAYERS, SoftmaxCrossEntropy(), seed=workers.rank)
        network.fit(*data, workers=workers)

    for end in on_ranks(2, train):
        with pytest.raises(ValueError, match=r"parameters: .*: give Network a seed, or load"):
            raise end


def test_arguments_that_one_rank_refuses_are_an_error_on_all(data):
    x, y = data

    def train(workers):
        make().fit(x, y if workers.rank == 0 else y[:-1], workers=workers)

    first, second = on_ranks(2, train)
    assert str(second).startswith("y: expected")
    assert str(first).endswith(f"got an error on rank 1: ValueError: {second}")


class Drifts(Callback):
    """Does what no callback may do: changes the network on one rank alone."""

    def on_epoch_end(self, network, record):
        network.flat[3] += 1e-6


def test_other_bits_are_found_at_the_end_of_the_epoch(data):
    def train(workers):
        callbacks = [Drifts()] if workers.rank == 1 else []
        make().fit(*data, batch_size=40, workers=workers, callbacks=callbacks)

    for end in on_ranks(2, train):
        with pytest.raises(RuntimeError, match=r"after epoch 1, got others on rank 1 than on"):
            raise end


class OtherRows(Callback):
    def __init__(self, x, y, rank):
        self.rows = x + rank, y

    def on_epoch_begin(self, network, epoch):
        return self.rows if epoch == 2 else None


def test_rows_of_an_epoch_must_be_the_same_on_all(data):
    def train(same):
        def of_rank(workers):
            network = make()
            callback = OtherRows(*data, 0 if same else workers.rank)
            return network, network.fit(*data, workers=workers, callbacks=[callback])

        return of_rank

    assert_equal(on_ranks(2, train(same=True)))
    for end in on_ranks(2, train(same=False)):
        with pytest.raises(RuntimeError, match="after epoch 2, got others on rank 1"):
            raise end


def test_a_loss_that_is_no_sum_over_rows_is_refused(data):
    train = trainer(data, lambda: make(loss=SquaresOfClasses()))
    for end in on_ranks(2, train):
        with pytest.raises(TypeError, match=r"workers: expected None with a loss of one's own"):
            raise end


class Given:
    """Workers with some attributes."""

    def __init__(self, **given):
        vars(self).update(given)


def test_workers_are_checked(data):
    def nothing(*_):
        pass

    methods = {"allreduce": nothing, "broadcast": nothing}
    network = make()
    expected = "workers: expected an object with rank, size, allreduce and broadcast, got int"
    with pytest.raises(TypeError, match=expected):
        network.fit(*data, workers=2)
    with pytest.raises(TypeError, match="got Given without broadcast"):
        network.fit(*data, workers=Given(rank=0, size=2, allreduce=nothing))
    with pytest.raises(ValueError, match=r"workers\.rank"):
        network.fit(*data, workers=Given(rank=2, size=2, **methods))
    with pytest.raises(TypeError, match=r"workers\.size"):
        network.fit(*data, workers=Given(rank=0, size="2", **methods))
    with pytest.raises(TypeError, match=r"workers\.exact"):
        network.fit(*data, workers=Given(rank=0, size=2, exact="yes", **methods))
    with pytest.raises(RuntimeError, match="sum of the arrays of all ranks, in place, got none"):
        network.fit(*data, workers=Given(rank=0, size=2, **methods))
