"""A training step in two halves, ``loss_and_gradient`` and ``apply_gradient``."""

import copy
import pickle

import numpy as np
import pytest

import densenet as dn
from densenet import Adam, BatchNorm, Dropout, Linear, Network, Sigmoid, SoftmaxCrossEntropy
from densenet._network.learner import Learner
from tests.support.assertions import assert_same_bits
from tests.support.networks import ACTIVATIONS, INPUTS, LOSSES, OUTPUTS, make, targets
from tests.support.threads import assert_same_for_all_numbers

OPTIMIZERS = [
    dn.SGD(lr=0.05),
    dn.SGD(lr=0.03, momentum=0.9, dampening=0.5, l2=0.01),
    dn.SGD(lr=0.02, momentum=0.9, nesterov=True, l1=1e-3, clip_value=0.05),
    dn.RMSprop(lr=2e-3, l1=1e-3, clip_norm=0.1),
    dn.Adam(lr=3e-3, l1=1e-3, l2=0.01),
    dn.Adam(lr=dn.CosineLR(0.1, 4), clip_value=0.02, clip_norm=0.05),
    dn.AdamW(lr=3e-3, weight_decay=0.1, clip_norm=0.5),
]
LAYERS = [
    BatchNorm(INPUTS),
    Linear(INPUTS, 6),
    *ACTIVATIONS,
    Dropout(0.3),
    dn.Residual([Linear(6, 6, bias=False), dn.LayerNorm(6), Dropout(0.2)]),
    BatchNorm(6),
    Linear(6, OUTPUTS),
]


class Own:
    """A loss of the user's own, which looks at the squares alone."""

    def forward(self, outputs, targets):
        return float(np.mean((outputs - targets) ** 2))

    def backward(self, outputs, targets):
        return 2 * (outputs - targets) / outputs.size


def halves(network, x, y, optimizer, *weight, **options):
    loss, gradient = network.loss_and_gradient(x, y, *weight, **options)
    network.apply_gradient(gradient, optimizer)
    return loss


def state_of(network):
    """All that a step changes."""
    learner = network._learner
    moments = network.optimizer_state
    return [network.flat, learner.running, *(moments[name] for name in sorted(moments))]


def assert_same_state(ours, twin):
    assert ours.optimizer_state.keys() == twin.optimizer_state.keys()
    for a, b in zip(state_of(ours), state_of(twin), strict=True):
        assert_same_bits(a, b)


def batches(rng, network, rows=9, n=6):
    for _ in range(n):
        x = rng.normal(size=(rows, INPUTS)).astype(network.dtype)
        loss = network.loss_function
        if isinstance(loss, Own):
            yield x, rng.normal(size=(rows, OUTPUTS))
        else:
            y = targets(rng, loss, rows)
            yield x, y if y.ndim == 1 else y.astype(network.dtype)


def step_by_step(rng, ours, twin, optimizer, weight=None):
    """Take steps with both: in halves and whole."""
    out = np.empty_like(ours.flat)
    for number, (x, y) in enumerate(batches(rng, ours)):
        given = {} if number % 2 else {"out": out}
        assert halves(ours, x, y, optimizer, weight, **given) == twin.train_step(
            x, y, optimizer, weight
        )
        assert_same_state(ours, twin)


# ---- the same bits as whole steps ----------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("weighted", [False, True])
def test_two_halves_are_a_step(engine, dtype, rng, optimizer, weighted):
    weight = rng.uniform(size=9) if weighted else None
    ours, twin = (make(LAYERS, SoftmaxCrossEntropy(0.1), engine, dtype) for _ in range(2))
    step_by_step(rng, ours, twin, optimizer, weight)


@pytest.mark.parametrize("loss", [*LOSSES, Own()], ids=lambda loss: type(loss).__name__)
def test_two_halves_are_a_step_with_every_loss(engine, dtype, rng, loss):
    layers = [*LAYERS, dn.Softmax()] if isinstance(loss, dn.CrossEntropy) else LAYERS
    ours, twin = (make(layers, loss, engine, dtype) for _ in range(2))
    step_by_step(rng, ours, twin, dn.Adam(clip_norm=0.1, clip_value=0.05))


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_the_halves_of_both_backends_agree(dtype, rng, optimizer):
    """Without activations whose slope jumps, where a rounding may decide."""
    layers = [Linear(INPUTS, 6), BatchNorm(6), Sigmoid(), Dropout(0.3), Linear(6, OUTPUTS)]
    ours = make(layers, SoftmaxCrossEntropy(), "compiled", dtype)
    twin = make(layers, SoftmaxCrossEntropy(), "reference", dtype)
    tolerance = {"rtol": 1e-3, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-8, "atol": 1e-9}
    part = {"first_row": 5, "total_weight": 30}
    for x, y in batches(rng, ours):
        loss, gradient = ours.loss_and_gradient(x, y, **part)
        its_loss, its_gradient = twin.loss_and_gradient(x, y, **part)
        np.testing.assert_allclose(loss, its_loss, **tolerance)
        np.testing.assert_allclose(gradient, its_gradient, **tolerance)
        norms = [each.apply_gradient(gradient, optimizer) for each in (ours, twin)]
        np.testing.assert_allclose(*norms, rtol=1e-12)
        np.testing.assert_allclose(ours.flat, twin.flat, **tolerance)
        twin.flat[...] = ours.flat


def test_steps_in_halves_and_whole_take_turns(engine, rng):
    ours, twin = (make(LAYERS, SoftmaxCrossEntropy(), engine) for _ in range(2))
    adam = Adam()
    for number, (x, y) in enumerate(batches(rng, ours)):
        if number % 3 == 0:
            halves(ours, x, y, adam)
        elif number % 3 == 1:
            ours.train_step(x, y, adam)
        else:
            ours.fit(x, y, epochs=1, shuffle=False, optimizer=adam)
        twin.train_step(x, y, adam)
        assert_same_state(ours, twin)


def refuse(*_, **__):
    raise AssertionError


def test_what_is_prepared_is_the_ordinary_way(dtype, rng, monkeypatch):
    ours, twin = (make(LAYERS, SoftmaxCrossEntropy(), dtype=dtype) for _ in range(2))
    adam, out = Adam(clip_norm=0.1), np.empty_like(ours.flat)
    part = {"first_row": 3, "total_weight": 40.5, "out": out}
    for number, (x, y) in enumerate(batches(rng, ours)):
        with monkeypatch.context() as context:
            if number > 0:  # the first has settled what steps have in common
                context.setattr(Learner, "examples", refuse)
                context.setattr("densenet._checks.gradient", refuse)
            loss = halves(ours, x, y, adam, **part)
        twin._learner.prepared = None
        its_loss, gradient = twin.loss_and_gradient(x, y, **part)
        twin._learner.prepared = None
        twin.apply_gradient(gradient, adam)
        assert its_loss == loss
        assert_same_state(ours, twin)


@pytest.mark.parametrize("rows", [1, 7, 64, 65])
def test_any_number_of_threads_gives_the_same_bits(keep_threads, dtype, rng, rows):
    layers = [Linear(300, 300), BatchNorm(300), Dropout(0.2), Sigmoid(), Linear(300, 10)]
    network = Network(layers, SoftmaxCrossEntropy(), dtype=dtype, seed=1)
    x, y = rng.normal(size=(rows, 300)).astype(dtype), rng.integers(10, size=rows)
    adam = Adam(clip_norm=0.1, clip_value=0.01)

    def compute():
        ours, found = copy.deepcopy(network), []
        for first_row in (0, 5):
            loss, gradient = ours.loss_and_gradient(x, y, first_row=first_row, total_weight=99)
            found += [loss, gradient, ours.apply_gradient(gradient, adam)]
        return [*found, *state_of(ours)]

    assert_same_for_all_numbers(compute)


def test_it_is_saved_and_goes_on_like_any_other(engine, rng, tmp_path):
    ours, twin = (make(LAYERS, SoftmaxCrossEntropy(), engine) for _ in range(2))
    optimizer = Adam(lr=dn.CosineLR(0.1, 6))
    path = tmp_path / "network"
    for x, y in batches(rng, ours):
        loss, gradient = ours.loss_and_gradient(x, y)
        ours.save(path)  # between the halves
        ours = Network.load(path, backend=engine)
        ours.apply_gradient(gradient, optimizer)
        ours = pickle.loads(pickle.dumps(ours))
        assert twin.train_step(x, y, optimizer) == loss
        assert_same_state(ours, twin)


# ---- what moves, and when ------------------------------------------------------------------------


def test_dropout_draws_anew_in_each_step(engine):
    network = make([Dropout(0.5), Linear(INPUTS, OUTPUTS)], backend=engine)
    x, y = np.ones((4, INPUTS)), np.zeros((4, OUTPUTS))
    still = dn.SGD(lr=0.0)
    seen = []
    for _ in range(3):
        _, first = network.loss_and_gradient(x, y)
        assert_same_bits(network.loss_and_gradient(x, y)[1], first)  # within a step, the same
        network.apply_gradient(first, still)
        seen.append(first.tobytes())
    assert len(set(seen)) == 3


def test_running_moments_move_with_the_loss_and_not_with_the_update(engine, rng):
    ours, twin = (make(LAYERS, SoftmaxCrossEntropy(), engine) for _ in range(2))
    ((x, y),) = batches(rng, ours, n=1)
    before = ours._learner.running.copy()
    _, gradient = ours.loss_and_gradient(x, y)
    moved = ours._learner.running.copy()
    assert (moved != before).all()
    twin.train_step(x, y, Adam())
    assert_same_bits(moved, twin._learner.running)
    ours.apply_gradient(gradient, Adam())
    assert_same_bits(ours._learner.running, moved)


@pytest.mark.parametrize("what", ["loss", "weights"])
def test_a_batch_that_trains_nothing_moves_no_running_moments(engine, rng, what):
    ours, twin = (make(LAYERS, dn.MeanSquaredError(), engine) for _ in range(2))
    ((x, y),) = batches(rng, ours, n=1)
    weight = np.zeros(len(x)) if what == "weights" else None
    if what == "loss":
        x[3, 2] = np.nan
    before = copy.deepcopy(state_of(ours))
    loss, gradient = ours.loss_and_gradient(x, y, weight)
    np.testing.assert_equal(loss, twin.train_step(x, y, Adam(), weight))
    for now, was in zip(state_of(ours), before, strict=True):
        assert_same_bits(now, was)
    if what == "weights":
        assert loss == 0
        assert not gradient.any()
    else:
        assert not np.isfinite(loss)
        with pytest.raises(ValueError, match="gradient: expected finite numbers, got nan at"):
            ours.apply_gradient(gradient, Adam())
        assert ours.optimizer_state == {}


# ---- the norm ------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, 15, 16, 17, 4096, 4097, 100_003])
def test_the_norm_is_that_before_clipping(engine, dtype, rng, n):
    network = Network(
        [Linear(n, 1, bias=False)], dn.MeanSquaredError(), dtype=dtype, backend=engine
    )
    gradient = rng.normal(size=n).astype(dtype)
    kept, wide = gradient.copy(), gradient.astype(np.float64)
    before = network.flat.astype(np.float64)
    for _ in range(3):  # prepared, too
        norm = network.apply_gradient(gradient, CLIPS)
        assert norm == pytest.approx(np.linalg.norm(wide), rel=1e-12)
        clipped = np.clip(wide, -0.5, 0.5)
        clipped *= min(1, 0.1 / np.linalg.norm(clipped))
        before = before - clipped
        np.testing.assert_allclose(network.flat, before, atol=1e-6 if dtype == "float32" else 1e-12)
    assert_same_bits(gradient, kept)


CLIPS = dn.SGD(lr=1.0, clip_value=0.5, clip_norm=0.1)


def test_numbers_whose_squares_overflow_are_finite(engine):
    layers = [Linear(2, 1, bias=False, init="zeros")]
    network = Network(layers, dn.MeanSquaredError(), dtype="float64", backend=engine)
    sgd = dn.SGD(lr=1e-200)
    for step in range(1, 4):
        assert network.apply_gradient(np.array([1e200, -1e200]), sgd) == np.inf
        np.testing.assert_allclose(network.flat, [-step, step])


# ---- what is refused -----------------------------------------------------------------------------


def bad_outs(network, x, y, weight):
    """What the gradient cannot be written into, and what is said of it."""
    n, dtype = network.n_parameters, network.dtype
    good = np.empty(n, dtype)
    frozen = np.empty(n, dtype)
    frozen.setflags(write=False)
    yield good.tolist(), TypeError, "out: expected a NumPy array"
    yield np.empty(n, "f4"), TypeError, "out: expected float64"
    yield np.empty(n + 1, dtype), ValueError, "out: expected shape"
    yield np.empty((n, 1), dtype), ValueError, "out: expected shape"
    yield np.empty(2 * n, dtype)[::2], ValueError, "out: expected a contiguous array"
    yield good[::-1], ValueError, "out: expected a contiguous array"
    yield frozen, ValueError, "out: expected a writeable array"
    yield good.astype(">f8"), ValueError, "out: expected native byte order"
    yield np.ma.array(good), TypeError, "out: expected an array without a mask"
    yield network.flat, ValueError, "out: expected memory of its own, got some of flat's"
    yield network.optimizer_state["m"], ValueError, "got some of m's"
    yield x.base[:n], ValueError, "got some of x's"
    yield y.base[:n], ValueError, "got some of y's"
    if weight is not None:
        yield weight.base[:n], ValueError, "got some of sample_weight's"


@pytest.mark.parametrize("weighted", [False, True])
def test_an_out_that_cannot_be_used_is_refused_by_name(engine, rng, weighted):
    layers = [Linear(3, 4), Linear(4, 2)]
    network = Network(layers, dn.MeanSquaredError(), dtype="float64", seed=1, backend=engine)
    n = network.n_parameters
    x = rng.normal(size=n)[: 5 * 3].reshape(5, 3)
    y, weight = rng.normal(size=n)[: 5 * 2].reshape(5, 2), rng.uniform(size=n)[:5]
    weight = weight if weighted else None
    network.train_step(x, y, Adam())
    before = pickle.dumps(network), x.base.copy(), y.base.copy()
    for out, error, message in bad_outs(network, x, y, weight):
        with pytest.raises(error, match=message):
            network.loss_and_gradient(x, y, weight, out=out)
        assert pickle.dumps(network) == before[0]
        assert_same_bits(x.base, before[1])
        assert_same_bits(y.base, before[2])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"first_row": -1},
            ValueError,
            r"first_row must be an integer in \[0, .*\], got -1",
        ),
        ({"first_row": 2**32 - 8}, ValueError, "first_row must be an integer"),
        ({"first_row": 1.0}, TypeError, "first_row must be an integer"),
        ({"first_row": 10**30}, ValueError, "first_row must be an integer"),
        ({"total_weight": 0}, ValueError, r"total_weight must be in \(0, inf\), got 0"),
        ({"total_weight": -2.0}, ValueError, "total_weight must be in"),
        ({"total_weight": np.nan}, ValueError, "total_weight must be in"),
        ({"total_weight": np.inf}, ValueError, "total_weight must be in"),
        ({"total_weight": "9"}, TypeError, "total_weight must be a number"),
        ({"x": np.ones((9, 3))}, ValueError, "x: expected shape"),
        ({"y": np.full(9, 77)}, ValueError, "y: expected class indices"),
        ({"sample_weight": -np.ones(9)}, ValueError, "sample_weight: expected"),
    ],
    ids=str,
)
def test_a_part_that_makes_no_sense_is_refused_by_name(engine, rng, options, error, message):
    network = make(LAYERS, SoftmaxCrossEntropy(), engine)
    ((x, y),) = batches(rng, network, n=1)
    network.train_step(x, y, Adam())
    before = pickle.dumps(network)
    with pytest.raises(error, match=message):
        network.loss_and_gradient(**{"x": x, "y": y} | options)
    assert pickle.dumps(network) == before


def test_a_loss_of_ones_own_takes_no_total_weight(engine, rng):
    network = make(LAYERS, Own(), engine)
    ((x, y),) = batches(rng, network, n=1)
    with pytest.raises(TypeError, match=r"total_weight: expected None with a loss .*\(Own\)"):
        network.loss_and_gradient(x, y, total_weight=9)


def bad_gradients(network):
    n, dtype = network.n_parameters, network.dtype
    good = np.ones(n, dtype)
    for value in (np.nan, np.inf, -np.inf):
        bad = good.copy()
        bad[7] = value
        yield bad, ValueError, f"gradient: expected finite numbers, got {value} at 7"
    yield good.tolist(), TypeError, "gradient: expected a NumPy array"
    yield None, TypeError, "gradient: expected a NumPy array"
    yield good.astype("f8"), TypeError, "gradient: expected float32"
    yield good[1:], ValueError, "gradient: expected shape"
    yield good.reshape(1, -1), ValueError, "gradient: expected shape"
    yield np.ma.array(good), TypeError, "gradient: expected an array without a mask"
    yield network.flat, ValueError, "gradient: expected memory of its own, got some of flat's"
    yield network.flat[::-1], ValueError, "got some of flat's"


@pytest.mark.parametrize("same", [True, False], ids=["prepared", "another optimizer"])
def test_a_gradient_that_cannot_be_used_is_refused_by_name(engine, rng, same):
    network = make(LAYERS, SoftmaxCrossEntropy(), engine)
    ((x, y),) = batches(rng, network, n=1)
    adam = Adam()
    network.train_step(x, y, adam)
    before = pickle.dumps(network)
    for gradient, error, message in bad_gradients(network):
        with pytest.raises(error, match=message):
            network.apply_gradient(gradient, adam if same else dn.RMSprop())
        assert pickle.dumps(network) == before
    with pytest.raises(TypeError, match="optimizer: expected an optimizer, got str"):
        network.apply_gradient(np.ones_like(network.flat), "adam")
    assert pickle.dumps(network) == before
    network.flat.setflags(write=False)
    for _ in range(2):
        with pytest.raises(ValueError, match="flat: expected a writeable array"):
            network.apply_gradient(np.ones(network.n_parameters, "f4"), adam)
    assert pickle.dumps(network) == before


@pytest.mark.parametrize("change", [lambda g: np.repeat(g, 2)[::2], lambda g: g.astype(">f4")])
def test_a_gradient_in_any_memory_is_read(engine, rng, change):
    ours, twin = (make(LAYERS, SoftmaxCrossEntropy(), engine) for _ in range(2))
    gradient = rng.normal(size=ours.n_parameters).astype("f4")
    for _ in range(2):
        ours.apply_gradient(change(gradient), CLIPS)
        twin.apply_gradient(gradient, CLIPS)
        assert_same_state(ours, twin)


class Failing(dn.ConstantLR):
    """A schedule that has no rate for the second step."""

    def __call__(self, step):
        if step == 1:
            raise ZeroDivisionError
        return 0.1


@pytest.mark.parametrize("step", [Network.train_step, halves], ids=["whole", "halves"])
def test_a_schedule_that_fails_changes_nothing(engine, rng, step):
    network = make([Linear(INPUTS, OUTPUTS)], SoftmaxCrossEntropy(), engine)
    ((x, y),) = batches(rng, network, n=1)
    step(network, x, y, dn.SGD(momentum=0.5))
    before = copy.deepcopy(state_of(network))
    with pytest.raises(ZeroDivisionError):
        step(network, x, y, dn.SGD(lr=Failing(0.1), momentum=0.5))
    for now, was in zip(state_of(network), before, strict=True):
        assert_same_bits(now, was)


def test_another_class_of_optimizer_discards_the_state_with_a_warning(engine, rng):
    network = make(LAYERS, SoftmaxCrossEntropy(), engine)
    gradient = rng.normal(size=network.n_parameters).astype("f4")
    for _ in range(3):
        network.apply_gradient(gradient, Adam())
    with pytest.warns(UserWarning, match="the state of Adam is discarded") as caught:
        network.apply_gradient(gradient, dn.RMSprop())
    assert caught[0].filename == __file__
    assert network.optimizer_state.keys() == {"step", "v"}
    assert network.optimizer_state["step"] == 1


def test_fit_does_not_resume_over_steps_in_between(engine, rng):
    network = make(LAYERS, SoftmaxCrossEntropy(), engine)
    ((x, y),) = batches(rng, network, n=1)
    adam = Adam()
    network.fit(x, y, epochs=1, optimizer=adam)
    halves(network, x, y, adam)
    with pytest.raises(ValueError, match="resume: expected the optimizer at step 1"):
        network.fit(x, y, epochs=2, optimizer=adam, resume=True)
