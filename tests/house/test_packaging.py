"""What a wheel contains, what it promises, and that importing it is cheap."""

import importlib.util
import re
import sys
import sysconfig
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import pytest

import densenet
from densenet._extras import DISTRIBUTION, require
from tests.support.paths import ROOT
from tests.support.processes import run_python
from tests.support.skips import NOT_APPLICABLE

PROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
TEXTS = [  # that tell a user what to install
    ROOT / "pyproject.toml",
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/*.md"),
    *ROOT.glob("examples/*"),
    *ROOT.glob("bench/**/*.py"),
    *ROOT.glob("python/**/*.py"),
]
NOTICES = ["LICENSE", *(f"licenses/{path.name}" for path in (ROOT / "licenses").iterdir())]
INTEL = {f"_core_{level}" for level in ("v2", "v3", "v4")}
RUNTIMES = {
    "manylinux_2_28_x86_64": "densenet_cpu.libs/libgomp-f9a9ad78.so.1.0.0",
    "macosx_14_0_arm64": "densenet/.dylibs/libomp.dylib",
    "win_amd64": "densenet_cpu.libs/vcomp140-0123abcd.dll",
}


@pytest.fixture(scope="module")
def inspect_wheel():
    path = ROOT / ".ci" / "inspect_wheel.py"
    spec = importlib.util.spec_from_file_location("inspect_wheel", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(platform):
    """Names of the files that a right wheel has."""
    suffix = "pyd" if platform.startswith("win") else "so"
    modules = {"_cpu"} | ({"_core_generic"} if "arm64" in platform else INTEL)
    return [
        "densenet/__init__.py",
        RUNTIMES[platform],
        *(f"densenet/{module}.cpython-312-x.{suffix}" for module in modules),
        *(f"densenet_cpu-0.1.0.dist-info/licenses/{notice}" for notice in NOTICES),
    ]


def write(folder, platform, names, size=0):
    path = folder / f"densenet_cpu-0.1.0-cp312-cp312-{platform}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in names:
            wheel.writestr(name, b"")
        wheel.writestr("densenet/data/large", bytes(size))
    return path


@pytest.mark.parametrize("platform", RUNTIMES)
def test_a_right_wheel_passes(inspect_wheel, platform, tmp_path, capsys):
    write(tmp_path, platform, contents(platform))
    assert inspect_wheel.main(str(tmp_path)) == 0
    assert capsys.readouterr().out.endswith("MB\n")


FAULTS = {
    "no OpenMP runtime": "libgomp",
    "has the modules": "_core_v3",
    "lacks the notices licenses/MPL-2.0.txt": "MPL-2.0",
    "lacks the notices LICENSE": "licenses/LICENSE",
}


@pytest.mark.parametrize(("complaint", "missing"), FAULTS.items())
def test_what_a_wheel_lacks_is_told(inspect_wheel, complaint, missing, tmp_path, capsys):
    platform = "manylinux_2_28_x86_64"
    names = [name for name in contents(platform) if missing not in name]
    write(tmp_path, platform, names)
    assert inspect_wheel.main(str(tmp_path)) == 1
    assert complaint in capsys.readouterr().out


def test_what_a_wheel_has_too_much_is_told(inspect_wheel, tmp_path):
    platform = "win_amd64"
    path = write(tmp_path, platform, [*contents(platform), "tests/conftest.py"], size=5_000_001)
    assert list(inspect_wheel.complaints(path)) == [
        f"has {path.stat().st_size:,} bytes, more than 5,000,000",
        "has files that are not the package's: tests/conftest.py",
    ]
    only_here = write(tmp_path, "linux_x86_64", [])
    assert "not been repaired" in next(iter(inspect_wheel.complaints(only_here)))


def test_no_wheel_is_a_fault(inspect_wheel, tmp_path):
    assert inspect_wheel.main(str(tmp_path)) == 1


def test_the_version_is_the_installed_one():
    assert densenet.__version__ == version(DISTRIBUTION)


def test_the_project_has_the_name_that_messages_give():
    assert re.findall(r'^name = "(.*?)"', PROJECT, flags=re.MULTILINE) == [DISTRIBUTION]


@pytest.mark.parametrize("path", [path for path in TEXTS if path.is_file()], ids=str)
def test_every_text_installs_this_distribution_and_extras_that_it_has(path):
    """On the index, densenet is another project."""
    text = path.read_text(encoding="utf-8")
    assert not re.findall(r"pip install[^\n`]* \W?densenet\b(?!-cpu)", text)
    extras = set(
        re.findall(r"^(\w+) = \[", PROJECT.split("[project.optional-dependencies]")[1], re.M)
    )
    for name, asked in re.findall(r"(densenet[\w-]*)\[([\w,]+)\]", text):
        assert name == DISTRIBUTION
        assert set(asked.split(",")) <= extras


@pytest.mark.parametrize(
    ("who", "extra", "packages"),
    [
        ("plotting", "plot", ["no_such_a"]),
        ("the demo", "demo", ["no_such_a", "no_such_b"]),
        ("reading Parquet", "parquet", ["no_such_b"]),
        ("densenet.estimators", "sklearn", ["no_such_c"]),
    ],
)
def test_what_is_missing_is_told_with_a_command_that_installs_it(who, extra, packages):
    with pytest.raises(ImportError) as caught:
        require(who, extra, *packages)
    names = " and ".join(packages)
    assert str(caught.value) == f'{who} needs {names}: pip install "densenet-cpu[{extra}]"'


def test_numpy_alone_is_needed():
    needed = [line for line in distribution(DISTRIBUTION).requires if "extra ==" not in line]
    assert [re.match(r"[\w-]+", line)[0] for line in needed] == ["numpy"]


def test_the_command_is_installed_under_its_own_name():
    assert '[project.scripts]\ndensenet = "densenet.cli:main"' in PROJECT
    scripts = distribution(DISTRIBUTION).entry_points.select(group="console_scripts")
    assert [(script.name, script.value) for script in scripts] == [
        ("densenet", "densenet.cli:main")
    ]


def test_importing_the_package_imports_little():
    # Without the site packages' own start-up files, which import much themselves.
    code = (
        f"import sys; sys.path[:0] = {[str(Path(densenet.__file__).parents[1]), *sys.path]!r};"
        "import numpy, dataclasses; before = set(sys.modules); import densenet;"
        "print(*sorted({name for name in set(sys.modules) - before"
        "               if name.partition('.')[0] != 'densenet' or 'core' in name}))"
    )
    new = set(run_python(code, options=("-S", "-W", "error")).split())
    assert new <= {"numpy.typing", "numpy._typing._add_docstring", "threading"}


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


def test_classifiers_name_what_wheels_are_built_for():
    built = re.search(r'^build = "(.*)"', PROJECT, flags=re.MULTILINE)[1]
    pythons = {f"{major}.{minor}" for major, minor in re.findall(r"cp(\d)(\d+)-", built)}
    assert set(re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PROJECT)) == pythons
    assert ("Free Threading" in PROJECT) == bool(re.search(r"cp\d+t-", built))
    workflow = (ROOT / ".github" / "workflows" / "wheels.yml").read_text(encoding="utf-8")
    systems = set(re.findall(r"system: (\w+)-", workflow))
    named = re.findall(r'"Operating System :: .*?(\w+)"', PROJECT)
    assert {name.lower().replace("microsoft ", "") for name in named} == systems


def test_the_version_to_cite_is_this_one():
    cited = re.search(r"^version: (.*)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE)
    assert cited[1] == densenet.__version__


def test_every_pull_request_runs_every_step_of_ci():
    steps = re.search(r"^steps=\((.*)\)$", (ROOT / ".ci" / "run").read_text(), flags=re.MULTILINE)
    workflow = (ROOT / ".github" / "workflows" / "check.yml").read_text(encoding="utf-8")
    matrix = re.search(r"step: \[(.*)\]", workflow)
    assert matrix[1].split(", ") == steps[1].split()
    assert "bash .ci/run ${{ matrix.step }}" in workflow
    assert re.search(r"^  pull_request:$", workflow, flags=re.MULTILINE)
