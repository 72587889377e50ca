"""Reads groups of rows from a mapped file, each while those before it are learned from."""

import _thread
import contextlib
import mmap
import os
import sys
from typing import NamedTuple

import numpy as np

from densenet._engine.contract import Examples
from densenet._typing import Array
from densenet.training.making import Group
from densenet.training.orders import rows_of_a_group

_AHEAD = 2**22  # bytes that the system is asked for before they are read
_ASKED = 2**17  # bytes for one call: Linux reads no more than its read-ahead, often 128 KiB, for it
_COLD = 20 if sys.platform == "linux" else 0  # MADV_COLD, which Python's mmap does not name


class _Ended(NamedTuple):
    """Whether a thread has ended: it says yes, and then releases the lock."""

    lock: _thread.LockType
    yes: list[bool]


class Reader:
    """Copies the rows of the steps at hand into memory, and those of the next steps meanwhile.

    Rows are copied in the order in which they lie, a piece of neighbours at a time: pages of the
    file are used once, so that the system may drop them.
    """

    def __init__(self, file: mmap.mmap, examples: Examples, batch_size: int) -> None:
        self._file, self._examples, self._batch_size = file, examples, batch_size
        x = examples.x
        self._rows = min(rows_of_a_group(x, batch_size), len(x))
        row = x.shape[1] * x.itemsize
        self._near = hasattr(file, "madvise") and row <= x.strides[0] <= 2 * row
        self._begin = _address(x) - _address(np.frombuffer(file, np.uint8))
        self._ahead = max(1, _AHEAD // row)  # in rows
        self._buffers: dict[int, Array] = {}
        self._reading: tuple[_Ended, int] | None = None  # of the thread, and of which process
        self._group: Group | None = None  # at hand
        self._next: Group | None = None  # as the thread leaves it
        self._stopped = False

    def group(self, epoch: Array, step: int) -> Group:
        """Give the rows of the group that an epoch's step belongs to.

        `epoch` is the order of its rows. What was given before may be overwritten.
        """
        group = self._group
        if group is not None and group.epoch is epoch and group.first <= step < group.last:
            return group
        number = step * self._batch_size // self._rows
        self._wait()
        group, self._next = self._next, None
        if group is None or group.epoch is not epoch or not group.first <= step < group.last:
            group = self._read(epoch, number)
        self._group = group
        if (number + 1) * self._rows < len(epoch):
            # By calls of C alone: `threading` breaks where a signal handler raises within it.
            ended = _Ended(_thread.allocate_lock(), [])
            ended.lock.acquire()
            _thread.start_new_thread(self._read_next, (epoch, number + 1, ended))
            self._reading = ended, os.getpid()
        return group

    def end(self) -> None:
        """End the thread that reads."""
        self._stopped = True
        self._wait()

    def _wait(self) -> None:
        if self._reading is not None:
            ended, process = self._reading
            # A child of fork has no such thread. The lock may have been taken by a call that ended.
            while process == os.getpid() and not ended.yes:
                ended.lock.acquire()
            self._reading = None

    def _read_next(self, epoch: Array, number: int, ended: _Ended) -> None:
        try:
            with contextlib.suppress(MemoryError, _StoppedError):  # the caller reads, and raises
                self._next = self._read(epoch, number)
        finally:
            ended.yes.append(True)
            ended.lock.release()

    def _read(self, epoch: Array, number: int) -> Group:
        x, targets, weights, _ = self._examples
        part = epoch[number * self._rows : (number + 1) * self._rows]
        places = np.argsort(part)
        rows = part[places]
        if number % 2 not in self._buffers:
            self._buffers[number % 2] = np.empty((self._rows, x.shape[1]), x.dtype)
        into = self._buffers[number % 2][: len(rows)]
        ends = np.append(np.flatnonzero(np.diff(rows) != 1) + 1, len(rows)).tolist()
        begin = ahead = asked = 0
        for end in ends:
            while asked < len(ends) and ahead < begin + self._ahead:
                self._advise(mmap.MADV_WILLNEED, int(rows[ahead]), ends[asked] - ahead)
                ahead, asked = ends[asked], asked + 1
            first = int(rows[begin])
            into[places[begin:end]] = x[first : first + end - begin]
            self._advise(_COLD, first, end - begin)
            begin = end
            if self._stopped:
                raise _StoppedError
        first_step = number * self._rows // self._batch_size
        last_step = first_step - (-len(rows) // self._batch_size)
        weights = None if weights is None else weights[part]
        return Group(epoch, first_step, last_step, Examples(into, targets[part], weights))

    def _advise(self, advice: int, row: int, rows: int) -> None:
        """Advise the system about rows that are one piece of the file."""
        if not self._near or not advice:
            return
        stride = self._examples.x.strides[0]
        begin, end = self._begin + row * stride, self._begin + (row + rows) * stride
        with contextlib.suppress(OSError):  # it knows no such advice, and does well without
            for at in range(begin - begin % mmap.PAGESIZE, end, _ASKED):
                self._file.madvise(advice, at, min(_ASKED, end - at))


class _StoppedError(Exception):
    """Ends reading."""


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
