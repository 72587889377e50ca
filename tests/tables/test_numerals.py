"""Numbers as people write them: recognised where they have one meaning, and else asked about."""

import re
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Table
from densenet.tables.model import TableModel
from densenet.tables.numerals import Numerals
from densenet.tables.reading.files import read_table

pytest.importorskip("pyarrow")

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


def table(text, name="t.csv", encoding="utf-8", **options):
    Path(name).write_text(text, encoding=encoding)
    return read_table(name, **options)


def german(value, digits=2):
    return f"{value:,.{digits}f}".translate(str.maketrans(",.", ".,"))


def columns(file, delimiter, *, header, **values):
    """Write columns, their cells quoted where they hold the delimiter."""

    def quoted(cell):
        return f'"{cell}"' if delimiter in str(cell) else str(cell)

    lines = [delimiter.join(values)] if header else []
    rows = zip(*values.values(), strict=True)
    lines += [delimiter.join(map(quoted, row)) for row in rows]
    Path(file).write_text("\n".join(lines) + "\n", encoding="utf-8")


# ---- what has one meaning ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "numbers"),
    [
        (["3,14", "2", "-0,5"], [3.14, 2, -0.5]),
        (["1.234,50", "12,00"], [1234.5, 12]),
        (["1,234.50", "12"], [1234.5, 12]),
        (["1,234,567", "12"], [1234567, 12]),
        (["1.234.567", "12"], [1234567, 12]),
        (["12,34,567", "1,23,456"], [1234567, 123456]),
        (["1 234 567", "12"], [1234567, 12]),
        (["1\u00a0234,5", "1\u202f000", "12"], [1234.5, 1000, 12]),
        (["1'234.5", "1’000"], [1234.5, 1000]),
        (["0,123", "1,234"], [0.123, 1.234]),
        (["52%", "3.5 %", "-7%"], [52, 3.5, -7]),
        (["52,5%", "3 %"], [52.5, 3]),
        (["$1,234.50", "-$3", "$-4"], [1234.5, -3, -4]),
        (["3,50 €", "4 €"], [3.5, 4]),
        (["−5", "3"], [-5, 3]),
        (["1,5e3", "2,5E-1"], [1500, 0.25]),
        (["3,14", "-", ""], [3.14, np.nan, np.nan]),
    ],
)
def test_numbers_with_one_meaning(cells, numbers):
    found = Table.from_columns({"x": cells})
    assert not found.is_text("x")
    np.testing.assert_array_equal(found.numbers("x"), numbers)
    assert found.texts("x").tolist() == cells  # an id is written as it was


@pytest.mark.parametrize(
    "cells",
    [
        ["12.05.2023", "13.06.2023"],
        ["192.168.100.200", "10.0.0.1"],
        ["1,2,3", "4,5"],
        ["1.5", "2,5,1"],
        ["a,5", "b,6"],
        ["1,234,56", "1"],
        ["555-1234", "555-9876"],
        ["$", "$$"],
        ["5% off", "7% off"],
        ["about 5%", "1"],
    ],
)
def test_what_is_no_number_stays_text(cells):
    assert Table.from_columns({"x": cells * 3}).is_text("x")


def test_the_table_tells_what_one_of_its_columns_leaves_open():
    found = table("a;b;c\n1,5;1,250;1\n2,5;3,900;2\n")
    np.testing.assert_array_equal(found.numbers("b"), [1.25, 3.9])
    np.testing.assert_array_equal(found.numbers("c"), [1, 2])
    found = table('a;b\n"1,234.5";1,250\n"2,000.0";3,900\n')
    np.testing.assert_array_equal(found.numbers("b"), [1250, 3900])


def test_a_comma_among_commas_is_between_thousands():
    found = table('a,b\n"55,639",x\n907,y\n"1,203",z\n')
    np.testing.assert_array_equal(found.numbers("a"), [55639, 907, 1203])


def test_a_comma_among_decimal_commas_is_one_beside_decimal_points(rng):
    found = table('a,b,c\n"1,5",1.5,"1,250"\n"2,5",2.5,"3,900"\n')
    np.testing.assert_array_equal(found.numbers("a"), [1.5, 2.5])
    np.testing.assert_array_equal(found.numbers("b"), [1.5, 2.5])
    np.testing.assert_array_equal(found.numbers("c"), [1.25, 3.9])


def test_commas_of_both_kinds_leave_a_third_open():
    found = table("a;b;c\n1,5;1,234,567;1,250\n2,5;1,000,000;3,900\n")
    np.testing.assert_array_equal(found.numbers("a"), [1.5, 2.5])
    np.testing.assert_array_equal(found.numbers("b"), [1234567, 1000000])
    with pytest.raises(ValueError, match=r"column 'c': '1,250' may be 1\.25 or 1250"):
        found.numbers("c")


def test_dots_for_a_gap_are_no_decimals():
    found = table("a;b\n..;1,5\n5;2,5\n")
    np.testing.assert_array_equal(found.numbers("a"), [np.nan, 5])
    np.testing.assert_array_equal(found.numbers("b"), [1.5, 2.5])


def test_decimals_of_three_digits_are_decimals():
    found = table("a,b\n100.123,1.5\n99.125,2\n100.500,3\n")
    np.testing.assert_array_equal(found.numbers("a"), [100.123, 99.125, 100.5])


@pytest.mark.parametrize("header", [True, False])
@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_are_not_taken_for_delimiters(header, delimiter):
    columns("t.csv", delimiter, header=header, a=["1,5", "2,5"], b=["3,5", "4,5"], c=["5,5", "6,5"])
    found = read_table("t.csv", header=header)
    assert len(found.columns) == 3
    for name, numbers in zip(found.columns, ([1.5, 2.5], [3.5, 4.5], [5.5, 6.5]), strict=True):
        np.testing.assert_array_equal(found.numbers(name), numbers)


# ---- what has two ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a;b\n1,234;x\n2,345;y\n", "'1,234' may be 1.234 or 1234: decimal or thousands says"),
        ("a;b\n1,5;1.234\n2,5;2.345\n", "'1.234' may be 1.234 or 1234: decimal or"),
        ("a,b\n1.234,1\n5.600,2\n7.890,3\n907,4\n", "'1.234' may be 1.234 or 1234"),
        ("a,b\n52%,1\n3,2\n", "expected % in all numbers or in none, got '52%' and '3'"),
        ("a,b\n$5,1\n6,2\n$7,1\n", "expected $ in all numbers or in none, got '$5' and '6'"),
    ],
)
def test_two_meanings_are_asked_about(text, message):
    found = table(text)
    doubtful = [
        name for name in found.columns if name in found.guesses and found.guesses[name].doubt
    ]
    assert len(doubtful) == 1
    for question in found.is_text, found.numbers:
        with pytest.raises(ValueError, match=re.escape(message)) as caught:
            question(doubtful[0])
        assert str(caught.value).startswith(f"t.csv, column {doubtful[0]!r}: ")
    assert len(found.texts(doubtful[0])) == len(found)


def test_a_column_that_is_not_used_is_not_asked_about(command, refused):
    cells = [f"{1 + i % 9},{100 + i}" for i in range(60)]
    columns("t.csv", ";", header=True, a=cells, x=np.arange(60) ** 2, y=["u", "v"] * 30)
    assert "column 'a': '1,100' may be" in refused("fit", "t.csv", "--target", "y", *QUICK)
    for option in ("--ignore", "a"), ("--id", "a"), ("--text", "a"):
        assert command("fit", "t.csv", "--target", "y", *option, *QUICK)[0] == 0


@pytest.mark.parametrize(
    ("options", "numbers"),
    [
        ({"decimal": ","}, [1.234, 2.345]),
        ({"decimal": "."}, [1234, 2345]),
        ({"thousands": ","}, [1234, 2345]),
        ({"thousands": "."}, [1.234, 2.345]),
        ({"decimal": ",", "thousands": " "}, [1.234, 2.345]),
    ],
)
def test_marks_may_be_told(options, numbers):
    found = table("a;b\n1,234;x\n2,345;y\n", **options)
    np.testing.assert_array_equal(found.numbers("a"), numbers)


def test_marks_that_are_told_are_kept_to():
    found = table("a;b\n1.25;x\n2.50;y\n", decimal=",")
    with pytest.raises(ValueError, match=r"expected numbers with the decimal mark ',', got '1.25'"):
        found.numbers("a")
    np.testing.assert_array_equal(table("a\n1·5\n", decimal="·").numbers("a"), [1.5])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"decimal": ""}, "decimal: expected one character, got ''"),
        ({"decimal": "5"}, "decimal: expected a mark, not a letter, digit or sign, got '5'"),
        ({"thousands": "::"}, "thousands: expected one character, got '::'"),
        ({"decimal": ".", "thousands": "."}, "thousands: expected another mark than '.'"),
        ({"decimal": "-"}, "decimal: expected a mark"),
    ],
)
def test_other_marks_are_refused(command, options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        table("a\n1\n", **options)
    arguments = [f"--{name}={mark}" for name, mark in options.items()]
    status, out, err = command("fit", "t.csv", "--target", "a", *arguments, *QUICK)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


# ---- training and predicting -------------------------------------------------------------------


def test_a_semicolon_table_is_learned_from_like_any_other(command, rng):
    """The same numbers with decimal points and with commas make the same model."""
    x = rng.normal(0, 2000, (400, 3)).round(2)
    y = (x @ [1, -2, 0.5] + 1e5).round(2)
    names = ["a", "b", "c"]
    values = {name: [f"{v:.2f}" for v in col] for name, col in zip(names, x.T, strict=True)}
    columns("dot.csv", ",", header=True, **values, y=[f"{v:.2f}" for v in y])
    values = {name: [german(v) for v in col] for name, col in zip(names, x.T, strict=True)}
    columns("comma.csv", ";", header=True, **values, y=[german(v) for v in y])
    status, dot, _ = command("fit", "dot.csv", "--target", "y", "--out", "d.safetensors", *QUICK)
    assert status == 0
    status, comma, _ = command(
        "fit", "comma.csv", "--target", "y", "--out", "c.safetensors", *QUICK
    )
    assert status == 0
    assert "task: regression" in comma
    assert comma.split("\n\n")[2] == dot.split("\n\n")[2]  # the scores
    assert re.search(r"note: 'a': '-?\d\.\d{3},\d\d' is read as -?\d{4}", comma)
    assert re.search(r"note: 'y': '[\d.]+,\d\d' is read as \d+", comma)
    assert "is read as" not in dot
    answers = []
    for model in "d.safetensors", "c.safetensors":
        for asked in "dot.csv", "comma.csv":
            status, _, err = command("predict", model, asked, "--out", "p.csv")
            assert status == 0
            told = re.search(r"note: column 'a': '-?\d\.\d{3},\d\d' is read as -?\d{4}", err)
            assert bool(told) == (model == "d.safetensors" and asked == "comma.csv")
            answers.append(Path("p.csv").read_text())
    assert len(set(answers)) == 1


@pytest.mark.parametrize(
    ("trained", "asked", "meant"),
    [
        (["3,14", "2,5"], ["1,234"], [1.234]),  # what training tells
        (["1,234.5", "2,000.1"], ["1,234"], [1234]),
        (["3.5", "2.5"], ["1,5"], [1.5]),  # what the table tells itself
        (["3,5", "2,5"], ["1.5"], [1.5]),
        (["1.234,5", "7,5"], ["1.234"], [1234]),
        (["52%", "3%"], ["7%"], [7]),
    ],
)
def test_rows_to_predict_are_read_as_those_of_training(trained, asked, meant):
    from densenet.tables.encoding.columns import Numbers
    from densenet.tables.encoding.features import Features

    spec = Numbers.fit(Table.from_columns({"x": trained}), "x")
    again = Features.from_json(Features((spec,)).to_json()).parts[0]
    table = Table.from_columns({"x": asked})
    for one in spec, again:
        got = one.transform(table)[:, 0] * one.scale + one.mean
        np.testing.assert_allclose(got, meant, rtol=1e-5)


@pytest.mark.parametrize(
    ("trained", "asked", "message"),
    [
        (["52%", "3%"], ["0.52"], "expected numbers with %, as in the training rows, got without"),
        (["52%", "3%"], [0.52], "expected numbers with %, as in the training rows, got without"),
        (["52", "3"], ["7%"], "expected numbers without a sign, as in the training rows, got with"),
        (["$5", "$6"], ["5 €"], "expected numbers with $, as in the training rows, got with €"),
        (["3,14", "2,5"], ["1.234"], "dots may stand before decimals or between thousands"),
        (["3.14", "2.5"], ["1,234"], "'1,234' may be 1.234 or 1234"),
    ],
)
def test_rows_to_predict_that_may_mean_something_else(trained, asked, message):
    from densenet.tables.encoding.columns import Numbers
    from densenet.tables.encoding.targets import Values

    for kind in Numbers, Values:
        spec = kind.fit(Table.from_columns({"x": trained}), "x")
        with pytest.raises(ValueError, match="column 'x': .*" + re.escape(message)):
            (spec.transform if kind is Numbers else spec.encode)(Table.from_columns({"x": asked}))


def test_percentages_are_numbers_and_classes_are_compared_as_such(command, rng):
    shares = rng.integers(1, 99, 200)
    columns(
        "t.csv",
        ";",
        header=True,
        share=[f"{s}%" for s in shares],
        y=["1,0" if s > 50 else "2,5" for s in shares],
    )
    options = ("--target", "y", "--task", "classification")
    status, out, _ = command("fit", "t.csv", *options, "--no-picture")
    assert status == 0
    assert "columns: 1 of numbers, 0 of categories" in out
    assert re.search(r"note: 'share': '\d\d%' is read as \d\d", out)
    assert TableModel.load("model.safetensors").target.values == ("1.0", "2.5")
    columns("q.csv", ",", header=True, share=["90%", "10%"], y=["1", "2.50"])
    out = command("predict", "model.safetensors", "q.csv", "--score")[1]
    assert re.search(r"^accuracy +100\.00%$", out, flags=re.MULTILINE)


@pytest.mark.parametrize("unit", [" kg", "°C", "h", " Mio."])
def test_other_signs_are_pointed_out(command, rng, unit):
    values = [f"{v:.1f}{unit}" for v in rng.uniform(1, 9, 200)]
    columns("t.csv", ",", header=True, a=values, x=range(200), y=["u", "v"] * 100)
    status, out, _ = command("fit", "t.csv", "--target", "y", *QUICK)
    assert status == 0
    assert re.search(r"note: 'a': cells such as '.*' are read as texts, not as numbers", out)


@pytest.mark.parametrize("word", ["unknown", "tbd", "n.b."])
def test_words_among_decimal_commas_are_pointed_out(command, rng, word):
    values = [word if i % 6 == 0 else german(v) for i, v in enumerate(rng.uniform(1, 9, 200))]
    columns("t.csv", ";", header=True, a=values, z=rng.normal(size=200), y=["u", "v"] * 100)
    out = command("fit", "t.csv", "--target", "y", *QUICK)[1]
    assert re.search(rf"note: 'a': cells such as '\d,\d\d' are .* because of '{word}' \(--mis", out)
    out = command("fit", "t.csv", "--target", "y", "--missing", word, *QUICK)[1]
    assert "columns: 2 of numbers, 0 of categories" in out


def test_numerals_are_refused():
    for wrong in {"decimal": 1}, {"unit": "kg"}, {"thousands": "."}, {"decimal": None}:
        with pytest.raises(ValueError, match="expected"):
            Numerals(**wrong)


@pytest.mark.parametrize("marks", [",.", ", ", ",", ".,", ".'", "·"])
def test_long_columns_with_marks_are_read_as_cell_by_cell(rng, marks):
    """Most are read at once by pyarrow; a text among them, and each is read by itself."""
    decimal, thousands = marks[0], marks[1:]
    swap = str.maketrans(",.", f"{thousands or '_'}{decimal}")
    numbers = rng.normal(0, 10**5, 1500).round(3)
    cells = [f"{v:,.3f}".translate(swap).replace("_", "") for v in numbers]
    cells[:4] = [f"5{decimal}", f"−7{decimal}5", f"+{decimal}25", f"1{decimal}5e3"]
    numbers[:4] = [5, -7.5, 0.25, 1500]
    numerals = Numerals(decimal, thousands)
    for extra in [], ["x"], ["-", ""]:
        write = "\n".join(f'"{cell}"' for cell in ["c", *cells, *extra])
        found = table(write, delimiter=";", decimal=decimal, thousands=thousands or None)
        values, others = found.columns.parse("c", numerals)
        np.testing.assert_array_equal(values[:1500], numbers)
        assert np.isnan(values[1500:]).all()
        assert (0 if others is None else others.sum()) == (extra == ["x"])
