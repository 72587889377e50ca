"""Whole fits: densenet's estimators, scikit-learn's, and the same work by hand."""

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from densenet import Adam, MeanSquaredError, Network, SoftmaxCrossEntropy, set_num_threads
from designs import DROPOUT, LEARNING_RATE
from peers.contender import Contender, Predictor
from peers.densenet import network_of
from peers.sklearn import ACTIVATIONS, check
from tasks import FIRST_LOSSES, Task

BAGGED = 20  # estimators that bagging fits
_SEED = 0
_ALPHA = 1e-4  # the estimators' default


def settings(task: Task) -> dict[str, Any]:
    """Give an estimator's parameters, all passes over the rows to be made."""
    design = task.design
    if (design.optimizer, design.clip, design.own_loss) != ("adam", False, False):
        raise ValueError(f"the estimators are timed with Adam alone, not with {design.text}")
    if task.job != "regressor" and task.widths[-1] == 2:
        raise ValueError("the estimators have one output, and not two, for two classes")
    return {
        "hidden_layer_sizes": task.widths[1:-1],
        "activation": ACTIVATIONS.get(design.activation, design.activation),
        "alpha": _ALPHA,
        "batch_size": task.batch,
        "learning_rate_init": LEARNING_RATE,
        "max_iter": task.passes,
        "n_iter_no_change": task.passes,
    }


def ours(task: Task) -> Any:
    """Make densenet's estimator."""
    from densenet.estimators import DenseClassifier, DenseRegressor

    set_num_threads(task.threads)
    kind: Any = DenseRegressor if task.job == "regressor" else DenseClassifier
    design = task.design
    return kind(
        **settings(task),
        random_state=_SEED,
        dropout=DROPOUT if design.dropout else 0.0,
        normalization=design.norm.removesuffix("_norm") or None,
        residual=design.residual,
    )


def theirs(task: Task) -> Any:
    """Make scikit-learn's estimator."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    check(task.design)
    kind = MLPRegressor if task.job == "regressor" else MLPClassifier
    return kind(**settings(task), random_state=_SEED)


# ---- one fit -----------------------------------------------------------------------------------


class DenseFit(Contender):
    """DenseClassifier or DenseRegressor: a fit gives the loss of each pass over the rows."""

    module = "sklearn"  # without which there are no estimators

    def __init__(self, task: Task) -> None:
        self.task = task
        self.estimator = ours(task)

    def first(self) -> list[float]:
        """Fit once, rows in their order and nothing penalised, to get losses that all must have."""
        self.estimator.set_params(shuffle=False, alpha=0)
        losses = super().first()
        self.estimator.set_params(shuffle=True, alpha=_ALPHA)
        return losses

    def epoch(self) -> Iterable[Any]:
        """Fit once, anew."""
        losses: list[float] = self.estimator.fit(self.task.x, self.task.y).loss_curve_
        return losses


class DenseFitAlone(DenseFit):
    """DenseClassifier or DenseRegressor on one thread."""

    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, threads=1))


class SklearnWholeFit(DenseFit):
    """MLPClassifier or MLPRegressor."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.estimator = theirs(task)


class NetworkFit(Contender):
    """What an estimator's fit comes to by hand: a network with its first weights, and its steps."""

    module = "densenet"

    def __init__(self, task: Task) -> None:
        set_num_threads(task.threads)
        self.task = task
        self.regresses = task.job == "regressor"
        self.bounds = 2.0 if task.design.activation == "sigmoid" else 6.0

    def first(self) -> list[float]:
        """Fit once, rows in their order and nothing penalised, to get losses that all must have."""
        return self._fit(shuffle=False, alpha=0)[:FIRST_LOSSES]

    def epoch(self) -> Iterable[Any]:
        """Make a network and fit it."""
        return self._fit(shuffle=True, alpha=_ALPHA)

    def _fit(self, shuffle: bool, alpha: float) -> list[float]:
        task, draw = self.task, np.random.RandomState(_SEED)
        loss = MeanSquaredError() if self.regresses else SoftmaxCrossEntropy()
        half = 0.5 if self.regresses else 1.0  # the estimators halve a squared error
        network = Network(task.design.layers(task.widths), loss, seed=_SEED)
        weights = [name for name, values in network.parameters.items() if values.ndim == 2]
        for name, (inputs, outputs) in zip(weights, pairwise(task.widths), strict=True):
            bound = np.sqrt(self.bounds / (inputs + outputs))
            network.parameters[name].T[...] = draw.uniform(-bound, bound, (inputs, outputs))
            bias = name.removesuffix("weight") + "bias"
            network.parameters[bias][...] = draw.uniform(-bound, bound, outputs)
        history = network.fit(
            task.x,
            task.y[:, None] if self.regresses else task.y,
            epochs=task.passes,
            batch_size=task.batch,
            optimizer=Adam(lr=LEARNING_RATE, l2=alpha / task.batch / half),
            shuffle=shuffle,
        )
        return [half * epoch["loss"] for epoch in history.epochs]


# ---- twenty fits -------------------------------------------------------------------------------


class Bagging(Contender):
    """BaggingClassifier of twenty: gives the last loss of each of them."""

    module = "sklearn"

    def __init__(self, task: Task) -> None:
        from sklearn.ensemble import BaggingClassifier

        self.task = task
        self.bagging = BaggingClassifier(self.make(task), BAGGED, random_state=_SEED)

    @abstractmethod
    def make(self, task: Task) -> Any:
        """Make the estimator to be fitted."""

    def epoch(self) -> Iterable[Any]:
        """Fit twenty, anew."""
        self.bagging.fit(self.task.x, self.task.y)
        return [estimator.loss_ for estimator in self.bagging.estimators_]


class DenseBagging(Bagging):
    """Bagging of DenseClassifier."""

    def make(self, task: Task) -> Any:
        """Make a DenseClassifier."""
        return ours(task)


class DenseBaggingAlone(DenseBagging):
    """Bagging of DenseClassifier on one thread."""

    def __init__(self, task: Task) -> None:
        super().__init__(replace(task, threads=1))


class SklearnBagging(Bagging):
    """Bagging of MLPClassifier."""

    def make(self, task: Task) -> Any:
        """Make an MLPClassifier."""
        return theirs(task)


class TwentyFits(DenseBagging):
    """The same fits by a loop, with the rows and seeds that bagging draws."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        super().epoch()
        self.estimators = self.bagging.estimators_
        rows = self.bagging.estimators_samples_
        self.weights = [np.bincount(drawn, minlength=len(task.x)) for drawn in rows]

    def epoch(self) -> Iterable[Any]:
        """Fit each, anew."""
        for estimator, weight in zip(self.estimators, self.weights, strict=True):
            estimator.fit(self.task.x, self.task.y, sample_weight=weight)
        return [estimator.loss_ for estimator in self.estimators]


# ---- prediction --------------------------------------------------------------------------------


class DensePredict(Predictor):
    """DenseClassifier.predict_proba."""

    module = "sklearn"

    def __init__(self, task: Task) -> None:
        classifier = ours(task)
        # A first call makes the network; then it gets the task's parameters and first moments.
        classifier.partial_fit(*task.batches[0], classes=np.arange(task.widths[-1]))
        own, given = classifier.network_, network_of(task)
        arrays = own.parameters | own.running_moments
        for name, values in (given.parameters | given.running_moments).items():
            arrays[name][...] = values
        self.predict_proba = classifier.predict_proba
        self.batches = [x for x, _ in task.batches]

    def epoch(self) -> Iterable[Any]:
        """Predict each batch."""
        return [self.predict_proba(x) for x in self.batches]
