"""Put faults into a copy of the project, one at a time, and see that the tests catch each.

    python -m tests.faults
    python -m tests.faults --only core
    python -m tests.faults adam-bias-correction gather-byte-order
    python -m tests.faults --markdown docs/faults-put-in.md

Run it by hand; it takes a few minutes to compile, and some seconds for each fault. It needs what
`make test` has installed, and the headers of Eigen. Nothing outside the copy is changed but the
Markdown file, in which the rows of faults that were run are replaced.

A fault is caught where a test fails with it and passes without. Exit status 1 if one is not.
"""

import argparse
import datetime
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from tests.faults.in_core import FAULTS as IN_CORE
from tests.faults.in_python import FAULTS as IN_PYTHON
from tests.support.paths import ROOT, TESTS

FAULTS = IN_CORE | IN_PYTHON
LEFT_OUT = shutil.ignore_patterns(".*", "build", "__pycache__", "dist")
FIELDS = "Fault", "File", "What it breaks", "Caught by", "Run"


_SWITCH = """// Which fault is on, if any: tests/faults has put all of them in.
#pragma once
#include <cstdlib>
namespace densenet {
inline const int kFault = [] {
  const char* number = std::getenv("DENSENET_FAULT");
  return number != nullptr ? std::atoi(number) : 0;
}();
}  // namespace densenet
"""


class Copy:
    """The project in a temporary folder, with an environment that imports it from there.

    All faults in compiled code are compiled once, each behind a switch; the others are put into
    the text.
    """

    def __init__(self, folder, level, *, compiles):
        self.root, self.build = folder / "densenet", folder / "build"
        shutil.copytree(ROOT, self.root, ignore=LEFT_OUT)
        for name in (".ci", ".github"):
            if (ROOT / name).exists():
                shutil.copytree(ROOT / name, self.root / name)
        environment = folder / "environment"
        run([sys.executable, "-m", "venv", "--without-pip", environment])
        self.python = environment / "bin" / "python"
        (packages,) = environment.glob("lib/*/site-packages")
        paths = [self.root / "python", *(path for path in sys.path if "site-packages" in path)]
        (packages / "copy.pth").write_text("".join(f"{path}\n" for path in paths))
        if compiles:
            self._compile(level)
        else:
            for library in Path(find_spec("densenet._cpu").origin).parent.glob("_c*.so"):
                shutil.copy(library, self.root / "python" / "densenet")

    def _compile(self, level):
        import pybind11

        originals = {path: path.read_text() for path in (self.root / "src").rglob("*.[ch]pp")}
        for name, fault in FAULTS.items():
            if switched(fault):
                path = self.root / fault.file
                path.write_text(path.read_text().replace(fault.old, either(name)))
        switch = self.root / "src" / "fault.hpp"
        switch.write_text(_SWITCH)
        options = {
            "CMAKE_BUILD_TYPE": "Release",
            "CMAKE_CXX_FLAGS": f"-include {switch}",
            "DENSENET_LEVELS": level,
            "Python_EXECUTABLE": self.python,
            "pybind11_DIR": pybind11.get_cmake_dir(),
            "CMAKE_INSTALL_PREFIX": self.root / "python",
        }
        defined = [f"-D{name}={value}" for name, value in options.items()]
        run(["cmake", "-S", self.root, "-B", self.build, *defined])
        run(["cmake", "--build", self.build, "--parallel"])
        run(["cmake", "--install", self.build])
        for path, text in originals.items():
            path.write_text(text)  # as tests compile parts of it, and look for what is not allowed
        switch.unlink()

    def first_failure(self, *what, fault=None):
        """Run tests up to the first that fails, with a fault switched on; its name, or None."""
        options = ["-x", "-v", "-p", "no:cacheprovider", "--no-header", "--tb=line"]
        settings = {name: value for name, value in os.environ.items() if name != "CI"}
        if fault is not None:
            settings["DENSENET_FAULT"] = str(number(fault))
        done = subprocess.run(
            [self.python, "-m", "pytest", *options, *what],
            cwd=self.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=settings,
        )
        if done.returncode == 0:
            return None
        if -done.returncode in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            raise KeyboardInterrupt("pytest was ended from outside")
        lines = done.stdout.splitlines()
        failed = (re.match(r"(tests/\S+::.*?) (FAILED|ERROR)", line) for line in lines)
        for match in filter(None, failed):
            return match[1]
        for line in reversed(lines):  # a crash, or a test that was ended, or no test at all
            if match := re.match(r"(?:ERROR )?(tests/[\w./]+(::\S+)?)", line):
                return match[1]
        raise RuntimeError(f"pytest did not run: {done.stdout[-2000:]}")

    def who_catches(self, name):
        """Put a fault in; give the first test that fails, and take the fault out again."""
        fault = FAULTS[name]
        tests = [str(places(name)[0].relative_to(ROOT)) for name in fault.tests.split()]
        if switched(fault):
            caught = self.first_failure(*tests, fault=name)
        else:
            path = self.root / fault.file
            text = path.read_text()
            path.write_text(text.replace(fault.old, fault.new))
            caught = self.first_failure(*tests)
            path.write_text(text)
        if caught is not None and self.first_failure(caught) is not None:
            print(f"{caught} fails without {name}, too", file=sys.stderr, flush=True)
            return None
        return caught


def places(name):
    """The files of tests of that name, in whatever folders."""
    return list(TESTS.glob(f"*/test_{name}.py"))


def switched(fault):
    """Whether it is compiled with the core; test_pace.py compiles a part of its own."""
    return not fault.file.endswith(".py") and fault.tests != "pace"


def number(name):
    return 1 + list(FAULTS).index(name)


def either(name):
    """Give an expression, or a statement, that is as it should be unless this fault is on."""
    fault, on = FAULTS[name], f"::densenet::kFault == {number(name)}"
    if fault.old.endswith(";"):
        return f"if ({on}) {{ {fault.new} }} else {{ {fault.old} }}"
    return f"({on} ? ({fault.new}) : ({fault.old}))"


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout.strip()


def misplaced():
    """Faults whose text is not found just once: the code has changed, and the table has not."""
    for name, fault in FAULTS.items():
        found = (ROOT / fault.file).read_text().count(fault.old)
        if found != 1 or fault.old == fault.new:
            yield f"{name}: {fault.file} has {found} times: {fault.old!r}"
        for test in fault.tests.split():
            if len(places(test)) != 1:
                yield f"{name}: there is no test_{test}.py in tests, or more than one"


def row_of(name, caught, when):
    fault = FAULTS[name]
    file = fault.file.removeprefix("python/densenet/").removeprefix("src/")
    caught = "**no test**" if caught is None else f"`{caught.removeprefix('tests/')}`"
    cells = f"`{name}`", f"`{file}`", fault.breaks, caught, when
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def table(rows):
    """Rows by name, in the order of the faults, under what was there before."""
    lines = ["| " + " | ".join(FIELDS) + " |", "| --- " * len(FIELDS) + "|"]
    return "\n".join([*lines, *(rows[name] for name in FAULTS if name in rows)]) + "\n"


def rows_in(path):
    """The rows of a file that was written before, by the names of their faults."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {m[1]: line for line in lines if (m := re.match(r"\| `([\w-]+)` \|", line))}


def write(path, rows):
    """Replace a file's table, which ends it, and keep what stands above."""
    text = path.read_text() if path.exists() else ""
    path.write_text(text.partition(f"| {FIELDS[0]} |")[0] + table(rows_in(path) | rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", help="faults to put in (default: all)")
    parser.add_argument("--only", choices=("core", "python"), help="those in C++, or in Python")
    parser.add_argument("--level", default="v3", help="instruction set to compile for (default v3)")
    parser.add_argument("--markdown", type=Path, help="file whose table gets the results")
    parser.add_argument("--list", action="store_true", help="name the faults, and check the table")
    arguments = parser.parse_args()
    if complaints := list(misplaced()):
        parser.error("\n".join(complaints))
    chosen = {"core": IN_CORE, "python": IN_PYTHON}.get(arguments.only, FAULTS)
    if unknown := set(arguments.names) - set(chosen):
        parser.error(f"no such faults: {', '.join(sorted(unknown))}")
    names = arguments.names or list(chosen)
    if arguments.list:
        print(*names, sep="\n")
        return 0
    commit = run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])
    when = f"{datetime.date.today()}, {commit}"
    missed = 0
    with tempfile.TemporaryDirectory(prefix="faults-") as folder:
        compiles = any(switched(FAULTS[name]) for name in names)
        copy = Copy(Path(folder), arguments.level, compiles=compiles)
        print("\n".join(table({}).splitlines()), flush=True)
        for name in names:
            caught = copy.who_catches(name)
            missed += caught is None
            row = row_of(name, caught, when)
            print(row, flush=True)
            if arguments.markdown:
                write(arguments.markdown, {name: row})
    print(f"\n{len(names) - missed} of {len(names)} faults are caught.")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
