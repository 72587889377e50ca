"""A table in chunks whose rows are joined with those of a table in memory."""

from dataclasses import replace

import numpy as np
import pytest

from densenet.tables import (
    Settings,
    Table,
    TableModel,
    fit,
    fit_chunks,
    join,
    read_table,
)
from densenet.tables.reading import drawing
from tests.support.tables import read, write

pytest.importorskip("pyarrow")

pytestmark = pytest.mark.usefixtures("empty_folder")

SETTINGS = Settings("genre", epochs=3, hidden=(8,), pieces=4)
HEADER = ["track_id", "day", "genre"]
JOIN = ("--join", "features.csv", "--on", "track_id")
QUICK = ("--epochs", "3", "--no-picture")


@pytest.fixture
def rows(rng):
    """Tracks, and a file of features of all of them but every tenth, in another order."""
    genres, features = [], []
    for i in range(300):
        tempo = rng.normal(100, 20)
        day = np.datetime64("2024-01-01") + np.timedelta64(int(rng.integers(90)), "D")
        genre = "Jazz" if i % 10 == 0 else "Rock" if tempo > 100 else "Pop"  # no Jazz is joined
        genres.append([f"{i % 200:04}", day, genre])
        if i % 10 and i < 200:
            mood = rng.choice(["dark", "bright", ""])
            features.append([f"{i}.0", f"{tempo:.3f}" if i % 7 else "", mood, f"{i % 9},5"])
    rng.shuffle(features)
    write("features.csv", ["track_id", "tempo", "mood", "share"], features)
    return genres


def cells(table, names):
    return {name: table.texts(name).tolist() for name in names}


def test_joined_chunks_have_the_rows_of_a_joined_table(chunks_of, rows):
    chunks, other = chunks_of(rows, HEADER), read_table("features.csv")
    joined, whole = chunks.join(other, "track_id"), join(read_table("t.csv"), other, "track_id")
    assert len(joined) == len(whole) == 270
    assert joined.is_whole == chunks.is_whole
    assert list(joined.sample.columns) == list(whole.columns)
    assert (joined.sample.source, joined.sample.unnamed) == (whole.source, whole.unnamed)
    assert joined.sample.guesses["share"] == whole.guesses["share"]
    at = np.searchsorted(whole.places, joined.sample.places)
    assert cells(joined.sample, whole.columns) == cells(whole.take(at), whole.columns)
    for names in (["mood", "genre"], ["share", "tempo", "day"], ["tempo", "track_id"]):
        tables = list(joined.tables(names, 20))
        assert len(tables) > 3
        for name in names:
            got = [cell for table in tables for cell in table.texts(name).tolist()]
            assert got == whole.texts(name).tolist()
        numbers = [table.numbers("tempo") for table in tables if "tempo" in names]
        if numbers:
            np.testing.assert_array_equal(np.concatenate(numbers), whole.numbers("tempo"))


def test_mixed_rows_keep_their_partners_and_rows_are_left_out(chunks_of, rows):
    joined = chunks_of(rows, HEADER).join(read_table("features.csv"), "track_id")
    left_out = joined.drawn[:7]
    tables = list(joined.tables(["tempo", "genre"], 20, mixed=[1, 0], without=left_out))
    places = np.concatenate([table.places for table in tables])
    assert len(places) == 263
    assert not np.isin(joined.sample.places[:7], places).any()
    assert (np.diff(places) < 0).any()
    whole = join(read_table("t.csv"), read_table("features.csv"), "track_id")
    at = np.searchsorted(whole.places, places)
    tempo = np.concatenate([table.numbers("tempo") for table in tables])
    np.testing.assert_array_equal(tempo, whole.numbers("tempo")[at])


def test_a_table_within_the_sample_is_encoded_as_in_memory(chunks_of, rows):
    other = read_table("features.csv")
    chunks = chunks_of(rows, HEADER).join(other, "track_id")
    fitted = fit_chunks(chunks, SETTINGS)
    whole = fit(join(read_table("t.csv"), other, "track_id"), SETTINGS)
    assert fitted.model.features.columns == whole.model.features.columns
    assert fitted.model.target == whole.model.target
    assert fitted.model.features.left_out == whole.model.features.left_out
    assert fitted.model.facts["training_rows"] + len(fitted.validation.y_true) == 270
    if chunks.is_whole:
        assert fitted.notes == whole.notes
        assert fitted.model.features == whole.model.features
        assert fitted.judged_rows[0].places.tolist() == whole.judged_rows[0].places.tolist()


def test_one_step_of_all_rows_gives_what_it_gives_in_memory(chunks_of, rows):
    """But for the last bits, which depend on the order of the rows."""
    other = read_table("features.csv")
    chunks = chunks_of(rows, HEADER).join(other, "track_id")
    whole = join(read_table("t.csv"), other, "track_id")
    start = fit(whole, SETTINGS).model
    settings = Settings("genre", epochs=2, lr=0.01, schedule="constant", batch_size=999)
    settings = replace(settings, validation=0.0)
    one, two = fit(whole, settings, start=start), fit_chunks(chunks, settings, start=start)
    np.testing.assert_allclose(two.model.network.flat, one.model.network.flat, rtol=1e-3, atol=1e-5)


def test_a_wide_sample_has_fewer_rows(chunks_of, rows, monkeypatch):
    chunks = chunks_of(rows, HEADER)
    monkeypatch.setattr(drawing, "_MOST_CELLS", 6 * 40)
    joined = chunks.join(read_table("features.csv"), "track_id")
    assert (len(joined.sample), len(joined), joined.is_whole) == (40, 270, False)
    tables = list(joined.tables(["mood"]))
    at = np.searchsorted(np.concatenate([one.places for one in tables]), joined.sample.places)
    moods = np.concatenate([one.texts("mood") for one in tables])
    assert moods[at].tolist() == joined.sample.texts("mood").tolist()


def test_what_cannot_be_joined_is_refused(chunks_of, rows):
    chunks, other = chunks_of(rows, HEADER), read_table("features.csv")
    with pytest.raises(ValueError, match=r"^t\.csv: expected column 'id', got columns 'track_id'"):
        chunks.join(other, "id")
    with pytest.raises(ValueError, match=r"expected keys that table has, too, got none$"):
        chunks.join(Table.from_columns({"track_id": ["x"], "z": [1]}), "track_id")
    with pytest.raises(ValueError, match=r"^join: expected chunks that are not joined yet"):
        chunks.join(other, "track_id").join(other, "track_id")
    genres = Table.from_columns(
        {"track_id": [row[0] for row in rows[:200]], "genre": ["Blues"] * 200}
    )
    with pytest.raises(ValueError, match=r"column 'genre': expected the cell of table, row"):
        chunks.join(genres, "track_id")
    one = {row[0]: row[2] for row in rows[200:]} | {row[0]: row[2] for row in rows[:200]}
    same = [row for row in rows if one[row[0]] == row[2]]
    one["0199"] = "Blues"  # perhaps of no row that was drawn
    genres = Table.from_columns(
        {"track_id": list(one), "genre": list(one.values()), "z": 1.0 * np.arange(200)}
    )
    with pytest.raises(
        ValueError, match=r"column 'genre': expected the cell of table, row \d+, 'B"
    ):
        chunks_of(same, HEADER).join(genres, "track_id")
    joined = chunks_of(same, HEADER).join(genres, "track_id", ignore=["genre"])
    assert list(joined.sample.columns) == [*HEADER, "z"]


# ---- the commands --------------------------------------------------------------------------------


def test_the_command_joins_in_chunks(command, few_drawn, rows):
    for needed in ("matplotlib", "tqdm"):
        pytest.importorskip(needed)
    write("t.csv", HEADER, rows)
    given = ("t.csv", "--target", "genre", *JOIN, *QUICK)
    status, out, err = command("fit", *given, "--chunks")
    assert status == 0
    note = "densenet: note: 30 of 300 rows have no partner in features.csv and are left out\n"
    assert err.endswith(note)
    assert "t.csv with features.csv: " in out
    assert "columns: 2 of numbers, 1 of categories, 1 of dates" in out
    assert "left out: track_id: the key of the join (--numbers or --text learns from it)" in out
    assert TableModel.load("model.safetensors").id is None

    read_whole = []
    for rows_of_a_sample in 60, 100_000:
        drawing.MOST_ROWS = rows_of_a_sample
        status, out, err = command("predict", "model.safetensors", "t.csv", *JOIN, "--score")
        assert (status, err) == (0, note)
        read_whole.append((out, read("predictions.csv")))
    assert read_whole[0] == read_whole[1]
    predictions = read_whole[0][1]
    assert predictions[0] == ["track_id", "genre"]
    assert [row[0] for row in predictions[1:]] == [row[0] for row in rows if int(row[0]) % 10]


def test_the_command_goes_on_with_joined_chunks(command, few_drawn, rows):
    for needed in ("matplotlib", "tqdm"):
        pytest.importorskip(needed)
    write("t.csv", HEADER, rows)
    assert command("fit", "t.csv", "--target", "genre", *JOIN, *QUICK)[0] == 0
    given = ("--from", "model.safetensors", "--out", "on.safetensors", "--chunks", *JOIN, *QUICK)
    status, out, _ = command("fit", "t.csv", *given, "--validation-file", "t.csv")
    assert status == 0
    assert "t.csv with features.csv: 270 rows to train on, 270 to validate" in out


def test_options_that_belong_together(refused, rows):
    for needed in ("matplotlib", "tqdm"):
        pytest.importorskip(needed)
    write("t.csv", HEADER, rows)
    for given in (JOIN[:2], JOIN[2:]):
        assert "--join and --on: expected both" in refused(
            "fit", "t.csv", "--target", "genre", "--chunks", *given, *QUICK
        )
