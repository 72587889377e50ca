"""Sparse rows give the bits of the same rows in an array, in every call and on any threads."""

import re
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("scipy")

from scipy import sparse

import densenet as dn
from densenet import _checks
from tests.support.backends import ENGINES
from tests.support.processes import run_python
from tests.support.ranks import on_ranks
from tests.support.skips import NOT_APPLICABLE

FORMATS = ["bsr", "coo", "csc", "csr", "dia", "dok", "lil"]
# One chunk of the first layer's sums, chunks in order and in pairs; lines of one register, of
# several, of a part of one, and of more than are summed together.
SHAPES = [(9, 5), (40, 33), (1100, 600), (2048, 128), (5000, 7), (5000, 200), (70_000, 3)]
OPTIMIZERS = {
    "SGD": dn.SGD(lr=0.1, momentum=0.9, nesterov=True, l2=0.01),
    "Adam": dn.Adam(l1=1e-4),
    "clip": dn.Adam(clip_norm=0.01),
    "RMSprop": dn.RMSprop(clip_value=1e-3),
    "AdamW": dn.AdamW(lr_factors={"0": 0.5}),
    "frozen": dn.AdamW(trainable=["2"]),
}


def rows(rng, n, width, dtype="float64", kind=sparse.csr_array):
    """Rows of which some are empty, as some columns are."""
    x = sparse.random_array((n, width), density=min(0.3, 30 / width), rng=rng)
    x = sparse.lil_array(x - 0.5 * (x > 0))
    x[n // 2] = 0
    return kind(x.astype(dtype))


def network(width, hidden=5, backend="compiled", dtype="float32", first=(), **settings):
    layers = [*first, dn.Linear(width, hidden), dn.Tanh(), dn.Linear(hidden, 3)]
    loss = settings.pop("loss", dn.SoftmaxCrossEntropy())
    return dn.Network(layers, loss, seed=1, dtype=dtype, backend=backend, **settings)


def flat(given):
    """All arrays in what a call gives."""
    if isinstance(given, dict):
        given = tuple(given.values())
    if not isinstance(given, tuple):
        return [np.asarray(given)]
    return [array for each in given for array in flat(each)]


def assert_same(call, x):
    """Require the same bits of sparse rows and of the array."""
    for found, wanted in zip(flat(call(x)), flat(call(x.toarray())), strict=True):
        np.testing.assert_array_equal(found, wanted)


def trained(x, y, made, **options):
    net = made()
    options = {"epochs": 2, "batch_size": 32, "seed": 3, **options}
    history = net.fit(x, y, **options)
    return (net.flat, history.batch_loss, *net.optimizer_state.values())


# ---- every call --------------------------------------------------------------------------------

CALLS = {
    "forward": lambda net, x, y: net.forward(x),
    "forward in training": lambda net, x, y: net.forward(x, True),
    "hidden": lambda net, x, y: net.forward(x, upto=1),
    "predict": lambda net, x, y: (net.predict(x), net.predict_proba(x)),
    "predictor": lambda net, x, y: net.predictor().predict_proba(x),
    "loss": lambda net, x, y: (net.loss(x, y), net.loss(x, y, np.arange(len(y)))),
    "gradients": lambda net, x, y: net.gradients(x, y),
    "input_gradient": lambda net, x, y: net.input_gradient(x, y),
    "backward": lambda net, x, y: net.backward(x, np.ones((len(y), 3), net.dtype)),
    "value_and_gradient": lambda net, x, y: net.value_and_gradient(net.flat / 2, x, y),
    "loss_and_gradient": lambda net, x, y: net.loss_and_gradient(x, y),
    "train_step": lambda net, x, y: [net.train_step(x, y, OPTIMIZERS["Adam"]) for _ in range(3)],
}


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("call", CALLS)
def test_every_call_takes_them(rng, call, backend):
    x, y = rows(rng, 300, 40), rng.integers(0, 3, 300)
    nets = [network(40, backend=backend) for _ in range(2)]
    found, wanted = (
        flat(CALLS[call](net, given, y)) for net, given in zip(nets, (x, x.toarray()), strict=True)
    )
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(nets[0].flat, nets[1].flat)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_sums_of_every_length_have_the_same_bits(rng, shape, dtype):
    x = rows(rng, 7, shape[0])
    net = network(*shape, dtype=dtype)
    for n in (1, 7):
        assert_same(net.forward, x[:n])
        assert_same(lambda given, n=n: net.gradients(given, np.zeros(n, int)), x[:n])


@pytest.mark.parametrize("n", [129, 700])
def test_predictions_of_many_rows_do_not_depend_on_threads(rng, n):
    x, net = rows(rng, n, 3000, "float32"), network(3000, 70)
    wanted = net.forward(x.toarray())
    for count in (1, 2, 4):
        dn.set_num_threads(count)
        np.testing.assert_array_equal(net.forward(x), wanted)


# ---- training ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_trainings_have_the_same_bits(rng, name, dtype):
    x, y = rows(rng, 130, 300), rng.integers(0, 3, 130)
    assert_same(
        lambda given: trained(
            given, y, lambda: network(300, 33, dtype=dtype), optimizer=OPTIMIZERS[name]
        ),
        x,
    )


@pytest.mark.parametrize("batch_size", [1, 7, 1500, 5000])
@pytest.mark.parametrize("count", [1, 2, 4])
def test_batches_of_every_size_on_any_threads(rng, batch_size, count):
    n = 3 if batch_size == 1 else 60 if batch_size == 7 else 2100
    x, y = rows(rng, n, 4000 if n < 99 else 50, "float32"), rng.integers(0, 3, n)

    def fit(given):
        return trained(given, y, lambda: network(x.shape[1], 20), batch_size=batch_size)

    dn.set_num_threads(1)
    wanted = fit(x.toarray())
    dn.set_num_threads(count)
    for a, b in zip(flat(fit(x)), flat(wanted), strict=True):
        np.testing.assert_array_equal(a, b)


class Quartic:
    """A loss of one's own."""

    def forward(self, outputs, targets):
        return float(np.mean((outputs[:, 0] - targets) ** 4))

    def backward(self, outputs, targets):
        gradient = np.zeros_like(outputs)
        gradient[:, 0] = 4 * (outputs[:, 0] - targets) ** 3 / len(targets)
        return gradient


OPTIONS = {
    "as they lie": {"shuffle": False, "drop_last": True},
    "blocks": {"shuffle": "blocks"},
    "weights": {"sample_weight": np.arange(130.0), "class_weight": "balanced"},
    "tolerance": {"tolerance": 1e-9},
    "averaging": {"callbacks": [dn.WeightAveraging()]},
    "steps": {"callbacks": [type("Looks", (dn.Callback,), {"on_step_end": lambda *_: None})()]},
}


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("name", OPTIONS)
def test_options_of_fit(rng, name, backend):
    x, y = rows(rng, 130, 40), rng.integers(0, 3, 130)
    made = lambda: network(40, backend=backend)  # noqa: E731
    assert_same(lambda given: trained(given, y, made, **OPTIONS[name]), x)


def test_a_loss_of_ones_own_and_rows_to_validate_on(rng):
    x, y = rows(rng, 130, 40), rng.normal(size=130)

    def fit(given):
        net = network(40, loss=Quartic())
        history = net.fit(given, y, epochs=2, validation_data=(given[:50], y[:50]))
        return (net.flat, history.epochs[-1]["val_loss"])

    assert_same(fit, x)


@pytest.mark.parametrize("backend", ENGINES)
def test_many_networks_share_them(rng, backend):
    x, y = rows(rng, 130, 40), rng.integers(0, 3, 130)

    def fit(given):
        nets = [network(40, backend=backend) for _ in range(9)]
        dn.fit_many(nets, given, y, epochs=2)
        return tuple(net.flat for net in nets)

    assert_same(fit, x)


FIRST = {
    "activation": [dn.ReLU()],
    "dropout": [dn.Dropout(0.5)],
    "layer_norm": [dn.LayerNorm(40)],
    "batch_norm": [dn.BatchNorm(40)],
    "residual": [dn.Residual([dn.Linear(40, 40), dn.Tanh()])],
}


@pytest.mark.parametrize("name", FIRST)
def test_another_first_layer_reads_them_dense(rng, name):
    x, y = rows(rng, 130, 40), rng.integers(0, 3, 130)
    assert_same(lambda given: trained(given, y, lambda: network(40, first=FIRST[name])), x)
    assert_same(network(40, first=FIRST[name]).forward, x)


@pytest.mark.parametrize("precision", ["high", "medium"])
def test_lower_precisions_read_them_dense(rng, precision):
    x, y = rows(rng, 256, 600, "float32"), rng.integers(0, 3, 256)
    made = lambda: network(600, 512, precision=precision)  # noqa: E731
    assert_same(lambda given: trained(given, y, made, batch_size=256, epochs=1), x)
    assert_same(made().predictor().forward, x[:2])


# ---- every form --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["array", "matrix"])
@pytest.mark.parametrize("name", FORMATS)
def test_every_format(rng, name, kind):
    made = getattr(sparse, f"{name}_{kind}")
    assert_same(network(40).forward, rows(rng, 20, 40, kind=made))


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i1", "u2", "i8", ">i4", "?"])
def test_every_element_type(rng, dtype):
    x = sparse.csr_array(rng.integers(0, 2, (20, 40)) * rng.integers(1, 99, (20, 40)))
    x.data = x.data.astype(dtype)
    assert_same(network(40).forward, x)


def spoilt(rng, name):
    """Rows in a form that is allowed, but not the usual one."""
    x = rows(rng, 60, 40)
    if name == "wide indices":
        x.indices, x.indptr = x.indices.astype("i8"), x.indptr.astype("i8")
    elif name == "narrow indices":
        x.indices, x.indptr = x.indices.astype("u1"), x.indptr.astype("i2")
    elif name == "zeros":
        x.data[::3] = 0
    elif name == "unsorted":
        for begin, end in zip(x.indptr, x.indptr[1:], strict=False):
            order = rng.permutation(end - begin) + begin
            x.indices[begin:end], x.data[begin:end] = x.indices[order], x.data[order]
        x.has_sorted_indices = False
    elif name == "twice":  # sums of three numbers, whose last bits depend on their order
        places = rng.integers(0, 40, 900), np.arange(0, 901, 15)
        x = sparse.csr_array((rng.normal(size=900), *places), shape=(60, 40))
    elif name == "slices":
        return x[7:50:3]
    return x


@pytest.mark.parametrize(
    "name", ["wide indices", "narrow indices", "zeros", "unsorted", "twice", "slices"]
)
def test_unusual_forms(rng, name):
    x = spoilt(rng, name)
    before = [each.copy() for each in (x.data, x.indices, x.indptr)]
    wanted = network(40).forward(x.toarray())
    np.testing.assert_array_equal(network(40).forward(x), wanted)
    for a, b in zip((x.data, x.indices, x.indptr), before, strict=True):
        np.testing.assert_array_equal(a, b)


class Plain:
    """Sparse rows of another library than SciPy."""

    format = "csr"

    def __init__(self, x):
        self.data, self.indices, self.indptr, self.shape = x.data, x.indices, x.indptr, x.shape

    def tocsr(self):
        return self


def test_those_of_another_library(rng):
    x = rows(rng, 20, 40)
    np.testing.assert_array_equal(network(40).forward(Plain(x)), network(40).forward(x))
    x.indices[:2] = x.indices[1::-1]
    with pytest.raises(ValueError, match=re.escape("x.indices: expected columns that increase")):
        network(40).forward(Plain(x))


def test_parts_and_arrays_of_checked_rows(rng):
    x = rows(rng, 20, 40)
    found = _checks.inputs(x, 40)
    assert _checks.inputs(found, 40) is found
    dense = x.toarray()
    for part in (slice(3, 9), slice(4, 2), slice(None, None, 3), np.array([7, 7, 0]), np.arange(0)):
        np.testing.assert_array_equal(found[part].toarray(), dense[part])
    assert found[3:9].numbers is found.numbers
    with pytest.raises(TypeError, match="got sparse rows"):
        np.asarray(found)


def test_numbers_that_training_changes_are_copied():
    net, other = (network(3, dtype="float64") for _ in range(2))
    places = np.tile(np.arange(3), 2), np.array([0, 3, 6])
    shared = sparse.csr_array((net.flat[:6], *places), shape=(2, 3))
    options = {"epochs": 3, "batch_size": 1, "shuffle": False}
    net.fit(shared, [0, 1], **options)
    other.fit(other.flat[:6].reshape(2, 3).copy(), [0, 1], **options)
    np.testing.assert_array_equal(net.flat, other.flat)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason=NOT_APPLICABLE + "needs Linux")
def test_rows_are_never_dense():
    """A batch of these would take 8 GB."""
    code = """
import numpy as np
from scipy import sparse
from densenet import SGD, Linear, MeanSquaredError, Network

n, width = 512, 4_000_000
places = np.arange(n) * 7000, np.arange(n + 1)
x = sparse.csr_array((np.ones(n, np.float32), *places), shape=(n, width))
network = Network([Linear(width, 1)], MeanSquaredError())
network.fit(x, np.zeros(n), epochs=1, batch_size=n, optimizer=SGD())
network.predict(x)
print(*(line for line in open("/proc/self/status") if line.startswith("VmHWM:")))
"""
    assert int(run_python(code, options=()).split()[1]) < 600_000  # KB, the most so far


# ---- what is refused ---------------------------------------------------------------------------


def wrong(**parts):
    x = sparse.csr_array(np.ones((2, 4)))
    for name, value in parts.items():
        getattr(x, name)[...] = value
    return x


WRONG = {
    "expected shape (batch, 4), got (2, 5)": sparse.csr_array((2, 5)),
    "expected shape (batch, 4), got (0, 4)": sparse.csr_array((0, 4)),
    "expected shape (batch, 4), got (4,)": sparse.coo_array(np.ones(4)),
    "expected float32, float64, integers or bool, got complex128": wrong().astype(complex),
    "indices: expected columns in [0, 4), got 4": wrong(indices=[0, 1, 2, 4, 0, 1, 2, 3]),
    "indices: expected columns in [0, 4), got -1": wrong(indices=[0, 1, 2, -1, 0, 1, 2, 3]),
    "indptr: expected places in [0, 9), got 10": wrong(indptr=[0, 4, 10]),
    "indptr: expected places that never fall, got 3 after 5": wrong(indptr=[5, 3, 8]),
}


@pytest.mark.parametrize("backend", ENGINES)
@pytest.mark.parametrize("message", WRONG)
def test_errors_name_what_is_wrong(message, backend):
    net = network(4, backend=backend)
    for call in (net.forward, lambda x: net.fit(x, [0, 1]), lambda x: net.loss(x, [0, 1])):
        with pytest.raises((TypeError, ValueError), match=r"^x[.:].*" + re.escape(message)):
            call(WRONG[message])
    assert net.optimizer_state == {}


def test_chunks_workers_and_kernels_take_arrays():
    x, y, net = wrong(), [0, 1], network(4)
    held_out = {"validation_data": (x, y)}
    for given, more in ((x, {}), (x.toarray(), held_out)):
        for end in on_ranks(2, lambda w, x=given, m=more: network(4).fit(x, y, workers=w, **m)):
            with pytest.raises(TypeError, match="x: expected an array with workers, got sparse"):
                raise end
    with pytest.raises(TypeError, match="x: expected an array in a chunk, got sparse rows"):
        net.fit(lambda: [(x, y)])
    with pytest.raises(TypeError, match="x: expected a NumPy array, got csr_array"):
        dn.kernels.linear_forward(x, net.parameters["0.weight"])
