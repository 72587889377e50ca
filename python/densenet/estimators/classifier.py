"""A dense network that predicts classes."""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Literal

import numpy as np
from scipy.sparse import issparse
from sklearn.base import ClassifierMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets, type_of_target, unique_labels
from sklearn.utils.validation import column_or_1d

from densenet._typing import Array
from densenet.estimators._base import Attempt, DenseEstimator, has_partial_fit, unchanged_by_errors
from densenet.estimators._class_weights import by_class
from densenet.estimators._given import plain_labels, validated
from densenet.estimators._log_proba import LogProbabilities
from densenet.estimators._objective import Objective, for_classes


@dataclass(eq=False, repr=False)
class DenseClassifier(LogProbabilities, ClassifierMixin, DenseEstimator):
    """Predict classes with a dense network, as scikit-learn's `MLPClassifier` does.

    With the same parameters and `random_state` it starts from the same weights and sees the same
    batches. Parameters from `dropout` on are not in scikit-learn.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int
        Widths of the hidden layers.
    activation : str, layer, or a sequence with one for each hidden layer
        "identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "gelu", "silu", or another
        activation of `densenet.layers`, as a layer or by its `kind`.
    solver : str or optimizer
        "lbfgs" (all rows at once), "sgd", "adam", "adamw", "rmsprop", or one of
        `densenet.optimizers` with settings and a schedule of its own.
    alpha : float
        Strength of the L2 penalty ``alpha / (2 n) ‖W‖²``, with n the rows of the batch or the sum
        of their weights.
    batch_size : int or "auto"
        Rows of a step; 200, or all if there are fewer. An epoch's last batch has what is left.
    learning_rate : "constant", "invscaling" or "adaptive"
        For ``solver="sgd"``: "constant" keeps `learning_rate_init`; "invscaling" divides it by
        ``t_^power_t``; "adaptive" divides it by 5 each time that training would stop.
    learning_rate_init : float
    power_t : float
    max_iter : int
        Most epochs, or iterations of L-BFGS.
    shuffle : bool
        True trains each epoch in a new random order of the rows.
    random_state : int, RandomState or None
        Source of the initial weights, the validation set, the order of rows and dropout.
    tol : float
        Least improvement of loss or score that counts; for L-BFGS, the largest gradient at the end.
    verbose : bool
        True prints the loss of each epoch.
    warm_start : bool
        True makes `fit` start from the weights of the previous fit.
    momentum : float in [0, 1)
        For ``solver="sgd"``.
    nesterovs_momentum : bool
        For ``solver="sgd"``.
    early_stopping : bool
        True stops when the validation score no longer improves, and keeps the best weights. False
        stops when the training loss no longer improves. For stochastic solvers.
    validation_fraction : float
        Share of the rows to validate on, unless `fit` is given rows for that.
    beta_1, beta_2, epsilon : float
        Settings of Adam; epsilon also of RMSprop.
    n_iter_no_change : int or inf
        Number of epochs without improvement after which training stops.
    max_fun : int
        Most evaluations of L-BFGS.
    dropout : float, or a sequence with one for each hidden layer
        Probability with which a training step sets an output of a hidden layer to 0.
    normalization : "batch", "layer" or None
        The normalisation after each hidden linear layer.
    residual : bool
        True adds to each hidden layer its input, where both have the same width.
    layers : function ``f(inputs, outputs) -> sequence of layers``, optional
        Makes all layers. The settings of hidden layers are then ignored.
    l1, l2 : float
        Strengths of the penalties ``l1 ‖W‖₁``, by a proximal step that gives exact zeros, and
        ``l2 / 2 ‖W‖²``. Unlike `alpha` they are not divided by the number of rows.
    scoring : str, scorer, "loss" or None
        The validation score: any of scikit-learn's, the negative loss, or `score`.
    callbacks : sequence of densenet.Callback
        Called after each epoch, and after each step if they define `on_step_end`. They may stop
        the training.
    dtype : "float32", "float64" or None
        Element type of the network; by default that of X, or float32 with a lower precision.
    precision : "highest", "high" or "medium"
        How exactly the products are computed, as in `densenet.Network`.
    n_threads : int, optional
        Threads for this estimator; the results do not depend on it.
    loss : "log_loss" or a loss
        "log_loss" is the cross-entropy (of each label, if there are several). Otherwise a loss on
        classes of `densenet.losses`, or any object with ``forward`` and ``backward``, which get
        logits and targets of 0 and 1 of the same shape.
    class_weight : dict, "balanced" or None
        Factors of the rows' weights by class; 1 for classes that a dict does not name.

    Attributes
    ----------
    network_ : densenet.Network
        The trained network.
    classes_ : array of shape (classes,)
    coefs_, intercepts_ : list of arrays
        Live views of the linear layers' weights (inputs, outputs) and biases; a list may be
        assigned.
    loss_, best_loss_ : float
        The loss of the last epoch, penalties included, as a mean over its steps; and the smallest
        so far, which is None with early stopping.
    loss_curve_ : list of float
        The loss of each epoch, or iteration of L-BFGS.
    validation_scores_, validation_loss_curve_ : list of float, or None
        The score and the loss, without penalties, on the validation rows after each epoch.
    best_validation_score_ : float or None
    learning_rate_ : float
    stopped_ : str
        Why training ended: "tolerance", "early stopping", "callback", "interrupted" or "epochs".
    n_iter_, t_, n_layers_, n_outputs_, n_features_in_ : int
    feature_names_in_ : array of str
    out_activation_ : str

    Examples
    --------
    >>> from densenet.datasets import load_digits
    >>> from densenet.estimators import DenseClassifier
    >>> digits = load_digits()
    >>> classifier = DenseClassifier(32, activation="silu", tol=1e-3, random_state=0)
    >>> classifier.fit(digits.x_train, digits.y_train).stopped_
    'tolerance'
    >>> bool(classifier.score(digits.x_test, digits.y_test) > 0.9)
    True
    """

    hidden_layer_sizes: int | Sequence[int] = (100,)
    activation: Any = "relu"
    _: KW_ONLY
    loss: Any = "log_loss"
    class_weight: Mapping[Any, float] | Literal["balanced"] | None = None

    def fit(
        self,
        X: Any,  # noqa: N803
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,  # noqa: N803
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "DenseClassifier":
        """Train, anew unless `warm_start` is set.

        Parameters
        ----------
        X : array, frame or sparse matrix of shape (n, features)
            The first layer multiplies a sparse one as it is, unless the network begins with another
            layer or has a lower precision: then a batch at a time is made dense.
        y : array of shape (n,), or (n, labels) of 0 and 1
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
        classes: Any = None,
        *,
        X_val: Any = None,  # noqa: N803
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> "DenseClassifier":
        """Train for one epoch, on from where training was.

        Parameters, result and errors are those of `fit`; the first call needs all `classes`. With
        `early_stopping`, each call is validated like an epoch; when the score has not improved for
        `n_iter_no_change` calls, the best weights are put back, `stopped_` says so, and a further
        call goes on from them.

        All or nothing: a copy of the network is trained, and takes its place at the end, with all
        other attributes, in one assignment. After an exception, Ctrl-C included, the estimator and
        its generator are as before the call, which may be made again as if it had not been. A
        signal handler or a thread that looks at the estimator meanwhile sees it as before. Views
        taken from `coefs_` before belong to the network before.
        """
        if isinstance(self.class_weight, str):
            raise ValueError(
                "class_weight: expected a dict or None in partial_fit, which does not see all "
                f"rows, got {self.class_weight!r}"
            )
        known: Array | None = getattr(self, "classes_", None)
        if classes is None and known is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        attempt = Attempt(self)
        try:
            if classes is not None:
                found = unique_labels(plain_labels(classes))
                attempt.copy.classes_ = found
                if known is not None and not np.array_equal(known, found):
                    raise ValueError(f"classes: expected {known} as before, got {found}")
            held_out = (X_val, y_val, sample_weight_val)
            attempt.copy._fit(X, y, sample_weight, held_out, incremental=True)
            attempt.succeed()
            return self
        except BaseException:
            attempt.undo()
            raise

    def predict_proba(self, X: Any) -> Array:  # noqa: N803
        """Compute the probability of each class, or of each label, of shape (n, classes).

        Examples
        --------
        >>> from densenet.estimators import DenseClassifier
        >>> x, y = [[0.0], [1.0], [4.0], [5.0]], ["low", "low", "high", "high"]
        >>> classifier = DenseClassifier(5, solver="lbfgs", random_state=0).fit(x, y)
        >>> classifier.classes_
        array(['high', 'low'], dtype='<U4')
        >>> classifier.predict_proba([[0.5], [4.5]]).round(2)
        array([[0., 1.],
               [1., 0.]])
        """
        return self._of_classes(self._outputs(X))

    def _of_classes(self, probabilities: Array) -> Array:
        """Give a column for each class, where two classes have one output."""
        if self._multilabel or probabilities.shape[1] > 1:
            return probabilities
        both = np.hstack([1 - probabilities, probabilities])
        return both if len(self.classes_) == 2 else np.ones_like(probabilities)

    def predict(self, X: Any) -> Array:  # noqa: N803
        """Predict the most probable class, of shape (n,), or 0 or 1 for each label."""
        predicted = self._outputs(X, self._decide)
        if self._multilabel:
            return predicted
        classes: Array = self.classes_[predicted]
        return classes

    def _decide(self, probabilities: Array) -> Array:
        """Find the index of the most probable class, or 0 or 1 for each label."""
        if self._multilabel:
            return (probabilities > 0.5).astype(int)
        if probabilities.shape[1] > 1:
            classes: Array = probabilities.argmax(axis=1)
        else:
            classes = np.minimum(probabilities[:, 0] > 0.5, len(self.classes_) - 1).astype(int)
        return classes

    def _read(self, x: Any, y: Any, fresh: bool) -> tuple[Any, Array]:
        x, y = validated(self, x, plain_labels(y), multi_output=True, reset=fresh, **self._reads)
        y = y.toarray() if issparse(y) else y
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        kind = type_of_target(y)  # which takes its time, and which the check asks for again
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            check_classification_targets(y)
        if kind == "multiclass-multioutput":
            raise ValueError(f"y: expected one class for each row, or labels, got {kind}")
        return x, y

    def _learn(self, y: Array, fresh: bool, incremental: bool) -> None:
        multilabel = y.ndim == 2
        found = np.unique(y) if not multilabel and y.dtype.kind in "biuf" else unique_labels(y)
        if fresh:
            self._multilabel = multilabel
            if multilabel or not incremental:
                self.classes_ = found
        elif not incremental and not np.array_equal(found, self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes_}, `y` has {found}"
            )

    def _code(self, y: Array) -> Array:
        if self._multilabel != (y.ndim == 2):
            raise ValueError(
                f"y: expected {'labels' if self._multilabel else 'classes'} as before, got shape "
                f"{y.shape}"
            )
        if self._multilabel:
            return y.astype(self.network_.dtype)
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(f"y: expected classes among {self.classes_}, got {unknown}")
        return np.searchsorted(self.classes_, y)

    def _make_objective(self, y: Array) -> Objective:
        return for_classes(self.loss, len(self.classes_), self._multilabel)

    def _weigh(self, y: Array, weight: Array | None) -> Array | None:
        if self.class_weight is None:
            return weight
        of_class = by_class(self.class_weight, y, self.classes_)
        return of_class if weight is None else weight * of_class

    def _strata(self, y: Array) -> Array | None:
        return None if self._multilabel or len(self.classes_) > 2 else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
