"""What a table may be given as: packed files, several, folders, standard input; rows of names."""

import bz2
import gzip
import io
import lzma
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from densenet.tables import read_table
from tests.support.tables import HEADER, read, tracks, write

arrow = pytest.importorskip("pyarrow")

CSV = b"x,y\n1,a\n2,b\n"
QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


def cells(table):
    return {name: table.texts(name).tolist() for name in table.columns}


def in_zip(content, *names):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, content)
    return held.getvalue()


PACKINGS = {
    "gzip": (".gz", gzip.compress),
    "bzip2": (".bz2", bz2.compress),
    "xz": (".xz", lzma.compress),
    "Zstandard": (".zst", lambda content: arrow.compress(content, "zstd", asbytes=True)),
    "a ZIP archive": (".zip", lambda content: in_zip(content, "inside.csv")),
}


def parquet(path, **columns):
    from pyarrow import parquet

    parquet.write_table(arrow.table(columns), path)


# ---- packed ------------------------------------------------------------------------------------


@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("named", [True, False])
def test_a_packed_file_is_read(packing, named):
    suffix, pack = PACKINGS[packing]
    name = f"t.csv{suffix}" if named else "t.csv"
    Path(name).write_bytes(pack(CSV))
    assert cells(read_table(name)) == {"x": ["1", "2"], "y": ["a", "b"]}


@pytest.mark.parametrize("packing", PACKINGS)
def test_packed_parquet_is_read(packing):
    suffix, pack = PACKINGS[packing]
    parquet("t.parquet", x=[1, 2], y=["a", "b"])
    Path(f"t{suffix}").write_bytes(pack(Path("t.parquet").read_bytes()))
    assert cells(read_table(f"t{suffix}")) == {"x": ["1", "2"], "y": ["a", "b"]}


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_damaged_packed_file_gets_one_line(refused, packing):
    suffix, pack = PACKINGS[packing]
    name = f"t.csv{suffix}"
    content = np.random.default_rng(0).integers(33, 100, 60_000).astype(np.uint8).tobytes()
    Path(name).write_bytes(pack(content.replace(b'"', b"x"))[:20_000])
    err = refused("fit", name, "--target", "y", *QUICK)
    assert err.startswith(f"densenet: {name}: not readable as {packing}: ")


@pytest.mark.parametrize(("inside", "got"), [((), "none"), (("a.csv", "b.csv"), "2: a.csv, b.csv")])
def test_an_archive_has_one_file(refused, inside, got):
    Path("t.zip").write_bytes(in_zip(CSV, *inside) if inside else b"PK\x05\x06" + bytes(18))
    err = refused("fit", "t.zip", "--target", "y", *QUICK)
    assert f"t.zip: expected a ZIP archive of one file, got {got}" in err


# ---- several files -----------------------------------------------------------------------------


def test_files_are_one_table_and_messages_name_the_file():
    Path("a.csv").write_text("x,y\n1,p\n\n2,q\n")
    Path("b.csv").write_text("y;x\nr;3\n's';oops\n" + "t;4\n" * 20)
    table = read_table(["a.csv", "b.csv"])
    assert cells(table)["x"][:4] == ["1", "2", "3", "oops"]
    assert cells(table)["y"][:3] == ["p", "q", "r"]
    assert [table.where(row, "x") for row in (1, 2, 3)] == [
        "a.csv, line 4, column 'x'",
        "b.csv, line 2, column 'x'",
        "b.csv, line 3, column 'x'",
    ]
    assert table.take([3]).where(0, "x") == "b.csv, line 3, column 'x'"
    with pytest.raises(ValueError, match=r"^b\.csv, line 3, column 'x': expected a number"):
        table.numbers("x")
    assert table.source == "a.csv and 1 more"


def test_a_folder_is_read_in_the_order_of_names():
    Path("data").mkdir()
    for name, x in ("c.csv", 3), ("a.tsv", 1), (".hidden.csv", 9), ("_SUCCESS", 9):
        Path("data", name).write_text(f"x\n{x}\n")
    Path("data", "b.csv.gz").write_bytes(gzip.compress(b"x\n2\n"))
    Path("data", "read.me").write_text("no table")
    table = read_table("data")
    assert cells(table) == {"x": ["1", "2", "3"]}
    assert table.where(1, "x") == f"{Path('data', 'b.csv.gz')}, line 2, column 'x'"


def test_files_of_parquet_are_one_table():
    parquet("a.parquet", x=[1, None], y=["a", None], z=arrow.array(["u", "v"]).dictionary_encode())
    parquet("b.parquet", x=[2.5], y=["b"], z=["w"])
    table = read_table(["a.parquet", "b.parquet"])
    assert cells(table) == {"x": ["1", "", "2.5"], "y": ["a", "", "b"], "z": ["u", "v", "w"]}
    assert table.where(2, "x") == "b.parquet, row 1, column 'x'"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x,z\n1,2\n", "b.csv: expected the columns of a.csv, got no column 'y' and another "),
        (
            b"x,y,z,u\n1,2,3,4\n",
            "b.csv: expected the columns of a.csv, got another column 'z' (and",
        ),
        (b"x\n1\n", "b.csv: expected the columns of a.csv, got no column 'y'"),
        (b"x,y\n", "b.csv: expected rows below the header, got none"),
        (b"x,y\n1\n", "b.csv, line 2: expected 2 cells as in the first row, got 1"),
    ],
)
def test_files_that_differ_are_told(refused, content, message):
    Path("a.csv").write_bytes(CSV)
    Path("b.csv").write_bytes(content)
    assert message in refused("fit", "a.csv", "b.csv", "--target", "y", *QUICK)


def test_files_of_two_kinds_are_told(refused):
    Path("a.csv").write_bytes(CSV)
    parquet("b.parquet", x=[1], y=["a"])
    err = refused("fit", "a.csv", "b.parquet", "--target", "y", *QUICK)
    assert "b.parquet: expected CSV, as a.csv is, got Parquet" in err


def test_of_types_that_have_none_in_common_the_file_is_told_that_differs():
    parquet("a.parquet", x=[1, 2])
    parquet("b.parquet", x=[0.5])
    parquet("c.parquet", x=["a"])
    with pytest.raises(ValueError, match=r"^c.parquet, column 'x': expected double, .* got string"):
        read_table(["a.parquet", "b.parquet", "c.parquet"])
    with pytest.raises(ValueError, match=r"^a.parquet, column 'x': expected string, .* got int64$"):
        read_table(["c.parquet", "a.parquet", "b.parquet"])


def test_a_folder_without_tables_or_with_folders_is_told():
    Path("data").mkdir()
    Path("data", "read.me").touch()
    with pytest.raises(ValueError, match="data: expected files of CSV or Parquet in the folder"):
        read_table("data")
    Path("data", "more").mkdir()
    with pytest.raises(ValueError, match="expected a folder of tables, got the folder more in it"):
        read_table("data")
    Path("data", "land=ch").mkdir()
    with pytest.raises(ValueError, match="the folder land=ch in it, whose files lack the column"):
        read_table("data")
    with pytest.raises(ValueError, match="path: expected at least one file, got none"):
        read_table([])


# ---- standard input and output -----------------------------------------------------------------


@pytest.fixture
def piped(monkeypatch):
    """Give bytes as standard input."""

    def piped(content):
        monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(content)))

    return piped


def test_standard_input_and_output(command, piped, rng):
    write("t.csv", HEADER, tracks(rng))
    arguments = ("--target", "genre", "--id", "track_id", *QUICK)
    piped(Path("t.csv").read_bytes())
    status, out, _ = command("fit", "-", *arguments)
    assert status == 0
    assert out.startswith("standard input: ")
    assert command("predict", "model.safetensors", "t.csv")[0] == 0
    piped(gzip.compress(Path("t.csv").read_bytes()))
    status, out, err = command("predict", "model.safetensors", "-", "--out", "-", "--score")
    assert status == 0
    assert out == Path("predictions.csv").read_text(encoding="utf-8")
    assert "accuracy" in err
    assert "300 predictions: -" in err
    piped(b"track_id,tempo,mood,noise\n1,fast,dark,2\n")
    status, out, err = command("predict", "model.safetensors", "-", "--out", "-")
    assert (status, out) == (2, "")
    assert err.startswith("densenet: standard input, line 2, column 'tempo': expected a number")


# ---- above the table ---------------------------------------------------------------------------


def test_rows_of_names_are_joined(command):
    lines = ["features,mfcc,mfcc,", "statistics,mean,max,", "track_id,,,genre"]
    lines += [f"{i:03},{i % 7},{i % 5}.5,{'ab'[i % 2]}" for i in range(40)]
    Path("t.csv").write_text("\n".join(lines) + "\n")
    table = read_table("t.csv", header=3)
    names = ["features_statistics_track_id", "mfcc_mean", "mfcc_max", "genre"]
    assert list(table.columns) == names
    assert table.where(0, "genre") == "t.csv, line 4, column 'genre'"
    status, out, _ = command("fit", "t.csv", "--header-rows", "3", "--target", "genre", *QUICK)
    assert status == 0
    assert "columns: 2 of numbers" in out  # without the id


def test_rows_of_names_that_are_all_there_are_joined(empty_folder):
    Path("t.csv").write_text("size,size,genre\nmin,max,main\n1,2,a\n")
    assert list(read_table("t.csv", header=2).columns) == ["size_min", "size_max", "genre_main"]


@pytest.mark.parametrize("levels", [1, 2])
def test_the_index_of_a_frame_has_its_own_name_below_those_of_levels(levels, rng):
    """As pandas writes columns of several levels, of which it names the levels, too."""
    pandas = pytest.importorskip("pandas")
    columns = pandas.MultiIndex.from_product([["mfcc"], ["mean", "max"]], names=["what", "how"])
    index = pandas.MultiIndex.from_product([[7], [8, 9]], names=["album", "track_id"])
    frame = pandas.DataFrame(rng.normal(size=(2, 2)).round(3), index, columns)
    (frame if levels == 2 else frame.droplevel(0)).to_csv("t.csv")
    table = read_table("t.csv", header=3)
    assert list(table.columns) == [*["album", "track_id"][-levels:], "mfcc_mean", "mfcc_max"]
    assert table.texts("track_id").tolist() == ["8", "9"]


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b\nc\n1,2\n", ["--header-rows", "2"], "line 2: expected 2 cells as in the first row"),
        ("a\nb\n", ["--header-rows", "3"], "expected 3 rows of names, got a table of 2 rows"),
        ("a\nb\n", ["--header-rows", "2"], "expected rows below the header, got none"),
        ("a\na\n1\n", ["--header-rows", "2", "--no-header"], "not allowed with argument"),
        ("a\n1\n", ["--header-rows", "0"], "must be an integer >= 1, got 0"),
        ("a\n1\n", ["--comment", ""], "comment: expected how lines to skip begin, got ''"),
    ],
)
def test_bad_rows_of_names(refused, content, options, message):
    Path("t.csv").write_text(content)
    assert message in refused("fit", "t.csv", "--target", "a", *options, *QUICK)


@pytest.mark.parametrize("told", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
@pytest.mark.parametrize("header", [True, False])
def test_a_first_line_tells_the_delimiter(told, header):
    Path("t.csv").write_text(f"{told}\n1,5;2,5;7,5\n3,5;4,5;5,5\n", encoding="utf-8")
    table = read_table("t.csv", header=header)
    assert len(table.columns) == 3
    assert table.places.tolist() == ([3] if header else [2, 3])


def test_comments_are_skipped_where_a_row_begins(command, rng):
    content = '# by hand\n#\nx,y\n1,#a\n#2,b\n3,"c\n# no comment"\n#\n4,d\n'
    Path("t.csv").write_text(content)
    table = read_table("t.csv", comment="#")
    assert cells(table) == {"x": ["1", "3", "4"], "y": ["#a", "c\n# no comment", "d"]}
    assert table.places.tolist() == [4, 6, 9]
    write("u.csv", HEADER, tracks(rng))
    Path("u.csv").write_bytes(b"// first\n" + Path("u.csv").read_bytes() + b"// last\n")
    options = ("--target", "genre", "--comment", "//", *QUICK)
    assert command("fit", "u.csv", *options)[0] == 0
    assert command("predict", "model.safetensors", "u.csv", "--comment", "//")[0] == 0
    assert len(read("predictions.csv")) == 301


@pytest.mark.parametrize("header", ["2", 1.5, None])
def test_what_is_no_number_of_rows(header):
    Path("t.csv").write_bytes(CSV)
    with pytest.raises(TypeError, match="header must be an integer >= 0, got"):
        read_table("t.csv", header=header)


def test_columns_of_parquet_may_have_dots_in_their_names():
    columns = {"a": [1, 2], "a.b": ["x", "y"], **{f"x{i}": [i, i] for i in range(150)}}
    parquet("t.parquet", **columns)
    table = read_table("t.parquet")
    assert list(table.columns) == list(columns)
    assert table.texts("a").tolist() == ["1", "2"]
    assert table.texts("a.b").tolist() == ["x", "y"]
