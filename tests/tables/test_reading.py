"""Files that are given as tables: other kinds of file, an index of pandas, types of columns."""

import bz2
import csv
import gzip
import io
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from densenet.tables.model import TableModel
from densenet.tables.reading import csv_text
from densenet.tables.reading.files import read_table
from tests.support.tables import read, write

pytest.importorskip("pyarrow")

QUICK = ("--epochs", "3", "--no-picture")
CSV = b"x,y\n1,a\n2,b\n"

pytestmark = pytest.mark.usefixtures("empty_folder")


# ---- other kinds of file -----------------------------------------------------------------------


def archive(*names):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return held.getvalue()


def database():
    connection = sqlite3.connect("made.db")
    connection.execute("create table t (x)")
    connection.commit()
    connection.close()
    content = Path("made.db").read_bytes()
    Path("made.db").unlink()
    return content


def array():
    held = io.BytesIO()
    np.save(held, np.ones(3))
    return held.getvalue()


def tar():
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as written:
        entry = tarfile.TarInfo("t.csv")
        entry.size = len(CSV)
        written.addfile(entry, io.BytesIO(CSV))
    return held.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("t.csv.gz", lambda: gzip.compress(bz2.compress(CSV)), "a file packed twice, by bzip2 "),
        ("t.7z", lambda: b"7z\xbc\xaf\x27\x1c" + CSV, "a 7-Zip archive: unpack it first"),
        ("t.xlsx", lambda: archive("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook"),
        ("t.csv", lambda: archive("xl/workbook.xml"), "an Excel workbook: save the sheet as CSV"),
        ("t.ods", lambda: archive("mimetype", "content.xml"), "an OpenDocument spreadsheet: save"),
        (
            "t.xls",
            lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + CSV,
            "an Excel workbook of the old",
        ),
        ("t.feather", lambda: b"ARROW1\0\0" + CSV, "an Arrow or Feather file: convert it"),
        ("t.h5", lambda: b"\x89HDF\r\n\x1a\n" + CSV, "an HDF5 file: convert it"),
        ("t.arrows", lambda: b"\xff\xff\xff\xff\x10\x02\0\0" + CSV, "a stream of Arrow: convert"),
        ("t.orc", lambda: b"ORC\n\x07\x12" + CSV, "an ORC file: convert it"),
        ("t.avro", lambda: b"Obj\x01\x04\x16" + CSV, "an Avro file: convert it"),
        ("t.sav", lambda: b"$FL2@(#) SPSS DATA FILE" + CSV, "an SPSS file: convert it"),
        ("t.dta", lambda: b"<stata_dta><header>" + CSV, "a Stata file: convert it"),
        ("old.dta", lambda: b"r\x02\x01\0\x07" + CSV, "a Stata file: convert it"),
        ("t.xpt", lambda: b"HEADER RECORD*******LIBRARY" + CSV, "a SAS transport file: convert"),
        ("t.pkl", lambda: pickle.dumps(list(range(300))), "a pickle: convert it"),
        ("t.rds", lambda: gzip.compress(b"X\n\0\0\0\x03\0\x04" + CSV), "an R file: convert it"),
        ("t.rda", lambda: gzip.compress(b"RDX3\nX\n" + CSV), "an R file: convert it"),
        ("t.db", database, "an SQLite database: convert it to CSV or Parquet first"),
        ("t.npy", array, "a NumPy array: convert it to CSV or Parquet first"),
        ("t.pdf", lambda: b"%PDF-1.7\n" + CSV, "a PDF document"),
        ("t.mat", lambda: b"MATLAB 5.0 MAT-file, Platform" + CSV, "a MATLAB file: convert it"),
        (
            "t.csv",
            lambda: b"version https://git-lfs.github.com/spec/v1\n",
            "a pointer of Git LFS: ",
        ),
        ("t.json", lambda: b'[\n  {"x": 1, "y": "a"}]', "JSON: convert it"),
        ("t.jsonl", lambda: b'{"x": 1, "y": "a"}\n', "JSON: convert it"),
        ("t.arff", lambda: b"% Iris\n%\n\n@RELATION iris\n@DATA\n" + CSV, "an ARFF file: convert"),
        (
            "t.csv",
            lambda: b"\xef\xbb\xbf\n<!DOCTYPE html>\n<html>",
            "an HTML page: download the table",
        ),
        ("t.xml", lambda: b'<?xml version="1.0"?>\n<data>', "XML: convert it"),
        ("t.db", lambda: b"\xd8,\n,,,,,DUCK\xe7\x03\0\0" + CSV, "a DuckDB database: convert it"),
        ("t.csv.tar", tar, "a tar archive: unpack it first"),
        ("t.tar.gz", lambda: gzip.compress(tar()), "a tar archive: unpack it first"),
    ],
)
def test_a_file_that_is_no_table_is_told(refused, name, make, message):
    Path(name).write_bytes(make())
    err = refused("fit", name, "--target", "y", *QUICK)
    assert err.startswith(f"densenet: {name}: expected CSV or Parquet, got {message}")


@pytest.mark.parametrize(
    "first",
    [
        *("PAR1", "PK", "ORC", "BZh", "BZh9", "FEA1", "ARROW1", "%PDF", "MATLAB", "version"),
        *("{x}", "[x]", "@relation", "<html", "12345678DUCK"),
    ],
)
def test_a_header_may_begin_like_another_file(first):
    Path("t.csv").write_text(f"{first},y\n1,a\n2,b\n")
    assert list(read_table("t.csv").columns) == [first, "y"]


def test_parquet_is_known_by_its_content():
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(arrow.table({"x": [1, 2]}), "t.dat")
    assert read_table("t.dat").columns["x"].tolist() == [1, 2]


def test_a_pipe_is_read_once(tmp_path):
    import os
    import threading

    if not hasattr(os, "mkfifo"):
        pytest.skip("not applicable: no named pipes here")
    os.mkfifo("pipe")
    writer = threading.Thread(target=Path("pipe").write_bytes, args=(CSV,))
    writer.start()
    assert read_table("pipe").columns["x"].tolist() == ["1", "2"]
    writer.join()


# ---- what csv and pyarrow cannot read ----------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        "x" * 131_073 + ",y",
        '"' + "x" * 200_000 + '",y',
        "a;" + "x" * 140_000,
        "x" * 1_000_000,
    ],
)
def test_a_header_of_a_huge_cell_gets_one_line(refused, header):
    Path("t.csv").write_text(f"{header}\n1,2\n")
    assert "t.csv, line 1: not readable as CSV: field larger than" in refused(
        "fit", "t.csv", "--target", "y", *QUICK
    )


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"a\0b,c\n1,2\n", 1),
        (b"\0\0\0\0", 1),
        ("x,y\n1,a\n".encode("utf-16-le"), 1),
        ("x,y\n1,a\n".encode("utf-16-be"), 1),
        (b"x,y\n1,\0\n", 2),
    ],
)
def test_null_characters_get_one_line(refused, monkeypatch, content, line):
    """In Python 3.10, csv refuses them with an error of its own."""
    whole = csv.reader

    def of_python_3_10(lines, **options):
        def checked():
            for line in lines:
                if "\0" in line:
                    raise csv.Error("line contains NUL")
                yield line

        return whole(checked(), **options)

    monkeypatch.setattr(csv_text.csv, "reader", of_python_3_10)
    Path("t.csv").write_bytes(content)
    err = refused("fit", "t.csv", "--target", "y", *QUICK)
    assert f"t.csv, line {line}: expected text, got a null character: name the encoding" in err


@pytest.mark.parametrize("rows", [0, 3])
def test_parquet_without_columns(refused, rows):
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    whole = arrow.table({"x": list(range(rows))})
    parquet.write_table(whole.select([]), "t.parquet")
    err = refused("fit", "t.parquet", "--target", "y", *QUICK)
    assert "t.parquet: expected columns, got none" in err


# ---- an index that pandas wrote ----------------------------------------------------------------


def frame(rng, rows=100):
    """The label follows x, and follows the index far better."""
    pandas = pytest.importorskip("pandas")
    x = rng.normal(size=rows)
    label = np.where(np.arange(rows) < rows // 2, "a", "b")
    return pandas.DataFrame({"x": x, "y": label})


def by_parquet(table):
    pytest.importorskip("pyarrow")
    table.to_parquet("t.parquet")
    return "t.parquet", "__index_level_0__"


def by_csv(table):
    table.to_csv("t.csv")
    return "t.csv", "c0"


def by_csv_twice(table):
    import pandas

    table.to_csv("t.csv")
    pandas.read_csv("t.csv").to_csv("t.csv", index=False)
    return "t.csv", "Unnamed: 0"


def by_csv_thrice(table):
    by_csv_twice(table)
    import pandas

    pandas.read_csv("t.csv").to_csv("t.csv")
    pandas.read_csv("t.csv").to_csv("t.csv", index=False)
    return "t.csv", "Unnamed: 0.1"


@pytest.mark.parametrize("by", [by_parquet, by_csv, by_csv_twice, by_csv_thrice])
@pytest.mark.parametrize("chosen", ["filtered", "shuffled"])
def test_an_index_is_left_out(command, rng, by, chosen):
    table = frame(rng)
    table = table[table.x > -0.8] if chosen == "filtered" else table.sample(frac=1, random_state=1)
    name, index = by(table)
    status, out, _ = command("fit", name, "--target", "y", *QUICK)
    assert status == 0
    assert "columns: 1 of numbers, 0 of categories" in out
    assert f"left out: {index}: an index without a name, as pandas writes it" in out
    write("without.csv", ["x"], [[0.5]])
    assert command("predict", "model.safetensors", "without.csv")[0] == 0


def test_an_index_may_be_asked_for(command, rng):
    name, index = by_csv(frame(rng).sample(frac=1, random_state=1))
    assert command("fit", name, "--target", "y", "--id", index, *QUICK)[0] == 0
    assert command("predict", "model.safetensors", name)[0] == 0
    assert read("predictions.csv")[0] == ["c0", "y"]
    assert command("fit", name, "--target", "y", "--text", index, *QUICK)[0] == 0
    assert any(
        name.startswith("c0") for name in TableModel.load("model.safetensors").features.names
    )


def test_a_named_index_and_a_later_column_without_a_name_stay(rng):
    pytest.importorskip("pyarrow")
    table = frame(rng)
    table.index = table.index[::-1]
    table.rename_axis("place").to_parquet("t.parquet")
    assert read_table("t.parquet").unnamed == {}
    write("t.csv", ["x", "", "y"], [[1, 2, 3], [4, 5, 6]])
    assert (list(read_table("t.csv").columns), read_table("t.csv").unnamed) == (
        ["x", "c1", "y"],
        {},
    )
    write("t.csv", ["", ""], [[1, 2], [4, 5]])
    assert read_table("t.csv").unnamed == {}
    write("t.csv", ["", "", "y"], [[1, 2, 3], [4, 5, 6]])
    assert list(read_table("t.csv").unnamed) == ["c0", "c1"]


# ---- types of columns --------------------------------------------------------------------------


def test_durations_of_parquet_are_seconds():
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    wait = arrow.array([i % 7 for i in range(200)], arrow.duration("ms"))
    parquet.write_table(arrow.table({"wait": wait}), "t.parquet")
    np.testing.assert_array_equal(
        read_table("t.parquet").numbers("wait"), np.arange(200) % 7 / 1000
    )


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_are_written_alike_in_csv_and_parquet(unit):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    texts = {
        "day": ["2024-01-01", "2024-02-29", None],
        "moment": ["2024-01-01 10:30:00", None, "2024-01-01 00:00:00"],
    }
    frame = pandas.DataFrame(
        {name: pandas.to_datetime(cells).as_unit(unit) for name, cells in texts.items()}
    )
    frame.to_parquet("t.parquet", index=False)
    frame.to_csv("t.csv", index=False)
    for name, cells in texts.items():
        expected = [text or "" for text in cells]
        assert read_table("t.parquet").texts(name).tolist() == expected
        assert read_table("t.csv").texts(name).tolist() == expected


# ---- a first row that is no names ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["5.1", "3.5", "kind"], "'5.1', '3.5'"),
        (["39", "State", "77", "13", "kind"], "'39', '77'"),
        ([".28", "-1e3", "kind"], "'.28', '-1e3'"),
        (["1", "2", "10", "kind"], None),
        (["2021", "2020", "kind"], None),
        (["5.1", "width", "kind"], None),
        (["a", "b", "kind"], None),
    ],
)
def test_names_that_look_like_cells_are_told(command, names, told):
    rows = [[f"{(7 * i + 3 * j) % 11 / 4}" for j in range(len(names) - 1)] for i in range(80)]
    write("train.csv", names, [[*row, "ab"[i % 2]] for i, row in enumerate(rows)])
    words = f"note: names of columns such as {told} look like a row of cells: --no-header,"
    for arguments in ("fit", "train.csv", "--target", "kind", *QUICK), ("explore", "train.csv"):
        status, out, err = command(*arguments)
        assert (status, err) == (0, "")
        assert (words in out) == (told is not None), out
        assert ("--no-header" in out) == (told is not None)


def test_a_first_row_of_data_is_told_where_its_names_do_not_fit(command, refused):
    rows = [[5.1 + i, 3.5 - i, "ab"[i % 2]] for i in range(40)]
    write("train.csv", rows[0], rows[1:])
    assert command("fit", "train.csv", "--no-header", "--target", "c2", *QUICK)[0] == 0
    told = "look like a row of cells: --no-header, or header=0, reads a file whose first row has no"
    predicting = ("predict", "model.safetensors")
    got = "'c0', 'c1', got columns '5.1', '3.5', 'a'; names of columns such as '5.1', '3.5' "
    assert got + told in refused(*predicting, "train.csv")
    assert told in refused("fit", "train.csv", "--target", "c2", *QUICK)
    write("twice.csv", [5.1, 0, 0, "a"], [[1, 2, 3, "b"]])
    got = "expected names that differ, got column '0' 2 times; names of columns such as '5.1', '0' "
    assert got + told in refused(*predicting, "twice.csv")
    write("named.csv", ["width", "height", "kind"], rows)
    assert "--no-header" not in refused(*predicting, "named.csv")
