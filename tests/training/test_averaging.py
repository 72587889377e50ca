"""Averages of weights: after each step, or at the ends of epochs."""

import copy

import numpy as np
import pytest

from densenet import (
    Adam,
    BatchNorm,
    Callback,
    Checkpoint,
    EarlyStopping,
    Linear,
    Network,
    SoftmaxCrossEntropy,
    Tanh,
    WeightAveraging,
)
from densenet.metrics import accuracy
from tests.support.assertions import assert_same_bits
from tests.support.examples import separable
from tests.support.files import through_file
from tests.support.training import Kill, KilledError, assert_same, make

ROWS = 23
OPTIONS = {"epochs": 4, "batch_size": 8, "optimizer": Adam(lr=0.05)}
RULES = {
    "each step": WeightAveraging(decay=0.7),
    "each step, later": WeightAveraging(decay=0.9, start_epoch=3),
    "each second step": WeightAveraging(decay=0.7, every=2),
    "each second step, later": WeightAveraging(decay=0.7, start_epoch=2, every=2),
    "without a memory": WeightAveraging(decay=0.0),
    "each epoch": WeightAveraging(),
    "each epoch, later": WeightAveraging(start_epoch=3),
}


@pytest.fixture
def data(rng):
    return separable(rng, ROWS, 5)


class Seen(Callback):
    """Keeps the weights and running moments after each step, and what epochs end with."""

    def __init__(self):
        self.steps, self.ends = [], []

    def on_step_end(self, network, step, loss):
        self.steps.append((network.flat.copy(), *map(np.copy, network.running_moments.values())))

    def on_epoch_end(self, network, record):
        self.ends.append(network.flat.copy())


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_the_average_is_what_its_formula_says(engine, data, rule):
    """The weights that are averaged are those of a training without an average."""
    plain, network, seen, seen_too = make(engine), make(engine), Seen(), Seen()
    expected = plain.fit(*data, **OPTIONS, callbacks=[seen])
    history = network.fit(*data, **OPTIONS, callbacks=[seen_too, rule])
    assert history.batch_loss == expected.batch_loss
    for one, two in zip(seen.steps, seen_too.steps, strict=True):
        for array, wanted in zip(two, one, strict=True):
            assert_same_bits(array, wanted)
    from_epoch = 3 * (rule.start_epoch - 1)
    if rule.decay is None:
        wanted = np.mean([flat for flat, *_ in seen.steps[from_epoch + 2 :: 3]], axis=0)
        np.testing.assert_allclose(network.flat, wanted, rtol=1e-5, atol=1e-6)
    else:
        ends = [step for step in (1, 2, 3) if step % rule.every == 0 or step == 3]
        first, *rest = (seen.steps[i] for i in range(from_epoch, 12) if i % 3 + 1 in ends)
        averages = [array.astype(float) for array in first]
        for step in rest:
            for average, array in zip(averages, step, strict=True):
                average += (1 - rule.decay) * (array - average)
        got = [network.flat, *network.running_moments.values()]
        for array, wanted in zip(got, averages, strict=True):
            np.testing.assert_allclose(array, wanted, rtol=1e-4, atol=1e-6)
    # Before the first epoch that counts, callbacks see the weights of the last step.
    assert_same_bits(seen_too.ends[-1], network.flat)
    assert (seen_too.ends[0] == seen.ends[0]).all() == (
        rule.start_epoch > 1 or rule.decay == 0 or rule.decay is None
    )


@pytest.mark.parametrize("shuffle", [False, True, "blocks"])
def test_moments_of_a_mean_are_measured_anew(engine, tmp_path, rng, shuffle):
    """As the mean over the batches of the last epoch, of what the averaged weights make of them."""
    x, y = separable(rng, 640, 5)
    np.save(tmp_path / "x.npy", x.astype(np.float32))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    layers = [Linear(5, 8), BatchNorm(8), Tanh(), Linear(8, 3)]
    network = Network(layers, SoftmaxCrossEntropy(), seed=1, backend=engine)
    options = OPTIONS | {"batch_size": 160, "shuffle": shuffle}
    network.fit(x, y, **options, callbacks=[WeightAveraging()])
    values = x @ network.parameters["0.weight"].T + network.parameters["0.bias"]
    mean, variance = network.running_moments.values()
    np.testing.assert_allclose(mean, values.mean(axis=0), rtol=1e-4, atol=1e-5)
    if shuffle is False:
        parts = values.reshape(4, 160, 8)
        wanted = parts.var(axis=1, ddof=1).mean(axis=0)
        np.testing.assert_allclose(variance, wanted, rtol=1e-4)
    else:
        np.testing.assert_allclose(variance, values.var(axis=0), rtol=0.05)


def test_the_average_is_validated_stopped_by_and_saved(data, tmp_path):
    """The network that an epoch's end sees is the one that its record is about."""
    x, y = data
    scores = []

    class Score(Callback):
        def on_epoch_end(self, network, record):
            assert network.loss(x, y) == record["val_loss"]
            assert (network.predict(x) == y).mean() == record["val_accuracy"]
            loaded = Network.load(tmp_path / "model")
            assert_same_bits(loaded.flat, network.flat)
            scores.append((record["val_loss"], network.flat.copy()))

    network = make()
    network.fit(
        x,
        y,
        **OPTIONS | {"epochs": 9, "optimizer": Adam(lr=0.5)},
        validation_data=data,
        metrics=[accuracy],
        early_stopping=EarlyStopping(patience=2),
        callbacks=[Checkpoint(tmp_path / "model"), Score(), WeightAveraging(decay=0.5)],
    )
    assert_same_bits(network.flat, min(scores, key=lambda score: score[0])[1])


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
@pytest.mark.parametrize("stopping", [None, EarlyStopping(patience=2)], ids=["all", "stopped"])
def test_averaging_resumes(engine, data, tmp_path, rule, stopping):
    options = OPTIONS | {"validation_data": data, "early_stopping": stopping}
    whole = make(engine)
    expected = whole.fit(*data, **options, callbacks=[rule])
    points = [*({"step": step} for step in (1, 3, 5, 7, 9, 11, 12)), {"epoch": 1}, {"epoch": 3}]
    for point in points:
        network = make(engine)
        with pytest.raises(KilledError):
            network.fit(*data, **options, callbacks=[Kill(**point), rule])
        again = through_file(network, tmp_path / "model", backend=engine)
        for each in (network, again, copy.deepcopy(again)):
            history = each.fit(*data, **options, callbacks=[rule], resume=True)
            assert_same(each, history, whole, expected)


def test_more_epochs_go_on_from_the_weights_of_the_last_step(engine, data, tmp_path):
    for rule in (WeightAveraging(), WeightAveraging(decay=0.9)):
        whole, network = make(engine), make(engine)
        expected = whole.fit(*data, **OPTIONS, callbacks=[rule])
        network.fit(*data, **OPTIONS | {"epochs": 2}, callbacks=[rule])
        again = through_file(network, tmp_path / "model", backend=engine)
        history = again.fit(*data, **OPTIONS, callbacks=[rule], resume=True)
        assert_same(again, history, whole, expected)


def test_another_rule_cannot_go_on(data):
    network = make()
    network.fit(*data, **OPTIONS, callbacks=[WeightAveraging(decay=0.9)])
    for callbacks, got in (([], "None"), ([WeightAveraging()], r"WeightAveraging\(\)")):
        text = rf"^callbacks: expected WeightAveraging\(decay=0.9\) to resume, got {got}$"
        with pytest.raises(ValueError, match=text):
            network.fit(*data, **OPTIONS, callbacks=callbacks, resume=True)


def test_one_callback_averages(engine, data):
    both = [WeightAveraging(), Callback(), WeightAveraging(decay=0.5)]
    with pytest.raises(ValueError, match=r"^callbacks: expected one WeightAveraging, got 2$"):
        make(engine).fit(*data, callbacks=both)


@pytest.mark.parametrize(
    ("settings", "kind", "text"),
    [
        ({"decay": 1.0}, ValueError, r"decay must be in \[0, 1\), got 1.0"),
        ({"decay": -0.1}, ValueError, r"decay must be in \[0, 1\), got -0.1"),
        ({"decay": "0.9"}, TypeError, r"decay must be a number in \[0, 1\), got str"),
        ({"start_epoch": 0}, ValueError, r"start_epoch must be an integer >= 1, got 0"),
        ({"every": 0}, ValueError, r"every must be an integer >= 1, got 0"),
        ({"every": 2}, ValueError, r"every: expected 1 without a decay, got 2"),
        ({"start_epoch": 1.5}, TypeError, r"start_epoch must be an integer >= 1, got float"),
    ],
)
def test_settings_that_are_none_are_refused(settings, kind, text):
    with pytest.raises(kind, match=f"^{text}$"):
        WeightAveraging(**settings)
