"""CMake, as pip runs it; a skip where something is missing that a build needs."""

import shutil
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT


def configuration(folder, **settings):
    """Give the command that configures a build of this clone in a folder."""
    cmake = shutil.which("cmake", path=str(Path(sys.executable).parent)) or shutil.which("cmake")
    if cmake is None or not (shutil.which("c++") or shutil.which("cl")):
        pytest.skip("needs CMake and a C++ compiler")
    usual = {
        "Python_EXECUTABLE": sys.executable,
        "pybind11_DIR": pytest.importorskip("pybind11").get_cmake_dir(),
    }
    options = [f"-D{name}={value}" for name, value in (usual | settings).items()]
    return [cmake, "-S", ROOT, "-B", folder, *options]
