"""Going on with new rows from a model: what stays, what is trained, what is refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from densenet import serialization
from densenet.tables import Settings, Table, TableModel, fit, write_csv
from tests.support.tables import HEADER, tracks, write

for needed in ("matplotlib", "tqdm"):  # by `densenet fit`
    pytest.importorskip(needed)

QUICK = ("--epochs", "3", "--no-picture")
ON = ("--from", "model.safetensors", "--out", "on.safetensors", *QUICK)

pytestmark = pytest.mark.usefixtures("empty_folder")


def pair(n=400, seed=0, far=0.0):
    """Give a table of two classes that overlap, and one of values."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(far, 1, n), rng.normal(size=n)
    color = rng.choice(["red", "blue"], n)
    price = x + (color == "red") + 0.3 * z
    kind = np.where(price > 0.5, "dear", "cheap")
    columns = {"x": x, "color": color}
    return Table.from_columns(columns | {"y": kind}), Table.from_columns(columns | {"y": price})


BOTH = pytest.mark.parametrize("which", [0, 1], ids=["classes", "values"])


@pytest.fixture
def trained(command, rng):
    """Write a table, the model that was trained on it, and new rows."""
    write("train.csv", HEADER, tracks(rng))
    write("more.csv", HEADER, tracks(rng, 200, first=300))
    options = (
        "--target",
        "genre",
        "--id",
        "track_id",
        "--hidden",
        "16",
        "--label-smoothing",
        "0.1",
    )
    assert command("fit", "train.csv", *options, *QUICK)[0] == 0


# ---- what stays, and what is trained -------------------------------------------------------------


@BOTH
def test_encodings_stay_and_weights_go_on(which):
    first, second = pair()[which], pair(200, seed=1, far=1.0)[which]
    start = fit(first, Settings("y", epochs=10)).model
    weights = start.network.flat.copy()
    on = fit(second, Settings("y", epochs=1, lr=1e-12, weight_decay=0), start=start).model
    assert (on.features, on.target) == (start.features, start.target)
    np.testing.assert_allclose(on.network.flat, weights, atol=1e-6)
    on = fit(second, Settings("y", epochs=3), start=start).model
    assert np.abs(on.network.flat - weights).max() > 1e-4
    np.testing.assert_array_equal(start.network.flat, weights)


@BOTH
def test_more_rows_make_a_better_model(which):
    start = fit(pair(60)[which], Settings("y")).model
    test = pair(2000, seed=2)[which]
    on = fit(pair(2000, seed=1)[which], Settings("y"), start=start).model
    score = "r2" if which else "accuracy"
    assert on.score(test).scores[score] > start.score(test).scores[score] + 0.01


def test_a_file_gives_the_bits_that_its_model_gives():
    first, second = pair()[0], pair(200, seed=1)[0]
    start = fit(first, Settings("y", epochs=3, dropout=0.2, normalization="batch")).model
    start.save("model.safetensors")
    loaded = TableModel.load("model.safetensors")
    settings = Settings("y", epochs=3, seed=5)
    one, other = (fit(second, settings, start=each).model for each in (start, loaded))
    assert one.network.flat.tobytes() == other.network.flat.tobytes()
    assert one.facts == other.facts
    one.save("one.safetensors")
    assert TableModel.load("one.safetensors").facts["before"] == [
        {"source": "table", "training_rows": start.facts["training_rows"]}
    ]


def test_each_of_several_networks_goes_on():
    start = fit(pair()[0], Settings("y", epochs=2, nets=3)).model
    fitted = fit(pair(200, seed=1)[0], Settings("y", epochs=2), start=start)
    assert len(fitted.model.networks) == len(fitted.histories) == 3
    assert len(fitted.validation.y_true) == 3 * 40
    for before, after in zip(start.networks, fitted.model.networks, strict=True):
        assert 0 < np.abs(after.flat - before.flat).max() < 0.1


def test_fewer_new_rows_change_less():
    start = fit(pair(1000)[0], Settings("y", epochs=1)).model
    few, many = (
        fit(pair(n, seed=1)[0], Settings("y"), start=start).model.facts for n in (250, 2400)
    )
    assert few["settings"]["lr"] == pytest.approx(0.2 * 0.003 * 250 / 1050, rel=0.05)
    assert many["settings"]["lr"] == pytest.approx(0.2 * 0.003 * 2400 / 3200, rel=0.05)
    assert few["settings"]["visits"] < many["settings"]["visits"] < Settings.visits
    given = fit(pair(250)[0], Settings("y", lr=0.5, epochs=7, optimizer="sgd"), start=start).model
    chosen = given.facts["settings"]
    assert (chosen["lr"], chosen["epochs"], chosen["optimizer"]) == (0.5, 7, "sgd")


def test_a_threshold_stays_unless_another_is_given():
    start = fit(pair()[0], Settings("y", epochs=2, threshold=0.3)).model
    assert start.target.threshold
    more = pair(200, seed=1)[0]
    assert fit(more, Settings("y", epochs=1), start=start).model.target == start.target
    on = fit(more, Settings("y", epochs=1, threshold=0.4), start=start).model
    assert on.target.threshold[1] == 0.4


def test_what_held_out_rows_decide_is_decided_anew():
    start = fit(pair()[0], Settings("y", epochs=2)).model
    held = pair(100, seed=3)[0]
    settings = Settings("y", epochs=4, monitor="f1", calibrate=True, class_weight="balanced")
    fitted = fit(pair(200, seed=1)[0], settings, start=start, validation=held)
    assert len(fitted.validation.y_true) == 100
    assert len(fitted.train.y_true) == 200
    assert "val_f1" in fitted.history.epochs[0]
    said = f"before, the validation accuracy was {start.score(held).scores['accuracy']:.2%}"
    assert fitted.notes == [said]


def test_notes_tell_what_is_unlike_the_rows_before():
    start = fit(pair()[0], Settings("y", epochs=1)).model
    more = {"x": [0.5] * 20, "color": ["red", "pink"] * 10, "y": ["dear"] * 19 + [None]}
    fitted = fit(Table.from_columns(more), Settings("y", epochs=1, validation=0), start=start)
    assert fitted.notes == [
        "1 rows without 'y' are left out",
        "column 'color': 9 cells of no known category ('pink') taken as none of them",
        "no row has class 'cheap', which may be forgotten",
    ]
    assert fitted.model.target == start.target


# ---- the command ---------------------------------------------------------------------------------


def test_the_command_goes_on_and_info_tells_it(command, trained):
    before = Path("model.safetensors").read_bytes()
    status, out, err = command("fit", "more.csv", *ON)
    assert (status, err) == (0, "")
    for part in (
        "more.csv: 160 rows to train on, 40 to validate",
        "task: classification\n",
        "note: before, the validation accuracy was ",
        "-16-3, relu; adamw, learning rate 0.00027,",
        "model: on.safetensors",
    ):
        assert part in out
    assert Path("model.safetensors").read_bytes() == before
    told = command("info", "on.safetensors")[1].splitlines()
    assert "trained before on: train.csv (240 rows)" in told
    assert "trained before" not in command("info", "model.safetensors")[1]
    loss = TableModel.load("on.safetensors").network.loss_function
    assert loss.label_smoothing == 0.1

    again = ("--from", "on.safetensors", "--out", "again.safetensors", *QUICK)
    assert command("fit", "train.csv", *again, "--lr", "0.001", "--seed", "3")[0] == 0
    told = command("info", "again.safetensors")[1].splitlines()
    assert "trained before on: train.csv (240 rows), more.csv (160 rows)" in told
    assert command("predict", "again.safetensors", "more.csv", "--score")[0] == 0


def test_words_for_missing_cells_are_the_models(command, rng):
    rows = [[f"{number:.3f}", "b" if number > 0 else "a"] for number in rng.normal(size=80)]
    rows[3][0] = rows[5][0] = "gone"
    write("train.csv", ["x", "y"], rows)
    assert command("fit", "train.csv", "--target", "y", "--missing", "gone", *QUICK)[0] == 0
    status, out, err = command("fit", "train.csv", "--validation-file", "train.csv", *ON)
    assert (status, err) == (0, "")
    assert "80 rows to train on, 80 to validate" in out


def test_columns_beyond_those_of_the_model_are_not_read(command, trained, rng):
    rows = [[*row, f"{i % 7}{'x' * (i % 3 == 0)}"] for i, row in enumerate(tracks(rng, 60))]
    write("wide.csv", [*HEADER, "further"], rows)
    assert command("fit", "wide.csv", *ON)[0] == 0
    assert "further" not in command("info", "on.safetensors")[1]


# ---- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        "--id mood",
        "--task regression",
        "--ignore noise",
        "--text mood",
        "--numbers noise",
        "--missing gone",
        "--present NA",
        "--impute mean",
        "--categories 3",
        "--pieces 3",
        "--hidden 16",
        "--activation tanh",
        "--dropout 0.1",
        "--label-smoothing 0.1",
        "--normalization batch",
        "--residual",
        "--nets 2",
        "--preset fast",
        "--folds 3",
    ],
)
def test_what_the_model_decides_is_not_given_again(refused, trained, option):
    name = option.split()[0]
    reason = "it scores models made anew" if name == "--folds" else "the model decides that"
    message = f"densenet: {name}: expected no such option with --from, as {reason}\n"
    assert refused("fit", "more.csv", *ON, *option.split()) == message


def test_a_target_beside_a_model_and_neither(refused, trained):
    assert "--target: not allowed with argument --from" in refused(
        "fit", "more.csv", *ON, "--target", "genre"
    )
    assert "one of the arguments --target --from is required" in refused("fit", "more.csv")


def test_a_model_is_not_written_over(refused, trained):
    message = "model.safetensors: expected another file to write than model.safetensors"
    assert message in refused("fit", "more.csv", "--from", "model.safetensors", *QUICK)


def test_a_model_that_is_none(refused, trained):
    assert "no.safetensors: No such file" in refused("fit", "more.csv", "--from", "no.safetensors")
    Path("bad.safetensors").write_bytes(b"no model")
    assert "bad.safetensors: " in refused("fit", "more.csv", "--from", "bad.safetensors", *QUICK)


def test_new_classes_are_named(refused, trained, rng):
    rows = tracks(rng, 60)
    rows[4][-1] = rows[7][-1] = "Jazz"
    rows[8][-1] = "Folk"
    write("more.csv", HEADER, rows)
    assert refused("fit", "more.csv", *ON) == (
        "densenet: more.csv, column 'genre': expected classes of the model, 'Drum\\nand Bass', "
        "'Pop', 'Rock', got 'Folk', 'Jazz': train anew\n"
    )


def test_columns_that_are_missing(refused, trained, rng):
    for column in HEADER:
        at = HEADER.index(column)
        rows = [row[:at] + row[at + 1 :] for row in tracks(rng, 60)]
        write("more.csv", [name for name in HEADER if name != column], rows)
        assert f"more.csv: expected column {column!r}, got" in refused("fit", "more.csv", *ON)


def test_a_target_of_another_type(refused, trained, rng):
    rows = [[*row[:-1], f"{rng.normal():.3f}"] for row in tracks(rng, 60)]
    write("more.csv", HEADER, rows)
    assert "expected classes of the model" in refused("fit", "more.csv", *ON)
    values = pair()[1]
    fit(values, Settings("y", epochs=1)).model.save("model.safetensors")
    write_csv("more.csv", {name: cells.tolist() for name, cells in pair()[0].columns.items()})
    assert "column 'y': expected a number, got '" in refused("fit", "more.csv", *ON)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"hidden": (8,)}, r"hidden: expected that of the model, \(64, 32\), got \(8,\)"),
        ({"pieces": 3}, "pieces: expected that of the model, 12, got 3"),
        ({"task": "regression"}, "task: expected that of the model, 'classification', got"),
        ({"id": "x"}, "id: expected that of the model, None, got 'x'"),
    ],
)
def test_other_settings_than_the_models(given, message):
    start = fit(pair()[0], Settings("y", epochs=1)).model
    with pytest.raises(ValueError, match=message):
        fit(pair()[0], Settings("y", **given), start=start)
    with pytest.raises(ValueError, match="target: expected that of the model, 'y', got 'x'"):
        fit(pair()[0], Settings("x"), start=start)


def test_a_model_without_facts_about_its_training():
    start = replace(fit(pair()[0], Settings("y", epochs=1)).model, facts={})
    with pytest.raises(ValueError, match="start: expected a model that fit made"):
        fit(pair()[0], Settings("y"), start=start)


def test_a_class_without_rows_is_not_balanced():
    start = fit(pair()[0], Settings("y", epochs=1)).model
    more = pair()[0]
    more = more.take(np.flatnonzero(more.texts("y") == "dear"))
    settings = Settings("y", epochs=1, validation=0, class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight: expected rows of each class, got none of"):
        fit(more, settings, start=start)


@pytest.mark.parametrize(
    "before",
    [
        3,
        {},
        ["train.csv"],
        [{"source": "train.csv"}],
        [{"source": 1, "training_rows": 2}],
        [{"source": "train.csv", "training_rows": -2}],
    ],
)
def test_what_a_file_may_not_say_was_before(refused, before):
    model = fit(pair()[0], Settings("y", epochs=1)).model
    replace(model, facts=dict(model.facts) | {"before": before}).save("model.safetensors")
    assert "facts: expected before to list tables and their rows" in refused(
        "info", "model.safetensors"
    )


def test_a_file_has_rows_that_it_was_trained_on(refused):
    model = fit(pair()[0], Settings("y", epochs=1)).model
    replace(model, facts=dict(model.facts) | {"training_rows": 0}).save("model.safetensors")
    assert "facts: expected training_rows > 0, got 0" in refused("info", "model.safetensors")


def test_settings_of_a_file_that_are_not_readable(refused, trained):
    networks, attachments = serialization.load_many("model.safetensors")
    attachments["table"]["facts"]["settings"]["hidden"] = "wide"
    serialization.save(networks[0], "model.safetensors", attachments=attachments)
    assert "start: the model's settings are not readable: hidden" in refused("fit", "more.csv", *ON)
