"""Ctrl-C, sent by the test itself."""

import signal
import threading
import time

import numpy as np
import pytest

from tests.support.skips import NOT_APPLICABLE


def interrupt_when_trained(network):
    """Send this thread what Ctrl-C sends, as soon as the network's parameters have changed."""
    if not hasattr(signal, "pthread_kill"):
        pytest.skip(NOT_APPLICABLE + "needs POSIX signals")
    main, before = threading.get_ident(), network.flat.copy()

    def watch():
        while np.array_equal(network.flat, before):
            time.sleep(0.001)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()
