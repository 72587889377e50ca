"""Training that was left goes on, to the bit: after an error, Ctrl-C, a stop, in a new process."""

import contextlib
import copy
import itertools
import pickle
import weakref

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    AdamW,
    Checkpoint,
    CosineLR,
    EarlyStopping,
    Network,
    RMSprop,
    WarmupLR,
)
from densenet.metrics import accuracy
from densenet.schedules import Schedule
from tests.support.assertions import assert_same_bits
from tests.support.examples import separable
from tests.support.files import through_file
from tests.support.losses import SquaresOfClasses
from tests.support.training import Kill, KilledError, assert_same, learned, make


@pytest.fixture
def data(rng):
    return separable(rng, 23, 5)


class Stop(Kill):
    """Stops there, as callbacks may."""

    def on_step_end(self, network, step, loss):
        return step == self.step

    def on_epoch_end(self, network, record):
        return record["epoch"] == self.epoch


POINTS = [*({"step": step} for step in range(1, 13)), *({"epoch": epoch} for epoch in range(1, 5))]


def left(network, data, options, leave):
    """Train until the callback ends it."""
    callbacks = [*options.get("callbacks", ()), leave]
    with contextlib.suppress(KilledError):
        network.fit(*data, **options | {"callbacks": callbacks})


OPTIONS = {
    "shuffled": {"optimizer": Adam(lr=0.05)},
    "seeded": {"seed": 7, "optimizer": SGD(lr=0.1, momentum=0.9, nesterov=True)},
    "in order": {"shuffle": False, "optimizer": RMSprop(l1=1e-3)},
    "drop_last": {"drop_last": True, "optimizer": AdamW(lr=WarmupLR(CosineLR(0.1, 9), 3))},
    "weighted": {"class_weight": "balanced", "optimizer": Adam(clip_norm=0.5)},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_training_resumes_from_wherever_it_was_left(engine, data, tmp_path, options):
    options = {"epochs": 4, "batch_size": 8, **options}
    whole = make(engine)
    expected = whole.fit(*data, **options)
    points = POINTS if engine == "compiled" else POINTS[1::4]
    for point, leave in zip(points, itertools.cycle([Kill, Stop])):
        if point.get("step", 0) > len(expected.batch_loss):
            continue
        network = make(engine)
        left(network, data, options, leave(**point))
        again = through_file(network, tmp_path / "model", backend=engine)
        for each in (network, again):
            history = each.fit(*data, resume=True, **options)
            assert_same(each, history, whole, expected)


@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.parametrize("patience", [2, 9])
@pytest.mark.parametrize("leave", [Kill, Stop])
def test_early_stopping_resumes(data, tmp_path, restore, patience, leave):
    """Score, patience and the best parameters; those that were left are kept beside them."""
    options = {
        "epochs": 7,
        "batch_size": 8,
        "optimizer": Adam(lr=0.1),
        "validation_data": (data[0], (data[1] + 1) % 3),  # the better the fit, the worse the score
        "metrics": [accuracy],
        "early_stopping": EarlyStopping(patience=patience, restore_best=restore),
    }
    whole = make()
    expected = whole.fit(*data, **options)
    assert (expected.stopped == "early stopping") == (patience == 2)
    for point in POINTS[: 3 * len(expected.epochs)]:
        network = make()
        left(network, data, options, leave(**point))
        again = through_file(network, tmp_path / "model")
        for each in (network, again, copy.deepcopy(again)):
            assert_same_bits(each.flat, network.flat)
        for each in (again, network):
            assert_same(each, each.fit(*data, resume=True, **options), whole, expected)


def test_training_with_a_loss_of_ones_own_resumes(engine, data, tmp_path):
    options = {"epochs": 4, "batch_size": 8}
    whole = make(engine, loss=SquaresOfClasses())
    expected = whole.fit(*data, **options)
    for point in POINTS[::3]:
        network = make(engine, loss=SquaresOfClasses())
        left(network, data, options, Kill(**point))
        again = through_file(network, tmp_path / "model", backend=engine, loss=SquaresOfClasses())
        assert_same(again, again.fit(*data, resume=True, **options), whole, expected)


# ---- what must fit -----------------------------------------------------------------------------


@pytest.fixture
def interrupted(data):
    network = make()
    left(network, data, {"epochs": 4, "batch_size": 8, "optimizer": Adam(lr=0.01)}, Kill(step=5))
    return network


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"batch_size": 7}, "batch_size: expected 8 to resume, got 7"),
        ({"optimizer": None}, "optimizer: expected Adam(lr=0.01) to resume, got Adam()"),
        ({"optimizer": SGD()}, "optimizer: expected Adam(lr=0.01) to resume, got SGD()"),
        (
            {"optimizer": Adam(lr=CosineLR(0.01, 5))},
            "optimizer: expected Adam(lr=0.01) to resume, got Adam(lr=CosineLR(lr=0.01, steps=5))",
        ),
        ({"shuffle": False}, "shuffle: expected True to resume, got False"),
        ({"drop_last": True}, "drop_last: expected False to resume, got True"),
        ({"seed": 1}, "seed: expected None to resume, got 1"),
        ({"tolerance": 0.1}, "tolerance: expected 0.0 to resume, got 0.1"),
        ({"class_weight": "balanced"}, "class_weight: expected None to resume, got 'balanced'"),
        ({"sample_weight": np.ones(23)}, "sample_weight: expected None to resume, got weights"),
        (
            {"early_stopping": EarlyStopping("loss", patience=3)},
            "early_stopping: expected None to resume, got EarlyStopping(monitor='loss', "
            "patience=3)",
        ),
        ({"epochs": 1}, "epochs must be an integer >= 2, got 1"),
    ],
)
def test_other_settings_are_refused_and_nothing_has_changed(interrupted, data, change, text):
    options = {"epochs": 4, "batch_size": 8, "optimizer": Adam(lr=0.01)}
    before = [array.copy() for array in learned(interrupted)]
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        interrupted.fit(*data, resume=True, **options | change)
    assert str(caught.value) == text
    for array, wanted in zip(learned(interrupted), before, strict=True):
        assert_same_bits(array, wanted)
    assert len(interrupted.fit(*data, resume=True, **options).batch_loss) == 12


def test_other_data_is_refused(interrupted, data):
    with pytest.raises(ValueError, match="x: expected 23 rows to resume, got 22 rows"):
        interrupted.fit(data[0][1:], data[1][1:], batch_size=8, resume=True)


def test_other_training_in_between_is_refused(interrupted, data):
    interrupted.train_step(*data, Adam())
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        interrupted.fit(*data, batch_size=8, optimizer=Adam(lr=0.01), resume=True)
    assert str(caught.value) == (
        "resume: expected the optimizer at step 5, where training was left, got step 6"
    )


def test_only_what_was_trained_resumes(engine, data):
    with pytest.raises(ValueError, match="resume: expected a network that fit has trained, got"):
        make(engine).fit(*data, resume=True)


OTHER_ENDS = {
    "epochs": {},
    "early stopping": {"early_stopping": EarlyStopping("loss", patience=5), "optimizer": SGD(0.01)},
    "validation": {"early_stopping": EarlyStopping(patience=3), "optimizer": Adam(0.05)},
    "whole batches": {"shuffle": False, "drop_last": True, "optimizer": RMSprop()},
}


@pytest.mark.parametrize("options", OTHER_ENDS.values(), ids=OTHER_ENDS)
def test_a_training_that_had_ended_takes_more_epochs(engine, data, tmp_path, options):
    """In this process and from a file, as a checkpoint of the same training does."""
    options = {"batch_size": 8, "validation_data": data, **options}
    whole = make(engine)
    expected = whole.fit(*data, epochs=6, **options)
    network = make(engine)
    network.fit(*data, epochs=3, **options)
    again = through_file(network, tmp_path / "model", backend=engine)
    for each in (network, again, copy.deepcopy(network)):
        assert_same(each, each.fit(*data, epochs=6, resume=True, **options), whole, expected)


def test_without_resume_training_begins_anew(interrupted, data):
    history = interrupted.fit(*data, epochs=2, batch_size=23, optimizer=Adam(lr=0.01))
    assert [record["epoch"] for record in history.epochs] == [1, 2]
    assert interrupted.optimizer_state["step"] == 7


def test_a_finished_training_takes_more_epochs_from_its_checkpoint(data, tmp_path):
    options = {"batch_size": 8, "optimizer": Adam(lr=0.01)}
    whole = make()
    expected = whole.fit(*data, epochs=5, **options)
    make().fit(*data, epochs=3, callbacks=[Checkpoint(tmp_path / "model")], **options)
    again = Network.load(tmp_path / "model")
    assert_same(again, again.fit(*data, epochs=5, resume=True, **options), whole, expected)


@pytest.mark.parametrize(
    "clone", [copy.copy, copy.deepcopy, lambda network: pickle.loads(pickle.dumps(network))]
)
def test_a_copy_resumes_by_itself(interrupted, data, clone):
    options = {"epochs": 4, "batch_size": 8, "optimizer": Adam(lr=0.01), "resume": True}
    twin = clone(interrupted)
    history = interrupted.fit(*data, **options)
    assert_same(twin, twin.fit(*data, **options), interrupted, history)


def test_what_was_left_travels_where_its_schedule_cannot(data):
    class Local(Schedule):
        def __call__(self, step):
            return 0.1 / (1 + step)

    options = {"epochs": 4, "batch_size": 8, "optimizer": Adam(lr=Local())}
    network = make()
    left(network, data, options, Kill(step=5))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(options["optimizer"])
    twin = pickle.loads(pickle.dumps(network))
    history = network.fit(*data, resume=True, **options)
    assert_same(twin, twin.fit(*data, resume=True, **options), network, history)


def test_a_history_that_was_returned_stays(data):
    network = make()
    options = {"epochs": 4, "batch_size": 8}
    first = network.fit(*data, callbacks=[Stop(epoch=2)], **options)
    kept = copy.deepcopy(first)
    network.fit(*data, resume=True, **options)
    assert first == kept


def test_the_bar_goes_on(interrupted, data, monkeypatch):
    tqdm = pytest.importorskip("tqdm.auto")
    bars = []
    monkeypatch.setattr(tqdm, "tqdm", lambda **options: bars.append(Bar(**options)) or bars[-1])

    class Bar:
        def __init__(self, total, initial, **options):
            self.total, self.n, self.seen = total, initial, [initial]

        def update(self, steps):
            self.n += steps
            self.seen.append(self.n)

        def set_postfix(self, **options):
            self.seen.append(self.n)

        def close(self):
            pass

    options = {"epochs": 4, "batch_size": 8, "optimizer": Adam(lr=0.01)}
    interrupted.fit(*data, resume=True, progress=True, **options)
    assert bars[0].total == 12
    assert bars[0].seen[0] == 5
    assert bars[0].seen == sorted(bars[0].seen)
    assert bars[0].seen[-1] == 12


def test_what_was_left_holds_no_data_of_the_user(data):
    network, (x, y), weight = make(), data, np.ones(23)
    kept = weakref.ref(weight)
    history = network.fit(x, y, epochs=3, sample_weight=weight, callbacks=[Stop(step=1)])
    del weight
    assert history.stopped == "callback"
    assert kept() is None
    network.fit(x, y, epochs=3, sample_weight=np.ones(23), resume=True)
