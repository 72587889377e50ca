"""How a thread that works for another one is told to stop, between two steps."""

import threading
from collections.abc import Callable
from dataclasses import dataclass


class Cancelled(BaseException):
    """Ends the work of a thread that is asked to stop; nobody but that thread sees it."""


@dataclass
class Ending:
    """Whether some threads are to stop. Who asks sets ``asked``, and each of them looks at it."""

    asked: bool = False


class _Here(threading.local):
    """The work of this thread; ``ending`` is None where nobody else can ask it to stop."""

    ending: Ending | None = None

    def check(self) -> None:
        """Raise `Cancelled` if this thread is asked to stop."""
        if self.ending is not None and self.ending.asked:
            raise Cancelled

    def watch(self, progress: Callable[[int], None] | None) -> Callable[[int], None]:
        """Make a progress function of `Engine.train` that checks before it calls another one."""
        self.check()

        def watch(steps: int) -> None:
            self.check()
            if progress is not None:
                progress(steps)

        return watch


HERE = _Here()
