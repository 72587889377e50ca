"""Candidates and folds in one call: many fits of an estimator on rows of one data set."""

import time
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone, is_classifier
from sklearn.exceptions import FitFailedWarning
from sklearn.metrics import check_scoring
from sklearn.model_selection import ParameterGrid, check_cv
from sklearn.utils import _safe_indexing, indexable
from sklearn.utils.validation import _num_samples

from densenet import _checks
from densenet._typing import Array
from densenet.config import get_num_threads
from densenet.estimators import _given, _parameters
from densenet.estimators._base import DenseEstimator
from densenet.estimators._watch import Warned
from densenet.training.workers import run_all

_NOTHING = (None, None, None)  # rows that are given for validation within a fit


class _Scored(NamedTuple):
    """What a fit has come to: its score, and the seconds of training and of scoring."""

    score: float
    fit_time: float
    score_time: float


def cross_validate_many(
    estimator: DenseEstimator,
    X: Any,  # noqa: N803
    y: Any,
    param_grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Sequence[Any]]],
    *,
    sample_weight: Any = None,
    groups: Any = None,
    cv: Any = None,
    scoring: Any = None,
    n_threads: int | None = None,
) -> dict[str, Any]:
    """Fit and score all candidates on all folds, many at the same time, each on one thread.

    The scores are, to the bit, those of scikit-learn's ``GridSearchCV`` with the same arguments and
    an integer `random_state`. X is checked once for each element type and not copied; of a fold's
    test rows there is a copy while they are scored.

    Parameters
    ----------
    estimator : DenseClassifier or DenseRegressor
        With an integer `random_state` all fits start from the same weights, as in scikit-learn.
    X : array, frame or sparse matrix of shape (n, features)
    y : array of shape (n,) or (n, outputs)
    param_grid : dict from str to sequence, or a sequence of such
        The values of parameters that are tried, as in ``GridSearchCV``.
    sample_weight : array of shape (n,), optional
        Weights in training and in scores.
    groups : array of shape (n,), optional
        For a `cv` that keeps groups together.
    cv : int, splitter or iterable of pairs of row numbers, optional
        As in ``GridSearchCV``: five folds by default, stratified for classes.
    scoring : str, scorer or None
        One of scikit-learn's scores, or the estimator's own.
    n_threads : int, optional
        The most fits at the same time, in [1, 1024]; `get_num_threads` by default. The scores do
        not depend on it.

    Returns
    -------
    dict
        In the form of ``GridSearchCV.cv_results_``: "params", ``"param_" + name``,
        "split0_test_score", ..., "mean_test_score", "std_test_score", "rank_test_score" and the
        times. ``pandas.DataFrame`` shows it as a table.

    Warns
    -----
    FitFailedWarning
        If some fits raised; their scores are NaN.
    ConvergenceWarning
        Once, with the number of fits that have not converged.

    Raises
    ------
    TypeError, ValueError
        If `estimator` is no single dense estimator, a parameter is unknown, X or y are refused as
        by its `fit`, or all fits raised.

    Examples
    --------
    >>> from densenet.datasets import load_digits
    >>> from densenet.estimators import DenseClassifier, cross_validate_many
    >>> x, y, *_ = load_digits()
    >>> classifier = DenseClassifier(32, tol=1e-2, random_state=0)
    >>> results = cross_validate_many(classifier, x, y, {"alpha": [1e-4, 1e3]}, cv=3)
    >>> results["params"][results["rank_test_score"].argmin()]
    {'alpha': 0.0001}
    """
    if not isinstance(estimator, DenseEstimator) or hasattr(estimator, "n_members"):
        got = _checks.describe(estimator)
        raise TypeError(f"estimator: expected a DenseClassifier or DenseRegressor, got {got}")
    if n_threads is not None:
        n_threads = _checks.count("n_threads", n_threads, most=_checks.MOST_THREADS)
    scorer = check_scoring(estimator, scoring)
    candidates = list(ParameterGrid(param_grid))
    _given.readable("X", X)
    X, y, groups = indexable(X, y, groups)  # noqa: N806
    if sample_weight is not None and np.ndim(sample_weight) == 0:  # which scikit-learn takes
        sample_weight = np.full(_num_samples(X), sample_weight)
    if is_classifier(estimator):
        _given.labels_known("y", y)
    splitter = check_cv(cv, y, classifier=is_classifier(estimator))
    splits = [
        tuple(_checks.indices("cv", rows, _num_samples(X), "row numbers") for rows in pair)
        for pair in splitter.split(X, y, groups)
    ]
    fits = [(settings, split) for settings in candidates for split in splits]
    if not fits:
        raise ValueError("param_grid: expected at least one candidate, got none")
    made = [clone(estimator).set_params(**clone(each, safe=False)) for each, _ in fits]
    data = _Data(X, y, sample_weight)
    for one in made:
        data.check(one)
    told: list[list[Warned]] = [[] for _ in fits]

    def fit_and_score(index: int) -> _Scored:
        one, (train, test) = made[index], fits[index][1]
        start = time.perf_counter()
        data.fit(one, train, told[index])
        middle = time.perf_counter()
        weighs = {}
        if sample_weight is not None:
            weighs["sample_weight"] = _safe_indexing(sample_weight, test)
        score = scorer(one, _safe_indexing(X, test), _safe_indexing(y, test), **weighs)
        return _Scored(float(score), middle - start, time.perf_counter() - middle)

    tasks = [partial(fit_and_score, index) for index in range(len(fits))]
    found, errors = run_all(tasks, get_num_threads() if n_threads is None else n_threads)
    if len(errors) == len(fits):
        raise next(iter(errors.values()))
    for (message, category), times in Counter(each for one in told for each in one).items():
        warnings.warn(f"{times} of {len(fits)} fits: {message}", category, stacklevel=2)
    for error, times in Counter(map(repr, errors.values())).items():
        text = f"{times} of {len(fits)} fits failed, and their scores are NaN: {error}"
        warnings.warn(text, FitFailedWarning, stacklevel=2)
    scores = [_Scored(np.nan, np.nan, np.nan) if one is None else one for one in found]
    return _results(candidates, np.array(scores).reshape(len(candidates), len(splits), 3))


class _Data:
    """The rows that all fits share, checked once for all that read them alike."""

    def __init__(self, x: Any, y: Any, weight: Any) -> None:
        self._x, self._y, self._weight = x, y, weight
        self._checked: dict[Any, tuple[Any, Array, Array | None, dict[str, Any]]] = {}

    def check(self, estimator: DenseEstimator) -> None:
        """Check data for an estimator, unless it was checked for one that reads it alike."""
        if estimator.dtype in self._checked:
            return
        twin = clone(estimator)
        given = (self._x, self._y, self._weight, _NOTHING)
        found = twin._check_data(*given, fresh=True, incremental=False)
        names = ("n_features_in_", "feature_names_in_")
        known = {name: vars(twin)[name] for name in names if name in vars(twin)}
        self._checked[estimator.dtype] = (*found, known)

    def fit(self, estimator: DenseEstimator, rows: Array, told: list[Warned]) -> None:
        """Fit an estimator to the rows with these numbers."""
        x, labels, weight, known = self._checked[estimator.dtype]
        estimator.__dict__.update(known | {"n_threads": None})
        _parameters.check(estimator)
        estimator._learn(labels[rows], True, False)
        source = self._x if _given.is_frame(self._x) else x
        data = (source, x, labels, weight, _NOTHING)
        estimator._train(*data, fresh=True, only=rows, told=told)


def _results(candidates: list[dict[str, Any]], found: Array) -> dict[str, Any]:
    """Put scores and times, an array of shape (candidates, splits, 3), in scikit-learn's form."""
    # Contiguous, for the order in which NumPy sums decides the last bit of a mean.
    scores, *times = np.ascontiguousarray(np.moveaxis(found, 2, 0))
    results: dict[str, Any] = {}
    for name, each in zip(("fit_time", "score_time"), times, strict=True):
        results |= {f"mean_{name}": each.mean(axis=1), f"std_{name}": each.std(axis=1)}
    for name in dict.fromkeys(name for settings in candidates for name in settings):
        values = np.ma.MaskedArray(np.empty(len(candidates), object), mask=True)
        for index, settings in enumerate(candidates):
            if name in settings:
                values[index] = settings[name]
        results[f"param_{name}"] = values
    results["params"] = candidates
    results |= {f"split{i}_test_score": each for i, each in enumerate(scores.T.copy())}
    means = scores.mean(axis=1)
    worst = np.nan_to_num(means, nan=-np.inf)  # a candidate of which a fit has failed comes last
    results |= {"mean_test_score": means, "std_test_score": scores.std(axis=1)}
    results["rank_test_score"] = rankdata(-worst, method="min").astype(np.int32)
    return results
