"""The type hints hold: mypy in strict mode, and the stubs against the compiled modules."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import densenet
from tests.support.paths import ROOT

PACKAGE = Path(densenet.__file__).parent
SETTINGS = ROOT / "pyproject.toml"


def check(tmp_path, *command):
    pytest.importorskip("mypy")
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": str(PACKAGE.parent)},
    )


def test_the_package_is_typed_strictly(tmp_path, request):
    pytest.importorskip("mypy")
    cache = request.config.cache.mkdir("mypy")  # what mypy knows of NumPy is kept between runs
    options = ["--strict", f"--config-file={SETTINGS}", f"--cache-dir={cache}"]
    result = check(tmp_path, "mypy", *options, "-p", "densenet")
    assert result.returncode == 0, result.stdout + result.stderr


# The stub's own types are checked above; here it is compared with what the modules contain, for
# which NumPy's stubs need not be read.
_STUBTEST = """
[mypy]
[mypy-numpy.*,matplotlib.*,pandas.*,tqdm.*]
follow_imports = skip
follow_imports_for_stubs = True
ignore_missing_imports = True
"""


def test_the_stubs_describe_the_compiled_modules(tmp_path):
    settings = tmp_path / "mypy.ini"
    settings.write_text(_STUBTEST)
    modules = ["densenet._core", "densenet._cpu"]
    result = check(tmp_path, "mypy.stubtest", *modules, f"--mypy-config-file={settings}")
    assert result.returncode == 0, result.stdout + result.stderr
