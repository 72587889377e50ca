"""Ensembles of dense networks, trained at the same time, whose predictions are averaged."""

import warnings
from collections import Counter
from collections.abc import Callable
from copy import copy
from dataclasses import KW_ONLY, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from densenet import _checks
from densenet._typing import Array
from densenet.config import get_num_threads
from densenet.estimators import _given
from densenet.estimators._base import DenseEstimator
from densenet.estimators._objective import same
from densenet.estimators._watch import Warned
from densenet.estimators.classifier import DenseClassifier
from densenet.estimators.regressor import DenseRegressor
from densenet.network import Network
from densenet.training.workers import run_all

_SHARED = ("n_features_in_", "feature_names_in_", "classes_", "_multilabel")
"""What fitting learns of the data, which is the same for all members."""


@dataclass(eq=False, repr=False)
class _Ensemble(DenseEstimator):
    """What both ensembles have: members that are trained on one x, and their mean."""

    _: KW_ONLY
    n_members: int = 10
    bootstrap: bool = False

    _member_class = DenseEstimator

    def _fit(
        self, x: Any, y: Any, sample_weight: Any, held_out: tuple[Any, Any, Any], incremental: bool
    ) -> "DenseEstimator":
        n = _checks.count("n_members", self.n_members)
        if not isinstance(self.bootstrap, bool | np.bool_):
            got = _checks.describe(self.bootstrap)
            raise TypeError(f"bootstrap must be True or False, got {got}")
        before: list[DenseEstimator] = vars(self).get("estimators_", [])
        fresh = not (before and self.warm_start)
        checked, labels, weight = self._check_data(x, y, sample_weight, held_out, fresh, False)
        if fresh:
            drawn = check_random_state(self.random_state).randint(2**31 - 1, size=n)
            members = [self._member(seed) for seed in drawn.tolist()]
        elif len(before) != n:
            raise ValueError(
                f"n_members: expected {len(before)} as before, got {n}: set warm_start=False to "
                "begin anew"
            )
        else:
            members = [self._member(member.random_state, member) for member in before]
        told: list[list[Warned]] = [[] for _ in members]
        data = (x if _given.is_frame(x) else checked, checked, labels, weight, held_out)

        def train(index: int) -> None:
            member = members[index]
            sample = _sampler(member.random_state) if self.bootstrap else None
            member._train(*data, fresh=fresh, sample=sample, told=told[index])

        n_threads = get_num_threads() if self.n_threads is None else self.n_threads
        tasks = [partial(train, index) for index in range(n)]
        _, errors = run_all(tasks, n_threads)
        for error in errors.values():
            raise error
        self.estimators_ = members
        first = members[0]
        self._objective, self.n_outputs_ = first._objective, first.n_outputs_
        self.out_activation_ = first.out_activation_
        self.n_iter_ = max(member.n_iter_ for member in members)
        for (message, category), times in Counter(each for one in told for each in one).items():
            text = f"{times} of {n} members: {message}"
            warnings.warn(text, category, stacklevel=3)
        return self

    def _member(self, seed: int, before: DenseEstimator | None = None) -> DenseEstimator:
        """Make a member, or copy one: it has the parameters of the ensemble, and its own seed."""
        own = {"random_state": seed, "n_threads": None}
        names = {field.name for field in fields(self._member_class)} - own.keys()
        member = self._member_class() if before is None else copy(before)
        shared = {name: vars(self)[name] for name in _SHARED if name in vars(self)}
        member.__dict__.update({name: getattr(self, name) for name in names} | own | shared)
        return member

    def _outputs(self, x: Any, finish: Callable[[Array], Array] = same) -> Array:
        return self._finished(x, lambda each: finish(_mean(each)))

    def _mean_and_std(self, x: Any) -> tuple[Array, Array]:
        """Compute the mean and the standard deviation of what the members predict for rows."""
        both = self._finished(x, _both)
        return both[:, 0].copy(), both[:, 1].copy()

    @property
    def _networks(self) -> list[Network]:
        return [member.network_ for member in self.estimators_]

    def _network(self, name: str) -> Any:
        raise AttributeError(f"{name}: expected a single network, got an ensemble: see estimators_")


def _sampler(seed: int) -> np.random.RandomState:
    """Give the generator that draws the rows of the member with this seed: not its own."""
    return np.random.RandomState([seed, 1])


def _mean(each: list[Array]) -> Array:
    """Average arrays in their order, without another array of them all."""
    total = each[0].copy()
    for other in each[1:]:
        total += other
    mean: Array = total / len(each)
    return mean


def _both(each: list[Array]) -> Array:
    """Give the mean of arrays and their standard deviation around it, of shape (n, 2, outputs)."""
    mean = _mean(each)
    return np.stack([mean, np.sqrt(_mean([(one - mean) ** 2 for one in each]))], axis=1)


@dataclass(eq=False, repr=False)
class DenseEnsembleClassifier(_Ensemble, DenseClassifier):
    """Predict classes by the mean probabilities of several networks, trained at the same time.

    The members differ by their first weights and the order in which they see the rows, and with
    `bootstrap` by their rows: deep ensembles (Lakshminarayanan, Pritzel and Blundell 2017).

    Parameters
    ----------
    n_members : int
        Number of networks.
    bootstrap : bool
        True gives each member as many rows as there are, drawn with replacement. False gives all of
        them to each, which is mostly better for networks.
    random_state : int, RandomState or None
        Source of the members' own seeds, one for each.
    early_stopping : bool
        As in `DenseClassifier`; each member holds out rows of its own, unless `fit` is given some.
    callbacks : sequence of densenet.Callback
        Called for each member, in the thread that trains it.
    warm_start : bool
        True makes `fit` go on with the members of the previous fit.
    n_threads : int, optional
        Members that are trained at the same time, each on one thread; threads for predicting. The
        results do not depend on it.
    hidden_layer_sizes, activation, solver, ...
        All others are those of `DenseClassifier`.

    Attributes
    ----------
    estimators_ : list of DenseClassifier
        The members. Each is, to the bit, what a `DenseClassifier` with its parameters becomes when
        it is fitted alone; all know all classes.
    classes_ : array of shape (classes,)
    n_iter_ : int
        The most epochs, or iterations of L-BFGS, of a member.
    n_outputs_, n_features_in_ : int
    feature_names_in_ : array of str
    out_activation_ : str

    Examples
    --------
    >>> from densenet.datasets import load_digits
    >>> from densenet.estimators import DenseEnsembleClassifier
    >>> digits = load_digits()
    >>> ensemble = DenseEnsembleClassifier(32, n_members=5, tol=1e-2, random_state=0)
    >>> bool(ensemble.fit(digits.x_train, digits.y_train).score(digits.x_test, digits.y_test) > 0.9)
    True
    >>> mean, std = ensemble.predict_proba(digits.x_test[:3], return_std=True)
    >>> mean.shape, std.shape
    ((3, 10), (3, 10))
    """

    _member_class = DenseClassifier

    def predict_proba(self, X: Any, return_std: bool = False) -> Any:  # noqa: N803
        """Compute the mean probability of each class, or of each label, of shape (n, classes).

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (n, features)
        return_std : bool
            True gives the members' standard deviation around it, too: how far they agree.

        Returns
        -------
        mean : array of shape (n, classes)
        std : array of shape (n, classes)
            If `return_std` is True.
        """
        if not _checks.flag("return_std", return_std):
            return super().predict_proba(X)
        mean, std = self._mean_and_std(X)
        if not self._multilabel and mean.shape[1] == 1:
            std = np.repeat(std, len(self.classes_), axis=1)
        return self._of_classes(mean), std


@dataclass(eq=False, repr=False)
class DenseEnsembleRegressor(_Ensemble, DenseRegressor):
    """Predict values by the mean of several networks, trained at the same time.

    Parameters
    ----------
    n_members, bootstrap, random_state, early_stopping, callbacks, warm_start, n_threads
        As in `DenseEnsembleClassifier`.
    loss, hidden_layer_sizes, ...
        All others are those of `DenseRegressor`.

    Attributes
    ----------
    estimators_ : list of DenseRegressor
        The members, each as a `DenseRegressor` that is fitted alone.
    n_iter_ : int
        The most epochs, or iterations of L-BFGS, of a member.
    n_outputs_, n_features_in_ : int
    feature_names_in_ : array of str
    out_activation_ : str

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.estimators import DenseEnsembleRegressor
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> y = np.sin(2 * x[:, 0])
    >>> ensemble = DenseEnsembleRegressor(
    ...     hidden_layer_sizes=16, activation="silu", solver="lbfgs", max_iter=999, random_state=0
    ... )
    >>> mean, std = ensemble.fit(x, y).predict([[0.1], [9.0]], return_std=True)
    >>> bool(std[1] > 10 * std[0])  # far from all that was seen
    True
    """

    _member_class = DenseRegressor

    def predict(self, X: Any, return_std: bool = False) -> Any:  # noqa: N803
        """Predict the members' mean value, of shape (n,) or (n, outputs).

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (n, features)
        return_std : bool
            True gives the members' standard deviation around it, too, as scikit-learn's
            `GaussianProcessRegressor` does: how far they agree, without the noise of y.

        Returns
        -------
        mean : array of shape (n,) or (n, outputs)
        std : array of the same shape
            If `return_std` is True.
        """
        if not _checks.flag("return_std", return_std):
            return super().predict(X)
        mean, std = self._mean_and_std(X)
        return (mean[:, 0], std[:, 0]) if mean.shape[1] == 1 else (mean, std)
