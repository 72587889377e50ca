"""Denormal numbers are flushed inside a call, and the caller's floating-point mode is its own."""

import contextlib
import ctypes
import platform
import sys

import numpy as np
import pytest

import densenet as dn
from densenet import kernels
from tests.support.assertions import assert_same_bits
from tests.support.skips import NOT_APPLICABLE

X86 = platform.machine() in ("x86_64", "AMD64")
FLUSHES = X86 or platform.machine() in ("arm64", "aarch64")

pytestmark = [
    pytest.mark.usefixtures("keep_threads"),
    pytest.mark.skipif(not FLUSHES, reason=NOT_APPLICABLE + "no such mode is known here"),
]


@pytest.fixture(params=[1, 3])
def threads(request):
    dn.set_num_threads(request.param)


def calls(rng, dtype):
    """Some of every kind, and an error; large enough for several threads."""
    layers = [dn.Linear(300, 700), dn.Sigmoid(), dn.Linear(700, 10)]
    network = dn.Network(layers, dn.SoftmaxCrossEntropy(), dtype=dtype, seed=1)
    x, y = rng.normal(size=(64, 300)).astype(dtype), rng.integers(0, 10, 64)
    return [
        lambda: kernels.sigmoid_forward(x),
        lambda: kernels.linear_backward(x, x, network.parameters["0.weight"][:300]),
        lambda: kernels.adam_step(x.copy(), x, x.copy(), x * x, 3),
        lambda: network.train_step(x, y, dn.Adam()),
        lambda: network.predict(x),
        lambda: network.fit(x, y, epochs=1, batch_size=16),
        lambda: kernels.sigmoid_forward(x[:0]),
        lambda: kernels.sigmoid_forward(x.astype("f2")),
    ]


@pytest.mark.usefixtures("threads")
def test_denormal_numbers_are_numpys_own_again_after_a_call(rng, dtype):
    tiny = np.full(65, np.finfo(dtype).tiny, dtype)
    for call in calls(rng, dtype):
        with contextlib.suppress(TypeError, ValueError):
            call()
        halves = tiny / 2
        assert (halves > 0).all()
        assert (halves * 2 == tiny).all()


@pytest.mark.usefixtures("threads")
def test_moments_that_decay_are_flushed_in_every_part_of_a_function(dtype):
    tiny = np.finfo(dtype).tiny
    velocity = np.full(300_001, 1.5 * tiny, dtype)
    kernels.sgd_step(np.ones_like(velocity), 0 * velocity, velocity, lr=0.1, momentum=0.5)
    assert not velocity.any()


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("clip_norm", [None, 1.0], ids=["fused", "unfused"])
def test_moments_that_decay_are_flushed_in_every_part_of_a_step(rng, dtype, clip_norm):
    network = dn.Network([dn.Linear(300, 700)], dn.MeanSquaredError(), dtype=dtype, seed=1)
    x, y = rng.normal(size=(64, 300)), rng.normal(size=(64, 700))
    optimizer = dn.SGD(momentum=0.5, clip_norm=clip_norm)
    network.train_step(x, y, optimizer)
    velocity = network.optimizer_state["velocity"]
    velocity[...] = 1.5 * np.finfo(dtype).tiny
    before = network.parameters["0.weight"].copy()
    network.train_step(np.zeros_like(x), y, optimizer)  # no gradient, but for the bias
    assert np.count_nonzero(velocity) <= 700
    assert_same_bits(network.parameters["0.weight"], before)


@pytest.mark.skipif(
    not (X86 and sys.platform.startswith("linux")),
    reason=NOT_APPLICABLE + "knows where glibc keeps x86-64's mode",
)
@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize(
    "bits", [0, 0x8040, 0x8000, 0x2000, 0x6000], ids=["own", "flush", "to zero", "down", "cut"]
)
def test_the_callers_mode_is_restored_whatever_it_is(rng, dtype, bits):
    libm = ctypes.CDLL("libm.so.6")
    environment = (ctypes.c_uint32 * 8)()  # fenv_t: the last word is that of SSE and AVX
    control = 0xFFC0  # without the flags of what has happened
    for call in calls(rng, dtype):
        libm.fegetenv(environment)
        usual = environment[7]
        environment[7] = wanted = usual | bits
        try:
            libm.fesetenv(environment)
            with contextlib.suppress(TypeError, ValueError):
                call()
            libm.fegetenv(environment)
        finally:
            found, environment[7] = environment[7], usual
            libm.fesetenv(environment)
        assert found & control == wanted & control
