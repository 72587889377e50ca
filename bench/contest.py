"""Time one net: contenders run in processes of their own and take turns, on the same data.

First all must show the same losses, or probabilities. The machine's peaks are measured between the
turns, so that other work on the machine disturbs them as it disturbs the times.
"""

import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import busy
from machine import Machine, pinned
from peers import CONTENDERS
from report import HIGHEST, NOT_INSTALLED, OTHER, REFERENCE, Result
from timing import Budget, Counts, Timing
from worker import Epoch, Worker, WorkerError
from workloads import ALONE, Net

_PAUSE = 0.05  # seconds between turns, in which the threads of the last one stop spinning
_FEW = 3  # samples that are enough of a contender that takes much longer than its turns
_LEAST_ROUNDS = 3


def compete(
    net: Net,
    threads: int,
    names: Sequence[str],
    *,
    rounds: int,
    turn: float,
    budget: Budget,
    loops: int = 0,
) -> Result:
    """Time a training step of one net, or other work of it, for each contender.

    Parameters
    ----------
    net : Net
    threads : int
        Threads of each contender.
    names : sequence of str
        Names in `peers.CONTENDERS` for the net's job; others are left out. A contender that is not
        installed, fails or computes something else gets a note instead of a time.
    rounds : int
        Turns of each contender.
    turn : float
        Least seconds of a turn.
    budget : Budget
        Once it is spent no further round begins, the first three excepted.
    loops : int
        Processes that keep processors busy while contenders are timed.
    """
    known = CONTENDERS[net.job]
    names = [
        name
        for name in names
        if name in known and known[name].takes(net.design) and (threads > 1 or name != ALONE)
    ]
    machine = Machine(threads, net.footprint)
    versions: dict[str, str] = {}
    notes: dict[str, str] = {}
    samples: dict[str, list[Epoch]] = {}
    with pinned(threads), tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        path = Path(folder) / "task.npz"
        net.task(threads).save(path)
        workers = []
        for name in names:
            workers.append(Worker(name, path, threads))
            stack.callback(workers[-1].close)
        shown = {}
        for worker in workers:
            try:
                shown[worker.name] = _enter(worker, known[worker.name].module, versions)
            except WorkerError as error:
                notes[worker.name] = str(error)
        errors = _errors(shown)
        agreeing = _agreeing(net, errors, notes)
        stack.enter_context(busy.beside(loops))
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
                if len(taken) >= _FEW and sum(e.clock for e in taken) > 4 * rounds * turn:
                    continue
                time.sleep(_PAUSE)
                machine.measure_flops()
                machine.measure_meeting()
                try:
                    taken += worker.run(turn)
                except WorkerError as error:
                    notes[worker.name] = str(error)
                    running.remove(worker)
    timings = {
        name: Timing.of(*(np.transpose(samples[name]) / net.epoch_calls))
        for name in names
        if name in samples and name not in notes
    }
    flops, bandwidth, meetings = machine.flops, machine.bandwidth, machine.meetings
    counts: Counts = "mean" if loops else "median"
    of_agreeing = {name: errors[name] for name in timings}
    return Result(net, flops, bandwidth, timings, notes, versions, meetings, counts, of_agreeing)


def _enter(worker: Worker, module: str, versions: dict[str, str]) -> list[float]:
    """Note a contender's version and give its first numbers; WorkerError if it has none."""
    version = worker.version()
    if version is None:
        raise WorkerError(NOT_INSTALLED)
    versions[module] = version
    return worker.first()


def _errors(shown: dict[str, list[float]]) -> dict[str, float]:
    """Give the largest relative difference of each contender's numbers from the judge's, or NaN.

    The judge is the NumPy reference, or our own contender of the highest precision, or the first
    contender where neither runs.
    """
    judges = [shown[name] for name in (REFERENCE, HIGHEST) if name in shown]
    judge = next(iter([*judges, *shown.values()]), [])
    errors = {}
    for name, values in shown.items():
        same = len(values) == len(judge)
        off = np.abs(np.subtract(values, judge)) / np.abs(judge) if same else [np.nan]
        errors[name] = float(np.max(off))
    return errors


def _agreeing(net: Net, errors: dict[str, float], notes: dict[str, str]) -> set[str]:
    """Give the contenders that differ by no more than they may; add a note for each other one."""
    agreeing = {name for name, error in errors.items() if error <= net.tolerance}
    for name, error in errors.items():
        if name not in agreeing:
            notes[name] = f"{OTHER}{net.shows} ({error:.1e})"
    return agreeing
