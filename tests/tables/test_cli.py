"""The console command, the demo behind it and the pictures that it draws."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import densenet
from densenet import History, cli, demo
from densenet.cli import _options


def _densenet(*arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-W", "error", "-m", "densenet", *arguments],
        capture_output=True,
        text=True,
        timeout=250,
        env=os.environ | variables,
    )


def _refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line that a wrong command line is answered with."""
    with pytest.raises(SystemExit) as exit_:
        cli.main(arguments)
    out, err = capsys.readouterr()
    assert exit_.value.code == 2
    assert (out, err.count("\n")) == ("", 1)
    return str(err)


# ---- the command --------------------------------------------------------------------------------


def test_info_prints_aligned_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["info"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert dict(line.split(maxsplit=1) for line in lines) == densenet.show_config()
    starts = {len(line) - len(line.split(maxsplit=1)[1]) for line in lines}
    assert len(starts) == 1


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        cli.main(["--version"])
    assert exit_.value.code == 0
    assert capsys.readouterr().out == f"densenet {densenet.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "required: command"),
        (["dmo"], "invalid choice: 'dmo'"),
        (["demo", "--epochs", "0"], "--epochs: must be an integer >= 1, got 0"),
        (["demo", "--batch-size", "ten"], "--batch-size: must be an integer >= 1, got ten"),
        (["demo", "--seed", "-1"], "--seed: must be an integer >= 0, got -1"),
        (["demo", "--threads", "0"], "--threads: must be an integer >= 1, got 0"),
        (["demo", "--output", "a.txt"], "--output: must end in .png, .svg or .pdf, got a.txt"),
        (["demo", "--output", "no/where.png"], "cannot write no/where.png: No such file"),
    ],
)
def test_a_wrong_option_gets_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert message in _refused(capsys, *arguments)


def test_an_output_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert f"--output: cannot write {folder}: " in _refused(capsys, "demo", "--output", str(folder))


def test_looking_at_an_output_leaves_it_alone(tmp_path: Path) -> None:
    old, new = tmp_path / "old.png", tmp_path / "new.png"
    old.write_bytes(b"a picture")
    assert (_options.picture(str(old)), _options.picture(str(new))) == (old, new)
    assert old.read_bytes() == b"a picture"
    assert not new.exists()


def test_a_wrong_variable_gets_one_line() -> None:
    done = _densenet("info", DENSENET_NUM_THREADS="many")
    assert done.returncode == 2
    assert done.stderr == (
        "densenet: DENSENET_NUM_THREADS must be an integer in [1, 1024], got 'many'\n"
    )


@pytest.mark.parametrize(
    ("missing", "names"),
    [
        (("matplotlib",), "matplotlib"),
        (("tqdm",), "tqdm"),
        (("matplotlib", "tqdm"), "matplotlib and tqdm"),
    ],
)
def test_a_missing_extra_is_told_before_any_training(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    missing: tuple[str, ...],
    names: str,
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("tqdm")
    for module in missing:
        monkeypatch.setitem(sys.modules, module, None)
    assert cli.main(["demo", "--epochs", "1000000", "--output", str(tmp_path / "a.png")]) == 2
    assert capsys.readouterr() == (
        "",
        f'densenet: the demo needs {names}: pip install "densenet-cpu[demo]"\n',
    )


def test_an_interrupt_leaves_no_traceback(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def interrupted(settings: demo.Options) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo, "run", interrupted)
    assert cli.main(["demo", "--output", str(tmp_path / "a.png")]) == 130


# ---- the demo -----------------------------------------------------------------------------------


def _numbers(output: str) -> list[str]:
    """What a run prints, times and the name of the picture aside."""
    lines = output.splitlines()
    return [line for line in lines if not line.startswith(("training:", "picture:"))]


@pytest.mark.skipif(sys.platform == "win32", reason="not applicable: pipes break otherwise there")
def test_a_reader_that_has_seen_enough_gets_no_error() -> None:
    end, pipe = os.pipe()
    os.close(end)
    command = [sys.executable, "-m", "densenet", "info"]
    found = subprocess.run(command, stdout=pipe, stderr=subprocess.PIPE, check=False)
    os.close(pipe)
    assert (found.returncode, found.stderr) == (141, b"")


def test_the_demo_prints_the_same_numbers_twice(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("tqdm")
    runs = []
    for name in "first", "second":
        picture = tmp_path / f"{name}.png"
        done = _densenet("demo", "--epochs", "2", "--seed", "3", "--output", str(picture))
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        assert picture.read_bytes().startswith(b"\x89PNG")
        runs.append(done.stdout)
    assert _numbers(runs[0]) == _numbers(runs[1])
    assert "\n    2 " in runs[0]
    for part in "test accuracy", "confusion matrix", "ratio", "largest relative difference":
        assert part in runs[0]


@pytest.mark.parametrize("seed", [0, 1])
def test_the_demo_reads_97_percent_of_the_test_digits(
    capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    pytest.importorskip("tqdm")
    outcome = demo._experiment(demo.Options(seed=seed))
    assert outcome.score >= 0.97
    assert outcome.confusion.sum() == 1797
    assert len(outcome.misread) == 1797 - outcome.confusion.trace()
    assert outcome.difference <= demo.TOLERANCE
    assert min(outcome.compiled.batch_loss) >= demo.LEAST_LOSS


def test_backends_that_disagree_are_an_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    pytest.importorskip("tqdm")
    monkeypatch.setattr(demo, "TOLERANCE", 1e-30)
    assert cli.main(["demo", "--epochs", "1", "--output", str(tmp_path / "picture.svg")]) == 1
    assert "disagree" in capsys.readouterr().out


def test_largest_difference() -> None:
    assert demo.largest_difference([2.0, 1.0], [2.0, 0.75]) == 0.25
    assert np.isnan(demo.largest_difference([2.0, 1.0], [2.0, np.nan]))


# ---- pictures -----------------------------------------------------------------------------------


@pytest.fixture
def pyplot() -> Iterator[Any]:
    pytest.importorskip("matplotlib").use("Agg")
    from matplotlib import pyplot

    yield pyplot
    pyplot.close("all")


def _history(epochs: int, **columns: Any) -> History:
    return History(
        epochs=[
            {"epoch": i + 1, "lr": 0.1, "seconds": 1.0}
            | {name: float(values[i]) for name, values in columns.items()}
            for i in range(epochs)
        ]
    )


@pytest.mark.parametrize("epochs", [1, 2, 300])
def test_history_plots_each_curve(pyplot: Any, epochs: int) -> None:
    falling = 1 / np.arange(1, epochs + 1)
    history = _history(epochs, loss=falling, val_loss=2 * falling, val_accuracy=1 - falling / 2)
    figure: Any = history.plot()
    figure.canvas.draw()
    losses, scores = figure.axes
    assert [line.get_ydata().tolist() for line in losses.lines] == [
        falling.tolist(),
        (2 * falling).tolist(),
    ]
    assert scores.lines[0].get_ydata()[-1] == pytest.approx(100 - 50 * falling[-1])


def test_a_training_that_diverged_can_be_plotted(pyplot: Any) -> None:
    _history(3, loss=[1, 9, np.nan], val_loss=[np.nan] * 3).plot().canvas.draw()
    _history(3, loss=[1, 9, np.inf]).plot().canvas.draw()


def test_labels_do_not_overlap(pyplot: Any) -> None:
    figure = _history(5, loss=[1.0] * 5, val_loss=[1.0] * 5).plot()
    figure.canvas.draw()
    first, second = (text.get_window_extent() for text in figure.axes[0].texts)
    assert not first.overlaps(second)
    assert max(first.x1, second.x1) <= figure.bbox.x1


def test_a_history_without_epochs_cannot_be_plotted(pyplot: Any) -> None:
    with pytest.raises(ValueError, match="expected at least one epoch, got none"):
        History().plot()


def test_plotting_names_the_extra_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r'pip install "densenet-cpu\[plot\]"'):
        _history(1, loss=[1.0]).plot()


def test_pictures_of_no_errors(pyplot: Any) -> None:
    from densenet import plotting

    figure, (left, right) = pyplot.subplots(1, 2)
    plotting.confusion_matrix(left, np.diag([3, 4]), ["cat", "dog"])
    plotting.misclassified(right, np.empty((0, 64)), [], [], shape=(8, 8))
    figure.canvas.draw()
    assert [label.get_text() for label in left.get_xticklabels()] == ["cat", "dog"]
    assert [text.get_text() for text in left.texts] == ["3", "4"]
