"""One network and many threads: one call trains, others read what some step has left."""

import copy
import pickle
import threading

import numpy as np
import pytest

from densenet import (
    SGD,
    Adam,
    BatchNorm,
    Callback,
    Linear,
    MeanSquaredError,
    Network,
    Sigmoid,
    SoftmaxCrossEntropy,
)
from densenet._engine.turn import ONE_AT_A_TIME
from tests.support.assertions import assert_same_bits
from tests.support.examples import separable
from tests.support.processes import run_python

LAYERS = [Linear(16, 64), BatchNorm(64), Sigmoid(), Linear(64, 4)]
BUSY = r"expected a network that no other call trains, got one that"


class Own:
    """A loss of the user's own."""

    def forward(self, outputs, targets):
        return float(((outputs - np.eye(4)[targets]) ** 2).mean())

    def backward(self, outputs, targets):
        return 2 * (outputs - np.eye(4)[targets]) / outputs.size


def make(engine, loss=None):
    return Network(LAYERS, loss or SoftmaxCrossEntropy(), seed=1, backend=engine)


@pytest.fixture
def data(rng):
    x, y = separable(rng, 640, 16, classes=4)
    return x.astype(np.float32), y


class InThread:
    """Runs a call in another thread, and gives what it has raised."""

    def __init__(self, call):
        self.error = None
        self.thread = threading.Thread(target=self.run, args=[call])
        self.thread.start()

    def run(self, call):
        try:
            call()
        except BaseException as error:
            self.error = error

    def end(self):
        self.thread.join()
        return self.error


# ---- two that train ----------------------------------------------------------------------------

STEPS = {
    "train_step": lambda network, x, y: network.train_step(x[:32], y[:32], Adam()),
    "loss_and_gradient": lambda network, x, y: network.loss_and_gradient(x[:32], y[:32]),
    "apply_gradient": lambda network, x, y: network.apply_gradient(
        np.zeros_like(network.flat), Adam()
    ),
    "fit": lambda network, x, y: network.fit(x, y, epochs=1),
    "fit(resume)": lambda network, x, y: network.fit(x, y, epochs=9, resume=True),
}


@pytest.mark.parametrize("method", ["is_due", "on_pause", "on_step_end", "on_epoch_end"])
@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_a_callback_cannot_train(engine, data, method, step):
    def train(self, network=None, *arguments):
        step(trained, *data)

    kind = type("Training", (Callback,), {method: train, "is_due": lambda self: True})
    if method == "is_due":
        kind.is_due = train
    trained, twin = make(engine), make(engine)
    for _ in range(2):  # and it is free again afterwards
        with pytest.raises(RuntimeError, match=rf"{BUSY} fit trains in this thread"):
            trained.fit(*data, epochs=2, batch_size=32, callbacks=[kind()])
    trained.fit(*data, epochs=2, batch_size=32)
    twin.fit(*data, epochs=2, batch_size=32)
    assert trained.optimizer_state["step"] >= twin.optimizer_state["step"]


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS)
def test_another_thread_cannot_train(engine, data, step):
    network, begun, refused = make(engine), threading.Event(), threading.Event()

    class Wait(Callback):
        def on_epoch_end(self, network, record):
            begun.set()
            assert refused.wait(60)

    training = InThread(lambda: network.fit(*data, epochs=2, callbacks=[Wait()]))
    assert begun.wait(60)
    with pytest.raises(RuntimeError, match=rf"{BUSY} fit trains in another thread"):
        step(network, *data)
    refused.set()
    assert training.end() is None
    assert network.optimizer_state["step"] == 10


def by_a_gradient(network, x, y, optimizer):
    network.apply_gradient(np.full_like(network.flat, 0.5), optimizer)


@pytest.mark.parametrize("step", [Network.train_step, by_a_gradient])
def test_of_two_threads_with_steps_each_takes_whole_ones(engine, data, step):
    """Where they meet one is refused; what is not refused has been taken."""
    x, y = data
    network, taken, sgd = make(engine), [], SGD(0.01)

    def train():
        for _ in range(400 if engine == "compiled" else 40):
            try:
                step(network, x, y, sgd)
            except RuntimeError as error:
                assert BUSY in str(error)  # noqa: PT017
            else:
                taken.append(1)

    threads = [InThread(train) for _ in range(3)]
    assert [thread.end() for thread in threads] == [None] * 3
    assert network.optimizer_state["step"] == len(taken)
    twin = make(engine)
    for _ in taken:
        step(twin, x, y, sgd)
    assert_same_bits(network.flat, twin.flat)


def test_of_two_threads_with_losses_each_moves_the_running_moments_whole(engine, data):
    x, y = data
    network, taken = make(engine), []
    network.train_step(x, y, SGD(0.0))
    before = network._learner.running.copy()

    def look():
        out = np.empty_like(network.flat)
        for _ in range(400 if engine == "compiled" else 40):
            try:
                network.loss_and_gradient(x, y, out=out)
            except RuntimeError as error:
                assert BUSY in str(error)  # noqa: PT017
            else:
                taken.append(1)

    threads = [InThread(look) for _ in range(3)]
    assert [thread.end() for thread in threads] == [None] * 3
    twin = make(engine)
    twin._learner.running[...] = before
    for _ in taken:
        twin.loss_and_gradient(x, y)
    assert_same_bits(network._learner.running, twin._learner.running)


@pytest.mark.parametrize("asked", [1, 2])
def test_the_optimizer_cannot_be_reset_within_a_call(engine, data, asked):
    """``is_due`` is asked while steps are taken, and once they are: neither may reset."""

    class Reset(Callback):
        calls = 0

        def is_due(self):
            self.calls += 1
            if self.calls == asked:
                network.reset_optimizer()

    network = make(engine)
    with pytest.raises(RuntimeError, match=f"reset_optimizer: {BUSY} fit trains"):
        network.fit(*data, epochs=2, callbacks=[Reset()])
    network.reset_optimizer()


def test_the_optimizer_may_be_reset_between_steps(engine, data):
    class Reset(Callback):
        def on_epoch_end(self, network, record):
            network.reset_optimizer()

    history = make(engine).fit(*data, epochs=3, batch_size=64, callbacks=[Reset()])
    assert len(history.batch_loss) == 30


# ---- a thread that is about to take a step -------------------------------------------------------


def another_optimizer(network, x, y, sgd):
    with pytest.warns(UserWarning, match="the state of SGD is discarded"):
        network.train_step(x, y, Adam())


CHANGES = {
    "fit": lambda network, x, y, sgd: network.fit(x, y, epochs=1, optimizer=sgd),
    "reset_optimizer": lambda network, x, y, sgd: network.reset_optimizer(),
    "another rate": lambda network, x, y, sgd: network.train_step(x, y, SGD(0.1)),
    "another optimizer": another_optimizer,
}


def prepared(data):
    """A network, its optimizer, and what other calls of `train_step` take their steps by."""
    network, sgd = make("compiled"), SGD(0.01)
    network.train_step(*data, sgd)
    return network, sgd, network._learner.prepared.stepper


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_thread_that_is_about_to_step_does_nothing_after_a_change(data, change):
    """Its step would come between two steps of `fit`, or not be counted."""
    network, sgd, held = prepared(data)
    change(network, *data, sgd)
    count, flat, gradient = network.optimizer_state.get("step"), network.flat.copy(), network.flat
    assert held.retire()  # as often as one likes
    assert held(*data) is None
    assert held.loss_and_gradient(*data, np.empty_like(gradient), 0, None) is None
    assert held.apply_gradient(np.ones_like(gradient)) is None
    assert_same_bits(network.flat, flat)
    assert network.optimizer_state.get("step") == count


@pytest.mark.parametrize("change", ["fit", "reset_optimizer", "another optimizer"])
def test_what_another_thread_steps_by_is_left_to_it(data, change):
    class InUse:
        def __call__(self, x, y):
            return None

        def retire(self):
            return False

    network, sgd, _ = prepared(data)
    network._learner.prepared = in_use = network._learner.prepared._replace(stepper=InUse())
    flat = network.flat.copy()
    with pytest.raises(RuntimeError, match=f"{BUSY} takes steps in another thread"):
        CHANGES[change](network, *data, sgd)
    assert network.optimizer_state["step"] == 1
    assert network._learner.prepared is in_use
    assert_same_bits(network.flat, flat)
    network.train_step(*data, SGD(0.1))  # goes on with the same moments
    assert network.optimizer_state["step"] == 2
    assert network._learner.prepared is in_use


# ---- readers beside one that trains --------------------------------------------------------------

READ = {
    "forward": lambda network, x, y: network.forward(x).tobytes(),
    "predict_proba": lambda network, x, y: network.predict_proba(x).tobytes(),
    "gradients": lambda network, x, y: network.gradients(x, y)[1]["0.weight"].tobytes(),
    "loss": lambda network, x, y: network.loss(x, y),
    "input_gradient": lambda network, x, y: network.input_gradient(x, y).tobytes(),
    "copy": lambda network, x, y: copy.copy(network).flat.tobytes(),
    "pickle": lambda network, x, y: pickle.loads(pickle.dumps(network)).flat.tobytes(),
}


def everything_read(readers, network, data, step, n_steps):
    """What each reader may see: before the first step, and after each."""
    x, y = data[0][:8], data[1][:8]
    seen = {name: {read(network, x, y)} for name, read in readers.items()}
    for number in range(n_steps):
        step(network, number)
        for name, read in readers.items():
            seen[name].add(read(network, x, y))
    return seen


@pytest.mark.parametrize("loss", [SoftmaxCrossEntropy(), Own()], ids=["known", "own"])
@pytest.mark.parametrize("by", ["fit", "train_step"])
def test_readers_see_the_parameters_of_some_step(engine, data, by, loss):
    x, y = data
    n_steps = 150 if engine == "compiled" else 40

    def step(network, number):
        part = slice(32 * number % len(x), 32 * number % len(x) + 32)
        network.train_step(x[part], y[part], SGD(0.05))

    def train(network):
        if by == "train_step":
            for number in range(n_steps):
                step(network, number)
        else:
            rows = np.arange(32 * n_steps) % len(x)
            options = {"epochs": 1, "batch_size": 32, "shuffle": False, "optimizer": SGD(0.05)}
            network.fit(x[rows], y[rows], **options)

    readers = dict(READ)
    if by == "fit":  # which only its own thread may copy
        del readers["copy"], readers["pickle"]
    if isinstance(loss, Own):  # has no probabilities
        del readers["predict_proba"]
    allowed = everything_read(readers, make(engine, loss), data, step, n_steps)
    for _ in range(3):
        network, ended, seen = make(engine, loss), threading.Event(), []

        def look(name, network=network, ended=ended, seen=seen):
            while not ended.is_set():
                seen.append((name, READ[name](network, x[:8], y[:8])))

        threads = [InThread(lambda name=name: look(name)) for name in readers]
        train(network)
        ended.set()
        assert [thread.end() for thread in threads] == [None] * len(threads)
        assert {name for name, _ in seen} == set(readers)
        for name, value in seen:
            assert value in allowed[name], name


def test_only_its_own_thread_saves_what_fit_trains(engine, data, tmp_path):
    network, begun, told = make(engine), threading.Event(), threading.Event()

    class Wait(Callback):
        def on_epoch_end(self, network, record):
            network.save(tmp_path / "mine")
            begun.set()
            assert told.wait(60)

    training = InThread(lambda: network.fit(*data, epochs=2, callbacks=[Wait()]))
    assert begun.wait(60)
    calls = [
        lambda: network.save(tmp_path / "model"),
        lambda: copy.deepcopy(network),
        lambda: pickle.dumps(network),
    ]
    for call in calls:
        with pytest.raises(RuntimeError, match=rf"{BUSY} fit trains in another thread"):
            call()
    told.set()
    assert training.end() is None
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert_same_bits(Network.load(tmp_path / "mine").flat, network.flat)
    copy.deepcopy(network)


def test_no_call_begins_while_another_thread_copies(engine, data):
    """Nor does a fork come in between, which waits for the same lock."""
    network, begins = make(engine), []
    copies = network._learner.engine.copies

    def begin():
        begins.append(ONE_AT_A_TIME.acquire(blocking=False))
        if begins[-1]:
            ONE_AT_A_TIME.release()

    def watched(arrays):
        assert InThread(begin).end() is None
        return copies(arrays)

    network._learner.engine.copies = watched
    copy.copy(network)
    assert begins == [False]


def test_a_copy_has_the_state_of_the_optimizer_that_moved_its_parameters(engine, data):
    """Another thread's step replaces the state, and moves the parameters, before they are read."""
    network = make(engine)
    network.train_step(*data, SGD(0.01, momentum=0.9))
    engine = network._learner.engine
    copies = engine.copies

    def late(arrays):
        engine.copies = copies
        with pytest.warns(UserWarning, match="the state of SGD is discarded"):
            network.train_step(*data, Adam())
        return copies(arrays)

    engine.copies = late
    twin = copy.copy(network)
    assert_same_bits(twin.flat, network.flat)
    assert sorted(twin.optimizer_state) == sorted(network.optimizer_state) == ["m", "step", "v"]
    for name, moments in network.optimizer_state.items():
        assert_same_bits(np.asarray(twin.optimizer_state[name]), np.asarray(moments))


@pytest.mark.parametrize("seed", [None, 3])
def test_what_is_being_pickled_does_not_change_when_fit_goes_on(engine, data, seed):
    class Leave(Callback):
        def on_step_end(self, network, step, loss):
            if network.optimizer_state["step"] == 13:
                raise KeyboardInterrupt

    network, options = make(engine), {"epochs": 2, "batch_size": 64, "seed": seed}
    with pytest.raises(KeyboardInterrupt):
        network.fit(*data, **options, callbacks=[Leave()])
    state = network.__getstate__()
    before = pickle.dumps(state)
    network.fit(*data, **options, resume=True)
    assert pickle.dumps(state) == before


# ---- labels that another thread writes ---------------------------------------------------------

WRITES = """
import threading
import numpy as np
from densenet import Adam, Linear, Network, SoftmaxCrossEntropy, kernels

n, classes = 20_000, 4
x = np.random.default_rng(0).normal(size=(n, 2)).astype(np.float32)
y = np.zeros(n, np.int64)
network = Network([Linear(2, classes)], SoftmaxCrossEntropy())
probabilities = kernels.softmax_forward(np.zeros((n, classes), np.float32))
ended = threading.Event()

def write():
    while not ended.is_set():
        y[:] = 10**12
        y[:] = 0

calls = [
    lambda: network.train_step(x, y, Adam()),
    lambda: network.gradients(x, y),
    lambda: network.loss(x, y),
    lambda: network.fit(x, y, epochs=1, batch_size=n),
    lambda: kernels.softmax_cross_entropy_backward(probabilities, y),
    lambda: kernels.softmax_cross_entropy_forward(probabilities, y),
    lambda: kernels.cross_entropy_backward(probabilities, y),
]
thread = threading.Thread(target=write)
thread.start()
try:
    for call in calls:
        for _ in range(200):
            try:
                call()
            except ValueError as error:
                assert "expected class indices" in str(error), error
finally:
    ended.set()
    thread.join()
assert np.isfinite(network.flat).all()
"""


def test_labels_that_another_thread_writes_are_read_once():
    run_python(WRITES)


# ---- memory that there is not --------------------------------------------------------------------


def test_a_call_that_finds_no_memory_gives_its_turn_back(rng):
    """Of rows that take no memory themselves; what is computed from them would take 320 GB."""
    network = Network([Linear(5, 8)], MeanSquaredError(), seed=1)
    many = 10**10
    x = np.broadcast_to(np.zeros((1, 5), np.float32), (many, 5))
    y = np.broadcast_to(np.zeros((1, 8), np.float32), (many, 8))
    for call in (network.gradients, network.input_gradient, network.train_step):
        for _ in range(2):
            with pytest.raises(MemoryError):
                call(x, y, *([Adam()] if call == network.train_step else []))
    before = network.flat.copy()
    assert_same_bits(copy.copy(network).flat, before)
    assert network.optimizer_state.get("step", 0) == 0
    network.train_step(x[:4], y[:4] + 1, Adam())
    network.gradients(x[:4], y[:4])
    assert (network.flat != before).any()
