"""The parameters of both estimators, and the steps from data to a trained network."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy, deepcopy
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np
from sklearn.base import BaseEstimator, is_regressor
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils.validation import check_is_fitted

from densenet._network.state import learner_of
from densenet._precision import PrecisionName
from densenet._typing import Array
from densenet.config import limit_this_thread
from densenet.estimators import _build, _given, _lbfgs, _parameters, _stochastic
from densenet.estimators._objective import Objective, same
from densenet.estimators._rows import Rows, as_rows, outputs
from densenet.estimators._watch import Validation, Warned, Watch
from densenet.estimators._weights import Weights
from densenet.network import Network
from densenet.optimizers import Optimizer
from densenet.training import Callback

Solver: TypeAlias = Literal["lbfgs", "sgd", "adam", "adamw", "rmsprop"] | Optimizer


def has_partial_fit(estimator: "DenseEstimator") -> bool:
    """Give True for one network that is trained step by step; otherwise raise AttributeError."""
    if hasattr(estimator, "n_members"):
        raise AttributeError("partial_fit: expected a single network, got an ensemble")
    if estimator.solver == "lbfgs":
        raise AttributeError("partial_fit: expected a stochastic solver, got 'lbfgs'")
    return True


@contextmanager
def unchanged_by_errors(estimator: BaseEstimator) -> Iterator[None]:
    """Put all attributes of an estimator back if training raises."""
    before = estimator.__dict__.copy()
    try:
        yield
    except BaseException:
        estimator.__dict__ = before
        raise


@dataclass(eq=False, repr=False)
class DenseEstimator(BaseEstimator):
    """Parameters and training of `DenseClassifier` and `DenseRegressor`."""

    _: KW_ONLY
    solver: Solver = "adam"
    alpha: float = 0.0001
    batch_size: int | Literal["auto"] = "auto"
    learning_rate: Literal["constant", "invscaling", "adaptive"] = "constant"
    learning_rate_init: float = 0.001
    power_t: float = 0.5
    max_iter: int = 200
    shuffle: bool = True
    random_state: Any = None
    tol: float = 1e-4
    verbose: bool | int = False
    warm_start: bool = False
    momentum: float = 0.9
    nesterovs_momentum: bool = True
    early_stopping: bool = False
    validation_fraction: float = 0.1
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    n_iter_no_change: float = 10
    max_fun: int = 15000
    dropout: float | Sequence[float] = 0.0
    normalization: Literal["batch", "layer"] | None = None
    residual: bool = False
    layers: Any = None
    l1: float = 0.0
    l2: float = 0.0
    scoring: Any = None
    callbacks: Sequence[Callback] = ()
    dtype: Literal["float32", "float64"] | None = None
    precision: PrecisionName = "highest"
    n_threads: int | None = None

    @property
    def _reads(self) -> dict[str, Any]:
        """Give the settings with which scikit-learn checks x; integers become the first dtype."""
        dtypes = (np.float64, np.float32)
        return {
            "accept_sparse": "csr",
            "dtype": dtypes[::-1] if _build.dtype_of(self, None) == "float32" else dtypes,
        }

    # ---- what a classifier and a regressor do differently ----------------------------------------

    def _read(self, x: Any, y: Any, fresh: bool) -> tuple[Any, Array]:
        """Check x and y, and make y dense; with `fresh`, note the names of the features."""
        raise NotImplementedError

    def _learn(self, y: Array, fresh: bool, incremental: bool) -> None:
        """With `fresh`, note the classes of y; otherwise check that y has those classes."""

    def _code(self, y: Array) -> Array:
        """Turn y into numbers: class indices, labels or values."""
        raise NotImplementedError

    def _make_objective(self, y: Array) -> Objective:
        """Choose the loss for targets like y."""
        raise NotImplementedError

    def _weigh(self, y: Array, weight: Array | None) -> Array | None:
        """Give the weight of each row in training and in the validation loss."""
        return weight

    def _strata(self, y: Array) -> Array | None:
        """Give the group of each row, for a stratified validation set; None for no groups."""
        return None

    # ---- training --------------------------------------------------------------------------------

    def _fit(
        self, x: Any, y: Any, sample_weight: Any, held_out: tuple[Any, Any, Any], incremental: bool
    ) -> "DenseEstimator":
        """Train anew or further; attributes of an earlier fit are replaced, never modified."""
        fresh = not hasattr(self, "network_") or not (self.warm_start or incremental)
        checked, labels, weight = self._check_data(
            x, y, sample_weight, held_out, fresh, incremental
        )
        # A scorer gets a frame if `fit` got one.
        source = x if _given.is_frame(x) else checked
        data = (source, checked, labels, weight, held_out)
        self._train(*data, fresh=fresh, incremental=incremental)
        return self

    def _check_data(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        held_out: tuple[Any, Any, Any],
        fresh: bool,
        incremental: bool,
    ) -> tuple[Any, Array, Array | None]:
        """Check parameters and data; give x, y and the weights as arrays."""
        x_val, y_val, weight_val = held_out
        _given.check(X=x, X_val=x_val)
        look = _given.no_dates if is_regressor(self) else _given.labels_known
        for name, value in ("y", y), ("y_val", y_val):
            _given.readable(name, value)
            look(name, value)
        _given.readable("sample_weight_val", weight_val)
        _parameters.check(self)
        checked, labels = self._read(x, y, fresh)
        weight = _given.weights("sample_weight", sample_weight, checked)
        self._learn(labels, fresh, incremental)
        return checked, labels, weight

    def _train(
        self,
        source: Any,
        x: Any,
        y: Array,
        weight: Array | None,
        held_out: tuple[Any, Any, Any],
        *,
        fresh: bool,
        incremental: bool = False,
        only: Array | None = None,
        sample: np.random.RandomState | None = None,
        told: list[Warned] | None = None,
    ) -> None:
        """Train on data that has been checked, and of which x is not copied.

        `only` has the numbers of the rows to learn from, where these are not all. Rows for
        validation, if none are given but needed, come from `source`. `sample` draws a bootstrap
        sample of the rows that are left. `told` takes the warnings in place of the user.
        """
        random_state = check_random_state(self.random_state)
        self._prepare(y, x.dtype, fresh, random_state)
        stochastic = self.solver != "lbfgs"
        every = np.arange(len(y))
        train = every if only is None else only
        if held_out[0] is None and self.early_stopping and stochastic:
            first, second = self._split(y[train], random_state)
            train, val = train[first], train[second]
            weight_val = None if weight is None else weight[val]
            held_out = (_safe_indexing(source, val), y[val], weight_val)
        if sample is not None:
            train = train[sample.randint(len(train), size=len(train))]
        held = None if held_out[0] is None else self._hold(*held_out)
        coded = self._coded(y[train])
        weight = self._weigh(y[train], None if weight is None else weight[train])
        x = as_rows(x)
        if train is every:
            rows = Rows(x, coded, weight, self._objective)
        elif stochastic:
            rows = Rows.among(x, train, coded, weight, self._objective)
        else:
            rows = Rows(x, coded, weight, self._objective, train)

        with limit_this_thread(self.n_threads), self._objective.watched(self.network_):
            watch = Watch(self, held, fresh=fresh, goes_on=incremental, told=told)
            if not stochastic:
                _lbfgs.train(self, rows, watch)
            elif incremental:
                _stochastic.train(self, rows, train, watch, random_state, 1)
                if self.stopped_ == "early stopping":
                    watch.restore_best()
                    self._no_improvement_count = 0
            else:
                try:
                    epochs = self.max_iter
                    _stochastic.train(self, rows, train, watch, random_state, epochs)
                except KeyboardInterrupt:
                    watch.warn_of_an_interrupt(stacklevel=4)
                if not self.stopped_:
                    watch.warn_of_the_end(
                        f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and "
                        "the optimization hasn't converged yet.",
                        stacklevel=4,
                    )
                watch.restore_best()
        if not np.isfinite(self.network_.flat).all():
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large "
                "values and need to be preprocessed."
            )

    def _prepare(self, y: Array, dtype: Any, fresh: bool, random_state: Any) -> None:
        """Make the network, or copy the present one if it still has the layers asked for."""
        objective = self._make_objective(y)
        width = self.n_features_in_
        if fresh:
            network = _build.network_of(self, width, objective, dtype, random_state)
        else:
            learner_of(self.network_).check_writeable()
            if self.precision != self.network_.precision:
                raise ValueError(
                    f"precision: expected {self.network_.precision!r}, with which it was fitted "
                    f"before, got {self.precision!r}: set warm_start=False to begin anew"
                )
            network = copy(self.network_)
            layers = _build.layers_of(self, width, objective)
            wanted, found = (layers, objective.loss), (list(network.layers), network.loss_function)
            if not _build.same_specs(wanted, found):
                raise ValueError(
                    f"layers and loss: expected those that were fitted before, {found}, got "
                    f"{wanted}: set warm_start=False to begin anew"
                )
        if self.solver == "lbfgs":
            _lbfgs.check(self, network)
        self.network_: Network = network
        self._objective = objective
        self.n_outputs_ = objective.outputs
        self.out_activation_ = objective.activation
        self.n_layers_ = len(_build.coefs(network)) + 1
        if fresh:
            self._best: Any = None

    def _coded(self, y: Array) -> Array:
        """Turn y into the targets that the loss expects."""
        return self._objective.code(self._code(y))

    def _split(self, y: Array, random_state: Any) -> tuple[Array, Array]:
        """Draw the rows to train on and those to validate on, as scikit-learn does."""
        rows = np.arange(len(y))
        size = _parameters.number("validation_fraction", self.validation_fraction, "(0, 1)")
        strata = self._strata(y)
        train, val = train_test_split(
            rows, random_state=random_state, test_size=size, stratify=strata
        )
        if len(val) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of "
                "your dataset."
            )
        return train, val

    def _hold(self, x: Any, y: Any, sample_weight: Any) -> Validation:
        """Check the validation rows, and choose how to score them after each epoch."""
        checked, labels = self._read(x, y, False)
        weight = _given.weights("sample_weight_val", sample_weight, checked)
        rows = Rows(
            as_rows(checked), self._coded(labels), self._weigh(labels, weight), self._objective
        )
        if isinstance(self.scoring, str) and self.scoring == "loss":
            return Validation(rows, float.__neg__)
        score = partial(check_scoring(self, self.scoring), self, x, labels)
        weighs = {} if weight is None else {"sample_weight": weight}
        return Validation(rows, lambda loss: float(score(**weighs)))

    def _outputs(self, x: Any, finish: Callable[[Array], Array] = same) -> Array:
        """Compute the probabilities or values that the network predicts, or `finish` of them."""
        return self._finished(x, lambda each: finish(each[0]))

    def _finished(self, x: Any, finish: Callable[[list[Array]], Array]) -> Array:
        """Compute `finish` of the probabilities or values that each network predicts for rows."""
        check_is_fitted(self)
        _given.check(X=x)
        x = _given.validated(self, x, reset=False, **self._reads)
        activate = self._objective.activate
        with limit_this_thread(self.n_threads):
            return outputs(self._networks, x, lambda each: finish(list(map(activate, each))))

    @property
    def _networks(self) -> list[Network]:
        return [self.network_]

    # ---- the weights -----------------------------------------------------------------------------

    @property
    def coefs_(self) -> list[Array]:
        """Weights of the linear layers, live views of shape (inputs, outputs).

        Assigning to an item, to a slice or to the attribute checks the shapes and copies the values
        into the network. The list keeps its length and order.

        Examples
        --------
        >>> from densenet.estimators import DenseRegressor
        >>> x, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [1.0, 2.0, 3.0]
        >>> regressor = DenseRegressor(solver="lbfgs", random_state=0).fit(x, y)
        >>> [weight.shape for weight in regressor.coefs_]
        [(2, 100), (100, 1)]
        >>> import numpy as np
        >>> regressor.coefs_[1] = np.zeros((100, 1))  # now only the last bias counts
        >>> np.ptp(regressor.predict(x))
        np.float64(0.0)
        """
        return Weights("coefs_", _build.coefs(self._network("coefs_")))

    @coefs_.setter
    def coefs_(self, given: Sequence[Any]) -> None:
        _assign("coefs_", self.coefs_, given)

    @property
    def intercepts_(self) -> list[Array]:
        """Biases of the linear layers, live views of shape (outputs,), assigned like `coefs_`.

        A layer without a bias has read-only zeros.

        Examples
        --------
        >>> from densenet.estimators import DenseRegressor
        >>> x, y = [[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [1.0, 2.0, 3.0]
        >>> regressor = DenseRegressor(solver="lbfgs", random_state=0).fit(x, y)
        >>> regressor.intercepts_[-1][:] += 10  # moves all predictions
        >>> bool((regressor.predict(x) > 10).all())
        True
        """
        return Weights("intercepts_", _build.intercepts(self._network("intercepts_")))

    @intercepts_.setter
    def intercepts_(self, given: Sequence[Any]) -> None:
        _assign("intercepts_", self.intercepts_, given)

    def _network(self, name: str) -> Network:
        network: Network | None = vars(self).get("network_")
        if network is None:
            raise AttributeError(f"{name}: expected a fitted {type(self).__name__}")
        return network

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def _assign(name: str, views: list[Array], given: Sequence[Any]) -> None:
    """Check the shapes of arrays, then copy them into the network: all or none."""
    arrays = [np.asarray(array) for array in given]
    expected, got = [view.shape for view in views], [array.shape for array in arrays]
    if expected != got:
        raise ValueError(f"{name}: expected arrays of the shapes {expected}, got {got}")
    views[:] = given


class Attempt:
    """Trains a copy of an estimator, and lets the estimator become that copy if all goes well.

    Until then a signal handler or another thread sees the estimator as it was. If training fails,
    it stays so, its random generator included.
    """

    def __init__(self, estimator: DenseEstimator) -> None:
        given = estimator.random_state
        self._estimator, self._before = estimator, estimator.__dict__
        self._generator = check_random_state(given)  # NumPy's global one for None
        self._drawn = self._generator.get_state()
        self.copy: Any = object.__new__(type(estimator))
        self.copy.__dict__.update(self._before)
        self._draws_apart = self._generator is given
        if self._draws_apart:
            self.copy.random_state = deepcopy(given)

    def succeed(self) -> None:
        """Give the estimator the attributes of the trained copy, at once."""
        drawn = self.copy.random_state.get_state() if self._draws_apart else None
        self._put({**self.copy.__dict__, "random_state": self._estimator.random_state}, drawn)

    def undo(self) -> None:
        """Put the estimator and its generator back to before the attempt."""
        self._put(self._before, self._drawn)

    def _put(self, attributes: dict[str, Any], drawn: Any) -> None:
        steps = [partial(setattr, self._estimator, "__dict__", attributes)]
        if drawn is not None:
            steps.append(partial(self._generator.set_state, drawn))
        # A single call in C: Python runs no signal handler between its parts.
        deque(map(partial.__call__, steps), maxlen=0)
