"""What a careless or unlucky caller may do: nothing hangs, crashes, or is half done."""

import copy
from pathlib import Path

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
    SoftmaxCrossEntropy,
    set_num_threads,
)
from tests.support.arrays import misaligned
from tests.support.examples import labelled
from tests.support.processes import run_python
from tests.support.skips import NOT_APPLICABLE, POSIX_SIGNALS


def make(engine="compiled", **options):
    return Network(
        [Linear(6, 5), BatchNorm(5), Linear(5, 3)], SoftmaxCrossEntropy(), backend=engine, **options
    )


@pytest.fixture
def data(rng):
    x, y = labelled(rng, 40, 6)
    return x.astype(np.float32), y


def test_members_without_rows_come_to_the_barriers_of_a_normalisation():
    code = """
import numpy as np, densenet as dn
from densenet import _core
_core.suspend_timing(True)
x = np.random.default_rng(0).normal(size=(3, 1200)).astype("f4")
net = dn.Network([dn.Linear(1200, 1200), dn.BatchNorm(1200)], dn.MeanSquaredError(), seed=0)
results = []
for threads in (1, 2, 5, 7):
    dn.set_num_threads(threads)
    results += [net.forward(x[:rows], training=True).tobytes() for rows in (1, 3)]
print(len(set(results)))
"""
    assert run_python(code) == "2"


@pytest.mark.skipif(
    not Path("/proc/self/statm").exists(), reason=NOT_APPLICABLE + "needs Linux's limit of memory"
)
def test_a_network_works_after_memory_ran_out():
    code = """
import resource, numpy as np, densenet as dn
net = dn.Network([dn.Linear(40, 400), dn.Linear(400, 3)], dn.SoftmaxCrossEntropy(), seed=0)
few = np.ones((1, 40), "f4")
net.gradients(few, [0])
many = np.ones((200_000, 40), "f4")
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + (64 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    net.gradients(many, np.zeros(len(many), int))
except MemoryError:
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(net.predict(few).shape, net.gradients(few, [0])[0] > 0)
"""
    assert run_python(code) == "(1,) True"


@pytest.mark.parametrize("wrong", [MemoryError, KeyboardInterrupt])
def test_a_call_that_fails_keeps_the_optimizer_s_state(engine, data, monkeypatch, wrong):
    network = make(engine, seed=0)
    network.train_step(*data, Adam())
    before = copy.deepcopy(network.optimizer_state)

    def fail(*arguments):
        raise wrong

    monkeypatch.setattr(network._learner.engine, "train", fail)
    with pytest.warns(UserWarning, match="discarded"), pytest.raises(wrong):
        network.train_step(*data, SGD())
    after = network.optimizer_state
    assert after["step"] == before["step"] == 1
    np.testing.assert_array_equal(after["m"], before["m"])


def test_misaligned_weights_are_weights(engine, data, rng):
    weights = rng.random(40)
    a, b = make(engine, seed=0), make(engine, seed=0)
    loss = a.train_step(*data, Adam(), sample_weight=misaligned(weights))
    assert loss == b.train_step(*data, Adam(), sample_weight=weights)


def test_labels_that_change_during_fit_change_nothing(engine, data):
    x, y = data
    y = y.astype(np.int64)

    class Vandal(Callback):
        def on_step_end(self, network, step, loss):
            y[:] = 10**9

    calm, disturbed = make(engine, seed=0), make(engine, seed=0)
    calm.fit(x, y.copy(), epochs=2, batch_size=8, seed=1)
    disturbed.fit(x, y, epochs=2, batch_size=8, seed=1, callbacks=[Vandal()])
    np.testing.assert_array_equal(disturbed.flat, calm.flat)


def test_rows_that_are_the_network_s_own_weights_do_not_change_under_the_step(keep_threads):
    results = set()
    for threads in (1, 2, 2, 2):
        set_num_threads(threads)
        network = Network([Linear(300, 400), Linear(400, 300)], MeanSquaredError(), seed=0)
        x = network.parameters["1.weight"].T
        own = x[:, :300]
        network.train_step(own, own.copy(), SGD(0.1))
        results.add(network.flat.tobytes())
    assert len(results) == 1


def test_a_loss_of_one_s_own_that_fails_leaves_the_moments(engine, data):
    class Wrong:
        def forward(self, outputs, targets):
            return 1.0

        def backward(self, outputs, targets):
            return outputs[:1]

    network = Network([Linear(6, 5), BatchNorm(5)], Wrong(), backend=engine, seed=0)
    before = {name: array.copy() for name, array in network.running_moments.items()}
    with pytest.raises(ValueError, match="backward's result: expected shape"):
        network.train_step(data[0], data[0], Adam())
    for name, array in network.running_moments.items():
        np.testing.assert_array_equal(array, before[name])


def test_a_shallow_copy_has_a_random_generator_of_its_own(engine, data):
    network, other = make(engine, seed=0), make(engine, seed=0)
    copy.copy(network).fit(*data, epochs=1, batch_size=8)
    a, b = network.fit(*data, epochs=1, batch_size=8), other.fit(*data, epochs=1, batch_size=8)
    assert a.batch_loss == b.batch_loss


@POSIX_SIGNALS
def test_python_that_runs_inside_a_call_keeps_its_denormals():
    code = """
import signal, numpy as np, densenet as dn
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(float(np.float64(5e-324) * 1)))
signal.setitimer(signal.ITIMER_REAL, 0.2)
x = np.random.default_rng(0).normal(size=(20000, 100)).astype("f4")
net = dn.Network([dn.Linear(100, 100), dn.Linear(100, 3)], dn.SoftmaxCrossEntropy(), seed=0)
while not seen:
    net.fit(x, np.zeros(len(x), int), epochs=1, batch_size=8)
print(seen[0] > 0)
"""
    assert run_python(code) == "True"


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({1.0: 2.0}, "class_weight: expected classes in [0, 3), got 1.0"),
        ({0: "a"}, "class_weight: expected real numbers, got str"),
        ({0: [1, 2]}, "class_weight: expected shape (), got (2,)"),
    ],
)
def test_class_weights_of_the_wrong_kind(data, weights, text):
    with pytest.raises((TypeError, ValueError)) as caught:
        make(seed=0).fit(*data, class_weight=weights)
    assert str(caught.value) == text


def test_a_callback_may_reset_the_optimizer(data):
    class Reset(Callback):
        def on_step_end(self, network, step, loss):
            network.reset_optimizer()

    history = make(seed=0).fit(*data, epochs=1, batch_size=40, callbacks=[Reset()])
    assert len(history.batch_loss) == 1
