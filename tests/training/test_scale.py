"""Large batches, widths, depths and data sets: right results, in the memory that a formula gives.

Training needs, in elements of the network's type, no more than

    parameters      times 1, plus 1 for each moment of the optimizer, plus 1 with `clip_norm` or a
                    tolerance: the parameters, the moments, the gradient
    rows of a batch times the inputs, plus the outputs, plus 2 for each column of each layer's
                    output (itself and its gradient), or 3 where that wants its input; an activation
                    that follows a linear layer is one layer with it
    threads         times 5 2^18, for the products and partial sums

and of the data set nothing but the rows of the batch at hand. The tests run as processes of their
own, where what they measure is theirs.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import densenet as dn
from densenet._precision import PRECISIONS
from tests.support.backends import ENGINES
from tests.support.paths import ROOT
from tests.support.processes import run_python
from tests.support.skips import NOT_APPLICABLE

PAGE = 4096
pytestmark = pytest.mark.timeout(700)  # gigabytes are written

SEEN = [str(ROOT), str(Path(__file__).parent)]  # by the interpreters that the tests start
SLACK = 16 << 20  # bytes: the interpreter's own, and what the C library keeps


def in_a_process(function, *arguments):
    """Call a function of this file in a new interpreter; give what it returns, through JSON."""
    code = (
        f"import sys; sys.path[:0] = {SEEN!r}; import json, test_scale;"
        f"print(json.dumps(test_scale.{function.__name__}(*{arguments!r})))"
    )
    return json.loads(run_python(code, timeout=600))


def memory(what):
    """Bytes of this process's memory: VmRSS is now, VmHWM the most so far."""
    line = next(s for s in Path("/proc/self/status").read_text().splitlines() if what in s)
    return int(line.split()[1]) << 10


def growth(call):
    """By how many bytes this process grows, at most, during a call."""
    Path("/proc/self/clear_refs").write_text("5")  # what was the most so far is forgotten
    before = memory("VmRSS")
    call()
    return memory("VmHWM") - before


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason=NOT_APPLICABLE + "needs Linux"
)


# ---- the formula -------------------------------------------------------------------------------


def columns(layers):
    """Columns that each row of a batch needs, over all layers."""
    total, after_linear = 0, False
    for layer in layers:
        if isinstance(layer, dn.Residual):
            width = next(inner for inner in layer.layers if isinstance(inner, dn.Linear)).inputs
            total += 4 * width + columns(layer.layers)  # a copy of its input, and the sum
        elif isinstance(layer, dn.Linear):
            width = layer.outputs
            total += 2 * width
        elif not (after_linear and isinstance(layer, dn.layers.Activation)):
            total += 2 * width
        total += width * getattr(layer, "from_input", False)
        after_linear = isinstance(layer, dn.Linear)
    return total


def cells(network, rows):
    """Elements of the cells of a lower precision: those of all linear layers without any."""
    total = 0
    for layer in network.layers:
        if isinstance(layer, dn.Linear):
            sides = (rows, layer.inputs, layer.outputs)
            batch, inputs, outputs = (-(-side // 32) * 32 for side in sides)
            total += inputs * outputs + batch * (inputs + outputs)
    return total * PRECISIONS[network.precision].pieces


def training_elements(network, optimizer, rows, threads):
    """The formula, without the parameters themselves."""
    whole = optimizer.clip_norm is not None
    inputs = next(layer for layer in network.layers if isinstance(layer, dn.Linear)).inputs
    outputs = network.layers[-1].outputs
    outputs_of_all = [layer.outputs for layer in network.layers if hasattr(layer, "outputs")]
    widest = max(inputs, *outputs_of_all) if network.precision != "highest" else 0
    return (
        network.n_parameters * (len(optimizer.states) + whole)
        + rows * (inputs + outputs + columns(network.layers))
        + cells(network, rows)
        + threads * max(5 * 2**18, 2**7 * widest)
    )


DEEP = [dn.Linear(64, 64), dn.Tanh()] * 9 + [dn.Linear(64, 10)]
WIDE = [dn.Linear(64, 16384), dn.GELU(), dn.Linear(16384, 10)]
MIXED = [
    dn.Linear(20, 200),
    dn.Residual([dn.Linear(200, 100), dn.SiLU(), dn.LayerNorm(100), dn.Linear(100, 200)]),
    dn.BatchNorm(200),
    dn.Dropout(0.2),
    dn.Linear(200, 10),
]
MOMENTUM = dn.SGD(lr=1e-3, momentum=0.9)
CASES = {
    "a batch of 65,536 through 10 layers": (DEEP, 65_536, dn.SGD(lr=1e-3)),
    "a width of 16,384": (WIDE, 512, dn.Adam()),
    "a width of 16,384 for one row": (WIDE, 1, dn.Adam(clip_norm=1.0)),
    "every kind of layer": (MIXED, 8_192, dn.SGD(lr=1e-3, momentum=0.9)),
    "a long first layer": ([dn.Linear(16_384, 512), dn.Tanh(), dn.Linear(512, 10)], 64, dn.Adam()),
    "sums of several chunks": (
        [dn.Linear(4096, 3000), dn.Tanh(), dn.Linear(3000, 10)],
        1500,
        dn.Adam(),
    ),
    "mostly parameters": ([dn.Linear(2048, 4096), dn.Linear(4096, 10)], 8, dn.AdamW()),
}


def train_a_case(name, dtype, threads, precision="highest"):
    """Give the bytes that training takes, and those of the formula."""
    layers, rows, optimizer = CASES[name]
    dn.set_num_threads(threads)
    network = dn.Network(layers, dn.SoftmaxCrossEntropy(), dtype=dtype, seed=1, precision=precision)
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(rows, layers[0].inputs)), rng.integers(0, 10, rows)
    grown = growth(lambda: network.fit(x, y, epochs=1, batch_size=rows, optimizer=optimizer))
    return grown, network.dtype.itemsize * training_elements(network, optimizer, rows, threads)


@needs_proc
@pytest.mark.parametrize("name", CASES)
def test_training_stays_within_the_formula(name):
    for dtype, threads in (("float32", 1), ("float64", 3)):
        grown, formula = in_a_process(train_a_case, name, dtype, threads)
        assert grown < formula + SLACK, (dtype, threads)


@needs_proc
@pytest.mark.parametrize("precision", ["high", "medium"])
@pytest.mark.parametrize(
    "name", ["sums of several chunks", "a width of 16,384", "mostly parameters"]
)
def test_training_in_bf16_stays_within_the_formula(name, precision):
    grown, formula = in_a_process(train_a_case, name, "float32", 2, precision)
    assert grown < formula + SLACK


# ---- large networks and batches ----------------------------------------------------------------


def test_a_batch_of_65536_through_ten_layers_equals_the_reference(rng):
    layers = [dn.Linear(12, 17), dn.Sigmoid()] + [dn.Linear(17, 17), dn.ReLU()] * 8
    layers += [dn.Linear(17, 3)]
    rows = 65_536
    x, y = rng.normal(size=(rows, 12)).astype(np.float32), rng.integers(0, 3, rows)
    results = []
    for backend in ENGINES:
        network = dn.Network(layers, dn.SoftmaxCrossEntropy(), seed=1, backend=backend)
        losses = [network.train_step(x, y, dn.SGD(lr=0.1)) for _ in range(2)]
        results.append((losses, network.forward(x)[-5:], network.flat))
    for compiled, reference in zip(*results, strict=True):
        np.testing.assert_allclose(compiled, reference, rtol=1e-4, atol=1e-5)


def train_a_square_of_16384():
    """Check forward, backward and update of 2^28 weights; give memory's growth and the formula."""
    n, rows, lr = 16_384, 2, 300.0
    layers = [dn.Linear(5, n, init="zeros"), dn.Linear(n, n, init="zeros")]
    network = dn.Network(layers, dn.MeanSquaredError())
    rng = np.random.default_rng(0)
    rng.random(out=network.flat, dtype=np.float32)
    network.flat[...] -= 0.5
    x, y = rng.normal(size=(rows, 5)).astype("f4"), rng.normal(size=(rows, n)).astype("f4")
    first, bias, second, last = network.parameters.values()
    hidden = x @ first.T + bias
    outputs = hidden @ second.T + last
    d = 2 * (outputs - y) / outputs.size
    expected = first - lr * ((d @ second).T @ x)
    some = rng.integers(0, n, 100)
    rest = second[some] - lr * (d[:, some].T @ hidden)

    optimizer = dn.SGD(lr=lr)
    grown = growth(lambda: network.train_step(x, y, optimizer))
    np.testing.assert_allclose(first, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max())
    np.testing.assert_allclose(second[some], rest, rtol=1e-3, atol=1e-3 * np.abs(rest).max())
    return grown, 4 * training_elements(network, optimizer, rows, 1)


@needs_proc
def test_a_layer_of_16384_by_16384():
    grown, formula = in_a_process(train_a_square_of_16384)
    assert grown < formula + SLACK


# ---- large data sets ---------------------------------------------------------------------------


def sparse_rows(path, rows, cols, dtype):
    """A file of zeros with a page of random numbers in each row, at a random place; its pages."""
    x = np.memmap(path, dtype, "w+", shape=(rows, cols))
    rng = np.random.default_rng(0)
    size = PAGE // x.itemsize
    places = rng.integers(0, cols // size, rows) * size
    values = rng.integers(1, 100, (rows, size)).astype(dtype)
    for row, place, numbers in zip(x, places, values, strict=True):
        row[place : place + size] = numbers
    return x, places, values


def test_more_than_two_to_the_31_elements(tmp_path):
    rows, cols = 8_200, 2**18
    x, places, values = sparse_rows(tmp_path / "x", rows, cols, "u1")
    assert x.size > 2**31
    network = dn.Network([dn.Linear(cols, 2)], dn.MeanSquaredError(), seed=1)
    weight = network.parameters["0.weight"].astype("f8")
    expected = [
        weight[:, place : place + PAGE] @ row for place, row in zip(places, values, strict=True)
    ]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-3, atol=1e-3)


class Stop(dn.Callback):
    """Ends training after three steps."""

    def on_step_end(self, network, step, loss):
        return step == 3


def train_beyond_memory(folder, dtype):
    """Train on rows all over a file larger than memory; memory's growth, its bound, the losses."""
    rows, batch = 8_192, 4
    memory_here = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    itemsize = np.dtype(dtype).itemsize
    cols = memory_here * 5 // 4 // rows // PAGE * PAGE // itemsize
    x, _, _ = sparse_rows(f"{folder}/x", rows, cols, dtype)
    assert x.nbytes > memory_here
    y = np.random.default_rng(1).normal(size=(rows, 1))
    optimizer = dn.SGD(lr=1e-9)
    losses, grown = [], []
    for backend in ENGINES:
        network = dn.Network([dn.Linear(cols, 1)], dn.MeanSquaredError(), seed=1, backend=backend)

        def train(network=network):
            options = {"batch_size": batch, "optimizer": optimizer, "callbacks": [Stop()]}
            losses.append(network.fit(x, y, seed=5, **options).batch_loss)

        grown.append(growth(train))
    most = 4 * training_elements(network, optimizer, batch, dn.get_num_threads())
    most += 3 * batch * cols * itemsize  # what is read is mapped
    most += 4 * max(2**25, batch * cols * itemsize)  # two groups of rows: mapped, and copied
    most += 10 * 8 * rows  # the order of the rows, their weights
    return grown[0], most, losses


@needs_proc
@pytest.mark.parametrize("dtype", ["u1", ">f8"])
def test_a_data_set_larger_than_memory(tmp_path, dtype):
    grown, most, losses = in_a_process(train_beyond_memory, str(tmp_path), dtype)
    assert grown < most + SLACK
    assert len(losses[0]) == 3
    np.testing.assert_allclose(*losses, rtol=1e-4)
