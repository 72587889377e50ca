"""How many threads a call may use: a limit of the thread that calls, and one that others set."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import densenet
from densenet.config import limit_this_thread
from tests.support.assertions import assert_same_bits
from tests.support.examples import labelled
from tests.support.processes import run_python
from tests.support.skips import NOT_APPLICABLE
from tests.support.threads import wide

pytestmark = pytest.mark.usefixtures("keep_threads")


# ---- limits of a thread's own ------------------------------------------------------------------


class Tells(densenet.Callback):
    """Notes the number of threads in every epoch, when all others are in theirs."""

    def __init__(self, meeting):
        self.meeting, self.told = meeting, []

    def on_epoch_end(self, network, record):
        self.meeting.wait(60)
        self.told.append(densenet.get_num_threads())
        self.meeting.wait(60)


def rows(rng):
    return rng.normal(size=(200, 300)), np.arange(200) % 10


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1), (3, None), (1, 2, 3, None)], ids=str)
def test_estimators_fitted_at_once_keep_to_their_own_numbers(rng, numbers):
    estimators = pytest.importorskip("densenet.estimators")
    densenet.set_num_threads(5)
    x, y = rows(rng)
    meeting = threading.Barrier(len(numbers))
    all_told = [Tells(meeting) for _ in numbers]

    def fit(n, tells):
        settings = {"max_iter": 3, "tol": 0.0, "random_state": 0, "solver": "sgd"}
        fitted = estimators.DenseClassifier((32,), **settings, n_threads=n, callbacks=[tells])
        fitted.fit(x, y)
        return densenet.get_num_threads(), fitted.predict_proba(x)

    with warnings.catch_warnings(), ThreadPoolExecutor(len(numbers)) as pool:
        warnings.simplefilter("ignore")  # three epochs are few
        after, probabilities = zip(*pool.map(fit, numbers, all_told), strict=True)
    assert [tells.told for tells in all_told] == [[n or 5] * 3 for n in numbers]
    assert set(after) == {5}
    assert densenet.get_num_threads() == 5
    for one in probabilities[1:]:
        assert_same_bits(one, probabilities[0])


def test_an_error_in_fit_ends_the_limit(rng):
    estimators = pytest.importorskip("densenet.estimators")

    class Fails(densenet.Callback):
        def on_epoch_end(self, network, record):
            densenet.set_num_threads(4)  # of the process, whatever this thread may use
            assert densenet.get_num_threads() == 2
            raise KeyError("enough")

    densenet.set_num_threads(3)
    with pytest.raises(KeyError, match="enough"):
        estimators.DenseRegressor(n_threads=2, callbacks=[Fails()]).fit(*rows(rng))
    assert densenet.get_num_threads() == 4


def test_limits_of_a_thread_are_nested_and_its_own():
    densenet.set_num_threads(5)
    with limit_this_thread(2), ThreadPoolExecutor(1) as pool:
        with limit_this_thread(3):
            assert densenet.get_num_threads() == 3
            assert densenet.show_config()["threads"] == "3"
        with limit_this_thread(None):
            assert densenet.get_num_threads() == 2
        assert pool.submit(densenet.get_num_threads).result() == 5
    assert densenet.get_num_threads() == 5


@pytest.mark.parametrize("wrong", [0, -1, 1.5, "2", 1025])
def test_a_wrong_limit_is_refused(wrong):
    densenet.set_num_threads(3)
    with (
        pytest.raises((TypeError, ValueError), match=r"^n must be an integer in \[1, 1024\], got "),
        limit_this_thread(wrong),
    ):
        pass
    assert densenet.get_num_threads() == 3


def threads_used(rng):
    """Threads that the core's first call has used to train a wide network, and its parameters."""
    network, used = wide(), []
    x, y = labelled(rng, 64, 300, 10)
    train = network._learner.engine.train

    def watched(*arguments):
        outcome = train(*arguments)
        used.append(outcome.threads)
        return outcome

    network._learner.engine.train = watched
    network.fit(x, y, epochs=1, batch_size=32, seed=1)
    return used[0], network.flat


def seeded():
    return np.random.default_rng(1)


def test_a_limit_of_a_thread_reaches_the_core():
    if densenet.show_config()["openmp"] == "no":
        pytest.skip(NOT_APPLICABLE + "built without OpenMP")
    densenet.set_num_threads(3)
    with limit_this_thread(2):
        limited, flat = threads_used(seeded())
    used, expected = threads_used(seeded())
    assert (limited, used) == (2, 3)
    assert_same_bits(flat, expected)


# ---- limits that others set in OpenMP ----------------------------------------------------------


@pytest.fixture
def threadpool_limits():
    """threadpoolctl's, which calls omp_set_num_threads for the thread at hand."""
    threadpoolctl = pytest.importorskip("threadpoolctl")
    openmp = [one for one in threadpoolctl.threadpool_info() if one["user_api"] == "openmp"]
    if densenet.show_config()["openmp"] == "no" or any(one["num_threads"] < 2 for one in openmp):
        pytest.skip(NOT_APPLICABLE + "OpenMP has one thread here")
    return threadpoolctl.threadpool_limits


@pytest.mark.parametrize("limits", [1, {"openmp": 1}], ids=str)
def test_threadpoolctl_limits_what_this_thread_computes(threadpool_limits, limits):
    densenet.set_num_threads(2)
    with threadpool_limits(limits):
        assert densenet.get_num_threads() == 1
        assert densenet.show_config()["threads"] == "1"
        limited, flat = threads_used(seeded())
        with limit_this_thread(2):  # may not be more, either
            assert densenet.get_num_threads() == 1
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(densenet.get_num_threads).result() == 2
    used, expected = threads_used(seeded())
    assert (limited, used) == (1, 2)
    assert_same_bits(flat, expected)


@pytest.mark.parametrize("limits", [64, None, {"blas": 1}], ids=str)
def test_threadpoolctl_raises_no_limit(threadpool_limits, limits):
    for threads in (1, 2, 5):
        densenet.set_num_threads(threads)
        with threadpool_limits(limits):
            assert densenet.get_num_threads() == threads
        assert densenet.get_num_threads() == threads


def test_more_threads_than_openmp_began_with_may_be_set(threadpool_limits):
    densenet.set_num_threads(500)
    assert densenet.get_num_threads() == 500
    with threadpool_limits(1):
        assert densenet.get_num_threads() == 1


@pytest.mark.usefixtures("threadpool_limits")
def test_a_limit_that_was_there_first_ends_with_its_block():
    code = """
import ctypes
from threadpoolctl import threadpool_limits

for path in PATHS:
    ctypes.CDLL(path)
with threadpool_limits(1):
    from densenet import get_num_threads, set_num_threads
    set_num_threads(2)
    inside = get_num_threads()
print(inside, get_num_threads())
with threadpool_limits(1):
    print(get_num_threads())
"""
    from threadpoolctl import threadpool_info

    paths = [one["filepath"] for one in threadpool_info() if one["user_api"] == "openmp"]
    assert run_python(code.replace("PATHS", repr(paths))).split() == ["1", "2", "1"]
