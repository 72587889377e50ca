"""scikit-learn's checks of an estimator, each as a test."""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

from tests.support.skips import NOT_APPLICABLE


def each_check(estimators, **options):
    """Do what `parametrize_with_checks` does, by a list.

    scikit-learn 1.7, the last for Python 3.10, hands on a generator, of which pytest 9.1 warns.
    """
    mark = parametrize_with_checks(estimators, **options).mark
    names, values = mark.args
    return pytest.mark.parametrize(names, list(values), **mark.kwargs)


def run_check(check, estimator):
    """Call a check of scikit-learn's; skip where it does, as of an array API that is switched off.

    None is expected to fail.
    """
    try:
        check(estimator)
    except Exception as error:
        if type(error).__name__ != "SkipTest":
            raise
        pytest.skip(f"{NOT_APPLICABLE}{error}")
