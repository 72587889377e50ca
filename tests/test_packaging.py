"""What a wheel promises: that importing it is cheap and leaves Python's global lock off."""

import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

import densenet
from conftest import NOT_APPLICABLE, run_python

ROOT = Path(__file__).parents[1]


def test_the_version_is_the_installed_one():
    assert densenet.__version__ == version("densenet")


def test_importing_the_package_imports_little():
    # Without the site packages' own start-up files, which import much themselves.
    code = (
        f"import sys; sys.path[:0] = {[str(Path(densenet.__file__).parents[1]), *sys.path]!r};"
        "import numpy, dataclasses; before = set(sys.modules); import densenet;"
        "print(*sorted({name for name in set(sys.modules) - before"
        "               if name.partition('.')[0] != 'densenet' or 'core' in name}))"
    )
    new = set(run_python(code, options=("-S", "-W", "error")).split())
    assert new <= {"numpy.typing", "numpy._typing._add_docstring"}


@pytest.mark.skipif(
    not sysconfig.get_config_var("Py_GIL_DISABLED"),
    reason=NOT_APPLICABLE + "Python has its global lock",
)
def test_importing_the_compiled_core_leaves_the_global_lock_off():
    code = "import sys, densenet.kernels; print(sys._is_gil_enabled())"
    assert run_python(code, PYTHON_GIL="") == "False"


@pytest.mark.parametrize("path", sorted((ROOT / "src" / "bindings").glob("*.cpp")), ids=str)
def test_every_module_says_that_it_needs_no_global_lock(path):
    for line in path.read_text().splitlines():
        if line.startswith("PYBIND11_MODULE("):
            assert "mod_gil_not_used()" in line
