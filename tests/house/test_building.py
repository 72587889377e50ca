"""What a build that cannot succeed says: one message, with what to do."""

import re
import shutil
import subprocess

import pytest

from tests.support.builds import configuration
from tests.support.skips import NOT_APPLICABLE


@pytest.fixture
def configure(tmp_path):
    """Run CMake as pip does, with more settings, which must fail; give what it says."""

    def configure(**settings):
        command = configuration(tmp_path / "build", **settings)
        result = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert result.returncode != 0
        assert result.stderr.count("CMake Error") == 1, result.stderr
        return re.sub(r"\s+", " ", result.stderr)

    return configure


def test_a_missing_compiler_is_told(configure):
    told = configure(CMAKE_CXX_COMPILER="")
    assert "densenet needs a C++17 compiler." in told
    assert "sudo apt-get update && sudo apt-get install g++" in told


def test_missing_headers_of_python_are_told(configure, tmp_path):
    told = configure(Python_INCLUDE_DIR=tmp_path / "none")
    assert "densenet needs Python 3.10 or newer with its headers." in told
    assert "sudo apt-get update && sudo apt-get install python3-dev" in told


@pytest.mark.parametrize("version", ["", "3.3.9"])
def test_missing_and_old_headers_of_eigen_are_told(configure, tmp_path, version):
    if version:
        (tmp_path / "Eigen3Config.cmake").write_text(
            "add_library(Eigen3::Eigen INTERFACE IMPORTED)"
        )
        (tmp_path / "Eigen3ConfigVersion.cmake").write_text(f"set(PACKAGE_VERSION {version})")
    settings = {"Eigen3_DIR": tmp_path} if version else {"CMAKE_DISABLE_FIND_PACKAGE_Eigen3": "ON"}
    assert "densenet needs the headers of Eigen 3.4 or newer." in configure(**settings)


def test_a_processor_without_vector_registers_is_told(configure):
    told = configure(CMAKE_CXX_FLAGS="-DEIGEN_DONT_VECTORIZE")
    assert "for which Eigen has vector registers of float and double" in told
    assert "-DEIGEN_DONT_VECTORIZE" in told


def test_32_bits_are_told(configure, tmp_path):
    (tmp_path / "empty.cpp").write_text("int main() {}")
    command = [shutil.which("c++") or "cl", "-m32", tmp_path / "empty.cpp", "-o", tmp_path / "out"]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip(NOT_APPLICABLE + "the compiler makes no programs of 32 bits")
    told = configure(CMAKE_CXX_FLAGS="-m32")
    assert "densenet needs a 64-bit system: the compiler makes programs of 32 bits" in told
