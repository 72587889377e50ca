"""`fit_many`: each network ends as if it had been trained alone, whatever happens to the others."""

import copy
import threading
import tracemalloc

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    CosineLR,
    Dropout,
    EarlyStopping,
    FitManyError,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    RMSprop,
    SoftmaxCrossEntropy,
    fit_many,
)
from densenet.metrics import accuracy
from tests.support.assertions import assert_same_bits
from tests.support.losses import SquaresOfClasses
from tests.support.processes import run_python
from tests.support.training import assert_same

LAYERS = [Linear(5, 8), BatchNorm(8), ReLU(), Dropout(0.25), Linear(8, 3)]
OPTIMIZERS = [
    Adam(lr=0.01),
    SGD(lr=0.05, momentum=0.9, clip_norm=0.5),
    RMSprop(lr=0.01, l1=1e-3),
    AdamW(lr=CosineLR(0.02, 40)),
]


def share_of_first(y_true, y_pred):
    """A metric of one's own."""
    return float(np.mean(y_pred == y_true[0]))


def make(n=4, engine="compiled", loss=None, dtypes=("float32", "float64"), layers=LAYERS):
    return [
        Network(
            layers,
            loss or SoftmaxCrossEntropy(),
            seed=i,
            backend=engine,
            dtype=dtypes[i % len(dtypes)],
        )
        for i in range(n)
    ]


@pytest.fixture
def data(rng):
    x = rng.normal(size=(50, 5)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def samples(rng, n=50):
    """Rows of four networks: more than there are with repeats, a few, one, and all."""
    drawn = rng.integers(0, n, 2 * n)
    return [drawn, rng.permutation(n)[:23].astype(np.int32), np.array([7]), np.arange(n)]


def alone(network, x, y, *, rows=None, validation=None, sample_weight=None, **options):
    """What `fit_many` promises for one of its networks."""
    if rows is not None:
        x_own, y_own = x[rows], y[rows]
        sample_weight = None if sample_weight is None else sample_weight[rows]
    else:
        x_own, y_own = x, y
    held = None if validation is None else (x[validation], y[validation])
    return network.fit(x_own, y_own, validation_data=held, sample_weight=sample_weight, **options)


def assert_same_files(network, other, folder):
    """Both are saved as the same bytes: state, generator and where `fit` stands."""
    for name, each in (("a", network), ("b", other)):
        for record in each._learner.position.history.epochs:
            record["seconds"] = 0.0
        each.save(folder / name)
    assert (folder / "a").read_bytes() == (folder / "b").read_bytes()


# ---- each as if alone ----------------------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_each_network_ends_as_if_trained_alone(rng, data, engine, n_threads, tmp_path):
    x, y = data
    rows, held = samples(rng), [rng.permutation(50)[:9] for _ in range(4)]
    weight = rng.uniform(0, 3, 50)
    settings = {"epochs": 6, "batch_size": 8, "metrics": [accuracy, share_of_first]}
    settings["early_stopping"] = EarlyStopping("val_accuracy", patience=2)
    many, single = make(engine=engine), make(engine=engine)
    histories = fit_many(
        many,
        x,
        y,
        optimizer=OPTIMIZERS,
        seeds=[3, None, 5, 3],
        rows=rows,
        sample_weight=weight,
        validation_rows=held,
        n_threads=n_threads,
        **settings,
    )
    for i, network in enumerate(single):
        given = {"rows": rows[i], "validation": held[i], "sample_weight": weight}
        given |= {"optimizer": OPTIMIZERS[i], "seed": [3, None, 5, 3][i]}
        history = alone(network, x, y, **given, **settings)
        assert_same(many[i], histories[i], network, history)
        assert_same_files(many[i], network, tmp_path)


def test_order_and_company_change_nothing(rng, data):
    x, y = data
    rows = samples(rng)
    straight, turned, one = make(), make(), make()[2:3]
    options = {"epochs": 3, "batch_size": 8}
    fit_many(straight, x, y, optimizer=OPTIMIZERS, seeds=range(4), rows=rows, **options)
    fit_many(
        turned[::-1],
        x,
        y,
        optimizer=OPTIMIZERS[::-1],
        seeds=np.arange(4)[::-1],
        rows=rows[::-1],
        **options,
    )
    fit_many(one, x, y, optimizer=OPTIMIZERS[2], seeds=[2], rows=rows[2:3], **options)
    for a, b in zip(straight, turned, strict=True):
        assert_same_bits(a.flat, b.flat)
    assert_same_bits(straight[2].flat, one[0].flat)


@pytest.mark.parametrize("loss", [SquaresOfClasses(), SoftmaxCrossEntropy()], ids=["own", "ours"])
def test_without_rows_all_are_learned_from(data, engine, loss):
    x, y = data
    many, single = make(3, engine, loss), make(3, engine, loss)
    histories = fit_many(many, x, y, epochs=2, batch_size=16, optimizer=SGD(0.1))
    for network, twin, history in zip(many, single, histories, strict=True):
        expected = twin.fit(x, y, epochs=2, batch_size=16, optimizer=SGD(0.1))
        assert_same(network, history, twin, expected)


def test_a_second_call_goes_on_from_the_first(data):
    x, y = data
    many, single = make(), make()
    for _ in range(2):
        fit_many(many, x, y, epochs=2, optimizer=Adam())
        for network in single:
            network.fit(x, y, epochs=2, optimizer=Adam())
    for network, twin in zip(many, single, strict=True):
        assert_same_bits(network.flat, twin.flat)


def test_defaults_are_those_of_fit(data):
    x, y = data
    [many], [single] = make(1), make(1)
    [history] = fit_many([many], x, y)
    expected = single.fit(x, y)
    assert_same(many, history, single, expected)


def test_weights_of_any_range_count_as_they_do_alone(rng, data):
    """A row that others have makes weights small that are not small among a network's own rows."""
    x, y = data
    weight = np.where(np.arange(50) < 10, 1e300, rng.uniform(1, 2, 50) * 1e-200)
    rows = [np.arange(10, 50), np.arange(5, 30), np.arange(10)]
    many, single = make(3), make(3)
    options = {"epochs": 2, "batch_size": 8, "optimizer": SGD(0.1)}
    histories = fit_many(many, x, y, rows=rows, sample_weight=weight, **options)
    for i, twin in enumerate(single):
        expected = alone(twin, x, y, rows=rows[i], sample_weight=weight, **options)
        assert_same(many[i], histories[i], twin, expected)


def test_targets_of_any_layout_are_rounded_as_they_are_alone(rng):
    x = rng.normal(size=(40, 5))
    y = np.asfortranarray(rng.dirichlet(np.ones(20), 40).astype(np.float32))
    layers = [Linear(5, 20)]
    many, single = (
        make(2, dtypes=["float64"], layers=layers),
        make(2, dtypes=["float64"], layers=layers),
    )
    rows = [rng.integers(0, 40, 33), np.arange(31)]
    fit_many(many, x, y, rows=rows, epochs=3, batch_size=8)
    for network, twin, own in zip(many, single, rows, strict=True):
        twin.fit(x[own], y[own], epochs=3, batch_size=8)
        assert_same_bits(network.flat, twin.flat)


def test_networks_of_other_losses_and_shapes_share_the_rows(rng):
    x, y = rng.normal(size=(30, 4)), rng.integers(0, 2, 30)
    made = [
        lambda: Network([Linear(4, 2)], SoftmaxCrossEntropy(), seed=1),
        lambda: Network([Linear(4, 1)], densenet.BinaryCrossEntropy(), seed=1, dtype="float64"),
        lambda: Network([Linear(4, 3), ReLU(), Linear(3, 1)], MeanSquaredError(), seed=1),
        lambda: Network([Linear(4, 5)], SquaresOfClasses(), seed=1, backend="reference"),
    ]
    many = [make_one() for make_one in made]
    fit_many(many, x.tolist(), y.tolist(), epochs=2, batch_size=7, optimizer=SGD(0.1))
    for network, make_one in zip(many, made, strict=True):
        twin = make_one()
        twin.fit(x, y, epochs=2, batch_size=7, optimizer=SGD(0.1))
        assert_same_bits(network.flat, twin.flat)


def test_many_validation_rows_are_measured_as_they_are_alone(rng, engine):
    """They are gathered some thousands at a time; the last part here is a single row."""
    x = rng.normal(size=(300, 5)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    held = rng.integers(0, 300, 2 * 8192 + 1)
    many, single = make(1, engine)[0], make(1, engine)[0]
    options = {"epochs": 1, "metrics": [accuracy], "optimizer": Adam()}
    [history] = fit_many([many], x, y, validation_rows=[held], **options)
    expected = single.fit(x, y, validation_data=(x[held], y[held]), **options)
    assert_same(many, history, single, expected)


def test_a_network_that_is_trained_on_its_own_parameters_sees_them_as_they_were(rng):
    networks = make(3, layers=[Linear(4, 3), Linear(3, 2)], dtypes=["float32"])
    twins = copy.deepcopy(networks)
    x, y = networks[1].flat[:12].reshape(3, 4), np.array([0, 1, 1])
    before = x.copy()
    fit_many(networks, x, y, epochs=3, optimizer=SGD(0.5), n_threads=1)
    for network, twin in zip(networks, twins, strict=True):
        twin.fit(before, y, epochs=3, optimizer=SGD(0.5))
        assert_same_bits(network.flat, twin.flat)


# ---- what it costs -------------------------------------------------------------------------------


def test_x_is_not_copied(rng):
    x = rng.normal(size=(200_000, 5)).astype(np.float32)
    y = x[:, :3].argmax(axis=1)
    rows = [np.arange(0, 2000, 2), np.arange(1, 200_000, 100)] * 2
    held = [np.arange(0, 200_000, 20)] * 4
    networks = make(4, dtypes=["float32"])
    options = {"epochs": 2, "metrics": [accuracy], "n_threads": 2, "optimizer": SGD(0.1)}
    fit_many(networks, x, y, rows=rows, validation_rows=held, **options)
    tracemalloc.start()
    fit_many(networks, x, y, rows=rows, validation_rows=held, **options)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.75 * x.nbytes  # of which y's own copy is 1.6 MB, and x 4 MB


def test_x_and_y_are_checked_once_for_all_networks_that_read_them_alike(data, monkeypatch):
    counted = []
    owner = type(make(1)[0]._learner)
    check = owner.examples
    monkeypatch.setattr(
        owner, "examples", lambda self, *of: counted.append(self.dtype.name) or check(self, *of)
    )
    fit_many(make(8), *data, epochs=1, validation_rows=[[0]] * 8)
    assert sorted(counted) == ["float32", "float64"]


class Meets(SquaresOfClasses):
    """A loss of one's own that waits until another thread computes it, too."""

    def __init__(self, parties):
        self.barrier, self.seen = threading.Barrier(parties, timeout=250), set()

    def forward(self, outputs, targets):
        self.barrier.wait()
        self.seen.add((threading.get_ident(), densenet.get_num_threads()))
        return super().forward(outputs, targets)


@pytest.mark.parametrize("n_threads", [2, 3])
def test_networks_are_trained_at_the_same_time_each_on_one_thread(data, n_threads):
    loss = Meets(n_threads)
    fit_many(make(2 * n_threads, loss=loss), *data, epochs=2, batch_size=25, n_threads=n_threads)
    assert len({ident for ident, _ in loss.seen}) == n_threads
    assert {number for _, number in loss.seen} == {1}
    assert threading.get_ident() not in {ident for ident, _ in loss.seen}


def test_as_many_threads_are_used_as_functions_may_use(data, keep_threads):
    densenet.set_num_threads(3)
    loss = Meets(3)
    fit_many(make(3, loss=loss), *data, epochs=1)
    assert len(loss.seen) == 3
    with densenet.config.limit_this_thread(1):
        loss = Meets(1)
        fit_many(make(3, loss=loss), *data, epochs=1)
    assert len({ident for ident, _ in loss.seen}) == 1


def test_the_reference_needs_nothing_compiled(data):
    code = """
import sys
sys.modules["densenet._core"] = None
import numpy as np
from densenet import Linear, Network, SoftmaxCrossEntropy, fit_many
networks = [Network([Linear(2, 2)], SoftmaxCrossEntropy(), backend="reference") for _ in range(3)]
print(len(fit_many(networks, np.eye(2), [0, 1])))
"""
    assert run_python(code) == "3"


# ---- what is told --------------------------------------------------------------------------------


def test_each_network_that_has_ended_is_told_in_the_caller_s_thread(data, tmp_path):
    told = []

    def note(index, network, history):
        network.save(tmp_path / "network")  # which is no longer trained
        told.append((index, network, history, threading.get_ident()))

    networks = make(6)
    histories = fit_many(networks, *data, epochs=1, on_model_end=note, n_threads=2)
    assert sorted(index for index, *_ in told) == list(range(6))
    for index, network, history, thread in told:
        assert network is networks[index]
        assert history is histories[index]
        assert thread == threading.get_ident()


def test_divergence_is_told_by_index(data):
    networks = make(3, dtypes=["float64"], layers=[Linear(5, 3)])
    networks[1].flat[...] = np.nan
    with pytest.warns(RuntimeWarning, match=r"^networks\[1\]: training has diverged: ") as told:
        histories = fit_many(networks, *data, epochs=2)
    assert [history.stopped for history in histories] == ["epochs", "diverged", "epochs"]
    assert [each.filename for each in told] == [__file__]


def test_moments_that_are_discarded_are_told(data):
    networks = make(2)
    networks[1].fit(*data, epochs=1, optimizer=SGD())
    with pytest.warns(UserWarning, match="the state of SGD is discarded") as told:
        fit_many(networks, *data, epochs=1, optimizer=Adam())
    assert [each.filename for each in told] == [__file__]


def test_overflow_is_treated_as_the_caller_treats_it(data):
    if not np.__version__.startswith("2"):
        pytest.skip("not applicable: before NumPy 2 that is a setting of a thread")

    class Overflows(SquaresOfClasses):
        def forward(self, outputs, targets):
            return super().forward(outputs, targets) + 0 * float(np.float64(1e308) * 10 < 0)

    with np.errstate(over="raise"), pytest.raises(FitManyError, match="overflow"):
        fit_many(make(2, loss=Overflows()), *data, epochs=1)
    with np.errstate(over="ignore"):
        fit_many(make(2, loss=Overflows()), *data, epochs=1)
