"""Time training steps of whole networks against everyone else who can take them.

    python bench/nets.py                      nets A to G
    python bench/nets.py B 784-128-10:128     these: a letter, or widths and batch
    python bench/nets.py --markdown nets.md --picture nets.png

A step is forward pass, loss, backward pass and Adam's update, in float32. Contenders whose library
is installed take turns, each in a process of its own, on the same threads and data; first they
must show the same losses. Exit status 1 if one does not.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

import report
from densenet import get_num_threads
from machine import Machine, describe, pin
from peers import CONTENDERS
from report import Result
from timing import Timing
from worker import Worker, WorkerError
from workloads import FIRST_LOSSES, NETS, Net, Task, parse

_AGREE = 1e-3  # relative difference of the first losses
_PAUSE = 0.05  # seconds between turns, in which the last one's threads stop spinning
_JUDGE = "NumPy reference"
_FEW = 3  # samples of a contender that is so slow that its turns are cut short


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").split("\n\n")[0],
        epilog="Nets: " + "; ".join(f"{n.name} = {n.shape}:{n.batch}" for n in NETS.values()),
    )
    parser.add_argument("nets", nargs="*", metavar="NET", help="A to G, or as 784-128-10:128")
    parser.add_argument("--threads", type=int, default=get_num_threads())
    parser.add_argument("--rounds", type=int, default=9, help="turns of each contender")
    parser.add_argument("--seconds", type=float, default=0.3, help="least length of a turn")
    parser.add_argument("--only", default="", help="contenders whose names hold one of a,b,...")
    parser.add_argument("--markdown", type=Path, help="write the tables to this file")
    parser.add_argument("--picture", type=Path, help="write a picture to this file")
    arguments = parser.parse_args()
    try:
        arguments.nets = [parse(text) for text in arguments.nets or NETS]
    except ValueError as error:
        parser.error(str(error))
    if min(arguments.threads, arguments.rounds) < 1:
        parser.error("--threads and --rounds: expected integers >= 1")
    wanted = [word.strip().lower() for word in arguments.only.split(",")]
    arguments.contenders = [n for n in CONTENDERS if any(word in n.lower() for word in wanted)]
    return arguments


def _enter(worker: Worker, versions: dict[str, str]) -> list[float]:
    """Wait for a contender's first losses; WorkerError if there are none."""
    version = worker.version()
    if version is None:
        raise WorkerError("not installed")
    versions[CONTENDERS[worker.name].module] = version
    return worker.losses()


def _agreeing(losses: dict[str, list[float]], notes: dict[str, str]) -> set[str]:
    """Names of those whose losses are the judge's; the notes tell of the others."""
    judge = losses.get(_JUDGE) or next(iter(losses.values()), [])
    agreeing = set()
    for name, values in losses.items():
        worst = max(abs(a - b) / abs(b) for a, b in zip(values, judge, strict=True))
        if worst <= _AGREE:
            agreeing.add(name)
        else:
            notes[name] = f"other losses ({worst:.1e})"
    return agreeing


def _time(net: Net, arguments: argparse.Namespace, versions: dict[str, str]) -> Result:
    """Run all rounds of one net."""
    machine, footprint = Machine(arguments.threads), 16 * net.parameters
    notes: dict[str, str] = {}
    samples: dict[str, list[float]] = {}
    workers: list[Worker] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.npz"
        Task.make(net, arguments.threads).save(path)
        try:
            workers = [Worker(name, path, arguments.threads) for name in arguments.contenders]
            losses = {}
            for worker in workers:
                try:
                    losses[worker.name] = _enter(worker, versions)
                except WorkerError as error:
                    notes[worker.name] = str(error)
            steps = min(FIRST_LOSSES, net.epoch_steps)
            agreeing = _agreeing({n: values[:steps] for n, values in losses.items()}, notes)
            running = [worker for worker in workers if worker.name in agreeing]
            for turn in range(arguments.rounds):
                time.sleep(_PAUSE)
                machine.measure(footprint)
                # Each round begins with another, so that nobody always follows the same one.
                first = turn % max(1, len(running))
                for worker in running[first:] + running[:first]:
                    taken = samples.setdefault(worker.name, [])
                    if len(taken) >= _FEW and sum(taken) > 4 * arguments.rounds * arguments.seconds:
                        continue
                    time.sleep(_PAUSE)
                    taken += worker.train(arguments.seconds)
        finally:
            for worker in workers:
                worker.close()
    timings = {
        worker.name: Timing.of([s / net.epoch_steps for s in samples[worker.name]])
        for worker in running
    }
    return Result(net, machine.flops(), machine.bandwidth(footprint), timings, notes)


def main() -> int:
    arguments = _arguments()
    pin(arguments.threads)
    versions: dict[str, str] = {}
    results = []
    for net in arguments.nets:
        start = time.perf_counter()
        result = _time(net, arguments, versions)
        results.append(result)
        seconds = time.perf_counter() - start
        best, ratio = result.best_peer, result.ratio(report.OURS[0])
        verdict = f"{ratio:.2f}x {best}" if ratio else "no peer to compare with"
        print(f"{net.name} {net.shape}, batch {net.batch}: {verdict} ({seconds:.0f} s)", flush=True)
        for name, note in result.notes.items():
            print(f"  {name}: {note}", flush=True)
    about = describe(arguments.threads)
    others = ", ".join(f"{name} {versions[name]}" for name in versions if name != "densenet")
    parts = [
        f"{about}; {others}" if others else about,
        report.summary(results),
        "Medians ± half the distance of the quartiles. A ratio above 1 is faster than the best "
        "peer. The limit is the products' FLOP over the measured multiply-add peak, and the "
        "update's 24 bytes a parameter over the measured in-place bandwidth. A target is met at "
        f"its ratio, or within {report.NEAR_LIMIT} limits.",
        report.contenders(results),
        report.peaks(results),
    ]
    text = "\n\n".join(parts)
    print(f"\n{text}")
    if arguments.markdown:
        command = "python bench/nets.py " + " ".join(sys.argv[1:])
        arguments.markdown.write_text(f"`{command.strip()}`\n\n{text}\n", encoding="utf-8")
    if arguments.picture:
        report.picture(results, arguments.picture, parts[0])
    disagree = any("other losses" in note for r in results for note in r.notes.values())
    return 1 if disagree else 0


if __name__ == "__main__":
    sys.exit(main())
