"""Several networks, and going on from a model, where a table is read in chunks."""

from dataclasses import replace

import numpy as np
import pytest

from densenet.tables import Settings, TableModel, fit, fit_chunks, read_table
from tests.support.tables import HEADER, tracks, write

pytest.importorskip("pyarrow")

SETTINGS = Settings("genre", id="track_id", epochs=2, hidden=(8,), pieces=4)
ON = Settings("genre", epochs=2)

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def start(rng):
    write("first.csv", HEADER, tracks(rng))
    return fit(read_table("first.csv"), replace(SETTINGS, class_weight="balanced")).model


# ---- several networks ----------------------------------------------------------------------------


def test_networks_learn_the_same_rows_and_are_judged_together(chunks_of, rng):
    chunks = chunks_of(tracks(rng))
    fitted = fit_chunks(chunks, replace(SETTINGS, nets=2))
    first = fit_chunks(chunks, SETTINGS)
    model = fitted.model
    assert len(model.networks) == len(fitted.histories) == 2
    assert model.networks[0].flat.tobytes() == first.model.network.flat.tobytes()
    assert model.networks[1].flat.tobytes() != first.model.network.flat.tobytes()
    assert (model.features, model.target) == (first.model.features, first.model.target)
    [held] = fitted.judged_rows
    assert held.texts("track_id").tolist() == first.judged_rows[0].texts("track_id").tolist()
    assert fitted.validation.scores == model.score(held).scores
    assert model.facts["training_rows"] == first.model.facts["training_rows"]


def test_each_network_has_an_order_of_its_own(chunks_of, rng):
    """That of the second is the first one's with the next seed, as are its weights."""
    chunks = chunks_of(tracks(rng))
    settings = replace(SETTINGS, validation=0.0)
    both = fit_chunks(chunks, replace(settings, nets=2)).model.networks
    alone = fit_chunks(chunks, replace(settings, seed=1)).model.network
    assert both[1].flat.tobytes() == alone.flat.tobytes()


# ---- going on from a model -----------------------------------------------------------------------


def test_what_the_model_decides_stays(chunks_of, start, rng):
    weights = start.network.flat.copy()
    fitted = fit_chunks(chunks_of(tracks(rng, 400, first=300)), ON, start=start)
    model = fitted.model
    assert (model.features, model.target, model.id) == (start.features, start.target, start.id)
    assert 0 < np.abs(model.network.flat - weights).max() < 0.1
    assert start.network.flat.tobytes() == weights.tobytes()
    assert model.facts["before"] == [{"source": "first.csv", "training_rows": 240}]
    assert model.facts["training_rows"] + len(fitted.validation.y_true) == 400
    [held] = fitted.judged_rows
    before = start.score(held).scores["accuracy"]
    assert fitted.notes[-1] == f"before, the validation accuracy was {before:.2%}"


def test_settings_are_those_of_rows_in_memory(chunks_of, start, rng):
    chunks = chunks_of(tracks(rng, 400, first=300))
    whole = fit(read_table("t.csv"), ON, start=start).model.facts["settings"]
    chunked = fit_chunks(chunks, ON, start=start).model.facts["settings"]
    unlike = {name for name in whole if whole[name] != chunked[name]}
    assert unlike <= {"validation"}
    assert chunked["lr"] < 0.001


def test_each_of_several_networks_goes_on(chunks_of, rng):
    write("first.csv", HEADER, tracks(rng))
    start = fit(read_table("first.csv"), replace(SETTINGS, nets=2)).model
    model = fit_chunks(chunks_of(tracks(rng)), ON, start=start).model
    for before, after in zip(start.networks, model.networks, strict=True):
        assert 0 < np.abs(after.flat - before.flat).max() < 0.1


def test_all_rows_tell_what_is_new(chunks_of, start, rng):
    rows = [row for row in tracks(rng, 400) if row[-1] != "Pop"]
    rows[-1][2] = rows[-2][2] = "pink"
    notes = fit_chunks(chunks_of(rows), ON, start=start).notes
    assert any("2 cells of no known category ('pink')" in note for note in notes)
    assert "no row has class 'Pop', which may be forgotten" in notes
    counted = replace(ON, class_weight="balanced")
    with pytest.raises(ValueError, match="class_weight: expected rows of each class, got none of"):
        fit_chunks(chunks_of(rows), counted, start=start)


def test_new_classes_of_all_rows_are_named(chunks_of, start, rng):
    rows = tracks(rng, 400)
    rows[5][-1], rows[390][-1] = "Jazz", "Folk"
    with pytest.raises(ValueError, match=r"t\.csv, column 'genre': .* got 'Folk', 'Jazz': train"):
        fit_chunks(chunks_of(rows), ON, start=start)


def test_values_go_on(chunks_of, rng):
    write("first.csv", HEADER, tracks(rng))
    settings = Settings("noise", id="track_id", epochs=2, hidden=(8,), pieces=4)
    start = fit(read_table("first.csv"), settings).model
    fitted = fit_chunks(chunks_of(tracks(rng)), Settings("noise", epochs=2), start=start)
    assert fitted.model.target == start.target
    assert fitted.notes[-1].startswith("before, the validation R² was ")


def test_a_setting_that_the_model_decides_is_refused(chunks_of, start, rng):
    chunks = chunks_of(tracks(rng))
    with pytest.raises(ValueError, match=r"hidden: expected that of the model, \(8,\), got"):
        fit_chunks(chunks, Settings("genre", hidden=(9,)), start=start)


def test_the_command_goes_on_in_chunks(command, rng):
    for needed in ("matplotlib", "tqdm"):
        pytest.importorskip(needed)
    rows = tracks(rng)
    rows[3][1] = rows[5][1] = "gone"
    write("t.csv", HEADER, rows)
    quick = ("--epochs", "2", "--no-picture", "--chunks")
    first = ("--target", "genre", "--missing", "gone", "--nets", "2", "--hidden", "8")
    assert command("fit", "t.csv", *first, *quick)[0] == 0
    on = ("--from", "model.safetensors", "--out", "on.safetensors")
    status, out, err = command("fit", "t.csv", *on, *quick)
    assert (status, err) == (0, "")
    assert "before, the validation accuracy was" in out
    assert len(TableModel.load("on.safetensors").networks) == 2
    assert "trained before on: t.csv" in command("info", "on.safetensors")[1]
