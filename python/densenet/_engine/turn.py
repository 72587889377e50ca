"""Turns: one call at a time trains a network."""

import os
import threading
from dataclasses import dataclass, field

ONE_AT_A_TIME = threading.RLock()
"""Held by the thread that begins a turn, or that changes or copies what a network of the reference
has learned. A thread may hold it twice, because a signal handler may come in between. A fork waits
for it: its child has the thread that forked and no other, so none would ever release it there."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=ONE_AT_A_TIME.acquire,
        after_in_parent=ONE_AT_A_TIME.release,
        after_in_child=ONE_AT_A_TIME.release,
    )


@dataclass
class Turn:
    """The turn of a call that trains. The call sets ``over`` in a ``finally`` when it ends.

    A signal handler cannot keep it from doing so: Python runs none between the beginning of a
    ``finally`` and an assignment to an attribute.

    Attributes
    ----------
    method : str
        The name of the method that is called.
    over : bool
        True once the call has ended.
    stepping : bool
        True while the engine takes steps.
    thread, process : int
        Where the call was made.
    """

    method: str
    over: bool = False
    stepping: bool = False
    thread: int = field(default_factory=threading.get_ident)
    process: int = field(default_factory=os.getpid)

    @property
    def lasts(self) -> bool:
        """True until the call ends. In a forked child, the parent's calls have ended."""
        return not self.over and self.process == os.getpid()

    @property
    def elsewhere(self) -> bool:
        """True while the call trains in another thread than the one that asks."""
        return self.lasts and self.thread != threading.get_ident()


def refused(method: str, trainer: str) -> RuntimeError:
    """Make the error for a call of `method` while `trainer` trains the network."""
    return RuntimeError(f"{method}: expected a network that no other call trains, got {trainer}")
