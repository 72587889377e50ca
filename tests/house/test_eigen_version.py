"""The version of Eigen, of which the macros changed their meaning with Eigen 5."""

import re
import shutil
import subprocess

import pytest

import densenet
from tests.support.paths import ROOT

SOURCES = ROOT / "src"
PRINT = """
#include <cstdio>
#include "bindings/eigen_version.hpp"
int main() { std::puts(densenet::eigen_version().c_str()); }
"""


@pytest.mark.parametrize(
    ("macros", "version"),
    [
        ("WORLD 3 MAJOR 4 MINOR 0", "3.4.0"),
        ("WORLD 3 MAJOR 4 MINOR 1", "3.4.1"),
        ("WORLD 3 MAJOR 4 MINOR 90", "3.4.90"),
        ("WORLD 3 MAJOR 5 MINOR 0 PATCH 0", "5.0.0"),
        ("WORLD 3 MAJOR 5 MINOR 0 PATCH 1", "5.0.1"),
        ("WORLD 3 MAJOR 5 MINOR 12 PATCH 3", "5.12.3"),
    ],
)
def test_the_macros_of_every_release_give_its_version(tmp_path, macros, version):
    if shutil.which("c++") is None:
        pytest.skip("needs a C++ compiler")
    pairs = re.findall(r"(\w+) (\d+)", macros)
    (tmp_path / "Eigen").mkdir()
    (tmp_path / "Eigen" / "Core").write_text(
        "".join(f"#define EIGEN_{name}_VERSION {number}\n" for name, number in pairs)
    )
    (tmp_path / "print.cpp").write_text(PRINT)
    command = ["c++", "-std=c++17", f"-I{tmp_path}", f"-I{SOURCES}", "print.cpp", "-o", "print"]
    subprocess.run(command, cwd=tmp_path, check=True)
    run = subprocess.run([tmp_path / "print"], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == version


def test_the_version_is_one_that_densenet_builds_with():
    version = tuple(map(int, densenet.show_config()["eigen"].split(".")))
    assert len(version) == 3
    assert version >= (3, 4, 0)
