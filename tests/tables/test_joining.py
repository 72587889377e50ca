"""Two tables joined by a key: which rows meet, what is refused, and the commands that join."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Table, join
from densenet.tables.model import TableModel
from tests.support.tables import read, write

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


def of(**columns):
    return Table.from_columns(columns)


# ---- tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keys", "others", "partners"),
    [
        (["1", "2", "1"], ["2", "1"], [1, 0, 1]),
        (["1", "3", ""], ["2", "1"], [1]),
        (["01", "1.0", "1e0"], [3, 1], [1, 1, 1]),
        ([1.0, np.nan, 2.0], ["002", "001"], [1, 0]),
        ([2**53 + 1, 2**53], ["9007199254740992", "9007199254740993.0"], [1, 0]),
        (["01", "1", "x"], ["1", "x"], [0, 1]),  # not all are numbers
        (["01", "1"], ["1", "x"], [0]),
        (["True", "false"], ["TRUE", "FALSE"], [0, 1]),
        (["a", "A", " a"], ["A", "a"], [1, 0]),
        (["", "a"], ["", "", "a"], [2]),  # missing keys meet nobody
    ],
)
def test_rows_of_one_key_meet(keys, others, partners):
    other = of(size=range(len(others)), key=others)
    joined = join(of(key=keys, row=range(len(keys))), other, "key")
    assert joined.numbers("size").tolist() == partners
    rows = joined.numbers("row").astype(int)
    assert joined.places.tolist() == (rows + 1).tolist()
    assert joined.texts("key").tolist() == [of(key=keys).texts("key")[i] for i in rows]
    assert list(joined.columns) == ["key", "row", "size"]


def test_texts_of_rows_without_a_partner_are_forgotten():
    table = of(key=["a", "b", "c", "d"], genre=["Pop", "Rock", "Jazz", "Pop"])
    joined = join(table, of(key=["d", "x", "a"], mood=["dark", "odd", "light"]), "key")
    assert joined.text_counts("genre") == {"Pop": 2}
    assert joined.text_counts("mood") == {"light": 1, "dark": 1}


def test_what_cannot_be_read_of_the_other_table_comes_along_unless_ignored():
    other = replace(of(key=["a"], x=[1]), unreadable={"parts": "list<int64>"})
    assert join(of(key=["a"]), other, "key").unreadable == {"parts": "list<int64>"}
    assert join(of(key=["a"]), other, "key", ignore=["parts"]).unreadable == {}


def test_what_is_known_of_columns_comes_along():
    other = of(key=["a", "b"], price=["1,5", "2,25"], day=["31/12/2024", "1/2/2024"])
    joined = join(of(key=["b", "a"], cost=["1.234,5", "7"]), other, "key")
    assert joined.numbers("price").tolist() == [2.25, 1.5]
    assert joined.numbers("cost").tolist() == [1234.5, 7]
    assert joined.date_guesses["day"].how.order == "day first"
    assert list(joined.unnamed) == ["key"]
    assert joined.source == "table with table"


def test_a_column_of_both_is_there_once_where_its_cells_are_equal():
    table = of(key=["a", "b", "c"], x=["1", "2.0", "3"], title=["s", "t", "u"])
    other = of(key=["b", "a"], x=[2, 1], title=["t", "s"], more=["p", "q"])
    joined = join(table, other, "key")
    assert list(joined.columns) == ["key", "x", "title", "more"]
    assert joined.texts("x").tolist() == ["1", "2.0"]
    message = (
        r"^table, row 2, column 'title': expected the cell of table, row 1, 'T', as both have that "
        r"column, got 't': rename it in one table, or ignore it$"
    )
    with pytest.raises(ValueError, match=message):
        join(table, of(key=["b", "a"], title=["T", "s"]), "key")
    joined = join(table, of(key=["b", "a"], title=["T", "s"], z=[1, 2]), "key", ignore=["title"])
    assert joined.texts("title").tolist() == ["s", "t"]
    assert list(joined.columns) == ["key", "x", "title", "z"]


@pytest.mark.parametrize(
    ("keys", "others", "message"),
    [
        (
            ["1"],
            ["1", "2", "01"],
            "table, row 3, column 'key': expected keys that differ, got '1' as",
        ),
        (
            ["1", "2"],
            ["3", "4"],
            "table, column 'key': expected keys that table has, too, got none",
        ),
        ([""], [""], "expected keys that table has, too, got none"),
    ],
)
def test_keys_that_cannot_be_joined_on(keys, others, message):
    with pytest.raises(ValueError, match=message):
        join(of(key=keys), of(key=others), "key")
    with pytest.raises(ValueError, match="table: expected column 'key', got column 'k'"):
        join(of(key=keys), of(k=others), "key")


# ---- the command line --------------------------------------------------------------------------


@pytest.fixture
def tracks(rng):
    """Tracks with genres, and features of all of them but every tenth, in another order."""
    genres, features = [], []
    for i in range(200):
        tempo = rng.normal(100, 20)
        genres.append([f"{i:04}", "Rock" if tempo > 100 else "Pop"])
        if i % 10:
            features.append([f"{i}.0", f"{tempo:.3f}", rng.normal()])
    write("genres.csv", ["track_id", "genre"], genres)
    write(
        "features.csv", ["track_id", "tempo", "noise"], rng.permutation(np.array(features, object))
    )
    return genres


JOIN = ("--join", "features.csv", "--on", "track_id")


def test_a_joined_table_is_learned_from_and_predicted(command, tracks):
    status, out, err = command("fit", "genres.csv", "--target", "genre", *JOIN, "--no-picture")
    assert status == 0
    note = "densenet: note: 20 of 200 rows have no partner in features.csv and are left out\n"
    assert err.endswith(note)
    assert "genres.csv with features.csv: 144 rows to train on, 36 to validate" in out
    assert "columns: 2 of numbers, 0 of categories" in out
    assert "left out: track_id: the key of the join (--numbers or --text learns from it)" in out
    assert TableModel.load("model.safetensors").facts["source"] == "genres.csv with features.csv"

    status, out, err = command("predict", "model.safetensors", "genres.csv", *JOIN, "--score")
    assert (status, err) == (0, note)
    rows = read("predictions.csv")
    assert rows[0] == ["track_id", "genre"]
    known = [row for i, row in enumerate(tracks) if i % 10]
    assert [row[0] for row in rows[1:]] == [row[0] for row in known]
    assert np.mean([a == b for a, b in zip(rows[1:], known, strict=True)]) > 0.9


def test_the_key_may_be_the_id_or_learned_from(command, tracks):
    out = command("fit", "genres.csv", "--target", "genre", *JOIN, "--id", "track_id", *QUICK)[1]
    assert "id: track_id" in out
    assert command("predict", "model.safetensors", "genres.csv", *JOIN)[0] == 0
    assert read("predictions.csv")[0] == ["track_id", "genre"]
    options = ("--numbers", "track_id", *QUICK)
    assert (
        "columns: 3 of numbers"
        in command("fit", "genres.csv", "--target", "genre", *JOIN, *options)[1]
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (JOIN[:2], "--join and --on: expected both, a table and its key, got one of them"),
        (JOIN[2:], "--join and --on: expected both, a table and its key, got one of them"),
        ((*JOIN[:3], "id"), "genres.csv: expected column 'id', got columns 'track_id', 'genre'"),
        (("--join", "none.csv", *JOIN[2:]), "none.csv: No such file"),
        (
            ("--join", "twice.csv", *JOIN[2:]),
            "twice.csv, line 3, column 'track_id': expected keys th",
        ),
        (
            ("--join", "genre.csv", *JOIN[2:]),
            "genres.csv, line 2, column 'genre': expected the cell of",
        ),
    ],
)
def test_what_cannot_be_joined_gets_one_line(refused, tracks, options, message):
    write("twice.csv", ["track_id", "x"], [["7", 1], ["07", 2]])
    write("genre.csv", ["track_id", "genre"], [["0", "Jazz"]])
    assert message in refused("fit", "genres.csv", "--target", "genre", *options, *QUICK)


def test_what_is_ignored_may_differ(command, tracks):
    rows = read("features.csv")
    write("genres.csv", ["track_id", "genre", "noise"], [[*row, "?"] for row in tracks])
    options = ("--ignore", "noise", *QUICK)
    status, out, _ = command("fit", "genres.csv", "--target", "genre", *JOIN, *options)
    assert status == 0
    assert "columns: 1 of numbers, 0 of categories" in out
    write("features.csv", [*rows[0], "genre"], [[*row, "Jazz"] for row in rows[1:]])
    write("new.csv", ["track_id", "noise"], [[row[0], "?"] for row in tracks])
    assert command("predict", "model.safetensors", "new.csv", *JOIN)[0] == 0


@pytest.mark.parametrize("name", ["fit", "explore"])
def test_a_column_of_the_second_table_may_be_ignored(command, tracks, name):
    options = ("--target", "genre", *JOIN, "--ignore", "noise", "--no-picture")
    status, out, _ = command(name, "genres.csv", *options)
    assert status == 0
    assert "tempo" in out
    assert "noise" not in out


def test_an_index_of_the_other_table_is_left_out(command, tracks):
    rows = read("features.csv")
    write("features.csv", ["", *rows[0]], [[i, *row] for i, row in enumerate(rows[1:])])
    write("genres.csv", ["", "track_id", "genre"], [[i, *row] for i, row in enumerate(tracks)])
    status, out, _ = command("fit", "genres.csv", "--target", "genre", *JOIN, *QUICK)
    assert status == 0
    assert "columns: 2 of numbers" in out


def test_a_joined_table_is_not_overwritten(refused, command, tracks):
    assert command("fit", "genres.csv", "--target", "genre", *JOIN, *QUICK)[0] == 0
    options = (*JOIN, "--out", "features.csv")
    assert "another file to write than features.csv, the input" in refused(
        "predict", "model.safetensors", "genres.csv", *options
    )
    assert "expected columns 'tempo', 'noise'" in refused(
        "predict", "model.safetensors", "genres.csv"
    )


def test_tables_of_two_kinds_of_file_are_joined(command, tracks):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    with Path("features.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    ids, tempo, noise = zip(*rows, strict=True)
    columns = {
        "track_id": arrow.array([int(float(one)) for one in ids], arrow.int32()),
        "tempo": arrow.array(list(map(float, tempo))),
        "noise": arrow.array(list(map(float, noise))),
    }
    parquet.write_table(arrow.table(columns), "features.parquet")
    models = []
    for name in "features.csv", "features.parquet":
        options = ("--join", name, "--on", "track_id", *QUICK)
        assert command("fit", "genres.csv", "--target", "genre", *options)[0] == 0
        models.append(TableModel.load("model.safetensors"))
    assert models[0].features == models[1].features
    assert models[0].network.flat.tobytes() == models[1].network.flat.tobytes()


def test_each_file_has_its_own_rows_of_names(command):
    lines = ["mfcc,", "mean,", ",album"] + [f"{i % 9},{i:03}" for i in range(60)]
    Path("features.csv").write_text("\n".join(lines) + "\n")
    genres = [[f"{i:03}", "Pop" if i % 9 < 5 else "Rock"] for i in range(60)]
    write("genres.csv", ["album", "genre"], genres)
    given = ("--target", "genre", "--join", "genres.csv", "--on", "album", "--no-picture")
    rows = ("--header-rows", "3", "--join-header-rows", "1")
    status, out, err = command("fit", "features.csv", *given, *rows)
    assert (status, err) == (0, "")
    assert "columns: 1 of numbers" in out
