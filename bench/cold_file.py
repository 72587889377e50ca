"""Rows a second of one epoch of `fit` on a cold file, within a control group's limit of memory.

    sudo .venv/bin/python bench/cold_file.py
    sudo .venv/bin/python bench/cold_file.py --megabytes 6000 --share 0.1 --folder /data
    sudo .venv/bin/python bench/cold_file.py --json cold.jsonl

Each order of the rows runs in a process of its own, whose memory, the file's pages in it included,
is limited to a share of the file's size. The control group (version 1 or 2) takes root, on Linux.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import options
import records
from densenet import get_num_threads

COLUMNS = 784
ORDERS = {"as they lie": False, "blocks": "blocks", "all mixed": True}
_GROUPS = Path("/sys/fs/cgroup")


@contextlib.contextmanager
def limited(limit: int) -> Iterator[Path]:
    """Make a control group with so many bytes of memory; give the file that takes processes."""
    old = _GROUPS / "memory"
    folder = (old if old.is_dir() else _GROUPS) / f"cold-file-{os.getpid()}"
    folder.mkdir()
    try:
        name = "memory.limit_in_bytes" if old.is_dir() else "memory.max"
        (folder / name).write_text(str(limit))
        yield folder / "cgroup.procs"
    finally:
        time.sleep(0.5)  # its last process has to be gone
        folder.rmdir()


def write(path: str, rows: int) -> None:
    """Write random rows of float32."""
    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        for begin in range(0, rows, 10_000):
            some = rng.standard_normal((min(10_000, rows - begin), COLUMNS), np.float32)
            file.write(some.tobytes())
        file.flush()
        os.fsync(file.fileno())


def train(path: str, order: str, seconds: float) -> tuple[int, float]:
    """Train for an epoch on the cold file, or so many seconds; give rows and seconds."""
    from densenet import Callback, Linear, Network, ReLU, SoftmaxCrossEntropy

    class Stop(Callback):
        def is_due(self) -> bool:
            return time.perf_counter() - start > seconds

        def on_pause(self, network: Network) -> bool:
            return True

    x = np.memmap(path, np.float32, "r").reshape(-1, COLUMNS)
    y = np.arange(len(x)) % 10
    layers = [Linear(COLUMNS, 128), ReLU(), Linear(128, 10)]
    network = Network(layers, SoftmaxCrossEntropy(), seed=0)
    start = time.perf_counter()
    network.fit(np.zeros((256, COLUMNS), np.float32), y[:256], epochs=1)
    file = os.open(path, os.O_RDONLY)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    start = time.perf_counter()
    history = network.fit(x, y, epochs=1, shuffle=ORDERS[order], callbacks=[Stop()])  # type: ignore[arg-type]
    taken = time.perf_counter() - start
    return min(len(history.batch_loss) * 128, len(x)), taken


def measure(given: argparse.Namespace, into: records.Records) -> int:
    """Write the file, measure each order in a process of its own, and remove the file."""
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        path = os.path.join(folder, "x")
        write(path, given.megabytes * 10**6 // (4 * COLUMNS))
        limit = int(os.path.getsize(path) * given.share)
        print(f"{given.megabytes} MB, {limit // 10**6} MB of memory", flush=True)
        for order in ORDERS:
            with limited(limit) as group:
                again = ["--order", order, "--path", path, "--group", str(group)]
                command = [sys.executable, __file__, *again, "--seconds", str(given.seconds)]
                done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            rows, taken = json.loads(done.stdout.splitlines()[-1])
            speed = rows / taken
            print(f"{order:12}  {rows:8,} rows in {taken:6.2f} s: {speed:8,.0f} rows/s", flush=True)
            about = {"order": order, "megabytes": given.megabytes, "share": given.share}
            into.add(about | {"rows": rows}, taken)
    return 0


def main() -> int:
    """Read the options, and run; or, in a process of an order, train."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=600, help="the file's size")
    parser.add_argument("--share", type=float, default=1 / 3, help="memory, as a share of the file")
    parser.add_argument("--seconds", type=float, default=20.0, help="at most, for each order")
    parser.add_argument("--folder", help="where to put the file")
    parser.add_argument("--order", choices=ORDERS, help=argparse.SUPPRESS)
    parser.add_argument("--path", help=argparse.SUPPRESS)
    parser.add_argument("--group", help=argparse.SUPPRESS)
    options.add_json(parser)
    parser.set_defaults(threads=get_num_threads())
    given = parser.parse_args()
    if given.order:  # in a process of its own
        Path(given.group).write_text(str(os.getpid()))
        print(json.dumps(train(given.path, given.order, given.seconds)), flush=True)
        return 0
    return records.run("cold_file", measure, given)


if __name__ == "__main__":
    sys.exit(main())
