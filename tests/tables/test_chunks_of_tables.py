"""Tables that are read in chunks: what is decided by all rows, which rows come, and how many."""

import gzip
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Settings, TableModel, fit, fit_chunks, read_chunks, read_table
from densenet.tables.encoding.pieces import PiecewiseLinear
from densenet.tables.reading import csv_text, drawing, mixing
from tests.support.tables import HEADER, read, tracks, write

arrow = pytest.importorskip("pyarrow")

SETTINGS = Settings("genre", id="track_id", epochs=2, hidden=(8,), pieces=4)
QUICK = ("--epochs", "2", "--hidden", "8", "--pieces", "4", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


def parquet_of(name, columns, **options):
    from pyarrow import parquet

    parquet.write_table(arrow.table(columns), name, **options)


def numbered(count, **columns):
    return {"n": np.arange(count), "y": ["a", "b"] * (count // 2), **columns}


# ---- what is decided, and by which rows ----------------------------------------------------------


def test_a_table_that_fits_into_the_sample_is_understood_as_a_whole(rng):
    write("t.csv", HEADER, tracks(rng))
    whole, chunked = fit(read_table("t.csv"), SETTINGS), fit_chunks(read_chunks("t.csv"), SETTINGS)
    assert chunked.model.features == whole.model.features
    assert chunked.model.target == whole.model.target
    assert chunked.notes == whole.notes
    assert chunked.validation.y_true.tolist() == whole.validation.y_true.tolist()
    assert chunked.model.facts["settings"] == whole.model.facts["settings"]
    assert chunked.model.facts["training_rows"] == whole.model.facts["training_rows"]


def test_it_is_learned_as_well(rng):
    write("t.csv", HEADER, tracks(rng, 600))
    settings = Settings("genre", id="track_id")
    whole = fit(read_table("t.csv"), settings).validation.scores["accuracy"]
    chunked = fit_chunks(read_chunks("t.csv"), settings).validation.scores["accuracy"]
    assert min(whole, chunked) > 0.9
    assert abs(whole - chunked) < 0.05


def test_all_rows_decide_about_categories_classes_ranges_and_gaps(few_drawn, rng):
    n = 2000
    x = rng.normal(size=n)
    x[[5, 1900]] = [-50, 70]  # two rows of which the sample has none
    number = np.where(np.arange(n) == 7, "", x.astype(str))
    kinds = rng.choice(["a", "b", "c", "d", "e"], n, p=[0.4, 0.3, 0.2, 0.095, 0.005])
    targets = np.where(np.arange(n) % 400 == 3, "rare", rng.choice(["no", "yes"], n))
    columns = {"x": number.tolist(), "kind": kinds.tolist(), "y": targets.tolist()}
    write("t.csv", columns, zip(*columns.values(), strict=True))
    settings = Settings("y", validation=0.0, epochs=1, hidden=(8,), pieces=4, most_categories=3)
    chunks = read_chunks("t.csv")
    assert len(chunks.sample) == 60
    assert not {5, 7, 1900} & set(chunks.drawn.tolist())
    fitted = fit_chunks(chunks, settings)
    whole = fit(read_table("t.csv"), settings)
    number, kind = fitted.model.features.parts
    assert isinstance(number, PiecewiseLinear)
    assert number.gaps
    assert (number.edges[0], number.edges[-1]) == (-50, 70)
    assert kind == whole.model.features.parts[1]
    assert fitted.model.target == whole.model.target
    assert len(fitted.model.target.values) == 3
    assert fitted.model.facts["training_rows"] == n
    assert any("60 of 2,000 rows" in note for note in fitted.notes)


def test_all_rows_decide_about_the_task(few_drawn, rng):
    n = 1000
    y = rng.integers(0, 3, n).astype(float)
    y[999] = 1.5
    assert 999 not in write_and_look(rng.normal(size=n), y).drawn
    assert fit_chunks(read_chunks("t.csv"), Settings("y", epochs=1)).model.target.outputs == 1


def write_and_look(x, y):
    write("t.csv", ["x", "y"], zip(x, y, strict=True))
    return read_chunks("t.csv")


def test_a_count_of_rows_is_seen_in_a_sample(few_drawn, rng):
    parquet_of("t.parquet", numbered(1000, x=rng.normal(size=1000)))
    fitted = fit_chunks(read_chunks("t.parquet"), Settings("y", epochs=1))
    assert fitted.model.features.columns == ["x"]
    assert "a count of the rows" in fitted.model.features.left_out["n"]


@pytest.mark.parametrize("repeat", [(False, False), (True, False), (True, True)])
def test_a_value_of_many_rows_stays_an_edge(repeat):
    part = PiecewiseLinear("x", 0.0, (0.0, 1.0, 2.0), 1.0, 1.0).reaching(-5.0, 9.0, False, repeat)
    expected = {(False, False): (-5, 1, 9), (True, False): (-5, 0, 1, 9)}
    assert part.edges == expected.get(repeat, (-5, 0, 1, 2, 9))


def test_moments_are_written_alike_in_all_chunks(few_drawn):
    days = np.datetime64("2024-01-01T00:00", "s") + np.arange(1000) // 250 * np.timedelta64(1, "D")
    days[999] += np.timedelta64(90, "m")
    parquet_of("t.parquet", numbered(1000, day=days), row_group_size=100)
    chunks = read_chunks("t.parquet")
    assert 999 not in chunks.drawn
    assert set(chunks.sample.texts("day")) == {f"2024-01-0{i} 00:00:00" for i in range(1, 5)}
    written = [text for table in chunks.tables(["day"], 50) for text in table.texts("day")]
    assert written == read_table("t.parquet").texts("day").tolist()


# ---- which rows come, and when -------------------------------------------------------------------


def files_of(kind, count):
    """Write a table of numbered rows, of which 100 lie one after the other in sight."""
    lines = [f"{i},{'ab'[i % 2]},t{i % 7}\n" for i in range(count)]
    quoted = [f'{i},{"ab"[i % 2]},"two\nlines"\n' for i in range(count)]
    odd = [f'{i}, "{"ab"[i % 2]}",x\n' for i in range(count)]  # not for pyarrow
    half = count // 2
    columns = numbered(count, t=[f"t{i % 7}" for i in range(count)])
    match kind:
        case "csv":
            Path("t.csv").write_text("".join(["n,y,t\n", *lines]))
        case "no header":
            Path("t.csv").write_text("".join(lines))
        case "marked":
            Path("t.csv").write_text("".join(["\ufeffn,y,t\n", *lines]), "utf-8")
        case "quoted":
            Path("t.csv").write_text("".join(["n,y,t\n", *quoted]))
        case "odd":
            Path("t.csv").write_text("".join(["n,y,t\n", *lines[:half], *odd[half:]]))
        case "gzip":
            Path("t.csv").write_bytes(gzip.compress("".join(["n,y,t\n", *lines]).encode()))
        case "utf-16":
            Path("t.csv").write_text("".join(["n,y,t\n", *lines]), "utf-16")
        case "two":
            Path("a.csv").write_text("".join(["n,y,t\n", *lines[:half]]))
            Path("b.csv").write_text("".join(["n,y,t\n", *lines[half:]]))
            return ["a.csv", "b.csv"]
        case "parquet":
            parquet_of("t.csv", columns, row_group_size=100)
        case "packed parquet":
            held = io.BytesIO()
            parquet_of(held, columns, row_group_size=100)
            Path("t.csv").write_bytes(gzip.compress(held.getvalue()))
        case "codes":
            columns["t"] = arrow.array(columns["t"]).dictionary_encode()
            parquet_of("t.csv", columns, row_group_size=100)
    return "t.csv"


KINDS = (
    *("csv", "no header", "marked", "quoted", "odd", "gzip", "utf-16", "two", "parquet"),
    *("packed parquet", "codes"),
)


@pytest.mark.parametrize("kind", KINDS)
def test_each_row_comes_once_and_is_mixed(few_drawn, kind):
    count = 1000
    path = files_of(kind, count)
    header, encoding = kind != "no header", "utf-16" if kind == "utf-16" else "utf-8"
    chunks = read_chunks(path, header=header, encoding=encoding)
    name = "n" if header else "c0"
    assert len(chunks) == count
    assert chunks.sample.numbers(name).astype(int).tolist() == chunks.drawn.tolist()
    assert len(set(chunks.drawn.tolist())) == 60

    def numbers(**options):
        tables = list(chunks.tables([name], 50, **options))
        assert max(map(len, tables)) <= 50
        return [int(n) for table in tables for n in table.numbers(name)]

    assert numbers() == list(range(count))
    without = numbers(mixed=[0, 0], without=chunks.drawn)
    assert sorted(without) == sorted(set(range(count)) - set(chunks.drawn.tolist()))
    first, again, other = numbers(mixed=[0, 1]), numbers(mixed=[0, 1]), numbers(mixed=[0, 2])
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other) == list(range(count))
    assert chunks.in_order == (kind in ("odd", "gzip", "utf-16"))
    if not chunks.in_order:  # the first tenth has rows of all the table
        assert {n // 500 for n in first[: count // 10]} == {0, 1}


def test_rows_know_their_places(few_drawn):
    chunks = read_chunks(files_of("two", 1000))
    for table in chunks.tables(["n"], 50, mixed=[0]):
        n = int(table.numbers("n")[0])
        name, line = ("a.csv", n + 2) if n < 500 else ("b.csv", n - 498)
        assert table.where(0, "n") == f"{name}, line {line}, column 'n'"


def test_the_same_seed_gives_the_same_bits(few_drawn, rng):
    write("t.csv", HEADER, tracks(rng))
    chunks = read_chunks("t.csv")
    flats = [
        fit_chunks(table, Settings("genre", epochs=2, seed=seed)).model.network.flat
        for table, seed in ((chunks, 1), (read_chunks("t.csv"), 1), (chunks, 2))
    ]
    assert flats[0].tobytes() == flats[1].tobytes()
    assert flats[0].tobytes() != flats[2].tobytes()


def test_rows_that_share_an_id_with_one_held_out_are_left_out(few_drawn, rng):
    rows = tracks(rng, 400)
    write("t.csv", HEADER, [[f"{i // 2}", *row[1:]] for i, row in enumerate(rows)])
    fitted = fit_chunks(read_chunks("t.csv"), SETTINGS)
    held = fitted.judged_rows[0].texts("track_id").tolist()
    facts = fitted.model.facts
    related = 2 * len(set(held)) - len(held)
    assert related > 0
    assert f"{related} rows that share the id of a row held out are left out" in fitted.notes
    assert facts["training_rows"] == 400 - len(held) - related


def test_rows_without_a_target_are_left_out(few_drawn, rng):
    rows = tracks(rng, 300)
    write("t.csv", HEADER, [[*row[:-1], "" if i % 10 else row[-1]] for i, row in enumerate(rows)])
    fitted = fit_chunks(read_chunks("t.csv"), Settings("genre", validation=0.0, epochs=1))
    assert fitted.model.facts["training_rows"] == 30
    assert "270 rows without 'genre' are left out" in fitted.notes


@pytest.mark.parametrize("calibrate", [False, True])
def test_rows_of_another_table_are_held_out(few_drawn, rng, calibrate):
    """All rows of the table are trained on, and those of the other one that have a target judge."""
    other = tracks(rng, 80, first=300)
    for row in other[::20]:
        row[-1] = ""
    write("t.csv", HEADER, tracks(rng))
    write("other.csv", HEADER, other)
    settings = replace(SETTINGS, calibrate=calibrate, monitor="f1")
    held = read_table("other.csv")
    fitted = fit_chunks(read_chunks("t.csv"), settings, validation=held)
    scored = fitted.model.score(held)
    assert fitted.validation.scores == scored.scores
    assert scored.unlabelled == 4
    assert "4 rows to hold out without 'genre' are left out" in fitted.notes
    assert fitted.model.facts["training_rows"] == 300
    assert fitted.judged_rows[0].texts("track_id").tolist() == [row[0] for row in other if row[-1]]


def test_a_table_of_its_sample_is_trained_alike_beside_another(rng):
    """Encodings and facts are those of `fit`."""
    write("t.csv", HEADER, tracks(rng))
    write("other.csv", HEADER, tracks(rng, 80, first=300))
    held = read_table("other.csv")
    whole = fit(read_table("t.csv"), SETTINGS, validation=held)
    chunked = fit_chunks(read_chunks("t.csv"), SETTINGS, validation=held)
    assert chunked.model.features == whole.model.features
    assert chunked.notes == whole.notes
    assert chunked.model.facts["settings"] == whole.model.facts["settings"]
    assert chunked.validation.y_true.tolist() == whole.validation.y_true.tolist()


def test_what_is_no_table_in_chunks_is_refused(few_drawn):
    chunks = read_chunks(files_of("csv", 1000))
    with pytest.raises(TypeError, match="chunks: expected TableChunks, got"):
        fit_chunks(read_table("t.csv"), Settings("y"))
    with pytest.raises(TypeError, match="settings: expected Settings, got"):
        fit_chunks(chunks, "y")
    with pytest.raises(ValueError, match="rows must be an integer >= 1, got 0"):
        chunks.tables(["n"], 0)
    with pytest.raises(ValueError, match=r"t\.csv: expected column 'z'"):
        chunks.tables(["z"])


# ---- how much is held ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_memory_does_not_grow_with_the_table(few_drawn, rng, kind):
    def most_held(count):
        x = rng.normal(size=count)
        columns = {"x": x, "z": rng.normal(size=count), "y": np.where(x > 0, "a", "b")}
        if kind == "csv":
            write("t", columns, zip(*columns.values(), strict=True))
        else:
            parquet_of("t", columns, row_group_size=500, data_page_size=1 << 10)
        chunks = read_chunks("t")
        before = arrow.total_allocated_bytes()
        held = [
            arrow.total_allocated_bytes() - before for _ in chunks.tables(["x", "y"], mixed=[0])
        ]
        return max(held)

    small, large = most_held(8_000), most_held(40_000)
    assert large < 1.5 * small
    assert Path("t").stat().st_size > 4 * large


# ---- on the command line -------------------------------------------------------------------------


def test_the_command_trains_in_chunks(command, few_drawn, rng):
    write("t.csv", HEADER, tracks(rng))
    arguments = ("--target", "genre", "--id", "track_id", "--chunks", *QUICK)
    status, out, err = command("fit", "t.csv", *arguments)
    assert (status, err) == (0, "")
    assert "note: columns were understood by 60 of 300 rows, drawn at random" in out
    assert "importance:" in out
    assert command("export", "model.safetensors", "m.h")[0] == 0
    assert command("info", "model.safetensors")[0] == 0


@pytest.mark.parametrize("drawn", [True, False])
def test_the_command_scores_folds_of_the_rows_drawn(command, rng, request, drawn):
    if drawn:
        request.getfixturevalue("few_drawn")
    write("t.csv", HEADER, tracks(rng))
    arguments = ("fit", "t.csv", "--target", "genre", "--id", "track_id", *QUICK)
    plain = command(*arguments, "--chunks")[1]
    status, out, _ = command(*arguments, "--chunks", "--folds", "3")
    assert status == 0
    told = "3 folds of the 60 rows drawn, each" if drawn else "3 folds, each"
    assert out.startswith(f"{told} predicted by a model of the others")
    assert out.split("confusion")[1] == plain.split("confusion")[1]
    if not drawn:
        assert command(*arguments, "--folds", "3")[1].splitlines()[:4] == out.splitlines()[:4]


def test_the_command_holds_out_another_file(command, few_drawn, rng):
    write("t.csv", HEADER, tracks(rng))
    write("other.csv", HEADER, tracks(rng, 50, first=300))
    status, out, err = command(
        *("fit", "t.csv", "--target", "genre", "--id", "track_id", "--chunks"),
        *("--validation-file", "other.csv", *QUICK),
    )
    assert (status, err) == (0, "")
    facts = TableModel.load("model.safetensors").facts
    assert (facts["training_rows"], facts["validation_rows"]) == (300, 50)
    assert "50 validation rows" in out


@pytest.mark.parametrize("target", ["genre", "noise"])
def test_predictions_in_pieces_are_those_of_the_whole(command, rng, monkeypatch, target):
    write("t.csv", HEADER, tracks(rng))
    test = tracks(rng, 400, first=300)
    for row in test[::50]:
        row[2], row[4] = "pink", "Jazz"
    test[7][4] = ""
    write("test.csv", HEADER, test)
    assert command("fit", "t.csv", "--target", target, "--id", "track_id", *QUICK)[0] == 0
    arguments = ("predict", "model.safetensors", "test.csv", "--score")
    whole = command(*arguments), read("predictions.csv")
    monkeypatch.setattr(drawing, "MOST_ROWS", 60)
    monkeypatch.setattr(mixing, "GROUP", 1 << 11)
    monkeypatch.setattr(csv_text, "SIZE", 1 << 9)
    monkeypatch.setattr(csv_text, "_CELLS", 64)
    taken = []
    answer = TableModel.answer
    monkeypatch.setattr(
        TableModel,
        "answer",
        lambda model, table, *rest: taken.append(table) or answer(model, table, *rest),
    )
    assert (command(*arguments), read("predictions.csv")) == whole
    assert len(taken) > 3


def test_a_bad_cell_far_down_leaves_no_predictions(command, refused, few_drawn, rng):
    write("t.csv", HEADER, tracks(rng))
    assert command("fit", "t.csv", "--target", "genre", *QUICK)[0] == 0
    rows = tracks(rng, 400)
    bad = next(row for row in (350, 351) if row not in look("test.csv", rows).drawn)
    rows[bad][1] = "fast"
    write("test.csv", HEADER, rows)
    err = refused("predict", "model.safetensors", "test.csv")
    assert "column 'tempo': expected a number, got 'fast'" in err
    assert not Path("predictions.csv").exists()


def look(name, rows):
    write(name, HEADER, rows)
    return read_chunks(name)


def test_a_file_that_changes_meanwhile_is_refused(few_drawn):
    chunks = read_chunks(files_of("csv", 1000))
    Path("t.csv").write_text("n,y,t\n1,a,b\n")
    with pytest.raises(ValueError, match=r"t\.csv: expected the file to stay as it was"):
        list(chunks.tables(["n"]))
