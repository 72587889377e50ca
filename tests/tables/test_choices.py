"""Choices of a training on a table: weights of classes, a monitor, rows to hold out, folds."""

import re
from dataclasses import replace

import numpy as np
import pytest

from densenet.losses import SoftmaxCrossEntropy
from densenet.tables import Settings, Table, TableModel, cross_validate, fit
from densenet.tables.looking.report import about_training
from densenet.tables.training.holding_out import divide, hold_out
from densenet.tables.training.monitors import HELD_OUT
from densenet.tables.training.settings import DECAY, HELD_OUT_SHARES, SMOOTHING
from tests.support.tables import HEADER, overlapping, tracks, values, write

for needed in ("matplotlib", "tqdm"):  # by `densenet fit`
    pytest.importorskip(needed)

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


# ---- weights of classes ------------------------------------------------------------------------


def test_a_heavier_class_is_predicted_more_often():
    def share(class_weight):
        settings = Settings("y", class_weight=class_weight, epochs=20, monitor="loss")
        return np.mean(fit(overlapping(), settings).train.y_pred)

    plain, heavy, light = share(None), share({"b": 4}), share({"b": 0.1})
    assert light < plain < heavy
    assert share("balanced") > plain
    assert share({"a": 1.0}) == plain


def test_the_loss_by_which_an_epoch_is_kept_is_weighted():
    table = overlapping()
    fitted = fit(table, Settings("y", class_weight={"b": 5}, label_smoothing=0, epochs=20))
    best = min(record["val_loss"] for record in fitted.history.epochs)
    is_rare = fitted.validation.y_true == 1
    model, x = fitted.model, table
    _, held_out = hold_out(table, replace(Settings("y"), validation=0.2), "classification")
    shares = model.predict_proba(x.take(held_out))[np.arange(len(is_rare)), is_rare.astype(int)]
    weights = np.where(is_rare, 5, 1)
    assert np.average(-np.log(shares), weights=weights) == pytest.approx(best, rel=1e-4)


def test_class_weights_are_facts_of_the_file(tmp_path):
    model = fit(overlapping(), Settings("y", class_weight={"b": 2}, epochs=1)).model
    model.save(tmp_path / "m.safetensors")
    facts = TableModel.load(tmp_path / "m.safetensors").facts
    assert facts["settings"]["class_weight"] == {"b": 2.0}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"class_weight": "equal"}, "class_weight: expected 'balanced'"),
        ({"class_weight": {"c": 2}}, "class_weight: expected classes of 'a', 'b', got 'c'"),
        (
            {"class_weight": {"a": 0, "b": 0}},
            "class_weight: expected a weight above 0 for any class",
        ),
        ({"class_weight": {"b": -1}}, r"class_weight\['b'\] must be"),
        ({"monitor": "auc"}, "monitor: expected None, 'loss', 'accuracy'"),
        ({"monitor": "r2"}, "monitor: expected loss, accuracy, recall, f1 for a target of classes"),
        ({"l1": -1}, "l1 must be"),
        ({"l2": np.inf}, "l2 must be"),
        ({"label_smoothing": 1}, "label_smoothing must be"),
        ({"normalization": "both"}, "normalization: expected None, 'batch' or 'layer'"),
        ({"residual": True}, r"residual: expected a hidden layer as wide as .* \(26, 64, 32\)"),
        ({"calibrate": True, "validation": 0}, "calibrate: expected rows held out, got none"),
    ],
    ids=str,
)
def test_wrong_choices_are_refused_by_name(wrong, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        fit(overlapping(), Settings("y", **wrong))


@pytest.mark.parametrize("wrong", [{"class_weight": "balanced"}, {"calibrate": True}], ids=str)
def test_choices_for_classes_are_refused_for_values(wrong):
    with pytest.raises(ValueError, match=rf"^{next(iter(wrong))}: expected classes, but 'y' has"):
        fit(values(), Settings("y", **wrong))
    with pytest.raises(ValueError, match=r"^monitor: expected loss, r2, rmse, mae for"):
        fit(values(), Settings("y", monitor="f1"))


# ---- when to stop ------------------------------------------------------------------------------


@pytest.mark.parametrize("monitor", ["accuracy", "recall", "f1"])
def test_the_epoch_of_the_best_score_is_kept(monitor):
    fitted = fit(overlapping(), Settings("y", monitor=monitor, patience=4))
    scores = [record[f"val_{monitor}"] for record in fitted.history.epochs]
    assert fitted.validation.scores[monitor] == pytest.approx(max(scores))
    assert len(scores) == 1 + int(np.argmax(scores)) + 4
    assert all("val_accuracy" in record for record in fitted.history.epochs)


def noisy(rng, rows):
    """Two classes that no epoch can tell apart without errors."""
    x = rng.normal(size=(rows, 2))
    side = x[:, 0] + rng.normal(size=rows) > 0
    return Table.from_columns({"a": x[:, 0], "b": x[:, 1], "y": np.where(side, "yes", "no")})


@pytest.mark.parametrize(("rows", "later"), [(5 * HELD_OUT, True), (4 * HELD_OUT, False)])
def test_of_epochs_as_good_as_the_best_one_the_latest_is_kept(rng, rows, later):
    for _ in range(8):  # until the best epoch is not the last one as good: nearly always at once
        fitted = fit(noisy(rng, rows), Settings("y", epochs=12, seed=1))
        scores = np.array([record["val_accuracy"] for record in fitted.history.epochs])
        held, best = len(fitted.validation.y_true), np.argmax(scores)
        half = np.sqrt(scores[best] * (1 - scores[best]) / held) / 2
        latest = np.flatnonzero(scores >= scores[best] - half)[-1]
        if latest > best:
            break
    assert latest > best
    kept = latest if later else best
    assert fitted.validation.scores["accuracy"] == pytest.approx(scores[kept])
    told = "\n".join(about_training(fitted))
    assert (f"the best is number {best + 1}; number {latest + 1}, as good" in told) == later


def test_patience_counts_from_the_best_epoch_and_not_from_the_one_kept(rng):
    fitted = fit(noisy(rng, 5 * HELD_OUT), Settings("y", epochs=40, patience=4, seed=1))
    scores = [record["val_accuracy"] for record in fitted.history.epochs]
    assert fitted.history.stopped == "early stopping"
    assert len(scores) == 1 + int(np.argmax(scores)) + 4


def test_networks_of_an_average_keep_their_best_epochs(rng):
    fitted = fit(noisy(rng, 5 * HELD_OUT), Settings("y", epochs=12, nets=2, seed=1))
    best = [max(record["val_accuracy"] for record in each.epochs) for each in fitted.histories]
    for network, rows, score in zip(fitted.model.networks, fitted.judged_rows, best, strict=True):
        alone = replace(fitted.model, networks=(network,))
        assert alone.score(rows).scores["accuracy"] == pytest.approx(score)


@pytest.mark.parametrize("monitor", ["rmse", "mae"])
def test_errors_of_values_are_watched_too(monitor):
    fitted = fit(values(), Settings("y", monitor=monitor, patience=3))
    scores = [record[f"val_{monitor}"] for record in fitted.history.epochs]
    scale = fitted.model.target.scale
    assert fitted.validation.scores[monitor] == pytest.approx(scale * min(scores), rel=1e-5)


def test_the_report_names_the_epoch_that_was_kept(command, rng):
    write("train.csv", HEADER, tracks(rng))
    _, out, _ = command("fit", "train.csv", "--target", "genre", "--monitor", "recall", *QUICK)
    model = TableModel.load("model.safetensors")
    assert model.facts["settings"]["monitor"] == "recall"
    assert "the best is number" in out


# ---- network and penalties ---------------------------------------------------------------------


def layers_of(**settings):
    return [
        layer.kind
        for layer in fit(overlapping(60), Settings("y", epochs=1, **settings)).model.network.layers
    ]


def test_hidden_layers_are_normalised_and_residual():
    assert layers_of(hidden=(4,), normalization="batch") == [
        "linear",
        "batch_norm",
        "relu",
        "linear",
    ]
    given = {
        "pieces": 0,
        "hidden": (2, 4, 4),
        "normalization": "layer",
        "residual": True,
        "dropout": 0.1,
    }
    network = fit(overlapping(60), Settings("y", epochs=1, **given)).model.network
    assert [layer.kind for layer in network.layers] == [
        "residual",
        *("linear", "layer_norm", "relu", "dropout"),
        "residual",
        "linear",
    ]
    inner = network.layers[0].layers
    assert [layer.kind for layer in inner] == ["linear", "layer_norm", "relu", "dropout"]


def test_penalties_reach_the_optimizer():
    for name in ("adam", "adamw", "rmsprop", "sgd"):
        rule = Settings("y", optimizer=name, epochs=5, l1=0.1, l2=0.2).make_optimizer(100)
        assert (rule.l1, rule.l2) == (0.1, 0.2)
    weights = fit(overlapping(), Settings("y", l1=0.03)).model.network.parameters["0.weight"]
    assert 0.2 < np.mean(weights == 0) < 1


def test_what_would_have_no_effect_is_refused(command, rng, empty_folder):
    write("train.csv", HEADER, tracks(rng))
    given = ("fit", "train.csv", "--target", "noise", "--no-picture")
    for option, message in (
        (("--label-smoothing", "0.1"), "label_smoothing: expected classes, but 'noise' has values"),
        (("--weight-decay", "1", "--optimizer", "sgd"), "weight_decay: expected optimizer adamw"),
    ):
        status, _, err = command(*given, *option)
        assert status == 2
        assert message in err
    assert command(*given, "--label-smoothing", "0", "--weight-decay", "0", "--epochs", "1")[0] == 0


def test_label_smoothing_reaches_the_loss():
    network = fit(overlapping(60), Settings("y", epochs=1, label_smoothing=0.2)).model.network
    assert network.loss_function == SoftmaxCrossEntropy(0.2)


# ---- rows of one's own to hold out -------------------------------------------------------------


def test_a_table_of_ones_own_is_held_out():
    table, other = overlapping(), overlapping(100, seed=1)
    fitted = fit(table, Settings("y"), validation=other)
    assert fitted.model.facts["training_rows"] == len(fitted.train.y_true) == 600
    assert fitted.model.facts["validation_rows"] == 100
    assert fitted.validation.scores == fitted.model.score(other).scores
    scores = [record["val_accuracy"] for record in fitted.history.epochs]
    assert fitted.validation.scores["accuracy"] == pytest.approx(max(scores))


def test_rows_to_hold_out_must_fit():
    table = overlapping()
    some = Table.from_columns({"x": [1, 2, 3], "z": [0, 0, 0], "y": ["a", "", "b"]})
    fitted = fit(table, Settings("y", epochs=1), validation=some)
    assert fitted.model.facts["validation_rows"] == 2
    assert "1 rows to hold out without 'y' are left out" in fitted.notes
    with pytest.raises(ValueError, match=r"^other, row 2, column 'y': expected one of the classes"):
        fit(
            table,
            Settings("y"),
            validation=Table.from_columns({"x": [1, 2], "z": [0, 0], "y": ["a", "c"]}, "other"),
        )
    with pytest.raises(ValueError, match=r"^other, column 'y': expected targets, got none"):
        fit(
            table,
            Settings("y"),
            validation=Table.from_columns({"x": [1], "z": [0], "y": [""]}, "other"),
        )


def test_the_command_holds_a_file_out(command, refused, rng):
    write("train.csv", HEADER, tracks(rng))
    write("other.csv", HEADER, tracks(rng, 50))
    options = ("--target", "genre", "--id", "track_id", "--validation-file", "other.csv")
    _, out, _ = command("fit", "train.csv", *options, *QUICK)
    assert "300 rows to train on, 50 to validate" in out


# ---- folds -------------------------------------------------------------------------------------


def test_every_row_is_scored_once_by_a_model_of_the_others():
    table, settings = overlapping(), Settings("y", epochs=3, task="classification")
    scores = cross_validate(table, settings, 3)
    part = divide(table, settings, "classification", 3)
    for fold in range(3):
        model = fit(table.take(part != fold), settings).model
        held_out = table.take(part == fold)
        right = np.mean(held_out.texts("y") == model.predict(held_out))
        assert scores["accuracy"][fold] == right


def test_folds_are_even_and_keep_ids_together():
    y = ["a"] * 50 + ["b"] * 10
    ids = [f"{i // 2}" for i in range(59)] + [""]
    table = Table.from_columns({"id": ids, "y": y})
    part = divide(table, Settings("y"), "classification", 5)
    assert [np.bincount(part[:50]).tolist(), np.bincount(part[50:]).tolist()] == [[10] * 5, [2] * 5]
    together = divide(table, Settings("y", id="id"), "classification", 5)
    assert (together[0:58:2] == together[1:58:2]).all()
    assert set(together) == set(range(5))


@pytest.mark.parametrize("number", range(5))
def test_ids_of_many_rows_are_held_out_whole(number):
    ids = np.arange(600) % 50
    table = Table.from_columns({"id": ids, "y": np.random.default_rng(0).normal(size=600)})
    settings = Settings("y", id="id", validation=0.2)
    rows, held_out = hold_out(table, settings, "regression", number)
    assert len(held_out) == 120
    assert not set(ids[rows]) & set(ids[held_out])


def test_as_many_ids_as_folds_are_enough():
    ids = np.arange(60) % 3
    table = Table.from_columns({"id": ids, "y": np.random.default_rng(0).normal(size=60)})
    part = divide(table, Settings("y", id="id"), "regression", 3)
    assert np.bincount(part).tolist() == [20] * 3
    with pytest.raises(ValueError, match=r"^folds: expected at least 4 ids, .*, got 3 in 'id'"):
        divide(table, Settings("y", id="id"), "regression", 4)
    with pytest.raises(ValueError, match=r"^validation: .* got 60 of 3 different 'id'; 0 trains"):
        hold_out(table, Settings("y", id="id", validation=0.2), "regression")


@pytest.mark.parametrize(
    ("number", "is_id"),
    [
        (np.sort(np.random.default_rng(0).choice(1100, 600, replace=False)), True),
        (np.where(np.arange(600) == 7, 8, np.arange(600)), False),
    ],
    ids=["counts the rows, in few folds", "repeats, in few folds"],
)
def test_folds_learn_from_the_columns_of_the_whole(monkeypatch, number, is_id):
    read = []

    def spied(*arguments, **options):
        fitted = fit(*arguments, **options)
        read.append("number" in fitted.model.features.columns)
        return fitted

    table = overlapping()
    columns = {name: table.texts(name) for name in table.columns}
    table = Table.from_columns({"number": number, **columns})
    monkeypatch.setattr("densenet.tables.training.folds.fit", spied)
    cross_validate(table, Settings("y", epochs=1, pieces=0), 5)
    assert read == [not is_id] * 5


def test_more_folds_than_rows_are_refused():
    table = Table.from_columns({"x": [1, 2, 3], "y": ["a", "b", ""]})
    with pytest.raises(ValueError, match=r"^folds: expected at least 3 rows with a target, got 2"):
        cross_validate(table, Settings("y"), 3)


def test_the_command_scores_folds_first(command, rng):
    write("train.csv", HEADER, tracks(rng))
    plain = command("fit", "train.csv", "--target", "genre", *QUICK)[1]
    status, out, _ = command("fit", "train.csv", "--target", "genre", "--folds", "3", *QUICK)
    assert status == 0
    lines = out.splitlines()
    assert lines[0].startswith("3 folds, each predicted by a model of the others")
    assert lines[1].split() == ["mean", "spread"]
    assert "240 rows to train on, 60 to validate" in out
    assert out.split("confusion")[1] == plain.split("confusion")[1]


# ---- several networks --------------------------------------------------------------------------


def test_choices_hold_for_several_networks():
    table = overlapping()
    given = {"nets": 2, "epochs": 8, "hidden": (8,), "class_weight": {"b": 2}, "calibrate": True}
    fitted = fit(table, Settings("y", threshold="auto", **given))
    assert len(fitted.model.networks) == 2
    expected = np.where(
        fitted.model.predict_proba(table)[:, 1] >= fitted.model.target.threshold[1], "b", "a"
    )
    assert fitted.model.predict(table) == expected.tolist()
    other = overlapping(100, seed=1)
    fitted = fit(table, Settings("y", **given), validation=other)
    assert fitted.validation.scores == fitted.model.score(other).scores
    assert fitted.model.facts["training_rows"] == 600
    scores = cross_validate(table, Settings("y", **given), 2)
    assert len(scores["loss"]) == 2


# ---- the command -------------------------------------------------------------------------------


def test_settings_and_options_tell_the_defaults_that_count(command):
    least, largest = HELD_OUT_SHARES
    defaults = (f"{SMOOTHING:g}", f"{DECAY:g}", f"{HELD_OUT} rows, but {least} to {largest}")
    described = " ".join(Settings.__doc__.split())
    options = " ".join(command("fit", "--help")[1].split())
    for default in defaults:
        assert f"(default: {default})" in options
        assert re.search(rf"by default (that of )?{re.escape(default)}[;,.]", described)


def test_the_command_has_all_choices(command, rng):
    write("train.csv", HEADER, tracks(rng))
    options = ["--class-weight", "Rock=2, Pop=0.5", "--monitor", "f1", "--calibrate"]
    options += ["--l1", "1e-5", "--l2", "2e-5", "--normalization", "batch", "--residual"]
    options += ["--hidden", "8,8"]
    status, out, err = command("fit", "train.csv", "--target", "genre", *options, *QUICK)
    assert (status, err) == (0, "")
    assert "-8-8-3, relu, batch normalization, residual; adamw, l1 1e-05, l2 2e-05, batches" in out
    settings = TableModel.load("model.safetensors").facts["settings"]
    assert settings["class_weight"] == {"Rock": 2.0, "Pop": 0.5}
    assert (settings["monitor"], settings["calibrate"]) == ("f1", True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threshold", "2"), "must be a number in [0, 1), got 2"),
        (("--class-weight", "Rock"), "must be balanced or such as a=2,b=0.5, got Rock"),
        (("--class-weight", "Rock=x"), "must be a number >= 0, got x"),
        (("--class-weight", "Jazz=2"), "class_weight: expected classes of"),
        (("--folds", "1"), "must be an integer >= 2, got 1"),
        (("--monitor", "x"), "--monitor"),
        (("--class-weight", "Rock=2,Rock=3"), "must name each class once, got Rock=2,Rock=3"),
        (("--monitor", "f1", "--validation", "0"), "monitor: expected rows held out, got none"),
        (("--patience", "3", "--validation", "0"), "patience: expected rows held out, got none"),
        (("--join-header-rows", "2"), "--join-header-rows: expected a table by --join, got none"),
        (("--validation", "0.1", "--validation-file", "train.csv"), "not allowed with"),
        (("--validation-file", "none.csv"), "none.csv: No such file"),
    ],
    ids=str,
)
def test_wrong_options_get_one_line(refused, rng, options, message):
    write("train.csv", HEADER, tracks(rng))
    assert message in refused("fit", "train.csv", "--target", "genre", *options, *QUICK)
