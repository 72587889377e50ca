"""Columns of dates in files and frames, and what the commands say of them."""

import datetime
import re
from pathlib import Path

import numpy as np
import pytest

from densenet.tables import Dates, Features, Table, date_formats, read_chunks
from densenet.tables.date_formats import DateFormat, read_plain
from densenet.tables.encoding.dates import moments
from densenet.tables.model import TableModel
from densenet.tables.notes import notes
from densenet.tables.reading.files import read_table
from tests.support.tables import write

QUICK = ("--epochs", "3", "--no-picture")

pytestmark = pytest.mark.usefixtures("empty_folder")


# ---- files and frames --------------------------------------------------------------------------


@pytest.mark.parametrize("unit", ["D", "s", "ms", "us", "ns"])
def test_moments_of_numpy_are_dates(unit):
    cells = np.array(["2024-02-29", "NaT", "2024-03-01"], f"M8[{unit}]")
    table = Table.from_columns({"when": cells, "wait": cells - cells[0]})
    assert table.texts("when").tolist() == ["2024-02-29", "", "2024-03-01"]
    np.testing.assert_array_equal(table.numbers("wait"), [0, np.nan, 86400])
    assert Dates.fit(table, "when").names[-1] == "when: missing"


def test_frames_csv_and_parquet_are_one(rng):
    pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    seconds = pandas.to_datetime(rng.integers(1e9, 2e9, 50), unit="s")
    frame = pandas.DataFrame(
        {
            "day": seconds.date,
            "moment": seconds,
            "zoned": seconds.tz_localize("UTC").tz_convert("Europe/Berlin"),
            "time": seconds.time,
        }
    )
    frame.loc[3, "moment"] = None
    frame.to_csv("t.csv", index=False)
    frame.to_parquet("t.parquet", index=False)
    tables = [Table.from_columns(frame), read_table("t.csv"), read_table("t.parquet")]
    first = Features.fit(tables[0], frame.columns)
    assert [type(part) for part in first.parts] == [Dates] * 4
    for table in tables:
        assert Features.fit(table, frame.columns) == first
        np.testing.assert_array_equal(first.transform(table), first.transform(tables[0]))
    hours = moments(tables[0], "zoned") - moments(tables[0], "moment")
    assert set(hours[~np.isnat(hours)].tolist()) == {datetime.timedelta(0)}


@pytest.mark.filterwarnings("ignore:Period.* is deprecated:FutureWarning")  # of business days
@pytest.mark.parametrize(
    "frequency",
    [
        *(
            "YE-DEC",
            "YE-MAR",
            "QE-DEC",
            "QE-OCT",
            "ME",
            "2ME",
            "W-SUN",
            "W-WED",
            "W-THU",
            "W-SAT",
            "B",
        ),
        *("D", "5D", "h", "min", "s", "ms", "us", "ns"),
    ],
)
def test_periods_of_pandas_are_the_dates_at_which_they_begin(frequency):
    arrow = pytest.importorskip("pyarrow")
    pandas = pytest.importorskip("pandas")
    try:
        step = pandas.tseries.frequencies.to_offset(frequency)
    except ValueError:  # before 2.2
        step = pandas.tseries.frequencies.to_offset(frequency.replace("E", ""))
    periods = pandas.Series(pandas.period_range("1969-12-27", periods=60, freq=step))
    begin = periods.dt.to_timestamp()
    periods[7] = begin[7] = None
    pandas.DataFrame({"when": periods}).to_parquet("t.parquet")
    expected = Table.from_columns({"when": begin}).texts("when").tolist()
    assert Table.from_columns({"when": periods}).texts("when").tolist() == expected
    assert read_table("t.parquet").texts("when").tolist() == expected
    parts = read_chunks("t.parquet").tables(["when"], rows=25)
    assert [text for part in parts for text in part.texts("when")] == expected
    for column in periods.astype(object), periods.tolist(), periods.array, arrow.array(periods):
        assert Table.from_columns({"when": column}).texts("when").tolist() == expected
    assert read_table("t.parquet").texts("when").tolist() == expected  # Arrow knows the type now


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_moments_in_a_zone_are_one_in_all_frames(unit, rng):
    pandas, polars = pytest.importorskip("pandas"), pytest.importorskip("polars")
    arrow = pytest.importorskip("pyarrow")
    seconds = pandas.Series(pandas.to_datetime(rng.integers(1e9, 2e9, 50), unit="s")).dt.as_unit(
        unit
    )
    zoned = seconds.dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin").copy()
    zoned[3] = None
    frame = pandas.DataFrame({"when": zoned})
    table = arrow.Table.from_pandas(frame, preserve_index=False)
    first = Features.fit(Table.from_columns(frame), frame.columns)
    expected = first.transform(Table.from_columns(frame))
    for other in polars.from_pandas(frame), table, table.to_batches()[0]:
        assert Features.fit(Table.from_columns(other), frame.columns) == first
        np.testing.assert_array_equal(first.transform(Table.from_columns(other)), expected)


@pytest.mark.parametrize("zone", ["Z", "+0100", "-03:30", "+14:00"])
@pytest.mark.parametrize("mark", [" ", "T"])
@pytest.mark.parametrize("fraction", ["", ".5", ".000001"])
def test_moments_with_an_offset_are_read_alike_at_once_and_one_by_one(zone, mark, fraction):
    days = ["0001-01-02", "1969-12-31", "2024-02-29", "9999-12-30"]
    texts = [f"{day}{mark}23:59:59{fraction}{zone}" for day in days]
    counts = [DateFormat(zone=True).read(text) for text in texts]
    assert read_plain(texts, zone=True).astype(np.int64).tolist() == counts
    for other in "2024-02-30 00:00:00Z", "2024-02-29 00:00:00", "2024-02-29 24:00:00Z", "29.2.2024":
        assert read_plain([*texts, other], zone=True) is None


@pytest.mark.parametrize("zone", ["", "+01:00"])
def test_the_cells_of_a_usual_column_are_not_taken_apart(monkeypatch, zone):
    days = np.arange(5000).astype("M8[h]").astype("M8[s]").astype(str).tolist()
    taken_apart, parts = [], date_formats._parts

    def counted(cell):
        taken_apart.append(cell)
        return parts(cell)

    monkeypatch.setattr(date_formats, "_parts", counted)
    table = Table.from_columns({"when": [day + zone for day in days]})
    assert len(moments(table, "when")) == 5000
    assert len(taken_apart) <= 1000  # the sample that tells whether they may be dates


# ---- the command line --------------------------------------------------------------------------


def days(count, spell):
    first = datetime.date(2024, 2, 27)
    return [spell(first + datetime.timedelta(days=i)) for i in range(count)]


@pytest.mark.parametrize(
    ("spell", "note"),
    [
        (datetime.date.isoformat, None),
        (lambda day: f"{day:%d.%m.%Y}", "'when': '01.01.2025' is read as 2025-01-01"),
        (lambda day: f"{day:%m/%d/%Y}", "'when': '01/01/2025' is read as 2025-01-01"),
        (
            lambda day: f"{day}T10:00+01:00",
            "'when': '2024-02-27T10:00+01:00' is read as 2024-02-27 09:00:00 UTC",
        ),
    ],
)
def test_seasons_are_learned(command, spell, note):
    rows = [
        [when, "hot" if 4 <= int(iso[5:7]) <= 9 else "cold"]
        for when, iso in zip(days(400, spell), days(400, str), strict=True)
    ]
    write("t.csv", ["when", "weather"], rows)
    status, out, err = command("fit", "t.csv", "--target", "weather", "--no-picture")
    assert (status, err) == (0, "")
    assert "columns: 0 of numbers, 0 of categories, 1 of dates; 5 features" in out
    assert "dates: when: elapsed time, place in year, week (sine and cosine)\n" in out
    assert [line[6:] for line in out.splitlines() if line.startswith("note: ")] == [note] * bool(
        note
    )
    model = TableModel.load("model.safetensors")
    next_year = Table.from_columns({"when": ["2025-07-01", "2026-01-01"]})
    if note is None:
        assert model.predict(next_year) == ["hot", "cold"]
    out = command("info", "model.safetensors")[1]
    assert re.search(
        r"when  dates  2024-09-\d\d ± 1\d\d\.?\d? days; 2024-09-\d\d where missing", out
    )


@pytest.mark.parametrize("spell", ["%m/%d/%y", "%Y-%m", "%d.%m.%y %H:%M"])
def test_dates_that_may_be_something_else_are_pointed_out(command, rng, spell):
    spelled = days(5, lambda day: f"{day:{spell}}") * 20
    write(
        "t.csv",
        ["when", "x", "y"],
        zip(spelled, rng.normal(size=100), rng.choice(["a", "b"], 100), strict=True),
    )
    out = command("fit", "t.csv", "--target", "y", *QUICK)[1]
    assert "note: 'when' looks like dates, read as mere texts: write them like 2024-12-31" in out


def test_words_among_dates_are_pointed_out(command):
    spelled = [when if i % 5 else "later" for i, when in enumerate(days(100, str))]
    rows = zip(spelled, range(7, 1000, 10), "ab" * 50, strict=False)
    write("t.csv", ["when", "x", "y"], rows)
    out = command("fit", "t.csv", "--target", "y", *QUICK)[1]
    assert (
        "note: 'when': 80% of the cells look like dates, but it is read as text because of 'later' "
        "(--missing takes words as missing)"
    ) in out
    out = command("fit", "t.csv", "--target", "y", "--missing", "later", *QUICK)[1]
    assert (
        "dates: when: elapsed time, place in year, week (sine and cosine), whether missing" in out
    )


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["2024-01-01T10:30Z", "2024-01-01 10:30:05+00:00"], ""),
        (
            ["2024-01-01T10:30Z", "2024-01-01T10:30+01:00"],
            "10:30+01:00' is read as 2024-01-01 09:30",
        ),
        (["2024-01-01 10:30:00", "2024-02-01 00:00:00.5"], ""),
        (["2024-01-01T10", "2024-01-01T11"], ""),
        (["31.1.2024 10:00"] * 2, "'31.1.2024 10:00' is read as 2024-01-31 10:00:00"),
        (["2:30", "10:30"], "'10:30' is read as the time of day 10:30:00"),
        (["2024/01/02", "2024/01/03"], ""),
        (["2024.01.02", "2024-01-03"], "'2024.01.02' is read as 2024-01-02"),
        (["2024-01-02"] * 20 + ["soon"], ""),
    ],
)
def test_only_what_is_not_plain_is_told(cells, said):
    rows = {"when": cells, "y": ["a"] * len(cells)}
    told = notes(Table.from_columns(rows), "y", "classification")
    assert len(told) == bool(said)
    assert said in "".join(told)


def test_dates_to_predict_are_told_of(command):
    write(
        "t.csv",
        ["when", "y"],
        zip(days(100, lambda day: f"{day:%d/%m/%Y}"), ["a", "b"] * 50, strict=True),
    )
    assert command("fit", "t.csv", "--target", "y", *QUICK)[0] == 0
    write("new.csv", ["when"], [["12/31/2024"], [""]])
    err = command("predict", "model.safetensors", "new.csv")[2]
    told = "note: column 'when': '12/31/2024' is read as 2024-12-31, 1 cell missing, taken as 2024-"
    assert told in err


def test_two_meanings_get_one_line(refused, command):
    Path("t.csv").write_text("when,x,y\n" + "1/2/2024,1,a\n2/1/2024,2,b\n" * 20)
    assert "t.csv, column 'when': '1/2/2024' may be 2024-02-01 or 2024-01-02" in refused(
        "fit", "t.csv", "--target", "y", *QUICK
    )
    assert command("fit", "t.csv", "--target", "y", "--ignore", "when", *QUICK)[0] == 0
