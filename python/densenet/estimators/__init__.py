"""Dense networks as scikit-learn estimators, in place of `MLPClassifier` and `MLPRegressor`.

Their parameters and fitted attributes mean the same here; docs/scikit-learn.md lists them, and what
is new. `DenseTableClassifier` and `DenseTableRegressor` take frames of texts, categories and gaps,
too. scikit-learn comes with the extra ``densenet-cpu[sklearn]``.
"""

from densenet._extras import require

require("densenet.estimators", "sklearn", "scikit-learn")

from densenet.estimators.classifier import DenseClassifier  # noqa: E402
from densenet.estimators.ensemble import (  # noqa: E402
    DenseEnsembleClassifier,
    DenseEnsembleRegressor,
)
from densenet.estimators.regressor import DenseRegressor  # noqa: E402
from densenet.estimators.search import cross_validate_many  # noqa: E402
from densenet.estimators.tables import DenseTableClassifier, DenseTableRegressor  # noqa: E402

__all__ = [
    "DenseClassifier",
    "DenseEnsembleClassifier",
    "DenseEnsembleRegressor",
    "DenseRegressor",
    "DenseTableClassifier",
    "DenseTableRegressor",
    "cross_validate_many",
]
