"""Products of bf16 pieces: the compiled ones equal the reference's to the bit, where there are any.

The reference computes them on any processor. The core does where processor and system have matrix
registers (AMX), and elsewhere computes as with the highest precision.
"""

import copy
import pickle

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Dropout,
    LayerNorm,
    Linear,
    MeanSquaredError,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SoftmaxCrossEntropy,
    Tanh,
    fit_many,
)
from densenet._engine import compiled
from densenet._precision import PRECISIONS, Precision
from densenet.config import has_bf16_products
from densenet.reference.products import product
from tests.support.assertions import assert_same_bits
from tests.support.processes import run_python
from tests.support.skips import NOT_APPLICABLE
from tests.support.threads import assert_same_for_all_numbers

PIECES = {"medium": 1, "high": 2}
UNIT = 2.0**-24  # the largest relative error of one rounding to float32

needs_registers = pytest.mark.skipif(
    not has_bf16_products(), reason=NOT_APPLICABLE + "needs AMX, and the build for AVX-512"
)


@pytest.fixture(params=PIECES)
def precision(request):
    return request.param


@pytest.fixture
def every_size(monkeypatch):
    """Let products of any size be of pieces."""
    for name, pieces in PIECES.items():
        monkeypatch.setitem(PRECISIONS, name, Precision(pieces, 0.0, 1))


def linear(inputs, outputs, precision, backend="compiled"):
    return Network(
        [Linear(inputs, outputs)],
        MeanSquaredError(),
        seed=1,
        precision=precision,
        backend=backend,
    )


def three_products(network, x, dy):
    """The forward product with its bias, the input gradient and the weight gradient."""
    dx, gradients = network.backward(x, dy)
    return network.forward(x), dx, gradients["0.weight"]


def batch(rng, rows, columns):
    return rng.normal(size=(rows, columns)).astype("f4")


# ---- the products ------------------------------------------------------------------------------


@needs_registers
@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize(
    "shape",
    [
        (1, 1, 1),
        (2, 31, 15),
        (7, 33, 16),
        (16, 32, 17),
        (17, 64, 31),
        (31, 65, 32),
        (33, 5, 33),
        (50, 100, 130),
    ],
)
def test_products_equal_the_references_to_the_bit(rng, precision, shape):
    rows, inputs, outputs = shape
    x, dy = batch(rng, rows, inputs), batch(rng, rows, outputs)
    network = linear(inputs, outputs, precision)
    twin = linear(inputs, outputs, precision, "reference")
    for ours, its in zip(three_products(network, x, dy), three_products(twin, x, dy), strict=True):
        assert_same_bits(ours, its)


@needs_registers
@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize(
    "shape",
    [
        (65, 1100, 48),  # deeper than a chunk
        (300, 70, 200),  # more rows than a group of blocks has
        (40, 150, 1100),  # more columns than are taken together
        (270, 2100, 1060),  # all of this, in several chunks of both kinds
    ],
)
def test_large_products_equal_the_references_where_one_looks(rng, precision, shape):
    rows, inputs, outputs = shape
    x, dy = batch(rng, rows, inputs), batch(rng, rows, outputs)
    network, pieces = linear(inputs, outputs, precision), PIECES[precision]
    weight = network.parameters["0.weight"]
    y, dx, dweight = three_products(network, x, dy)
    i, o, r = (np.r_[0, n - 1, rng.integers(0, n, 5)] for n in (inputs, outputs, rows))
    assert_same_bits(y[np.ix_(r, o)], product(x[r], weight[o].T, pieces))
    assert_same_bits(dx[np.ix_(r, i)], product(dy[r], weight[:, i], pieces))
    assert_same_bits(dweight[np.ix_(o, i)], product(x[:, i].T, dy[:, o], pieces).T)


@pytest.mark.parametrize(
    ("pieces", "of_terms", "of_sums"), [(1, 2.0**-7, 1), (2, 2.0**-15, 3)], ids=["one", "two"]
)
@pytest.mark.parametrize("depth", [1, 2, 31, 33, 500])
def test_the_error_is_within_its_bound(rng, pieces, of_terms, of_sums, depth):
    sizes = 2.0 ** rng.integers(-40, 40, size=(2, depth))  # between -100 and 127, and their sums
    a = (rng.normal(size=(9, depth)) * sizes[0]).astype("f4")
    b = (rng.normal(size=(depth, 11)) * sizes[1][:, None]).astype("f4")
    exact, size = a.astype("f8") @ b.astype("f8"), abs(a).astype("f8") @ abs(b).astype("f8")
    bound = of_terms + (17 + of_sums * depth / 32) * UNIT
    error = abs(product(a, b, pieces) - exact)
    assert (error <= bound * size).all()
    # Not far within it, or numbers were not of pieces at all.
    assert (error > of_terms / 2**7 * size).any()


def test_no_pieces_are_a_plain_product(rng):
    a, b = batch(rng, 5, 7), batch(rng, 7, 3)
    assert_same_bits(product(a, b, 0), a @ b)


@pytest.mark.parametrize("pieces", PIECES.values())
def test_what_is_not_finite_stays_so(pieces):
    b = np.ones((3, 1), "f4")
    for value in (np.inf, -np.inf, np.nan):
        assert not np.isfinite(product(np.array([[1, value, 2]], "f4"), b, pieces)).any()
    tiny = np.array([[1e-39, 1e-40, -1e-45]], "f4")  # denormal numbers count as zeros
    assert product(tiny, b, pieces) == 0


@needs_registers
@pytest.mark.usefixtures("every_size")
def test_special_numbers_equal_the_references(rng, precision):
    x = batch(rng, 40, 50)
    special = [np.inf, -np.inf, np.nan, 0.0, -0.0, 1e-39, -1e-45, 3.4e38, -3.3961775e38, 1.2e-38]
    x[np.arange(30), rng.integers(0, 50, 30)] = np.resize(np.array(special, "f4"), 30)
    x[30:35] *= np.float32(1e-37)  # whose lower pieces are denormal
    dy = batch(rng, 40, 20)
    ours = three_products(linear(50, 20, precision), x, dy)
    its = three_products(linear(50, 20, precision, "reference"), x, dy)
    for array, twin in zip(ours, its, strict=True):
        np.testing.assert_array_equal(np.isnan(array), np.isnan(twin))  # of any sign and payload
        assert_same_bits(array[~np.isnan(array)], twin[~np.isnan(twin)])


# ---- networks ----------------------------------------------------------------------------------


def wide(precision, backend="compiled"):
    layers = [Linear(150, 300), Sigmoid(), Residual([Linear(300, 300), ReLU()]), Linear(300, 10)]
    return Network(layers, SoftmaxCrossEntropy(), seed=1, precision=precision, backend=backend)


@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize("rows", [60, 151, 1300])
def test_the_same_bits_on_any_number_of_threads(rng, precision, rows):
    x, y = batch(rng, rows, 150), rng.integers(0, 10, rows)

    def compute():
        network = wide(precision)
        network.fit(x, y, epochs=2, batch_size=150, optimizer=Adam(), seed=3)
        return network.flat, network.forward(x), network.gradients(x, y)[1]["0.weight"]

    assert_same_for_all_numbers(compute)


@pytest.mark.usefixtures("every_size")
def test_training_follows_the_reference(rng, precision):
    x, y = batch(rng, 300, 150), rng.integers(0, 10, 300)
    if not has_bf16_products():
        pytest.skip(NOT_APPLICABLE + "needs AMX, and the build for AVX-512")
    losses = [
        wide(precision, backend).fit(x, y, epochs=5, batch_size=100, optimizer=SGD(), seed=3)
        for backend in ("compiled", "reference")
    ]
    # Activations may differ in their last bit, which rounding to bf16 may turn into its own.
    ours, its = (np.array(history.batch_loss) for history in losses)
    np.testing.assert_allclose(ours, its, rtol=1e-3 if precision == "medium" else 1e-5)


@pytest.mark.usefixtures("every_size")
def test_fit_is_train_step_after_train_step(rng, precision):
    x, y = batch(rng, 350, 150), rng.integers(0, 10, 350)
    whole, single, halves = wide(precision), wide(precision), wide(precision)
    whole.fit(x, y, epochs=1, batch_size=100, shuffle=False, optimizer=Adam())
    for first in range(0, 350, 100):  # the last batch has 50 rows
        rows = slice(first, first + 100)
        single.train_step(x[rows], y[rows], Adam())
        halves.apply_gradient(halves.loss_and_gradient(x[rows], y[rows])[1], Adam())
    assert_same_bits(single.flat, whole.flat)
    assert_same_bits(halves.flat, whole.flat)


@needs_registers
@pytest.mark.usefixtures("every_size")
@pytest.mark.parametrize(
    "optimizer",
    [
        Adam(clip_norm=0.1),
        Adam(clip_value=1e-3),
        SGD(trainable={"0", "3"}),
        AdamW(lr_factors={"0": 0}),
    ],
    ids=["whole gradient", "clipped", "inner layer frozen", "first layer frozen"],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_cells_follow_the_weights_from_step_to_step(rng, precision, optimizer, threads):
    """A call cuts the weights once, then what each step updates; a train_step begins anew."""
    densenet.set_num_threads(threads)
    x, y, weights = batch(rng, 500, 150), rng.integers(0, 10, 500), np.ones(500)
    weights[100:200] = 0  # a step that moves nothing
    whole, single = wide(precision), wide(precision)
    options = {"epochs": 2, "batch_size": 100, "shuffle": False, "optimizer": optimizer}
    whole.fit(x, y, sample_weight=weights, **options)
    for first in [*range(0, 500, 100)] * 2:
        rows = slice(first, first + 100)
        single.train_step(x[rows], y[rows], optimizer, sample_weight=weights[rows])
    assert_same_bits(single.flat, whole.flat)


@needs_registers
def test_weights_too_large_for_a_cache(rng, precision):
    """Their cells are written past it, which must not let another thread see old ones."""
    layers = [Linear(1600, 1500), Sigmoid(), Linear(1500, 1500), Sigmoid(), Linear(1500, 3)]
    x, y = batch(rng, 400, 1600), rng.integers(0, 3, 400)

    def compute():
        network = Network(layers, SoftmaxCrossEntropy(), seed=1, precision=precision)
        losses = network.fit(x, y, epochs=3, batch_size=200, optimizer=Adam(), seed=3).batch_loss
        return network.flat, np.array(losses)

    assert_same_for_all_numbers(compute)


@needs_registers
@pytest.mark.usefixtures("every_size")
def test_what_each_layer_hands_to_the_next_is_cut(rng, precision):
    """Layers by themselves, with and without a product before or behind, as the reference."""
    layers = [
        Linear(40, 70),
        Tanh(),
        Linear(70, 33),
        Residual([Linear(33, 64), LayerNorm(64), ReLU(), Linear(64, 33)]),
        Sigmoid(),
        Linear(33, 90, bias=False),
    ]
    x, y = batch(rng, 75, 40), batch(rng, 75, 90)
    ours, its = (
        Network(layers, MeanSquaredError(), seed=1, precision=precision, backend=backend)
        for backend in ("compiled", "reference")
    )
    near = {"medium": 0.02, "high": 2e-4}[precision]
    for threads in (1, 2, 3):
        densenet.set_num_threads(threads)
        np.testing.assert_allclose(ours.forward(x), its.forward(x), rtol=0, atol=near)
        (loss, gradients), (twin, expected) = ours.gradients(x, y), its.gradients(x, y)
        assert loss == pytest.approx(twin, rel=1e-3)
        for name, gradient in gradients.items():
            size = abs(expected[name]).max()
            np.testing.assert_allclose(gradient, expected[name], rtol=0, atol=near * size)


@needs_registers
@pytest.mark.usefixtures("every_size")
def test_many_rows_are_predicted_block_by_block(rng, precision):
    network = wide(precision)
    x = batch(rng, 2500, 150)
    for threads in (1, 2, 3):
        densenet.set_num_threads(threads)
        y = network.forward(x)
        for first in (0, 700, 2400):
            assert_same_bits(y[first : first + 100], network.forward(x[first : first + 100]))


@pytest.mark.usefixtures("every_size")
def test_a_network_among_many_is_trained_as_alone(rng, precision):
    layers = [Linear(12, 16), Sigmoid(), Linear(16, 3)]
    nets = [
        Network(layers, SoftmaxCrossEntropy(), seed=seed, precision=precision) for seed in range(40)
    ]
    alone = copy.deepcopy(nets)
    x, y = batch(rng, 50, 12), rng.integers(0, 3, 50)
    fit_many(nets, x, y, epochs=2, batch_size=20, optimizer=Adam(), seeds=range(40))
    for seed, (one, other) in enumerate(zip(nets, alone, strict=True)):
        other.fit(x, y, epochs=2, batch_size=20, optimizer=Adam(), seed=seed)
        assert_same_bits(one.flat, other.flat)


@pytest.mark.usefixtures("every_size")
def test_all_kinds_of_layers(rng, precision):
    layers = [
        Linear(64, 256),
        BatchNorm(256),
        ReLU(),
        Dropout(0.25),
        Linear(256, 64),
        Sigmoid(),
        Linear(64, 4),
    ]
    network = Network(layers, SoftmaxCrossEntropy(), seed=1, precision=precision)
    y = rng.integers(0, 4, 1200)
    x = batch(rng, 1200, 64) + 2 * np.eye(4, 64, dtype="f4")[y]
    network.fit(x, y, epochs=8, batch_size=600, optimizer=Adam(lr=0.01), seed=2)
    assert np.mean(network.predict(x) == y) > 0.8


# ---- which products ----------------------------------------------------------------------------


def test_small_products_are_of_floats_as_they_are(rng, precision):
    x, dy = batch(rng, 63, 600), batch(rng, 63, 700)
    narrow = batch(rng, 3000, 600), batch(rng, 3000, 63)
    for rows, d in ((x, dy), narrow):
        inputs, outputs = rows.shape[1], d.shape[1]
        ours = three_products(linear(inputs, outputs, precision), rows, d)
        for array, plain in zip(
            ours, three_products(linear(inputs, outputs, "highest"), rows, d), strict=True
        ):
            assert_same_bits(array, plain)


@needs_registers
def test_profile_says_which(rng, precision):
    network = Network([Linear(200, 300), Linear(300, 10)], MeanSquaredError(), precision=precision)
    profile = network.profile(batch(rng, 250, 200), batch(rng, 250, 10))
    of = {"medium": "bf16", "high": "two bf16 pieces"}[precision]
    assert [part.numbers for part in profile if part.part == "forward"] == [of, "float32"]
    assert of in str(profile)


def test_fewest_rows_is_where_pieces_begin(precision):
    its = PRECISIONS[precision]
    for inputs, outputs in ((192, 192), (784, 256), (1000, 3000)):
        rows = its.fewest_rows(inputs, outputs)
        assert its.pieces_of(rows, inputs, outputs) == its.pieces
        assert its.pieces_of(rows - 1, inputs, outputs) == 0
    assert its.fewest_rows(1000, 63) is None
    assert PRECISIONS["highest"].fewest_rows(1000, 1000) is None


@needs_registers
def test_plan_says_which(precision):
    network = Network(
        [Linear(784, 256), Sigmoid(), Linear(256, 10)], MeanSquaredError(), precision=precision
    )
    of = {"medium": "bf16 from 64 rows on", "high": "two bf16 pieces from 128 rows on"}[precision]
    first, _, last = network.plan()
    assert (first.forward, first.backward) == (f"product of {of}", f"two products of {of}")
    assert last.forward == "product"


def test_without_matrix_registers_all_is_as_highest(rng, precision, monkeypatch):
    monkeypatch.setattr(compiled, "has_bf16_products", lambda: False)
    x, dy = batch(rng, 200, 300), batch(rng, 200, 400)
    network = linear(300, 400, precision)
    assert network.precision == precision
    assert network.plan()[0].forward == "product of float32 (no bf16 products here)"
    for array, plain in zip(
        three_products(network, x, dy),
        three_products(linear(300, 400, "highest"), x, dy),
        strict=True,
    ):
        assert_same_bits(array, plain)


_REFUSED = """
import ctypes

class Stack(ctypes.Structure):
    _fields_ = [("at", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t)]

memory = ctypes.create_string_buffer(8192)  # too small for what a signal would have to save
stack = Stack(ctypes.addressof(memory), 0, len(memory))
assert ctypes.CDLL(None).sigaltstack(ctypes.byref(stack), None) == 0

import numpy as np
import densenet
from densenet import Linear, MeanSquaredError, Network

x = np.ones((300, 200))
network = Network([Linear(200, 200)], MeanSquaredError(), seed=1, precision="medium")
plain = Network([Linear(200, 200)], MeanSquaredError(), seed=1)
assert (network.forward(x) == plain.forward(x)).all()
print(densenet.show_config()["bf16_products"])
"""


@needs_registers
def test_a_system_that_refuses_is_believed():
    assert run_python(_REFUSED).split() == ["no"]


# ---- the setting -------------------------------------------------------------------------------


def test_copies_pickles_and_files_keep_it(tmp_path, precision):
    network = linear(3, 2, precision)
    path = tmp_path / "network.safetensors"
    network.save(path)
    copies = [copy.deepcopy(network), pickle.loads(pickle.dumps(network)), Network.load(path)]
    for each in copies:
        assert each.precision == precision
        assert f"{precision} precision" in repr(each)
    assert Network.load(path, backend="reference").precision == precision
    assert "precision" not in repr(linear(3, 2, "highest"))


def test_config_tells_after_a_network_has_asked():
    linear(3, 2, "medium")
    told = densenet.show_config()["bf16_products"]
    assert told == ("yes" if has_bf16_products() else "no")


@pytest.mark.parametrize("engine", ["compiled", "reference"])
def test_what_is_no_precision(engine):
    message = "^precision: expected 'highest', 'high' or 'medium', got 'low'$"
    with pytest.raises(ValueError, match=message):
        linear(3, 2, "low", engine)
    with pytest.raises(ValueError, match="expected 'highest' with float64, got 'high'"):
        Network(
            [Linear(3, 2)], MeanSquaredError(), dtype="float64", precision="high", backend=engine
        )
