"""Ranks that are threads of one process, and pass arrays to each other through memory."""

import threading

import numpy as np

import densenet
from densenet import Callback
from tests.support.training import assert_same


class ThreadWorkers:
    """One of some threads that train together."""

    def __init__(self, rank, meeting, exact=False, own_rows=False):
        self.rank, self.size, self.exact = rank, len(meeting.arrays), exact
        self.own_rows = own_rows
        self._meeting = meeting
        self.sums = 0

    def _all(self, array):
        meeting = self._meeting
        meeting.arrays[self.rank] = array.copy()
        meeting.wait()
        arrays = list(meeting.arrays)
        meeting.wait()
        return arrays

    def allreduce(self, array):
        assert array.flags.c_contiguous
        assert array.dtype.kind == "f"
        self.sums += 1
        first, *others = self._all(array)
        assert {each.shape for each in others} <= {first.shape}
        array[...] = first
        for each in others:
            array += each

    def broadcast(self, array, root):
        array[...] = self._all(array)[root]


class Fails(Callback):
    """Raises an error at one moment: ("begin", epoch), ("step", step) or ("end", epoch)."""

    def __init__(self, when, error=None):
        self.when, self.error = when, error or OSError("no space")

    def on_epoch_begin(self, network, epoch):
        if self.when == ("begin", epoch):
            raise self.error

    def on_step_end(self, network, step, loss):
        if self.when == ("step", step):
            raise self.error

    def on_epoch_end(self, network, record):
        if self.when == ("end", record["epoch"]):
            raise self.error


class _Meeting:
    """Where ranks wait for each other, however long, as long as none has ended.

    A barrier with a time limit would take a rank for lost where the machine is busy with others.
    """

    def __init__(self, size):
        self.arrays = [np.zeros(0)] * size
        self._changed = threading.Condition()
        self._here = self._meetings = 0
        self._one_has_ended = False

    def wait(self):
        with self._changed:
            number = self._meetings
            self._here += not self._one_has_ended
            if self._here == len(self.arrays):
                self._here, self._meetings = 0, number + 1
                self._changed.notify_all()
            self._changed.wait_for(lambda: self._meetings > number or self._one_has_ended)
            if self._meetings == number:
                raise RuntimeError("one rank has ended, and another waits for it")

    def end(self):
        with self._changed:
            self._one_has_ended = True
            self._changed.notify_all()


def on_ranks(size, function, exact=False, own_rows=False):
    """Call ``function(workers)`` on each of some ranks; give what each gives or raises."""
    meeting = _Meeting(size)
    ends = [None] * size

    def work(rank):
        try:
            with densenet.config.limit_this_thread(1):
                ends[rank] = function(ThreadWorkers(rank, meeting, exact, own_rows))
        except BaseException as error:
            ends[rank] = error
        finally:
            meeting.end()

    threads = [threading.Thread(target=work, args=(rank,)) for rank in range(size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def all_of(ends):
    """Give what all ranks have given; raise what one of them has raised."""
    for end in ends:
        if isinstance(end, BaseException):
            raise end
    return ends


def assert_equal(ends):
    """Check that all ranks hold the same bits and history; give the network and history of one."""
    (network, history), *others = all_of(ends)
    for other, its_history in others:
        assert_same(other, its_history, network, history)
    return network, history


def parts(counts):
    """Give the rows of each rank, where ranks hold so many rows of their own."""
    ends = np.cumsum(counts)
    return [slice(end - n, end) for n, end in zip(counts, ends, strict=True)]


def in_batches(batch_size, counts):
    """Give the numbers of all rows in the order in which ranks take them without shuffling."""
    begins, n, order = [part.start for part in parts(counts)], sum(counts), []
    taken = [0] * len(counts)
    for k in [*range(batch_size, n, batch_size), n]:
        left, rows = k, n
        for rank, count in enumerate(counts):
            mine = int(np.floor(left * count / rows + 0.5))
            order += range(begins[rank] + taken[rank], begins[rank] + mine)
            taken[rank], left, rows = mine, left - mine, rows - count
    assert sorted(order) == list(range(n))
    return order
