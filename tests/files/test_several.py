"""Several networks in one file."""

import numpy as np
import pytest

from densenet import Adam, Linear, MeanSquaredError, Network, ReLU, serialization


def network(seed, width=3):
    return Network([Linear(2, width), ReLU(), Linear(width, 1)], MeanSquaredError(), seed=seed)


def test_each_is_as_it_was_moments_and_all(rng, tmp_path):
    networks = [network(seed, 3 + seed) for seed in range(3)]
    x, y = rng.normal(size=(20, 2)), rng.normal(size=(20, 1))
    networks[1].fit(x, y, epochs=2, optimizer=Adam())
    path = tmp_path / "three.safetensors"
    serialization.save_many(networks, path, attachments={"unit": "m"})
    again, attachments = serialization.load_many(path)
    assert attachments == {"unit": "m"}
    assert [np.array_equal(a.flat, b.flat) for a, b in zip(again, networks, strict=True)] == [1] * 3
    assert again[0].optimizer_state == {}
    moments = again[1].optimizer_state
    assert moments.keys() == networks[1].optimizer_state.keys()
    for each in networks[1], again[1]:
        each.fit(x, y, epochs=1, optimizer=Adam())
    assert np.array_equal(again[1].flat, networks[1].flat)


def test_a_file_of_one_is_read_by_both(tmp_path):
    path = tmp_path / "one.safetensors"
    network(1).save(path)
    [only], _ = serialization.load_many(path)
    assert np.array_equal(only.flat, Network.load(path).flat)


def test_a_single_network_is_not_made_of_several(tmp_path):
    path = tmp_path / "two.safetensors"
    serialization.save_many([network(1), network(2)], path)
    with pytest.raises(ValueError, match="expected one network, got several: see serialization"):
        Network.load(path)


def test_none_is_refused_and_nothing_written(tmp_path):
    with pytest.raises(ValueError, match="networks: expected at least one, got none"):
        serialization.save_many([], tmp_path / "none.safetensors")
    assert not any(tmp_path.iterdir())
