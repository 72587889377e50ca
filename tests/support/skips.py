"""Why a test may be skipped, even where everything is installed that tests need."""

import signal

import pytest

NOT_APPLICABLE = "not applicable: "  # how the reason of a skip begins that is right even in CI
POSIX_SIGNALS = pytest.mark.skipif(
    not hasattr(signal, "pthread_kill"), reason=NOT_APPLICABLE + "needs POSIX signals"
)
