"""The default number of threads keeps to what the mask and the container leave of the machine."""

import math
import os

import pytest

from conftest import NOT_APPLICABLE, run_python
from densenet import _limits

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
