"""Progress bars where they can be seen: on a terminal and in a notebook, and nowhere else."""

import json
import os
import struct
import subprocess
import sys

import pytest

from tests.support.processes import run_python, try_python
from tests.support.skips import NOT_APPLICABLE

pytest.importorskip("tqdm")

TRAIN = """
import numpy as np
from densenet import Linear, MeanSquaredError, Network
network = Network([Linear(3, 2)], MeanSquaredError(), backend={engine!r}, seed=0)
x, y = np.ones((60, 3)), np.ones((60, 2))
history = network.fit(x, y, epochs=3, batch_size=8, progress={progress})
"""


def on_a_terminal(code):
    """Run a program whose standard error is a terminal; give what the terminal gets."""
    reason = NOT_APPLICABLE + "needs POSIX terminals"
    fcntl, pty, termios = (
        pytest.importorskip(name, reason=reason) for name in ("fcntl", "pty", "termios")
    )
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))  # lines, columns
    command = [sys.executable, "-W", "error", "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                part = os.read(ours, 1 << 16)
            except OSError:  # how Linux tells that the other end is closed
                break
            if not part:
                break
            shown += part
        os.close(ours)
        assert process.stdout.read() == b""
    assert process.returncode == 0, shown
    return shown.decode()


def test_a_bar_runs_over_all_steps_and_goes_away(engine):
    shown = on_a_terminal(TRAIN.format(engine=engine, progress=True))
    assert "0/24" in shown
    assert "24/24" in shown
    assert "step" in shown
    assert "loss=" in shown
    last = shown.rstrip("\r").rpartition("\r")[2]
    assert not last.strip()


def test_there_is_none_unless_asked_for():
    assert on_a_terminal(TRAIN.format(engine="compiled", progress=False)) == ""


def test_there_is_none_where_standard_error_is_a_file(engine):
    result = try_python(TRAIN.format(engine=engine, progress=True))
    assert result.returncode == 0
    assert result.stdout == result.stderr == ""


# Talks to a kernel, as a notebook does, and prints each message of a cell's run.
_NOTEBOOK = """
import json, sys
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
messages = []
try:
    reply = client.execute_interactive({cell!r}, timeout=250, output_hook=messages.append)
finally:
    client.stop_channels()
    manager.shutdown_kernel(now=True)
print(json.dumps([[m["msg_type"], m["content"]] for m in messages], default=str))
"""


def test_a_notebook_shows_a_bar_and_the_network_as_tables():
    for package in ("ipykernel", "ipywidgets"):
        pytest.importorskip(package)
    cell = TRAIN.format(engine="compiled", progress=True) + "network"
    printed = run_python(_NOTEBOOK.format(cell=cell), options=())
    messages = json.loads(printed.splitlines()[-1])
    assert not [content for kind, content in messages if kind in ("error", "stream")]

    (bar,) = [content["data"] for kind, content in messages if kind == "display_data"]
    assert "application/vnd.jupyter.widget-view+json" in bar
    states = [content["data"].get("state", {}) for kind, content in messages if kind == "comm_msg"]
    assert 24 in [state.get("value") for state in states]

    (result,) = [content["data"] for kind, content in messages if kind == "execute_result"]
    assert result["text/plain"].startswith("Network: 8 parameters, ")
    assert "<table>" in result["text/html"]
