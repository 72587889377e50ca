"""Leaving training within an epoch: pauses, checkpoints, Ctrl-C, a killed process."""

import time

import numpy as np
import pytest

from densenet import Adam, Callback, Checkpoint, Network
from densenet.training import callbacks
from tests.support.examples import separable
from tests.support.files import through_file
from tests.support.processes import run_python
from tests.support.signals import interrupt_when_trained
from tests.support.skips import POSIX_SIGNALS
from tests.support.training import Kill, assert_same, make


@pytest.fixture
def data(rng):
    return separable(rng, 23, 5)


# ---- within an epoch ---------------------------------------------------------------------------


def an_epoch_to_pause_in(engine, rng):
    """Rows of which an epoch, in batches of 8, is several times the 20 ms between two polls."""
    x = rng.normal(size=(1_000_000 if engine == "compiled" else 400, 5)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


class Interrupt(Callback):
    """Sends Ctrl-C after the first step of the second epoch, and waits for it in the last."""

    def on_epoch_end(self, network, record):
        if record["epoch"] == 1:
            interrupt_when_trained(network)
        if record["epoch"] == 3:
            time.sleep(60)


@POSIX_SIGNALS
def test_ctrl_c_within_an_epoch_resumes(rng, tmp_path):
    data = an_epoch_to_pause_in("compiled", rng)
    options = {"epochs": 3, "batch_size": 8, "optimizer": Adam(lr=0.01)}
    whole, network = make(), make()
    expected = whole.fit(*data, **options)
    with pytest.raises(KeyboardInterrupt):
        network.fit(*data, callbacks=[Interrupt()], **options)
    assert 125_000 < network.optimizer_state["step"] <= 375_000
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


def test_a_checkpoint_is_due_when_its_file_is_old(tmp_path, monkeypatch):
    now = 100.0
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now)
    checkpoint = Checkpoint(tmp_path / "model", epochs=2, seconds=10)
    for save in (
        checkpoint.on_pause,
        lambda network: checkpoint.on_epoch_end(network, {"epoch": 4}),
    ):
        assert not checkpoint.is_due()
        now += 9
        assert not checkpoint.is_due()
        now += 2
        checkpoint.on_epoch_end(make(), {"epoch": 3})
        assert checkpoint.is_due()
        save(make())
    assert not checkpoint.is_due()


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
