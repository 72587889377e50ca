"""Threads: they work, and they survive forks, signals and each other."""

import itertools
import multiprocessing
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import SGD, Adam, Linear, Network, kernels
from densenet import SoftmaxCrossEntropy as Loss
from tests.support.assertions import assert_same_bits
from tests.support.examples import labelled
from tests.support.processes import run_python, try_python
from tests.support.signals import interrupt_when_trained
from tests.support.skips import NOT_APPLICABLE
from tests.support.threads import wide

pytestmark = pytest.mark.usefixtures("keep_threads")


# ---- threads that really work ------------------------------------------------------------------


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
def test_a_wide_step_keeps_several_threads_busy(rng, threads):
    """Each computes at least about half of its share of the gradients: tiles are counted."""
    if densenet.show_config()["openmp"] == "no":
        pytest.skip(NOT_APPLICABLE + "built without OpenMP")
    network = wide()
    x, y = labelled(rng, 64, 300, 10)
    outcomes = []
    train = network._learner.engine.train

    def watched(*arguments):
        outcomes.append(train(*arguments))
        return outcomes[-1]

    network._learner.engine.train = watched
    densenet.set_num_threads(threads)
    network.fit(x, y, epochs=1, batch_size=32)
    assert [(outcome.steps, outcome.threads) for outcome in outcomes] == [(2, threads)]


_ALONE_AND_IN_A_ROW = """
import os, time
import numpy as np
from densenet import kernels, set_num_threads

def threads():
    return len(os.listdir("/proc/self/task"))

set_num_threads(2)
x = np.ones((100, 1000), "f4")  # some 20 us on one thread
before = threads()
for _ in range(5):
    time.sleep(0.01)
    kernels.sigmoid_forward(x)
alone = threads() - before
for _ in range(2000):
    kernels.sigmoid_forward(x)
print(alone, threads() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason=NOT_APPLICABLE + "needs Linux")
def test_a_small_call_after_a_pause_wakes_nobody_and_a_series_of_them_does():
    """The second thread, which OpenMP starts when it is first called, tells whether it was."""
    if densenet.show_config()["openmp"] == "no":
        pytest.skip(NOT_APPLICABLE + "built without OpenMP")
    assert run_python(_ALONE_AND_IN_A_ROW) == "0 1"


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason=NOT_APPLICABLE + "needs Linux")
def test_threads_may_use_all_processors_after_they_have_moved():
    x = np.ones((1000, 1000), "f4")
    densenet.set_num_threads(2)
    for _ in range(5):
        time.sleep(0.02)
        for _ in range(3):
            kernels.sigmoid_forward(x)
    allowed = os.sched_getaffinity(0)
    for task in os.listdir("/proc/self/task"):
        assert os.sched_getaffinity(int(task)) == allowed


def test_the_number_of_threads_is_what_was_set():
    for threads in (3, 1, np.int64(2)):
        densenet.set_num_threads(threads)
        assert densenet.get_num_threads() == threads
        assert densenet.show_config()["threads"] == str(threads)


@pytest.mark.parametrize(
    ("wrong", "kind", "got"),
    [
        (0, ValueError, "0"),
        (-1, ValueError, "-1"),
        (1.5, TypeError, "float"),
        ("2", TypeError, "str"),
    ],
)
def test_a_wrong_number_of_threads_changes_nothing(wrong, kind, got):
    densenet.set_num_threads(3)
    with pytest.raises(kind, match=rf"^n must be an integer in \[1, 1024\], got {got}$"):
        densenet.set_num_threads(wrong)
    assert densenet.get_num_threads() == 3


# ---- forks, other threads, signals -------------------------------------------------------------


def _train_and_tell(network, x, y, pipe):
    history = network.fit(x, y, epochs=1, batch_size=20, seed=1)
    pipe.send((history.batch_loss, network.flat))


@pytest.mark.skipif(not hasattr(os, "fork"), reason=NOT_APPLICABLE + "no fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_computes_the_same_and_does_not_hang(rng):
    densenet.set_num_threads(3)
    network = wide()
    x, y = labelled(rng, 100, 300, 10)
    network.gradients(x, y)  # the parent's threads are there
    fork = multiprocessing.get_context("fork")
    receiver, sender = fork.Pipe(duplex=False)
    child = fork.Process(target=_train_and_tell, args=(network, x, y, sender), daemon=True)
    child.start()
    try:
        assert receiver.poll(250), "the child hangs"
        losses, flat = receiver.recv()
        child.join()
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()
    assert losses == network.fit(x, y, epochs=1, batch_size=20, seed=1).batch_loss
    assert_same_bits(flat, network.flat)


@pytest.mark.parametrize("shuffle", [True, False])
def test_two_networks_train_in_two_threads(rng, shuffle):
    """Four threads, and fewer processors: each goes as far as it can before others go on."""
    densenet.set_num_threads(2)
    x, y = labelled(rng, 400, 300, 10)
    x = x.astype(np.float32)  # used where it is, unless it is shuffled
    batches = [(x[:200], y[:200]), (x[200:], y[200:])]

    def train(number):
        network = wide()
        options = {"epochs": 4, "batch_size": 32, "seed": number, "shuffle": shuffle}
        history = network.fit(*batches[number], **options)
        return history.batch_loss, network.flat

    alone = [train(0), train(1)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(train, [0, 1]))
    for (losses, flat), (expected, parameters) in zip(together, alone, strict=True):
        assert losses == expected
        assert_same_bits(flat, parameters)


def test_one_network_serves_many_threads_at_once(rng):
    densenet.set_num_threads(2)
    network = wide()
    x, y = labelled(rng, 300, 300, 10)
    expected_loss, expected = network.gradients(x, y)
    probabilities = network.predict_proba(x)
    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(network.gradients, x, y) for _ in range(12)]
        others = [pool.submit(network.predict_proba, x) for _ in range(12)]
    for future in futures:
        loss, gradients = future.result()
        assert loss == expected_loss
        for name, gradient in gradients.items():
            assert_same_bits(gradient, expected[name])
    for other in others:
        assert_same_bits(other.result(), probabilities)


class PlanThatCounts:
    """Stands for a compiled plan, and counts turns during each of its calls."""

    def __init__(self, plan, turns):
        self._plan, self._turns, self.during_calls = plan, turns, 0

    def __getattr__(self, name):
        return getattr(self._plan, name)

    def train(self, *arguments):
        turn = partial(next, self._turns)
        calls = turn, partial(self._plan.train, *arguments), turn
        before, outcome, after = map(partial.__call__, calls)  # no Python runs in between
        self.during_calls += after - before - 1
        return outcome


def test_other_python_threads_run_during_an_epoch(rng):
    """Another thread has turns within a compiled call; where the lock is kept, it has none."""
    network, turns, running = wide(), itertools.count(), threading.Event()
    network._learner.engine._plan = plan = PlanThatCounts(network._learner.engine._plan, turns)
    x, y = labelled(rng, 20_000, 300, 10)

    def take_turns():
        while not running.is_set():
            next(turns)
            time.sleep(0.001)

    other = threading.Thread(target=take_turns)
    other.start()
    try:
        for _ in range(20):  # some 50 ms each; the first will do unless the machine is busy
            network.fit(x, y, epochs=1, batch_size=100)
            if plan.during_calls:
                break
    finally:
        running.set()
        other.join()
    assert plan.during_calls > 0


@pytest.mark.parametrize("optimizer", [SGD(lr=0.01), Adam(lr=0.001)], ids=str)
def test_ctrl_c_stops_a_long_epoch_and_leaves_a_usable_network(rng, optimizer):
    """After the interruption the state is that of as many steps as it counts."""
    network, twin = wide(), wide()
    x = np.broadcast_to(rng.normal(size=300), (1_280_000, 300))  # minutes of steps
    labels = rng.integers(0, 10, 1_280_000)
    interrupt_when_trained(network)
    with pytest.raises(KeyboardInterrupt):
        network.fit(x, labels, epochs=1, batch_size=64, shuffle=False, optimizer=optimizer)
    steps = network.optimizer_state["step"]
    assert 0 < steps < 20_000
    twin.fit(
        x[: 64 * steps],
        labels[: 64 * steps],
        epochs=1,
        batch_size=64,
        shuffle=False,
        optimizer=optimizer,
    )
    assert_same_bits(network.flat, twin.flat)
    for one in (network, twin):
        one.train_step(x[:64], labels[:64], optimizer)
    assert network.optimizer_state["step"] == steps + 1
    assert_same_bits(network.flat, twin.flat)


def test_ctrl_c_leaves_a_consistent_count_in_the_reference_too():
    layers = [Linear(3, 2)]
    network = Network(layers, Loss(), dtype="float64", seed=1, backend="reference")
    twin = Network(layers, Loss(), dtype="float64", seed=1, backend="reference")
    x, y = np.random.default_rng(0).normal(size=(200_000, 3)), np.zeros(200_000, np.int64)
    interrupt_when_trained(network)
    with pytest.raises(KeyboardInterrupt):
        network.fit(x, y, epochs=1, batch_size=2, shuffle=False, optimizer=SGD(lr=0.01))
    steps = network.optimizer_state["step"]
    assert steps < 100_000
    twin.fit(
        x[: 2 * steps],
        y[: 2 * steps],
        epochs=1,
        batch_size=2,
        shuffle=False,
        optimizer=SGD(lr=0.01),
    )
    # The step at hand may be half done, but those before are counted.
    np.testing.assert_allclose(network.flat, twin.flat, atol=0.03)


# ---- the environment ---------------------------------------------------------------------------

_SHOW = "import densenet; c = densenet.show_config(); print(c['threads'], c['instruction_set'])"


def test_the_environment_sets_the_number_of_threads():
    assert run_python(_SHOW, DENSENET_NUM_THREADS="3").split()[0] == "3"


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5", " "])
def test_a_wrong_number_in_the_environment_is_an_error(wrong):
    result = try_python(_SHOW, DENSENET_NUM_THREADS=wrong)
    assert result.returncode != 0
    line = result.stderr.strip().splitlines()[-1]
    got = wrong if wrong == "0" else repr(wrong)
    assert line == f"ValueError: DENSENET_NUM_THREADS must be an integer in [1, 1024], got {got}"


def test_the_default_number_of_threads_keeps_to_the_affinity_mask():
    if not hasattr(os, "sched_setaffinity"):
        pytest.skip(NOT_APPLICABLE + "no affinity masks")
    cpu = min(os.sched_getaffinity(0))
    code = f"import os; os.sched_setaffinity(0, {{{cpu}}}); {_SHOW}"
    assert run_python(code, DENSENET_NUM_THREADS="").split()[0] == "1"


@pytest.mark.parametrize("level", ["v2", "v3", "v4", "generic"])
def test_the_environment_chooses_the_instruction_set(level):
    result = try_python(_SHOW, DENSENET_ISA=level)
    if result.returncode == 0:
        assert result.stdout.split()[1] == level
    else:
        line = result.stderr.strip().splitlines()[-1]
        assert line.startswith("ImportError: DENSENET_ISA: expected one of ")
        assert f"got {level!r}: " in line
        assert level != densenet.show_config()["instruction_set"]


def test_an_unknown_instruction_set_is_an_error_that_names_those_there_are():
    result = try_python(_SHOW, DENSENET_ISA="v9")
    assert result.returncode != 0
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("ImportError: DENSENET_ISA: expected one of ")
    assert densenet.show_config()["instruction_set"] in line
    assert line.endswith("got 'v9': it is not installed")
