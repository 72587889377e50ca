"""Time limits, which skips are allowed, and the fixtures that tests of several files share."""

import importlib
import os
import re
import signal
import zlib
from importlib.util import find_spec

import numpy as np
import pytest

import densenet
from densenet import cli
from tests.support.backends import ENGINES, TWINS
from tests.support.skips import NOT_APPLICABLE
from tests.support.tables import HEADER, write

HAS_PYARROW = find_spec("pyarrow") is not None  # before a test hides it

# ---- time limits -------------------------------------------------------------------------------


def pytest_addoption(parser, pluginmanager):
    """Know the settings of pytest-timeout where it is not installed: no test is ended there."""
    if not pluginmanager.hasplugin("timeout"):
        parser.addini("timeout", "seconds that a test may take")
        parser.addini("timeout_method", "how a test is ended that takes longer")


# ---- threads -----------------------------------------------------------------------------------


def _limits_of_threads():
    return {name: value for name, value in os.environ.items() if name.endswith("_NUM_THREADS")}


_LIMITS = _limits_of_threads()


def pytest_collection_finish():
    """See that no import has limited the threads of all tests and of the processes they begin."""
    if _limits_of_threads() != _LIMITS:
        raise pytest.UsageError(
            f"threads: expected {_LIMITS} as before, got {_limits_of_threads()}"
        )


# ---- Ctrl-C ------------------------------------------------------------------------------------


def pytest_configure():
    """Take SIGINT as Ctrl-C even where it is ignored: in a job of a shell's background."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


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
    """Random numbers that are the test's own: the same in every run, and wherever its file lies."""
    return np.random.default_rng(zlib.crc32(request.node.name.encode()))


@pytest.fixture
def keep_threads():
    """Give calls and steps the threads that are set, asleep or late; put the number back."""
    from densenet import _core

    before = densenet.get_num_threads()
    _core.suspend_timing(True)
    yield
    _core.suspend_timing(False)
    densenet.set_num_threads(before)


@pytest.fixture
def few_drawn(monkeypatch):
    """Samples of tables in chunks have 60 rows, chunks are small, blocks of CSV some ten rows."""
    from densenet.tables.reading import csv_text, drawing, mixing

    monkeypatch.setattr(drawing, "MOST_ROWS", 60)
    monkeypatch.setattr(mixing, "GROUP", 1 << 11)
    monkeypatch.setattr(csv_text, "SIZE", 1 << 9)
    monkeypatch.setattr(csv_text, "_CELLS", 64)


@pytest.fixture(params=["in the sample", "not"])
def chunks_of(request):
    """Write rows, and read them in chunks: all are in the sample, or 60 of them."""
    from densenet.tables import read_chunks

    pytest.importorskip("pyarrow")
    if request.param == "not":
        request.getfixturevalue("few_drawn")

    def make(rows, header=HEADER):
        write("t.csv", header, rows)
        return read_chunks("t.csv")

    return make


@pytest.fixture
def empty_folder(tmp_path, monkeypatch):
    """An empty folder to be in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(capsys):
    """Run the console command; give its status, standard output and standard error.

    Skips where it needs pyarrow, which is not installed.
    """

    def command(*arguments):
        try:
            status = cli.main(list(map(str, arguments)))
        except SystemExit as exit_:
            status = exit_.code
        out, err = capsys.readouterr()
        if not HAS_PYARROW and re.search(r"needs .*pyarrow", err):
            pytest.skip("needs pyarrow")
        return status, out, err

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
