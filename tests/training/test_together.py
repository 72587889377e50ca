"""Networks of one shape that `fit_many` trains together end as each would alone."""

import threading

import numpy as np
import pytest

from densenet import (
    ELU,
    GELU,
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    BinaryCrossEntropy,
    Callback,
    CosineLR,
    EarlyStopping,
    FitManyError,
    Huber,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    RMSprop,
    Sigmoid,
    SiLU,
    SoftmaxCrossEntropy,
    Tanh,
    fit_many,
)
from densenet._engine.compiled import CompiledTogether
from tests.support.assertions import assert_same_bits
from tests.support.signals import interrupt_when_trained
from tests.support.skips import POSIX_SIGNALS
from tests.support.training import assert_same, learned

CLASSES = SoftmaxCrossEntropy()
SMOOTHED = SoftmaxCrossEntropy(label_smoothing=0.1)
CASES = {
    "Adam": ([Linear(5, 8), Sigmoid(), Linear(8, 3)], CLASSES, Adam(lr=0.01)),
    "no bias": ([Linear(5, 7, bias=False), ReLU(), Linear(7, 3)], SMOOTHED, Adam(lr=0.01, l1=1e-3)),
    "from the input": ([GELU(), Linear(5, 9), SiLU(), Linear(9, 3)], CLASSES, SGD(lr=0.1)),
    "activations": (
        [Linear(5, 8), Tanh(), ELU(0.5), Linear(8, 3)],
        CLASSES,
        SGD(0.1, momentum=0.9),
    ),
    "values": ([Linear(5, 6), ReLU(), Linear(6, 3)], MeanSquaredError(), RMSprop(0.01, l2=0.1)),
    "last": ([Linear(5, 6), Tanh(), Linear(6, 3), Tanh()], Huber(), Adam(0.01, clip_value=1e-3)),
    "logits": ([Linear(5, 3)], BinaryCrossEntropy(), AdamW(lr=CosineLR(0.02, 40))),
    "rates": (
        [Linear(5, 8), Tanh(), Linear(8, 4), Tanh(), Linear(4, 3)],
        CLASSES,
        AdamW(lr=0.01, lr_factors={"0": 0, "2.weight": 0.5, "4.bias": 0}),
    ),
    "shared sums": ([Linear(300, 4), ReLU(), Linear(4, 3)], CLASSES, Adam(lr=0.01)),
}


@pytest.fixture
def data(rng):
    def make(inputs, loss):
        x = rng.normal(size=(50, inputs)).astype(np.float32)
        if loss.predicts == "classes":
            return x, x[:, :3].argmax(axis=1)
        return x, (x[:, :3] > 0).astype(np.float64)

    return make


@pytest.fixture
def calls(monkeypatch):
    """The numbers of networks of each call that trains some together."""
    found = []
    train = CompiledTogether.train

    def counted(self, calls, progress):
        found.append(len(calls))
        return train(self, calls, progress)

    monkeypatch.setattr(CompiledTogether, "train", counted)
    return found


def size_of(layers, loss, dtype, optimizer):
    """How many networks are together."""
    group = Network(layers, loss, dtype=dtype)._learner.engine.together(optimizer, 8)
    if group is None:
        pytest.skip("registers of one lane")
    return group.size


def assert_as_alone(networks, histories, twins, x, y, rows, but=(), **options):
    for i, (network, history, twin) in enumerate(zip(networks, histories, twins, strict=True)):
        own = twin.fit(x[rows[i]], y[rows[i]], seed=i, **options)
        if i not in but:
            assert_same(network, history, twin, own)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("layers", "loss", "optimizer"), CASES.values(), ids=CASES)
def test_networks_end_as_if_alone(rng, data, calls, layers, loss, optimizer, dtype):
    inputs = next(layer.inputs for layer in layers if isinstance(layer, Linear))
    x, y = data(inputs, loss)
    size = size_of(layers, loss, dtype, optimizer)
    n = 2 * size + 1  # and one that is left over
    networks, twins = (
        [Network(layers, loss, seed=i, dtype=dtype) for i in range(n)] for _ in range(2)
    )
    rows = [rng.integers(0, 50, 43) for _ in range(n)]
    options = {"epochs": 3, "batch_size": 8, "optimizer": optimizer}
    histories = fit_many(networks, x, y, rows=rows, seeds=range(n), n_threads=2, **options)
    assert calls == [size] * 6
    assert_as_alone(networks, histories, twins, x, y, rows, **options)


@pytest.mark.parametrize(
    "x_type", [np.float64, np.int16, np.dtype(">f4")], ids=["wider", "integer", "swapped"]
)
def test_rows_of_other_types_are_converted(rng, data, calls, x_type):
    layers, loss, optimizer = CASES["values"]
    x, y = data(5, loss)
    x = (10 * x).astype(x_type)[:, ::-1]
    n = size_of(layers, loss, "float32", optimizer)
    networks, twins = ([Network(layers, loss, seed=i) for i in range(n)] for _ in range(2))
    rows = [rng.permutation(50)[:20] for _ in range(n)]
    options = {"epochs": 2, "batch_size": 8, "optimizer": optimizer}
    histories = fit_many(networks, x, y, rows=rows, seeds=range(n), n_threads=1, **options)
    assert calls
    assert_as_alone(networks, histories, twins, x, y, rows, **options)


def test_early_stopping_ends_each_by_itself(rng, data, calls):
    layers, loss, _ = CASES["Adam"]
    x, y = data(5, loss)
    optimizer = Adam(lr=0.3)
    n = size_of(layers, loss, "float32", optimizer)
    networks, twins = ([Network(layers, loss, seed=i) for i in range(n)] for _ in range(2))
    rows, held = [rng.permutation(50)[:30] for _ in range(n)], np.arange(40, 50)
    options = {
        "epochs": 40,
        "batch_size": 8,
        "optimizer": optimizer,
        "early_stopping": EarlyStopping(patience=2, restore_best=True),
    }
    histories = fit_many(
        networks,
        x,
        y,
        rows=rows,
        seeds=range(n),
        validation_rows=[held] * n,
        n_threads=1,
        **options,
    )
    lengths = {len(history.epochs) for history in histories}
    assert len(lengths) > 3
    assert len(calls) < max(lengths)  # the last ones have gone on alone
    options["validation_data"] = x[held], y[held]
    assert_as_alone(networks, histories, twins, x, y, rows, **options)


@pytest.mark.filterwarnings("ignore:.*diverged")
def test_one_that_diverges_leaves_the_others_alone(rng, data, calls):
    layers, loss, optimizer = CASES["no bias"]
    x, y = data(5, loss)
    n = size_of(layers, loss, "float32", optimizer)
    networks, twins = ([Network(layers, loss, seed=i) for i in range(n)] for _ in range(2))
    x[49] = 3e38
    rows = [rng.permutation(40)[:24] for _ in range(n)]
    rows[1][5] = 49
    options = {"epochs": 3, "batch_size": 8, "optimizer": optimizer}
    histories = fit_many(networks, x, y, rows=rows, seeds=range(n), n_threads=1, **options)
    assert calls[-2:] == [n - 1, n - 1]
    assert [history.stopped for history in histories] == ["epochs", "diverged"] + ["epochs"] * (
        n - 2
    )
    assert_as_alone(networks, histories, twins, x, y, rows, but=[1], **options)
    for array, wanted in zip(learned(networks[1]), learned(twins[1]), strict=True):
        assert_same_bits(array, wanted)


def test_one_whose_metric_raises_leaves_the_others_alone(rng, data, calls):
    layers, loss, optimizer = CASES["Adam"]
    x, y = data(5, loss)
    n = size_of(layers, loss, "float32", optimizer)

    def picky(y_true, y_pred):
        if len(y_true) == 9:
            raise ArithmeticError("nine rows")
        return 0.5

    networks, twins = ([Network(layers, loss, seed=i) for i in range(n)] for _ in range(2))
    rows = [rng.permutation(50)[:24] for _ in range(n)]
    held = [np.arange(9 if i == 3 else 10) for i in range(n)]
    options = {"epochs": 3, "batch_size": 8, "optimizer": optimizer}
    with pytest.raises(FitManyError, match=r"1 of .* networks\[3\]: ArithmeticError") as info:
        fit_many(
            networks,
            x,
            y,
            rows=rows,
            seeds=range(n),
            validation_rows=held,
            metrics=[picky],
            n_threads=1,
            **options,
        )
    assert calls == [n, n - 1, n - 1]
    for i, history in enumerate(info.value.histories):
        if i != 3:
            kept = x[:10], y[:10]
            twin = twins[i].fit(
                x[rows[i]], y[rows[i]], validation_data=kept, metrics=[picky], seed=i, **options
            )
            assert_same(networks[i], history, twins[i], twin)


@pytest.mark.parametrize(
    "change",
    [
        {"sample_weight": np.ones(50)},
        {"optimizer": SGD(lr=0.1, clip_norm=1.0)},
        {"batch_size": 5000, "layers": [Linear(5, 2000), ReLU(), Linear(2000, 3)]},
        {"layers": [Linear(5, 4), BatchNorm(4), Linear(4, 3)]},
        {"backend": "reference"},
    ],
    ids=["weights", "norm", "too large", "batch norm", "reference"],
)
def test_what_cannot_be_together_or_is_slower_so_is_trained_one_by_one(data, calls, change):
    layers, loss, optimizer = CASES["Adam"]
    given = {"optimizer": optimizer, "layers": layers, "backend": "compiled"} | change
    x, y = data(5, loss)
    layers, backend = given.pop("layers"), given.pop("backend")
    networks = [Network(layers, loss, seed=i, backend=backend) for i in range(16)]
    fit_many(networks, x, y, epochs=1, n_threads=1, **given)
    assert not calls


def test_networks_with_other_counts_of_steps_are_not_together(data, calls):
    layers, loss, optimizer = CASES["Adam"]
    x, y = data(5, loss)
    n = size_of(layers, loss, "float32", optimizer)
    networks, twins = ([Network(layers, loss, seed=i) for i in range(n)] for _ in range(2))
    for each in (networks[0], twins[0]):
        each.train_step(x, y, optimizer)
    options = {"epochs": 2, "batch_size": 8, "optimizer": optimizer}
    histories = fit_many(networks, x, y, seeds=range(n), n_threads=1, **options)
    assert not calls
    assert_as_alone(networks, histories, twins, x, y, [np.arange(50)] * n, **options)


@POSIX_SIGNALS
def test_ctrl_c_leaves_all_between_two_steps(rng, data, calls):
    layers, loss, optimizer = CASES["Adam"]
    x, y = data(5, loss)
    n = size_of(layers, loss, "float32", optimizer)
    networks, twins = ([Network(layers, loss, seed=i) for i in range(n)] for _ in range(2))
    rows = [rng.integers(0, 50, 43) for _ in range(n)]
    interrupt_when_trained(networks[2])
    options = {"batch_size": 8, "optimizer": optimizer}
    with pytest.raises(KeyboardInterrupt):
        fit_many(networks, x, y, epochs=10**9, rows=rows, seeds=range(n), n_threads=1, **options)
    assert calls
    for i, (network, twin) in enumerate(zip(networks, twins, strict=True)):
        own = {**options, "epochs": network.optimizer_state["step"] // 6 + 1, "seed": i}
        mine = x[rows[i]], y[rows[i]]
        history = network.fit(*mine, resume=True, **own)
        assert_same(network, history, twin, twin.fit(*mine, **own))


def test_another_thread_reads_whole_steps_meanwhile(rng, data, calls):
    layers, loss, optimizer = CASES["Adam"]
    x, y = data(5, loss)
    n = size_of(layers, loss, "float32", optimizer)
    networks, twins = ([Network(layers, loss, seed=i) for i in range(n)] for _ in range(2))
    rows = [np.arange(50)] * n
    options = {"epochs": 100, "batch_size": 8, "optimizer": optimizer}
    ended, seen = threading.Event(), []

    def read():
        while not ended.is_set():
            seen.append(networks[1].loss(x, y))

    reader = threading.Thread(target=read)
    reader.start()
    try:
        histories = fit_many(networks, x, y, rows=rows, seeds=range(n), n_threads=1, **options)
    finally:
        ended.set()
        reader.join()
    assert calls
    whole = [twins[1].loss(x, y)]

    class Watch(Callback):
        def on_step_end(self, network, step, loss):
            whole.append(network.loss(x, y))

    history = twins[1].fit(x[rows[1]], y[rows[1]], seed=1, callbacks=[Watch()], **options)
    assert_same(networks[1], histories[1], twins[1], history)
    assert seen
    assert set(seen) <= set(whole)
