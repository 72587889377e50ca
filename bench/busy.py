"""Processes that keep processors busy, as other programs do on a shared machine."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator

# It ends by itself when its standard input does, which is when the process that started it is gone.
_LOOP = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
print(flush=True)
while True:
    pass
"""


@contextlib.contextmanager
def beside(loops: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Run ``loops`` endless loops of ordinary priority; give their processes.

    All turn when the body begins, and none is left when it ends, by whatever exception.
    """
    with contextlib.ExitStack() as stack:
        processes = []
        for _ in range(loops):
            process = subprocess.Popen(
                [sys.executable, "-S", "-c", _LOOP],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(_end, process)
            processes.append(process)
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        yield processes


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
