"""Columns that name the rows: nothing is learned from them, and that is told in one line."""

import re
import uuid

import numpy as np
import pytest

from densenet.tables import Features, Table
from densenet.tables.reading.files import read_table
from tests.support.tables import read, write

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


def fitted(command, rng, ids, name, *options):
    """Train on ids and numbers; give the lines about columns."""
    count = len(ids)
    rows = zip(ids, rng.normal(size=count), rng.choice(["a", "b"], count), strict=True)
    write("t.csv", [name, "x", "y"], rows)
    status, out, _ = command("fit", "t.csv", "--target", "y", *options, *QUICK)
    assert status == 0
    return re.findall(r"^(?:note|left out): .*", out, flags=re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "ids", "why"),
    [
        ("user", lambda rng: range(200), "a count of the rows"),
        ("user", lambda rng: rng.permutation(200), "a count of the rows"),
        ("user", lambda rng: rng.choice(400, 300, replace=False), "a count of the rows"),
        ("user", lambda rng: [f"{i:05}" for i in rng.permutation(200)], "a count of the rows"),
        (
            "user",
            lambda rng: [f"{i}.0" if i % 9 else "" for i in rng.permutation(200)],
            "a count of the rows",
        ),
        ("user", lambda rng: 2**53 + rng.permutation(200) * 2 + 1, "an id, another long number"),
        ("user", lambda rng: -(2**60) - rng.permutation(200), "an id, another long number"),
        *(
            (name, lambda rng: rng.permutation(200) * 7 + 3, "an id, another in each row")
            for name in ("id", "ID", "user_id", "PassengerId", "row id", "uuid", "index", "a.id")
        ),
    ],
)
def test_ids_are_left_out(command, rng, name, ids, why):
    said = fitted(command, rng, ids(rng), name)
    assert len(said) == 1
    assert said[0].startswith(f"left out: {name}: {why}")
    assert said[0].endswith(" (--numbers or --text learns from it)")
    assert fitted(command, rng, ids(rng), name, "--id", name) == []
    assert fitted(command, rng, ids(rng), name, "--ignore", name) == []
    assert fitted(command, rng, ids(rng), name, "--numbers", name) == []


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("user", lambda rng: 7 * np.arange(200)),
        ("user", lambda rng: rng.permutation(10**12 + np.arange(200))),
        ("paid", lambda rng: 7 * rng.permutation(200)),
        ("id_of_what", lambda rng: 7 * rng.permutation(200)),
    ],
)
def test_whole_numbers_that_all_differ_are_pointed_out(command, rng, name, ids):
    assert fitted(command, rng, ids(rng), name) == [
        f"note: '{name}' has another whole number in each row: leave it out if that is an id "
        f"(--id {name} or --ignore {name})"
    ]


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("id", lambda rng: rng.permutation(20) + 1),  # few
        ("year", lambda rng: np.arange(20) + 2000),
        ("id", lambda rng: rng.integers(0, 50, 200)),  # repeats
        ("user", lambda rng: np.repeat(rng.permutation(100), 2)),
        ("id", lambda rng: rng.normal(size=100)),
    ],
)
def test_numbers_that_are_no_ids_are_learned_from(command, rng, name, numbers):
    assert fitted(command, rng, numbers(rng), name) == []


def test_an_id_alone_is_no_table_to_learn_from(refused):
    write("t.csv", ["user", "y"], [[i, "ab"[i % 2]] for i in range(50)])
    assert (
        "got 'user' is a count of the rows (learned from if named in numbers or text)"
        in refused("fit", "t.csv", "--target", "y", *QUICK)
    )


def test_a_column_is_not_both_numbers_and_text(refused):
    write("t.csv", ["user", "y"], [[i, "ab"[i % 2]] for i in range(50)])
    options = ("--numbers", "user", "--text", "user")
    assert "numbers: expected other columns than text, got 'user' in both" in refused(
        "fit", "t.csv", "--target", "y", *options, *QUICK
    )


def test_an_index_may_be_read_as_numbers(command, rng):
    write("t.csv", ["", "y"], [[i, "ab"[i > 25]] for i in range(50)])
    out = command("fit", "t.csv", "--target", "y", "--numbers", "c0", *QUICK)[1]
    assert "columns: 1 of numbers" in out


@pytest.mark.parametrize(
    "spell", [str, lambda one: str(one).upper(), lambda one: f"{{{one}}}", lambda one: one.hex]
)
def test_uuids_are_left_out_unless_they_repeat(command, rng, spell):
    ids = [spell(uuid.UUID(int=int(i))) for i in rng.integers(1, 2**62, 60)]
    ids[7] = ""
    assert fitted(command, rng, ids, "n") == [
        "left out: n: UUIDs, as ids are: 48 different ones in 48 rows"
    ]
    assert fitted(command, rng, ids[:4] * 20, "n") == []


def test_uuids_of_parquet_are_those_of_csv(command, rng):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    ids = [uuid.UUID(int=int(i)) for i in rng.integers(1, 2**62, 60)]
    raw = arrow.array([one.bytes for one in ids], arrow.binary(16))
    columns = {"n": arrow.ExtensionArray.from_storage(arrow.uuid(), raw), "x": rng.normal(size=60)}
    parquet.write_table(arrow.table({**columns, "y": ["a", "b"] * 30}), "t.parquet")
    assert command("fit", "t.parquet", "--target", "y", "--id", "n", *QUICK)[0] == 0
    assert command("predict", "model.safetensors", "t.parquet")[0] == 0
    assert [row[0] for row in read("predictions.csv")[1:]] == list(map(str, ids))
    out = command("fit", "t.parquet", "--target", "y", *QUICK)[1]
    assert "left out: n: UUIDs, as ids are: 48 different ones in 48 rows" in out
    write("t.csv", ["n", "x", "y"], [[i, rng.normal(), "ab"[k % 2]] for k, i in enumerate(ids)])
    assert read_table("t.csv").texts("n").tolist() == list(map(str, ids))


@pytest.mark.parametrize("as_text", [False, True])
def test_numbers_that_float64_does_not_tell_apart_are_not_called_constant(as_text):
    numbers = [2**53 + i % 2 for i in range(60)]
    cells = list(map(str, numbers)) if as_text else numbers
    table = Table.from_columns({"x": [0.5, 1, 2] * 20, "code": cells, "one": [2**60] * 60})
    left_out = Features.fit(table, ["x", "code", "one"]).left_out
    assert left_out == {
        "code": "2 different whole numbers that float64 does not tell apart: read as text they are "
        "categories",
        "one": "constant",
    }
    features = Features.fit(table, ["code"], text=["code"])
    assert features.parts[0].values == (str(2**53), str(2**53 + 1))
    gaps = Table.from_columns({"x": [1, 2], "code": [str(2**60), ""]})
    assert Features.fit(gaps, ["x", "code"]).left_out == {"code": "constant"}
