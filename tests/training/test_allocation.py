"""A whole epoch is one compiled call, and no step of it allocates memory. Both are counted."""

import shutil
import subprocess
import sys

import numpy as np
import pytest

from densenet import SGD, Adam, Linear, Network, Sigmoid, SoftmaxCrossEntropy
from tests.support.processes import run_python
from tests.support.skips import NOT_APPLICABLE

LAYERS = [Linear(64, 65), Sigmoid(), Linear(65, 33), Sigmoid(), Linear(33, 10)]


class CountingPlan:
    """Stands for a compiled plan and counts its calls."""

    def __init__(self, plan):
        self._plan, self.calls = plan, []

    def __getattr__(self, name):
        method = getattr(self._plan, name)

        def counted(*arguments):
            self.calls.append(name)
            return method(*arguments)

        return counted


@pytest.mark.parametrize("optimizer", [SGD(), Adam()], ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("kind", ["plain", "integers, soft targets and weights"])
def test_an_epoch_is_one_compiled_call(rng, optimizer, kind):
    network = Network(LAYERS, SoftmaxCrossEntropy(), seed=1)
    network._learner.engine._plan = plan = CountingPlan(network._learner.engine._plan)
    x, y, weight = rng.normal(size=(103, 64)), rng.integers(0, 10, 103), None
    if kind != "plain":
        x, y, weight = x.astype("i4"), np.eye(10)[y], rng.uniform(size=103)
    history = network.fit(x, y, epochs=3, batch_size=10, optimizer=optimizer, sample_weight=weight)
    assert len(history.batch_loss) == 33
    looks = ["fits"] if weight is None else []  # at the data, once; else the checks do
    assert plan.calls == looks + ["train"] * 3


# Counts what every allocator of the C library is asked for, and passes it on.
_COUNTER = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_long calls;
long allocations(void) { return calls; }

void *malloc(size_t n) { ++calls; return __libc_malloc(n); }
void *calloc(size_t n, size_t m) { ++calls; return __libc_calloc(n, m); }
void *realloc(void *p, size_t n) { ++calls; return __libc_realloc(p, n); }
void *memalign(size_t a, size_t n) { ++calls; return __libc_memalign(a, n); }
void *aligned_alloc(size_t a, size_t n) { ++calls; return __libc_memalign(a, n); }
int posix_memalign(void **p, size_t a, size_t n) {
  ++calls;
  *p = __libc_memalign(a, n);
  return *p ? 0 : ENOMEM;
}
"""

_COUNT = """
import ctypes
import itertools
import numpy as np
import densenet
from densenet import Adam, AdamW, Linear, Network, RMSprop, SGD, Sigmoid, SoftmaxCrossEntropy
from densenet._activations import ACTIVATIONS
from densenet._checks import SparseRows
from densenet._precision import PRECISIONS, Precision
from densenet.layers import BatchNorm, Dropout, LayerNorm, Residual

allocations = ctypes.CDLL(None).allocations
allocations.restype = ctypes.c_long
before = allocations()
kept = [np.empty(100_000 + n) for n in range(50)]
assert allocations() - before >= 50, "the counter does not count"

rng = np.random.default_rng(0)
rows = 200 * 32
densenet.set_num_threads({threads})
INNER = {{
    "Sigmoid": [Sigmoid()],
    "LayerNorm": [LayerNorm(300), *(entry.layer() for entry in ACTIVATIONS.values())],
    "BatchNorm": [Residual([Linear(300, 300), BatchNorm(300), Sigmoid(), Dropout(0.2)])],
}}
OPTIMIZERS = {{
    "Sigmoid": (SGD(momentum=0.9), RMSprop(), Adam(l1=0.01)),
    "LayerNorm": (AdamW(), Adam(clip_norm=0.1)),
    "BatchNorm": (AdamW(), Adam(clip_value=0.01)),
}}
KINDS = "in place", "gathered", "settings of steps", "bf16 pieces", "sparse"
PRECISIONS["high"] = Precision(2, 0.0, 1)  # of products of every size
for dtype, kind, inner in itertools.product(("float32", "float64"), KINDS, INNER):
    precision = "high" if (kind, dtype) == ("bf16 pieces", "float32") else "highest"
    for optimizer in OPTIMIZERS[inner]:
        network = Network([Linear(64, 300), *INNER[inner], Linear(300, 10)],
                          SoftmaxCrossEntropy(0.1), dtype=dtype, seed=1, precision=precision)
        x, y = rng.normal(size=(rows, 64)).astype(dtype), rng.integers(0, 10, rows)
        weight = None
        if kind == "gathered":
            x, y, weight = x.astype("i2")[:, ::-1], np.eye(10)[y], rng.uniform(size=rows)
        if kind == "sparse":
            there = (np.arange(64) + np.arange(rows)[:, None]) % 4 == 0  # 16 in each row
            begins = 16 * np.arange(rows + 1)
            x = SparseRows(begins, np.nonzero(there)[1].copy(), x[there], 64)
        train, counts = network._learner.engine.train, []

        def counted(flat, moments, optimizer, examples, steps, *others):
            if kind == "settings of steps":
                n = len(steps.lr)
                steps = steps._replace(l2=[0.1] * n, penalty=np.zeros(n))
            before = allocations()
            outcome = train(flat, moments, optimizer, examples, steps, *others)
            counts.append((outcome.steps, allocations() - before))
            return outcome

        network._learner.engine.train = counted
        for steps in (10, 10, 200, 10, 200):  # the first call reserves memory
            n = 32 * steps
            network.fit(x[:n], y[:n], epochs=1, batch_size=32, shuffle=kind == "gathered",
                        sample_weight=None if weight is None else weight[:n],
                        optimizer=optimizer)
        assert [c[0] for c in counts] == [10, 10, 200, 10, 200]
        print(dtype, kind, inner, optimizer, *[c[1] for c in counts], sep=";")
"""


_COUNT_HALVES = """
import ctypes
import numpy as np
import densenet
from densenet import Adam, BatchNorm, Dropout, Linear, Network, Sigmoid, SoftmaxCrossEntropy

allocations = ctypes.CDLL(None).allocations
allocations.restype = ctypes.c_long
rng = np.random.default_rng(0)
densenet.set_num_threads({threads})
for dtype in ("float32", "float64"):
    for optimizer in (Adam(), Adam(clip_norm=0.1, clip_value=0.01)):
        layers = [Linear(64, 300), BatchNorm(300), Sigmoid(), Dropout(0.2), Linear(300, 10)]
        network = Network(layers, SoftmaxCrossEntropy(0.1), dtype=dtype, seed=1)
        x, y = rng.normal(size=(96, 64)).astype(dtype), rng.integers(0, 10, 96)
        parts = [(x[row : row + 32], y[row : row + 32], row) for row in (0, 32, 64)]
        out, total = np.empty_like(network.flat), np.zeros_like(network.flat)

        def step():
            for rows, classes, row in parts:
                given = {{"out": out, "first_row": row, "total_weight": 96.0}}
                network.loss_and_gradient(rows, classes, **given)
            return network.apply_gradient(out, optimizer)

        for _ in range(100):  # the first reserves memory; Python keeps some of its own
            step()
        before = allocations()
        for _ in range(200):
            step()
        print(dtype, optimizer, allocations() - before, sep=";")
"""


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    """A library that, loaded first, counts allocations."""
    compiler = shutil.which("cc")
    if not sys.platform.startswith("linux"):
        pytest.skip(NOT_APPLICABLE + "interposes the allocators of Linux's C library")
    if compiler is None:
        pytest.skip("needs a C compiler")
    folder = tmp_path_factory.mktemp("counter")
    source, library = folder / "counter.c", folder / "libcounter.so"
    source.write_text(_COUNTER)
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, source], check=True)
    return str(library)


@pytest.mark.parametrize("threads", [1, 2])
def test_no_step_allocates(counter, threads):
    output = run_python(_COUNT.format(threads=threads), LD_PRELOAD=counter)
    lines = [line.split(";") for line in output.splitlines()]
    assert len(lines) == 70
    for *what, first, _, long, short, again in lines:
        assert long == short == again, what
        assert int(first) > int(short), what  # the counter sees the core's memory
        assert int(short) < 40, what  # the call's own: arguments, results


@pytest.mark.parametrize("threads", [1, 2])
def test_no_half_of_a_step_allocates(counter, threads):
    output = run_python(_COUNT_HALVES.format(threads=threads), LD_PRELOAD=counter)
    lines = [line.split(";") for line in output.splitlines()]
    assert len(lines) == 4
    for *what, count in lines:
        assert int(count) < 40, what  # of 800 calls
