"""Files that are truncated, altered, foreign or forged: one clear line, whatever is in them."""

import json
import sys

import numpy as np
import pytest

from densenet import (
    BatchNorm,
    Callback,
    EarlyStopping,
    MeanSquaredError,
    Network,
    serialization,
)
from densenet._files import container, safetensors
from tests.support.files import EVERY_LAYER


class Enough(Callback):
    def on_step_end(self, network, step, loss):
        return step == 8


@pytest.fixture
def written(path, rng):
    """The bytes of a file with everything in it."""
    network = Network(EVERY_LAYER, MeanSquaredError(), seed=1)
    x, y = rng.normal(size=(20, 4)), rng.normal(size=(20, 2))
    rule = EarlyStopping("loss")
    network.fit(x, y, batch_size=7, seed=3, callbacks=[Enough()], early_stopping=rule)
    serialization.save(network, path, attachments={"columns": ["a", "b", "c", "d"]})
    return path.read_bytes()


def refused(path, data=None):
    """Load what must be refused with one line that names the file; give the line."""
    if data is not None:
        path.write_bytes(data)
    before = set(sys.modules)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Network.load(path)
    assert set(sys.modules) == before
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert len(line) < 300 + len(str(path))
    return line.removeprefix(f"{path}: ")


NORM = next(i for i, layer in enumerate(EVERY_LAYER) if isinstance(layer, BatchNorm))
FOREIGN = "expected a densenet file, got a foreign or damaged one"
ALTERED = "expected a whole file, got a truncated or altered one"


def test_truncated_files_are_refused(path, written):
    length = 8 + int.from_bytes(written[:8], "little")
    for size in [*range(0, len(written), 64), length - 1, length, length + 1, len(written) - 1]:
        assert refused(path, written[:size]) == (FOREIGN if size < length else ALTERED)
    assert refused(path, written + b"\0") == ALTERED


def test_no_byte_can_be_altered(path, written, rng):
    places = [*range(40), *rng.integers(0, len(written), 150), len(written) - 1]
    for at in places:
        for byte in {written[at] ^ 1 << int(rng.integers(8)), written[at] ^ 32, ord(" ")}:
            if byte != written[at]:
                refused(path, written[:at] + bytes([byte]) + written[at + 1 :])


def header(text, length=None):
    text = text.encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text


def described(about, **arrays):
    return header(json.dumps({"__metadata__": {"densenet": json.dumps(about)}} | arrays))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        bytes(8),
        bytes(1000),
        b"PK\x03\x04 a zip file, as pickles of weights often are" * 9,
        b"\x93NUMPY\x01\x00",
        header("{}"),
        header("{}", 2**63),
        header("{}", 2**64 - 1),
        header("{}", 3),
        header("[" * 100_000),
        header("1" * 10_000),
        header("null"),
        header('{"__metadata__": []}'),
        header('{"__metadata__": {"densenet": "1"}}'),
        header('{"__metadata__": {"densenet": 1}}'),
        header('{"__metadata__": {"format": "pt"}}'),
        safetensors.pack({"0.weight": np.ones((3, 2))}, {}),
        safetensors.pack({"0.weight": np.ones((3, 2))}, {"format": "pt"}),
        described({"sha256": "0" * 64}),
        described({"version": 1}),
        described({"version": 1, "sha256": 7}),
        described({"version": 1, "sha256": "\ud800"}),
    ],
    ids=lambda data: repr(data[:40]),
)
def test_foreign_files_are_refused(path, data):
    assert refused(path, data) == FOREIGN


@pytest.mark.parametrize("digest", ["", "0" * 64, "densenet"])
def test_a_checksum_that_does_not_fit_is_refused(path, digest):
    assert refused(path, described({"version": 1, "sha256": digest})) == ALTERED


@pytest.mark.parametrize("version", [2, 0, None, "1", [1]])
def test_other_versions_are_refused(path, version):
    line = refused(path, described({"version": version, "sha256": "0" * 64}))
    assert line == f"expected version 1 of the format, got {version!r}"


# ---- forged: with a checksum that fits ---------------------------------------------------------


def put(keys, value):
    """Make a function that changes one entry of a description."""

    def change(about, arrays):
        *way, last = keys
        for key in way:
            about = about[key]
        about[last] = value

    return change


def array(name, change):
    """Make a function that changes an array."""

    def changes(about, arrays):
        arrays[name] = change(arrays[name])

    return changes


def drop(name):
    return lambda about, arrays: arrays.pop(name)


def deep(levels):
    return [{"kind": "Residual", "layers": deep(levels - 1)}] if levels else []


FORGED = {
    "a dtype that is none": put(["dtype"], "object"),
    "a dtype of another network": put(["dtype"], "float64"),
    "a dtype as a list": put(["dtype"], ["float32"]),
    "no layers": put(["layers"], []),
    "layers of a number": put(["layers"], 3),
    "a layer of a module": put(["layers", 1], {"kind": "os.system"}),
    "a layer of a dunder": put(["layers", 1], {"kind": "__import__"}),
    "a layer that is hidden": put(["layers", 1], {"kind": "_Norm", "width": 3}),
    "a layer that is a loss": put(["layers", 1], {"kind": "Huber", "delta": 1.0}),
    "a layer without a kind": put(["layers", 1], {}),
    "a layer that is none": put(["layers", 1], None),
    "a layer with more settings": put(["layers", 2], {"kind": "Sigmoid", "run": "rm"}),
    "a layer without its settings": put(["layers", 0], {"kind": "Linear", "init": "zeros"}),
    "a layer out of range": put(["layers", 10, "rate"], 1.5),
    "a layer of words": put(["layers", 10, "rate"], "half"),
    "a giant layer": put(["layers", 0], {"kind": "Linear", "inputs": 2**60, "outputs": 3}),
    "a giant first layer": put(["layers", 0, "inputs"], 10**30),
    "widths that do not fit": put(["layers", 0, "outputs"], 4),
    "an initial weight that is not there": put(["layers", 0, "init"], None),
    "a deep network": put(["layers"], deep(300)),
    "a loss that is none": put(["loss"], {"kind": "eval"}),
    "a loss of nothing": put(["loss"], {}),
    "a loss that is a layer": put(["loss"], {"kind": "ReLU"}),
    "a loss out of range": put(["loss"], {"kind": "Huber", "delta": -1}),
    "another generator": put(["generator", "bit_generator"], "MT19937"),
    "a generator of words": put(["generator", "state"], "state"),
    "a generator out of range": put(["generator", "state", "state"], -(10**60)),
    "draws out of range": put(["draws"], 2**64),
    "a rule that is none": put(["optimizer", "rule"], "Optimizer"),
    "moments that are none": put(["optimizer", "moments"], ["m", "v", "w"]),
    "a step of words": put(["optimizer", "step"], "8"),
    "a step out of range": put(["optimizer", "step"], -1),
    "attachments that are none": put(["attachments"], 3),
    "a step beyond the epoch": put(["position", "step"], 4),
    "settings that are none": put(["position", "settings"], None),
    "records that are none": put(["position", "epochs"], [1]),
    "a score of words": put(["position", "best", "score"], "high"),
    "an unknown thing kept": put(["position", "kept"], ["worst"]),
    "no position's generator": put(["position", "generator"], {}),
    "a missing weight": drop("0.weight"),
    "a missing moment": drop("optimizer.m.0.weight"),
    "a missing order": drop("position.order"),
    "a missing best": drop("position.best.0.weight"),
    "a weight of another shape": array("0.weight", lambda a: a.T.copy()),
    "a weight of another type": array("0.weight", lambda a: a.astype(np.float64)),
    "a running variance of another shape": array(f"{NORM}.running_var", lambda a: a[:2]),
    "a moment of another type": array("optimizer.v.0.weight", lambda a: a.astype(np.int32)),
    "an order with a row twice": array("position.order", lambda a: np.minimum(a, 18)),
    "an order beyond the rows": array("position.order", lambda a: a + 1),
    "an order of floats": array("position.order", lambda a: a.astype(np.float64)),
    "losses of another type": array("position.batch_loss", lambda a: a.astype(np.float32)),
    "one array more": lambda about, arrays: arrays.update(more=np.ones(3)),
}  # fmt: skip


@pytest.mark.parametrize("change", FORGED.values(), ids=FORGED)
def test_forged_files_are_refused(path, written, change):
    about, arrays = container.read(path)
    del about["version"], about["sha256"]
    change(about, arrays)
    container.write(path, about, arrays)
    assert refused(path).startswith("unusable content: ")


def test_forging_by_itself_is_not_what_is_refused(path, written):
    about, arrays = container.read(path)
    del about["version"], about["sha256"]
    container.write(path, about, arrays)
    assert path.read_bytes() == written
    assert Network.load(path)._learner.position.step == 2


def entry(dtype, shape, begin, end):
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


UNREADABLE = {
    "an element type that NumPy has not": ({"a": entry("BF16", [1], 0, 2)}, "KeyError('BF16')"),
    "an element type that is none": ({"a": entry("float32", [1], 0, 4)}, "KeyError('float32')"),
    "a gap": (
        {"a": entry("U8", [2], 0, 2), "b": entry("U8", [2], 4, 6)},
        "ValueError('b of shape [2] at 4 to 6')",
    ),
    "two in one place": (
        {"a": entry("U8", [4], 0, 4), "b": entry("U8", [2], 2, 4)},
        "ValueError('b of shape [2] at 2 to 4')",
    ),
    "another size than its shape": (
        {"a": entry("F32", [2], 0, 4)},
        "ValueError('a of shape [2] at 0 to 4')",
    ),
    "bytes that are no array's": (
        {"a": entry("U8", [4], 0, 4)},
        "ValueError('arrays of 4 bytes in 6')",
    ),
    "more than there is": ({"a": entry("U8", [99], 0, 99)}, None),
    "a negative shape": ({"a": entry("U8", [-2, -3], 0, 6)}, None),
    "a shape of fractions": ({"a": entry("U8", [6.0], 0, 6)}, None),
    "nothing, of giant length": ({"a": entry("U8", [0, 10**30], 0, 0)}, None),
    "no place": ({"a": {"dtype": "U8", "shape": [6]}}, "KeyError('data_offsets')"),
    "a number": ({"a": 6}, None),
}


@pytest.mark.parametrize(("arrays", "got"), UNREADABLE.values(), ids=UNREADABLE)
def test_arrays_that_the_format_has_not_are_refused(path, arrays, got):
    data = described({"version": 1, "sha256": "0" * 64}, **arrays) + b"123456"
    digest = container._digest(data, data.index(b"0" * 64))
    line = refused(path, data.replace(b"0" * 64, digest.encode()))
    assert line.startswith(f"expected arrays of NumPy's types, got {got or ''}")
