"""What `fit_many` refuses before it trains, and what it reports of networks that failed."""

import pickle
import threading

import numpy as np
import pytest

import densenet
from densenet import (
    SGD,
    Adam,
    BatchNorm,
    Dropout,
    EarlyStopping,
    FitManyError,
    Linear,
    Network,
    ReLU,
    SoftmaxCrossEntropy,
    fit_many,
)
from tests.support.assertions import assert_same_bits
from tests.support.losses import SquaresOfClasses
from tests.support.training import assert_same

LAYERS = [Linear(5, 8), BatchNorm(8), ReLU(), Dropout(0.25), Linear(8, 3)]


def make(n, engine="compiled", loss=None):
    return [
        Network(LAYERS, loss or SoftmaxCrossEntropy(), seed=1, backend=engine) for _ in range(n)
    ]


@pytest.fixture
def data(rng):
    x = rng.normal(size=(50, 5)).astype(np.float32)
    return x, x[:, :3].argmax(axis=1)


# ---- what fails ----------------------------------------------------------------------------------


class Fails(SquaresOfClasses):
    """Raises in its so-many-th step."""

    def __init__(self, step, error=ArithmeticError):
        self.left, self.error = step, error

    def forward(self, outputs, targets):
        self.left -= 1
        if self.left == 0:
            raise self.error("too much")
        return super().forward(outputs, targets)


def test_a_network_that_fails_is_reported_and_the_others_end(data, engine):
    x, y = data
    losses = [SquaresOfClasses(), Fails(4), SquaresOfClasses(), Fails(1, OSError)]
    networks = [make(1, engine, loss)[0] for loss in losses]
    with pytest.raises(FitManyError) as caught:
        fit_many(networks, x, y, epochs=3, batch_size=25, optimizer=SGD(0.1), n_threads=2)
    error = caught.value
    assert str(error) == (
        "2 of 4 networks could not be trained: networks[1]: ArithmeticError: too much; "
        "networks[3]: OSError: too much"
    )
    assert list(map(type, error.errors.values())) == [ArithmeticError, OSError]
    assert list(error.errors) == [1, 3]
    assert error.__cause__ is error.errors[1]
    for index in (0, 2):
        [twin] = make(1, engine, SquaresOfClasses())
        expected = twin.fit(x, y, epochs=3, batch_size=25, optimizer=SGD(0.1))
        assert_same(networks[index], error.histories[index], twin, expected)
    assert error.histories[1] is error.histories[3] is None
    [twin] = make(1, engine, SquaresOfClasses())
    twin.fit(x, y, epochs=3, batch_size=25, optimizer=SGD(0.1), callbacks=[StopsAfter(3)])
    assert_same_bits(networks[1].flat, twin.flat)  # three steps, and no part of the fourth


class StopsAfter(densenet.Callback):
    def __init__(self, steps):
        self.steps = steps

    def on_step_end(self, network, step, loss):
        return step == self.steps


def test_the_report_travels_and_is_short(data):
    networks = [make(1, loss=Fails(1))[0] for _ in range(9)]
    with pytest.raises(FitManyError) as caught:
        fit_many(networks, *data, epochs=1)
    assert str(caught.value).endswith("networks[4]: ArithmeticError: too much; and 4 more")
    again = pickle.loads(pickle.dumps(caught.value))
    assert str(again) == str(caught.value)
    assert again.histories == [None] * 9


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_is_no_error_ends_all(data, error):
    losses = [Fails(1, error), *(SquaresOfClasses() for _ in range(5))]
    networks = [make(1, loss=loss)[0] for loss in losses]
    with pytest.raises(error):
        fit_many(networks, *data, epochs=10**6, n_threads=2)
    assert not any(network._learner.turn and network._learner.turn.lasts for network in networks)


def test_what_is_raised_for_a_network_that_has_ended_ends_all(data, engine):
    def complain(index, network, history):
        raise LookupError(index)

    networks = make(4, engine)
    networks[0].flat[...] = np.nan  # diverges at once, while the others would go on for ever
    with pytest.raises(LookupError):
        fit_many(networks, *data, epochs=10**9, on_model_end=complain, n_threads=2)
    assert networks[3].optimizer_state == {}


BAD = {
    "none": ({"networks": []}, "networks: expected at least one network, got none"),
    "no network": ({"networks": [3]}, r"networks\[0\]: expected a Network, got int"),
    "few rows": ({"rows": [[0]]}, "rows: expected one for each of the 3 networks, got 1"),
    "one vector": ({"rows": np.arange(3)}, r"rows\[0\]: expected a vector of row numbers"),
    "no rows": ({"rows": [[0], [], [0]]}, r"rows\[1\]: expected at least one row, got none"),
    "far rows": (
        {"rows": [[0], [0], [50]]},
        r"rows\[2\]: expected row numbers in \[0, 50\), got 50",
    ),
    "mask": (
        {"rows": [[True] * 50] * 3},
        r"rows\[0\]: expected row numbers in \[0, 50\), got bool",
    ),
    "far held": (
        {"validation_rows": [[0], [-1], [0]]},
        r"validation_rows\[1\]: expected row numbers in \[0, 50\), got -1",
    ),
    "few seeds": ({"seeds": [1]}, "seeds: expected one for each of the 3 networks, got 1"),
    "a seed": ({"seeds": [1, -1, 0]}, r"seeds\[1\] must be an integer >= 0, got -1"),
    "few optimizers": (
        {"optimizer": [Adam()]},
        "optimizer: expected one for each of the 3 networks, got 1",
    ),
    "an optimizer": (
        {"optimizer": [Adam(), 3, SGD()]},
        r"optimizer\[1\]: expected an optimizer, got int",
    ),
    "threads": ({"n_threads": 0}, r"n_threads must be an integer in \[1, 1024\], got 0"),
    "listener": ({"on_model_end": 3}, "on_model_end: expected a function, got int"),
    "monitor": ({"early_stopping": EarlyStopping()}, "monitor: expected one of loss, got"),
    "weights": ({"sample_weight": [1.0]}, r"sample_weight: expected shape \(50,\), got \(1,\)"),
    "epochs": ({"epochs": 0}, "epochs must be an integer >= 1, got 0"),
    "classes": ({"y": np.full(50, 3)}, r"y: expected class indices in \[0, 3\), got 3"),
}


@pytest.mark.parametrize(("given", "message"), BAD.values(), ids=BAD)
def test_what_is_wrong_is_refused_before_anything_changes(data, given, message):
    networks = make(3)
    before = pickle.dumps(networks)
    arguments = {"networks": networks, "x": data[0], "y": data[1], "epochs": 1} | given
    with pytest.raises((TypeError, ValueError), match=f"^{message}"):
        fit_many(**arguments)
    assert pickle.dumps(networks) == before


def test_a_later_network_that_does_not_fit_is_named(data):
    networks = [*make(1), Network([Linear(4, 3)], SoftmaxCrossEntropy())]
    with pytest.raises(ValueError, match=r"^networks\[1\]: x: expected shape \(batch, 4\), got"):
        fit_many(networks, *data)
    networks = make(2)
    networks[1].flat.setflags(write=False)
    with pytest.raises(ValueError, match=r"^networks\[1\]: flat: expected a writeable array"):
        fit_many(networks, *data)
    assert networks[0].optimizer_state == {}


def test_a_network_is_given_once(data):
    a, b = make(2)
    message = "networks: expected each network once, got one at 1 and at 2"
    with pytest.raises(ValueError, match=message):
        fit_many([a, b, b], *data)


def test_a_network_that_is_trained_already_is_refused(data):
    networks, refused = make(2), []

    class Calls(densenet.Callback):
        def on_epoch_end(self, network, record):
            with pytest.raises(RuntimeError, match=r"fit_many: .* networks\[1\], which fit trains"):
                fit_many(networks, *data)
            refused.append(True)

    networks[1].fit(*data, epochs=1, callbacks=[Calls()])
    assert refused
    assert networks[0].optimizer_state == {}


class Waits(SquaresOfClasses):
    """A loss that waits until it is let go."""

    def __init__(self):
        self.begun, self.let_go = threading.Event(), threading.Event()

    def forward(self, outputs, targets):
        self.begun.set()
        assert self.let_go.wait(60)
        return super().forward(outputs, targets)


def test_a_network_is_not_saved_while_another_thread_trains_it(data, tmp_path):
    loss = Waits()
    networks = [*make(1), *make(1, loss=loss)]

    def note(index, network, history):
        if index == 0:
            assert loss.begun.wait(60)
            with pytest.raises(RuntimeError, match="one that fit trains in another thread"):
                networks[1].save(tmp_path / "network")
            loss.let_go.set()

    fit_many(networks, *data, epochs=1, on_model_end=note, n_threads=2)
    assert loss.let_go.is_set()


class Spoils(SquaresOfClasses):
    """A loss that writes into the row numbers of another network."""

    def __init__(self, rows):
        self.rows = rows

    def forward(self, outputs, targets):
        self.rows[...] = 10**9
        return super().forward(outputs, targets)


def test_row_numbers_that_are_written_to_meanwhile_do_no_harm(data, engine):
    rows = [np.array([0, 1]), np.array([2, 3])]
    networks = [*make(1, engine, Spoils(rows[1])), *make(1, engine)]
    with pytest.raises(FitManyError, match=r"networks\[1\]: ValueError: rows\[1\]: expected row"):
        fit_many(networks, *data, epochs=1, rows=rows, n_threads=1)
