"""What the pages show can be copied: their programs, their commands, their links."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest

import densenet
from densenet import datasets, lr_range_test
from tests.support.c import build
from tests.support.pages import blocks, differences
from tests.support.paths import ROOT

DOCS = ROOT / "docs"
README = ROOT / "README.md"
GUIDE, COMMANDS = DOCS / "guide.md", DOCS / "command-line.md"
FROM_CSV = DOCS / "csv-to-predictions.md"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
DATED = {"performance.md", "measurements.md", "tuning.md", "faults-put-in.md", "CHANGELOG.md"}
PLACES = [  # where a page may begin the name of a file
    *(ROOT, DOCS, ROOT / "src"),
    *(
        folder
        for tree in ("src/core", "python/densenet", "tests")
        for folder in (ROOT / tree, *(ROOT / tree).rglob("*"))
        if folder.is_dir() and folder.name != "__pycache__"
    ),
]


def name_of(path):
    return path.relative_to(ROOT).as_posix() if isinstance(path, Path) else str(path)


def run(page):
    """Run the programs of a page one after the other; give what each leaves behind."""
    shared = {}
    for program in blocks(page, "python"):
        exec(program, shared)
        yield shared


def test_the_readme_s_program_runs(empty_folder, capsys):
    [end] = run(README)
    assert float(capsys.readouterr().out) > 0.95
    assert len(end["network"].optimizer_state) > 1
    [program] = blocks(README, "python")
    assert len([line for line in program.splitlines() if line]) <= 15


def test_the_programs_for_much_data_run(empty_folder, rng):
    rng.normal(size=(500, 784)).astype(np.float32).tofile("x.f32")
    np.save("y.npy", rng.integers(0, 10, 500))
    assert len(list(run(DOCS / "much-data.md"))) == 4


def test_the_first_page_s_program_prints_what_it_shows(empty_folder, capsys):
    [_] = run(DOCS / "index.md")
    [told] = blocks(DOCS / "index.md", "")
    assert differences(told, capsys.readouterr().out, within=0.02) == []


def test_the_guide_s_programs_run_one_after_the_other(empty_folder, capsys, monkeypatch):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for needed in ("sklearn", "onnx"):
        pytest.importorskip(needed)
    pyplot.switch_backend("Agg")
    figures = []
    monkeypatch.setattr(pyplot, "show", lambda: figures.extend(pyplot.get_fignums()))
    tested = []
    test = lr_range_test
    monkeypatch.setattr("densenet.lr_range_test", lambda *of: tested.append(of[0]) or test(*of))
    programs = run(GUIDE)
    shown = blocks(GUIDE, "")
    assert len(shown) == 2
    for told in shown:
        next(programs)
        assert differences(told, capsys.readouterr().out) == []
    assert len(list(programs)) > 4
    pyplot.close("all")
    assert len(figures) == 3
    assert [network.optimizer_state for network in tested] == [{}]  # of no training
    assert (empty_folder / "digits.h").exists()


def test_the_programs_on_many_models_run(empty_folder):
    pytest.importorskip("sklearn")
    *_, end = run(DOCS / "many-models.md")
    assert min(end["scores"]) > 0.9
    assert end["best"] == {"learning_rate_init": 1e-2}
    assert (end["probabilities"].argmax(axis=1) == end["y_test"]).mean() > 0.9


def test_the_program_on_many_processes_runs(empty_folder):
    [end] = run(DOCS / "many-processes.md")
    one, other = end["networks"]
    assert one.flat.tobytes() == other.flat.tobytes()
    assert (one.predict(end["x_test"]) == end["y_test"]).mean() > 0.8


def test_the_program_of_the_page_on_training_runs(empty_folder):
    [end] = run(DOCS / "training.md")
    x, y = end["digits"].x_test, end["digits"].y_test
    assert (end["new"].predict(x) == y % 2).mean() > 0.9


def test_the_programs_on_equations_run_and_its_lines_are_those_of_the_core(capsys):
    page = DOCS / "equations.md"
    *_, end = run(page)
    right, *wrong = end["errors"].values()
    assert right < 1e-6
    assert min(wrong) > 0.4
    assert capsys.readouterr().out.count("\n") == 4
    core = {
        line.strip()
        for path in (ROOT / "src" / "core").rglob("*.[ch]pp")
        for line in path.read_text(encoding="utf-8").splitlines()
    }
    quoted = [line.strip() for block in blocks(page, "cpp") for line in block.splitlines()]
    assert len(quoted) > 12
    assert [line for line in quoted if line not in core] == []


def test_the_guide_names_every_layer_and_optimizer():
    text = GUIDE.read_text(encoding="utf-8")
    for name in (*densenet.layers.__all__, *densenet.optimizers.__all__):
        assert f"`{name}`" in text, name


def run_commands(page, command):
    """Run the commands of a page one after the other; give of each its name and what it prints."""
    for line in [line for block in blocks(page, "sh") for line in block.splitlines()]:
        program, *arguments = shlex.split(line)
        if program == "python":
            exec(arguments[1], {})
            continue
        assert program == "densenet"
        status, out, _ = command(*arguments)
        assert status == 0, arguments
        assert out
        yield arguments[0], out


def check_report(told, printed):
    """Check that each line of a page's report begins as one that is printed."""
    for line in told.splitlines():
        if line and line[0] not in " 0123456789":
            name = re.split(r"  +", line)[0]
            assert any(other.startswith(name) for other in printed.splitlines()), line


def test_the_commands_run(empty_folder, command):
    pytest.importorskip("matplotlib")
    pytest.importorskip("onnx")
    pytest.importorskip("pyarrow")
    names = [name for name, _ in run_commands(COMMANDS, command)]
    assert names == ["explore", "fit", "predict", "info", "fit", "export", "export"]
    assert (empty_folder / "digits.png").exists()
    if shutil.which("cc"):
        [block] = blocks(COMMANDS, "c")
        include, statements = block.split("\n", 1)
        program = f"#include <stdio.h>\n{include}\nint main(void) {{{statements}return 0; }}\n"
        build(empty_folder / "program", "c", program)


def test_the_report_is_what_the_command_prints(empty_folder, command):
    pytest.importorskip("pyarrow")
    datasets.write_digits()
    given = ("digits-train.csv", "--target", "digit", "--no-picture")
    commands = ("fit", *given, "--epochs", "1"), ("explore", *given)
    for told, arguments in zip(blocks(COMMANDS, ""), commands, strict=True):
        check_report(told, command(*arguments)[1])


def test_the_commands_lead_from_a_csv_to_predictions(empty_folder, command):
    pytest.importorskip("matplotlib")
    pytest.importorskip("pyarrow")
    names, printed = zip(*run_commands(FROM_CSV, command), strict=True)
    assert names == ("explore", "fit", "fit", "fit", "predict", "export")
    reports = [printed[i] for i in (0, 1, 2, 4)]
    for told, report in zip(blocks(FROM_CSV, ""), reports, strict=True):
        check_report(told, report)
    header, *answers = (empty_folder / "predictions.csv").read_text("utf-8").split()
    assert header == "digit"
    assert (np.array(answers, int) == datasets.load_digits().y_test).mean() > 0.96


def test_contributing_names_every_command_of_make():
    commands = re.findall(r'@echo "make ([\w-]+)  ', (ROOT / "Makefile").read_text("utf-8"))
    assert len(commands) > 10
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    assert [name for name in commands if not re.search(rf"make {name}\b(?!-)", text)] == []


def rows(page):
    return re.findall(
        r"^\| (?:\w: )?(\d+-[\d-]+, \d+) \| (.*) \|$", page.read_text("utf-8"), re.MULTILINE
    )


def test_the_readme_s_numbers_are_those_of_the_page_on_speed():
    tables = rows(DOCS / "performance.md")
    wide, narrow = (  # with AVX-512, and with AVX2
        {net: cells.split(" | ") for net, cells in table} for table in (tables[:7], tables[7:14])
    )
    told = rows(README)
    assert len(told) == 7
    for net, cells in told:
        ours, _, ratio = cells.split(" | ")
        assert wide[net][0].replace("**", "").startswith(f"{ours}, {ratio}x, ")
    in_words = [(wide, 1), (wide, 2), (narrow, 0), (narrow, 1), (narrow, 2)]
    for measured, column in in_words:
        ratios = [re.search(r"([\d.]+)x", cells[column])[1] for cells in measured.values()]
        least, most = min(ratios, key=float), max(ratios, key=float)
        assert f"{least} to {most} times" in README.read_text(encoding="utf-8")


def test_every_page_is_looked_at():
    assert {README, GUIDE, COMMANDS, DOCS / "api" / "index.md"} < set(PAGES)
    assert len(PLACES) > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for path, heading in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]*))?\)", text):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), path
        if heading:
            headings = re.findall(r"^#+ (.*)", target.read_text(encoding="utf-8"), re.MULTILINE)
            words = [re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings]
            assert heading in words


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in DATED], ids=name_of)
def test_names_of_files_are_those_of_files(page):
    """Pages that tell of a day keep the names of that day; a recipe's PARTNER.py is any name."""
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./-]+(?:\.(?:py|[hc]pp|md|yml|toml)|/))`", text):
        if not re.search(r"[A-Z]{2,}\.py$", name):
            assert any((place / name).exists() for place in PLACES), name


def test_every_public_name_has_its_place_in_the_api():
    shown = {
        module
        for page in (DOCS / "api").glob("*.md")
        for module in re.findall(r"^.. automodule:: (\S+)", page.read_text(), flags=re.MULTILINE)
    }
    listed = (ROOT / "tests" / "house" / "public-names.txt").read_text().split()
    firsts = {name.split(".")[1] for name in listed} - {"__version__"}
    assert len(firsts) > 50
    for first in firsts:
        named = first in densenet.__all__
        home = getattr(densenet, first).__module__ if named else f"densenet.{first}"
        assert any(f"{home}.".startswith(f"{module}.") for module in shown), first
