"""The type hints hold: mypy in strict mode, and the stubs against the compiled modules."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

import densenet
from tests.support.paths import ROOT
from tests.support.skips import NOT_APPLICABLE

PACKAGE = Path(densenet.__file__).parent
# mypy finds what is installed by itself, and refuses a path to it.
INSTALLED = PACKAGE.parent in (Path(sysconfig.get_path(name)) for name in ("purelib", "platlib"))
SETTINGS = ROOT / "pyproject.toml"


def check(tmp_path, *command):
    pytest.importorskip("mypy")
    return subprocess.run(
        [sys.executable, "-m", *command],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"MYPYPATH": "" if INSTALLED else str(PACKAGE.parent)},
    )


@pytest.mark.skipif(
    np.lib.NumpyVersion(np.__version__) < "2.4.0",
    reason=NOT_APPLICABLE + "the type hints of older NumPy, seen with 2.2.6, say Any more often",
)
def test_the_package_is_typed_strictly(tmp_path, request):
    pytest.importorskip("mypy")
    cache = request.config.cache.mkdir("mypy")  # what mypy knows of NumPy is kept between runs
    options = ["--strict", f"--config-file={SETTINGS}", f"--cache-dir={cache}"]
    # NumPy's hints are read right by the Pythons that it is made for: NumPy 2.5 leaves 3.10 out.
    options.append("--python-version={}.{}".format(*sys.version_info))
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
