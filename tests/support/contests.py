"""Results of the benchmark of networks, made up."""

from report import REFERENCE, Result
from timing import Timing
from workloads import ALONE, NETS, Net

FIT, STEP = Net.ours


def timed(seconds):
    return Timing(0.9 * seconds, seconds, 1.1 * seconds, 1.5 * seconds, 2 * seconds)


def result(net=NETS["B"], *, notes=None, **seconds):
    """A result whose limit is 0.1 s."""
    names = {
        "fit": net.ours[0],
        "step": net.ours[-1],
        "beside": net.beside,
        "alone": ALONE,
        "torch": "PyTorch, fused Adam",
        "reference": REFERENCE,
    }
    timings = {names[name]: timed(value) for name, value in seconds.items()}
    peaks = 20 * net.flop, 20 * net.moved_bytes
    return Result(net, *peaks, timings, notes or {}, {"torch": "2.13.0"})
