"""Tables in files: what is read, and the line that a bad file gets."""

import csv
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Table
from densenet.tables.reading.files import MISSING, read_table, write_csv

pytest.importorskip("pyarrow")


@pytest.fixture
def write(tmp_path):
    """Write a file of these bytes or this text and give its path."""

    def write(content, name="table.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
        return path

    return write


def cells(table):
    return {name: column.tolist() for name, column in table.columns.items()}


# ---- CSV ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "end"])
def test_lines_may_end_in_any_way(write, end, mark, last):
    text = end.join([mark + "id,name", "01,Zoë", "", "1,b"]) + (end if last else "")
    assert cells(read_table(write(text))) == {"id": ["01", "1"], "name": ["Zoë", "b"]}


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16", "utf-8", "utf_8", "UTF-8", "cp1252"])
def test_encodings(write, encoding):
    path = write("name\nZoë\n", encoding=encoding)
    assert cells(read_table(path, encoding=encoding)) == {"name": ["Zoë"]}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_seen_from_the_first_line(write, delimiter):
    text = delimiter.join(["a", '"b,;\t|c"', "d"]) + "\n" + delimiter.join("123") + "\n"
    table = read_table(write(text))
    assert list(table.columns) == ["a", "b,;\t|c", "d"]
    assert cells(read_table(write("a^b\n1^2\n"), delimiter="^")) == {"a": ["1"], "b": ["2"]}
    assert list(read_table(write("| a | b |\n|---|---|\n")).columns) == ["| a | b |"]


def test_quotes_hold_newlines_and_messages_count_lines(write):
    table = read_table(write('text,n\n"one\ntwo, ""three""",1\nx,oops\n' + "y,2\n" * 20))
    assert cells(table)["text"][0] == 'one\ntwo, "three"'
    with pytest.raises(ValueError, match=r"table.csv, line 4, column 'n': expected a number, got"):
        table.numbers("n")


def test_white_space_and_words_for_missing_cells(write):
    rows = [f"{word},  x " for word in MISSING] + ["-, ? ", "Nones, Nah"]
    table = read_table(write("n,t\n" + "\n".join(rows) + "\n"), missing=["-"])
    assert table.texts("n").tolist() == [""] * (len(MISSING) + 1) + ["Nones"]
    assert table.texts("t").tolist() == ["x"] * len(MISSING) + ["", "Nah"]
    assert table.missing("n").sum() == len(MISSING) + 1


def test_names_without_a_header_or_without_a_name(write):
    assert cells(read_table(write("1,a\n2,b\n"), header=False)) == {
        "c0": ["1", "2"],
        "c1": ["a", "b"],
    }
    assert list(read_table(write(",x\n0,5\n")).columns) == ["c0", "x"]  # as pandas writes an index


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "expected a table, got an empty file"),
        ("\n\n", "expected a table, got an empty file"),
        ("a,b\n", "expected rows below the header, got none"),
        ("a,b\n1,2\n3\n", "line 3: expected 2 cells as in the first row, got 1"),
        ('a,b\n"1\n2",3\n3,4,5\n', "line 4: expected 2 cells as in the first row, got 3"),
        ('a,b\n1,2\n3,"4\n5,6\n', "line 3: not readable as CSV: unexpected end of data"),
        ('a,b\n1,"2"x\n', "line 2: not readable as CSV: "),
        ("a,b,a\n1,2,3\n", "expected names that differ, got column 'a' 2 times"),
        (b"a,b\n1,caf\xe9\n", "expected text in utf-8, got the byte 0xe9: name the encoding"),
        ("a,b\n1,2\n".encode("utf-16"), "expected text in utf-8, got the byte 0xff"),
        ("a,b\nx,2\n".encode("utf-16-le"), "line 1: expected text, got a null character"),
        (bytes(range(256)), "expected text in utf-8"),
    ],
)
def test_a_bad_file_gets_one_line(write, content, message):
    path = write(content)
    with pytest.raises(ValueError, match="(?i)" + message) as caught:
        read_table(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_bad_options(write):
    path = write("a\n1\n")
    for encoding in "no-such", "hex":
        with pytest.raises(ValueError, match=f"encoding: .*, got '{encoding}'"):
            read_table(path, encoding=encoding)
    for delimiter in "", "::", '"', "\n":
        with pytest.raises(ValueError, match="delimiter: expected one character, got"):
            read_table(path, delimiter=delimiter)
    with pytest.raises(FileNotFoundError):
        read_table(path.with_name("none.csv"))


# ---- cells -------------------------------------------------------------------------------------


def column(*values):
    return Table("t.csv", {"c": np.array(values, object)}, np.arange(1, 1 + len(values)))


def test_numbers():
    got = column("1", "-2.5e3", "+.5", "", "1e308", "007").numbers("c")
    np.testing.assert_array_equal(got, [1, -2500, 0.5, np.nan, 1e308, 7])


@pytest.mark.parametrize("word", ["abc", "1,5", "12_3", "0x10", "1 2", "x" * 100])
def test_what_is_no_number(word):
    table = column(*"123456789", word)
    with pytest.raises(ValueError, match=r"t\.csv, line 10, column 'c': expected a number, got '"):
        table.numbers("c")
    with pytest.raises(ValueError, match="line 10, column 'c': expected a number, as in most rows"):
        table.is_text("c")
    assert column(*"12345678", word).is_text("c")  # one in nine
    assert not column(*"12345678").is_text("c")
    assert not column("", "").is_text("c")


@pytest.mark.parametrize("word", ["inf", "-Infinity", "1e999"])
def test_infinite_numbers_are_refused(word):
    with pytest.raises(ValueError, match=f"line 2, column 'c': expected a finite .*, got '{word}'"):
        column("1", word).numbers("c")


def test_a_missing_column_is_told_with_those_that_are_there():
    table = Table("t.csv", {f"x{i}": np.array(["1"], object) for i in range(9)}, np.array([2]))
    for call in (table.texts, table.numbers, table.missing, lambda name: table.require([name])):
        with pytest.raises(
            ValueError, match=r"t\.csv: expected column 'y', got columns 'x0', .*3 more"
        ):
            call("y")


def test_columns_are_of_one_length():
    for columns, expected in ({}, "columns"), ({"a": [1], "b": [1, 2]}, "sequences of one length"):
        with pytest.raises(ValueError, match=f"^columns: expected {expected}, got"):
            Table.from_columns(columns)
    table = Table.from_columns({"a": ["x", None], "b": [True, False], "c": [0.5, np.nan]})
    assert cells(table) == {
        "a": ["x", ""],
        "b": ["True", "False"],
        "c": [0.5, pytest.approx(np.nan, nan_ok=True)],
    }


def test_columns_cannot_be_written_to():
    """What is written to one would be lost, as it is made of what the table holds."""
    values = np.arange(3.0)
    table = Table.from_columns({"a": ["x", "y", "x"], "b": values})
    for name in table.columns:
        with pytest.raises(ValueError, match="read-only"):
            table.columns[name][0] = table.columns[name][1]
    values[0] = 7  # the caller's own array stays as it was


def test_take():
    table = column("a", "b", "c").take(np.array([2, 0]))
    assert len(table) == 2
    assert table.texts("c").tolist() == ["c", "a"]
    assert table.where(0, "c") == "t.csv, line 3, column 'c'"


# ---- Parquet -----------------------------------------------------------------------------------


def test_parquet(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as arrow
    from pyarrow import parquet

    columns = {
        "int": [1, 2, 3],
        "gap": [2**60 + 1, None, 3],
        "float": [0.5, None, float("nan")],
        "bool": [True, False, None],
        "text": ["?", " a ", None],
        "list": [[1], [2], []],
        "none": arrow.nulls(3),
        "decimal": [Decimal("1.00"), Decimal("2.00"), Decimal("3.00")],
        "kind": arrow.array(["x", "y", "x"]).dictionary_encode(),
        "date": arrow.array([0, 1, None], arrow.date32()),
    }
    path = tmp_path / "t.parquet"
    parquet.write_table(arrow.table(columns), path)
    table = read_table(path)
    assert len(table) == 3
    assert {name: table.texts(name).tolist() for name in table.columns} == {
        "int": ["1", "2", "3"],
        "gap": [str(2**60 + 1), "", "3"],
        "float": ["0.5", "", ""],
        "bool": ["True", "False", ""],
        "text": ["", "a", ""],
        "none": ["", "", ""],
        "decimal": ["1.00", "2.00", "3.00"],
        "kind": ["x", "y", "x"],
        "date": ["1970-01-01", "1970-01-02", ""],
    }
    np.testing.assert_array_equal(table.numbers("float"), [0.5, np.nan, np.nan])
    np.testing.assert_array_equal(table.numbers("gap"), [2.0**60, np.nan, 3])
    assert table.missing("float").tolist() == [False, True, True]
    with pytest.raises(ValueError, match="column 'list': expected numbers or texts, got list<"):
        table.numbers("list")
    with pytest.raises(ValueError, match="row 1, column 'kind': expected a number, got 'x'"):
        table.numbers("kind")


def test_booleans_of_a_byte_each_are_those_of_a_bit(tmp_path):
    arrow = pytest.importorskip("pyarrow", "18")
    from pyarrow import parquet

    flags = arrow.array([1, 0, None], arrow.int8()).cast(arrow.bool8())
    parquet.write_table(arrow.table({"flag": flags}), tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet").texts("flag").tolist() == ["True", "False", ""]


@pytest.mark.parametrize("last", [127, 128])
def test_bytes_of_one_length_are_no_text_even_where_they_could_be(tmp_path, last):
    """As DuckDB writes a time span of months, days and milliseconds: up to 127 of them is UTF-8."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    spans = arrow.array(
        [bytes([0, 0, 0, 0, days, *[0] * 7]) for days in (1, last)], arrow.binary(12)
    )
    parquet.write_table(arrow.table({"span": spans, "x": [1, 2]}), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet")
    assert list(table.columns) == ["x"]
    assert table.unreadable == {"span": "fixed_size_binary[12]"}


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"PAR1" + bytes(30) + b"PAR1"])
def test_bad_parquet(write, content):
    pytest.importorskip("pyarrow")
    with pytest.raises(ValueError, match=r"t.parquet: not readable as Parquet: ") as caught:
        read_table(write(content, "t.parquet"))
    assert "\n" not in str(caught.value)


def test_parquet_without_rows_or_with_one_name_twice(tmp_path):
    pytest.importorskip("pyarrow")
    import pyarrow as arrow
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    parquet.write_table(arrow.table({"a": arrow.array([], "int64")}), path)
    with pytest.raises(ValueError, match="expected rows, got none"):
        read_table(path)
    twice = arrow.Table.from_arrays([arrow.array([1]), arrow.array([2])], names=["a", "a"])
    parquet.write_table(twice, path)
    with pytest.raises(ValueError, match="got column 'a' 2 times"):
        read_table(path)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_reading_names_the_extra_it_needs(monkeypatch, name):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ImportError, match=r'pip install "densenet-cpu\[tables\]"'):
        read_table(name)


# ---- writing -----------------------------------------------------------------------------------


def test_what_is_written_is_read_again(tmp_path):
    path = Path(tmp_path / "t.csv")
    columns = {"id": ["1", "01"], "class, name": ['a "quoted"\nline', "ü,;"]}
    write_csv(path, columns)
    assert cells(read_table(path)) == columns
    with path.open(newline="", encoding="utf-8") as file:
        assert next(csv.reader(file)) == list(columns)
    with pytest.raises(ValueError, match="zip"):
        write_csv(path, {"a": ["1"], "b": []})
