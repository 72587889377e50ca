"""``densenet export``: a table's model as C or ONNX, written whole or not at all."""

import shutil
from pathlib import Path

import numpy as np
import pytest

import densenet as dn
from densenet.exchange import table_c, table_onnx
from densenet.tables import Classes, Features, Numbers, Settings, Table, fit
from tests.support.c import build
from tests.support.exported_tables import model_of

pytestmark = pytest.mark.usefixtures("empty_folder")


@pytest.fixture
def model():
    table = Table.from_columns({"x y": np.arange(40.0) % 7, "pet": ["cat", "dog"] * 20})
    model = fit(table, Settings("pet", epochs=1)).model
    model.save("model.safetensors")
    return model


def test_a_header_of_c_is_named_after_its_file(command, model):
    status, out, err = command("export", "model.safetensors", "my-pets 1.h")
    assert (status, out, err) == (0, "'pet' from 1 column: my-pets 1.h\n", "")
    text = Path("my-pets 1.h").read_text()
    assert "my_pets_1_predict(const double *row, float *y)" in text
    if shutil.which("cc"):
        source = '#include "my-pets 1.h"\nint main(void) { return MY_PETS_1_COLUMN_X_Y; }\n'
        build(Path("program"), "c", source)
    assert command("export", "model.safetensors", "2.h")[0] == 0
    assert "void model_2_predict(" in Path("2.h").read_text()


def test_an_onnx_model(command, model):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    status, out, err = command("export", "model.safetensors", "pets.onnx")
    assert (status, out, err) == (0, "'pet' from 1 column: pets.onnx\n", "")
    session = onnxruntime.InferenceSession("pets.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(["class"], {"x y": np.array([[3.0], [np.nan]])})
    rows = Table.from_columns({"x y": [3.0, np.nan]})
    assert [model.target.values[index] for index in found] == model.predict(rows)


def test_onnx_that_is_not_installed_is_told(command, model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    status, out, err = command("export", "model.safetensors", "pets.onnx")
    message = 'densenet: table_to_onnx needs onnx: pip install "densenet-cpu[onnx]"\n'
    assert (status, out, err) == (2, "", message)
    assert not Path("pets.onnx").exists()


@pytest.mark.parametrize("name", ["model.c", "model", "model.H", "model.onnx.txt"])
def test_a_suffix_that_is_neither_is_refused(command, model, name):
    before = sorted(Path().iterdir())
    status, out, err = command("export", "model.safetensors", name)
    message = f"argument FILE: must end in .h or .onnx, got {name} (see densenet export --help)"
    assert (status, out, err) == (2, "", f"densenet export: {message}\n")
    assert sorted(Path().iterdir()) == before


def refused(command, message, out):
    """Try to export; a file that was there stays, and one that was not there is not made."""
    for kept in ("as it was", None):
        if kept is not None:
            Path(out).write_text(kept)
        assert command("export", "bad.safetensors", out) == (2, "", f"densenet: {message}\n")
        if kept is not None:
            assert Path(out).read_text() == kept
            Path(out).unlink()
        assert [path.name for path in Path().iterdir()] == ["bad.safetensors"]


@pytest.mark.parametrize("out", ["model.h", "model.onnx"])
def test_a_network_without_columns_is_sent_to_the_library(command, out):
    dn.Network([dn.Linear(2, 1)], dn.MeanSquaredError()).save("bad.safetensors")
    message = (
        "bad.safetensors: expected a model that densenet fit wrote, got a network without columns: "
        "densenet.exchange.to_c and to_onnx export it"
    )
    refused(command, message, out)


def test_a_model_that_c_cannot_hold_is_refused(command):
    features = Features((Numbers("x", 0.0, 0.0, 1.0),))
    model_of(features, Classes("y", ("a\0b", "c"))).save("bad.safetensors")
    message = "model: expected names without null characters, got 'a\\x00b'"
    refused(command, message, "model.h")


def test_columns_of_a_kind_without_an_encoding_are_refused(command, monkeypatch):
    pytest.importorskip("onnx")
    features = Features((Numbers("x", 0.0, 0.0, 1.0),))
    model_of(features, Classes("y", ("a", "c"))).save("bad.safetensors")
    message = (
        "model: expected one of PiecewiseLinear, Categories, Dates for each column, got Numbers "
        "for column 'x', which cannot be exported"
    )
    for module, kinds, out in (
        (table_c, "_ENCODINGS", "model.h"),
        (table_onnx, "KINDS", "model.onnx"),
    ):
        known = {kind: made for kind, made in getattr(module, kinds).items() if kind is not Numbers}
        monkeypatch.setattr(module, kinds, known)
        refused(command, message, out)
