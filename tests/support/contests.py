"""Results of the benchmark of networks, made up."""

import contest
from report import OURS, Result
from timing import Timing
from workloads import NETS

FIT, STEP = OURS


def timed(seconds):
    return Timing(0.9 * seconds, seconds, 1.1 * seconds)


def result(net=NETS["B"], *, notes=None, **seconds):
    """A result whose limit is 0.1 s."""
    names = {"fit": FIT, "step": STEP, "torch": "PyTorch, fused Adam", "reference": contest.JUDGE}
    timings = {names[name]: timed(value) for name, value in seconds.items()}
    return Result(
        net, 20 * net.flop, 20 * 24 * net.parameters, timings, notes or {}, {"torch": "2.13.0"}
    )
