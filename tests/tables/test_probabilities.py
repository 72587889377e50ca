"""Probabilities of a model of a table: their temperature, and the threshold of a rare class."""

import numpy as np
import pytest

from densenet.tables import Classes, Settings, Table, TableModel, fit, write_csv
from densenet.tables.training.calibration import temperature_of
from densenet.tables.training.thresholds import best_threshold
from tests.support.tables import overlapping, values

for needed in ("matplotlib", "tqdm"):  # by `densenet fit`
    pytest.importorskip(needed)

pytestmark = pytest.mark.usefixtures("empty_folder")


# ---- probabilities -----------------------------------------------------------------------------


def test_a_temperature_minimises_the_cross_entropy(rng):
    logits = 5 * rng.normal(size=(200, 3))
    classes = np.array([rng.choice(3, p=p / p.sum()) for p in np.exp(logits / 3)])

    def cross_entropy(temperature):
        scaled = logits / temperature
        of_class = scaled[np.arange(200), classes]
        return np.mean(np.log(np.exp(scaled).sum(axis=1)) - of_class)

    best = temperature_of(logits, classes)
    assert 2 < best < 4.5
    assert all(cross_entropy(best) < cross_entropy(best * factor) for factor in (0.97, 1.03))
    assert temperature_of(logits, logits.argmin(axis=1)) == pytest.approx(20)


@pytest.mark.parametrize("rows", [1, 7, 120, 5000])
@pytest.mark.parametrize("count", [2, 10])
def test_rows_that_are_all_right_make_no_probability_certain(rows, count):
    logits = np.zeros((rows, count))
    logits[:, 1] = 3
    temperature = temperature_of(logits, np.ones(rows, int))
    of_class = 1 / (1 + (count - 1) * np.exp(-3 / temperature))
    if count == 2:  # Laplace's rule of succession
        assert of_class == pytest.approx((rows + 1) / (rows + 2))
    assert 0.5 < of_class < 1 - 0.5 / (rows + 2)


def test_calibration_lowers_the_loss_and_changes_no_class():
    table = overlapping(200)
    settings = {"epochs": 60, "patience": 60, "lr": 0.01, "monitor": "accuracy"}
    plain = fit(table, Settings("y", **settings))
    calibrated = fit(table, Settings("y", calibrate=True, **settings))
    assert calibrated.validation.scores["loss"] < plain.validation.scores["loss"]
    assert calibrated.validation.scores["accuracy"] == plain.validation.scores["accuracy"]
    assert calibrated.model.predict(table) == plain.model.predict(table)


# ---- a threshold for a rare class --------------------------------------------------------------


def f1_from(shares, is_rare, threshold):
    taken = shares >= threshold
    return 2 * np.sum(taken & is_rare) / (np.sum(taken) + np.sum(is_rare))


def test_the_best_threshold_has_the_highest_f1(rng):
    for n in (1, 2, 7, 200):
        shares = rng.integers(0, 20, n) / 20
        is_rare = rng.random(n) < shares
        is_rare[0] = True
        found = best_threshold(shares, is_rare)
        best = max(f1_from(shares, is_rare, threshold) for threshold in np.arange(0, 1, 0.025))
        assert f1_from(shares, is_rare, found) == pytest.approx(best)
        assert found not in shares or not shares.any()
    with pytest.raises(ValueError, match=r"^is_rare: expected rows of the class"):
        best_threshold(shares, np.zeros(200, bool))


def test_a_threshold_decides_every_prediction(tmp_path):
    table = overlapping()
    model = fit(table, Settings("y", threshold=0.25)).model
    model.save(tmp_path / "m.safetensors")
    for each in (model, TableModel.load(tmp_path / "m.safetensors")):
        expected = np.where(each.predict_proba(table)[:, 1] >= 0.25, "b", "a")
        assert each.predict(table) == each.answer(table)["y"] == expected.tolist()
        right = np.mean(expected == table.texts("y"))
        assert each.score(table).scores["accuracy"] == pytest.approx(right)
    plain = fit(table, Settings("y")).model
    assert 2 * plain.predict(table).count("b") < model.predict(table).count("b")
    np.testing.assert_array_equal(plain.network.flat, model.network.flat)


def test_a_threshold_may_be_found_on_the_rows_held_out():
    plain, found = (fit(overlapping(), Settings("y", threshold=each)) for each in (None, "auto"))
    assert found.validation.scores["f1"] > plain.validation.scores["f1"]
    index, least = found.model.target.threshold
    assert index == 1
    assert 0.05 < least < 0.5


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"threshold": 1.5}, "threshold must be"),
        ({"threshold": "best"}, "threshold must be"),
        (
            {"threshold": "auto", "validation": 0},
            "threshold: expected rows of both classes held out",
        ),
    ],
    ids=str,
)
def test_wrong_thresholds_are_refused(settings, message):
    with pytest.raises((TypeError, ValueError), match=rf"^{message}"):
        fit(overlapping(), Settings("y", **settings))
    three = Table.from_columns({"x": np.arange(60) % 7, "y": ["a", "b", "c"] * 20})
    for table, got in ((three, "3 classes"), (values(), "values")):
        with pytest.raises(ValueError, match=rf"^threshold: expected .* two classes, got {got}"):
            fit(table, Settings("y", threshold=0.3))


@pytest.mark.parametrize("wrong", [0.3, (2, 0.3), (0, 2.0), (0.0, 0.3), [1], "x"], ids=str)
def test_a_file_with_a_wrong_threshold_is_refused(wrong):
    with pytest.raises(ValueError, match=r"^threshold: expected"):
        Classes("y", ("a", "b"), threshold=wrong)
    with pytest.raises(ValueError, match=r"^threshold: expected one of two classes"):
        Classes("y", ("a", "b", "c"), threshold=(0, 0.3))


def test_the_command_tells_the_threshold(command):
    table = overlapping(200)
    columns = {name: table.texts(name).tolist() for name in ("x", "y")}
    write_csv("train.csv", columns)
    options = ("--target", "y", "--no-picture")
    _, out, _ = command("fit", "train.csv", *options, "--threshold", "0.3")
    assert "target: y: 2 classes: a, b; b from a probability of 0.3 on" in out
    assert "chosen by the validation rows" not in out
    _, out, _ = command("fit", "train.csv", *options, "--threshold", "auto")
    assert "; b from a probability of 0." in out
    told = "chosen by the validation rows, whose scores are so somewhat too good: --folds scores"
    assert f"\nthreshold {told}" in out
    _, out, _ = command("fit", "train.csv", *options, "--threshold", "auto", "--calibrate")
    assert f"\ntemperature and threshold {told}" in out
