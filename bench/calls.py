"""The calls that threads.py times: makers that take threads, width and batch."""

from collections.abc import Callable

import numpy as np

from densenet import kernels
from peers.contender import Contender
from peers.densenet import DensenetFit, DensenetStep
from tasks import Task
from workloads import Net

Call = Callable[[], object]


def _training(contender: type[Contender]) -> Callable[[int, int, int], Call]:
    return lambda threads, width, batch: contender(_task(threads, width, batch)).epoch


def _network(method: str, labels: bool) -> Callable[[int, int, int], Call]:
    """Give a maker of calls of a network's method with one batch."""

    def make(threads: int, width: int, batch: int) -> Call:
        task = _task(threads, width, batch)
        call = getattr(DensenetFit(task).network, method)
        x, y = task.batches[0]
        return (lambda: call(x, y)) if labels else (lambda: call(x))

    return make


def _kernel(name: str, *shapes: str) -> Callable[[int, int, int], Call]:
    """Give a maker of calls of a kernel. In a shape, ``n`` is the width and ``b`` the batch."""

    def make(threads: int, width: int, batch: int) -> Call:
        rng, sizes = np.random.default_rng(1), {"n": width, "b": batch}
        arrays = [
            rng.uniform(0.1, 0.9, [sizes[letter] for letter in shape]).astype(np.float32)
            for shape in shapes
        ]
        function = getattr(kernels, name)
        step = [10] if name == "adam_step" else []
        return lambda: function(*arrays, *step)

    return make


def _task(threads: int, width: int, batch: int) -> Task:
    return Net("", (width, width, width, 10), batch).task(threads)


CALLS: dict[str, Callable[[int, int, int], Call]] = {
    "fit": _training(DensenetFit),
    "train_step": _training(DensenetStep),
    "gradients": _network("gradients", labels=True),
    "predict_proba": _network("predict_proba", labels=False),
    "linear_forward": _kernel("linear_forward", "bn", "nn", "n"),
    "linear_backward": _kernel("linear_backward", "bn", "bn", "nn"),
    "sigmoid_forward": _kernel("sigmoid_forward", "bn"),
    "sigmoid_backward": _kernel("sigmoid_backward", "bn", "bn"),
    "softmax_forward": _kernel("softmax_forward", "bn"),
    "adam_step": _kernel("adam_step", "bn", "bn", "bn", "bn"),
}
SHAPES = dict.fromkeys(CALLS, "batch x n") | dict.fromkeys(
    ("fit", "train_step", "gradients", "predict_proba"), "n-n-n-10"
)
SHAPES |= dict.fromkeys(("linear_forward", "linear_backward"), "batch x n -> n")
