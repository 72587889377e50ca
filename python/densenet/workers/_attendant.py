"""A rank whose calls are those of an object in another process, where all ranks meet."""

from typing import Any

from densenet._typing import Array
from densenet.workers.contract import Workers


class Attendant(Workers):
    """A rank that asks a `Meeting`, of the file beside; subclasses say how."""

    def __init__(self, meeting: Any, rank: int, size: int, exact: bool, own_rows: bool) -> None:
        self._meeting, self.rank, self.size = meeting, rank, size
        self.exact, self.own_rows = exact, own_rows
        self._calls = 0

    def allreduce(self, array: Array) -> None:
        """Replace an array by the sum of those of all ranks."""
        array[...] = self._call("allreduce", array)

    def broadcast(self, array: Array, root: int) -> None:
        """Replace an array by that of the rank `root`."""
        array[...] = self._call("broadcast", array, root)

    def _call(self, method: str, *given: Any) -> Array:
        number, self._calls = self._calls, self._calls + 1
        return self._ask(method, self.rank, number, *given)

    def _ask(self, method: str, *given: Any) -> Array:
        """Call a method of the meeting, wait, and give what it returns."""
        raise NotImplementedError
