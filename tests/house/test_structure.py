"""Rules about the code base itself."""

import ast
import importlib
import inspect
import re
import subprocess
import sys

import pytest

from densenet._engine.contract import Engine
from tests.support.modules import modules
from tests.support.paths import PACKAGE, ROOT, TESTS

SOURCES = sorted((ROOT / "src").rglob("*.[ch]pp"))
PYTHON = sorted(PACKAGE.rglob("*.py"))
WRITTEN = [*SOURCES, *PYTHON, *sorted(TESTS.rglob("*.py")), *sorted(ROOT.glob("bench/**/*.py"))]


def name_of(path):
    return "/".join(path.parts[-2:])


def without_comments(path):
    text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.DOTALL)
    return re.sub(r"//.*", "", text)


def test_there_is_code_to_look_at():
    assert len(SOURCES) > 10
    assert len(PYTHON) > 10


def test_openmp_and_new_threads_are_in_one_file():
    words = r"#\s*pragma omp|<omp\.h>|\bomp_|_OPENMP|std::thread\b|<future>|std::async|pthread_"
    speaking = {path.name for path in SOURCES if re.search(words, without_comments(path))}
    assert speaking == {"parallel.hpp"}


@pytest.mark.parametrize("path", sorted((ROOT / "src" / "core").rglob("*.[ch]pp")), ids=name_of)
def test_the_core_knows_no_python(path):
    assert not re.search(r"Python\.h|pybind11|\bPy[A-Z_]|\bpy::", without_comments(path))
    for include in re.findall(r'#include "(.*)"', path.read_text()):
        assert include.startswith("core/")


def imports(path):
    """Names of the modules and attributes that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return found


@pytest.mark.parametrize("path", sorted((PACKAGE / "reference").glob("*.py")), ids=name_of)
def test_the_reference_imports_nothing_compiled(path):
    compiled = {f"densenet.{name}" for name in ("_core", "_cpu", "kernels", "_engine.compiled")}
    assert not imports(path) & compiled
    assert all(
        name.partition(".")[0]
        in {
            "collections",
            "dataclasses",
            "densenet",
            "itertools",
            "math",
            "numpy",
            "operator",
            "threading",
            "typing",
        }
        for name in imports(path)
    )


def test_the_compiled_side_imports_nothing_of_the_reference():
    names = ("kernels.py", "_engine/compiled.py", "_core.py", *PACKAGE.glob("_checks/*.py"))
    for name in names:
        assert not any(i.startswith("densenet.reference") for i in imports(PACKAGE / name))


def imported(name):
    """Import a module of the package, or skip the test where what it needs is not installed."""
    if name.startswith("densenet.estimators"):
        pytest.importorskip("sklearn")
    return importlib.import_module(name)


@pytest.mark.parametrize("name", modules())
def test_everything_public_has_a_docstring(name):
    module = imported(name)
    assert module.__doc__
    for attribute, value in vars(module).items():
        if attribute.startswith("_") or getattr(value, "__module__", None) != name:
            continue
        if not (inspect.isclass(value) or inspect.isfunction(value)):
            continue
        assert (value.__doc__ or "").strip(), f"{name}.{attribute}"
        made_up = value.__doc__.startswith(f"{attribute}(")  # by dataclass
        assert not made_up, f"{name}.{attribute}"
        for member, method in vars(value).items() if inspect.isclass(value) else ():
            public = isinstance(method, property) or inspect.isfunction(method)
            if public and not member.startswith("_") and not hasattr(Engine, member):
                assert inspect.getdoc(getattr(value, member)), f"{name}.{attribute}.{member}"


@pytest.mark.parametrize("name", modules())
def test_what_a_module_exports_is_there(name):
    module = imported(name)
    for exported in getattr(module, "__all__", []):
        assert hasattr(module, exported), f"{name}.{exported}"


def test_no_two_classes_have_one_name():
    """Of those that other files can name; the twins of `kernels` and `reference` are functions."""
    names = [
        node.name
        for path in PYTHON
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]
    assert len(names) > 100
    assert sorted(name for name in set(names) if names.count(name) > 1) == []


def lines_of_code(path):
    """Lines that hold code: neither blank ones nor comments nor docstrings count."""
    if path.suffix != ".py":
        return sum(bool(line.strip()) for line in without_comments(path).splitlines())
    text = path.read_text()
    lines = dict(enumerate(text.splitlines(), 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(getattr(node.value, "value", None), str):
            for number in range(node.lineno, node.end_lineno + 1):
                lines[number] = ""
    return sum(not line.lstrip().startswith("#") for line in lines.values() if line.strip())


@pytest.mark.parametrize("path", WRITTEN, ids=name_of)
def test_no_file_is_long(path):
    assert lines_of_code(path) <= 400


def test_importing_the_package_needs_numpy_alone():
    code = (
        "import sys; sys.modules.update(dict.fromkeys(('scipy', 'sklearn', 'matplotlib', 'tqdm')));"
        "import densenet, densenet.kernels, densenet.reference, densenet.metrics"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert result.returncode == 0, result.stderr.decode()
