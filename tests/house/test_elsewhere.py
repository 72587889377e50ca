"""The suite is collected where packages or parts of the system are missing: their tests skip."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT, TESTS

# Hides what pytest's plug-ins and the tests would import or look up.
HIDE = """
import io, os, signal, sys

sys.modules.update(dict.fromkeys({modules!r}))
for module, names in ((os, {os_names!r}), (signal, {signal_names!r})):
    for name in names:
        vars(module).pop(name, None)
if not hasattr(os, "sched_getaffinity") and hasattr(os, "process_cpu_count"):
    os.process_cpu_count = os.cpu_count  # as Python 3.13 has it on such systems


def hide(function):
    def hidden(path, *arguments, **options):
        if {folders!r} and isinstance(path, (str, os.PathLike)):
            if os.fspath(path).startswith({folders!r}):
                raise FileNotFoundError(2, "No such file or directory", path)
        return function(path, *arguments, **options)

    return hidden


os.stat, io.open = hide(os.stat), hide(io.open)
"""


def others_packages():
    """Name the packages beside NumPy and pytest that tests and benchmarks import, or ask for."""
    named = {"dask", "ipykernel", "ipywidgets", "jupyter_client", "mpi4py"}  # by other packages
    files = [*TESTS.rglob("*.py"), *(ROOT / "bench").rglob("*.py")]
    for text in (path.read_text(encoding="utf-8") for path in files):
        named |= set(re.findall(r'importorskip\("(\w+)', text))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                named |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                named.add(str(node.module).partition(".")[0])
    ours = {"densenet", "tests", *(path.stem for path in (ROOT / "bench").glob("*"))}
    return sorted(named - ours - sys.stdlib_module_names - {"numpy", "pytest"})


MISSING = {
    "packages but NumPy and pytest": {"modules": others_packages()},
    "what Windows has not": {
        "modules": ["fcntl", "pty", "termios", "resource", "pwd", "grp", "tty"],
        "os_names": [
            *("getloadavg", "sched_getaffinity", "sched_setaffinity", "sched_setscheduler"),
            *("SCHED_IDLE", "sched_param"),
            *("fork", "mkfifo"),
        ],
        "signal_names": [
            *("pthread_kill", "pthread_sigmask", "setitimer", "ITIMER_REAL", "SIGALRM", "SIGKILL"),
            *("SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGHUP", "alarm", "pause"),
        ],
        "folders": ("/proc", "/sys"),
    },
}
FOLDERS = {path.parent.name for path in TESTS.glob("*/test_*.py")}
NOTHING = {"modules": [], "os_names": [], "signal_names": [], "folders": ()}


def test_packages_are_found():
    assert {"sklearn", "pyarrow", "hypothesis", "jax", "narwhals"} <= set(others_packages())
    assert not {"os", "records", "densenet"} & set(others_packages())


@pytest.mark.parametrize("missing", MISSING.values(), ids=MISSING)
def test_everything_is_collected_without(missing, tmp_path):
    (tmp_path / "hide.py").write_text(HIDE.format(**NOTHING | missing))
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    environment |= {"PYTHONPATH": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-p", "hide", "-p", "no:cacheprovider", "--collect-only", "-qq"]
    result = subprocess.run(
        [sys.executable, "-m", "pytest", *options, TESTS],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr
    files = [line.partition(":")[0] for line in result.stdout.splitlines() if "py: " in line]
    assert {Path(file).parent.name for file in files} >= FOLDERS - {"sklearn"}
