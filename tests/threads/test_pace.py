"""On how many threads to work, decided by a clock that the tests turn."""

import ctypes
import shutil
import subprocess

import pytest

from tests.support.paths import ROOT, TESTS


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """What decides, compiled with a clock of the tests' own."""
    compiler = shutil.which("c++")
    if compiler is None:
        pytest.skip("needs a C++ compiler")
    source, library = (
        TESTS / "core" / "pace_library.cpp",
        tmp_path_factory.mktemp("pace") / "pace.so",
    )
    options = ["-std=c++17", "-O1", "-shared", "-fPIC", f"-I{ROOT / 'src'}"]
    subprocess.run([compiler, *options, "-o", library, source], check=True)
    core = ctypes.CDLL(str(library))
    core.pace.restype = core.standby.restype = ctypes.c_void_p
    core.worth_calling.restype = core.asleep.restype = ctypes.c_bool
    core.turn.argtypes = [ctypes.c_double]
    core.drop_pace.argtypes = core.drop_standby.argtypes = [ctypes.c_void_p]
    core.took.argtypes = [ctypes.c_void_p, ctypes.c_long, ctypes.c_double]
    doubles, bools = ctypes.POINTER(ctypes.c_double), ctypes.POINTER(ctypes.c_bool)
    core.next.argtypes = [
        ctypes.c_void_p,
        *[ctypes.c_int] * 2,
        *[ctypes.c_bool] * 2,
        doubles,
        bools,
    ]
    core.worth_calling.argtypes = [ctypes.c_void_p, ctypes.c_double]
    core.asleep.argtypes = [ctypes.c_void_p]
    core.done.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_double]
    return core


# ---- the steps of an epoch ---------------------------------------------------------------------


class Epochs:
    """Steps that take so many seconds in each way, (threads, by columns).

    On a busy machine, `busy` is (a, b): within each `a` seconds, the other threads have no
    processor for the last `b`. A step waits for them, and one thread goes on. Other threads that
    have not worked for 2 ms sleep, and take `waking` seconds to come.
    """

    def __init__(self, core, seconds, *, busy=None, waking=0.0, long_steps=False):
        self.core, self.seconds, self.busy, self.pace = core, seconds, busy, core.pace()
        self.waking, self.worked = waking, -1.0
        self.most = max(way[0] for way in seconds)
        self.by_columns = any(way[1] for way in seconds)
        self.long_steps = long_steps
        self.time = 0.0

    def step(self, way):
        """Take one step; the seconds for which it has waited."""
        needed = self.seconds[way]
        elapsed, waited = needed, 0.0
        if self.busy and way[0] > 1:
            every, away = self.busy
            elapsed, at = 0.0, self.time % every
            while needed > 0:
                together = min(needed, max(0.0, every - away - at))
                needed, elapsed, at = needed - together, elapsed + together, at + together
                if needed > 0:
                    waited, elapsed, at = waited + every - at, elapsed + every - at, 0.0
        if way[0] > 1:
            if self.time - self.worked > 2e-3:
                waited, elapsed = waited + self.waking, elapsed + self.waking
            self.worked = self.time + elapsed
        self.pass_by(elapsed)
        return waited

    def pass_by(self, seconds):
        self.core.turn(seconds)
        self.time += seconds

    def take(self, total, rows=16):
        """Take so many steps; how many were taken in each way, and the last way."""
        taken = dict.fromkeys(self.seconds, 0)
        while total > 0:
            until, columns = ctypes.c_double(), ctypes.c_bool()
            threads = self.core.next(
                self.pace,
                rows,
                self.most,
                self.by_columns,
                self.long_steps,
                ctypes.byref(until),
                ctypes.byref(columns),
            )
            way, end, steps, waited = (threads, columns.value), self.time + until.value, 0, 0.0
            while steps == 0 or (self.time < end and steps < total):
                waited += self.step(way)
                steps += 1
            self.core.took(self.pace, steps, waited)
            taken[way] += steps
            total -= steps
        return taken, way

    def seconds_of(self, total):
        """Take so many steps; how long that took."""
        before = self.time
        self.take(total)
        return self.time - before


@pytest.fixture
def epochs(core):
    made = []

    def epochs(seconds, **how):
        made.append(Epochs(core, seconds, **how))
        return made[-1]

    yield epochs
    for each in made:
        core.drop_pace(each.pace)


FAST, SLOW = 1e-5, 2e-5  # seconds of a step


@pytest.mark.parametrize(
    ("seconds", "fastest"),
    [
        ({(2, False): SLOW, (1, False): FAST}, (1, False)),
        ({(2, False): FAST, (1, False): SLOW}, (2, False)),
        ({(4, True): FAST, (4, False): SLOW, (1, False): SLOW}, (4, True)),
        ({(4, True): SLOW, (4, False): FAST, (1, False): SLOW}, (4, False)),
        ({(4, True): SLOW, (4, False): SLOW, (1, False): FAST}, (1, False)),
        ({(3, False): 5e-4, (1, False): 9e-4}, (3, False)),  # a step is longer than a trial
    ],
)
def test_nearly_all_steps_are_taken_in_the_fastest_way(epochs, seconds, fastest):
    taken, last = epochs(seconds).take(100_000)
    assert last == fastest
    assert taken[fastest] > 95_000
    assert min(taken.values()) > 0  # each was tried


def test_a_smaller_batch_at_the_end_of_an_epoch_begins_no_trials(epochs):
    pace = epochs({(2, False): 3e-4, (1, False): 6e-4})
    pace.take(20)
    pace.take(1, rows=5)
    taken, _ = pace.take(12)
    assert taken[1, False] == 0


def test_batches_that_stay_of_another_size_are_timed_anew(epochs):
    seconds = {(2, False): FAST, (1, False): SLOW}
    pace = epochs(seconds)
    assert pace.take(1_000)[1] == (2, False)
    seconds[2, False] = 2 * SLOW  # as such batches are
    for _ in range(1_000):
        last = pace.take(1, rows=5)[1]
    assert last == (1, False)


def test_a_way_that_is_hardly_faster_is_not_chosen(epochs):
    taken, _ = epochs({(2, False): FAST, (1, False): 0.97 * FAST}).take(100_000)
    assert taken[2, False] > taken[1, False]


def test_what_becomes_faster_is_found_out(epochs):
    seconds = {(2, False): FAST, (1, False): SLOW}
    pace = epochs(seconds)
    assert pace.take(100_000)[1] == (2, False)
    seconds[2, False] = 10 * SLOW  # another process has come
    taken, last = pace.take(100_000)
    assert last == (1, False)
    assert taken[2, False] < 5_000
    seconds[2, False] = FAST  # and has gone
    assert pace.take(100_000)[1] == (2, False)


def test_trials_are_few_where_nothing_changes(epochs):
    pace = epochs({(2, False): FAST, (1, False): SLOW})
    pace.take(200_000)  # 2 s
    assert pace.take(100_000)[0][1, False] < 200  # 1 s, in which trials come up to four times


@pytest.mark.parametrize(
    ("step", "long_steps"), [(5e-5, False), (1e-3, False), (1e-3, True), (4e-2, True)]
)
def test_late_threads_cost_little(epochs, step, long_steps):
    """Threads that are twice as fast, but away half the time, for 3 ms at a time."""
    seconds = {(2, False): step / 1.8, (1, False): step}
    pace = epochs(seconds, busy=(6e-3, 3e-3), long_steps=long_steps)
    steps = int(10 / step)
    pace.take(steps // 10)
    assert pace.seconds_of(steps) <= 1.05 * steps * step


@pytest.mark.parametrize(
    ("step", "long_steps"), [(5e-5, False), (1e-3, False), (1e-3, True), (4e-2, True)]
)
def test_threads_that_are_seldom_late_stay_in_use(epochs, step, long_steps):
    """They are away for 2 ms of 50."""
    seconds = {(2, False): step / 1.8, (1, False): step}
    pace = epochs(seconds, busy=(5e-2, 2e-3), long_steps=long_steps)
    steps = int(10 / step)
    assert pace.seconds_of(steps) < 0.65 * steps * step


def test_threads_that_had_to_wake_up_were_not_late(epochs):
    pace = epochs({(2, False): 6e-3, (1, False): 1e-2}, waking=6e-3, long_steps=True)
    for _ in range(100):
        pace.pass_by(1e-2)
        assert pace.take(1)[1] == (2, False)


def test_one_late_step_costs_a_few_long_ones(epochs):
    """The threads lose their processor for half a second, once."""
    pace = epochs(
        {(2, False): 0.12, (1, False): 0.23}, busy=(1.11, 0.5), waking=1e-4, long_steps=True
    )
    assert pace.take(6)[0] == {(2, False): 6, (1, False): 0}
    assert pace.time > 1.1  # the last one was late
    pace.busy = None
    assert pace.take(20)[0][1, False] <= 3


@pytest.mark.parametrize("long_steps", [False, True])
def test_threads_are_used_again_where_the_machine_is_no_longer_busy(epochs, long_steps):
    seconds = {(2, False): 5e-4, (1, False): 1e-3}
    pace = epochs(seconds, busy=(6e-3, 3e-3), long_steps=long_steps)
    pace.take(5_000)
    pace.busy = None
    pace.take(1_500)  # they are left out for a second at most
    taken, _ = pace.take(1_000)
    assert taken[2, False] > 950


# ---- single calls ------------------------------------------------------------------------------


class Calls:
    """Calls that take one thread so many seconds, and several theirs."""

    def __init__(self, core, alone, together):
        self.core, self.alone, self.together = core, alone, together
        self.standby = core.standby()

    def make(self, number, pause=0.0):
        """Make so many calls; how many of them had threads."""
        with_threads = 0
        for _ in range(number):
            self.core.turn(pause)
            if self.core.worth_calling(self.standby, self.alone):
                self.core.turn(self.together)
                waited = max(0.0, self.together - self.alone / 2)
                self.core.done(self.standby, 2, waited)
                with_threads += 1
            else:
                self.core.turn(self.alone)
                self.core.done(self.standby, 1, 0.0)
        return with_threads


@pytest.fixture
def calls(core):
    made = []

    def calls(alone, together):
        made.append(Calls(core, alone, together))
        return made[-1]

    yield calls
    for each in made:
        core.drop_standby(each.standby)


def test_calls_after_a_pause_wake_nobody(calls):
    assert calls(alone=2e-5, together=1e-5).make(100, pause=0.01) == 0


def test_a_series_of_calls_has_threads_after_as_long_as_waking_takes(calls):
    assert calls(alone=2e-5, together=1e-5).make(100) == 96  # 100 us on one thread come first


def test_a_call_that_is_long_enough_has_threads_at_once(calls):
    assert calls(alone=2e-3, together=1e-3).make(5, pause=0.01) == 5


def test_threads_that_come_too_late_are_left_alone(calls):
    """They cost 1.9 ms a call, so that calls on one thread lose little by them."""
    busy = calls(alone=1e-3, together=3e-3)
    busy.make(100)
    assert busy.make(1000) <= 10


def test_threads_that_come_late_by_chance_are_called_again(calls):
    late = calls(alone=1e-3, together=3e-3)
    late.make(100)
    late.together = 5e-4
    late.make(1000)  # 1 s; they are left alone for a quarter of that at most
    assert late.make(1000) == 1000


def test_threads_are_asleep_until_they_have_worked(core, calls):
    series = calls(alone=1e-3, together=5e-4)
    assert core.asleep(series.standby)
    series.make(2)
    assert not core.asleep(series.standby)
    core.turn(1)
    core.worth_calling(series.standby, series.alone)
    assert core.asleep(series.standby)
