"""Scores in reports and pictures, and what is printed while a program runs."""

import io
import sys
from dataclasses import replace

import numpy as np
import pytest

from densenet import demo, plotting
from densenet._rounding import rounded
from densenet.tables import Settings, Table, fit
from densenet.tables.looking import pictures, report
from densenet.tables.looking.importance import importances_of


@pytest.mark.parametrize(
    ("value", "digits", "style", "text"),
    [
        (0.9967, 2, "f", "0.997"),
        (0.99999, 2, "f", "0.99999"),
        (1.0, 2, "f", "1.00"),
        (0.9949, 2, "f", "0.99"),
        (0.99996, 4, "g", "0.99996"),
        (1.0, 4, "g", "1"),
        (0.9999, 1, "%", "99.99%"),
        (1 - 1e-9, 2, "%", "99.9999999%"),
        (1.0, 1, "%", "100.0%"),
        (0.52, 1, "%", "52.0%"),
        (np.nextafter(1, 0), 2, "f", "0.9999999999999999"),
        (1.0004, 2, "f", "1.0004"),
        (-0.5, 2, "f", "-0.50"),
        (np.nan, 2, "f", "nan"),
    ],
)
def test_only_1_is_shown_as_1(value, digits, style, text):
    assert rounded(value, digits, style) == text


@pytest.fixture(scope="module")
def values():
    x = np.linspace(-1, 1, 100)
    return fit(Table.from_columns({"x": x, "y": 3 * x + 0.5}), Settings("y", epochs=2))


@pytest.fixture(scope="module")
def classes():
    rows = {"pet": ["cat", "dog"] * 50, "says": ["meow", "woof"] * 50}
    return fit(Table.from_columns(rows), Settings("says", epochs=2))


def scored(fitted, **scores):
    part = fitted.validation
    facts = fitted.model.facts | {"validation": part.scores | scores}
    return fitted._replace(
        validation=part._replace(scores=part.scores | scores),
        model=replace(fitted.model, facts=facts),
    )


@pytest.mark.parametrize("r2", [0.9967, 0.9951, 0.99996, 0.9999999])
def test_a_picture_of_values_is_headed_by_what_they_are(values, r2):
    pytest.importorskip("matplotlib")
    fitted = scored(values, r2=r2)
    heading = pictures.fit_picture(fitted).get_suptitle()
    shown = float(heading.split("R² ")[1].split()[0])
    assert shown < 1
    assert shown == pytest.approx(r2, abs=0.005)
    for text in report.fit_report(fitted), report.describe(fitted.model):
        line = next(line for line in text.splitlines() if line.startswith("R²"))
        assert float(line.split()[-1]) < 1
    part = report.score_report(fitted.model, fitted.validation)
    assert float(part.splitlines()[2].split()[-1]) < 1


@pytest.mark.parametrize("accuracy", [0.9996, 0.99996, 1999 / 2000, 1 - 1e-7])
def test_a_picture_of_classes_is_headed_by_what_they_are(classes, accuracy):
    pytest.importorskip("matplotlib")
    fitted = scored(classes, accuracy=accuracy, f1=accuracy)
    heading = pictures.fit_picture(fitted).get_suptitle()
    assert "100" not in heading.split(" of ")[0]
    text = report.fit_report(fitted)
    for name in "accuracy  ", "F1":
        line = next(line for line in text.splitlines() if line.startswith(name))
        assert float(line.split()[-1].rstrip("%")) < 100
    perfect = scored(classes, accuracy=1.0)
    assert "says: 100.0% of 20" in pictures.fit_picture(perfect).get_suptitle()


def test_a_picture_says_whose_losses_it_draws():
    pytest.importorskip("matplotlib")
    x = np.linspace(-1, 1, 100)
    fitted = fit(Table.from_columns({"x": x, "y": 3 * x}), Settings("y", epochs=2, nets=2))
    drawn = pictures.fit_picture(fitted).axes[0]
    assert drawn.get_title(loc="left") == "Loss, the first of 2 networks"


def test_a_picture_names_the_most_important_columns(rng):
    pytest.importorskip("matplotlib")
    x = rng.normal(size=(10, 100))
    columns = {f"$x{i}$": row for i, row in enumerate(x)}
    fitted = fit(Table.from_columns(columns | {"y": 3 * x[7]}), Settings("y", epochs=40))
    found = importances_of(fitted)
    figure = pictures.fit_picture(fitted, found)
    figure.canvas.draw()
    bars = figure.axes[-1]
    assert bars.get_title(loc="left") == "Importance of columns, the first 8 of 10"
    assert bars.get_yticklabels()[0].get_text() == r"\$x7\$"
    assert len(bars.patches) == 8
    assert bars.patches[0].get_width() == found.columns[0].loss
    assert len(pictures.fit_picture(fitted).axes) == 2


@pytest.mark.parametrize(
    ("name", "score", "text"),
    [
        ("accuracy", 0.9996, "99.96%"),
        ("accuracy", 0.99999, "99.999%"),
        ("accuracy", 1.0, "100.0%"),
        ("r2", 0.99967, "0.9997"),
        ("r2", 1.0, "1"),
    ],
)
def test_the_end_of_a_curve_is_labelled_with_what_it_is(name, score, text):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    pyplot.switch_backend("Agg")
    axes = pyplot.figure().subplots()
    plotting.validation_curve(axes, [0.5, score], name)
    assert axes.texts[0].get_text() == text
    pyplot.close("all")


def test_a_probability_that_is_not_1_is_not_written_as_1(classes, monkeypatch):
    shares = np.array([[1 - 2e-7, 2e-7], [0.0, 1.0]])
    monkeypatch.setattr(type(classes.model), "predict_proba", lambda model, table: shares)
    answer = classes.model.answer(Table.from_columns({"pet": ["cat", "dog"]}), True)
    assert answer["P(meow)"] == ["0.9999998", "0"]
    assert answer["P(woof)"] == ["2e-07", "1"]


class Pipe(io.StringIO):
    """What a reader at the other end has, which is what was flushed."""

    def __init__(self):
        super().__init__()
        self.arrived = ""

    def flush(self):
        self.arrived = self.getvalue()


def test_the_demo_tells_at_once_what_it_does(monkeypatch):
    pytest.importorskip("tqdm")
    pipe, seen = Pipe(), []
    monkeypatch.setattr(sys, "stdout", pipe)
    train = demo.Network.fit

    def fit(network, *data, **options):
        seen.append(pipe.arrived)
        history = train(network, *data, **options)
        seen.append(pipe.arrived)
        return history

    monkeypatch.setattr(demo.Network, "fit", fit)
    demo._experiment(demo.Options(epochs=2, batch_size=512))
    before, _, between, after = seen
    assert "UCI handwritten digits: 3,441 rows" in before
    assert "training in C++: 2 epochs" in before
    assert "the same in NumPy" in between
    assert after.count("\n    1 ") == after.count("\n    2 ") == 1
