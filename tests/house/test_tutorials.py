"""The tutorials, and the pages in Spanish: their programs run, and print what the pages show."""

import ast
import importlib.util
import re
import shutil
import subprocess

import pytest

from tests.support.pages import blocks, differences
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
TUTORIALS = sorted(page for page in DOCS.glob("tutorials/*.md") if page.stem != "index")
SPANISH = DOCS / "es" / "index.md"
OPTIONAL = ("matplotlib", "sklearn", "torch")  # which some pages need


def shown_and_printed(page, capsys):
    """Run the programs of a page in their order; give each output that it shows with its own."""
    shared, printed = {}, ""
    for language, block in blocks(page):
        if language == "python":
            exec(block, shared)
            printed = capsys.readouterr().out
        elif language == "c":
            with open("main.c", "w", encoding="utf-8") as file:
                file.write(block)
        elif language == "sh":
            command = ["sh", "-e", "-c", block]
            result = subprocess.run(command, capture_output=True, text=True, timeout=250)
            assert result.returncode == 0, result.stderr
            printed = result.stdout
        elif language == "":
            yield block, printed
            printed = ""


def run(page, capsys):
    text = page.read_text(encoding="utf-8")
    for name in OPTIONAL:
        needed = re.search(rf"^(?:import|from) {name}\b", text, re.MULTILINE)
        if needed or (name == "matplotlib" and ".savefig(" in text):
            pytest.importorskip(name)
    if "densenet.estimators" in text:
        pytest.importorskip("sklearn")
    if "```c\n" in text and shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    outputs = list(shown_and_printed(page, capsys))
    assert outputs
    for told, printed in outputs:
        assert differences(told, printed) == []


@pytest.mark.parametrize("page", [*TUTORIALS, SPANISH], ids=lambda page: page.stem)
def test_a_tutorial_prints_what_it_shows(page, capsys, empty_folder):
    if importlib.util.find_spec("matplotlib"):
        importlib.import_module("matplotlib").use("Agg")
    run(page, capsys)


def test_the_index_names_every_tutorial():
    index = (DOCS / "tutorials" / "index.md").read_text(encoding="utf-8")
    for page in TUTORIALS:
        assert f"]({page.name}) |" in index
        assert f"\n{page.stem}\n" in index
    assert len(TUTORIALS) == 7


def test_the_index_in_spanish_leads_to_every_tutorial_and_example():
    index = SPANISH.read_text(encoding="utf-8")
    for page in TUTORIALS:
        assert f"](../tutorials/{page.name}) |" in index
    for program in (ROOT / "examples").glob("[a-z]*.py"):
        assert f"](../../examples/{program.name}) |" in index


def test_the_tour_in_spanish_has_the_programs_of_the_english_one():
    ours, theirs = (
        [ast.dump(ast.parse(block)) for block in blocks(page, "python")]
        for page in (DOCS / "guide.md", DOCS / "es" / "guide.md")
    )
    assert len(ours) > 5
    assert theirs == ours
    ours, theirs = (blocks(page, "") for page in (DOCS / "guide.md", DOCS / "es" / "guide.md"))
    assert theirs == ours


@pytest.mark.parametrize(
    ("told", "printed", "same"),
    [
        ("loss 0.104", "loss  0.105", True),
        ("loss 0.104", "loss 0.144", False),
        ("wrong: 3 in 1,797", "wrong: 4 in 1797", True),
        ("2e-08", "1e-08", True),
        ("2e-08", "0.3", False),
        ("equal: True", "equal: False", False),
        ("one\n", "one\ntwo\n", False),
        ("digit 8", "digit 2", False),
    ],
)
def test_what_counts_as_the_same_output(told, printed, same):
    assert (differences(told, printed) == []) == same
