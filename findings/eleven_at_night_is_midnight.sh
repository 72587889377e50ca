#!/usr/bin/env bash
# feature-engine 1.9.4, CyclicalFeatures, given frames of pandas 3.1.1.
#
# What happens: the transformer turns a variable into a sine and a cosine of 2 pi times the variable, divided
# by its largest value. Of hours from 0 to 23 that is 23, and the circle closes one hour early: 23 and 0
# are the same point. Of the weekdays that pandas and feature-engine's own DatetimeFeatures give, 0 to 6,
# Sunday is Monday. Minute 59 is minute 0. Months, which begin with 1, are right if there is a December
# among the training rows; if these end in June, June is where December otherwise is. Nobody warns.
#
# What one would expect: as many points as hours. The user guide takes hours 0 to 23 itself, with the
# defaults, says that both together give "each hour a unique codification" and draws "a 24 hour
# clock". The parameter max_values is for a maximum that "is not present in the dataset"; here 23 is,
# and the number to give is 24.
#
# Why it matters: the last hour of the day and the first of the next are the same to any model, and all
# others a little off; a model trained in spring has another circle than one trained in a whole year.
# Say max_values={"hour": 24, "weekday": 7, "month": 12}.
#
# Seen on 2026-11-30, number of distinct points:
#   hours 0 to 23: 23; weekdays 0 to 6: 6; months 1 to 12: 12
#   hour 23 (-0.0, 1.0), hour 0 (0.0, 1.0); with max_values: 24 and 7 points
#   June (0.0, -1.0) after a whole year, (0.0, 1.0) after half of one
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --no-compile --only-binary :all: \
    feature-engine==1.9.4 scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1 pandas==3.1.1
cd "$folder"

env/bin/python -W ignore - <<'PYTHON'
import sys

import pandas as pd
from feature_engine.creation import CyclicalFeatures
from feature_engine.datetime import DatetimeFeatures

times = pd.DataFrame({"at": pd.date_range("2025-01-01", "2025-12-31 23:00", freq="h")})
parts = DatetimeFeatures(features_to_extract=["hour", "day_of_week", "month"]).fit_transform(times)


def points(fitted, name):
    """Give the point on the circle of each value of a variable."""
    places = fitted.transform(parts)[[name, f"{name}_sin", f"{name}_cos"]].drop_duplicates()
    return {int(value): (round(s, 6), round(c, 6)) for value, s, c in places.to_numpy().tolist()}


periods = {"at_hour": 24, "at_day_of_week": 7, "at_month": 12}
default = CyclicalFeatures().fit(parts)
told = CyclicalFeatures(max_values=periods).fit(parts)
counts = {name: len(set(points(default, name).values())) for name in periods}
counts_told = {name: len(set(points(told, name).values())) for name in periods}
hours = points(default, "at_hour")
print("distinct points by default:", counts, "by max_values:", counts_told)
print("hour 0:", hours[0], "hour 23:", hours[23])
half = CyclicalFeatures().fit(parts[parts["at_month"] <= 6])
june = points(default, "at_month")[6], points(half, "at_month")[6]
print("June after a year, after half of one:", *june)

as_recorded = (
    list(counts.values()) == [23, 6, 12]
    and list(counts_told.values()) == [24, 7, 12]
    and hours[0] == hours[23] == (0, 1)
    and june == ((0, -1), (0, 1))
)
if not as_recorded:
    sys.exit("Changed: each hour has a point of its own.")
print("As recorded: eleven at night is midnight, and Sunday is Monday.")
PYTHON
