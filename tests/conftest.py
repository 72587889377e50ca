"""What all tests share: both backends behind one fixture, tolerances, awkward arrays."""

import importlib
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from itertools import pairwise

import numpy as np
import pytest

import densenet
from densenet import cli

TWINS = ("kernels", "reference")
ENGINES = ("compiled", "reference")
NOT_APPLICABLE = "not applicable: "  # how the reason of a skip begins that is right even in CI


# ---- time limits -------------------------------------------------------------------------------


def pytest_addoption(parser, pluginmanager):
    """Know the settings of pytest-timeout where it is not installed: no test is ended there."""
    if not pluginmanager.hasplugin("timeout"):
        parser.addini("timeout", "seconds that a test may take")
        parser.addini("timeout_method", "how a test is ended that takes longer")


# ---- skips are failures in CI ------------------------------------------------------------------


def _forbid_skip(report):
    """Turn a skip into a failure where CI=true: there, everything that tests need is installed."""
    expected = hasattr(report, "wasxfail")
    if report.skipped and not expected and os.environ.get("CI") == "true":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if NOT_APPLICABLE not in reason:
            report.outcome = "failed"
            report.longrepr = f"skipped, which CI=true forbids: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return _forbid_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return _forbid_skip((yield))


POSIX_SIGNALS = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason=NOT_APPLICABLE + "needs POSIX signals"
)


# ---- fixtures ----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def keep_numpys_warnings():
    """Put back how NumPy tells of overflow: a signal may end ``np.errstate`` before it does so."""
    with np.errstate():
        yield


@pytest.fixture(params=TWINS)
def backend(request):
    """The functions, compiled and in NumPy: an ordinary test runs on both."""
    return importlib.import_module(f"densenet.{request.param}")


@pytest.fixture
def twins():
    """Both modules of functions, to be compared."""
    return tuple(importlib.import_module(f"densenet.{name}") for name in TWINS)


@pytest.fixture(params=ENGINES)
def engine(request):
    """The name of a network's backend."""
    return request.param


@pytest.fixture(params=[np.float32, np.float64], ids=["float32", "float64"])
def dtype(request):
    return np.dtype(request.param)


@pytest.fixture
def rng(request):
    """Random numbers that are the test's own, and the same in every run."""
    return np.random.default_rng(zlib.crc32(request.node.nodeid.encode()))


@pytest.fixture
def keep_threads():
    """Give calls the threads that are set, be they asleep; put the number back after the test."""
    from densenet import _core

    before = densenet.get_num_threads()
    _core.suspend_standby(True)
    yield
    _core.suspend_standby(False)
    densenet.set_num_threads(before)


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(capsys):
    """Run the console command; give its status, standard output and standard error."""

    def command(*arguments):
        try:
            status = cli.main(list(map(str, arguments)))
        except SystemExit as exit_:
            status = exit_.code
        return status, *capsys.readouterr()

    return command


@pytest.fixture
def refused(command, empty_folder):
    """Run the console command, which must fail and write nothing, and give its one line."""

    def files():
        return {path.name: path.read_bytes() for path in empty_folder.iterdir()}

    def refused(*arguments):
        before = files()
        status, out, err = command(*arguments)
        assert (status, out) == (2, "")
        assert err.startswith("densenet")
        assert err.count("\n") == 1
        assert files() == before
        return err

    return refused


# ---- tolerances --------------------------------------------------------------------------------


def assert_ulp(actual, desired, ulp=4):
    """Check that elements differ by at most so many units in the last place, and zeros not in sign.

    Differences up to the smallest normal number are none, because threads flush denormals.
    """
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert actual.dtype == desired.dtype
    assert actual.shape == desired.shape
    finite = np.isfinite(desired)
    np.testing.assert_array_equal(actual[~finite], desired[~finite])
    assert np.isfinite(actual[finite]).all()
    a, d = actual[finite].astype(np.longdouble), desired[finite].astype(np.longdouble)
    unit = np.spacing(np.maximum(np.abs(actual[finite]), np.abs(desired[finite])))
    limit = np.maximum(ulp * unit, np.finfo(actual.dtype).tiny)
    worst = np.max(np.abs(a - d) / limit, initial=0)
    assert worst <= 1, f"{float(worst * ulp):.3g} units in the last place"
    assert_signs_of_zeros(actual, desired)


def assert_signs_of_zeros(actual, desired):
    """Check that where both are zero, both are 0 or both are -0."""
    zeros = (actual == 0) & (desired == 0)
    np.testing.assert_array_equal(np.signbit(actual[zeros]), np.signbit(desired[zeros]))


def assert_product(actual, a, b, plus=None):
    """Check ``a @ b + plus`` against extended precision: within 2 K eps Σ|a||b|."""
    wide_a, wide_b = np.asarray(a, np.longdouble), np.asarray(b, np.longdouble)
    exact, size = wide_a @ wide_b, np.abs(wide_a) @ np.abs(wide_b)
    terms = wide_a.shape[1]
    if plus is not None:
        exact, size, terms = exact + plus, size + np.abs(plus), terms + 1
    assert actual.dtype == a.dtype
    assert actual.shape == exact.shape
    limit = 2 * terms * float(np.finfo(a.dtype).eps) * size + np.finfo(a.dtype).tiny
    worst = float(np.max(np.abs(actual - exact) / limit))
    assert worst <= 1, f"{worst:.3g} times the bound"


def assert_same_bits(actual, desired):
    actual, desired = np.asarray(actual), np.asarray(desired)
    assert (actual.dtype, actual.shape) == (desired.dtype, desired.shape)
    assert actual.tobytes() == desired.tobytes()


def central_differences(function, x, step=1e-6):
    """The gradient of a function of a float64 array, (f(x + h) - f(x - h)) / 2h."""
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        moved = x.copy()
        moved[i] = x[i] + step
        above = function(moved)
        moved[i] = x[i] - step
        gradient[i] = (above - function(moved)) / (2 * step)
    return gradient


# ---- errors ------------------------------------------------------------------------------------


def error_of(call, arrays):
    """The exception that a call raises; the arrays must be what they were."""
    before = [(a.tobytes(), a.dtype, a.shape, a.strides) for a in arrays]
    try:
        result = call()
    except (TypeError, ValueError) as error:
        after = [(a.tobytes(), a.dtype, a.shape, a.strides) for a in arrays]
        assert after == before, "an argument has changed"
        return error
    raise AssertionError(f"no error, but {result!r}")


def same_error(errors, expected_type, expected_text):
    """All errors are of this type and have this text."""
    for error in errors:
        assert type(error) is expected_type, repr(error)
        assert str(error) == expected_text


def assert_apart(network):
    """Parameters and moments start cache lines of their own, at different places of a page."""
    moments = (array for name, array in network.optimizer_state.items() if name != "step")
    places = sorted(array.ctypes.data % 4096 for array in (network.flat, *moments))
    assert all(place % 64 == 0 for place in places)
    assert all(b - a >= 1024 for a, b in pairwise([*places, places[0] + 4096]))


# ---- awkward arrays ----------------------------------------------------------------------------


def misaligned(array):
    """The same values where no element is aligned."""
    raw = np.empty(array.nbytes + 1, np.uint8)
    copy = raw[1:].view(array.dtype).reshape(array.shape)
    copy[...] = array
    assert not copy.flags.aligned or array.itemsize == 1
    return copy


def spread(array):
    """The same values with gaps between them, in both directions."""
    gap = np.nan if array.dtype.kind == "f" else 1
    wide = np.full([2 * n + 1 for n in array.shape], gap, array.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in array.shape)]
    view[...] = array
    return view


def reversed_axes(array):
    """The same values with negative strides."""
    backwards = tuple(slice(None, None, -1) for _ in array.shape)
    return np.ascontiguousarray(array[backwards])[backwards]


def swapped(array):
    """The same values in the other byte order."""
    return array.astype(array.dtype.newbyteorder("S"))


LAYOUTS = {
    "C": lambda array: array.copy("C"),
    "F": lambda array: array.copy("F"),
    "spread": spread,
    "reversed": reversed_axes,
    "swapped": swapped,
    "misaligned": misaligned,
}


# ---- signals -----------------------------------------------------------------------------------


if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a background job of a shell
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupt_when_trained(network):
    """Send this thread what Ctrl-C sends, as soon as the network's parameters have changed."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip(NOT_APPLICABLE + "needs POSIX signals")
    main, before = threading.get_ident(), network.flat.copy()

    def watch():
        while np.array_equal(network.flat, before):
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


# ---- other interpreters ------------------------------------------------------------------------


def run_python(code, *, timeout=250, options=("-W", "error"), **environment):
    """Run a program in a new interpreter and give its standard output; fail where it fails."""
    result = try_python(code, timeout=timeout, options=options, **environment)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def try_python(code, *, timeout=250, options=("-W", "error"), **environment):
    return subprocess.run(
        [sys.executable, *options, "-c", code],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=os.environ | environment,
    )
