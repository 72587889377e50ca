"""Dates and times: which columns hold them, what they mean, and the features that they become."""

import datetime
import json
import re

import numpy as np
import pytest

from densenet.tables import Dates, Features, Table
from densenet.tables.encoding.dates import moments


def of(*cells):
    return Table.from_columns({"when": list(cells)})


def read(*cells):
    """Read cells as dates, None where missing."""
    return moments(of(*cells), "when").tolist()


def moment(text):
    return datetime.datetime.fromisoformat(text)


# ---- what a cell means -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "meant"),
    [
        (["2024-02-29", "", "-"], ["2024-02-29", None, None]),
        (
            ["2024-02-29T10:30", "2024-02-29 10:30:05.25"],
            ["2024-02-29T10:30", "2024-02-29T10:30:05.250"],
        ),
        (["2024-02-29T10", "2024-02-29 9 PM"], ["2024-02-29T10:00", "2024-02-29T21:00"]),
        (["2024-02-29 10:30:05.123456789"], ["2024-02-29T10:30:05.123456"]),
        (["2024/2/9", "2024.12.31"], ["2024-02-09", "2024-12-31"]),
        (["31/12/2024", "1/2/2024"], ["2024-12-31", "2024-02-01"]),
        (["12/31/2024", "1/2/2024"], ["2024-12-31", "2024-01-02"]),
        (["31-12-2024 08:00", "01-02-2024 09:00"], ["2024-12-31T08:00", "2024-02-01T09:00"]),
        (["1.2.2024", "3.4.2024"], ["2024-02-01", "2024-04-03"]),  # nobody writes the month first
        (["12.31.2024", "3.4.2024"], ["2024-12-31", "2024-03-04"]),  # but one who does
        (["31/12/2024", "2024-01-02"], ["2024-12-31", "2024-01-02"]),
        (["5/5/2024", "6/6/2024"], ["2024-05-05", "2024-06-06"]),
        (["12/31/2024 12:05 AM", "1/2/2024 1:05 pm"], ["2024-12-31T00:05", "2024-01-02T13:05"]),
        (["2024-01-01T00:30Z", "2024-01-01 00:30:00 UTC"], ["2024-01-01T00:30"] * 2),
        (
            ["2024-01-01T00:30+01:00", "2024-01-01T00:30-0530", "2024-01-01T00:30+02"],
            ["2023-12-31T23:30", "2024-01-01T06:00", "2023-12-31T22:30"],
        ),
        (["9:30", "23:59:59"], ["1970-01-01T09:30", "1970-01-01T23:59:59"]),
    ],
)
def test_dates_with_one_meaning(cells, meant):
    assert read(*cells) == [text and moment(text) for text in meant]


@pytest.mark.parametrize(
    "cells",
    [
        ["2023-02-29", "2023-02-30"],
        ["13/13/2024"],
        ["0000-00-00"],
        ["2024-01-01 24:00:00"],
        ["2024-01-01 10:60"],
        ["25:10", "9:30"],  # a duration
        ["1/2/24", "3/4/24"],
        ["2024-01-01", "soon"],
        ["20240101"],
        ["10", "11"],
        ["9 AM"],
        ["2024", "2024-01"],
        ["1.2.3.4"],
        ["123-45-6789"],
        ["2024-01-01", "9:30"],
        ["31/12/2024", "12/31/2024"],
        ["2024-01-01Z"],
        ["2024-01-01 10:30+25:00"],
        ["", ""],
        ["-"],
    ],
)
def test_what_is_no_date_stays_what_it_was(cells):
    assert of(*cells).date_guesses == {}


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            ["01/02/2024", "5/5/2024"],
            "'01/02/2024' may be 2024-02-01 or 2024-01-02: write the year",
        ),
        (["1-2-2024 10:00", "1-1-2024 10:00"], "may be 2024-02-01 10:00:00 or 2024-01-02 10:00:00"),
        (["2024-01-01T10:00Z", "2024-01-01T10:00"], "offset from UTC in all times or in none, got"),
        (["2024-01-01T10:00Z"] * 50 + ["2024-01-01"], "'2024-01-01T10:00Z' and '2024-01-01'"),
        (
            ["2024-01-01"] * 20 + ["soon"],
            "row 21, column 'when': expected a date, got 'soon': corr",
        ),
        (
            ["2023-02-28"] * 20 + ["2023-02-29"],
            "row 21, column 'when': expected a date, got '2023-02-",
        ),
        (["9:30"] * 20 + ["25:30"], "row 21, column 'when': expected a time of day, got '25:30'"),
    ],
)
def test_what_may_mean_two_things_is_asked_about(cells, message):
    table = Table.from_columns({"when": cells, "x": range(len(cells))})
    with pytest.raises(ValueError, match="column 'when': .*" + re.escape(message[-20:])) as caught:
        Features.fit(table, ["when", "x"])
    assert message in str(caught.value)
    Features.fit(table, ["x"])  # a column that is not used is not asked about
    if len(set(cells)) > 1:
        Features.fit(table, ["when"], text=["when"])


def test_the_table_tells_what_one_of_its_columns_leaves_open():
    cells = {"a": ["1/2/2024", "3/4/2024"], "b": ["12/31/2024", "1/1/2024"]}
    assert moments(Table.from_columns(cells), "a").astype("M8[D]").astype(str).tolist() == [
        "2024-01-02",
        "2024-03-04",
    ]
    cells["c"] = ["31/12/2024", "1/1/2024"]
    with pytest.raises(ValueError, match="column 'a': '1/2/2024' may be"):
        moments(Table.from_columns(cells), "a")
    cells = {"a": ["1/2/2024", "3/4/2024"], "b": ["5/5/2024", "1/1/2024"]}
    with pytest.raises(ValueError, match="column 'a': '1/2/2024' may be"):
        moments(Table.from_columns(cells), "a")


def test_rows_held_out_tell_the_order_of_all():
    table = of("1/2/2024", "3/4/2024", "31/12/2024").take([0, 1])
    assert moments(table, "when").astype("M8[D]").astype(str).tolist() == [
        "2024-02-01",
        "2024-04-03",
    ]


# ---- other tables ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("trained", "asked", "meant"),
    [
        (["31/12/2024", "1/1/2024"], ["1/2/2024"], "2024-02-01"),  # what training tells
        (["12/31/2024", "1/1/2024"], ["1/2/2024"], "2024-01-02"),
        (["12.31.2024", "1.1.2024"], ["1.2.2024"], "2024-01-02"),
        (["31/12/2024", "1/1/2024"], ["12/30/2024"], "2024-12-30"),  # what the table tells itself
        (["31/12/2024", "1/1/2024"], ["2024-02-01"], "2024-02-01"),
        (["2024-01-02", "2024-01-01"], ["31/12/2024"], "2024-12-31"),
        (["2024-01-02", "2024-01-01"], ["1.2.2024"], "2024-02-01"),
        (
            ["2024-01-02", "2024-01-01"],
            [np.datetime64("2024-02-01T12:00", "ns")],
            "2024-02-01T12:00",
        ),
        (
            ["2024-01-01T10:00Z", "2024-01-02T10:00Z"],
            ["2024-01-01T10:00+01:00"],
            "2024-01-01T09:00",
        ),
    ],
)
def test_rows_to_predict_are_read_as_those_of_training(trained, asked, meant):
    spec = Dates.fit(of(*trained), "when")
    again = Features.from_json(json.loads(json.dumps(Features((spec,)).to_json()))).parts[0]
    days = np.datetime64(meant, "us").astype(int) / 86_400e6
    for one in spec, again:
        got = one.transform(Table.from_columns({"when": np.array(asked)}))[:, 0]
        np.testing.assert_allclose(got * one.scale + one.mean, days, rtol=1e-6)


@pytest.mark.parametrize(
    ("trained", "asked", "message"),
    [
        (["2024-01-02", "2024-01-01"], ["1/2/2024"], "'1/2/2024' may be 2024-02-01 or 2024-01-02"),
        (
            ["2024-01-01T10:00Z", "2024-01-02T10:00Z"],
            ["2024-01-01T10:00"],
            "expected a date with an off",
        ),
        (
            ["2024-01-01T10:00", "2024-01-02T10:00"],
            ["2024-01-01T10:00Z"],
            "got a date with an offset",
        ),
        (
            ["2024-01-02", "2024-01-01"],
            ["10:30"],
            "expected a date, as in the training rows, got a time",
        ),
        (
            ["10:30", "9:30"],
            ["2024-01-01"],
            "expected a time of day, as in the training rows, got a da",
        ),
        (
            ["2024-01-02", "2024-01-01"],
            ["soon"],
            "row 1, column 'when': expected a date, got 'soon'",
        ),
        (["2024-01-02", "2024-01-01"], [5.0], "row 1, column 'when': expected a date, got '5'"),
    ],
)
def test_rows_to_predict_that_may_mean_something_else(trained, asked, message):
    spec = Dates.fit(of(*trained), "when")
    with pytest.raises(ValueError, match="column 'when': ") as caught:
        spec.transform(of(*asked))
    assert message in str(caught.value)


def test_surprises():
    spec = Dates.fit(of("31/12/2024", "1/1/2024"), "when")
    assert spec.surprise(of("1/2/2024")) == ""
    assert spec.surprise(of("12/31/2024")) == "'12/31/2024' is read as 2024-12-31"
    assert spec.surprise(of("", "2024-01-01", "")) == "2 cells missing, taken as 2024-07-01"
    assert spec.surprise(of("", "")) == "2 cells missing, taken as 2024-07-01"
    spec = Dates.fit(of("2024-01-01 10:00:00", "2024-01-01 10:00:01", ""), "when")
    assert (
        spec.surprise(of("", "2025-01-01"))
        == "1 cell cut off at 1000 standard deviations from the mean"
    )
    assert spec.transform(of("2025-01-01"))[0, 0] == 1000
    assert (
        Dates.fit(of("9:30", "10:30", "11:30"), "when").surprise(of("")).endswith("taken as 10:30")
    )


# ---- features ----------------------------------------------------------------------------------


def test_places_in_cycles_are_those_of_the_calendar(rng):
    first = datetime.datetime(1965, 1, 1)
    dates = [first + datetime.timedelta(seconds=float(s)) for s in rng.uniform(0, 3e8, 200)]
    table = of(*map(str, dates))
    spec = Dates.fit(table, "when")
    assert spec.names[1:] == [
        f"when: {cycle} {f}" for cycle in ("year", "week", "day") for f in ("sin", "cos")
    ]
    places = []
    for date in dates:
        begin, end = (datetime.datetime(year, 1, 1) for year in (date.year, date.year + 1))
        midnight = datetime.datetime.combine(date, datetime.time())
        day = (date - midnight) / datetime.timedelta(days=1)
        places.append([(date - begin) / (end - begin), date.weekday() / 7, day])
    angles = 2 * np.pi * np.array(places)
    x = spec.transform(table)
    np.testing.assert_allclose(x[:, 1::2], np.sin(angles), atol=1e-6)
    np.testing.assert_allclose(x[:, 2::2], np.cos(angles), atol=1e-6)
    seconds = np.array([(date - first).total_seconds() for date in dates])
    np.testing.assert_allclose(x[:, 0], (seconds - seconds.mean()) / seconds.std(), atol=1e-5)


@pytest.mark.parametrize(
    ("cells", "cycles"),
    [
        (["2023-01-05", "2024-01-04"], ()),  # two Thursdays
        (["2024-01-01", "2024-01-08", "2024-02-05"], ("year",)),
        (["2024-01-01", "2024-01-02"], ("week",)),
        (["2024-01-01 10:00:00", "2024-01-01 10:00:01"], ("day",)),
        (["10:00", "11:00"], ("day",)),
        (["2024-01-01T23:30+00:00", "2024-01-02T00:30+01:00", "2024-01-08T23:30Z"], ()),
    ],
)
def test_only_what_varies_is_a_feature(cells, cycles):
    spec = Dates.fit(of(*cells), "when")
    assert spec.cycles == cycles
    assert (
        spec.transform(of(*cells)).shape
        == (len(cells), len(spec.names))
        == (len(cells), 1 + 2 * len(cycles))
    )


@pytest.mark.parametrize(("impute", "fill"), [("median", "2024-01-02"), ("mean", "2024-01-04")])
def test_missing_dates_are_filled_and_flagged(impute, fill):
    table = of("2024-01-01", "", "2024-01-02", "2024-01-09", "")
    spec = Dates.fit(table, "when", impute)
    assert spec.spell(spec.fill) == fill
    x = spec.transform(table)
    assert spec.names[-1] == "when: missing"
    assert x[:, -1].tolist() == [0, 1, 0, 0, 1]
    assert np.all(x[[1, 4], 1:-1] == 0)
    np.testing.assert_allclose(x[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(x[:, 0].std(), 1, atol=1e-6)
    assert spec.transform(of("", "")).tolist() == [x[1].tolist()] * 2


def test_columns_of_dates_without_use_are_left_out():
    table = Table.from_columns({"a": ["2024-01-01", "2024-01-01T00:00"], "x": [1, 2]})
    assert Features.fit(table, ["a", "x"]).left_out == {"a": "constant"}
    with pytest.raises(ValueError, match="column 'a': expected dates, got none"):
        Dates.fit(Table.from_columns({"a": ["", ""]}), "a")
    with pytest.raises(ValueError, match="'a': expected a date, got 'x'"):
        Dates.fit(Table.from_columns({"a": ["x", ""]}), "a")


@pytest.mark.parametrize(
    "wrong",
    [
        {"cycles": ["month"]},
        {"cycles": ["day", "day"]},
        {"cycles": "day"},
        {"missing": 1},
        {"format": {"order": "year first"}},
        {"format": {"zone": 1}},
        {"format": {"century": 20}},
        {"format": None},
        {"mean": 1e300},
        {"fill": float("nan")},
        {"scale": 0.0},
        {"column": 5},
    ],
)
def test_other_json_is_refused(wrong):
    part = Features((Dates.fit(of("2024-01-01", "2024-01-02"), "when"),)).to_json()["parts"][0]
    with pytest.raises(ValueError, match="expected"):
        Features.from_json({"parts": [{**part, **wrong}], "left_out": {}})
