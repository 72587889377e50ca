"""A table with all that is awkward, models of it, and the raw rows that exported models get."""

import subprocess
from dataclasses import replace

import numpy as np

import densenet as dn
from densenet.exchange import table_to_c
from densenet.tables import Categories, Classes, Dates, Features, Table, TableModel, Values
from densenet.tables.cells import index_of
from densenet.tables.encoding.dates import moments
from tests.support.c import build

NAMES = [
    'say "hi"',
    "back\\slash\\",
    "what??/ and ??!",
    "größe \u65e5\u672c",
    "*/ // /*",
    "%d\n\t\x7f1",
    "$name ${NAME}",
]
"""Names of classes and categories that a language might read in its own way."""

COLUMNS = [
    "age",
    "Age",
    "class",
    "probabilities",
    "value",
    "model/Concat_0",
    *NAMES,
    "2 of 3",
    "日",
]


def awkward_table(rng, count=200):
    """A table with gaps, categories and names of all sorts, numbers far from zero, a constant."""
    cells = {
        "constant": np.ones(count),
        "huge": 1e15 + rng.integers(-9, 9, count),
        "vast": rng.choice([-1.7e308, 1.7e308, 0, 5], count),
        "two": rng.choice([0.5, 2.5], count),
        "two or none": rng.choice([0.5, 2.5, np.nan], count),
    }
    for i, name in enumerate(COLUMNS):
        if i % 2:
            cells[name] = rng.choice([*NAMES, ""][: 3 + i % 6], count).astype(object)
        else:
            cells[name] = np.where(rng.random(count) < 0.1, np.nan, rng.normal(size=count) + i)
    cells["Age"][0] = "rare"  # one more feature, for others
    cells |= awkward_dates(rng, count)
    cells["flag"] = rng.choice(["1", "0", ""], count).astype(object)
    return Table.from_columns(cells)


def surprising_table(rng, train, count=60):
    """Rows that training did not have: extreme numbers, gaps, unknown categories."""
    extreme = [np.nan, 0.0, 1e308, -1e308, 5e-324, 1e15, 3e38, -1e5]
    cells = awkward_dates(rng, count)
    cells["when"][::5] = cells["zone"][::6] = ""
    for name, known in train.columns.items():
        if name in cells:
            continue
        if known.dtype == object:
            cells[name] = rng.choice([*known, "unknown", "", "1.0"], count).astype(object)
        else:
            cells[name] = np.where(
                rng.random(count) < 0.3, rng.choice(extreme, count), rng.choice(known, count)
            )
    return Table.from_columns(cells)


def awkward_dates(rng, count):
    """Dates, times of day and dates with offsets, of which some have gaps."""
    days = np.datetime64("1890-01-01", "s") + rng.integers(0, 8_000_000_000, count)
    times = rng.integers(0, 86_400, count).astype("M8[s]").astype(str)
    cells = {
        "when": [*EDGES, *days.astype(str)[len(EDGES) :]],
        "day": days.astype("M8[D]").astype(str),
        "time": [text[11:] for text in times],
        "zone": [f"{text}+02:00" for text in days.astype(str)],
    }
    dates = {name: np.array(texts, object) for name, texts in cells.items()}
    dates["day"][::7] = dates["time"][::9] = ""
    return dates


EDGES = [
    *("0001-01-01T00:00:00", "0004-12-31T23:59:59", "1600-02-29T12:00:00", "1969-12-31T23:59:59"),
    *("1899-12-31T23:59:59", "1900-01-01T00:00:00", "1900-12-31T23:59:59", "1970-01-01T00:00:00"),
    *("2000-12-31T23:59:59", "2001-01-01T00:00:00", "2024-12-31T00:00:00", "9999-12-31T23:59:59"),
    *("2023-12-31T00:00:00", "2024-02-29T18:00:00", "2100-12-31T23:59:59", "2101-01-01T00:00:00"),
]
"""Where a year, a leap year or a century begins or ends."""

TARGETS = {"classes": Classes("which ??/ */", tuple(NAMES)), "values": Values("price", 1e6, 250.0)}


def model_of(features, target, layers=None, dtype="float32", loss=None, count=1):
    """A model with networks of random weights."""
    width = len(features.names)
    if loss is None:
        loss = dn.SoftmaxCrossEntropy() if isinstance(target, Classes) else dn.MeanSquaredError()
    layers = layers or [dn.Linear(width, 9), dn.Tanh(), dn.Linear(9, target.outputs)]
    networks = tuple(dn.Network(layers, loss, dtype=dtype, seed=seed) for seed in range(count))
    for seed, network in enumerate(networks):
        rng = np.random.default_rng(seed)
        network.flat[...] = rng.normal(scale=0.3, size=network.flat.size)
    return TableModel(networks, features, target)


def awkward_model(train, kind, dtype="float32", pieces=0, count=1):
    """A model of all columns but the constant one."""
    features = Features.fit(train, train.columns, text=["flag"], pieces=pieces)
    assert set(features.left_out) == {"constant"}
    return model_of(features, TARGETS[kind], dtype=dtype, count=count)


def with_threshold(model, table, index):
    """The model with a threshold for one of two classes, at which the rows of a table part."""
    shares = model.predict_proba(table)[:, index]
    threshold = (index, float(np.quantile(shares, 0.8)))
    return replace(model, target=replace(model.target, threshold=threshold))


def raw(model, table):
    """Each column's cells as exported models take them: numbers, or codes of categories."""
    cells = {}
    for part in model.features.parts:
        if isinstance(part, Categories):
            index = index_of(part.values, part.compared)
            codes = [index(name) for name in table.names(part.column).tolist()]
            cells[part.column] = np.array(codes, np.int64)
        elif isinstance(part, Dates):
            when = moments(table, part.column, part.format)
            days = when.astype(np.int64) / 86_400_000_000
            cells[part.column] = np.where(np.isnat(when), np.nan, days)
        else:
            cells[part.column] = table.numbers(part.column, part.numerals)
    return cells


def deviations(model, predictions):
    """Probabilities as they are, and values as the network sees them, (rows, outputs)."""
    predictions = np.asarray(predictions).reshape(len(predictions), -1)
    if isinstance(model.target, Classes):
        return predictions
    return (predictions - model.target.mean) / model.target.scale


def assert_predictions(model, actual, table):
    """Compare with what densenet predicts.

    Sums are of up to 1,000 times a weight. Days since 1970 in float64 are not exact.
    """
    has_dates = any(isinstance(part, Dates) for part in model.features.parts)
    limit = 2000 * np.finfo(model.networks[0].dtype).eps
    is_classes = isinstance(model.target, Classes)
    desired = model.predict_proba(table) if is_classes else model.predict(table)
    np.testing.assert_allclose(
        deviations(model, actual),
        deviations(model, desired),
        rtol=0,
        atol=max(limit, 1e-9) if has_dates else limit,
    )


PROGRAM = """
#include <stdio.h>
#include "model.h"
int main(void) {
  static double rows[COUNT * MODEL_COLUMNS];
  static RESULT y[COUNT * MODEL_OUTPUTS];
  REAL x[MODEL_FEATURES];
  for (int i = 0; i < COUNT * MODEL_COLUMNS; ++i)
    if (scanf("%lf", rows + i) != 1) return 1;
  for (int r = 0; r < COUNT; ++r) {
    model_features(rows + r * MODEL_COLUMNS, x);
    for (int i = 0; i < MODEL_FEATURES; ++i) printf("%a\\n", (double)x[i]);
  }
  model_predict_batch(rows, y, COUNT);
  for (int i = 0; i < COUNT * MODEL_OUTPUTS; ++i) printf("%a\\n", (double)y[i]);
  return 0;
}
"""


def run_in_c(model, table, folder, language="c"):
    """Export, compile a program and give it raw rows: the features and predictions in C."""
    table_to_c(model, folder / "model.h")
    rows = np.column_stack([cells.astype(float) for cells in raw(model, table).values()])
    real = "float" if model.networks[0].dtype == np.float32 else "double"
    result = real if isinstance(model.target, Classes) else "double"
    defined = {"COUNT": len(rows), "REAL": real, "RESULT": result}
    options = [f"-D{name}={value}" for name, value in defined.items()]
    build(folder / "program", language, PROGRAM, options=options)
    given = "\n".join("nan" if x != x else float(x).hex() for x in rows.ravel().tolist())
    done = subprocess.run([folder / "program"], input=given, capture_output=True, text=True)
    assert done.returncode == 0
    printed = np.array([float.fromhex(number) for number in done.stdout.split()])
    features, y = np.split(printed, [len(rows) * len(model.features.names)])
    return features.reshape(len(rows), -1), y.reshape(len(rows), -1)
