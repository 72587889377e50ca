"""densenet: compiled, by one call an epoch or a step, on one thread, and its NumPy reference."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from densenet import Network, SoftmaxCrossEntropy, set_num_threads
from densenet._typing import Array
from designs import FOCUS, Design
from peers.contender import Contender, Predictor
from tasks import Task

Backend = Literal["compiled", "reference"]


class FocalLoss:
    """A loss of one's own, as a user writes it: ``mean(-(1 - p)^FOCUS ln p)``, p of the target."""

    def forward(self, outputs: Array, targets: Array) -> float:
        """Compute the loss."""
        _, p = self._probabilities(outputs, targets)
        return float(np.mean(-((1 - p) ** FOCUS) * np.log(p)))

    def backward(self, outputs: Array, targets: Array) -> Array:
        """Compute its gradient."""
        gradient, p = self._probabilities(outputs, targets)
        rest = 1 - p
        slope = FOCUS * p * rest ** (FOCUS - 1) * np.log(p) - rest**FOCUS
        gradient[np.arange(len(p)), targets] -= 1
        gradient *= (-slope / len(p))[:, None]
        return gradient

    @staticmethod
    def _probabilities(outputs: Array, targets: Array) -> tuple[Array, Array]:
        exponentials = np.exp(outputs - outputs.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities, probabilities[np.arange(len(targets)), targets]


def network_of(task: Task, backend: Backend = "compiled") -> Network:
    """Make the network of a task, with the task's parameters and threads."""
    if backend == "compiled":
        set_num_threads(task.threads)
    design = task.design
    own = design.own_loss and task.job == "train"
    loss = FocalLoss() if own else SoftmaxCrossEntropy()
    # The reference judges: it computes of floats as they are.
    precision = design.precision if backend == "compiled" else "highest"
    layers = design.layers(task.widths)
    network = Network(layers, loss, backend=backend, precision=precision)
    parameters = network.parameters
    weights = [name for name, values in parameters.items() if values.ndim == 2]
    for name, weight, bias in zip(weights, task.weights, task.biases, strict=True):
        parameters[name][...] = weight
        parameters[name.removesuffix("weight") + "bias"][...] = bias
    return network


# ---- training ----------------------------------------------------------------------------------


class DensenetFit(Contender):
    """One call an epoch."""

    module = "densenet"

    def __init__(self, task: Task, backend: Backend = "compiled") -> None:
        self.network = network_of(task, backend)
        self.optimizer = task.design.rule()
        self.task = task

    def epoch(self) -> Iterable[Any]:
        """Call fit once."""
        return self.network.fit(
            self.task.x,
            self.task.y,
            epochs=1,
            batch_size=self.task.batch,
            optimizer=self.optimizer,
            shuffle=False,
        ).batch_loss


class DensenetStep(DensenetFit):
    """One call a step."""

    def epoch(self) -> Iterable[Any]:
        """Call train_step with each batch."""
        step, optimizer = self.network.train_step, self.optimizer
        return [step(x, y, optimizer) for x, y in self.task.batches]


class DensenetHalves(DensenetFit):
    """Two calls a step: a gradient into an array that is kept, and the update by it."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.gradient = np.empty_like(self.network.flat)

    def epoch(self) -> Iterable[Any]:
        """Call loss_and_gradient and apply_gradient with each batch."""
        return [self._step(x, y) for x, y in self.task.batches]

    def _step(self, x: Array, y: Array) -> float:
        loss, _ = self.network.loss_and_gradient(x, y, out=self.gradient)
        self.network.apply_gradient(self.gradient, self.optimizer)
        return loss


class DensenetHighest(DensenetFit):
    """One call an epoch, of floats as they are, beside a lower precision."""

    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, design=replace(task.design, precision="highest")))

    @classmethod
    def takes(cls, design: Design) -> bool:
        """Say whether the design has a lower precision."""
        return design.precision != "highest"


class DensenetFitAlone(DensenetFit):
    """One call an epoch, on one thread."""

    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, threads=1))


class ReferenceFit(DensenetFit):
    """densenet's NumPy reference."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, "reference")


# ---- prediction --------------------------------------------------------------------------------


class DensenetPredict(Predictor):
    """Network.predict_proba."""

    module = "densenet"

    def __init__(self, task: Task, backend: Backend = "compiled") -> None:
        self.predict_proba = network_of(task, backend).predict_proba
        self.batches = [x for x, _ in task.batches]

    def epoch(self) -> Iterable[Any]:
        """Predict each batch."""
        return [self.predict_proba(x) for x in self.batches]


class DensenetPredictor(DensenetPredict):
    """The same of the copy that Network.predictor makes."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.predict_proba = network_of(task).predictor().predict_proba


class DensenetPredictAlone(DensenetPredict):
    """Network.predict_proba on one thread."""

    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, threads=1))


class ReferencePredict(DensenetPredict):
    """densenet's NumPy reference."""

    def __init__(self, task: Task) -> None:
        super().__init__(task, "reference")
