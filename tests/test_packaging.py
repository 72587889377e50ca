"""What a wheel promises: that importing it is cheap."""

from importlib.metadata import version
from pathlib import Path

import densenet
from conftest import run_python


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
