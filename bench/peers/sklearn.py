"""scikit-learn: its perceptron for classes, for training and for prediction."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from designs import LEARNING_RATE, Design
from peers.contender import Contender, Predictor
from tasks import FIRST_LOSSES, Task

ACTIVATIONS = {"sigmoid": "logistic"} | {a: a for a in ("identity", "tanh", "relu")}


def check(design: Design) -> None:
    """Refuse a design that scikit-learn's perceptrons cannot have."""
    if design != Design(design.activation) or design.activation not in ACTIVATIONS:
        raise ValueError(f"scikit-learn's perceptrons have no {design.text}")


def classifier_of(task: Task) -> Any:
    """Make the perceptron of a task, with the task's parameters and moments of zero."""
    from sklearn.neural_network import MLPClassifier

    classes = np.arange(task.widths[-1])
    if len(classes) == 2:
        raise ValueError("MLPClassifier has one output, and not two, for two classes")
    check(task.design)
    classifier = MLPClassifier(
        task.widths[1:-1],
        activation=ACTIVATIONS[task.design.activation],
        solver="adam",
        alpha=0,
        batch_size=task.batch,
        learning_rate_init=LEARNING_RATE,
        shuffle=False,
    )
    # A first call makes the arrays; then they get the task's parameters and zero moments.
    classifier.partial_fit(*task.batches[0], classes=classes)
    adam = classifier._optimizer
    for own, given in zip(classifier.coefs_, task.weights, strict=True):
        own[...] = given.T
    for own, given in zip(classifier.intercepts_, task.biases, strict=True):
        own[...] = given
    for moments in (*adam.ms, *adam.vs):
        moments[...] = 0
    adam.t = 0
    return classifier


class SklearnFit(Contender):
    """MLPClassifier, one call an epoch. Its loss is one number for each call, not for each step."""

    module = "sklearn"

    def __init__(self, task: Task) -> None:
        self.partial_fit = classifier_of(task).partial_fit
        self.task = task

    def first(self) -> list[float]:
        """Call partial_fit with each batch, to get its loss."""
        losses = [self.partial_fit(x, y).loss_ for x, y in self.task.batches]
        return [float(loss) for loss in losses[:FIRST_LOSSES]]

    def epoch(self) -> Iterable[Any]:
        """Call partial_fit with all rows."""
        return [self.partial_fit(self.task.x, self.task.y).loss_]


class SklearnPredict(Predictor):
    """MLPClassifier.predict_proba."""

    module = "sklearn"

    def __init__(self, task: Task) -> None:
        self.predict_proba = classifier_of(task).predict_proba
        self.batches = [x for x, _ in task.batches]

    def epoch(self) -> Iterable[Any]:
        """Predict each batch."""
        return [self.predict_proba(x) for x in self.batches]
