"""CSV in blocks: the cells and lines that `csv` of Python gives, wherever a block ends."""

import csv
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import read_table
from densenet.tables.reading import csv_text

arrow = pytest.importorskip("pyarrow")

pytestmark = pytest.mark.usefixtures("empty_folder")


def by_python(text, width, comment=""):
    """The cells of each row and its first line, or the line of the first row that is refused."""
    first = None

    def lines():
        nonlocal first
        for number, line in enumerate(io.StringIO(text, newline=""), 1):
            if first is None:
                if comment and line.startswith(comment):
                    continue
                first = number
            yield line

    reader = csv.reader(lines(), skipinitialspace=True, strict=True)
    rows, places = [], []
    while True:
        first = None
        try:
            cells = next(reader)
        except StopIteration:
            return rows, places
        except csv.Error:
            return first
        if cells and len(cells) != width:
            return first
        if cells:
            rows.append([cell.strip() for cell in cells])
            places.append(first)


def by_densenet(text, comment=None):
    Path("t.csv").write_bytes(text.encode())
    try:
        table = read_table("t.csv", header=False, delimiter=",", comment=comment, present=["?"])
    except ValueError as error:
        return str(error)
    columns = [table.texts(name).tolist() for name in table.columns]
    return list(map(list, zip(*columns, strict=True))), table.places.tolist()


def check(text, comment=""):
    start = next(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True), [""])
    expected = by_python(text, len(start), comment)
    found = by_densenet(text, comment or None)
    if isinstance(expected, int):
        assert f"t.csv, line {expected}: " in found, (text, found)
    else:
        assert found == expected, text


@pytest.fixture(params=[5, 64, 1 << 20])
def size(request, monkeypatch):
    """How many bytes are read at a time."""
    monkeypatch.setattr(csv_text, "SIZE", request.param)
    monkeypatch.setattr(csv_text, "_CELLS", 1)


@pytest.mark.usefixtures("size")
def test_well_formed_files_are_read_as_by_python(rng):
    texts = ["a", "é1", "x,y", 'say "no"', "two\nlines", "two\r\nlines", " b ", '"', "", "07", "#"]
    for _ in range(60):
        out = io.StringIO(newline="")
        quoting = rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC])
        end = str(rng.choice(["\n", "\r\n", "\r"]))
        writer = csv.writer(out, quoting=int(quoting), lineterminator=end)
        width = int(rng.integers(2, 4))
        out.write(",".join("abc"[:width]) + end)
        for row in rng.choice(texts, (int(rng.integers(1, 12)), width)).tolist():
            writer.writerow(row)
            out.write(end if rng.random() < 0.2 else "")  # a blank line
        check(out.getvalue())


@pytest.mark.usefixtures("size")
@pytest.mark.parametrize("comment", ["", "#"])
def test_what_is_not_well_formed_is_read_as_by_python(rng, comment):
    """A quote within a cell or behind white space, a row of another length, an open quote."""
    pieces = ['"', '""', ",", ", ", "\n", "\r\n", "a", "b c", "1", "#", " "]
    shares = np.array([3, 1, 6, 2, 4, 2, 4, 1, 4, 1, 1])
    cells = ['"a"', ' "a, b"', 'a"b', '"a ""b"""', '"x\ny"', "", "b c", "#", '"#"', " 5", '""']
    refused = read = 0
    for i in range(300):
        if i % 2:
            parts = rng.choice(pieces, int(rng.integers(1, 25)), p=shares / shares.sum())
        else:
            rows = rng.choice(cells, (int(rng.integers(1, 6)), 2)).tolist()
            parts = [",".join(row) + str(rng.choice(["\n", "\r\n", "\n\n"])) for row in rows]
            parts += ['"a"b,c'] if i % 10 == 0 else []
        text = "a,b\n" + "".join(parts)
        check(text, comment)
        refused += isinstance(by_python(text, 2, comment), int)
        read += '"' in text and not isinstance(by_python(text, 2, comment), int)
    assert min(refused, read) > 10


def test_rows_that_only_python_reads_follow_those_that_pyarrow_reads():
    rows = [f"{i},plain" for i in range(50)] + ['50, "a, b"', '51,5" pipe', "52,plain"]
    Path("t.csv").write_text("n,t\n" + "\n".join(rows) + "\n")
    table = read_table("t.csv")
    assert table.texts("t")[-3:].tolist() == ["a, b", '5" pipe', "plain"]
    assert table.texts("n").tolist() == [str(i) for i in range(53)]
    assert table.places.tolist() == list(range(2, 55))


@pytest.mark.parametrize("delimiter", ["·", " ", "|", "\x01"])
def test_any_character_may_be_the_delimiter(delimiter):
    Path("t.csv").write_text(delimiter.join("ab") + "\n" + delimiter.join(["1", '"x y"']) + "\n")
    table = read_table("t.csv", delimiter=delimiter)
    assert {name: table.texts(name).tolist() for name in table.columns} == {
        "a": ["1"],
        "b": ["x y"],
    }


def test_a_null_character_is_told_with_its_line_in_a_long_file(monkeypatch):
    monkeypatch.setattr(csv_text, "SIZE", 16)
    for end in "\n", "\r\n", "\r":
        Path("t.csv").write_bytes(b"".join(b"%d,x" % i + end.encode() for i in range(40)) + b"\0")
        with pytest.raises(ValueError, match=r"t\.csv, line 41: expected text, got a null char"):
            read_table("t.csv")


def test_a_long_cell_is_read():
    Path("t.csv").write_text("a,b\n" + "x" * 3_000_000 + ",1\ny,2\n")
    assert [len(cell) for cell in read_table("t.csv").texts("a")] == [3_000_000, 1]


# ---- memory ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", ".50"])
def test_a_table_takes_about_as_much_as_its_file(rng, monkeypatch, end):
    """It took some 17 times as much as one Python object for each cell."""
    monkeypatch.setattr(csv_text, "SIZE", 1 << 17)
    rows, width = 40_000, 12
    lines = [",".join(f"{v}{end}" for v in row) for row in rng.integers(0, 10**6, (rows, width))]
    text = ",".join(f"x{i}" for i in range(width)) + "\n" + "\n".join(lines) + "\n"
    Path("t.csv").write_text(text)
    size = len(text)
    del lines, text
    read_table("t.csv")  # imports what is needed
    before = arrow.total_allocated_bytes()
    tracemalloc.start()
    table = read_table("t.csv")
    table.numbers("x3")
    held, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    taken = arrow.total_allocated_bytes() - before
    assert held + taken < 1.6 * size
    assert most + taken < 3 * size
    assert len(table) == rows
