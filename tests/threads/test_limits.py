"""The default number of threads keeps to what the mask and the container leave of the machine."""

import math
import os
from pathlib import Path

import pytest

import densenet
from densenet import _limits
from tests.support.processes import run_python
from tests.support.skips import NOT_APPLICABLE

GROUPS = {
    "nothing is known": ({}, None, math.inf),
    "no limit": ({"cpu.max": "max 100000"}, "0::/", math.inf),
    "a container's own group": ({"cpu.max": "150000 100000"}, "0::/", 1.5),
    "a path of the host's": ({"cpu.max": "300000 100000"}, "0::/docker/4f1b", 3.0),
    "a group inside": ({"a/b/cpu.max": "200000 100000"}, "0::/a/b", 2.0),
    "a group around": (
        {"a/cpu.max": "50000 100000", "a/b/cpu.max": "max 100000", "cpu.max": "max 100000"},
        "0::/a/b",
        0.5,
    ),
    "a group beside": ({"a/c/cpu.max": "50000 100000"}, "0::/a/b", math.inf),
    "the first version": (
        {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"},
        "7:cpuset:/x\n4:cpu,cpuacct:/docker/4f1b\n0::/",
        2.5,
    ),
    "the first version, inside": (
        {
            "cpu/cpu.cfs_quota_us": "-1",
            "cpu/cpu.cfs_period_us": "100000",
            "cpu/a/cpu.cfs_quota_us": "400000",
            "cpu/a/cpu.cfs_period_us": "200000",
        },
        "4:cpu,cpuacct:/a",
        2.0,
    ),
    "not numbers": ({"cpu.max": "a b c", "cpu/cpu.cfs_quota_us": ""}, "0::/", math.inf),
}


@pytest.mark.parametrize(("files", "membership", "limit"), GROUPS.values(), ids=GROUPS)
def test_the_least_limit_of_the_control_groups_counts(tmp_path, files, membership, limit):
    mount = tmp_path / "groups"
    for name, text in files.items():
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(text + "\n")
    if membership is not None:
        (tmp_path / "membership").write_text(membership + "\n")
    assert _limits._container_limit(mount, tmp_path / "membership") == limit


@pytest.mark.parametrize(
    ("cores", "limit", "threads"),
    [(8, math.inf, 8), (8, 2.5, 2), (8, 0.3, 1), (2, 6.0, 2), (8, 8.0, 8)],
)
def test_the_default_is_whole_and_at_least_one(monkeypatch, cores, limit, threads):
    monkeypatch.delenv("DENSENET_NUM_THREADS", raising=False)
    monkeypatch.setattr(_limits, "_physical_cores", lambda cpus: cores)
    monkeypatch.setattr(_limits, "_container_limit", lambda: limit)
    assert _limits.default_num_threads() == threads


@pytest.mark.parametrize("allowed", [1, 2])
def test_the_default_keeps_to_the_affinity_mask(allowed):
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip(NOT_APPLICABLE + "no affinity masks")
    cpus = sorted(os.sched_getaffinity(0))[:allowed]
    code = (
        f"import os; os.sched_setaffinity(0, {cpus});"
        "from densenet import _limits, get_num_threads;"
        "print(get_num_threads(), _limits._physical_cores(os.sched_getaffinity(0)))"
    )
    threads, cores = map(int, run_python(code, DENSENET_NUM_THREADS="").split())
    assert 1 <= threads <= cores <= len(cpus)


# ---- OpenMP binds threads to processors ---------------------------------------------------------
#
# GNU's runtime does so to the thread that loads it, as soon as it is loaded.

NAMES = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
BINDINGS = [
    {"OMP_PROC_BIND": "true"},
    {"OMP_PROC_BIND": "close"},
    {"OMP_PROC_BIND": "spread"},
    {"OMP_PROC_BIND": "false"},
    {"OMP_PLACES": "threads"},
    {"OMP_PLACES": "cores", "OMP_PROC_BIND": "close"},
    {"GOMP_CPU_AFFINITY": "{first}-{second}"},
    {"OMP_PLACES": "{{{first}}},{{{second}}}"},
]
TO_ONE = [
    {"OMP_PROC_BIND": "master", "OMP_PLACES": "threads"},
    {"GOMP_CPU_AFFINITY": "{second}"},
    {"OMP_PLACES": "{{{second}}}", "OMP_PROC_BIND": "close"},
]


def two_processors():
    """Two processors of different cores, which such tests need, besides OpenMP."""
    if not hasattr(os, "sched_getaffinity") or densenet.show_config()["openmp"] == "no":
        pytest.skip(NOT_APPLICABLE + "needs Linux and OpenMP")
    cpus = sorted(os.sched_getaffinity(0))
    for cpu in cpus:
        if _limits._physical_cores({cpus[0], cpu}) == 2 and _limits._container_limit() >= 2:
            return cpus[0], cpu
    pytest.skip(NOT_APPLICABLE + "needs two cores")


def default_threads(binding, code="", before=""):
    """The default number where two processors are allowed; runs `code` before it is told."""
    first, second = two_processors()
    asked = {name: text.format(first=first, second=second) for name, text in binding.items()}
    return run_python(
        _DEFAULT.format(cpus={first, second}, asked=asked, names=NAMES)
        + f"{before}\nimport densenet\n{code}\nprint(densenet.get_num_threads())"
    )


_DEFAULT = """
import os
for name in (*{names}, "OMP_NUM_THREADS", "DENSENET_NUM_THREADS"):
    os.environ.pop(name, None)
os.environ.update({asked})
os.sched_setaffinity(0, {cpus})
"""


@pytest.mark.parametrize("binding", BINDINGS, ids=str)
def test_the_default_is_all_cores_where_threads_are_bound(binding):
    assert default_threads(binding) == "2"


@pytest.mark.parametrize("binding", TO_ONE, ids=str)
def test_the_default_is_one_where_all_threads_are_bound_to_one_processor(binding):
    assert default_threads(binding) == "1"


def test_the_default_keeps_to_the_mask_and_to_openmp_where_threads_are_bound():
    first, _ = two_processors()
    alone = f"os.sched_setaffinity(0, {{{first}}})"
    assert default_threads({"OMP_PROC_BIND": "close"}, before=alone) == "1"
    assert default_threads({"OMP_PROC_BIND": "close", "OMP_NUM_THREADS": "1"}) == "1"
    assert default_threads({"OMP_PROC_BIND": "close", "DENSENET_NUM_THREADS": "3"}) == "3"


# Each thread has done work, on a processor of its own.
_ALL_WORK = """
import numpy as np
from densenet import _core, kernels
_core.suspend_timing(True)
x = np.ones((1000, 1000), "f4")
for _ in range(20):
    kernels.sigmoid_forward(x)
masks = [os.sched_getaffinity(int(task)) for task in os.listdir("/proc/self/task")]
ours = [mask for mask in masks if len(mask) == 1]
print(len(set(map(tuple, ours))))
"""

ANOTHER = {
    "another copy": "import sklearn.utils._openmp_helpers",
    "the same": "import ctypes; ctypes.CDLL('libgomp.so.1')",
    "none": "",
}


@pytest.mark.parametrize("before", ANOTHER.values(), ids=ANOTHER)
@pytest.mark.parametrize("binding", BINDINGS[:3], ids=str)
def test_threads_are_bound_to_all_cores_whichever_runtime_is_loaded_first(binding, before):
    if "sklearn" in before:
        pytest.importorskip("sklearn")
    if "ctypes" in before and "libgomp.so.1" not in Path("/proc/self/maps").read_text():
        pytest.skip(NOT_APPLICABLE + "densenet brings its own OpenMP, or another one")
    assert default_threads(binding, _ALL_WORK, before).split() == ["2", "2"]


def test_importing_leaves_this_thread_where_another_runtime_has_bound_it():
    pytest.importorskip("sklearn")
    before = ANOTHER["another copy"] + "\nmask = os.sched_getaffinity(0); assert len(mask) == 1"
    default_threads({"OMP_PROC_BIND": "close"}, "assert os.sched_getaffinity(0) == mask", before)
