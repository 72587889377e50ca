"""Weights of rows, from a column of the table: what they count for, and what is refused."""

from dataclasses import replace

import numpy as np
import pytest

from densenet.tables import (
    Settings,
    Table,
    TableModel,
    cross_validate,
    fit,
    fit_chunks,
    read_table,
)
from densenet.tables.model import log_losses
from densenet.tables.training import folds
from densenet.tables.training.calibration import temperature_of
from tests.support.tables import read, write

pytestmark = pytest.mark.usefixtures("empty_folder")

SETTINGS = Settings("y", weight="w", epochs=4, hidden=(8,), pieces=4)
ON = Settings("y", epochs=3, lr=0.01, schedule="constant", batch_size=4000, validation=0.0)
HEADER = ["x", "mood", "w", "y"]


def rows_of(rng, n=300):
    """Give rows of a number, a text, a weight and a class."""
    x, moods = rng.normal(size=n), rng.choice(["dark", "bright"], n)
    classes = np.where(x + (moods == "dark") + rng.normal(size=n) > 0.5, "Rock", "Pop")
    weights = rng.choice([0, 0.5, 1, 3], n)
    return [list(row) for row in zip(x, moods, weights, classes, strict=True)]


def table_of(rows):
    return Table.from_columns(dict(zip(HEADER, zip(*rows, strict=True), strict=True)))


def start_of(rows, **options):
    """Give a model that knows of no weights, to go on from with its encodings."""
    settings = replace(SETTINGS, weight=None, ignore=("w",), **options)
    return fit(table_of(rows), settings).model


def flat(fitted):
    return np.concatenate([network.flat for network in fitted.model.networks])


# ---- what they count for -------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["y", "x"])
def test_a_weight_of_two_is_the_row_twice(rng, target):
    """In steps of all rows, from the same encodings and networks."""
    rows = rows_of(rng)
    start = start_of(rows, target=target)
    twice = [row for row in rows for _ in range(int(row[2]))]
    whole = [[*row[:2], int(row[2]), row[3]] for row in rows]
    settings = replace(ON, target=target)
    expected = fit(table_of(twice), settings, start=start)
    weighted = fit(table_of(whole), replace(settings, weight="w"), start=start)
    np.testing.assert_allclose(flat(weighted), flat(expected), rtol=1e-3, atol=1e-5)
    plain = fit(table_of(rows), settings, start=start)
    assert np.abs(flat(plain) - flat(expected)).max() > 1e-3


def test_the_epoch_with_the_least_weighted_loss_is_kept(rng):
    settings = replace(SETTINGS, label_smoothing=0.0, epochs=8)
    fitted = fit(table_of(rows_of(rng)), settings)
    [held] = fitted.judged_rows
    shares, classes = fitted.model.predict_proba(held), fitted.model.targets(held)[1]
    losses = log_losses(fitted.model.target, classes, shares)
    weighted = np.average(losses, weights=held.numbers("w"))
    recorded = [record["val_loss"] for record in fitted.history.epochs]
    assert min(recorded) == pytest.approx(weighted, rel=1e-4)
    assert fitted.validation.scores["loss"] == pytest.approx(losses.mean(), rel=1e-6)
    assert weighted != pytest.approx(losses.mean(), rel=1e-4)


def test_they_multiply_with_those_of_classes(rng):
    rows = rows_of(rng)
    both = fit(table_of(rows), replace(SETTINGS, class_weight={"Rock": 4}))
    for row in rows:
        row[2] *= 4 if row[3] == "Rock" else 1
    assert flat(fit(table_of(rows), SETTINGS)).tobytes() == flat(both).tobytes()


def test_equal_weights_are_none_but_for_the_score_that_is_watched(rng):
    rows = [[*row[:2], 2, row[3]] for row in rows_of(rng)]
    weighted = fit(table_of(rows), SETTINGS)
    expected = fit(table_of(rows), replace(SETTINGS, weight=None, ignore=("w",), monitor="loss"))
    np.testing.assert_allclose(flat(weighted), flat(expected), rtol=1e-3, atol=1e-5)
    settings = replace(SETTINGS, monitor="accuracy")
    kept = fit(table_of(rows), settings).history
    assert max(record["val_accuracy"] for record in kept.epochs) > 0.6


def test_the_temperature_suits_weighted_rows(rng):
    logits, classes = 9 * rng.normal(size=(4000, 3)), rng.integers(0, 3, 4000)
    weights = rng.integers(0, 3, 4000)
    repeated = temperature_of(np.repeat(logits, weights, 0), np.repeat(classes, weights))
    assert temperature_of(logits, classes, weights) == pytest.approx(repeated, rel=1e-3)
    rows = rows_of(rng)
    calibrated = fit(table_of(rows), replace(SETTINGS, calibrate=True))
    for row in rows:
        row[2] *= 2
    assert flat(fit(table_of(rows), replace(SETTINGS, calibrate=True))).tobytes() == (
        flat(calibrated).tobytes()
    )


def test_folds_and_several_networks_have_them(rng, monkeypatch):
    table = table_of(rows_of(rng))
    assert flat(fit(table, replace(SETTINGS, nets=2))).shape == (
        2 * flat(fit(table, SETTINGS)).size,
    )
    models = []

    def spied(*arguments, **options):
        fitted = fit(*arguments, **options)
        models.append(fitted.model)
        return fitted

    monkeypatch.setattr(folds, "fit", spied)
    assert len(cross_validate(table, SETTINGS, 3)["accuracy"]) == 3
    for model in models:
        assert model.facts["settings"]["weight"] == "w"
        assert model.features.columns == ["x", "mood"]


# ---- what is told and refused --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1, -1, 2] * 20, r"^table, row \d+, column 'w': expected a weight >= 0, got '-1'$"),
        ([1, "", 2] * 20, r"^table, row \d+, column 'w': expected a weight >= 0, got a missing"),
        (["1", "x", "2"] * 20, r"^table, row \d+, column 'w': expected a number, got 'x'$"),
        ([0] * 60, r"^weight: expected a weight above 0 in the 48 rows to train on, got zeros$"),
    ],
)
def test_what_is_no_weight_is_named(cells, message, rng):
    rows = [[*row[:2], cell, row[3]] for row, cell in zip(rows_of(rng, 60), cells, strict=True)]
    with pytest.raises(ValueError, match=message):
        fit(table_of(rows), SETTINGS)


def test_rows_to_validate_have_weights_too(rng):
    table = table_of(rows_of(rng))
    with pytest.raises(ValueError, match=r"table: expected column 'w', got columns 'x', 'mood'"):
        fit(table, SETTINGS, validation=replace(table, columns={
            name: table.columns[name] for name in ("x", "mood", "y")
        }))  # fmt: skip
    zeros = table_of([[*row[:2], 0, row[3]] for row in rows_of(rng, 50)])
    with pytest.raises(ValueError, match=r"^weight: .* in the 50 rows to hold out, got zeros$"):
        fit(table, SETTINGS, validation=zeros)


@pytest.mark.parametrize(
    "options",
    [{"weight": "y"}, {"id": "w"}, {"numbers": ("w",)}, {"text": ("w", "mood")}],
    ids=str,
)
def test_a_column_has_one_purpose(options, rng):
    message = r"^weight: expected a column that is neither target nor id nor learned from, got "
    with pytest.raises(ValueError, match=message):
        fit(table_of(rows_of(rng)), replace(SETTINGS, **options))


def test_a_model_that_reads_the_column_is_not_gone_on_with_by_it(rng):
    table = table_of(rows_of(rng))
    start = fit(table, replace(SETTINGS, weight=None)).model
    with pytest.raises(ValueError, match=r"^weight: expected a column .* got 'w'$"):
        fit(table, SETTINGS, start=start)


def test_rows_without_a_target_need_no_weight(rng):
    rows = rows_of(rng)
    rows[7][2:] = ["", ""]
    assert fit(table_of(rows), SETTINGS).notes == ["1 rows without 'y' are left out"]


# ---- in chunks -----------------------------------------------------------------------------------


def test_rows_of_chunks_have_weights(chunks_of, rng):
    rows = rows_of(rng)

    def weighed(weights):
        pairs = zip(rows, weights, strict=True)
        given = [[*row[:2], f"{weight:.1f}", row[3]] for row, weight in pairs]
        return fit_chunks(chunks_of(given, HEADER), SETTINGS)

    weights = np.array([row[2] for row in rows])
    weighted, doubled, others = map(weighed, (weights, 2 * weights, np.ones(len(rows))))
    assert weighted.model.features.columns == ["x", "mood"]
    assert flat(doubled).tobytes() == flat(weighted).tobytes()
    assert np.abs(flat(others) - flat(weighted)).max() > 1e-3


def test_chunks_are_learned_from_as_a_table_in_memory(chunks_of, rng):
    """In steps of all rows, whose order has no effect but on the last bits."""
    rows = rows_of(rng)
    start = start_of(rows)
    settings = replace(ON, weight="w")
    chunks = chunks_of(rows, HEADER)
    expected = fit(read_table("t.csv"), settings, start=start)
    fitted = fit_chunks(chunks, settings, start=start)
    np.testing.assert_allclose(flat(fitted), flat(expected), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("goes_on", [False, True])
def test_what_is_no_weight_is_named_before_training(goes_on, chunks_of, rng, monkeypatch):
    rows = rows_of(rng)
    model = start_of(rows)
    rows[200][2] = -3
    message = r"^t\.csv, line 202, column 'w': expected a weight >= 0, got '-3'$"
    monkeypatch.delattr("densenet.tables.training.course.Course.trained")
    settings, start = (Settings("y", weight="w"), model) if goes_on else (SETTINGS, None)
    with pytest.raises(ValueError, match=message):
        fit_chunks(chunks_of(rows, HEADER), settings, start=start)


def test_zeros_alone_are_refused(chunks_of, rng):
    chunks = chunks_of([[*row[:2], 0, row[3]] for row in rows_of(rng)], HEADER)
    with pytest.raises(ValueError, match=r"^weight: expected a weight above 0 in the .* got zeros"):
        fit_chunks(chunks, SETTINGS)


# ---- the commands --------------------------------------------------------------------------------


@pytest.mark.parametrize("chunks", [(), ("--chunks",)])
def test_the_command_weighs_and_predict_ignores(chunks, command, rng):
    for needed in ("matplotlib", "tqdm"):
        pytest.importorskip(needed)
    write("t.csv", HEADER, rows_of(rng))
    quick = ("--epochs", "2", "--no-picture", *chunks)
    status, out, _ = command("fit", "t.csv", "--target", "y", "--weight", "w", *quick)
    assert status == 0
    assert "\nweights of rows: w\ncolumns: 1 of numbers, 1 of categories;" in out
    assert TableModel.load("model.safetensors").features.columns == ["x", "mood"]
    assert "\nweights of rows: w\n" in command("info", "model.safetensors")[1]
    write("bare.csv", HEADER[:2], [row[:2] for row in read("t.csv")[1:]])
    predictions = []
    for name in "t.csv", "bare.csv":
        assert command("predict", "model.safetensors", name)[0] == 0
        predictions.append(read("predictions.csv"))
    assert predictions[0] == predictions[1]


def test_the_command_names_a_column_that_is_not_there(refused, rng):
    for needed in ("matplotlib", "tqdm"):
        pytest.importorskip(needed)
    write("t.csv", HEADER, rows_of(rng))
    for chunks in (), ("--chunks",):
        line = refused("fit", "t.csv", "--target", "y", "--weight", "v", "--no-picture", *chunks)
        assert line.startswith("densenet: t.csv: expected column 'v', got columns 'x', 'mood'")
