"""Time one net: contenders run in processes of their own and take turns, on the same data.

First all must show the same losses. The machine's peaks are measured between the turns, so that
other work on the machine disturbs them as it disturbs the times.
"""

import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from machine import Machine, pinned
from peers import CONTENDERS
from report import NOT_INSTALLED, OTHER_LOSSES, Result
from timing import Budget, Timing
from worker import Worker, WorkerError
from workloads import FIRST_LOSSES, Net, Task

JUDGE = "NumPy reference"
_AGREE = 1e-3  # relative difference of the first losses
_AGREE_DRAWN = 0.25  # and where each library drops elements at random, by its own draws
_PAUSE = 0.05  # seconds between turns, in which the threads of the last one stop spinning
_FEW = 3  # samples that are enough of a contender that takes much longer than its turns
_LEAST_ROUNDS = 3


def compete(
    net: Net, threads: int, names: Sequence[str], *, rounds: int, turn: float, budget: Budget
) -> Result:
    """Time a training step of one net for each contender.

    Parameters
    ----------
    net : Net
    threads : int
        Threads of each contender.
    names : sequence of str
        Names in `peers.CONTENDERS`. A contender that is not installed, fails or computes other
        losses gets a note instead of a time.
    rounds : int
        Turns of each contender.
    turn : float
        Least seconds of a turn.
    budget : Budget
        Once it is spent no further round begins, the first three excepted.
    """
    machine = Machine(threads, 16 * net.parameters)
    versions: dict[str, str] = {}
    notes: dict[str, str] = {}
    samples: dict[str, list[float]] = {}
    with pinned(threads), tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "task.npz"
        Task.make(net, threads).save(path)
        workers = []
        for name in names:
            workers.append(Worker(name, path, threads))
            stack.callback(workers[-1].close)
        losses = {}
        for worker in workers:
            try:
                losses[worker.name] = _enter(worker, versions)
            except WorkerError as error:
                notes[worker.name] = str(error)
        steps = min(FIRST_LOSSES, net.epoch_steps)
        tolerance = _AGREE_DRAWN if net.design.dropout else _AGREE
        compared = {n: values[:steps] for n, values in losses.items()}
        agreeing = _agreeing(compared, notes, tolerance)
        running = [worker for worker in workers if worker.name in agreeing]
        for done in range(rounds):
            if done >= _LEAST_ROUNDS and not budget.left:
                break
            time.sleep(_PAUSE)
            machine.measure_bandwidth()
            # Each round begins with another contender: none always follows the same other one.
            first = done % max(1, len(running))
            for worker in running[first:] + running[:first]:
                taken = samples.setdefault(worker.name, [])
                if len(taken) >= _FEW and sum(taken) > 4 * rounds * turn:
                    continue
                time.sleep(_PAUSE)
                machine.measure_flops()
                machine.measure_meeting()
                try:
                    taken += worker.train(turn)
                except WorkerError as error:
                    notes[worker.name] = str(error)
                    running.remove(worker)
    timings = {
        name: Timing.of([seconds / net.epoch_steps for seconds in samples[name]])
        for name in names
        if name in samples and name not in notes
    }
    flops, bandwidth, meetings = machine.flops, machine.bandwidth, machine.meetings
    return Result(net, flops, bandwidth, timings, notes, versions, meetings)


def _enter(worker: Worker, versions: dict[str, str]) -> list[float]:
    """Note a contender's version and give its first losses; WorkerError if it has none."""
    version = worker.version()
    if version is None:
        raise WorkerError(NOT_INSTALLED)
    versions[CONTENDERS[worker.name].module] = version
    return worker.losses()


def _agreeing(
    losses: dict[str, list[float]], notes: dict[str, str], tolerance: float = _AGREE
) -> set[str]:
    """Give the contenders whose losses agree with the judge's; add a note for each other one.

    The judge is the NumPy reference, or the first contender where that does not run.
    """
    judge = losses.get(JUDGE) or next(iter(losses.values()), [])
    agreeing = set()
    for name, values in losses.items():
        worst = float(np.max(np.abs(np.subtract(values, judge)) / np.abs(judge)))  # or NaN
        if worst <= tolerance:
            agreeing.add(name)
        else:
            notes[name] = f"{OTHER_LOSSES} ({worst:.1e})"
    return agreeing
