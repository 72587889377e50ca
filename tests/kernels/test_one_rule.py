"""What one backend would read past, and the other not: masks, read-only arrays, extreme numbers."""

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    Huber,
    Linear,
    LogisticLoss,
    MeanSquaredError,
    Network,
    RMSprop,
    SoftmaxCrossEntropy,
    Tanh,
    metrics,
)
from tests.support.errors import error_of, same_error
from tests.support.functions import arguments_of

MASK = "expected an array without a mask, got a masked one: fill its gaps with filled(value), or "
MASK += "leave those rows out"


def masked(array, gaps=False):
    return np.ma.masked_array(array, mask=np.full(np.shape(array), gaps))


# ---- masks -------------------------------------------------------------------------------------

KERNELS = [
    ("linear_forward", "x", "weight", "bias"),
    ("linear_backward", "dy", "x", "weight"),
    ("sigmoid_forward", "x"),
    ("gelu_backward", "dy", "x"),
    ("softmax_forward", "x"),
    ("softmax_cross_entropy_forward", "logits", "targets", "sample_weight"),
    ("mean_squared_error_backward", "outputs", "targets", "sample_weight"),
    ("sgd_step", "param", "grad", "velocity"),
    ("adam_step", "param", "grad", "m", "v"),
]


@pytest.mark.parametrize(
    ("function", "name"), [(f, n) for f, *names in KERNELS for n in names], ids="-".join
)
@pytest.mark.parametrize("gaps", [False, True])
def test_kernels_refuse_masks(twins, dtype, rng, function, name, gaps):
    arguments = arguments_of(function, rng, dtype)
    if name not in arguments:
        batch = len(next(iter(arguments.values())))
        arguments[name] = np.ones(batch, dtype)
    arguments[name] = masked(arguments[name], gaps)
    errors = [
        error_of(lambda module=module: getattr(module, function)(**arguments), [])
        for module in twins
    ]
    same_error(errors, TypeError, f"{name}: {MASK}")


def make(engine, dtype="float32", loss=None):
    layers = [Linear(4, 5), Tanh(), Linear(5, 3)]
    return Network(layers, loss or SoftmaxCrossEntropy(), dtype=dtype, seed=1, backend=engine)


def calls(network, x, y, w, flat, dy):
    """Every method that takes arrays."""
    return {
        "forward": lambda: network.forward(x),
        "predict": lambda: network.predict(x),
        "predict_proba": lambda: network.predict_proba(x),
        "backward": lambda: network.backward(x, dy),
        "loss": lambda: network.loss(x, y, w),
        "gradients": lambda: network.gradients(x, y, w),
        "input_gradient": lambda: network.input_gradient(x, y),
        "value_and_gradient": lambda: network.value_and_gradient(flat, x, y),
        "train_step": lambda: network.train_step(x, y, SGD(), w),
        "fit": lambda: network.fit(x, y, epochs=1, sample_weight=w),
        "validation": lambda: network.fit(X, Y, epochs=1, validation_data=(x, y)),
    }


X = np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)
Y = np.array([0, 1, 2, 2, 1, 0])
W = np.ones(6)
DY = np.ones((6, 3), np.float32)
USES = {
    "x": "all",
    "y": "loss gradients input_gradient value_and_gradient train_step fit validation",
    "sample_weight": "loss gradients train_step fit",
    "flat": "value_and_gradient",
    "dy": "backward",
}


@pytest.mark.parametrize("name", USES)
@pytest.mark.parametrize("gaps", [False, True])
def test_networks_refuse_masks(engine, name, gaps):
    network = make(engine)
    given = {"x": X, "y": Y, "sample_weight": W, "flat": network.flat.copy(), "dy": DY}
    given[name] = masked(given[name], gaps)
    before = network.flat.copy()
    found = calls(network, *given.values())
    for use in found if USES[name] == "all" else USES[name].split():
        where = "validation_data: " if use == "validation" else ""
        same_error([error_of(found[use], [])], TypeError, f"{where}{name}: {MASK}")
    np.testing.assert_array_equal(network.flat, before)
    assert network.optimizer_state == {}


@pytest.mark.parametrize(("loss", "y"), [(SoftmaxCrossEntropy(), Y), (MeanSquaredError(), DY)])
@pytest.mark.parametrize("name", ["x", "y"])
def test_a_prepared_step_refuses_masks(engine, loss, y, name):
    network, rule = make(engine, loss=loss), Adam()
    for _ in range(3):
        network.train_step(X, y, rule)
    before = network.flat.copy()
    given = {"x": X, "y": y}
    given[name] = masked(given[name])
    error = error_of(lambda: network.train_step(**given, optimizer=rule), [])
    same_error([error], TypeError, f"{name}: {MASK}")
    np.testing.assert_array_equal(network.flat, before)
    network.train_step(X, y, rule)


def test_lists_of_masked_rows_initial_weights_and_metrics_too(engine):
    network = make(engine)
    rows = [masked(row, gaps=True) for row in X]
    same_error([error_of(lambda: network.forward(rows), [])], TypeError, f"x: {MASK}")
    error = error_of(lambda: Linear(4, 3, init=masked(np.ones((3, 4)))), [])
    same_error([error], TypeError, f"init: {MASK}")
    for metric in (metrics.accuracy, metrics.mean_squared_error, metrics.r2):
        for name in ("y_true", "y_pred"):
            given = {"y_true": Y, "y_pred": Y} | {name: masked(Y)}
            error = error_of(lambda metric=metric, given=given: metric(**given), [])
            same_error([error], TypeError, f"{name}: {MASK}")


class ReadMasked:
    """Rows that give a masked array by indexing, as a variable of netCDF4 does."""

    mask = True
    shape = X.shape

    def __array__(self, dtype=None, copy=None):
        return np.full(X.shape, 9.97e36, dtype)


class ArrayWithMask(np.ndarray):
    """An array that marks gaps but is none of numpy.ma, as astropy's Masked."""

    mask = np.ones(1, bool)


@pytest.mark.parametrize("x", [ReadMasked(), X.view(ArrayWithMask)], ids=["variable", "Masked"])
def test_masks_of_other_libraries_too(engine, x):
    network = make(engine)
    for given in x, [x]:
        error = error_of(lambda given=given: network.forward(given), [])
        same_error([error], TypeError, f"x: {MASK}")
    same_error([error_of(lambda: network.loss(X, x), [])], TypeError, f"y: {MASK}")
    frames = pytest.importorskip("densenet.tables.frames")
    error = error_of(lambda: frames.cells_of("size", x), [])
    same_error([error], TypeError, f"size: {MASK}")


def test_other_subclasses_are_taken(engine, tmp_path):
    network, rule = make(engine), SGD()
    mapped = np.memmap(tmp_path / "x", np.float32, "w+", shape=X.shape)
    mapped[...] = X
    expected = make(engine)
    for _ in range(3):
        assert network.train_step(mapped, Y, rule) == expected.train_step(X, Y, rule)


# ---- read-only ---------------------------------------------------------------------------------

READ_ONLY = "expected a writeable array, got a read-only one"


class Quartic:
    def forward(self, outputs, targets):
        return float((outputs**4).mean())

    def backward(self, outputs, targets):
        return 4 * outputs**3 / outputs.size


WAYS = {
    "train_step": lambda n, y, rule: n.train_step(X, y, rule),
    "weighted train_step": lambda n, y, rule: n.train_step(X, y, rule, W),
    "fit": lambda n, y, rule: n.fit(X, y, epochs=2, batch_size=2, optimizer=rule),
    "clipped": lambda n, y, rule: n.fit(X, y, epochs=1, optimizer=type(rule)(clip_norm=1.0)),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", [SGD, RMSprop, Adam], ids=lambda rule: rule.__name__)
@pytest.mark.parametrize(
    "loss", [SoftmaxCrossEntropy(), Huber(), Quartic()], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("prepared", [False, True])
def test_what_is_read_only_is_not_trained(engine, way, rule, loss, prepared):
    if isinstance(loss, Quartic) and way == "weighted train_step":
        pytest.skip("not applicable: a loss of one's own takes no weights")
    network, rule = make(engine, loss=loss), rule()
    y = Y if isinstance(loss, SoftmaxCrossEntropy) else DY
    if prepared:
        for _ in range(3):
            network.train_step(X, y, rule)
    arrays = {"flat": network.flat} | {
        name: array for name, array in network.optimizer_state.items() if name != "step"
    }
    for name, array in arrays.items():
        before = network.flat.copy(), network.optimizer_state.get("step", 0)
        array.setflags(write=False)
        error = error_of(lambda: WAYS[way](network, y, rule), [])
        same_error([error], ValueError, f"{name}: {READ_ONLY}")
        np.testing.assert_array_equal(network.flat, before[0])
        assert network.optimizer_state.get("step", 0) == before[1]
        network.loss(X, y)
        network.gradients(X, y)
        array.setflags(write=True)
        WAYS[way](network, y, rule)
        assert not np.array_equal(network.flat, before[0])


# ---- extreme weights ---------------------------------------------------------------------------

SIZES = [1e-320, 5e-324, 1e-310, 1e-200, 1e200, 1e308]


WHOLE = np.array([1, 3, 2, 1, 0, 4.0])


def of_size(size):
    """Weights in these ratios: multiples of a size, however small, or parts of a large one."""
    return WHOLE * size if size < 1e300 else WHOLE / 4 * size


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize(
    ("loss", "y"), [(SoftmaxCrossEntropy(), Y), (MeanSquaredError(), DY), (LogisticLoss(), DY)]
)
def test_the_size_of_all_weights_does_not_matter(engine, dtype, loss, y, size):
    """Σ w l / Σ w: a common factor cancels, be it denormal or near the largest number."""
    results = []
    for w in (WHOLE, of_size(size)):
        network = make(engine, dtype, loss)
        history = network.fit(X, y, epochs=2, batch_size=4, sample_weight=w, shuffle=False)
        found = [network.loss(X, y, w), network.gradients(X, y, w)[0]]
        found += [network.train_step(X, y, Adam(), w), history.epochs[-1]["loss"]]
        results.append([*found, *history.batch_loss, *network.flat])
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("function", ["softmax_cross_entropy", "mean_squared_error", "huber"])
def test_kernels_know_no_size_of_weights_either(backend, size, function, rng):
    y = rng.normal(size=(6, 3))
    assert_any_size(backend, function, y, WHOLE, of_size(size))


@pytest.mark.parametrize("size", [1e-45, 1e-42, 1e-38, 8e37])
@pytest.mark.parametrize("function", ["softmax_cross_entropy", "mean_absolute_error", "huber"])
def test_nor_in_float32(backend, size, function, rng):
    y = rng.normal(size=(6, 3)).astype(np.float32)
    weights = WHOLE.astype(np.float32)
    assert_any_size(backend, function, y, weights, weights * np.float32(size))


def assert_any_size(backend, function, y, plain, scaled):
    targets = Y if function == "softmax_cross_entropy" else y + y.dtype.type(1)
    forward = getattr(backend, f"{function}_forward")
    backward = getattr(backend, f"{function}_backward")
    losses, gradients = [], []
    for weights in (plain, scaled):
        value = forward(y, targets, sample_weight=weights)
        loss, saved = value if isinstance(value, tuple) else (value, y)
        losses.append(loss)
        gradients.append(backward(saved, targets, sample_weight=weights))
    assert losses[1] == pytest.approx(losses[0], rel=1e-6)
    np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-5)


def test_a_weight_below_all_reach_of_the_largest_counts_as_nothing(engine, dtype):
    network, y = make(engine, dtype), Y
    apart = network.loss(X[:3], y[:3])
    weights = [1e300] * 3 + [1e-20] * 3
    assert network.loss(X, y, weights) == pytest.approx(apart, rel=1e-6)
    before = network.flat.copy()
    network.fit(X, y, epochs=1, batch_size=3, sample_weight=weights, shuffle=False)
    assert network.optimizer_state["step"] == 2
    twin = make(engine, dtype)
    twin.train_step(X[:3], y[:3], Adam())
    np.testing.assert_array_equal(network.flat, twin.flat)
    assert not np.array_equal(before, twin.flat)


def test_a_batch_of_small_weights_takes_its_step(engine, dtype):
    """Within reach of the largest: each batch is a mean of its own."""
    weights = [1.0] * 3 + [1e-300] * 3
    network, twin = make(engine, dtype), make(engine, dtype)
    rule = SGD(0.1)
    history = network.fit(
        X, Y, epochs=1, batch_size=3, sample_weight=weights, shuffle=False, optimizer=rule
    )
    losses = [twin.train_step(X[:3], Y[:3], rule), twin.train_step(X[3:], Y[3:], rule)]
    np.testing.assert_allclose(history.batch_loss, losses, rtol=1e-6)
    np.testing.assert_allclose(network.flat, twin.flat, rtol=1e-5, atol=1e-7)


def test_class_weights_and_row_weights_may_be_extreme_together(engine, dtype):
    found = []
    for rows, by_class in ((1.0, 1.0), (1e-200, 1e-200), (1e200, 1e200), (1e-320, 1e300)):
        network = make(engine, dtype)
        network.fit(
            X,
            Y,
            epochs=2,
            sample_weight=np.full(6, rows),
            class_weight={0: by_class, 1: by_class, 2: by_class},
        )
        found.append(network.flat.copy())
    for flat in found[1:]:
        np.testing.assert_allclose(flat, found[0], rtol=1e-6, atol=1e-8)


# ---- extreme logits ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [3e38, 1e38, 3.4028234e38, 1e30])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("classes", [2, 3, 40])
def test_logits_at_the_end_of_the_type(twins, size, smoothing, classes, rng):
    logits = np.where(rng.random((9, classes)) < 0.5, size, -size).astype(np.float32)
    targets = rng.integers(classes, size=9)
    found = [
        module.softmax_cross_entropy_forward(logits, targets, label_smoothing=smoothing)
        for module in twins
    ]
    wide = logits.astype(np.longdouble)
    wide -= wide.max(axis=1, keepdims=True)
    surprise = np.log(np.exp(wide).sum(axis=1, keepdims=True)) - wide
    wanted = np.eye(classes)[targets] * (1 - smoothing) + smoothing / classes
    exact = float((wanted * surprise).sum(axis=1).mean())
    for loss, probabilities in found:
        assert np.isfinite(loss)
        assert loss == pytest.approx(exact, rel=1e-6)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(found[0][1], found[1][1])
    gradients = [
        module.softmax_cross_entropy_backward(found[0][1], targets, label_smoothing=smoothing)
        for module in twins
    ]
    np.testing.assert_allclose(gradients[0], gradients[1], rtol=1e-6, atol=1e-9)


def test_a_network_with_such_logits_reports_one_loss():
    found = []
    for backend in ("compiled", "reference"):
        init = np.array([[3e38], [-3e38], [1e38]])
        network = Network([Linear(1, 3, init=init)], SoftmaxCrossEntropy(), backend=backend)
        x, y = np.array([[1.0], [0.5], [-1.0]]), np.array([1, 0, 2])
        found.append((network.loss(x, y), network.gradients(x, y)[0]))
        assert np.isfinite(found[-1]).all()
    np.testing.assert_allclose(*found, rtol=1e-6)
