"""A contender in a process of its own: that process, and the handle that talks to it.

They exchange lines of JSON. The process begins with ``{"ready": version}``, ``{"missing": module}``
if its library is not installed, or ``{"failed": why}``. It answers ``{"do": "losses"}`` with the
losses of the first steps, and ``{"do": "train", "seconds": s}`` with the seconds of each epoch that
it trains in about s seconds. It ends at end of file.
"""

import contextlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

from peers import CONTENDERS, Contender
from workloads import FIRST_LOSSES, Task

_SHORT = 0.1  # seconds; a shorter epoch is trained once more before the timed ones
_DISTRIBUTIONS = {"densenet": "densenet-cpu", "sklearn": "scikit-learn"}


class WorkerError(Exception):
    """A contender failed; the message says why."""


class Worker:
    """Starts a contender's process and talks to it.

    Parameters
    ----------
    name : str
        A name in `peers.CONTENDERS`.
    task : path of a task's .npz file
    threads : int
    """

    def __init__(self, name: str, task: Path, threads: int) -> None:
        self.name = name
        counts = ("OMP", "MKL", "OPENBLAS", "DENSENET")
        environment = os.environ | {f"{prefix}_NUM_THREADS": str(threads) for prefix in counts}
        self._process = subprocess.Popen(
            [sys.executable, __file__, name, str(task)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"its process ended with status {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if "failed" in answer:
            raise WorkerError(answer["failed"])
        return answer

    def _ask(self, **question: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # the answer, read next, tells why
            print(json.dumps(question), file=self._process.stdin, flush=True)
        return self._read()

    def version(self) -> str | None:
        """Wait until the process is ready; give the library's version, None if not installed."""
        answer = self._read()
        return str(answer["ready"]) if "ready" in answer else None

    def losses(self) -> list[float]:
        """Train the first epoch and give the losses of its first steps."""
        losses: list[float] = self._ask(do="losses")["losses"]
        return losses

    def train(self, seconds: float) -> list[float]:
        """Train for about ``seconds``; give the seconds that each epoch took."""
        epochs: list[float] = self._ask(do="train", seconds=seconds)["epochs"]
        return epochs

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


# ---- in the worker's process ---------------------------------------------------------------------


def _timed_epoch(contender: Contender) -> float:
    start = time.perf_counter()
    contender.epoch()
    return time.perf_counter() - start


def _train(contender: Contender, seconds: float) -> list[float]:
    epochs = [_timed_epoch(contender)]
    if epochs[0] < _SHORT:
        epochs = [_timed_epoch(contender)]
    while sum(epochs) < seconds:
        epochs.append(_timed_epoch(contender))
    return epochs


def _serve(name: str, task: Path) -> None:
    # Answers go to the real standard output; what libraries print goes to standard error.
    talk = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def say(**answer: Any) -> None:
        print(json.dumps(answer), file=talk, flush=True)

    kind = CONTENDERS[name]
    if importlib.util.find_spec(kind.module) is None:
        say(missing=kind.module)
        return
    warnings.simplefilter("ignore")
    try:
        contender = kind(Task.load(task))
        say(ready=importlib.metadata.version(_DISTRIBUTIONS.get(kind.module, kind.module)))
        for line in sys.stdin:
            question = json.loads(line)
            if question["do"] == "losses":
                losses = [float(loss) for loss in contender.epoch()]
                say(losses=losses[:FIRST_LOSSES])
            else:
                say(epochs=_train(contender, question["seconds"]))
    except Exception as error:
        say(failed=f"{type(error).__name__}: {error}".splitlines()[0])


if __name__ == "__main__":
    _serve(sys.argv[1], Path(sys.argv[2]))
