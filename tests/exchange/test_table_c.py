"""A table's model in C: raw cells go in, and what densenet predicts comes out."""

import re
import shutil
import subprocess

import numpy as np
import pytest

from densenet.exchange import table_to_c
from densenet.tables import Categories, Classes, Dates, Features, Numbers, Table
from tests.support.c import LANGUAGES, build
from tests.support.exported_tables import (
    NAMES,
    TARGETS,
    assert_predictions,
    awkward_model,
    awkward_table,
    model_of,
    run_in_c,
    surprising_table,
    with_threshold,
)

if shutil.which("cc") is None:
    pytest.skip("needs a C compiler", allow_module_level=True)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize(("pieces", "count"), [(0, 1), (5, 3)])
def test_raw_rows_become_the_same_features_and_predictions(
    pieces, count, kind, language, dtype, rng, tmp_path
):
    train = awkward_table(rng)
    model = awkward_model(train, kind, dtype, pieces, count)
    table = surprising_table(rng, train)
    features, y = run_in_c(model, table, tmp_path, language)
    of_dates = np.concatenate(
        [[isinstance(part, Dates)] * len(part.names) for part in model.features.parts]
    )
    assert of_dates.sum() == 24
    expected = model.features.transform(table)
    np.testing.assert_array_equal(features[:, ~of_dates], expected[:, ~of_dates])
    assert np.abs(features[:, ~of_dates]).max() == (3 if pieces else 1000)  # where they are cut off
    np.testing.assert_allclose(features, expected, rtol=0, atol=1e-9)  # days are rounded
    assert_predictions(model, y, table)


@pytest.mark.parametrize(("index", "least"), [(0, 0.1), (1, 0.1), (1, 0.9)])
def test_a_class_is_predicted_from_its_threshold_on(index, least, dtype, tmp_path):
    target = Classes("y", ("a", "b"), threshold=(index, least))
    model = model_of(Features((Numbers("x", 0.0, 0.0, 1.0),)), target, dtype=dtype)
    table_to_c(model, tmp_path / "model.h")
    kind = "float" if dtype == np.float32 else "double"
    source = f"""
#include <stdio.h>
#include "model.h"
int main(void) {{
  for (int i = 0; i < 21; ++i) {{
    const {kind} y[2] = {{({kind})(1 - 0.05 * i), ({kind})(0.05 * i)}};
    printf("%d", model_best(y));
  }}
  return 0;
}}
"""
    build(tmp_path / "program", "c", source)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    share = 0.05 * np.arange(21)
    shares = np.column_stack([1 - share, share]).astype(dtype)
    assert done.stdout == "".join(map(str, target.choose(shares)))
    assert set(done.stdout) == {"0", "1"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_names_are_those_of_the_table_to_the_byte(language, rng, tmp_path):
    model = awkward_model(awkward_table(rng), "classes")
    table_to_c(model, tmp_path / "model.h")
    source = """
#include <stdio.h>
#include "model.h"
int main(void) {
  for (int i = 0; i < MODEL_OUTPUTS; ++i) printf("%s", model_classes[i]), putchar(0);
  for (int i = 0; i < MODEL_COLUMNS; ++i) printf("%s", model_columns[i]), putchar(0);
  for (int i = 0; i < MODEL_OUTPUTS; ++i)
    if (model_index(model_classes, model_classes[i]) != i) return 1;
  if (model_index(model_classes, "say") != -1 || model_index(model_classes, "") != -1) return 2;
  if (model_index(model_names_age_2, "unknown") != -1) return 3;
  return model_index(model_names_flag, "1") != 2;
}
"""
    build(tmp_path / "program", language, source)
    done = subprocess.run([tmp_path / "program"], capture_output=True)
    assert done.returncode == 0
    names = done.stdout.decode().split("\0")[:-1]
    assert names == [*NAMES, *model.features.columns]


def test_a_missing_category_is_the_one_for_missing_cells_or_none(tmp_path):
    parts = (Categories("gaps", ("", "a", "b"), 3), Categories("none", ("a", "b"), 3))
    model = model_of(Features(parts), TARGETS["values"])
    table_to_c(model, tmp_path / "model.h")
    source = """
#include <stdio.h>
#include "model.h"
int main(void) {
  const double rows[4][MODEL_COLUMNS] = {{NAN, NAN}, {-1, -1}, {2, 1}, {0, 0}};
  for (int r = 0; r < 4; ++r) {
    float x[MODEL_FEATURES];
    model_features(rows[r], x);
    for (int i = 0; i < MODEL_FEATURES; ++i) printf("%d", (int)x[i]);
    puts("");
  }
  return 0;
}
"""
    build(tmp_path / "program", "c", source)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    assert done.stdout.split() == ["1000001", "0001001", "0010010", "1000100"]
    table = Table.from_columns({"gaps": ["", "x", "b", ""], "none": ["", "x", "b", "a"]})
    codes = model.features.transform(table).astype(int)
    assert done.stdout.split() == ["".join(map(str, row)) for row in codes]


def test_days_of_dates(tmp_path):
    model = model_of(Features((Dates("day", 0.0, 0.0, 1.0),)), TARGETS["values"])
    table_to_c(model, tmp_path / "model.h")
    source = """
#include <stdio.h>
#include "model.h"
int main(void) {
  for (int year = 1; year < 3000; year += 33)
    for (int month = 1; month < 13; ++month) printf("%.17g\\n", model_days(year, month, 28));
  return 0;
}
"""
    build(tmp_path / "program", "c", source)
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    dates = [f"{y:04}-{m:02}-28" for y in range(1, 3000, 33) for m in range(1, 13)]
    np.testing.assert_array_equal(
        np.array(done.stdout.split(), float), np.array(dates, "M8[D]").astype(int)
    )


def test_a_threshold_is_compared_in_the_type_of_the_probabilities(dtype, tmp_path):
    target = Classes("y", ("a", "b"), (1, 0.1))
    model = model_of(Features((Numbers("x", 0.0, 0.0, 1.0),)), target, dtype=dtype)
    table_to_c(model, tmp_path / "model.h")
    source = """
#include "model.h"
int main(void) {
  const REAL at[2] = {(REAL)0.9, (REAL)0.1}, below[2] = {(REAL)0.9, (REAL)0.0999999};
  return !(model_best(at) == 1 && model_best(below) == 0);
}
"""
    real = {"float32": "float", "float64": "double"}[np.dtype(dtype).name]
    build(tmp_path / "program", "c", source, options=[f"-DREAL={real}"])
    assert subprocess.run([tmp_path / "program"]).returncode == 0
    shares = np.array([[0.9, 0.1], [0.9, 0.0999999]], dtype)
    assert target.choose(shares).tolist() == [1, 0]


def test_places_of_columns_have_names_that_differ(rng, tmp_path):
    columns = ["a b", "A_B", "a_b_2", "???", "naïve", "x" * 50, "x" * 51, "9"]
    parts = tuple(Numbers(column, 0.0, 0.0, 1.0) for column in columns)
    table_to_c(model_of(Features(parts), TARGETS["values"]), tmp_path / "model.h", "m")
    places = re.findall(r"^  M_COLUMN_(\w+) = ", (tmp_path / "model.h").read_text(), re.MULTILINE)
    assert places == ["A_B", "A_B_2", "A_B_2_2", "3", "NAIVE", 40 * "X", f"{40 * 'X'}_2", "9"]


@pytest.mark.parametrize("threshold", [None, 0, 1])
def test_the_best_class_is_the_one_that_densenet_predicts(threshold, dtype, tmp_path):
    target = TARGETS["classes"] if threshold is None else Classes("y", ("a", "b"))
    model = model_of(Features((Numbers("x", 0.0, 0.0, 1.0),)), target, dtype=dtype)
    table = Table.from_columns({"x": np.arange(-9.0, 9.0)})
    if threshold is not None:
        model = with_threshold(model, table, threshold)
    table_to_c(model, tmp_path / "model.h")
    source = """
#include <stdio.h>
#include "model.h"
int main(void) {
  for (double x = -9; x < 9; ++x) {
    REAL y[MODEL_OUTPUTS];
    model_predict(&x, y);
    printf("%d ", model_best(y));
  }
  return 0;
}
"""
    real = {"float32": "float", "float64": "double"}[np.dtype(dtype).name]
    build(tmp_path / "program", "c", source, options=[f"-DREAL={real}"])
    done = subprocess.run([tmp_path / "program"], capture_output=True, text=True)
    best = [target.values[int(index)] for index in done.stdout.split()]
    assert best == model.predict(table)
    assert len(set(best)) > 1


# ---- what cannot be exported ---------------------------------------------------------------------


class Moods(Numbers):
    """A column of another kind."""


NUMBER = Numbers("x", 0.0, 0.0, 1.0)


@pytest.mark.parametrize("option", ["-ffast-math", "-Ofast", "-ffinite-math-only"])
def test_options_that_take_nan_for_a_number_are_refused(option, tmp_path):
    model = model_of(Features((Numbers("x", 0.0, 0.0, 1.0),)), Classes("y", ("a", "b")))
    table_to_c(model, tmp_path / "model.h")
    (tmp_path / "main.c").write_text('#include "model.h"\nint main(void) { return 0; }\n')
    command = ["cc", option, tmp_path / "main.c", "-lm", "-o", tmp_path / "program"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert "missing cells are NAN" in done.stderr
    command.insert(2, "-fno-finite-math-only")
    assert subprocess.run(command, capture_output=True).returncode == 0


def refused(model, tmp_path, message, error=ValueError, name="model"):
    kept = tmp_path / "kept.h"
    kept.write_text("as it was")
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        table_to_c(model, kept, name)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["as it was"]


def test_columns_of_another_kind_are_refused(tmp_path):
    model = model_of(Features((NUMBER, Moods("born", 0.0, 0.0, 1.0))), TARGETS["values"])
    message = (
        "model: expected one of Numbers, PiecewiseLinear, Categories, Dates for each column, "
        "got Moods for column 'born', which cannot be exported"
    )
    refused(model, tmp_path, message)


@pytest.mark.parametrize("where", ["class", "category", "column", "target"])
def test_names_with_a_null_character_are_refused(where, tmp_path):
    name = {where: "a\0b"}
    parts = (
        Numbers(name.get("column", "x"), 0.0, 0.0, 1.0),
        Categories("y", (name.get("category", "a"), "c"), 0),
    )
    target = Classes(name.get("target", "t"), (name.get("class", "a"), "c"))
    message = "model: expected names without null characters, got 'a\\x00b'"
    refused(model_of(Features(parts), target), tmp_path, message)


def test_weights_that_are_not_finite_are_refused(tmp_path):
    model = model_of(Features((NUMBER,)), TARGETS["values"])
    model.network.flat[0] = np.nan
    refused(model, tmp_path, "network: expected finite numbers, got NaN or infinity in 0.weight")


def test_other_names_and_other_things_are_refused(tmp_path):
    model = model_of(Features((NUMBER,)), TARGETS["values"])
    message = "name: expected a letter, then letters, digits or _, got '1st'"
    refused(model, tmp_path, message, name="1st")
    with pytest.raises(TypeError, match=r"^model: expected a TableModel, got "):
        table_to_c(model.network, tmp_path / "never.h")
