"""Dense networks with scikit-learn's contract: `MLPClassifier` and `MLPRegressor`, and more.

Every parameter and fitted attribute of theirs has its meaning here; docs/scikit-learn.md lists
them. scikit-learn comes with the extra ``densenet[sklearn]``.
"""

try:
    import sklearn  # noqa: F401
except ImportError as error:
    raise ImportError(
        'densenet.estimators needs scikit-learn: pip install "densenet[sklearn]"'
    ) from error

from densenet.estimators.classifier import DenseClassifier
from densenet.estimators.regressor import DenseRegressor

__all__ = ["DenseClassifier", "DenseRegressor"]
