"""What is chosen for a table: presets, settings left open, and several networks."""

from dataclasses import replace

import numpy as np
import pytest

from densenet import serialization, set_num_threads
from densenet.tables import (
    Classes,
    Settings,
    Table,
    TableModel,
    Values,
    fit,
    fit_chunks,
    read_chunks,
    write_csv,
)
from densenet.tables.looking.report import fit_report
from densenet.tables.training.epochs import averages_of
from densenet.tables.training.holding_out import hold_out
from densenet.tables.training.settings import PRESETS
from tests.support.tables import HEADER, tracks, write

VALUE = Values("y", 0.0, 1.0)


def classes(count):
    return Classes("y", tuple(f"class {i}" for i in range(count)))


def moons(rng, count=400):
    turn = rng.uniform(0, np.pi, count)
    which = np.arange(count) % 2
    x = np.where(which, 1 - np.cos(turn), np.cos(turn)) + rng.normal(0, 0.1, count)
    y = np.where(which, 0.5 - np.sin(turn), np.sin(turn)) + rng.normal(0, 0.1, count)
    return Table.from_columns({"x": x, "y": y, "moon": np.array(["a", "b"])[which]})


# ---- settings left open ------------------------------------------------------------------------


def test_more_rows_take_fewer_epochs_and_larger_batches():
    few, some, many = (Settings("y").chosen_for(n, VALUE) for n in (200, 10_000, 2_000_000))
    assert few.epochs > some.epochs > many.epochs
    assert few.batch_size < some.batch_size < many.batch_size
    assert few.validation > some.validation


def test_few_rows_take_half_the_pieces_and_widths():
    few, many = (Settings("y").chosen_for(n, VALUE) for n in (1999, 2000))
    assert 2 * few.pieces == many.pieces
    assert [2 * width for width in few.hidden] == list(many.hidden)


def test_more_classes_take_more():
    two, many = (Settings("y").chosen_for(10_000, classes(n)) for n in (2, 20))
    assert many.epochs > 2 * two.epochs
    assert [2 * width for width in two.hidden] == list(many.hidden)


def test_what_is_given_stays():
    layers = {"pieces": 9, "hidden": (5,), "label_smoothing": 0.1, "weight_decay": 0.3}
    given = Settings("y", **layers, epochs=7, batch_size=3, validation=0.3)
    assert given.chosen_for(10_000, classes(9)) == given


def test_the_learning_rate_rises_and_falls_to_nothing():
    settings = Settings("y", epochs=10, batch_size=10, lr=0.5)
    schedule = settings.make_optimizer(1000).lr
    rates = [schedule(step) for step in range(1000)]
    assert max(rates) == pytest.approx(0.5, rel=0.02)
    assert 80 < int(np.argmax(rates)) < 120
    assert rates[0] < 0.02
    assert rates[-1] < 1e-4


@pytest.mark.parametrize("rows", [640, 20_000, 3_000_000])
def test_the_average_looks_back_over_a_share_of_all_steps(rows):
    settings = Settings("y", average=0.1).chosen_for(rows, VALUE)
    [average] = averages_of(settings, rows)
    steps = settings.epochs * -(-rows // settings.batch_size)
    assert average.every / (1 - average.decay) == pytest.approx(0.1 * steps)
    assert average.every < steps / 50


def test_no_average_of_few_steps_or_where_none_is_asked_for():
    settings = Settings("y", epochs=5, batch_size=64)
    assert averages_of(settings, 100) == averages_of(replace(settings, average=0), 10**6) == []


@pytest.mark.parametrize("in_chunks", [False, True])
def test_the_average_is_judged_and_kept(rng, tmp_path, in_chunks):
    """It does not change the weights that are trained."""
    table = moons(rng)
    write_csv(tmp_path / "moons.csv", {name: table.texts(name) for name in table.columns})

    def trained(average):
        settings = Settings("moon", average=average, epochs=9)
        if in_chunks:
            return fit_chunks(read_chunks(tmp_path / "moons.csv"), settings)
        return fit(table, settings)

    plain, averaged = trained(0), trained(0.2)
    assert averaged.history.batch_loss == plain.history.batch_loss
    scores = [[epoch["val_loss"] for epoch in each.history.epochs] for each in (plain, averaged)]
    assert not np.isin(*scores).any()
    x = averaged.model.features.transform(averaged.judged_rows[0])
    judged = averaged.model.network.loss(x, averaged.validation.y_true)
    assert np.isclose(scores[1], judged, rtol=1e-5).any()


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_are_settings(preset):
    assert Settings("y", **PRESETS[preset]).target == "y"


def test_options_override_a_preset(command, rng, empty_folder):
    write("train.csv", HEADER, tracks(rng))
    arguments = ("fit", "train.csv", "--target", "genre", "--no-picture", "--epochs", "2")
    assert command(*arguments, "--preset", "fast")[0] == 0
    fast = TableModel.load("model.safetensors").facts["settings"]
    assert command(*arguments, "--preset", "best", "--nets", "2", "--pieces", "3")[0] == 0
    best = TableModel.load("model.safetensors").facts["settings"]
    assert (fast["hidden"], fast["pieces"], fast["nets"]) == ([64, 32], 16, 1)
    assert (best["hidden"], best["pieces"], best["nets"]) == ([256, 128], 3, 2)


# ---- several networks --------------------------------------------------------------------------


def test_each_network_holds_out_other_rows(rng):
    table, settings = moons(rng), Settings("moon", validation=0.2)
    parts = [hold_out(table, settings, "classification", number)[1] for number in range(5)]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(table)))


@pytest.mark.parametrize("given", [True, False])
def test_the_report_says_whether_each_network_holds_out_other_rows(rng, given):
    validation = moons(rng) if given else None
    settings = Settings("moon", nets=2, epochs=1)
    said = fit_report(fit(moons(rng), settings, validation=validation))
    assert ("each held out other rows" in said) != given


def test_networks_are_averaged_and_each_row_is_judged_by_one_that_did_not_see_it(rng):
    table = moons(rng)
    fitted = fit(table, Settings("moon", nets=5, epochs=8, validation=0.2))
    model = fitted.model
    assert len(model.networks) == len(fitted.histories) == 5
    x = model.features.transform(table)
    each = [network.predict_proba(x) for network in model.networks]
    assert model.predict_proba(table) == pytest.approx(np.mean(each, axis=0), abs=1e-6)
    assert len(fitted.train.y_true) == len(fitted.validation.y_true) == len(table)
    settings = Settings("moon", validation=0.2)
    first = hold_out(table, settings, "classification", 0)[1]
    assert np.array_equal(fitted.validation.y_pred[: len(first)], each[0][first].argmax(axis=1))


def test_one_network_of_several_is_trained_as_if_alone(rng):
    table = moons(rng)
    several = fit(table, Settings("moon", nets=2, epochs=2, pieces=0)).model.networks
    again = fit(table, Settings("moon", nets=2, epochs=2, pieces=0)).model.networks
    assert [np.array_equal(a.flat, b.flat) for a, b in zip(several, again, strict=True)] == [1, 1]
    assert not np.array_equal(several[0].flat, several[1].flat)


@pytest.mark.parametrize("threads", [1, 3])
def test_networks_do_not_depend_on_the_number_of_threads(rng, keep_threads, threads):
    table, settings = moons(rng), Settings("moon", nets=3, epochs=2, seed=4)
    set_num_threads(threads)
    networks = fit(table, settings).model.networks
    set_num_threads(2)
    again = fit(table, settings).model.networks
    assert [np.array_equal(a.flat, b.flat) for a, b in zip(networks, again, strict=True)] == [1] * 3


def test_what_a_network_raises_is_raised(rng):
    settings = Settings("moon", nets=3, epochs=2, optimizer="sgd", lr=1e30)
    with pytest.raises(
        ValueError, match="lr: expected a learning rate at which training converges"
    ):
        fit(moons(rng), settings)


def test_a_file_holds_all_networks(rng, tmp_path):
    table, path = moons(rng), tmp_path / "model.safetensors"
    model = fit(table, Settings("moon", nets=3, epochs=2)).model
    model.save(path)
    again = TableModel.load(path)
    assert np.array_equal(again.predict_proba(table), model.predict_proba(table))
    with pytest.raises(ValueError, match="expected one network, got several"):
        serialization.load(path)
    with pytest.raises(ValueError, match="expected a single one, got 3"):
        _ = again.network


def test_the_command_line_knows_a_model_of_several(command, rng, empty_folder):
    write("train.csv", HEADER, tracks(rng))
    status, out, _ = command("fit", "train.csv", "--target", "genre", "--nets", "3")
    assert status == 0
    assert "3 networks, " in out
    assert command("predict", "model.safetensors", "train.csv", "--score")[0] == 0
    status, out, err = command("info", "model.safetensors")
    assert (status, err) == (0, "")
    assert out.count("Network: ") == 3


def test_altered_files_of_several_are_refused(rng, tmp_path):
    from densenet._files import container

    path = tmp_path / "model.safetensors"
    fit(moons(rng), Settings("moon", nets=2, epochs=1)).model.save(path)
    about, arrays = container.read(path)
    for change in ({"networks": []}, {"networks": about["networks"][:1]}, {"networks": 3}):
        changed = {key: (about | change)[key] for key in ("networks", "attachments")}
        container.write(path, changed, arrays)
        with pytest.raises(ValueError, match=r"model\.safetensors: "):
            TableModel.load(path)
