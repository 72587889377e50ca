"""What the README shows can be copied: its programs, its commands, its links."""

import re
import shlex

import pytest

from densenet import datasets, lr_range_test
from tests.support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def test_the_programs_run_one_after_the_other(empty_folder, capsys, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for needed in ("sklearn", "onnx"):
        pytest.importorskip(needed)
    pyplot.switch_backend("Agg")
    shown = []
    monkeypatch.setattr(pyplot, "show", lambda: shown.extend(pyplot.get_fignums()))
    tested = []
    test = lr_range_test
    monkeypatch.setattr("densenet.lr_range_test", lambda *of: tested.append(of[0]) or test(*of))
    programs = blocks("python")
    assert len(programs) > 5
    shared = {}
    for program in programs:
        exec(program, shared)
        if program is programs[0]:
            assert float(capsys.readouterr().out) > 0.95
    pyplot.close("all")
    assert len(shown) == 3
    assert [network.optimizer_state for network in tested] == [{}]  # of no training
    assert (empty_folder / "digits.h").exists()


def test_the_commands_run(empty_folder, command):
    pytest.importorskip("matplotlib")
    lines = [shlex.split(line) for block in blocks("sh") for line in block.splitlines()]
    assert [line[1] for line in lines] == ["-c", "fit", "predict", "info"]
    for program, *arguments in lines:
        if program == "python":
            exec(arguments[1], {})
            continue
        assert program == "densenet"
        status, out, _ = command(*arguments)
        assert status == 0, arguments
        assert out
    assert (empty_folder / "digits.png").exists()


def test_the_report_is_what_the_command_prints(empty_folder, command):
    datasets.write_digits()
    told = next(block for block in blocks("") if block.startswith("digits-train.csv: "))
    out = command("fit", "digits-train.csv", "--target", "digit", "--epochs", "1", "--no-picture")[
        1
    ]
    lines = [line for line in told.splitlines() if line and line[0] not in " 0123456789"]
    for line in lines:
        name = re.split(r"  +", line)[0]
        assert any(printed.startswith(name) for printed in out.splitlines()), line


def test_links_and_names_of_files_lead_somewhere():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    names = re.findall(r"`((?:python|src|tests|bench|docs|examples)/[\w/.]*)`", README)
    assert len(links) > 2
    assert len(names) > 8
    for path in [*links, *names]:
        assert (ROOT / path).exists(), path
