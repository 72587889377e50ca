"""Whose turn it is to train a network: one call's at a time."""

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
    """A call that trains, by the name of its method. Its turn ends when it sets ``over``.

    It does so in a ``finally``. That a signal handler raises there does no harm: Python runs none
    between the beginning of a ``finally`` and an assignment to an attribute.
    """

    method: str
    over: bool = False
    stepping: bool = False  # the engine is at work
    thread: int = field(default_factory=threading.get_ident)
    process: int = field(default_factory=os.getpid)

    @property
    def lasts(self) -> bool:
        """Whether the call is still at it. A forked child has none of its parent's calls."""
        return not self.over and self.process == os.getpid()

    @property
    def elsewhere(self) -> bool:
        """Whether it is still at it in another thread than the one that asks."""
        return self.lasts and self.thread != threading.get_ident()


def refused(method: str, trainer: str) -> RuntimeError:
    """Make the error for a call that comes while another one trains."""
    return RuntimeError(f"{method}: expected a network that no other call trains, got {trainer}")
