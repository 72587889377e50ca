"""Programs that are frozen together with Python: packed, with all they import, to run elsewhere."""

import ast
import os
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

import densenet
from densenet import _cpu
from densenet._extras import DISTRIBUTION
from tests.support.processes import try_python
from tests.support.skips import NOT_APPLICABLE

PACKAGE = Path(densenet.__file__).parent
LEVELS = ("v4", "v3", "v2", "generic")

PROGRAM = """
import densenet as dn
from densenet.datasets import load_digits

digits = load_digits()
layers = [dn.Linear(64, 16), dn.ReLU(), dn.Linear(16, 10)]
for backend in ("compiled", "reference"):
    network = dn.Network(layers, dn.SoftmaxCrossEntropy(), seed=0, backend=backend)
    network.fit(digits.x_train, digits.y_train, epochs=10, seed=0)
    network.save("digits.safetensors")
    network = dn.Network.load("digits.safetensors")
    print((network.predict(digits.x_test) == digits.y_test).mean() > 0.8)
"""


def test_a_program_frozen_by_pyinstaller_trains(tmp_path):
    if Path(_cpu.__file__).parent != PACKAGE:
        pytest.skip(NOT_APPLICABLE + "PyInstaller cannot follow an editable install")
    pytest.importorskip("PyInstaller")
    (tmp_path / "program.py").write_text(PROGRAM)
    freeze = [sys.executable, "-m", "PyInstaller", "--log-level=ERROR", "--noconfirm", "program.py"]
    settings = os.environ | {"PYINSTALLER_CONFIG_DIR": str(tmp_path / "cache")}
    name = "program.exe" if sys.platform == "win32" else "program"
    for kind, folder in (("--onedir", "dist/program"), ("--onefile", "packed")):
        options = [kind, *(["--distpath=packed"] if kind == "--onefile" else [])]
        subprocess.run([*freeze, *options], cwd=tmp_path, check=True, timeout=600, env=settings)
        made = tmp_path / folder / name
        result = subprocess.run([made], cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert (result.stdout.split(), result.stderr) == (["True", "True"], ""), kind


def test_every_build_is_named_in_an_import_statement():
    """Whoever packs a program reads those, and no names that are put together."""
    tree = ast.parse((PACKAGE / "_core.py").read_text(encoding="utf-8"))
    statements = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    named = {alias.name for node in statements if node.module == "densenet" for alias in node.names}
    assert named == {f"_core_{level}" for level in LEVELS}


def test_no_module_is_imported_by_a_name_that_is_put_together():
    calls = {"import_module", "__import__"}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in calls:
                assert isinstance(node.args[0], ast.Constant), (path.name, ast.unparse(node))


def test_pyinstaller_finds_the_hook():
    (entry,) = distribution(DISTRIBUTION).entry_points.select(group="pyinstaller40")
    (folder,) = entry.load()()
    assert [path.name for path in Path(folder).glob("hook-*.py")] == ["hook-densenet.py"]


@pytest.mark.parametrize("wanted", ["", *LEVELS])
def test_where_no_build_is_packed_the_message_says_so(wanted):
    code = """
import importlib.util as util
find = util.find_spec
util.find_spec = lambda name: None if "._core_" in name else find(name)
import densenet.reference, densenet.kernels
"""
    line = try_python(code, DENSENET_ISA=wanted).stderr.strip().splitlines()[-1]
    assert line == (
        f"ImportError: densenet: no build of the compiled core is in {PACKAGE}; a frozen program "
        "must contain densenet._core_v2 and its like; densenet.reference works without them"
    )
