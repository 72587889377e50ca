"""The core tests itself, in a program without Python that a debugger can enter."""

import os
import re
import subprocess

import pytest

from tests.support.builds import configuration


def run(command):
    result = subprocess.run(command, capture_output=True, text=True, timeout=1100)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout


@pytest.mark.timeout(1200)
def test_the_core_passes_its_own_tests(request, tmp_path):
    cache = getattr(request.config, "cache", None)  # so that only what changed is compiled again
    folder = cache.mkdir("core") if cache else tmp_path
    command = configuration(folder, DENSENET_BUILD_TESTS="ON", CMAKE_BUILD_TYPE="Debug")
    run(command)
    run(
        [command[0], "--build", folder, "--config", "Debug", "--target", "core_tests", "--parallel"]
    )
    (program,) = (
        path
        for path in folder.rglob("core_tests*")
        if path.name in ("core_tests", "core_tests.exe") and os.access(path, os.X_OK)
    )
    assert re.search(r"^\d+ passed$", run([program]), flags=re.MULTILINE)
    assert (folder / "compile_commands.json").exists() or os.name == "nt"
