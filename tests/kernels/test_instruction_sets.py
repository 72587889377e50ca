"""Each build of the core is chosen where it runs, passes the tests, and keeps to its instructions.

A whole build has the levels v2, v3 and v4 of x86-64, or one generic module for other processors. A
test of a level that was left out of the build (by DENSENET_LEVELS) is skipped, which CI forbids;
one of a level that this processor lacks does not apply.
"""

import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import densenet
from densenet import _core, _cpu
from tests.support.paths import ROOT
from tests.support.processes import run_python, try_python
from tests.support.skips import NOT_APPLICABLE

PACKAGE = Path(_core.__file__).parent
LEVELS = ["generic", "v2", "v3", "v4"]  # each has the instructions of those before it
BUILT = [level for level in LEVELS if list(PACKAGE.glob(f"_core_{level}.*"))]
X86 = platform.machine() in ("x86_64", "AMD64")
EXPECTED = LEVELS[1:] if X86 and BUILT != ["generic"] else ["generic"]

# What every build must pass: the functions, the layers, whole networks, and any mix of them.
CORE = [
    "tests/kernels/test_kernels.py",
    "tests/kernels/test_encoding.py",
    "tests/network/test_layers.py",
    "tests/network/test_network.py",
    "tests/network/test_random_networks.py",
]


def require(level, *, to_run=True):
    """Skip a level that is not there, or that does not run here."""
    if level not in BUILT:
        pytest.skip(f"{level} is left out of this build")
    if to_run and level not in _cpu.levels():
        pytest.skip(NOT_APPLICABLE + f"this processor does not run {level}")


@pytest.mark.timeout(1000)
@pytest.mark.parametrize("level", EXPECTED)
def test_the_core_of_the_suite_passes(level):
    require(level)
    if level == densenet.show_config()["instruction_set"]:
        pytest.skip(NOT_APPLICABLE + f"the whole suite is running on {level}")
    code = f"import sys, pytest; sys.exit(pytest.main({['-q', '-pno:cacheprovider', *CORE]}))"
    result = try_python(
        f"import os; os.chdir({str(ROOT)!r}); {code}", options=(), timeout=900, DENSENET_ISA=level
    )
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr
    assert re.search(r"^\d{4,} passed", result.stdout, re.MULTILINE), result.stdout[-500:]


# ---- the choice --------------------------------------------------------------------------------

_PRETEND = """
import sys, types
sys.modules["densenet._cpu"] = cpu = types.ModuleType("densenet._cpu")
cpu.levels = lambda: {runs}
import densenet
print(densenet.show_config()["instruction_set"])
"""


@pytest.mark.parametrize("level", EXPECTED)
def test_the_best_build_that_the_processor_runs_is_chosen(level):
    require(level)
    runs = LEVELS[LEVELS.index(level) :: -1]
    assert run_python(_PRETEND.format(runs=runs), DENSENET_ISA="") == level


@pytest.mark.parametrize("level", EXPECTED[1:])
def test_a_build_beyond_the_processor_is_refused(level):
    require(level, to_run=False)
    lower = EXPECTED[EXPECTED.index(level) - 1]
    require(lower)
    result = try_python(_PRETEND.format(runs=[lower]), DENSENET_ISA=level)
    assert result.stderr.strip().splitlines()[-1] == (
        f"ImportError: DENSENET_ISA: expected one of {lower}, got {level!r}: "
        "this processor does not run it"
    )


# ---- the instructions --------------------------------------------------------------------------
#
# What an instruction needs shows in its encoding: a first byte of 62 is EVEX, AVX-512's; C4 and C5
# are VEX, that of AVX, FMA, BMI and of AVX-512's masks. The rest goes by name.

_LINE = re.compile(r"^ *[0-9a-f]+:\t([0-9a-f ]+)\t([^<#\n]+)", re.MULTILINE)
_SEGMENT_OR_ADDRESS_SIZE = re.compile("^(?:(?:26|2e|36|3e|64|65|67) )+")
_BY_NAME = {
    # SSE3, SSSE3, SSE4.1, SSE4.2, POPCNT, CMPXCHG16B
    "v2": r"addsubp|haddp|hsubp|lddqu|movddup|movs[hl]dup|fisttp|pshufb|phadd|phsub|pmaddubsw"
    r"|pmulhrsw|psign[bwd]|palignr|pabs[bwd]|p?blend|dpp[sd]|extractps|insertps|movntdqa|mpsadbw"
    r"|packusdw|pcmpeqq|p(?:ext|ins)r[bdq]|phminpos|p(?:max|min)(?:s[bd]|u[dw])|pmov[sz]x|pmuldq"
    r"|pmulld|ptest|round[ps][sd]|crc32|pcmp[ei]str|pcmpgtq|popcnt|cmpxchg16b",
    "v3": r"lzcnt|movbe",
    # In v4, but run only where processor and system have said that they have them (amx.hpp).
    "amx": r"t(?:dpbf16ps|ile(?:zero|loadd|stored|release))|ldtilecfg|vcvtne2ps2bf16",
    # Beyond v4: keys and hashes, and what AVX and AVX-512 have become since.
    "none": r"v?aes|sha(?:1|256)|v?pclmul|ad[co]x|v?gf2p8|t(?:dp|ile|release)|vpdp|vpmadd52"
    r"|vpopcnt|vpermi2b|vpermt2b|vpermb|vpmultishift|vpsh[lr]d|vp(?:compress|expand)[bw]\b"
    r"|vpshufbit|vcvtne|vdpbf|vp2inter|v4fm|vp4dp|vexp2|vrcp28|vrsqrt28|v[a-z0-9]+[ps]h\b(?<!ps2ph)",
}
_NAMES = {level: re.compile(rf"\b(?:{names})") for level, names in _BY_NAME.items()}


def level_of(encoding, instruction):
    """The least level that has an instruction."""
    for level in ("amx", "none", "v3", "v2"):
        if _NAMES[level].search(instruction):
            return level
    first = _SEGMENT_OR_ADDRESS_SIZE.sub("", encoding)[:2]
    if first == "62" or re.search(r"%(?:k\d|zmm)", instruction):
        return "v4"
    return "v3" if first in ("c4", "c5") else "generic"


def levels_of(path):
    """The levels that a module has instructions of, with some of each."""
    if not X86 or not sys.platform.startswith("linux"):
        pytest.skip(NOT_APPLICABLE + "reads the x86-64 instructions of Linux's modules")
    if shutil.which("objdump") is None:
        pytest.skip("needs objdump, of binutils")
    listing = subprocess.run(
        ["objdump", "--disassemble", "--wide", path], capture_output=True, text=True, check=True
    ).stdout
    assert "(bad)" not in listing
    found = {}
    for line in _LINE.finditer(listing):
        examples = found.setdefault(level_of(*line.groups()), [])
        if len(examples) < 5:
            examples.append(line[2].strip())
    return found


@pytest.mark.parametrize("level", EXPECTED)
def test_no_module_has_instructions_above_its_level(level):
    require(level, to_run=False)
    found = levels_of(next(PACKAGE.glob(f"_core_{level}.*")))
    allowed = [*LEVELS[: LEVELS.index(level) + 1], *(["amx"] if level == "v4" else [])]
    assert not {other: examples for other, examples in found.items() if other not in allowed}
    assert level in found  # else its flags have not reached it, or nothing is recognised here


def test_what_asks_the_processor_runs_on_any():
    found = levels_of(_cpu.__file__)
    assert list(found) == ["generic"], found
