"""Frozen layers and a learning rate for each layer: ``trainable`` and ``lr_factors``."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest

import densenet as dn
from densenet import Adam, BatchNorm, Dropout, Linear, Network, Residual, Sigmoid
from densenet.losses import MeanSquaredError, SoftmaxCrossEntropy
from tests.support.assertions import assert_same_bits
from tests.support.losses import Squares
from tests.support.networks import INPUTS, OUTPUTS, make
from tests.support.threads import assert_same_for_all_numbers

BLOCK = Residual([Linear(6, 6), dn.LayerNorm(6), Residual([Linear(6, 6), Sigmoid()])])
LAYERS = [Linear(INPUTS, 6), Sigmoid(), BatchNorm(6), BLOCK, Dropout(0.2), Linear(6, OUTPUTS)]
OPTIMIZERS = [
    dn.SGD(lr=0.05),
    dn.SGD(lr=0.05, clip_norm=0.05),
    dn.SGD(lr=0.03, momentum=0.9, dampening=0.5, l1=1e-3, l2=0.01),
    dn.SGD(lr=0.02, momentum=0.9, nesterov=True, l1=1e-3, clip_value=0.05),
    dn.RMSprop(lr=2e-3, l1=1e-3, clip_norm=0.1),
    dn.Adam(lr=3e-3, l1=1e-3, l2=0.01),
    dn.Adam(lr=dn.CosineLR(0.1, 6), clip_value=0.02, clip_norm=0.05),
    dn.AdamW(lr=3e-3, weight_decay=0.1),
]
WHAT = [
    {"trainable": {"5"}},
    {"trainable": {"0.bias", "3.2", "5.weight"}},
    {"lr_factors": {"0": 0.25, "0.bias": 3.0, "3": 0.0, "3.1": 0.5, "3.1.bias": 1.0}},
    {"lr_factors": {"0": 0, "2": 0, "3.2.0": 0.1}},
    {"trainable": {"0", "3"}, "lr_factors": {"3": 2.0, "5": 7.0}},
    {"trainable": ()},
]
FROZEN = [
    {"0", "2", "3"},
    {"0.weight", "2", "3.0", "3.1", "5.bias"},
    {"3.0", "3.2"},
    {"0", "2"},
    {"2", "5"},
    {"0", "2", "3", "5"},
]
PAIRS = [(each, (n + shift) % len(WHAT)) for n, each in enumerate(OPTIMIZERS) for shift in (0, 3)]


def with_(optimizer, what):
    return dataclasses.replace(optimizer, **what)


def is_in(name, names):
    """Tell whether one of the names is that of a parameter, or of a layer around it."""
    return any(name == each or name.startswith(f"{each}.") for each in names)


def batches(network, n=4, rows=9):
    rng = np.random.default_rng(4)
    for _ in range(n):
        x = rng.normal(size=(rows, INPUTS)).astype(network.dtype)
        if isinstance(network.loss_function, SoftmaxCrossEntropy):
            yield x, rng.integers(0, OUTPUTS, rows)
        else:
            yield x, rng.normal(size=(rows, OUTPUTS)).astype(network.dtype)


def arrays_of(network):
    """All that a step changes, by name."""
    state = network.optimizer_state
    views = network._learner.layout.views
    moments = {
        f"{kind}.{name}": each
        for kind, moment in state.items()
        if kind != "step"
        for name, each in views(moment).items()
    }
    return dict(network.parameters) | dict(network.running_moments) | moments


def assert_same_state(ours, twin):
    assert ours.optimizer_state.get("step") == twin.optimizer_state.get("step")
    ours, twin = arrays_of(ours), arrays_of(twin)
    assert ours.keys() == twin.keys()
    for name, array in ours.items():
        assert_same_bits(array, twin[name])


# ---- what is frozen ------------------------------------------------------------------------------


@pytest.mark.parametrize(("optimizer", "number"), PAIRS)
def test_what_is_frozen_keeps_its_bits_and_all_else_moves(engine, dtype, optimizer, number):
    what, frozen = WHAT[number], FROZEN[number]
    network = make(LAYERS, SoftmaxCrossEntropy(), engine, dtype)
    ((x, y),) = batches(network, n=1)
    for _ in range(2):  # moments that are not 0
        network.train_step(x, y, optimizer)
    before = {name: array.copy() for name, array in arrays_of(network).items()}
    rule = with_(optimizer, what)
    for x, y in batches(network):
        network.train_step(x, y, rule)
    for name, array in arrays_of(network).items():
        parameter = name.partition(".")[2] if name.partition(".")[0] in optimizer.states else name
        if "running" not in name and is_in(parameter, frozen):
            assert_same_bits(array, before[name])
        else:
            assert (array != before[name]).any(), name
    assert network.optimizer_state["step"] == 6


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_a_head_learns_as_it_would_by_itself(engine, dtype, optimizer):
    """Its norm alone counts, and dropout before it draws."""
    layers = [Linear(INPUTS, 6), BatchNorm(6), Sigmoid(), Linear(6, OUTPUTS)]
    network = make(layers, SoftmaxCrossEntropy(), engine, dtype)
    head = Network(layers[3:], SoftmaxCrossEntropy(), dtype=dtype, backend=engine)
    for name, array in head.parameters.items():
        array[...] = network.parameters[f"3{name[1:]}"]
    body = Network(layers[:3], MeanSquaredError(), dtype=dtype, backend=engine)
    body.flat[...] = network.flat[: body.n_parameters]
    rule = with_(optimizer, {"trainable": {"3"}})
    for x, y in batches(network):
        features = body.forward(x, training=True)
        assert network.train_step(x, y, rule) == head.train_step(features, y, optimizer)
    for name, array in head.parameters.items():
        assert_same_bits(array, network.parameters[f"3{name[1:]}"])


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), Squares()], ids=["built in", "own"])
def test_where_nothing_learns_the_running_moments_move(engine, loss):
    network = make(LAYERS, loss, engine)
    flat, running = network.flat.copy(), network._learner.running.copy()
    for x, y in batches(network):
        network.train_step(x, y, Adam(trainable=(), clip_norm=1.0))
    assert_same_bits(network.flat, flat)
    assert (network._learner.running != running).all()
    assert network.optimizer_state["step"] == 4
    ((x, y),) = batches(network, n=1)
    history = network.fit(x, y, optimizer=Adam(trainable=()), tolerance=1e-9)
    assert history.stopped == "tolerance"  # the norm of nothing is 0


# ---- a rate for each parameter -------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_a_factor_is_one_of_the_learning_rate(engine, dtype, optimizer):
    """Each parameter moves as in a network that learns all of it at that rate."""
    factors = {"0.weight": 0.25, "2": 2.0, "3": 0.5, "5.bias": 3.0}
    ours = make(LAYERS, SoftmaxCrossEntropy(), engine, dtype)
    _, gradient = ours.loss_and_gradient(*next(batches(ours)))
    twins = {factor: copy.deepcopy(ours) for factor in (0.25, 0.5, 1.0, 2.0, 3.0)}
    for _ in range(3):
        ours.apply_gradient(gradient, with_(optimizer, {"lr_factors": factors}))
        for factor, twin in twins.items():
            lr = optimizer.lr
            lr = dn.CosineLR(0.1 * factor, 6) if isinstance(lr, dn.CosineLR) else lr * factor
            twin.apply_gradient(gradient, dataclasses.replace(optimizer, lr=lr))
    for name, array in ours.parameters.items():
        factor = next((f for each, f in factors.items() if is_in(name, {each})), 1.0)
        close = {"rtol": 1e-6 if dtype == "float32" else 1e-13, "atol": 1e-9}
        np.testing.assert_allclose(array, twins[factor].parameters[name], **close)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), Squares()], ids=["built in", "own"])
def test_all_names_and_factors_of_one_change_no_bit(engine, dtype, optimizer, loss):
    names = ("0", "2", "3", "5")
    ones = with_(optimizer, {"trainable": names, "lr_factors": dict.fromkeys(names, 1)})
    ours, twin = (make(LAYERS, loss, engine, dtype) for _ in range(2))
    for x, y in batches(ours):
        assert ours.train_step(x, y, ones) == twin.train_step(x, y, optimizer)
        assert_same_state(ours, twin)


@pytest.mark.parametrize("order", [1, -1])
def test_the_more_particular_name_wins_in_any_order(engine, order):
    names = {"3": 0, "3.2": 0.5, "3.2.0.bias": 0.0, "3.0.weight": 0.25}
    factors = dict(list(names.items())[::order])
    network = make(LAYERS, SoftmaxCrossEntropy(), engine)
    before = {name: each.copy() for name, each in network.parameters.items()}
    network.apply_gradient(np.ones_like(network.flat), dn.SGD(lr=0.1, lr_factors=factors))
    expected = {"3.2.0.weight": 0.5, "3.0.weight": 0.25}
    for name, array in network.parameters.items():
        factor = expected.get(name, 0.0 if name.startswith("3.") else 1.0)
        np.testing.assert_allclose(before[name] - array, 0.1 * factor, atol=1e-6)


# ---- the same bits, however a step is taken ------------------------------------------------------


@pytest.mark.parametrize(("optimizer", "number"), PAIRS)
@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), Squares()], ids=["built in", "own"])
def test_two_halves_and_an_epoch_are_steps(engine, dtype, optimizer, number, loss):
    rule = with_(optimizer, WHAT[number])
    ours, twin, third = (make(LAYERS, loss, engine, dtype) for _ in range(3))
    data = list(batches(ours))
    for x, y in data:
        value, gradient = ours.loss_and_gradient(x, y)
        assert np.isfinite(gradient).all()  # all of it is computed
        ours.apply_gradient(gradient, rule)
        assert twin.train_step(x, y, rule) == value
        assert_same_state(ours, twin)
    x, y = (np.concatenate(each) for each in zip(*data, strict=True))
    third.fit(x, y, epochs=1, batch_size=9, shuffle=False, optimizer=rule)
    assert_same_state(third, twin)


@pytest.mark.parametrize(("optimizer", "number"), PAIRS)
def test_both_backends_agree(dtype, optimizer, number):
    rule = with_(optimizer, WHAT[number])
    ours = make(LAYERS, SoftmaxCrossEntropy(), "compiled", dtype)
    twin = make(LAYERS, SoftmaxCrossEntropy(), "reference", dtype)
    close = {"rtol": 1e-3, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-8, "atol": 1e-9}
    for x, y in batches(ours):
        losses = [each.train_step(x, y, rule) for each in (ours, twin)]
        np.testing.assert_allclose(*losses, **close)
        _, gradient = twin.loss_and_gradient(x, y)
        norms = [each.apply_gradient(gradient, rule) for each in (ours, twin)]
        np.testing.assert_allclose(*norms, rtol=1e-12)
        np.testing.assert_allclose(ours.flat, twin.flat, **close)
        twin.flat[...] = ours.flat


WIDE = [Linear(784, 128), Sigmoid(), Linear(128, 300), Sigmoid(), Linear(300, 10)]


@pytest.mark.parametrize("rows", [1, 2, 33, 200])
@pytest.mark.parametrize("learns", ["0", "2", "4", "2.bias", "0.bias"])
@pytest.mark.parametrize("clip", [None, 0.1])
def test_any_number_of_threads_gives_the_same_bits(keep_threads, dtype, rng, rows, learns, clip):
    """Threads share the first layer by columns and by depth."""
    x = rng.normal(size=(3 * rows + 1, 784)).astype(dtype)
    y = rng.integers(10, size=len(x))
    rule = Adam(trainable={learns}, lr_factors={learns: 0.5}, clip_norm=clip)
    start = Network(WIDE, SoftmaxCrossEntropy(), dtype=dtype, seed=1)

    def compute():
        network = copy.deepcopy(start)
        losses = []
        for shuffle in (False, True):
            given = {"epochs": 1, "batch_size": rows, "shuffle": shuffle, "seed": 2}
            losses += network.fit(x, y, optimizer=rule, **given).batch_loss
        loss, gradient = network.loss_and_gradient(x[:rows], y[:rows])
        norm = network.apply_gradient(gradient, rule)
        return [losses, loss, gradient, norm, network.flat, network.optimizer_state["v"]]

    assert_same_for_all_numbers(compute)


# ---- what frozen layers do not cost --------------------------------------------------------------


def parts_of(network, optimizer):
    """The layers with each part of the backward pass that a step computes."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, INPUTS)), rng.integers(OUTPUTS, size=30)
    profile = network.profile(x, y, optimizer, steps=3)
    return {(each.name, each.part) for each in profile if each.part.endswith("gradient")}


def test_only_what_learners_need_is_computed():
    layers = [Linear(INPUTS, 64), Sigmoid(), Linear(64, 65), Sigmoid(), Linear(65, OUTPUTS)]
    network = Network(layers, SoftmaxCrossEntropy(), seed=1)
    weights = {(name, "weight gradient") for name in ("0", "2", "4")}
    inputs = {(name, "input gradient") for name in ("2", "4")}
    for clip in (None, 1.0):
        assert parts_of(network, Adam(clip_norm=clip)) == weights | inputs
        found = parts_of(network, Adam(clip_norm=clip, trainable={"4"}))
        assert found == {("4", "weight gradient")}
        found = parts_of(network, Adam(clip_norm=clip, trainable={"2"}))
        assert found == {("2", "weight gradient"), ("4", "input gradient")}
        found = parts_of(network, Adam(clip_norm=clip, trainable={"0"}))
        assert found == {("0", "weight gradient")} | inputs
        assert not parts_of(network, Adam(clip_norm=clip, trainable=()))


def test_a_plan_tells_what_is_frozen(engine):
    network = make(LAYERS, SoftmaxCrossEntropy(), engine)
    rule = Adam(trainable={"3.0.bias", "5"})
    rows = {row.name: row for row in network.plan(rule) if row.update}
    frozen = [name for name, row in rows.items() if row.update == "frozen"]
    assert frozen == ["0", "2", "3.1", "3.2.0"]
    if engine == "compiled":
        backward = {row.name: row.backward for row in network.plan(rule)}
        assert [name for name, how in backward.items() if how == "left out"] == ["0", "1", "2"]
        assert (backward["3.0"], backward["5"]) == ("product", "two products")
    assert network.plan(Adam()) == network.plan()


def test_the_gradient_of_what_is_frozen_may_be_anything(engine, dtype):
    network, twin = (make(LAYERS, SoftmaxCrossEntropy(), engine, dtype) for _ in range(2))
    head = Adam(trainable={"5"}, clip_norm=0.1, clip_value=0.05)
    views = network._learner.layout.views
    for x, y in batches(network):  # prepared, too
        _, gradient = network.loss_and_gradient(x, y)
        _, other = twin.loss_and_gradient(x, y)
        views(other)["0.weight"][1, 2] = np.nan
        views(other)["3.1.bias"][...] = np.inf
        norms = network.apply_gradient(gradient, head), twin.apply_gradient(other, head)
        learning = [views(gradient)[name].ravel() for name in ("5.weight", "5.bias")]
        assert norms[0] == norms[1]
        assert norms[0] == pytest.approx(np.linalg.norm(np.concatenate(learning)), rel=1e-6)
        assert_same_state(network, twin)
        views(other)["5.bias"][1] = np.nan
        with pytest.raises(ValueError, match="gradient: expected finite numbers, got nan at"):
            twin.apply_gradient(other, head)
        assert_same_state(network, twin)


# ---- the description -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [dn.SGD, dn.RMSprop, dn.Adam, dn.AdamW])
def test_a_description_is_a_value(kind):
    one = kind(trainable={"4", "6.weight"}, lr_factors={"6": 0.5, "4": 2})
    same = kind(trainable=["6.weight", "4", "4"], lr_factors={"4": 2.0, "6": 0.5})
    assert (one, hash(one), repr(one)) == (same, hash(same), repr(same))
    assert one != kind(trainable={"4"}, lr_factors={"6": 0.5, "4": 2})
    assert one != kind(trainable={"4", "6.weight"}, lr_factors={"6": 0.5, "4": 3})
    assert "trainable=('4', '6.weight'), lr_factors={'4': 2.0, '6': 0.5}" in repr(one)
    for copied in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), dataclasses.replace(one)):
        assert (copied, hash(copied)) == (one, hash(one))
    assert one.settings() == kind().settings()
    assert kind().trainable is kind().lr_factors is None
    given = {"4": 1.0}
    kept = kind(lr_factors=given)
    given["4"] = 2.0
    assert kept.lr_factors == {"4": 1.0}


def test_an_optimizer_that_was_pickled_without_the_fields_comes_back():
    old = object.__new__(Adam)
    vars(old).update(
        {k: v for k, v in vars(Adam()).items() if k not in ("trainable", "lr_factors")}
    )
    assert pickle.loads(pickle.dumps(old)) == Adam()


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"lr_factors": {"0": -1}}, ValueError, r"lr_factors\['0'\] must be in \[0, inf\), got -1"),
        ({"lr_factors": {"0": np.inf}}, ValueError, r"lr_factors\['0'\] must be in"),
        ({"lr_factors": {"0": np.nan}}, ValueError, r"lr_factors\['0'\] must be in"),
        ({"lr_factors": {"0": "1"}}, TypeError, r"lr_factors\['0'\] must be a number"),
        ({"lr_factors": {0: 1.0}}, TypeError, "lr_factors: expected a mapping .*, got the key 0"),
        ({"lr_factors": ["0"]}, TypeError, "lr_factors: expected a mapping from names"),
        (
            {"lr": 1e200, "lr_factors": {"0": 1, "1": 1e200}},
            ValueError,
            r"lr_factors\['1'\]: expected a factor that leaves lr finite, got 1e\+200 for lr=1e",
        ),
        ({"trainable": "0"}, TypeError, "trainable: expected names, each a str, got"),
        ({"trainable": [0]}, TypeError, r"trainable\[0\]: expected a str, got"),
        ({"trainable": True}, TypeError, "trainable: expected names"),
    ],
)
def test_what_names_nothing_is_refused_at_once(given, error, message):
    with pytest.raises(error, match=f"^{message}"):
        Adam(**given)


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_a_rate_of_a_schedule_that_a_factor_makes_infinite_is_refused(backend):
    network = dn.Network([dn.Linear(1, 1)], dn.MeanSquaredError(), backend=backend, seed=0)
    rule = dn.SGD(lr=dn.StepLR(1e-9, 2, 1e300), lr_factors={"0": 1e20})
    steps = [network.train_step([[0.0]], network.predict([[0.0]]), rule) for _ in range(2)]
    before = network.flat.copy()
    message = r"^lr_factors\['0'\]: expected a factor that leaves lr finite, got 1e\+20 for lr=1e"
    with pytest.raises(ValueError, match=message):
        network.train_step([[0.0]], [[0.0]], rule)
    assert len(steps) == 2
    np.testing.assert_array_equal(network.flat, before)


CALLS = {
    "train_step": lambda n, x, y, o: n.train_step(x, y, o),
    "fit": lambda n, x, y, o: n.fit(x, y, optimizer=o),
    "apply_gradient": lambda n, x, y, o: n.apply_gradient(np.ones_like(n.flat), o),
    "plan": lambda n, x, y, o: n.plan(o),
    "profile": lambda n, x, y, o: n.profile(x, y, o),
    "lr_range_test": lambda n, x, y, o: dn.lr_range_test(n, x, y, o),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("name", ["1", "4", "6", "5.weights", "3.1.0", "3.", "", "0.weight.0"])
@pytest.mark.parametrize("kind", ["trainable", "lr_factors"])
def test_an_unknown_name_is_refused_by_the_network(engine, call, name, kind):
    if call == "profile" and engine == "reference":
        pytest.skip("not applicable: the reference has no profile")
    network = make(LAYERS, SoftmaxCrossEntropy(), engine)
    ((x, y),) = batches(network, n=1)
    network.train_step(x, y, Adam())
    before = pickle.dumps(network)
    rule = dn.SGD(**{kind: {"0": 1.0, name: 1.0}})  # of another class: no warning comes first
    with pytest.raises(ValueError, match="got") as caught:
        CALLS[call](network, x, y, rule)
    assert str(caught.value) == (
        f"{kind}: expected names of parameters ({', '.join(network.parameters)}) or of layers that "
        f"have some, got {name!r}"
    )
    assert pickle.dumps(network) == before


# ---- trainings that are left ---------------------------------------------------------------------


def test_training_is_resumed_with_the_same_names_alone(engine, tmp_path):
    ours, twin = (make(LAYERS, SoftmaxCrossEntropy(), engine) for _ in range(2))
    ((x, y),) = batches(ours, n=1, rows=20)
    given = {"batch_size": 6, "seed": 3}
    rule = Adam(trainable={"5", "3"}, lr_factors={"5": 2, "3.0": 0.5})
    ours.fit(x, y, epochs=2, optimizer=rule, **given)
    ours.save(tmp_path / "network")
    ours = Network.load(tmp_path / "network", backend=engine)
    for other in (
        Adam(),
        Adam(trainable={"5", "3"}),
        dataclasses.replace(rule, trainable=None),
        dataclasses.replace(rule, lr_factors={"5": 2, "3.0": 0.25}),
    ):
        with pytest.raises(ValueError, match=r"^optimizer: expected Adam\("):
            ours.fit(x, y, epochs=4, optimizer=other, resume=True, **given)
    same = Adam(trainable=("3", "5"), lr_factors={"3.0": 0.5, "5": 2.0})
    ours.fit(x, y, epochs=4, optimizer=same, resume=True, **given)
    twin.fit(x, y, epochs=4, optimizer=rule, **given)
    assert_same_state(ours, twin)
