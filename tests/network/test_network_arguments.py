"""Bad input to networks: the same clear error from both backends, and nothing changes."""

import copy
import functools

import numpy as np
import pytest

from densenet import Adam, Identity, Linear, Network, Sigmoid, SoftmaxCrossEntropy
from tests.support.backends import ENGINES
from tests.support.errors import KINDS, error_of, same_error

# ---- the constructor ---------------------------------------------------------------------------

NETWORKS = [
    ({"layers": []}, ValueError, "layers: expected at least one layer, got none"),
    (
        {"layers": [Sigmoid(), Identity()]},
        ValueError,
        "layers: expected at least one Linear to set the widths, got none",
    ),
    (
        {"layers": [Linear(5, 4), Sigmoid(), Linear(3, 2)]},
        ValueError,
        "layers[2]: expected Linear with inputs=4, the outputs of the layer before, got inputs=3",
    ),
    ({"layers": [Linear(5, 4), Sigmoid]}, TypeError, "layers[1]: expected a layer, got type"),
    ({"layers": [Linear(5, 4), "relu"]}, TypeError, "layers[1]: expected a layer, got str"),
    ({"layers": Linear(5, 4)}, TypeError, "layers: expected a sequence of layers, got Linear"),
    ({"loss": "mse"}, TypeError, "loss: expected a loss, got str"),
    ({"loss": SoftmaxCrossEntropy}, TypeError, "loss: expected a loss, got type"),
    ({"dtype": "float16"}, ValueError, "dtype: expected float32 or float64, got float16"),
    ({"dtype": "int32"}, ValueError, "dtype: expected float32 or float64, got int32"),
    ({"dtype": "best"}, ValueError, "dtype: expected float32 or float64, got best"),
    ({"dtype": None}, ValueError, "dtype: expected float32 or float64, got None"),
    (
        {"backend": "gpu"},
        ValueError,
        "backend: expected 'compiled' or 'reference', got 'gpu'",
    ),
]


@pytest.mark.parametrize(("change", "kind", "text"), NETWORKS)
def test_networks_refuse_what_does_not_fit(change, kind, text):
    def make(backend):
        good = {"layers": [Linear(5, 3)], "loss": SoftmaxCrossEntropy(), "backend": backend}
        return Network(**good | change)

    same_error([error_of(lambda b=b: make(b), []) for b in ENGINES], kind, text)


# ---- a network's methods -----------------------------------------------------------------------

_TYPES = "expected float32, float64, integers or bool, got "
X = [
    (np.empty((4, 3)), ValueError, "x: expected shape (batch, 5), got (4, 3)"),
    (np.empty((0, 5)), ValueError, "x: expected shape (batch, 5), got (0, 5)"),
    (np.empty(5), ValueError, "x: expected shape (batch, 5), got (5,)"),
    (np.empty((1, 4, 5)), ValueError, "x: expected shape (batch, 5), got (1, 4, 5)"),
    (3.0, ValueError, "x: expected shape (batch, 5), got ()"),
    (np.ones((4, 5), "O"), TypeError, f"x: {_TYPES}object of shape (4, 5)"),
    (np.ones((4, 5), "c8"), TypeError, f"x: {_TYPES}complex64 of shape (4, 5)"),
    (np.ones((4, 5), "f2"), TypeError, f"x: {_TYPES}float16 of shape (4, 5)"),
    (np.ones((4, 5), "g"), TypeError, f"x: {_TYPES}{np.dtype('g')} of shape (4, 5)"),
    (np.ones((4, 5), "U1"), TypeError, f"x: {_TYPES}<U1 of shape (4, 5)"),
    (np.ones((4, 5), "m8[s]"), TypeError, f"x: {_TYPES}timedelta64[s] of shape (4, 5)"),
    (None, TypeError, f"x: {_TYPES}None"),
    ([["a"] * 5] * 4, TypeError, f"x: {_TYPES}<U1"),
]
Y = [
    (np.arange(5) % 3, ValueError, "y: expected shape (4,), got (5,)"),
    ([0, 1, 2, 3], ValueError, "y: expected class indices in [0, 3), got 3"),
    ([0, 1, 2, -1], ValueError, "y: expected class indices in [0, 3), got -1"),
    ([0.0, 1.0, 2.0, 0.0], TypeError, "y: expected " + KINDS.format("float64", "(4,)")),
    (["a", "b", "c", "a"], TypeError, "y: expected " + KINDS.format("<U1", "(4,)")),
    (np.eye(4), ValueError, "y: expected shape (4, 3), got (4, 4)"),
    (
        np.full((4, 3), 0.5),
        ValueError,
        "y: expected rows >= 0 that sum to 1, got a smallest value of 0.5 and a sum of 1.5 "
        "in row 0",
    ),
    (
        np.full((4, 3), np.nan),
        ValueError,
        "y: expected rows >= 0 that sum to 1, got a smallest value of nan and a sum of nan "
        "in row 0",
    ),
]
WEIGHTS = [
    ([1, 2, 3], ValueError, "sample_weight: expected shape (4,), got (3,)"),
    ([1, 2, 3, -1], ValueError, "sample_weight: expected finite numbers >= 0, got -1"),
    ([1, 2, 3, np.nan], ValueError, "sample_weight: expected finite numbers >= 0, got nan"),
    ([1, 2, np.inf, 1], ValueError, "sample_weight: expected finite numbers >= 0, got inf"),
    (["a"] * 4, TypeError, "sample_weight: expected real numbers, got list"),
    (
        np.ones(4, "c8"),
        TypeError,
        "sample_weight: expected real numbers, got complex64 of shape (4,)",
    ),
]
_WHOLE = "must be an integer >= 1, got"
FIT = [
    ({"epochs": 0}, ValueError, f"epochs {_WHOLE} 0"),
    ({"epochs": 2.0}, TypeError, f"epochs {_WHOLE} float"),
    ({"batch_size": 0}, ValueError, f"batch_size {_WHOLE} 0"),
    ({"batch_size": -1}, ValueError, f"batch_size {_WHOLE} -1"),
    ({"batch_size": None}, TypeError, f"batch_size {_WHOLE} None"),
    ({"optimizer": "adam"}, TypeError, "optimizer: expected an optimizer, got str"),
    ({"optimizer": Adam}, TypeError, "optimizer: expected an optimizer, got type"),
    (
        {"validation_data": (np.zeros((4, 3)), [0, 1, 2, 0])},
        ValueError,
        "validation_data: x: expected shape (batch, 5), got (4, 3)",
    ),
    (
        {"validation_data": (np.zeros((4, 5)), [0, 1, 2, 3])},
        ValueError,
        "validation_data: y: expected class indices in [0, 3), got 3",
    ),
]
LEARNING = {
    "loss": lambda n, x, y, **w: n.loss(x, y, **w),
    "gradients": lambda n, x, y, **w: n.gradients(x, y, **w),
    "train_step": lambda n, x, y, **w: n.train_step(x, y, Adam(), **w),
    "fit": lambda n, x, y, **w: n.fit(x, y, epochs=2, **w),
}


class Trained:
    """A network of each backend that has moments and good examples; `refuse` checks an error."""

    def __init__(self, dtype):
        layers = [Linear(5, 4), Sigmoid(), Linear(4, 3)]
        loss = SoftmaxCrossEntropy()
        rng = np.random.default_rng(0)
        self.networks = [Network(layers, loss, dtype=dtype, seed=1, backend=b) for b in ENGINES]
        self.x, self.y = rng.normal(size=(4, 5)).astype(dtype), np.array([0, 1, 2, 1])
        for network in self.networks:
            network.fit(self.x, self.y, epochs=3, batch_size=3)

    def refuse(self, call, kind, text):
        errors = []
        for network in self.networks:
            state = network.optimizer_state
            step, order = state.pop("step"), str(network._learner.rng.bit_generator.state)
            arrays = [network.flat, self.x, self.y, *state.values()]
            errors.append(error_of(lambda n=network: call(n), arrays))
            assert network.optimizer_state["step"] == step
            assert str(network._learner.rng.bit_generator.state) == order
            for name, array in state.items():
                assert network.optimizer_state[name] is array
        same_error(errors, kind, text)


_trained = functools.cache(Trained)


@pytest.fixture
def trained(dtype):
    return copy.deepcopy(_trained(dtype))


@pytest.mark.parametrize("method", ["forward", "predict", "predict_proba"])
@pytest.mark.parametrize(("x", "kind", "text"), X)
def test_methods_refuse_wrong_x(trained, method, x, kind, text):
    trained.refuse(lambda n: getattr(n, method)(x), kind, text)


@pytest.mark.parametrize("method", [*LEARNING, "input_gradient", "value_and_gradient", "backward"])
@pytest.mark.parametrize(("x", "kind", "text"), X)
def test_learning_refuses_wrong_x(trained, method, x, kind, text):
    def call(n):
        if method == "input_gradient":
            return n.input_gradient(x, trained.y)
        if method == "value_and_gradient":
            return n.value_and_gradient(n.flat, x, trained.y)
        if method == "backward":
            return n.backward(x, np.zeros((4, 3), n.dtype))
        return LEARNING[method](n, x, trained.y)

    trained.refuse(call, kind, text)


@pytest.mark.parametrize("method", LEARNING)
@pytest.mark.parametrize(("y", "kind", "text"), Y)
def test_learning_refuses_wrong_targets(trained, method, y, kind, text):
    trained.refuse(lambda n: LEARNING[method](n, trained.x, y), kind, text)


@pytest.mark.parametrize("method", LEARNING)
@pytest.mark.parametrize(("weight", "kind", "text"), WEIGHTS)
def test_learning_refuses_wrong_weights(trained, method, weight, kind, text):
    trained.refuse(
        lambda n: LEARNING[method](n, trained.x, trained.y, sample_weight=weight), kind, text
    )


@pytest.mark.parametrize(("options", "kind", "text"), FIT)
def test_fit_refuses_wrong_options(trained, options, kind, text):
    trained.refuse(lambda n: n.fit(trained.x, trained.y, **options), kind, text)


@pytest.mark.parametrize(
    ("wrong", "got"), [(None, "None"), ("adam", "str"), (Adam, "type"), (0.1, "float")]
)
def test_train_step_refuses_what_is_no_optimizer(trained, wrong, got):
    text = f"optimizer: expected an optimizer, got {got}"
    trained.refuse(lambda n: n.train_step(trained.x, trained.y, wrong), TypeError, text)


@pytest.mark.parametrize(
    ("dy", "kind", "text"),
    [
        (np.zeros((4, 4)), ValueError, "dy: expected shape (4, 3), got (4, 4)"),
        (np.zeros(3), ValueError, "dy: expected shape (4, 3), got (3,)"),
        (np.zeros((4, 3), "c16"), TypeError, "dy: expected {dtype}, got complex128"),
        (np.zeros((4, 3), "i8"), TypeError, "dy: expected {dtype}, got int64"),
        ([[0.0] * 3] * 4, TypeError, "dy: expected a NumPy array, got list"),
    ],
)
def test_backward_refuses_wrong_dy(trained, dtype, dy, kind, text):
    if kind is ValueError:
        dy = dy.astype(dtype)
    trained.refuse(lambda n: n.backward(trained.x, dy), kind, text.format(dtype=dtype))


@pytest.mark.parametrize(
    ("flat", "kind", "text"),
    [
        (np.zeros(3), ValueError, "flat: expected shape (39,), got (3,)"),
        (np.zeros((39, 1)), ValueError, "flat: expected shape (39,), got (39, 1)"),
        (
            np.zeros(39, "c8"),
            TypeError,
            "flat: expected real numbers, got complex64 of shape (39,)",
        ),
        (None, TypeError, "flat: expected real numbers, got None"),
    ],
)
def test_value_and_gradient_refuses_wrong_parameters(trained, flat, kind, text):
    trained.refuse(lambda n: n.value_and_gradient(flat, trained.x, trained.y), kind, text)


@pytest.mark.parametrize("rows_type", ["f2", "g"])
@pytest.mark.parametrize("method", LEARNING)
def test_rows_of_targets_have_a_defined_result_in_every_type(trained, method, rows_type):
    rows = np.eye(3)[trained.y]
    for network in trained.networks:
        expected = network.loss(trained.x, rows)
        LEARNING[method](network, trained.x, rows.astype(rows_type))
        assert np.isfinite(network.flat).all()
        assert np.isfinite(expected)


@pytest.mark.parametrize("method", ["loss", "gradients", "train_step"])
@pytest.mark.parametrize("size", [1e300, 1e-300])
def test_sample_weights_of_any_size_give_the_same_from_both(trained, method, size):
    weight = np.array([1.0, 2.0, 0.5, 1.0])
    losses = []
    for network in trained.networks:
        plain = network.loss(trained.x, trained.y, weight)
        result = LEARNING[method](network, trained.x, trained.y, sample_weight=size * weight)
        loss = result[0] if method == "gradients" else result
        losses.append((loss, plain))
    for loss, plain in losses:
        assert loss == pytest.approx(plain, rel=1e-5)
