"""Training that was left goes on, to the bit: after an error, Ctrl-C, a stop, in a new process."""

import contextlib
import copy
import itertools
import pickle
import signal
import threading

import numpy as np
import pytest

from conftest import assert_same_bits, run_python
from densenet import (
    SGD,
    Adam,
    AdamW,
    BatchNorm,
    Callback,
    Checkpoint,
    CosineLR,
    Dropout,
    EarlyStopping,
    Linear,
    Network,
    RMSprop,
    SoftmaxCrossEntropy,
    Tanh,
    WarmupLR,
)
from densenet.metrics import accuracy


class Squares:
    """A loss of the user's own."""

    def forward(self, outputs, targets):
        return float(((outputs - np.eye(3)[targets]) ** 2).mean())

    def backward(self, outputs, targets):
        return 2 * (outputs - np.eye(3)[targets]) / outputs.size


def make(engine="compiled", dtype="float32", loss=None):
    layers = [Linear(5, 8), BatchNorm(8), Tanh(), Dropout(0.25), Linear(8, 3)]
    return Network(layers, loss or SoftmaxCrossEntropy(), dtype=dtype, seed=1, backend=engine)


@pytest.fixture
def data(rng):
    x = rng.normal(size=(23, 5))
    return x, x[:, :3].argmax(axis=1)


def learned(network):
    state = network.optimizer_state
    return [
        network.flat,
        *network.running_moments.values(),
        *(np.asarray(state[name]) for name in sorted(state)),
        np.array(network._rng.bit_generator.state["state"]["state"] % 2**60),
    ]


def assert_same(network, history, expected_network, expected):
    for array, wanted in zip(learned(network), learned(expected_network), strict=True):
        assert_same_bits(array, wanted)
    assert history.batch_loss == expected.batch_loss
    assert history.stopped == expected.stopped
    timeless = [
        [{name: record[name] for name in record if name != "seconds"} for record in each.epochs]
        for each in (history, expected)
    ]
    assert timeless[0] == timeless[1]


class KilledError(Exception):
    pass


class Kill(Callback):
    """Raises after a step, or after so many ends of epochs."""

    def __init__(self, step=0, epoch=0):
        self.step, self.epoch = step, epoch

    def on_step_end(self, network, step, loss):
        if step == self.step:
            raise KilledError

    def on_epoch_end(self, network, record):
        if record["epoch"] == self.epoch:
            raise KilledError


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


def through_file(network, path, **options):
    network.save(path)
    return Network.load(path, **options)


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
    for point, leave in zip(POINTS, itertools.cycle([Kill, Stop])):
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
    whole = make(engine, loss=Squares())
    expected = whole.fit(*data, **options)
    for point in POINTS[::3]:
        network = make(engine, loss=Squares())
        left(network, data, options, Kill(**point))
        again = through_file(network, tmp_path / "model", backend=engine, loss=Squares())
        assert_same(again, again.fit(*data, resume=True, **options), whole, expected)


# ---- within an epoch ---------------------------------------------------------------------------


def an_epoch_to_pause_in(engine, rng):
    """Rows of which an epoch, in batches of 8, is longer than the 20 ms between two polls."""
    x = rng.normal(size=(200_000 if engine == "compiled" else 800, 5)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


def test_ctrl_c_within_an_epoch_resumes(rng, tmp_path):
    data = an_epoch_to_pause_in("compiled", rng)
    options = {"epochs": 2, "batch_size": 8, "optimizer": Adam(lr=0.01)}
    whole, network = make(), make()
    expected = whole.fit(*data, **options)
    main = threading.get_ident()
    threading.Timer(0.03, signal.pthread_kill, (main, signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        network.fit(*data, **options)
    assert 0 < network.optimizer_state["step"] < 25_000
    again = through_file(network, tmp_path / "model")
    assert_same(again, again.fit(*data, resume=True, **options), whole, expected)


class Late(Checkpoint):
    """Stops at the second pause."""

    pauses = 0

    def on_pause(self, network):
        super().on_pause(network)
        self.pauses += 1
        return self.pauses == 2

    def on_epoch_end(self, network, record):
        pass


@pytest.mark.parametrize("watching", [False, True])
def test_a_checkpoint_within_an_epoch_resumes(engine, rng, tmp_path, watching):
    """With an epoch in one call, and step by step."""
    data = an_epoch_to_pause_in(engine, rng)
    options = {"epochs": 1, "batch_size": 8, "optimizer": Adam(lr=0.01)}
    whole, network = make(engine), make(engine)
    expected = whole.fit(*data, **options)
    checkpoint = Late(tmp_path / "model", seconds=0.0)
    network.fit(*data, callbacks=[checkpoint, *([Kill()] if watching else [])], **options)
    assert checkpoint.pauses == 2
    again = Network.load(tmp_path / "model", backend=engine)
    assert 0 < again.optimizer_state["step"] < len(expected.batch_loss)
    assert_same(again, again.fit(*data, resume=True, **options), whole, expected)


def test_pausing_changes_no_bit(engine, rng):
    class Pause(Callback):
        seen = 0

        def is_due(self):
            return True

        def on_pause(self, network):
            self.seen += 1
            network.predict(data[0][:10])  # whatever is allowed between steps is allowed here

    data = an_epoch_to_pause_in(engine, rng)
    options = {"epochs": 2, "batch_size": 8, "seed": 1}
    whole, paused, callback = make(engine), make(engine), Pause()
    expected = whole.fit(*data, **options)
    assert_same(paused, paused.fit(*data, callbacks=[callback], **options), whole, expected)
    assert callback.seen > 1


# ---- checkpoints -------------------------------------------------------------------------------


def test_a_checkpoint_saves_every_so_many_epochs(data, tmp_path):
    saved = []

    class Noting(Checkpoint):
        def on_epoch_end(self, network, record):
            self.path.unlink(missing_ok=True)
            super().on_epoch_end(network, record)
            if self.path.exists():
                saved.append((record["epoch"], Network.load(self.path).optimizer_state["step"]))

    make().fit(*data, epochs=7, batch_size=8, callbacks=[Noting(tmp_path / "model", epochs=3)])
    assert saved == [(3, 9), (6, 18)]


@pytest.mark.parametrize(
    ("options", "kind", "text"),
    [
        ({"epochs": 0}, ValueError, "epochs must be an integer >= 1, got 0"),
        ({"seconds": -1}, ValueError, "seconds must be in [0, inf], got -1"),
        ({"seconds": float("nan")}, ValueError, "seconds must be in [0, inf], got nan"),
        ({"seconds": "1"}, TypeError, "seconds must be a number in [0, inf], got str"),
    ],
)
def test_wrong_checkpoints_are_refused_when_they_are_made(options, kind, text):
    with pytest.raises(kind) as caught:
        Checkpoint("model", **options)
    assert str(caught.value) == text


_PROGRAM = """
import os
import numpy as np
from densenet import *
path = {path!r}
rng = np.random.default_rng(3)
x = rng.normal(size=(500, 5))
y = x[:, :3].argmax(axis=1)
again = os.path.exists(path)
network = Network.load(path) if again else Network([Linear(5, 8), Linear(8, 3)],
                                                   SoftmaxCrossEntropy(), seed=1)
class Die(Callback):
    def on_epoch_end(self, network, record):
        if record["epoch"] == {dies}:
            os.kill(os.getpid(), 9)
history = network.fit(x, y, epochs=6, batch_size=32, resume=again, seed=5,
                      callbacks=[Checkpoint(path), Die()])
print(network.flat.tobytes().hex(), history.batch_loss)
"""


def test_a_killed_process_is_taken_up_by_another(tmp_path):
    expected = run_python(_PROGRAM.format(path=str(tmp_path / "whole"), dies=0))
    killed = str(tmp_path / "killed")
    with pytest.raises(AssertionError):
        run_python(_PROGRAM.format(path=killed, dies=3))
    assert run_python(_PROGRAM.format(path=killed, dies=0)) == expected


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


def test_only_what_was_left_resumes(data):
    network = make()
    for _ in range(2):
        with pytest.raises(ValueError, match="resume: expected a network whose training was left"):
            network.fit(*data, resume=True)
        network.fit(*data, epochs=1)


def test_without_resume_training_begins_anew(interrupted, data):
    history = interrupted.fit(*data, epochs=2, batch_size=23, optimizer=Adam(lr=0.01))
    assert [record["epoch"] for record in history.epochs] == [1, 2]
    assert interrupted.optimizer_state["step"] == 7
    assert interrupted._position is None


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
