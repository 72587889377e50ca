"""Files that are written whole or not at all, and what a killed process leaves behind."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from densenet import Linear, MeanSquaredError, Network
from densenet._files.whole import written_whole


def make(seed=1):
    return Network([Linear(3, 2)], MeanSquaredError(), seed=seed)


HOLD = """
import sys, time
from densenet._files.whole import written_whole

with written_whole(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    print("open", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def writer():
    """Start a process that holds a file open which is half written."""
    processes = []

    def start(path):
        command = [sys.executable, "-c", textwrap.dedent(HOLD), str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def end(process):
    process.kill()
    process.wait()


@pytest.mark.parametrize("name", ["model.safetensors", "größe", "x" * 250])
def test_what_a_killed_process_leaves_is_removed_by_the_next_save(tmp_path, writer, name):
    path = tmp_path / name
    make().save(path)
    before = path.read_bytes()
    for process in [writer(path) for _ in range(3)]:
        end(process)
    assert len(list(tmp_path.iterdir())) == 4
    assert path.read_bytes() == before
    make(seed=2).save(path)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name != "posix", reason="not applicable: locks of POSIX")
def test_what_a_living_process_writes_stays(tmp_path, writer):
    path = tmp_path / "model"
    alive, dead = writer(path), writer(path)
    end(dead)
    make().save(path)
    assert len(list(tmp_path.iterdir())) == 2
    alive.send_signal(signal.SIGINT)  # which lets it remove its own
    alive.wait()
    assert list(tmp_path.iterdir()) == [path]


def test_what_belongs_to_other_files_stays(tmp_path, writer):
    end(writer(tmp_path / "other"))
    foreign = tmp_path / ".densenet-0123.tmp"
    foreign.write_bytes(b"")
    make().save(tmp_path / "model")
    assert len(list(tmp_path.iterdir())) == 3


def test_two_that_write_at_once_both_end_whole(tmp_path):
    path = tmp_path / "file"
    with written_whole(path) as outer:
        outer.write(b"outer")
        with written_whole(path) as inner:
            inner.write(b"inner")
        assert path.read_bytes() == b"inner"
    assert path.read_bytes() == b"outer"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("missing", ["no/such/folder", "file"])
def test_an_error_names_the_folder_that_is_missing(tmp_path, missing):
    (tmp_path / "file").write_text("")
    with pytest.raises(FileNotFoundError) as caught:
        make().save(tmp_path / missing / "model")
    assert (
        str(caught.value) == f"path: expected an existing folder, got {str(tmp_path / missing)!r}"
    )


def test_an_error_names_the_file_that_was_asked_for(tmp_path, monkeypatch):
    """And not the one beside it, of which the user never heard."""
    path = tmp_path / "model"

    def refuse(self, *arguments):
        raise PermissionError(errno.EACCES, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(PermissionError) as caught, written_whole(path):
        pass
    assert caught.value.filename == str(path)
