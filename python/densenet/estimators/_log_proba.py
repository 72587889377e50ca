"""Logarithms of probabilities, of every classifier."""

from typing import Any

import numpy as np

from densenet._typing import Array


class LogProbabilities:
    """Gives a classifier `predict_log_proba` by its `predict_proba`."""

    predict_proba: Any

    def predict_log_proba(self, X: Any) -> Array:  # noqa: N803
        """Compute the logarithm of `predict_proba`; -inf where that is 0.

        Examples
        --------
        >>> from densenet.estimators import DenseClassifier
        >>> x, y = [[0.0], [1.0], [4.0], [5.0]], ["low", "low", "high", "high"]
        >>> classifier = DenseClassifier(5, solver="lbfgs", random_state=0).fit(x, y)
        >>> bool(classifier.predict_log_proba([[0.5]])[0, 1] > -0.01)  # "low" is all but certain
        True
        """
        with np.errstate(divide="ignore"):
            log: Array = np.log(self.predict_proba(X))
        return log
