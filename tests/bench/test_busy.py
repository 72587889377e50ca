"""Processes beside what is timed, and all contenders held to one instruction set."""

import json
import os
import subprocess
import sys

import pytest

import busy
import contest
import isa
from tests.support.contests import FIT
from tests.support.paths import ROOT
from tests.support.skips import NOT_APPLICABLE
from timing import Budget
from workloads import Net


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_no_loop_is_left_behind(error):
    try:
        with busy.beside(2) as loops:
            assert len({loop.pid for loop in loops}) == 2
            assert [loop.poll() for loop in loops] == [None, None]
            if error:
                raise error
    except (RuntimeError, KeyboardInterrupt):
        pass
    assert None not in [loop.poll() for loop in loops]


def test_a_loop_ends_when_nobody_holds_it():
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", busy._LOOP], **pipes) as loop:
        loop.stdout.readline()
        assert loop.poll() is None
        loop.stdin.close()
        assert loop.wait(timeout=300) == 0


@pytest.mark.parametrize(("loops", "counts"), [(0, "median"), (1, "mean")])
def test_beside_loops_means_count(loops, counts):
    net = Net("", (7, 5, 3), 4)
    one = contest.compete(net, 1, [FIT], rounds=1, turn=1e-6, budget=Budget(0), loops=loops)
    assert one.counts == counts
    assert one.seconds(FIT) == getattr(one.timings[FIT], counts)


def test_loops_end_when_a_contest_is_interrupted(monkeypatch):
    begun = []
    beside = busy._end
    monkeypatch.setattr(busy, "_end", lambda process: (beside(process), begun.append(process)))

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(contest.Worker, "run", interrupted)
    net = Net("", (7, 5, 3), 4)
    with pytest.raises(KeyboardInterrupt):
        contest.compete(net, 1, [FIT], rounds=1, turn=1e-6, budget=Budget(0), loops=2)
    assert len(begun) == 2
    assert None not in [process.poll() for process in begun]


# ---- instruction sets ----------------------------------------------------------------------------


@pytest.fixture
def started(monkeypatch):
    """The environments of the commands that would be run in place of this one."""
    environments = []
    monkeypatch.setattr(os, "execve", lambda _, __, environment: environments.append(environment))
    for name in isa.SWITCHES["v3"]:
        monkeypatch.delenv(name, raising=False)
    return environments


def test_a_command_is_run_anew_with_all_held_to_a_level(monkeypatch, started):
    isa.hold(None)
    monkeypatch.setattr(isa, "levels", lambda: ["v3", "v2"])
    isa.hold("v3")
    assert started == []
    monkeypatch.setattr(isa, "levels", lambda: ["v4", "v3", "v2"])
    monkeypatch.setenv("XLA_FLAGS", "--xla_dump_to=here")
    isa.hold("v3")
    (held,) = started
    assert held["XLA_FLAGS"] == f"--xla_dump_to=here {isa.SWITCHES['v3']['XLA_FLAGS']}"
    names = [name for name in isa.SWITCHES["v3"] if name != "XLA_FLAGS"]
    assert {name: held[name] for name in names}.items() <= isa.SWITCHES["v3"].items()
    for name, value in held.items():
        monkeypatch.setenv(name, value)
    isa.hold("v3")
    assert len(started) == 1


def test_a_level_that_is_not_there_is_refused(monkeypatch):
    assert isa.missing("v9") == "densenet's build for v9 is not installed"
    monkeypatch.setattr(isa, "levels", lambda: ["v2"])
    monkeypatch.setattr(isa.importlib.util, "find_spec", lambda _: True)
    assert isa.missing("v3") == "this processor does not run v3"


def test_a_row_says_what_all_were_held_to():
    if isa.missing("v3"):
        pytest.skip(f"{NOT_APPLICABLE}: {isa.missing('v3')}")
    short = "--isa v3 --busy 1 --only densenet --rounds 1 --seconds 1e-3 --threads 1 --json -"
    command = [sys.executable, str(ROOT / "bench" / "nets.py"), "7-5-3:4", *short.split()]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(row["held_to"], row["busy"]) for row in rows} == {("v3", 1)}
    assert {row["processor"]["instruction_set"] for row in rows} == {"v3"}
    assert "Means, for other processes ran beside" in done.stderr
    assert "beside 1 endless loop, all held to v3" in done.stderr
