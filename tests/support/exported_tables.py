"""A table with all that is awkward, models of it, and the raw rows that exported models get."""

import subprocess

import numpy as np

import densenet as dn
from densenet.exchange import table_to_c
from densenet.tables import Categories, Classes, Features, Table, TableModel, Values
from densenet.tables.cells import index_of
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
    cells["flag"] = rng.choice(["1", "0", ""], count).astype(object)
    return Table.from_columns(cells)


def surprising_table(rng, train, count=60):
    """Rows that training did not have: extreme numbers, gaps, unknown categories."""
    extreme = [np.nan, 0.0, 1e308, -1e308, 5e-324, 1e15, 3e38, -1e5]
    cells = {}
    for name, known in train.columns.items():
        if known.dtype == object:
            cells[name] = rng.choice([*known, "unknown", "", "1.0"], count).astype(object)
        else:
            cells[name] = np.where(
                rng.random(count) < 0.3, rng.choice(extreme, count), rng.choice(known, count)
            )
    return Table.from_columns(cells)


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


def raw(model, table):
    """Each column's cells as exported models take them: numbers, or codes of categories."""
    cells = {}
    for part in model.features.parts:
        if isinstance(part, Categories):
            index = index_of(part.values, part.compared)
            codes = [index(name) for name in table.names(part.column).tolist()]
            cells[part.column] = np.array(codes, np.int64)
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
    """Compare with what densenet predicts; sums are of up to 1,000 times a weight."""
    is_classes = isinstance(model.target, Classes)
    desired = model.predict_proba(table) if is_classes else model.predict(table)
    np.testing.assert_allclose(
        deviations(model, actual),
        deviations(model, desired),
        rtol=0,
        atol=2000 * np.finfo(model.networks[0].dtype).eps,
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
