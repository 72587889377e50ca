"""scikit-learn's own tests of its multi-layer perceptron, run on the dense estimators."""

import inspect
from types import SimpleNamespace

import pytest

pytest.importorskip("sklearn")

from sklearn.neural_network.tests import test_mlp

from densenet.estimators import DenseClassifier, DenseRegressor

pytestmark = pytest.mark.filterwarnings("default")


class _Private:
    """Names that scikit-learn keeps to itself and its tests look at."""

    @property
    def _optimizer(self):
        return SimpleNamespace(learning_rate=self.learning_rate_)


class MLPClassifier(_Private, DenseClassifier):
    pass


class MLPRegressor(_Private, DenseRegressor):
    pass


EXPECTED = {
    "test_fit": "coefs_ are views of a network, and there is none to assign to before fit; "
    "test_estimators has the same worked example",
    "test_gradient": "calls _loss_grad_lbfgs, a private method; every gradient is tested elsewhere",
    "test_early_stopping_stratified": "the message names the class, 1, not scikit-learn's True",
    "test_mlp_partial_fit_after_fit": "wants an error: partial_fit works with early stopping",
}

_IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"


@pytest.fixture
def global_random_seed():
    return 0


def _theirs():
    """Give scikit-learn's test functions as they are, but for the import of the estimators."""
    source = inspect.getsource(test_mlp)
    assert source.count(_IMPORT) == 1
    names = {"MLPClassifier": MLPClassifier, "MLPRegressor": MLPRegressor, "__name__": __name__}
    exec(compile(source.replace(_IMPORT, "\n"), test_mlp.__file__, "exec"), names)
    return {name: value for name, value in names.items() if name.startswith("test_")}


for _name, _test in _theirs().items():
    if _name in EXPECTED:
        # That of scikit-learn 1.7 wants no such message, and passes.
        strict = _name != "test_early_stopping_stratified"
        _test = pytest.mark.xfail(reason=EXPECTED[_name], strict=strict)(_test)
    globals()[_name] = _test
