"""Principal components where a table is read in chunks."""

from dataclasses import replace

import numpy as np
import pytest

from densenet.tables import Settings, TableModel, fit, fit_chunks, read_table
from densenet.tables.components import principal_components
from densenet.tables.training import fitting_chunks
from densenet.tables.training.reducing import projection_of
from tests.support.tables import HEADER, tracks, write

pytestmark = pytest.mark.usefixtures("empty_folder")

SETTINGS = Settings("genre", id="track_id", epochs=2, hidden=(8,), pieces=4, reduce="pca:3")


def first_layer(network):
    return [network.parameters[name].tobytes() for name in ("0.weight", "0.bias")]


def test_components_are_those_of_the_rows_drawn_to_train_on(chunks_of, rng, monkeypatch):
    seen = []

    def spied(x, *others):
        seen.append(np.array(x))
        return projection_of(x, *others)

    monkeypatch.setattr(fitting_chunks, "projection_of", spied)
    chunks = chunks_of(tracks(rng))
    fitted = fit_chunks(chunks, SETTINGS)
    [held] = fitted.judged_rows
    kept = ~np.isin(chunks.sample.places, held.places)
    [x] = seen
    sample = chunks.sample.take(np.flatnonzero(kept))
    np.testing.assert_array_equal(x, fitted.model.features.transform(sample))
    assert len(x) + len(held) == len(chunks.sample)
    network = fitted.model.network
    directions = principal_components(x).directions[:3]
    np.testing.assert_allclose(network.parameters["0.weight"], directions, rtol=1e-5, atol=1e-7)
    assert fitted.model.facts["reduced"]["inputs"] == fitted.model.features.width
    assert [layer.outputs for layer in network.layers if layer.kind == "linear"] == [3, 8, 3]


def test_the_same_rows_and_seed_give_the_same_bits(chunks_of, rng):
    settings = replace(SETTINGS, nets=2)
    rows = tracks(rng)
    models = [fit_chunks(chunks_of(rows), settings).model for _ in range(2)]
    for one, other in zip(models[0].networks, models[1].networks, strict=True):
        assert one.flat.tobytes() == other.flat.tobytes()
        assert first_layer(one) == first_layer(models[0].networks[0])
    assert models[0].facts == models[1].facts


def test_components_of_a_table_within_the_sample_are_those_in_memory(chunks_of, rng):
    chunks = chunks_of(tracks(rng))
    if not chunks.is_whole:
        pytest.skip("not applicable: the sample decides")
    chunked, whole = fit_chunks(chunks, SETTINGS).model, fit(read_table("t.csv"), SETTINGS).model
    assert first_layer(chunked.network) == first_layer(whole.network)
    assert chunked.facts["reduced"] == whole.facts["reduced"]


def test_what_is_held_out_is_projected_too(chunks_of, rng):
    settings = replace(SETTINGS, calibrate=True, reduce="pca:0.9", dropout=0.2)
    fitted = fit_chunks(chunks_of(tracks(rng)), settings)
    [held] = fitted.judged_rows
    assert fitted.validation.scores == fitted.model.score(held).scores
    assert fitted.model.facts["reduced"]["share"] >= 0.9


def test_components_stay_when_training_goes_on(chunks_of, rng):
    write("first.csv", HEADER, tracks(rng))
    start = fit(read_table("first.csv"), SETTINGS).model
    on = fit_chunks(chunks_of(tracks(rng, first=300)), Settings("genre", epochs=2), start=start)
    assert first_layer(on.model.network) == first_layer(start.network)
    assert on.model.network.flat.tobytes() != start.network.flat.tobytes()
    assert on.model.facts["reduced"] == start.facts["reduced"]


def test_more_components_than_there_are_is_refused(chunks_of, rng):
    with pytest.raises(ValueError, match=r"^reduce: expected at most \d+ components, .* got 500$"):
        fit_chunks(chunks_of(tracks(rng)), replace(SETTINGS, reduce="pca:500"))


def test_the_command_reduces_in_chunks(command, few_drawn, rng):
    for needed in ("matplotlib", "tqdm"):
        pytest.importorskip(needed)
    write("t.csv", HEADER, tracks(rng))
    quick = ("--epochs", "2", "--no-picture", "--chunks")
    given = ("--target", "genre", "--id", "track_id", "--reduce", "pca:5")
    status, out, _ = command("fit", "t.csv", *given, *quick)
    assert status == 0
    assert "features became 5, which explain" in out
    assert TableModel.load("model.safetensors").facts["reduced"]["components"] == 5
    assert command("predict", "model.safetensors", "t.csv", "--score")[0] == 0
