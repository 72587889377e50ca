"""What is the same in a table: numbers in different spelling, booleans, words for nothing, ids."""

import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Numbers, Table
from densenet.tables.model import TableModel
from densenet.tables.reading.files import MISSING, read_table
from tests.support.paths import GOLDEN
from tests.support.tables import read, write

pytest.importorskip("pyarrow")

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


def labelled(labels, count=120):
    """Rows of a number that tells the label, and the label; the label's spellings take turns."""
    return [[i % len(labels) + i / 1000, labels[i % len(labels)]] for i in range(count)]


def parquet_of(name, **columns):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table(columns), name)


# ---- classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "classes"),
    [
        (["0", "1", "0.0", "1.0"], ("0", "1")),
        (["00", "01", "00", "1"], ("00", "01")),
        (["1e3", "1000", "2000", "2e3", "2000.0"], ("1e3", "2000")),
        (["+5", "5", "-5.00", "-5"], ("-5", "+5")),
        (["9007199254740993", "9007199254740992"], ("9007199254740992", "9007199254740993")),
        (["TRUE", "False", "true", "FALSE"], ("FALSE", "TRUE")),
        (["true", "false"], ("false", "true")),
        (["−5", "3", "-7"], ("-7", "−5", "3")),
        (["01", "1", "x"], ("01", "1", "x")),
        (["True", "true", "maybe"], ("True", "maybe", "true")),
    ],
)
def test_equal_classes_are_one(command, labels, classes):
    write("t.csv", ["x", "y"], labelled(labels))
    arguments = ("--target", "y", "--task", "classification")
    assert command("fit", "t.csv", *arguments, *QUICK)[0] == 0
    found = TableModel.load("model.safetensors").target.values
    assert len(found) == len(classes)
    if len(set(labels)) == len(classes):
        assert found == classes
    status, out, _ = command("predict", "model.safetensors", "t.csv", "--score")
    assert status == 0
    assert "training had not" not in out


@pytest.mark.parametrize(
    ("trained", "scored"),
    [
        (["1.0", "2.0"], ["1", "2"]),
        (["1", "2"], ["1.0", "2.00"]),
        (["01", "02"], ["1", "2e0"]),
        (["TRUE", "FALSE"], ["true", "False"]),
    ],
)
def test_a_table_to_score_may_spell_classes_otherwise(command, trained, scored):
    write("a.csv", ["x", "y"], labelled(trained, 400))
    write("b.csv", ["x", "y"], labelled(scored))
    arguments = ("--target", "y", "--task", "classification", "--no-picture")
    assert command("fit", "a.csv", *arguments)[0] == 0
    status, out, _ = command("predict", "model.safetensors", "b.csv", "--score")
    assert status == 0
    assert re.search(r"^accuracy +100\.00%$", out, flags=re.MULTILINE)
    assert {row[0] for row in read("predictions.csv")[1:]} == set(trained)


def test_csv_and_parquet_have_the_same_classes_and_categories(command):
    """Whole numbers, floats after a gap, decimals, booleans: each file with each model."""
    y, code, flag = [0, 1] * 60, [1, 2, 3] * 40, [True, False] * 60
    x = [value + i / 1000 for i, value in enumerate(y)]
    parquet_of("int.parquet", x=x, y=y, code=code, flag=flag)
    gap = [None if i % 50 == 49 else float(value) for i, value in enumerate(code)]
    parquet_of("float.parquet", x=x, y=np.array(y, float), code=gap, flag=flag)
    exact = [Decimal(value).quantize(Decimal("0.01")) for value in y]
    small = np.array(code, np.float32)
    parquet_of("decimal.parquet", x=x, y=exact, code=small, flag=[str(one) for one in flag])
    header = ["x", "y", "code", "flag"]
    write("int.csv", header, zip(x, y, code, ["TRUE", "false"] * 60, strict=True))
    floats = [f"{value:.1f}" for value in y]
    write("float.csv", header, zip(x, floats, code, ["True", "False"] * 60, strict=True))
    names = ["int.parquet", "float.parquet", "decimal.parquet", "int.csv", "float.csv"]
    for trained in names:
        options = ("--target", "y", "--text", "code", "--task", "classification")
        assert command("fit", trained, *options, "--epochs", "30", "--no-picture")[0] == 0
        first = None
        for asked in names:
            status, _, err = command(
                "predict", "model.safetensors", asked, "--score", "--probabilities"
            )
            assert status == 0
            assert asked == "float.parquet" or "of no known category" not in err
            if asked == "float.parquet":
                continue  # two of its cells are missing
            predictions = read("predictions.csv")[1:]
            assert first is None or predictions == first
            first = predictions


# ---- categories --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trained", "asked", "known"),
    [
        (["1", "2", "3"], ["1.0", "02", "3e0"], True),
        (["1.0", "2.0"], ["1", "2"], True),
        (["0.5", "1.5"], [".50", "1.5e0"], True),
        (["true", "false"], ["TRUE", "False"], True),
        (["A1", "1"], ["1.0", "A1"], False),
        (["1", "2"], ["3", "2"], False),
    ],
)
def test_categories_are_known_in_other_spelling(trained, asked, known):
    from densenet.tables.encoding.features import Features

    table = Table.from_columns({"code": trained * 10})
    features = Features.fit(table, ["code"], text=["code"])
    assert len(features.names) == len(trained)
    other = Table.from_columns({"code": asked})
    assert (features.surprises(other) == {}) == known
    if known:
        np.testing.assert_array_equal(
            features.transform(other), features.transform(table)[: len(asked)]
        )
        assert Features.from_json(features.to_json()).surprises(other) == {}


def test_a_column_with_rare_texts_is_compared_as_texts():
    from densenet.tables.encoding.columns import Categories

    table = Table.from_columns({"code": ["1", "01"] * 9 + ["x"]})
    spec = Categories.fit(table, "code", least_rows=2)
    assert (spec.values, spec.others, spec.compared) == (("01", "1"), 1, "texts")
    places = spec.transform(Table.from_columns({"code": ["1", "01", "1.0"]}))
    assert places.tolist() == [[0, 1, 0], [1, 0, 0], [0, 0, 1]]


# ---- ids ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spell", [lambda i: f"{i}.0", lambda i: f"{i:03}", lambda i: f"{i}e0", lambda i: f"+{i}"]
)
def test_rows_of_one_id_in_two_spellings_stay_together(command, rng, spell):
    ids = [*range(200), *map(spell, range(100))]
    write("t.csv", ["n", "x", "y"], [[one, rng.normal(), rng.choice(["a", "b"])] for one in ids])
    out = command("fit", "t.csv", "--target", "y", "--id", "n", *QUICK)[1]
    assert "note: 100 rows have the 'n' of another" in out


@pytest.mark.parametrize(
    ("precision", "scale", "first"),
    [
        (38, 0, 9007199254740993),
        (20, 0, 2**63 - 1000),
        (38, 0, 10**37),
        (38, 2, 9007199254740993),
    ],
)
def test_ids_in_decimals_are_exact(command, rng, precision, scale, first):
    arrow = pytest.importorskip("pyarrow")
    ids = [Decimal(first + 2 * i) for i in range(60)]
    column = arrow.array(ids, arrow.decimal128(precision, scale))
    parquet_of("t.parquet", n=column, x=rng.normal(size=60), y=["a", "b"] * 30)
    status, out, _ = command("fit", "t.parquet", "--target", "y", "--id", "n", *QUICK)
    assert status == 0
    assert "of another" not in out
    assert command("predict", "model.safetensors", "t.parquet")[0] == 0
    written = [row[0] for row in read("predictions.csv")[1:]]
    assert written == [f"{one:.{scale}f}" for one in ids]


@pytest.mark.parametrize("kind", ["int64", "uint64"])
def test_whole_numbers_with_a_gap_are_exact(kind):
    arrow = pytest.importorskip("pyarrow")
    ids = [2**53 + 1, None, 2**63 - 1]
    parquet_of("t.parquet", n=arrow.array(ids, kind))
    assert read_table("t.parquet").texts("n").tolist() == ["9007199254740993", "", str(2**63 - 1)]


def test_long_numbers_are_compared_digit_by_digit():
    long = ["9007199254740993.25", "9007199254740993.5", "0.1234567890123456781"]
    other = ["9007199254740993.250", "90071992547409935e-1", "+.12345678901234567810"]
    assert Table.from_columns({"n": long}).keys("n") == Table.from_columns({"n": other}).keys("n")
    assert len(set(Table.from_columns({"n": [*long, "0.1234567890123456782"]}).keys("n"))) == 4
    same = [
        "0.1",
        "0.10000000000000001",
        "1e-1",
        "0.100000000000000000000",
        "10e22",
        "1" + "0" * 23,
    ]
    assert len(set(Table.from_columns({"n": same}).keys("n"))) == 2
    tiny = ["0.000010000000000000000000", "1e-5", "1e-400", "0"]
    assert len(set(Table.from_columns({"n": tiny}).keys("n"))) == 2


def test_decimals_of_two_tables_are_one_id():
    arrow = pytest.importorskip("pyarrow")
    cents = [Decimal("9007199254740993.25"), Decimal("9007199254740993.50")]
    parquet_of("t.parquet", n=arrow.array(cents, arrow.decimal128(38, 2)))
    assert len(set(read_table("t.parquet").keys("n"))) == 2


@pytest.mark.parametrize("of", ["parquet", "python"])
def test_decimals_mean_what_they_say_beside_decimal_commas(of):
    spec = Numbers.fit(Table.from_columns({"x": ["1.234,5", "7,5"]}), "x")
    column = np.array([Decimal("1.234"), Decimal("1E+1")], object)
    table = Table.from_columns({"x": column})
    if of == "parquet":
        arrow = pytest.importorskip("pyarrow")
        parquet_of("t.parquet", x=arrow.array(column, arrow.decimal128(10, 3)))
        table = read_table("t.parquet")
    assert table.numbers("x", spec.numerals).tolist() == [1.234, 10]


def test_nothing_is_missing_in_any_type_of_pandas():
    pandas = pytest.importorskip("pandas")
    columns = {
        "text": pandas.array(["a", None, "b"], "string"),
        "object": np.array(["a", np.nan, "NaN"], object),
        "flag": pandas.array([True, None, False], "boolean"),
        "whole": pandas.array([2**53 + 1, None, 3], "Int64"),
        "kind": pandas.Categorical(["x", None, "y"]),
        "moment": pandas.to_datetime(["2024-01-01", None, "2024-01-02"]).tz_localize("UTC"),
        "decimal": [Decimal("0.10"), Decimal("NaN"), None],
    }
    table = Table.from_columns(pandas.DataFrame(columns))
    assert [table.texts(name)[1] for name in columns] == [""] * 7
    assert table.texts("object").tolist() == ["a", "", "NaN"]
    assert table.texts("whole").tolist() == [str(2**53 + 1), "", "3"]
    assert table.texts("decimal").tolist() == ["0.10", "", ""]
    assert table.kind("flag") == "booleans"


def test_decimals_are_written_out():
    arrow = pytest.importorskip("pyarrow")
    parquet_of(
        "t.parquet",
        small=arrow.array([Decimal("1e-8"), None], arrow.decimal128(20, 8)),
        whole=arrow.array([Decimal("1e3"), Decimal("2e3")], arrow.decimal128(5, 0)),
        wide=arrow.array([Decimal(10**50), Decimal(3)], arrow.decimal256(60, 0)),
    )
    table = read_table("t.parquet")
    assert table.texts("small").tolist() == ["0.00000001", ""]
    assert table.texts("whole").tolist() == ["1000", "2000"]
    assert table.texts("wide").tolist() == ["1" + "0" * 50, "3"]
    np.testing.assert_array_equal(table.numbers("small"), [1e-8, np.nan])


def test_floats_are_written_with_the_digits_they_have():
    table = Table.from_columns(
        {
            "single": np.array([0.1, 2.0, np.nan], np.float32),
            "double": np.array([0.1, 1e300, -0.0]),
            "half": np.array([0.5, 1.0, 2.0], np.float16),
        }
    )
    assert table.texts("single").tolist() == ["0.1", "2", ""]
    assert table.texts("double").tolist() == ["0.1", "1e+300", "0"]
    assert table.texts("half").tolist() == ["0.5", "1", "2"]


# ---- cells without a value ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "word", ["None", "n/a", "#N/A", ".", "NONE", "Nan", "NaT", "<na>", "#DIV/0!", "\\N", "-", "–"]
)
def test_words_for_nothing_leave_a_column_of_numbers(command, rng, word):
    rows = [[word if i % 7 == 0 else rng.normal(), i % 2] for i in range(140)]
    write("t.csv", ["x", "y"], rows)
    status, out, _ = command("fit", "t.csv", "--target", "y", *QUICK)
    assert status == 0
    assert "columns: 1 of numbers, 0 of categories" in out
    Path("one.csv").write_text(f"x\n{word}\n1.5\n", encoding="utf-8")
    assert command("predict", "model.safetensors", "one.csv")[::2] == (0, "")


@pytest.mark.parametrize("word", ["None", "n/a", ".", "-"])
def test_a_target_of_such_a_word_is_none(command, rng, word):
    rows = [[rng.normal(), word if i % 7 == 0 else rng.normal()] for i in range(140)]
    write("t.csv", ["x", "y"], rows)
    out = command("fit", "t.csv", "--target", "y", *QUICK)[1]
    assert "note: 20 rows without 'y' are left out" in out
    assert "task: regression" in out
    out = command("predict", "model.safetensors", "t.csv", "--score")[1]
    assert "note: rows without a target, not scored: 20\n" in out


def test_signs_stay_values_among_texts(command, rng):
    write("t.csv", ["x", "y"], [[rng.normal(), "+-"[i % 2]] for i in range(80)])
    assert command("fit", "t.csv", "--target", "y", *QUICK)[0] == 0
    assert TableModel.load("model.safetensors").target.values == ("+", "-")
    few = Table.from_columns({"strand": ["-"] * 95 + ["+"] * 5})
    assert few.is_text("strand")


def test_a_word_may_be_kept_as_a_value(command, rng):
    rows = [[["NA", "EU", "none"][i % 3], "ab"[i % 2]] for i in range(90)]
    write("t.csv", ["region", "y"], rows)
    options = ("--target", "y", "--present", "NA,none")
    assert command("fit", "t.csv", *options, *QUICK)[0] == 0
    model = TableModel.load("model.safetensors")
    assert model.features.names == ["region=EU", "region=NA", "region=none"]
    assert command("predict", "model.safetensors", "t.csv")[::2] == (0, "")


def test_every_word_is_listed_in_the_help(command):
    text = " ".join(command("fit", "--help")[1].split())
    for word in filter(None, MISSING):
        assert f" {word}," in text or f" {word} " in text, word
    assert "upper or lower case" in text


def test_other_words_among_numbers_are_pointed_out(command, rng):
    rows = [["unknown" if i % 5 == 0 else rng.normal(), i % 2] for i in range(100)]
    write("t.csv", ["z", "x", "y"], [[rng.normal(), *row] for row in rows])
    out = command("fit", "t.csv", "--target", "y", *QUICK)[1]
    assert "note: 'x': 80% of the cells are numbers, but it is read as text" in out
    assert "because of 'unknown' (--missing takes words as missing)" in out
    out = command("fit", "t.csv", "--target", "y", "--missing", "UNKNOWN", *QUICK)[1]
    assert "columns: 2 of numbers, 0 of categories" in out


# ---- models of 0.1.0 ---------------------------------------------------------------------------


def test_a_model_of_version_1_predicts_as_it_did(command):
    """Its classes and categories may be words for nothing today, or equal numbers."""
    status, out, err = command(
        *("predict", GOLDEN / "table-v1.safetensors", GOLDEN / "table-v1.csv"),
        *("--probabilities", "--score"),
    )
    assert (status, err) == (0, "")
    assert "training had not" not in out
    header, *rows = read("predictions.csv")
    expected_header, *expected = read(GOLDEN / "table-v1-predictions.csv")
    assert header == expected_header == ["id", "y", "P(n/a)", "P(yes)"]
    assert [row[:2] for row in rows] == [row[:2] for row in expected]
    shares, wanted = (np.array([row[2:] for row in some], float) for some in (rows, expected))
    np.testing.assert_allclose(shares, wanted, rtol=1e-4)
    assert command("info", GOLDEN / "table-v1.safetensors")[0] == 0
