"""What each layer does, alone and in networks, on both backends."""

import copy
import itertools

import numpy as np
import pytest

import densenet as dn
from densenet import reference
from densenet.initializers import INITIALIZERS
from tests.support.assertions import assert_same_bits, assert_ulp
from tests.support.networks import ACTIVATIONS, INPUTS, LOSSES, OUTPUTS, make, targets

OPTIMIZERS = [
    dn.SGD(lr=0.05),
    dn.SGD(lr=0.03, momentum=0.9, dampening=0.5, l2=0.01),
    dn.SGD(lr=0.02, momentum=0.9, nesterov=True, l1=1e-3, clip_value=0.05),
    dn.RMSprop(lr=2e-3, eps=1e-2, l1=1e-3),
    dn.Adam(lr=3e-3, eps=1e-2, l1=1e-3, l2=0.01),
    dn.AdamW(lr=3e-3, eps=1e-2, weight_decay=0.1, clip_norm=0.5),
]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, dn.SGD(clip_norm=1.0)], ids=str)
def test_the_plan_says_compiled(loss, optimizer, dtype, rng):
    layers = [
        dn.BatchNorm(7),
        dn.Residual([dn.Dropout(0.1), dn.LayerNorm(7)]),
        *ACTIVATIONS,
        dn.Linear(7, 4),
    ]
    layers += [dn.Softmax()] if isinstance(loss, dn.CrossEntropy) else []
    network = make(layers, loss, dtype=dtype)
    network.train_step(rng.normal(size=(5, 7)), targets(rng, loss, 5), optimizer)
    plan = network.plan()
    assert {row.backend for row in plan} == {"compiled"}
    assert len(plan) == len(layers) + 3  # the block's two layers, and its end


# ---- gradients ---------------------------------------------------------------------------------

EVERY = [
    *ACTIVATIONS,
    dn.Softmax(),
    dn.Dropout(0.5),
    dn.LayerNorm(6),
    dn.BatchNorm(6),
    dn.Linear(6, 6, bias=False),
    dn.Residual([dn.Linear(6, 3), dn.Tanh(), dn.Linear(3, 6)]),
    dn.Residual([dn.Residual([dn.BatchNorm(6), dn.Sigmoid()]), dn.Residual([dn.Linear(6, 6)])]),
]


@pytest.mark.parametrize("layer", EVERY, ids=str)
def test_check_gradients(layer, engine, rng):
    layers = [dn.Linear(INPUTS, 6), layer, dn.Linear(6, 6), layer, dn.Linear(6, OUTPUTS)]
    network = make(layers, dn.MeanSquaredError(), engine)
    x, y = rng.normal(size=(5, INPUTS)), rng.normal(size=(5, OUTPUTS))
    before = network.flat.copy(), copy.deepcopy(network.running_moments)
    assert dn.check_gradients(network, x, y) < 1e-5
    assert_same_bits(network.flat, before[0])
    for name, array in network.running_moments.items():
        assert_same_bits(array, before[1][name])


@pytest.mark.parametrize("layer", EVERY, ids=str)
def test_gradients_in_training_mode(layer, engine, rng):
    """With the batch's own moments and this step's mask, too."""
    layers = [dn.Linear(INPUTS, 6), layer, dn.Linear(6, OUTPUTS)]
    network = make(layers, dn.MeanSquaredError(), engine, "float64")
    x, dy = rng.normal(size=(5, INPUTS)), rng.normal(size=(5, OUTPUTS))
    dx, gradients = network.backward(x, dy)
    gradients["input"] = dx
    for name, array in [*network.parameters.items(), ("input", x)]:
        for place in itertools.islice(np.ndindex(array.shape), 0, None, 7):
            value, sums = array[place], []
            for moved in (value + 1e-6, value - 1e-6):
                array[place] = moved
                sums.append((dy * network.forward(x, training=True)).sum())
            array[place] = value
            numeric = (sums[0] - sums[1]) / 2e-6
            assert gradients[name][place] == pytest.approx(numeric, rel=1e-5, abs=1e-7), name


# ---- dropout -----------------------------------------------------------------------------------


def masks(network, x):
    """What training keeps, where every input is 1."""
    return network.forward(x, training=True) != 0


def dropped(rate, engine="compiled", width=64, layers=1, dtype="float64", seed=1):
    """Dropout alone: the last layer makes the width known and changes nothing."""
    end = dn.Linear(width, width, bias=False, init=np.eye(width))
    stack = [*[dn.Dropout(rate)] * layers, end]
    return dn.Network(stack, dn.MeanSquaredError(), dtype=dtype, seed=seed, backend=engine)


@pytest.mark.parametrize("rate", [0.0, 0.1, 0.5, 0.9])
def test_dropout_keeps_a_share_and_scales_it(rate, engine, dtype):
    x = np.ones((500, 64))
    network = dropped(rate, engine, dtype=dtype)
    y = network.forward(x, training=True)
    assert set(np.unique(y)) <= {0, dtype.type(1 / (1 - rate))}
    deviation = np.sqrt(rate * (1 - rate) / x.size)
    assert abs((y == 0).mean() - rate) <= 4 * deviation
    assert y.mean() == pytest.approx(1, abs=4 * deviation / (1 - rate) + 1e-6)
    for axis in (0, 1):  # no row and no column is special
        share = (y == 0).mean(axis=axis)
        assert np.abs(share - rate).max() <= 5.5 * np.sqrt(rate * (1 - rate) / x.shape[axis])
    assert_same_bits(network.forward(x), x.astype(dtype))  # evaluation


@pytest.mark.parametrize("width", [1, 3, 4, 5, 64, 65])
@pytest.mark.usefixtures("keep_threads")
def test_the_mask_is_the_same_in_both_backends_on_any_threads(width):
    x = np.ones((300, width))
    expected = masks(dropped(0.4, "reference", width), x)
    for threads in (1, 2, 3, 5, 7):
        dn.set_num_threads(threads)
        np.testing.assert_array_equal(masks(dropped(0.4, "compiled", width), x), expected)
    short = masks(dropped(0.4, "compiled", width), x[:17])
    np.testing.assert_array_equal(short, expected[:17])


def test_the_mask_is_another_for_each_step_layer_seed_and_row(engine):
    x, rate = np.ones((200, 64)), 0.5
    network = dropped(rate, engine)
    found = [masks(network, x)]
    np.testing.assert_array_equal(found[0], masks(network, x))  # a look does not move it on
    for _ in range(2):
        network.train_step(x, x, dn.SGD(lr=0.0))
        found.append(masks(network, x))
    found.append(masks(dropped(rate, engine, seed=2), x))
    behind = dropped(rate, engine)
    shifted = dn.Network(
        [dn.Identity(), *behind.layers], dn.MeanSquaredError(), seed=1, backend=engine
    )
    found.append(masks(shifted, x))
    found += [np.roll(found[0], 1, axis=0), np.roll(found[0], 1, axis=1)]
    found += [np.roll(found[0], 4, axis=1)]
    for one, other in itertools.combinations(found, 2):  # as if tossed independently
        assert abs((one == other).mean() - 0.5) < 5 * 0.5 / np.sqrt(x.size)

    two = masks(dropped(rate, engine, layers=2), x)
    assert two.mean() == pytest.approx(0.25, abs=5 * np.sqrt(0.25 * 0.75 / x.size))


def test_dropout_sends_the_gradient_through_its_mask(engine, rng):
    network = dropped(0.3, engine)
    x, dy = rng.normal(size=(2, 9, 64))
    dx, _ = network.backward(x, dy)
    np.testing.assert_array_equal(dx != 0, masks(network, x))
    np.testing.assert_allclose(dx[dx != 0], dy[dx != 0] / 0.7, rtol=1e-12)
    np.testing.assert_array_equal(network.backward(x, dy, training=False)[0], dy)


# ---- normalisation -----------------------------------------------------------------------------


def test_batch_norm_by_hand(engine, dtype, rng):
    network = make(
        [dn.BatchNorm(5), dn.Linear(5, 5, bias=False, init=np.eye(5))], None, engine, dtype
    )
    network.parameters["1.weight"][...] = np.eye(5)
    p, moments = network.parameters, network.running_moments
    x = rng.normal(3, 2, size=(11, 5))
    held = {name: array.astype(float) for name, array in moments.items()}
    scale, shift = (p[f"0.{name}"].astype(float) for name in ("weight", "bias"))

    standard = (x - x.mean(axis=0)) / np.sqrt(x.var(axis=0) + 1e-5)
    tolerance = {"rtol": 1e-4, "atol": 1e-5} if dtype == np.float32 else {"rtol": 1e-11}
    trained = network.forward(x, training=True)
    np.testing.assert_allclose(trained, standard * scale + shift, **tolerance)
    for name, array in moments.items():
        np.testing.assert_array_equal(array, held[name])  # only a step moves them

    network.train_step(x, x, dn.SGD(lr=0.0))
    wanted_mean = 0.9 * held["0.running_mean"] + 0.1 * x.mean(axis=0)
    wanted_var = 0.9 * held["0.running_var"] + 0.1 * x.var(axis=0, ddof=1)
    np.testing.assert_allclose(moments["0.running_mean"], wanted_mean, **tolerance)
    np.testing.assert_allclose(moments["0.running_var"], wanted_var, **tolerance)
    predicted = (x - wanted_mean) / np.sqrt(wanted_var + 1e-5) * scale + shift
    np.testing.assert_allclose(network.forward(x), predicted, **tolerance)
    one_by_one = [network.forward(row[None])[0] for row in x]  # rows do not see each other
    np.testing.assert_allclose(one_by_one, network.forward(x), **tolerance)


def test_running_moments_move_once_in_each_step(engine, rng):
    """Whatever computes the step: fused, unfused, stepwise, with a loss of one's own."""

    class Squares:
        def forward(self, outputs, targets):
            return float(((outputs - targets) ** 2).mean())

        def backward(self, outputs, targets):
            return 2 * (outputs - targets) / outputs.size

    class Watcher(dn.Callback):
        def on_step_end(self, network, step, loss):
            return False

    x, y = rng.normal(1, 2, size=(30, 5)), rng.normal(size=(30, 2))
    found = {}
    for name, loss, optimizer, callbacks in [
        ("fused", dn.MeanSquaredError(), dn.SGD(lr=0.0), ()),
        ("unfused", dn.MeanSquaredError(), dn.SGD(lr=0.0, clip_norm=0.1), ()),
        ("stepwise", dn.MeanSquaredError(), dn.SGD(lr=0.0), [Watcher()]),
        ("custom", Squares(), dn.SGD(lr=0.0), ()),
    ]:
        layers = [dn.BatchNorm(5), dn.Linear(5, 2)]
        network = dn.Network(layers, loss, dtype="float64", seed=1, backend=engine)
        network.fit(
            x, y, epochs=1, batch_size=10, shuffle=False, optimizer=optimizer, callbacks=callbacks
        )
        found[name] = network.running_moments["0.running_mean"].copy()
    mean = np.zeros(5)
    for begin in (0, 10, 20):
        mean = 0.9 * mean + 0.1 * x[begin : begin + 10].mean(axis=0)
    for name, moments in found.items():
        np.testing.assert_allclose(moments, mean, rtol=1e-12, err_msg=name)


def test_a_step_without_weight_moves_no_moments(engine, rng):
    network = make([dn.BatchNorm(5), dn.Linear(5, 2)], None, engine)
    held = copy.deepcopy(network.running_moments)
    x, y = rng.normal(size=(6, 5)), rng.normal(size=(6, 2))
    network.train_step(x, y, dn.SGD(), sample_weight=np.zeros(6))
    for name, array in network.running_moments.items():
        assert_same_bits(array, held[name])


# ---- threads -----------------------------------------------------------------------------------


@pytest.mark.parametrize("clip_norm", [None, 0.1], ids=["fused", "unfused"])
@pytest.mark.parametrize("rows", [1, 7, 50, 129, 700])
@pytest.mark.usefixtures("keep_threads")
def test_training_is_bitwise_equal_on_any_threads(dtype, rng, rows, clip_norm):
    block = [dn.Linear(130, 65), dn.BatchNorm(65), dn.GELU(), dn.Dropout(0.3), dn.Linear(65, 130)]
    layers = [
        dn.BatchNorm(40),
        dn.Linear(40, 130),
        dn.Residual([*block, dn.Residual([dn.LayerNorm(130), dn.SiLU()])]),
        dn.Dropout(0.2),
        dn.Linear(130, 10),
    ]
    x, y = rng.normal(size=(rows, 40)), rng.integers(0, 10, rows)
    weight = rng.uniform(size=rows)
    expected = None
    for threads in (1, 2, 3, 5, 7):
        dn.set_num_threads(threads)
        network = make(layers, dn.SoftmaxCrossEntropy(), dtype=dtype)
        optimizer = dn.Adam(clip_norm=clip_norm, l1=1e-4)
        losses = [network.train_step(x, y, optimizer, sample_weight=weight) for _ in range(3)]
        moments = list(network.running_moments.values())
        found = [np.array(losses), network.flat, *moments, network.forward(x)]
        found += [network.optimizer_state["v"], network.input_gradient(x, y, training=True)]
        expected = found if expected is None else expected
        for array, one in zip(found, expected, strict=True):
            assert_same_bits(array, one)


# ---- how weights start -------------------------------------------------------------------------

VARIANCES = {"glorot": 2 / (300 + 500), "he": 2 / 300, "lecun": 1 / 300, "pytorch": 1 / 900}


@pytest.mark.parametrize("name", [name for name in INITIALIZERS if name != "zeros"])
def test_initializers_have_their_variance(name):
    layers = [dn.Linear(300, 500, init=name)]
    network, twin = (dn.Network(layers, dn.MeanSquaredError(), seed=1) for _ in range(2))
    assert_same_bits(network.flat, twin.flat)
    weight, bias = (array.astype(float) for array in network.parameters.values())
    variance = VARIANCES[name.partition("_")[0]]
    assert bool(bias.any()) == (name == "pytorch")
    assert abs(weight.mean()) < 5 * np.sqrt(variance / weight.size)
    assert weight.var() == pytest.approx(variance, rel=0.02)
    kurtosis = (weight**4).mean() / weight.var() ** 2
    assert kurtosis == pytest.approx(3 if "normal" in name else 1.8, rel=0.03)
    if "normal" not in name:
        assert np.abs(weight).max() == pytest.approx(np.sqrt(3 * variance), rel=1e-3)


def test_pytorch_s_initializer_draws_its_biases_as_well(engine, dtype):
    layers = [dn.Linear(16, 3000, init="pytorch"), dn.Linear(3000, 2, bias=False, init="pytorch")]
    network = dn.Network(layers, dn.MeanSquaredError(), dtype=dtype, seed=1, backend=engine)
    bias = network.parameters["0.bias"].astype(float)
    assert np.abs(bias).max() == pytest.approx(1 / 4, rel=1e-2)  # 1 / √16
    assert bias.var() == pytest.approx(1 / 48, rel=0.05)
    assert abs(bias.mean()) < 5 * np.sqrt(1 / 48 / bias.size)


def test_the_first_layers_give_hidden_outputs(engine, dtype, rng):
    layers = [
        *(dn.Dropout(0.25), dn.Tanh(), dn.Linear(7, 5), dn.BatchNorm(5), dn.ReLU()),
        *(dn.Residual([dn.Linear(5, 64), dn.GELU(), dn.BatchNorm(64), dn.Linear(64, 5)]),),
        *(dn.LayerNorm(5), dn.Dropout(0.5), dn.Linear(5, 3), dn.Softmax()),
    ]
    network = dn.Network(layers, dn.CrossEntropy(), dtype=dtype, seed=1, backend=engine)
    x, y = rng.normal(size=(65, 7)).astype(dtype), rng.dirichlet(np.ones(3), 65)
    network.fit(x, y, epochs=2, batch_size=13)
    for upto in range(3, len(layers)):
        part = dn.Network(layers[:upto], dn.MeanSquaredError(), dtype=dtype, backend=engine)
        part.flat[:] = network.flat[: part.n_parameters]
        for name, array in part.running_moments.items():
            array[:] = network.running_moments[name]
        found = network.forward(x, upto=upto)
        assert_same_bits(found, part.forward(x))
        assert_same_bits(found, network.forward(x, upto=upto - len(layers)))
    assert_same_bits(network.forward(x, upto=1), x)
    assert_ulp(network.forward(x, upto=2), np.tanh(x.astype(float)).astype(dtype))
    assert_same_bits(network.forward(x, upto=len(layers)), network.forward(x))


def test_hidden_outputs_in_training_are_those_of_the_next_step(engine, dtype, rng):
    layers = [dn.Linear(7, 5), dn.BatchNorm(5), dn.Dropout(0.5), dn.Linear(5, 3), dn.Softmax()]
    network = make(layers, dn.CrossEntropy(), engine, dtype)
    x = rng.normal(size=(65, 7)).astype(dtype)
    before = copy.deepcopy(network.running_moments)
    logits = network.forward(x, training=True, upto=-1)
    expected = reference.softmax_forward(logits)
    assert_ulp(network.forward(x, training=True), expected)  # hence with the same draws
    hidden = network.forward(x, training=True, upto=3)
    assert 0.3 < (hidden == 0).mean() < 0.7
    for name, array in network.running_moments.items():
        assert_same_bits(array, before[name])


def test_hidden_outputs_that_are_none_are_refused(engine, rng):
    network = make([dn.Linear(2, 3), dn.ReLU(), dn.Linear(3, 1)], backend=engine)
    for wrong in (0, 4, -3):
        with pytest.raises(ValueError, match=r"^upto(:| must be)"):
            network.forward(rng.normal(size=(4, 2)), upto=wrong)
    with pytest.raises(TypeError, match=r"^upto must be an integer in \[-2, 3\], got"):
        network.forward(rng.normal(size=(4, 2)), upto="ReLU")


def test_an_array_of_ones_own_is_copied(engine, dtype, rng):
    own = rng.normal(size=(3, 7))
    layers = [dn.Linear(7, 5, init="zeros"), dn.Linear(5, 3), dn.Linear(3, 7, init=own.T)]
    network = dn.Network(layers, dn.MeanSquaredError(), dtype=dtype, backend=engine)
    assert not network.parameters["0.weight"].any()
    assert_same_bits(network.parameters["2.weight"], own.T.astype(dtype))
    network.train_step(rng.normal(size=(4, 7)), rng.normal(size=(4, 7)), dn.SGD(lr=0.1))
    other = dn.Network(layers, dn.MeanSquaredError(), dtype=dtype, backend=engine)
    assert_same_bits(other.parameters["2.weight"], own.T.astype(dtype))


# ---- what is refused ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last", "loss"),
    [(dn.Softmax(), dn.SoftmaxCrossEntropy()), (dn.Sigmoid(), dn.BinaryCrossEntropy())],
)
def test_double_activation(last, loss):
    what = type(last).__name__
    with pytest.raises(ValueError, match=f"applies {what.lower()} itself, got {what} last: drop"):
        dn.Network([dn.Linear(3, 2), last], loss)
    for other in (dn.MeanSquaredError(), dn.CrossEntropy(), dn.LogisticLoss()):
        dn.Network([dn.Linear(3, 2), last], other)
    dn.Network([dn.Linear(3, 2), last, dn.Linear(2, 2)], loss)


@pytest.mark.parametrize(
    ("attempt", "text"),
    [
        (lambda: dn.Linear(0, 3), "inputs must be an integer >= 1, got 0"),
        (lambda: dn.Linear(3, 4, init="best"), "init: expected one of "),
        (lambda: dn.Linear(3, 4, init=np.zeros((3, 4))), "init: expected shape (4, 3), got (3, 4)"),
        (lambda: dn.Linear(2, 1, init=[["a", "b"]]), "init: expected real numbers, got list"),
        (lambda: dn.LeakyReLU(-0.1), "slope must be in [0, inf), got -0.1"),
        (lambda: dn.ELU(-1), "alpha must be in [0, inf), got -1"),
        (lambda: dn.Dropout(1.0), "rate must be in [0, 1), got 1.0"),
        (lambda: dn.Dropout(None), "rate must be a number in [0, 1), got None"),
        (lambda: dn.LayerNorm(0), "width must be an integer >= 1, got 0"),
        (lambda: dn.BatchNorm(3, eps=-1), "eps must be in [0, inf), got -1"),
        (
            lambda: dn.Network([dn.Residual([dn.Linear(5, 4)])], dn.MeanSquaredError()),
            "layers[0]: expected a block of 5 outputs, as many as its inputs, got 4",
        ),
        (lambda: dn.Residual([]), "layers: expected at least one layer, got none"),
        (lambda: dn.Residual([dn.Tanh]), "layers[0]: expected a layer, got "),
        (lambda: dn.SoftmaxCrossEntropy(1.0), "label_smoothing must be in [0, 1), got 1.0"),
        (lambda: dn.Huber(0), "delta must be in (0, inf), got 0"),
    ],
)
def test_wrong_settings_are_refused_when_they_are_made(attempt, text):
    with pytest.raises((TypeError, ValueError)) as caught:
        attempt()
    assert str(caught.value).startswith(text)


def test_gradients_alone_draw_the_same_and_move_no_running_moment(engine, rng):
    """As the docstring of `gradients` says: only steps of the network itself go on."""
    layers = [dn.Linear(4, 6), dn.BatchNorm(6), dn.Dropout(0.5), dn.Linear(6, 2)]
    network = dn.Network(layers, dn.MeanSquaredError(), seed=1, backend=engine)
    x, y = rng.normal(size=(8, 4)), rng.normal(size=(8, 2))
    moments = {name: value.copy() for name, value in network.running_moments.items()}
    (first, _), (second, _) = network.gradients(x, y), network.gradients(x, y)
    assert first == second
    for name, value in network.running_moments.items():
        np.testing.assert_array_equal(value, moments[name])
    network.train_step(x, y, dn.SGD(0.0))  # parameters stay, the draws are others
    assert network.gradients(x, y)[0] != first
    assert network.running_moments["1.running_mean"].any()
