"""Rules about the tests themselves."""

import ast
import os
import re
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests.faults.__main__ import FAULTS, misplaced, rows_in
from tests.support.paths import ROOT, TESTS
from tests.support.ranks import all_of, on_ranks

FILES = sorted(TESTS.rglob("*.py"))
OF_TESTS = [path for path in FILES if path.name.startswith("test_")]


def name_of(path):
    return str(path.relative_to(TESTS))


def imported(path):
    """Names of the modules that a file imports from, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (node.module, *(f"{node.module}.{alias.name}" for alias in node.names))


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_nothing_is_imported_from_a_file_of_tests(path):
    """What two of them need is in `tests.support`, and fixtures are in a conftest.py."""
    pattern = re.compile(r"(.*\.)?(test_\w+|conftest)(\..*)?")
    ours = {module for module in imported(path) if pattern.fullmatch(module)}
    assert {module for module in ours if not module.startswith("sklearn.")} == set()


def test_every_file_of_tests_lies_in_a_folder_and_has_a_name_of_its_own():
    """The same name twice is two modules of one name, of which pytest imports one."""
    assert all(path.parent.parent == TESTS for path in OF_TESTS)
    assert len({path.name for path in OF_TESTS}) == len(OF_TESTS)


def test_make_quick_runs_tests_of_every_promise():
    text = (ROOT / "Makefile").read_text().partition("some_tests := ")[2].partition("\n\n")[0]
    named = re.findall(r"([\w/]+\.py)(?:::(\w+))?", text)
    for path, function in named:
        assert f"def {function}" in (TESTS / path).read_text()
    promises = {"kernels", "network", "training", "files", "tables", "threads"}
    assert {path.partition("/")[0] for path, _ in named} >= promises


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_no_test_asks_a_clock(path):
    """Other processes take as much of the machine as they like: tests count, or turn a clock."""
    clocks = (
        r"(?<!def )\b(perf_counter|monotonic|(process|thread)_time|getrusage|time\.time)(_ns)?\("
    )
    assert not re.search(clocks, path.read_text())


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_time_limit_only_ends_what_hangs(path):
    """A busy machine may let a process wait for a minute and more."""
    limits = map(int, re.findall(r"timeout=(\d+)", path.read_text()))
    assert min(limits, default=250) >= 250


def test_ranks_wait_for_each_other_however_long(monkeypatch):
    wait, limits = threading.Condition.wait, []

    def noted(condition, timeout=None):
        limits.append(timeout)
        return wait(condition, timeout)

    monkeypatch.setattr(threading.Condition, "wait", noted)
    all_of(on_ranks(3, lambda workers: workers.allreduce(np.ones(1))))
    assert set(limits) == {None}


def test_no_rank_waits_for_one_that_has_ended():
    def on_two_of_them(workers):
        if workers.rank != 1:
            workers.allreduce(np.ones(1))

    first, ended, last = on_ranks(3, on_two_of_them)
    assert ended is None
    assert [type(error) for error in (first, last)] == [RuntimeError] * 2


def test_faults_are_put_where_their_text_is():
    """`python -m tests.faults` is run by hand; code that moves must take its faults along."""
    assert list(misplaced()) == []
    assert set(rows_in(ROOT / "docs" / "faults-put-in.md")) == set(FAULTS)


_SKIPS = {
    "call": "def test_it():\n    pytest.skip({!r})",
    "mark": "@pytest.mark.skip(reason={!r})\ndef test_it(): pass",
    "module": "pytest.skip({!r}, allow_module_level=True)",
    "package": "pytest.importorskip('no_such_package', reason={!r})",
}
_XFAIL = "@pytest.mark.xfail\ndef test_it(): assert False"


@pytest.mark.parametrize(("ci", "failing"), [("true", set(_SKIPS)), ("", set())])
def test_in_ci_a_skip_is_a_failure(tmp_path, ci, failing):
    shutil.copy(TESTS / "conftest.py", tmp_path)
    for name, body in _SKIPS.items():
        for kind, reason in (("wrong", "needs something"), ("right", "not applicable: no fork")):
            text = f"import pytest\n{body.format(reason)}\n"
            (tmp_path / f"test_{name}_{kind}.py").write_text(text)
    (tmp_path / "test_xfail_right.py").write_text(f"import pytest\n{_XFAIL}\n")
    command = ["pytest", "-q", "-rfE", "--continue-on-collection-errors", "-p", "no:cacheprovider"]
    result = subprocess.run(
        [sys.executable, "-m", *command, str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"CI": ci, "PYTHONPATH": str(ROOT)},
    )
    blamed = re.findall(r"^(?:FAILED|ERROR) test_(\w+).py", result.stdout, flags=re.MULTILINE)
    assert set(blamed) == {f"{name}_wrong" for name in failing}, result.stdout
    assert (result.returncode == 0) == (not failing)
