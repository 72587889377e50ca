"""The format that the package safetensors has: the same bytes, and files travel both ways."""

import sys

import numpy as np
import pytest

from densenet._files import safetensors
from tests.support.assertions import assert_same_bits
from tests.support.processes import run_python

TYPES = ("?", "i1", "u1", "i2", "u2", "f2", "i4", "u4", "f4", "i8", "u8", "f8", "c8")


def example(rng, dtype, shape):
    dtype = np.dtype(dtype)
    array = rng.integers(0, 256, (*shape, dtype.itemsize), np.uint8)
    if dtype.kind == "b":
        array %= 2
    return array.view(dtype)[..., 0]


def every_kind(rng):
    """Arrays of each type under names that are not in order, and some that are awkward."""
    arrays = {f"{3 * i % 13}.{dtype}": example(rng, dtype, (i, 3)) for i, dtype in enumerate(TYPES)}
    return arrays | {
        "a number": np.array(2.5),
        "none": np.zeros((0, 4), np.float32),
        "swapped": np.arange(5, dtype=">i4"),
        'ünïcode 😀 "\\/\n\x01\x7f\u2028': example(rng, "f4", (7,)),
    }


METADATA = [{"densenet": "{}"}, {"k": 'é"\\\n\b\f\r\t\x00\x1f\x7f/\u2028😀'}, {"k": "x" * 5}]


@pytest.mark.parametrize("metadata", METADATA)
def test_the_bytes_are_those_of_the_package(metadata, rng):
    theirs = pytest.importorskip("safetensors.numpy")
    arrays = every_kind(rng)
    assert safetensors.pack(arrays, metadata) == theirs.save(arrays, metadata)


@pytest.mark.parametrize("seed", range(20))
def test_the_bytes_of_any_choice_are_those_of_the_package(seed):
    theirs = pytest.importorskip("safetensors.numpy")
    rng = np.random.default_rng(seed)
    arrays = {
        f"{rng.integers(30)}.weight": example(rng, rng.choice(TYPES), rng.integers(0, 4, seed % 4))
        for _ in range(seed)
    }
    ours = safetensors.pack(arrays, {"k": "x" * seed})
    assert ours == theirs.save(arrays, {"k": "x" * seed})


def test_files_travel_both_ways(rng):
    theirs = pytest.importorskip("safetensors.numpy")
    arrays = every_kind(rng)
    data = theirs.save(arrays, {"densenet": "{}"})
    for found in (safetensors.unpack(data), theirs.load(safetensors.pack(arrays, {}))):
        assert set(found) == set(arrays)
        for name, array in found.items():
            assert_same_bits(array, arrays[name].astype(array.dtype))


def test_arrays_come_back_writable_and_with_their_own_memory(rng):
    arrays = every_kind(rng)
    data = safetensors.pack(arrays, {})
    before = bytes(data)
    for name, array in safetensors.unpack(data).items():
        assert array.dtype.isnative
        np.testing.assert_array_equal(array, arrays[name])
        array[...] = 0
    assert data == before


@pytest.mark.parametrize("dtype", ["c16", "U3", "M8[s]", "O", *["g"] * (sys.platform == "linux")])
def test_a_type_that_the_format_has_not_is_refused(dtype):
    with pytest.raises(ValueError, match=r"^a of the type "):
        safetensors.pack({"a": np.zeros(2, dtype)}, {})


def test_networks_are_saved_and_loaded_without_the_package(tmp_path):
    code = f"""
import sys
sys.modules["safetensors"] = None
import densenet as dn
path = {str(tmp_path / "model.safetensors")!r}
for backend in ("compiled", "reference"):
    network = dn.Network([dn.Linear(4, 3), dn.Tanh()], dn.MeanSquaredError(), backend=backend)
    network.fit([[1, 2, 3, 4]], [[0, 1, 0]], epochs=1)
    network.save(path)
    again = dn.Network.load(path, backend=backend)
    print((again.flat == network.flat).all(), again.optimizer_state["step"])
"""
    assert run_python(code) == "True 1\nTrue 1"
