"""Dense networks for tables: estimators that take a frame as it is, and encode it themselves."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from densenet import _checks
from densenet._typing import Array
from densenet.config import limit_this_thread
from densenet.estimators import _frames, _given, _settings
from densenet.estimators._base import unchanged_by_errors
from densenet.estimators._given import labels_known, no_dates, plain_labels, readable
from densenet.estimators._log_proba import LogProbabilities
from densenet.tables.encoding.targets import Classes, Task
from densenet.tables.model import TableModel
from densenet.tables.table import Table
from densenet.tables.training.fitting import fit
from densenet.tables.training.settings import Settings


@dataclass(eq=False, repr=False)
class _TableEstimator(BaseEstimator):
    """Parameters and training of `DenseTableClassifier` and `DenseTableRegressor`."""

    hidden_layer_sizes: int | Sequence[int] | None = None
    activation: str | None = None
    _: KW_ONLY
    preset: Literal["fast", "default", "best"] = "default"
    solver: str = Settings.optimizer
    weight_decay: float | None = None
    l1: float = Settings.l1
    l2: float = Settings.l2
    learning_rate: Literal["cosine", "constant"] = Settings.schedule
    learning_rate_init: float | None = None
    batch_size: int | None = None
    max_iter: int | None = None
    visits: int | None = None
    n_iter_no_change: int | None = None
    validation_fraction: float | None = None
    scoring: str | None = None
    n_members: int | None = None
    dropout: float | None = None
    normalization: Literal["batch", "layer"] | None = None
    residual: bool = False
    reduce: str | None = None
    pieces: int | None = None
    impute: Literal["median", "mean"] = Settings.impute
    max_categories: int = Settings.most_categories
    categorical_features: npt.ArrayLike = ()
    numeric_features: npt.ArrayLike = ()
    random_state: Any = None
    verbose: bool = False
    warm_start: bool = False
    n_threads: int | None = None

    def _learn(
        self, x: Any, y: Any, weight: Any, held_out: tuple[Any, Any, Any], task: Task
    ) -> None:
        """Check all that is given, and train."""
        _settings.check(self)
        start = self._coded_model() if self.warm_start and hasattr(self, "model_") else None
        columns = _frames.read(self, x, fresh=start is None, least=2)
        if start is None:
            name = _free_name(getattr(y, "name", None), columns.cells)
        else:
            name = start.target.column  # columns are read as before, whatever their types are now
            columns = columns._replace(categories=start.facts["settings"]["text"])
        x_val, y_val, weight_val = held_out
        if (x_val is None) != (y_val is None):
            raise ValueError("X_val: expected both X_val and y_val, or none, got one of them")
        if x_val is None and weight_val is not None:
            raise ValueError("sample_weight_val: expected None without X_val, got weights")
        weights = None
        if weight is not None or weight_val is not None:
            weights = _free_name("sample_weight", {name, *columns.cells})
        targets = {name: self._targets(y, start is None)}
        targets |= _weighed(weights, "sample_weight", weight, columns.cells)
        table = _beside(columns.cells, targets)
        validation = None
        if x_val is not None:
            cells = _frames.read(self, x_val, fresh=False, name="X_val").cells
            targets = {name: self._targets(y_val, False, "y_val")}
            targets |= _weighed(weights, "sample_weight_val", weight_val, cells)
            validation = _beside(cells, targets, "X_val")
        with _settings.errors_by_parameter(), limit_this_thread(self.n_threads):
            settings = _settings.settings_of(self, (name, weights), task, columns)
            if start is not None:
                _settings.check_same(settings, start)
            fitted = fit(table, settings, start=start, validation=validation, progress=self.verbose)
        self.model_: TableModel = fitted.model
        self.histories_ = fitted.histories
        self.n_iter_ = len(fitted.history.epochs)

    def _targets(self, y: Any, fresh: bool, name: str = "y") -> Array:
        """Check y, or y_val, and give what the network learns to predict, as numbers.

        Without `fresh` its classes are among those that are known.
        """
        raise NotImplementedError

    def _coded_model(self) -> TableModel:
        """Give the model with the target that `_targets` gives."""
        return self.model_

    def _table(self, x: Any) -> Table:
        """Give the rows to predict as a table."""
        check_is_fitted(self)
        return Table.from_columns(_frames.read(self, x, fresh=False).cells, "X")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        tags.target_tags.required = True
        return tags


@dataclass(eq=False, repr=False)
class DenseTableClassifier(LogProbabilities, ClassifierMixin, _TableEstimator):
    """Predict classes from a table as it is: numbers, texts, categories, booleans, gaps.

    It trains what ``densenet fit`` trains: columns of numbers are cut into pieces and their gaps
    filled, any others become a feature for each frequent category, and rows are held out, by which
    the epoch to keep is chosen. A column that has nothing to learn from is left out. Parameters
    that are None are chosen by the preset, the number of rows and the classes.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, optional
        Widths of the hidden layers.
    activation : str, optional
        That of the hidden layers, by a name that `DenseClassifier` knows; by default "relu", or
        "gelu" with ``preset="best"``.
    preset : "fast", "default" or "best"
        Settings for less time or for better predictions; "best" averages five networks.
    solver : "adam", "adamw", "rmsprop" or "sgd"
    weight_decay : float, optional
        For ``solver="adamw"``, by default 0.1.
    l1, l2 : float
        Strengths of the penalties ``l1 ‖W‖₁``, which gives exact zeros, and ``l2 / 2 ‖W‖²``.
    learning_rate : "cosine" or "constant"
        The course of the learning rate: with "cosine" it rises in the first tenth of all steps and
        then falls to 0.
    learning_rate_init : float, optional
        The highest learning rate.
    batch_size : int, optional
        Rows of a step.
    max_iter : int, optional
        Most epochs.
    visits : int, optional
        Rows that are visited in all, which decide the number of epochs, from 5 to 60, if `max_iter`
        is None.
    n_iter_no_change : int, optional
        Epochs without a better validation score after which training stops; by default it does not.
    validation_fraction : float in [0, 1), optional
        Share of the rows that are held out; by default that of 500 rows, but 0.1 to 0.2. With 0 all
        are trained on.
    scoring : str, optional
        The validation score: "loss", "accuracy", or the mean over classes of "recall" or "f1"; by
        default the accuracy. The weights of the best epoch are kept; with one network and at least
        500 rows held out, those of the latest epoch whose accuracy is as good within half its
        standard error.
    n_members : int, optional
        How many networks are trained and averaged, each of which holds out other rows.
    dropout : float in [0, 1), optional
        Probability with which a training step sets an output of a hidden layer to 0.
    normalization : "batch", "layer" or None
        The normalisation after each hidden linear layer.
    residual : bool
        True adds to each hidden layer its input, where both have the same width.
    reduce : str, optional
        "pca:0.95" trains on as many principal components of the encoded columns as explain this
        share of their variance, "pca:20" on so many.
    pieces : int, optional
        The most pieces of a column of numbers; with 0 it is standardised.
    impute : "median" or "mean"
        What fills the gaps of a column of numbers.
    max_categories : int
        The most features of a column of categories, not counting the one that rarer ones share.
    categorical_features : sequence or vector of str, int or bool
        Names or positions of columns, or a flag for each column, to read as categories even if they
        hold numbers. Columns of a frame's type for categories are read so, too.
    numeric_features : sequence or vector of str, int or bool
        Names or positions of columns, or a flag for each column, to read as numbers even if they
        seem to name the rows, as whole numbers do that differ in all of them. Such columns are left
        out otherwise.
    random_state : int, RandomState or None
        Source of the rows held out, the initial weights, the order of rows and dropout.
    verbose : bool
        True shows a progress bar (tqdm).
    warm_start : bool
        True makes `fit` go on from the networks and encodings of the previous fit, at a smaller
        learning rate if none is given: see `densenet.tables.fit`.
    n_threads : int, optional
        Threads for this estimator; the results do not depend on it.
    class_weight : dict, "balanced" or None
        Factors of the rows' weights by class, in training alone.
    label_smoothing : float in [0, 1), optional
        Share of a class's target that goes to all classes alike, by default 0.05.
    calibrate : bool
        True divides the logits by the temperature that suits the rows held out, so that
        probabilities come true as often as they say.

    Attributes
    ----------
    model_ : densenet.tables.TableModel
        The trained networks with the encoding of the columns. ``model_.save`` writes the file that
        ``densenet predict`` reads; ``model_.facts`` has the scores of the rows held out.
    classes_ : array of shape (classes,)
    histories_ : list of densenet.History
        The course of each network's training.
    n_iter_ : int
        The number of epochs, of the first network.
    n_features_in_ : int
    feature_names_in_ : array of str
        If X has names.

    Examples
    --------
    >>> from densenet.estimators import DenseTableClassifier
    >>> pets = {"weight": [4.0, 30.0, None, 25.0] * 25, "says": ["meow", "woof", "meow", None] * 25}
    >>> kinds = ["cat", "dog"] * 50
    >>> classifier = DenseTableClassifier(8, random_state=0).fit(pets, kinds)
    >>> classifier.classes_, classifier.score(pets, kinds)
    (array(['cat', 'dog'], dtype='<U3'), 1.0)
    >>> classifier.predict({"weight": [28.0], "says": ["woof"]})
    array(['dog'], dtype='<U3')
    """

    _: KW_ONLY
    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None
    label_smoothing: float | None = None
    calibrate: bool = False

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,  # noqa: N803
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "DenseTableClassifier":
        """Encode a table and train on it, anew unless `warm_start` is set.

        Parameters
        ----------
        X : frame, mapping of columns, or array of shape (n, features)
            Of pandas or polars, a dict, or whatever is an array, of objects too.
        y : array of shape (n,)
        sample_weight : array of shape (n,), optional
            In the loss of training a weight of 2 counts as the row twice would, and in that of the
            rows held out, which is then watched unless `scoring` names another score. Encodings,
            other scores and those in ``model_.facts`` count each row once.
        X_val, y_val, sample_weight_val : optional
            Rows to hold out, in place of a part of X.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If a parameter is of a wrong type, or X or y has a mask.
        ValueError
            If a parameter is outside its range, X and y do not fit, a weight is negative or
            all are 0, y has a single class, or nothing can be learned from any column.
        """
        with unchanged_by_errors(self):
            held_out = (X_val, y_val, sample_weight_val)
            self._learn(X, y, sample_weight, held_out, "classification")
            names = Table.from_columns({"y": self.classes_}).texts("y").tolist()
            target = Classes(self.model_.target.column, tuple(names))
            self.model_ = replace(self.model_, target=target)
        return self

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Compute the probability of each class, in float64, of shape (n, classes).

        Examples
        --------
        >>> from densenet.estimators import DenseTableClassifier
        >>> x, y = {"color": ["red", "blue"] * 20}, [1, 0] * 20
        >>> classifier = DenseTableClassifier(8, max_iter=200, random_state=0).fit(x, y)
        >>> bool(classifier.predict_proba({"color": ["red"]})[0, 1] > 0.9)
        True
        """
        table = self._table(X)
        with limit_this_thread(self.n_threads):
            shares = self.model_.predict_proba(table).astype(np.float64)
        # The network computes in float32, whose sums are 1 only to that precision. Callers write
        # their own float64 into the result, or draw from it.
        normalized: Array = shares / shares.sum(axis=1, keepdims=True)
        return normalized

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Predict the most probable class, of shape (n,)."""
        best = self.predict_proba(X).argmax(axis=1)
        classes: Array = self.classes_[best]
        return classes

    def _coded_model(self) -> TableModel:
        """Give the model with the numbers of the classes as their names."""
        numbers = tuple(map(str, range(len(self.classes_))))
        return replace(self.model_, target=Classes(self.model_.target.column, numbers))

    def _targets(self, y: Any, fresh: bool, name: str = "y") -> Array:
        """Give the number of each row's class, so that a class may be of any type."""
        labels_known(name, y)
        labels = _vector(self, plain_labels(y), name)
        check_classification_targets(labels)
        classes, numbers = np.unique(labels, return_inverse=True)
        if fresh:
            if len(classes) < 2:
                got = f"1 class, {classes.tolist()}"
                raise ValueError(f"y: expected at least two classes, got {got}")
            self.classes_: Array = classes
            return numbers
        unknown = np.setdiff1d(classes, self.classes_)
        if len(unknown):
            raise ValueError(f"{name}: expected classes among {self.classes_}, got {unknown}")
        return np.searchsorted(self.classes_, classes)[numbers]


@dataclass(eq=False, repr=False)
class DenseTableRegressor(RegressorMixin, _TableEstimator):
    """Predict values from a table as it is: numbers, texts, categories, booleans, gaps.

    It trains as `DenseTableClassifier` does, with the squared error of standardised values.

    Parameters
    ----------
    scoring : str, optional
        The validation score: "loss", "r2", "rmse" or "mae"; by default the loss.
    hidden_layer_sizes, activation, solver, ...
        All others are those of `DenseTableClassifier`, without `class_weight`,
        `label_smoothing` and `calibrate`.

    Attributes
    ----------
    model_, histories_, n_iter_, n_features_in_, feature_names_in_
        Those of `DenseTableClassifier`.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.estimators import DenseTableRegressor
    >>> rooms = np.arange(200) % 7 + 1
    >>> town = np.array(["Ayr", "Bath"])[np.arange(200) % 2]
    >>> rent = 100 * rooms + 300 * (town == "Bath")
    >>> regressor = DenseTableRegressor(random_state=0).fit({"rooms": rooms, "town": town}, rent)
    >>> regressor.predict({"rooms": [2, 2], "town": ["Ayr", "Bath"]}).round(-2)
    array([200., 500.])
    """

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,  # noqa: N803
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "DenseTableRegressor":
        """Encode a table and train on it, anew unless `warm_start` is set.

        Parameters, result and errors are those of `DenseTableClassifier.fit`, but y has values.
        """
        with unchanged_by_errors(self):
            held_out = (X_val, y_val, sample_weight_val)
            self._learn(X, y, sample_weight, held_out, "regression")
        return self

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Predict values, of shape (n,)."""
        table = self._table(X)
        with limit_this_thread(self.n_threads):
            return np.asarray(self.model_.predict(table))

    def _targets(self, y: Any, fresh: bool, name: str = "y") -> Array:
        """Give the values as float64."""
        no_dates(name, y)
        return _vector(self, y, name, y_numeric=True).astype(np.float64)


def _vector(estimator: Any, y: Any, name: str, **checks: Any) -> Array:
    """Check that y is one finite value for each row; a column becomes a vector, with a warning."""
    readable(name, y)
    if y is None:  # in scikit-learn's words
        kind = type(estimator).__name__
        raise ValueError(f"{kind} requires y to be passed, but the target {name} is None")
    with config_context(array_api_dispatch=False):  # by which y could stay a tensor
        values: Array = _check_y(_checks.decoded(y), estimator=estimator, **checks)
    return values


def _beside(cells: dict[str, Array], labels: dict[str, Array], source: str = "X") -> Table:
    """Make a table of columns, targets and weights; the arrays of numbers are not copied."""
    check_consistent_length(next(iter(cells.values())), *labels.values())
    return Table.from_columns({**cells, **labels}, source)


def _weighed(
    column: str | None, name: str, given: Any, cells: dict[str, Array]
) -> dict[str, Array]:
    """Give a column of weights, of ones where none are given; nothing if it has no name."""
    if column is None:
        return {}
    first = next(iter(cells.values()))
    weights = _given.weights(name, given, first)
    return {column: np.ones(len(first)) if weights is None else weights}


def _free_name(name: object, taken: Collection[str]) -> str:
    """Give a name, "y" if it is none, changed until no other column has it."""
    free = name if isinstance(name, str) and name else "y"
    while free in taken:
        free += "_"
    return free
