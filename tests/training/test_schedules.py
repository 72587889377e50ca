"""What `fit` does to each step: its rate, its clipping, its rows' weights, a loss of one's own."""

import math

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    AdamW,
    ConstantLR,
    CosineLR,
    CrossEntropy,
    Dropout,
    ExponentialLR,
    LayerNorm,
    Linear,
    MeanSquaredError,
    Network,
    Residual,
    RMSprop,
    Softmax,
    SoftmaxCrossEntropy,
    StepLR,
    Tanh,
    WarmupLR,
)
from densenet.schedules import Schedule
from tests.support.assertions import assert_same_bits
from tests.support.backends import ENGINES
from tests.support.examples import labelled

SCHEDULES = {
    "constant": (ConstantLR(0.2), lambda t: 0.2),
    "step": (StepLR(0.2, every=4, factor=0.5), lambda t: 0.2 * 0.5 ** (t // 4)),
    "step by a tenth": (StepLR(0.2, 7), lambda t: 0.2 * 0.1 ** (t // 7)),
    "exponential": (ExponentialLR(0.2, 0.9), lambda t: 0.2 * 0.9**t),
    "cosine": (
        CosineLR(0.2, 10, final=0.02),
        lambda t: 0.02 + 0.09 * (1 + math.cos(math.pi * min(t, 10) / 10)),
    ),
    "warm-up": (WarmupLR(0.2, 4), lambda t: 0.2 * min(t + 1, 5) / 5),
    "warm-up, then cosine": (
        WarmupLR(CosineLR(0.2, 8), 3),
        lambda t: 0.2 * (t + 1) / 4 if t < 3 else 0.1 * (1 + math.cos(math.pi * min(t - 3, 8) / 8)),
    ),
}


@pytest.fixture(params=SCHEDULES.values(), ids=SCHEDULES)
def schedule(request):
    return request.param


def make(engine, loss=None, dtype="float64", layers=None):
    layers = layers or [Linear(5, 8), Tanh(), Linear(8, 3)]
    return Network(layers, loss or SoftmaxCrossEntropy(), dtype=dtype, seed=1, backend=engine)


@pytest.fixture
def data(rng):
    return labelled(rng, 23, 5)


# ---- schedules ---------------------------------------------------------------------------------


def test_a_schedule_is_a_function_of_the_step(schedule):
    rate, formula = schedule
    for step in range(30):
        assert rate(step) == pytest.approx(formula(step), rel=1e-14)
        assert isinstance(rate(step), float)


def test_schedules_are_compared_by_their_settings():
    assert StepLR(0.1, 3) == StepLR(lr=0.1, every=3, factor=0.1)
    assert WarmupLR(0.1, 3) == WarmupLR(ConstantLR(0.1), steps=3)
    assert hash(CosineLR(0.1, 3)) == hash(CosineLR(0.1, 3))
    assert SGD(lr=StepLR(0.1, 3)) != SGD(lr=StepLR(0.1, 4))


@pytest.mark.parametrize(
    ("attempt", "kind", "text"),
    [
        (lambda: StepLR(0.1, 0), ValueError, "every must be an integer >= 1, got 0"),
        (lambda: StepLR(0.1, 2.5), TypeError, "every must be an integer >= 1, got float"),
        (lambda: StepLR(-0.1, 2), ValueError, "lr must be in [0, inf), got -0.1"),
        (lambda: StepLR(0.1, 2, -1), ValueError, "factor must be in [0, inf), got -1"),
        (lambda: ExponentialLR(0.1, math.nan), ValueError, "factor must be in [0, inf), got nan"),
        (lambda: CosineLR(math.inf, 3), ValueError, "lr must be in [0, inf), got inf"),
        (lambda: CosineLR(0.1, 3, -1), ValueError, "final must be in [0, inf), got -1"),
        (lambda: CosineLR(0.1, 0), ValueError, "steps must be an integer >= 1, got 0"),
        (lambda: WarmupLR("fast", 3), TypeError, "after must be a number in [0, inf), got str"),
        (lambda: WarmupLR(0.1, 0), ValueError, "steps must be an integer >= 1, got 0"),
        (
            lambda: Adam(lr=Schedule()),
            TypeError,
            "Schedule: expected a schedule that computes its rates, such as CosineLR, got one "
            "without a method __call__",
        ),
    ],
)
def test_wrong_schedules_are_refused_when_they_are_made(attempt, kind, text):
    with pytest.raises(kind) as caught:
        attempt()
    assert str(caught.value) == text


class OwnLR(Schedule):
    """A schedule of the user's own: these rates, the last one for good."""

    def __init__(self, *rates):
        self.rates = rates

    def __call__(self, step):
        return self.rates[min(step, len(self.rates) - 1)]


def test_a_schedule_of_ones_own_may_give_any_kind_of_number(engine, data):
    trained = []
    for rates in (0.1, 1), (np.float32(0.1), 1.0), (np.float64(0.1), np.int64(1)):
        trained.append(make(engine))
        optimizer = SGD(lr=OwnLR(*rates))
        trained[-1].fit(*data, epochs=1, batch_size=10, optimizer=optimizer, seed=0)
    np.testing.assert_allclose(trained[1].flat, trained[0].flat, rtol=1e-6)
    assert_same_bits(trained[2].flat, trained[0].flat)


@pytest.mark.parametrize(
    ("rate", "kind", "text"),
    [
        (math.nan, ValueError, "lr at step 1 must be in [0, inf), got nan"),
        (-0.1, ValueError, "lr at step 1 must be in [0, inf), got -0.1"),
        (math.inf, ValueError, "lr at step 1 must be in [0, inf), got inf"),
        ("0.1", TypeError, "lr at step 1 must be a number in [0, inf), got str"),
        (None, TypeError, "lr at step 1 must be a number in [0, inf), got None"),
    ],
)
def test_a_schedule_of_ones_own_that_gives_no_rate_is_refused(engine, data, rate, kind, text):
    network, optimizer = make(engine), SGD(lr=OwnLR(0.1, rate))
    before = network.flat.copy()
    with pytest.raises(kind) as caught:
        network.fit(*data, epochs=2, batch_size=10, optimizer=optimizer)
    assert str(caught.value) == text
    assert_same_bits(network.flat, before)
    network.train_step(*data, optimizer)
    before = network.flat.copy()
    with pytest.raises(kind) as caught:
        network.train_step(*data, optimizer)
    assert str(caught.value) == text
    assert_same_bits(network.flat, before)


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (lambda: SGD(lr=-1), "lr must be in [0, inf), got -1"),
        (lambda: SGD(lr=float("nan")), "lr must be in [0, inf), got nan"),
        (lambda: SGD(momentum=1), "momentum must be in [0, 1), got 1"),
        (lambda: SGD(momentum=0.9, dampening=2), "dampening must be in [0, 1], got 2"),
        (lambda: SGD(nesterov=True), "nesterov must be used with momentum > 0"),
        (lambda: RMSprop(beta=-0.1), "beta must be in [0, 1), got -0.1"),
        (lambda: Adam(beta1=1.2), "beta1 must be in [0, 1), got 1.2"),
        (lambda: Adam(eps="tiny"), "eps must be a number in [0, inf), got str"),
        (lambda: AdamW(weight_decay=-1), "weight_decay must be in [0, inf), got -1"),
        (lambda: Adam(l1=-1), "l1 must be in [0, inf), got -1"),
        (lambda: Adam(clip_norm=0), "clip_norm must be in (0, inf), got 0"),
        (lambda: Adam(clip_value=-1), "clip_value must be in (0, inf), got -1"),
    ],
)
def test_wrong_optimizers_are_refused_when_they_are_made(attempt, text):
    with pytest.raises((TypeError, ValueError)) as caught:
        attempt()
    assert str(caught.value).startswith(text)


@pytest.mark.parametrize("rule", [SGD, RMSprop, Adam, AdamW])
def test_fit_takes_each_step_with_its_rate(engine, data, schedule, rule):
    x, y = data
    rate, formula = schedule
    network, by_hand = make(engine), make(engine)
    optimizer = rule(lr=rate, l1=0.01)
    history = network.fit(x, y, epochs=4, batch_size=10, shuffle=False, optimizer=optimizer)
    losses = []
    for step in range(12):
        rows = slice(step % 3 * 10, step % 3 * 10 + 10)
        losses.append(by_hand.train_step(x[rows], y[rows], rule(lr=formula(step), l1=0.01)))
    np.testing.assert_allclose(history.batch_loss, losses, rtol=1e-12)
    np.testing.assert_allclose(network.flat, by_hand.flat, rtol=1e-10, atol=1e-13)
    last = [record["lr"] for record in history.epochs]
    assert last == pytest.approx([formula(step) for step in (2, 5, 8, 11)], rel=1e-14)


def test_a_schedule_goes_on_in_the_next_call(engine, data):
    x, y = data
    optimizer = Adam(lr=WarmupLR(ExponentialLR(0.1, 0.8), 4))
    whole, parts, steps = (make(engine) for _ in range(3))
    options = {"batch_size": 10, "shuffle": False, "optimizer": optimizer}
    curve = whole.fit(x, y, epochs=4, **options).batch_loss
    first, second = parts.fit(x, y, epochs=1, **options), parts.fit(x, y, epochs=3, **options)
    assert first.batch_loss + second.batch_loss == curve
    assert_same_bits(parts.flat, whole.flat)
    for step in range(12):
        rows = slice(step % 3 * 10, step % 3 * 10 + 10)
        assert steps.train_step(x[rows], y[rows], optimizer) == curve[step]
    assert_same_bits(steps.flat, whole.flat)

    whole.reset_optimizer()
    again = whole.fit(x, y, epochs=1, **options)
    assert again.epochs[0]["lr"] == optimizer.lr(2)


def test_a_schedule_of_ones_own(engine, data):
    class Triangle(densenet.schedules.Schedule):
        def __call__(self, step):
            return 0.1 * (1 + abs(step % 4 - 2))

    network = make(engine)
    history = network.fit(*data, epochs=3, batch_size=23, optimizer=SGD(lr=Triangle()))
    assert [record["lr"] for record in history.epochs] == pytest.approx([0.3, 0.2, 0.1])


# ---- clipping ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_clip_norm_limits_the_whole_gradient(engine, data, scale):
    """Over all parameters at once, and not where the gradient is short enough."""
    x, y = data[0], scale * data[0][:, :3]
    network = make(engine, MeanSquaredError())
    _, gradient = network.value_and_gradient(network.flat, x, y)
    limit = 0.5 if scale > 1 else 1e3
    norm, before = np.linalg.norm(gradient), network.flat.copy()
    assert (norm > limit) == (scale > 1)
    network.train_step(x, y, SGD(lr=0.1, clip_norm=limit))
    wanted = gradient * min(1, limit / norm)
    np.testing.assert_allclose(before - network.flat, 0.1 * wanted, rtol=1e-9, atol=1e-14)


def test_clip_value_limits_each_element(engine, data):
    network = make(engine)
    _, gradient = network.value_and_gradient(network.flat, *data)
    limit, before = float(np.median(np.abs(gradient))), network.flat.copy()
    network.train_step(*data, SGD(lr=0.1, clip_value=limit))
    wanted = np.clip(gradient, -limit, limit)
    np.testing.assert_allclose(before - network.flat, 0.1 * wanted, rtol=1e-9, atol=1e-14)


def test_clipping_by_value_comes_before_the_norm_and_both_before_the_penalties(engine, data):
    layers = [Linear(5, 3, bias=False)]
    network = make(engine, layers=layers)
    _, gradient = network.value_and_gradient(network.flat, *data)
    limit, before = float(np.median(np.abs(gradient))), network.flat.copy()
    by_value = np.clip(gradient, -limit, limit)
    norm = float(np.linalg.norm(by_value))
    network.train_step(*data, SGD(lr=0.1, l2=3.0, clip_value=limit, clip_norm=norm / 2))
    wanted = by_value / 2 + 3 * before
    np.testing.assert_allclose(before - network.flat, 0.1 * wanted, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("optimizer", [Adam(clip_norm=1e9), Adam(clip_value=1e9), Adam()], ids=str)
def test_a_limit_out_of_reach_changes_nothing(engine, dtype, data, optimizer):
    """The fused and the unfused plan are the same arithmetic."""
    network, plain = make(engine, dtype=dtype), make(engine, dtype=dtype)
    options = {"epochs": 2, "batch_size": 5, "seed": 1}
    one = network.fit(*data, optimizer=optimizer, **options).batch_loss
    assert one == plain.fit(*data, optimizer=Adam(), **options).batch_loss
    assert_same_bits(network.flat, plain.flat)


# ---- class weights -----------------------------------------------------------------------------


def assert_same_fit(engine, data, weight, class_weight, given=None):
    one, other = make(engine), make(engine)
    options = {"epochs": 3, "batch_size": 5, "seed": 1}
    first = one.fit(*data, class_weight=class_weight, sample_weight=given, **options)
    second = other.fit(*data, sample_weight=weight, **options)
    np.testing.assert_allclose(first.batch_loss, second.batch_loss, rtol=1e-12)
    np.testing.assert_allclose(one.flat, other.flat, rtol=1e-10, atol=1e-13)
    for a, b in zip(first.epochs, second.epochs, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-12)
    plain = make(engine).fit(*data, **options)
    assert not np.allclose(first.batch_loss, plain.batch_loss)


def test_class_weights_are_sample_weights(engine, data):
    assert_same_fit(engine, data, np.array([0.5, 1.0, 4.0])[data[1]], {0: 0.5, 2: 4.0})


def test_class_weights_multiply_sample_weights(engine, data, rng):
    given = rng.uniform(size=23)
    weight = given * np.array([0.5, 0.0, 4.0])[data[1]]
    assert_same_fit(engine, data, weight, {0: 0.5, 1: 0, 2: 4}, given)


def test_balanced_weights_give_each_class_the_same(engine, rng):
    y = np.repeat([0, 1, 2], [15, 6, 2])
    x = rng.normal(size=(23, 5))
    weight = (23 / (3 * np.array([15, 6, 2])))[y]
    assert weight[:15].sum() == pytest.approx(weight[15:21].sum())
    assert_same_fit(engine, (x, y), weight, "balanced")


def test_balanced_weights_where_a_class_is_absent(engine, rng):
    y = np.repeat([0, 2], [15, 8])
    assert_same_fit(
        engine, (rng.normal(size=(23, 5)), y), np.array([1 / 15, 0, 1 / 8])[y], "balanced"
    )


def test_class_weights_of_soft_rows(engine, data, rng):
    """Σ_c T_c w_c."""
    rows, by_class = rng.dirichlet(np.full(3, 0.4), 23), np.array([0.5, 1.0, 4.0])
    assert_same_fit(engine, (data[0], rows), rows @ by_class, {0: 0.5, 2: 4.0})
    balanced = 23 / (3 * rows.sum(axis=0))
    assert_same_fit(engine, (data[0], rows), rows @ balanced, "balanced")


def test_one_hot_rows_weigh_like_indices(engine, data):
    by_index, by_row = (
        make(engine).fit(data[0], y, class_weight={1: 3.0}, seed=1).batch_loss
        for y in (data[1], np.eye(3)[data[1]])
    )
    np.testing.assert_allclose(by_index, by_row, rtol=1e-12)


def test_class_weights_with_probabilities(engine, data):
    layers = [Linear(5, 3), Softmax()]
    one, two = (make(engine, CrossEntropy(), layers=layers) for _ in range(2))
    weight = np.array([1, 1, 3.0])[data[1]]
    first = one.fit(*data, class_weight={2: 3.0}, seed=1).batch_loss
    np.testing.assert_allclose(first, two.fit(*data, sample_weight=weight, seed=1).batch_loss)


@pytest.mark.parametrize(
    ("weights", "kind"),
    [
        ({7: 1.0}, ValueError),
        ({-1: 1.0}, ValueError),
        ({0: -1.0}, ValueError),
        ({0: math.nan}, ValueError),
        ("equal", TypeError),
        ([1.0, 2.0, 3.0], TypeError),
    ],
    ids=str,
)
def test_wrong_class_weights_are_refused(engine, data, weights, kind):
    network = make(engine)
    before = network.flat.copy()
    with pytest.raises(kind, match="class_weight: "):
        network.fit(*data, class_weight=weights)
    assert_same_bits(network.flat, before)


def test_class_weights_need_classes(engine, data):
    with pytest.raises(TypeError, match="class_weight: expected a loss on classes"):
        make(engine, MeanSquaredError()).fit(data[0], data[0][:, :3], class_weight={0: 1.0})


# ---- a loss of one's own -----------------------------------------------------------------------


class Squares:
    """The mean squared error, in Python."""

    def __init__(self):
        self.shapes = []

    def forward(self, outputs, targets):
        self.shapes.append(outputs.shape)
        return float(((outputs - targets) ** 2).mean())

    def backward(self, outputs, targets):
        return 2 * (outputs - targets) / outputs.size


DEEP = [Linear(5, 8), Dropout(0.3), Residual([LayerNorm(8), Tanh()]), Linear(8, 3)]
RULES = [
    SGD(lr=0.1),
    SGD(lr=0.02, momentum=0.9, nesterov=True, l2=0.1),
    RMSprop(l1=0.01),
    Adam(lr=ExponentialLR(0.01, 0.9), clip_norm=0.1),
    AdamW(clip_value=0.01),
]


@pytest.mark.parametrize("optimizer", RULES, ids=str)
def test_a_loss_of_ones_own_equals_the_built_in_one(engine, data, rng, optimizer):
    x, y = data[0], rng.normal(size=(23, 3))
    own, built_in = (
        make(engine, Squares(), layers=DEEP),
        make(engine, MeanSquaredError(), layers=DEEP),
    )
    options = {"epochs": 3, "batch_size": 5, "validation_data": (x[:7], y[:7])}
    one, other = (network.fit(x, y, optimizer=optimizer, **options) for network in (own, built_in))
    np.testing.assert_allclose(one.batch_loss, other.batch_loss, rtol=1e-10)
    np.testing.assert_allclose(own.flat, built_in.flat, rtol=1e-9, atol=1e-12)
    for a, b in zip(one.epochs, other.epochs, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-10)
        assert a["val_loss"] == pytest.approx(b["val_loss"], rel=1e-10)
    assert own.train_step(x, y, optimizer) == pytest.approx(built_in.train_step(x, y, optimizer))
    assert {row.backend for row in own.plan()} == {engine}


def test_a_loss_of_ones_own_has_gradients(engine, data, rng):
    x, y = data[0], rng.normal(size=(23, 3))
    own, built_in = (
        make(engine, Squares(), layers=DEEP),
        make(engine, MeanSquaredError(), layers=DEEP),
    )
    (loss, gradients), (twin, twins) = own.gradients(x, y), built_in.gradients(x, y)
    assert loss == pytest.approx(twin, rel=1e-13)
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, twins[name], rtol=1e-11, atol=1e-14)
    dx, twin_dx = own.input_gradient(x, y), built_in.input_gradient(x, y)
    np.testing.assert_allclose(dx, twin_dx, rtol=1e-11, atol=1e-14)
    assert own.loss(x, y) == pytest.approx(built_in.loss(x, y), rel=1e-13)
    assert densenet.check_gradients(own, x, y) < 1e-5
    np.testing.assert_array_equal(own.predict(x), own.forward(x))


def test_an_error_in_ones_own_loss_reaches_the_caller_and_changes_nothing(data):
    class Broken(Squares):
        def backward(self, outputs, targets):
            raise RuntimeError("no derivative")

    for engine in ENGINES:
        network = make(engine, Broken())
        before = network.flat.copy()
        with pytest.raises(RuntimeError, match="no derivative"):
            network.train_step(data[0], data[0][:, :3], SGD())
        assert_same_bits(network.flat, before)
        assert network.optimizer_state.get("step", 0) == 0


@pytest.mark.parametrize("result", [np.zeros((1, 1)), np.zeros(3), "nothing"], ids=str)
def test_a_gradient_that_does_not_fit_is_refused(engine, data, result):
    class Wrong(Squares):
        def backward(self, outputs, targets):
            return result

    with pytest.raises((TypeError, ValueError), match="backward's result: expected"):
        make(engine, Wrong()).train_step(data[0], data[0][:, :3], SGD())


def test_a_loss_of_ones_own_takes_no_weights(engine, data):
    network = make(engine, Squares())
    with pytest.raises(TypeError, match="sample_weight: expected None with a loss of one's own"):
        network.fit(data[0], data[0][:, :3], sample_weight=np.ones(23))
    with pytest.raises(TypeError, match="class_weight: expected a loss on classes"):
        network.fit(data[0], data[0][:, :3], class_weight="balanced")
