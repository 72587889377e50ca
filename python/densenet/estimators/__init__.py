"""Dense networks with scikit-learn's contract: `MLPClassifier` and `MLPRegressor`, and more.

Every parameter and fitted attribute of theirs has its meaning here; docs/scikit-learn.md lists
them. scikit-learn comes with the extra ``densenet-cpu[sklearn]``.
"""

from densenet._extras import require

require("densenet.estimators", "sklearn", "scikit-learn")

from densenet.estimators.classifier import DenseClassifier  # noqa: E402
from densenet.estimators.regressor import DenseRegressor  # noqa: E402

__all__ = ["DenseClassifier", "DenseRegressor"]
