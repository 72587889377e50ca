"""The page that ``densenet fit --page`` writes: whole, escaped, without a script, readable."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Settings, Table, fit
from densenet.tables.looking.page import fit_page
from tests.support.skips import NOT_APPLICABLE
from tests.support.tables import HEADER, tracks, write

pytest.importorskip("matplotlib")

EVIL = "<script>alert('&\"')</script>"
VOID = {"meta", "wbr"}


class Page(HTMLParser):
    """The tags, attributes and texts of a page, whose tags are closed in the order they opened."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.values, self.texts = [], [], [], []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.values += [(name, value) for name, value in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.values += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open[-1:] != ["style"]:
            self.texts.append(text)


def classes(rng, names=("cat", "dog", "cow"), columns=("size", "kind")):
    size = rng.normal(size=120)
    kind = rng.choice(["a", "b", ""], 120)
    index = np.where(size > 0.5, 0, np.where(kind == "a", 1, 2))
    rows = dict(zip(columns, (size, kind), strict=True))
    return fit(
        Table.from_columns(rows | {"pet": [names[i] for i in index]}), Settings("pet", epochs=9)
    )


@pytest.fixture
def values(rng):
    x = rng.normal(size=(2, 120))
    return fit(Table.from_columns({"a": x[0], "b": x[1], "y": 1e5 * x[0]}), Settings("y", epochs=9))


def test_it_tells_what_the_report_tells(rng):
    page = Page(fit_page(classes(rng)))
    said = " ".join(page.texts)
    for part in (
        "validation rows right",
        "table: 96 rows to train on, 24 to validate",
        "target: pet: 3 classes: cat, cow, dog",
        "network: 16-128-64-3",
        "F1, mean over classes",
        "Confusion matrix of validation rows",
        "How much worse 24 validation rows are predicted",
        "accuracy falls by",
        "quantiles of numbers",
        "(missing)",
        "mean probability",
        "read as",
    ):
        assert part in said
    assert page.tags.count("svg") == 3  # the loss, and two columns


def test_values_are_drawn_against_predictions(values):
    page = Page(fit_page(values))
    said = " ".join(page.texts)
    assert "Predicted against true, 24 validation rows" in said
    assert "Confusion" not in said
    assert "mean prediction" in said
    assert "R² falls by" in said


def test_every_name_is_escaped(rng):
    fitted = classes(rng, (EVIL, "$x$", "\\_{"), (f"{EVIL}1", f"{EVIL}2"))
    text = fit_page(fitted._replace(notes=[EVIL]))
    page = Page(text)
    assert "script" not in page.tags
    assert EVIL in page.texts
    assert any("$x$" in one for one in page.texts)
    assert not [name for name, _ in page.values if name.startswith("on")]


def test_it_asks_for_no_other_file_and_runs_nothing(values, rng):
    for fitted in values, classes(rng):
        page = Page(fit_page(fitted))
        assert not {"script", "link", "img", "iframe", "object", "image"} & set(page.tags)
        for name, value in page.values:
            assert name not in ("src", "srcset", "data")
            if name in ("href", "xlink:href"):
                assert value.startswith("#")
            assert "url(" not in (value or "") or "url(#" in value
        text = fit_page(fitted)
        assert "@import" not in text
        assert "http://" not in text
        assert "https://" not in text


def test_what_is_referred_to_is_there_once(values):
    page = Page(fit_page(values))
    ids = [value for name, value in page.values if name == "id"]
    assert len(set(ids)) == len(ids)
    used = [value[1:] for name, value in page.values if name == "href"]
    used += re.findall(r"url\(#([^)]*)\)", " ".join(value or "" for _, value in page.values))
    assert used
    assert set(used) <= set(ids)


def test_colours_are_the_pages(values):
    svg = fit_page(values).partition("<svg")[2]
    assert "var(--blue)" in svg
    assert "var(--ink)" in svg
    assert not re.search(r"#[0-9a-f]{6}", svg)


def test_the_same_model_gives_the_same_page(values):
    assert fit_page(values) == fit_page(values)


def test_many_classes_are_told_by_their_errors(rng):
    x = rng.normal(size=(2, 900))
    y = [f"class {i}" for i in np.argsort(np.argsort(x[0])) // 20]
    fitted = fit(Table.from_columns({"a": x[0], "b": x[1], "y": y}), Settings("y", epochs=3))
    said = " ".join(Page(fit_page(fitted)).texts)
    assert "Most frequent errors in validation rows" in said
    assert "Confusion matrix" not in said


# ---- the command -------------------------------------------------------------------------------


def test_the_command_writes_it_on_request(command, rng, empty_folder):
    write("train.csv", HEADER, tracks(rng))
    arguments = ("fit", "train.csv", "--target", "genre", "--epochs", "3", "--no-picture")
    assert command(*arguments)[0] == 0
    assert not list(Path().glob("*.html"))
    status, out, err = command(*arguments, "--page", "report.html")
    assert (status, err) == (0, "")
    assert out.endswith("page: report.html\n")
    said = " ".join(Page(Path("report.html").read_text(encoding="utf-8")).texts)
    assert "an id, another in each row" in said


@pytest.mark.parametrize(
    ("page", "message"),
    [("report.pdf", "must end in .html"), ("no/where.html", "cannot write no/where.html")],
)
def test_a_page_that_cannot_be_written(refused, rng, page, message):
    write("train.csv", HEADER, tracks(rng))
    assert message in refused("fit", "train.csv", "--target", "genre", "--page", page)


# ---- in a browser ------------------------------------------------------------------------------


def test_a_browser_shows_it_within_its_width(values, rng, tmp_path):
    """In frames as wide as a screen and a phone, only a table may need to be scrolled sideways."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip(f"{NOT_APPLICABLE}Chromium is not installed")
    frames = ""
    for name, fitted in {"values": values, "classes": classes(rng)}.items():
        (tmp_path / f"{name}.html").write_text(fit_page(fitted), encoding="utf-8")
        for width in 1280, 390:
            frames += f'<iframe src="{name}.html" style="width: {width}px; border: 0"></iframe>'
    probe = """<script>
        onload = () => { document.title = Array.from(frames, frame => {
            const page = frame.document.documentElement
            return [page.scrollWidth, page.clientWidth, page.querySelectorAll("svg text").length]
        }).join(" ") }
        </script>"""
    (tmp_path / "frames.html").write_text(probe + frames, encoding="utf-8")
    done = subprocess.run(
        [
            *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *("--hide-scrollbars", "--allow-file-access-from-files"),
            *(f"--user-data-dir={tmp_path / 'browser'}", "--virtual-time-budget=5000"),
            (tmp_path / "frames.html").as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=250,
    )
    title = re.search(r"<title>([0-9, ]+)</title>", done.stdout)
    assert title, done.stdout + done.stderr
    shown = [tuple(map(int, frame.split(","))) for frame in title[1].split()]
    assert [frame[:2] for frame in shown] == [(1280, 1280), (390, 390)] * 2
    assert all(texts > 10 for _, _, texts in shown)
