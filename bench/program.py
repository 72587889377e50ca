"""Run a program of the folder `programs` once, in this process.

    python bench/program.py PROGRAM LIBRARY SEED THREADS

It prints one line of JSON: the score of its predictions, the version of the library, and the
seconds, by the clock and on processors, from the first weights to the last prediction. Reading the
rows and importing the library come before and are not timed. Numbers below 2⁻¹²⁶ count as 0 in both
libraries, as densenet has it always.
"""

import importlib
import json
import sys
import time
from typing import Any

import numpy as np

import densenet
from programs.data import READERS, VALUES

LIBRARIES = ("densenet", "torch")


def run(program: str, library: str, seed: int, threads: int) -> dict[str, Any]:
    """Run a program; give what the module's docstring says."""
    rows = READERS[program](seed)
    version = _set_up(library, threads)
    train = importlib.import_module(f"programs.{program}_{library}").train
    start, processor = time.perf_counter(), time.process_time()
    predicted = train(rows, seed)
    processor, seconds = time.process_time() - processor, time.perf_counter() - start
    error = np.reshape(predicted, len(rows.y_test)) - rows.y_test
    if program in VALUES:
        score = float(np.sqrt(np.mean(error**2, dtype=np.float64)))
    else:
        score = float(np.mean(error == 0))
    return {"score": score, "seconds": seconds, "processor": processor, "version": version}


def _set_up(library: str, threads: int) -> str:
    """Import a library and set its threads; give its version."""
    if library == "densenet":
        densenet.set_num_threads(threads)
        return densenet.__version__
    import torch

    torch.set_flush_denormal(True)  # inherited by threads, so before the first one starts
    torch.set_num_threads(threads)
    return str(torch.__version__)


if __name__ == "__main__":
    name, by, drawn, count = sys.argv[1:]
    print(json.dumps(run(name, by, int(drawn), int(count))))
