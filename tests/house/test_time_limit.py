"""A test that hangs is ended and named, wherever it hangs."""

import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT
from tests.support.skips import NOT_APPLICABLE

_HANGS = """
import ctypes
import pytest

@pytest.mark.timeout(1)
def test_that_never_ends():
    ctypes.CDLL(None).pause()  # in C, with the lock released, and no signal comes
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason=NOT_APPLICABLE + "no pause() to hang in")
def test_a_test_that_hangs_in_compiled_code_is_ended_and_named(tmp_path):
    pytest.importorskip("pytest_timeout")
    (tmp_path / "test_hangs.py").write_text(_HANGS)
    settings = ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *settings, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert result.returncode != 0
    assert "Timeout" in result.stdout + result.stderr
    assert "in test_that_never_ends" in result.stdout + result.stderr


def test_every_test_has_a_limit(pytestconfig):
    pytest.importorskip("pytest_timeout")
    assert float(pytestconfig.getini("timeout")) > 0
    assert pytestconfig.getini("timeout_method") == "thread"
