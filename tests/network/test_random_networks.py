"""Random networks of every layer, loss and optimizer: they train as the reference does, carry NaN
and infinity as it does, and give the same bits on any number of threads.

Shapes are drawn from the edges where a kernel's code changes: register tiles, blocks, chunks.
"""

import copy
import math

import numpy as np
import pytest

pytest.importorskip("hypothesis")

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

import densenet as dn
from densenet import kernels
from densenet.initializers import INITIALIZERS
from tests.support.assertions import assert_same_bits
from tests.support.backends import ENGINES
from tests.support.networks import ACTIVATIONS, kinds, targets
from tests.support.threads import assert_same_for_all_numbers

# The same examples in every run: a failure is a change of the code.
REPRODUCIBLE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate, Phase.shrink],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.function_scoped_fixture,  # threads are put back after the last example
    ],
)


def examples(number):
    return settings(REPRODUCIBLE, max_examples=number)


# ---- what is drawn -----------------------------------------------------------------------------
#
# Settings keep training well conditioned, so that two roundings of one computation stay together:
# small steps, an eps that keeps Adam from blowing up gradients of rounding errors alone.

SMALL = st.sampled_from([1, 2, 3, 4, 5, 7, 8, 9, 13, 14, 15, 16, 17, 31, 33, 65])
# Reporting a failure, hypothesis imports what it finds installed, deprecations and all.
pytestmark = pytest.mark.filterwarnings("ignore:mypy_extensions:DeprecationWarning")

SEEDS = st.integers(0, 2**32 - 1)
RATES = st.sampled_from([0.0, 0.1, 0.5])
SETTLED = st.sampled_from([1e-3, 1e-2])
PENALTIES = {
    "l1": st.sampled_from([0.0, 1e-3]),
    "l2": st.sampled_from([0.0, 0.01]),
    "clip_norm": st.sampled_from([None, 0.5]),
    "clip_value": st.sampled_from([None, 0.05]),
}
ADAM = {"lr": st.just(3e-3), "eps": SETTLED, "beta1": st.sampled_from([0.0, 0.9])} | PENALTIES
OPTIMIZERS = {
    dn.SGD: st.one_of(
        st.builds(
            dn.SGD,
            lr=st.just(0.02),
            momentum=st.sampled_from([0.0, 0.5, 0.9]),
            dampening=st.sampled_from([0.0, 0.5]),
            **PENALTIES,
        ),
        st.builds(
            dn.SGD, lr=st.just(0.02), momentum=st.just(0.9), nesterov=st.just(True), **PENALTIES
        ),
    ),
    dn.RMSprop: st.builds(dn.RMSprop, lr=st.just(2e-3), eps=SETTLED, **PENALTIES),
    dn.Adam: st.builds(dn.Adam, **ADAM),
    dn.AdamW: st.builds(dn.AdamW, weight_decay=st.sampled_from([0.0, 0.1]), **ADAM),
}
LOSSES = {
    dn.SoftmaxCrossEntropy: st.builds(dn.SoftmaxCrossEntropy, label_smoothing=RATES),
    dn.Huber: st.builds(dn.Huber, delta=st.sampled_from([0.2, 1.0])),
    **{
        loss: st.just(loss())
        for loss in (
            dn.CrossEntropy,
            dn.BinaryCrossEntropy,
            dn.LogisticLoss,
            dn.MeanSquaredError,
            dn.MeanAbsoluteError,
        )
    },
}


def same_width(width):
    """Layers that keep the width."""
    eps = st.sampled_from([1e-5, 0.1])
    return st.one_of(
        st.sampled_from([*ACTIVATIONS, dn.Softmax()]),
        st.builds(dn.Dropout, RATES),
        st.builds(dn.LayerNorm, st.just(width), eps=eps),
        st.builds(dn.BatchNorm, st.just(width), eps=eps),
    )


@st.composite
def blocks(draw, width, widths, depth, nested=0):
    """Layers that begin at a width, and the width where they end."""
    layers = []
    names = sorted(name for name in INITIALIZERS if name != "zeros")
    for kind in draw(st.lists(st.sampled_from(["linear", "same", "residual"]), max_size=depth)):
        if kind == "linear":
            outputs = draw(widths)
            init = draw(st.sampled_from(names))
            layers.append(dn.Linear(width, outputs, bias=draw(st.booleans()), init=init))
            width = outputs
        elif kind == "same":
            layers.append(draw(same_width(width)))
        elif nested < 2:
            block, end = draw(blocks(width, widths, depth - 1, nested + 1))
            block += [dn.Linear(end, width)] if end != width else []
            layers.append(dn.Residual(block or [draw(same_width(width))]))
    return layers, width


@st.composite
def stacks(draw, loss, widths=SMALL, depth=4):
    """A network's layers, with a linear layer among the last; its inputs and outputs."""
    inputs, outputs = draw(widths), draw(widths)
    layers, width = draw(blocks(inputs, widths, depth))
    layers.append(dn.Linear(width, outputs))
    if isinstance(loss, dn.CrossEntropy):
        layers.append(dn.Softmax())
    elif draw(st.booleans()):
        layers.append(dn.Residual([draw(st.sampled_from(ACTIVATIONS))]))
    return layers, inputs, outputs


def make(layers, loss, rng, dtype, backends=ENGINES):
    """Networks with the same random parameters and moments; biases and scales are random too."""
    networks = [
        dn.Network(layers, loss, dtype=dtype, seed=1, backend=backend) for backend in backends
    ]
    noise = rng.normal(scale=0.1, size=networks[0].n_parameters)
    moments = rng.uniform(0.5, 1.5, networks[0].n_parameters)
    for network in networks:
        network.flat[...] += noise
        for array in network.running_moments.values():
            array[...] = moments[: array.size]
    return networks


def test_every_layer_loss_and_optimizer_is_drawn():
    found = set()

    @examples(500)  # 200 gave Softmax once or never, by the version of hypothesis
    @given(stacks(dn.MeanSquaredError()))
    def draw(stack):
        found.update(kinds(stack[0]))

    draw()
    assert found == set(dn.layers.__all__)
    assert {loss.__name__ for loss in LOSSES} == set(dn.losses.__all__)
    assert {rule.__name__ for rule in OPTIMIZERS} == set(dn.optimizers.__all__)


# ---- as the reference does ---------------------------------------------------------------------

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
EVERY_LOSS = pytest.mark.parametrize("losses", LOSSES.values(), ids=[o.__name__ for o in LOSSES])
EVERY_OPTIMIZER = pytest.mark.parametrize(
    "optimizers", OPTIMIZERS.values(), ids=[o.__name__ for o in OPTIMIZERS]
)


@DTYPES
@EVERY_OPTIMIZER
@EVERY_LOSS
@examples(4)
@given(data=st.data(), seed=SEEDS)
def test_20_steps_equal_the_reference(losses, optimizers, dtype, data, seed):
    rng = np.random.default_rng(seed)
    loss, optimizer = data.draw(losses), data.draw(optimizers)
    layers, inputs, outputs = data.draw(stacks(loss))
    # The moments of a few rows alone would amplify rounding errors.
    few, rest = (15, 0) if "BatchNorm" in kinds(layers) else (0, data.draw(st.integers(0, 64)))
    batch_size = few + data.draw(SMALL)
    rows = batch_size * data.draw(st.integers(1, 6)) + rest % batch_size
    x, y = rng.normal(size=(rows, inputs)), targets(rng, loss, rows, outputs)
    weight = rng.uniform(0.1, 2, rows) if data.draw(st.booleans()) else None

    networks = make(layers, loss, rng, dtype)
    options = {"batch_size": batch_size, "optimizer": optimizer, "sample_weight": weight}
    epochs = -(-20 // -(-rows // batch_size))
    curves = [n.fit(x, y, epochs=epochs, seed=3, **options).batch_loss[:20] for n in networks]
    assert len(curves[0]) == 20
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(*curves, rtol=tolerance)
    results = [[n.forward(x), n.flat, *n.running_moments.values()] for n in networks]
    for compiled, reference in zip(*results, strict=True):
        size = np.abs(reference).max()
        np.testing.assert_allclose(compiled, reference, rtol=0, atol=20 * tolerance * size)
    assert {row.backend for row in networks[0].plan()} == {"compiled"}


def kinds_of_numbers(array):
    """Which elements are finite, NaN, or infinite and of which sign."""
    array = np.asarray(array)
    return np.where(np.isnan(array), 2, np.where(np.isinf(array), np.sign(array), 0))


@DTYPES
@EVERY_LOSS
@pytest.mark.parametrize("special", [np.nan, np.inf, -np.inf])
@examples(5)
@given(data=st.data(), seed=SEEDS)
def test_nan_and_infinity_go_where_the_reference_sends_them(losses, special, dtype, data, seed):
    rng = np.random.default_rng(seed)
    loss = data.draw(losses)
    layers, inputs, outputs = data.draw(stacks(loss))
    optimizer = data.draw(st.one_of(OPTIMIZERS.values()))
    rows = data.draw(SMALL)
    x, y = rng.normal(size=(rows, inputs)), targets(rng, loss, rows, outputs)
    networks = make(layers, loss, rng, dtype)
    if data.draw(st.booleans()):
        x[rng.integers(rows), rng.integers(inputs)] = special
    else:
        place = rng.integers(networks[0].n_parameters)
        for network in networks:
            network.flat[place] = special

    results = []
    for network in networks:
        with np.errstate(all="ignore"):
            found = [network.forward(x), network.input_gradient(x, y)]
            loss_before, gradients = network.gradients(x, y)
            found += [loss_before, *gradients.values(), network.train_step(x, y, optimizer)]
        results.append([*found, network.flat, *network.running_moments.values()])
    for compiled, reference in zip(*results, strict=True):
        np.testing.assert_array_equal(kinds_of_numbers(compiled), kinds_of_numbers(reference))


# ---- the same bits on any number of threads ----------------------------------------------------

# Of tiles (6 or 14 rows; 8, 16 or 32 columns), blocks (128 and 168 rows, 512 columns) and chunks.
EDGES = sorted({n + i for n in (8, 14, 32, 64, 128, 168, 256, 512, 1024) for i in (-1, 0, 1)})
AT_EDGES = st.sampled_from(EDGES)


def busy(*sizes):
    """Whether a product of such sizes is worth seven threads, and does not take long."""
    return 2e6 < math.prod(sizes) < 1e8


@DTYPES
@examples(40)
@given(batch=AT_EDGES, inputs=AT_EDGES, outputs=AT_EDGES, seed=SEEDS)
@pytest.mark.usefixtures("keep_threads")
def test_products_at_the_edges_are_bitwise_equal(dtype, batch, inputs, outputs, seed):
    assume(busy(batch, inputs, outputs))
    rng = np.random.default_rng(seed)
    x, weight, dy = (
        rng.normal(size=size).astype(dtype)
        for size in ((batch, inputs), (outputs, inputs), (batch, outputs))
    )
    y = kernels.linear_forward(x, weight)
    part = slice(batch // 3, batch // 3 + 5)
    assert_same_bits(kernels.linear_forward(x[part], weight), y[part])
    assert_same_for_all_numbers(
        lambda: [kernels.linear_forward(x, weight), *kernels.linear_backward(dy, x, weight)]
    )


@DTYPES
@examples(12)
@given(data=st.data(), seed=SEEDS)
@pytest.mark.usefixtures("keep_threads")
def test_networks_at_the_edges_are_bitwise_equal(dtype, data, seed):
    loss = data.draw(st.one_of(LOSSES.values()))
    layers, inputs, outputs = data.draw(stacks(loss, AT_EDGES, depth=2))
    optimizer = data.draw(st.one_of(OPTIMIZERS.values()))
    rows = data.draw(AT_EDGES)
    rng = np.random.default_rng(seed)
    (network,) = make(layers, loss, rng, dtype, ["compiled"])
    assume(busy(rows, network.n_parameters))
    x, y = rng.normal(size=(rows, inputs)), targets(rng, loss, rows, outputs)

    def compute():
        twin = copy.deepcopy(network)
        losses = [twin.train_step(x, y, optimizer) for _ in range(2)]
        return [losses, twin.flat, twin.forward(x), *twin.gradients(x, y)[1].values()]

    assert_same_for_all_numbers(compute)
