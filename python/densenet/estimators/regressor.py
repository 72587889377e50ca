"""A dense network that predicts values."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sklearn.base import RegressorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import column_or_1d

from densenet._typing import Array
from densenet.estimators._base import Attempt, DenseEstimator, has_partial_fit, unchanged_by_errors
from densenet.estimators._given import validated
from densenet.estimators._objective import HalfPoissonDeviance, Objective, for_values


@dataclass(eq=False, repr=False)
class DenseRegressor(RegressorMixin, DenseEstimator):
    """Predict values with a dense network, as scikit-learn's `MLPRegressor` does.

    Parameters
    ----------
    loss : "squared_error", "poisson" or a loss
        Half the squared error summed over outputs; half the Poisson deviance of the exponential of
        the outputs, for y >= 0; one of `densenet.losses` on values; or any object with ``forward``
        and ``backward``.
    hidden_layer_sizes, activation, solver, ...
        All others are those of `DenseClassifier`, without `class_weight`.

    Attributes
    ----------
    network_ : densenet.Network
    coefs_, intercepts_, loss_curve_, ...
        Those of `DenseClassifier`, without `classes_`.

    Examples
    --------
    >>> import numpy as np
    >>> from densenet.estimators import DenseRegressor
    >>> x = np.linspace(-2, 2, 50)[:, None]
    >>> y = np.sin(2 * x[:, 0])
    >>> regressor = DenseRegressor(
    ...     hidden_layer_sizes=(16, 16), activation="silu", solver="lbfgs", random_state=0
    ... )
    >>> bool(regressor.fit(x, y).score(x, y) > 0.99)
    True
    """

    loss: Any = "squared_error"
    hidden_layer_sizes: int | Sequence[int] = (100,)
    activation: Any = "relu"

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,  # noqa: N803
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "DenseRegressor":
        """Train, anew unless `warm_start` is set.

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (n, features)
        y : array of shape (n,) or (n, outputs)
        sample_weight : array of shape (n,), optional
        X_val, y_val, sample_weight_val : optional
            Rows to validate on after each epoch. With `early_stopping` they take the place of a
            part of X.

        Returns
        -------
        self

        Raises
        ------
        TypeError
            If a parameter is of a wrong type, or an array has a mask.
        ValueError
            If a parameter is outside its range, an array does not fit, a frame has a column that
            is not of numbers, which is named, or the weights have become infinite.
        """
        with unchanged_by_errors(self):
            self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val), incremental=False)
        return self

    @available_if(has_partial_fit)
    def partial_fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,  # noqa: N803
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "DenseRegressor":
        """Train for one epoch, on from where training was.

        Parameters, result and errors are those of `fit`. With `early_stopping`, each call is
        validated like an epoch; when the score has not improved for `n_iter_no_change` calls, the
        best weights are put back, `stopped_` says so, and a further call goes on from them.

        All or nothing, as in `DenseClassifier.partial_fit`: after an exception, Ctrl-C included,
        the estimator and its generator are as before the call.
        """
        attempt = Attempt(self)
        try:
            held_out = (X_val, y_val, sample_weight_val)
            attempt.copy._fit(X, y, sample_weight, held_out, incremental=True)
            attempt.succeed()
            return self
        except BaseException:
            attempt.undo()
            raise

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Predict values, of shape (n,) or (n, outputs)."""
        values = self._outputs(X)
        return values[:, 0] if values.shape[1] == 1 else values

    def _read(self, x: Any, y: Any, fresh: bool) -> tuple[Any, Array]:
        x, y = validated(self, x, y, multi_output=True, y_numeric=True, reset=fresh, **self._reads)
        return x, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _code(self, y: Array) -> Array:
        values = y[:, None] if y.ndim == 1 else y
        if isinstance(self._objective.loss, HalfPoissonDeviance) and values.min() < 0:
            raise ValueError(f"y: expected values >= 0 with loss='poisson', got {values.min()}")
        return values.astype(self.network_.dtype)

    def _make_objective(self, y: Array) -> Objective:
        return for_values(self.loss, 1 if y.ndim == 1 else y.shape[1])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
