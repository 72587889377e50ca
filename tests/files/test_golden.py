"""Files of every released version of the format stay readable.

``golden/network-v1.safetensors`` is of a network with every kind of layer of its time, whose
training with early stopping was ended in its third epoch; ``golden/network-v1.json`` has the rows,
and what came of them. Neither is ever written again.
"""

import json

import numpy as np
import pytest

from densenet import (
    ELU,
    GELU,
    AdamW,
    BatchNorm,
    CosineLR,
    Dropout,
    EarlyStopping,
    Identity,
    LayerNorm,
    LeakyReLU,
    Linear,
    Network,
    ReLU,
    Residual,
    Sigmoid,
    SiLU,
    Softmax,
    SoftmaxCrossEntropy,
    Tanh,
    WarmupLR,
    serialization,
)
from densenet._files import container
from tests.support.assertions import assert_same_bits
from tests.support.paths import GOLDEN

LAYERS = (
    Linear(4, 3, bias=False, init="he_normal"),
    Identity(),
    Residual([Linear(3, 3), GELU(), Residual([LayerNorm(3, eps=1e-3), Linear(3, 3, bias=False)])]),
    LeakyReLU(0.3),
    BatchNorm(3, eps=1e-4),
    Residual([Linear(3, 3, init="zeros"), Sigmoid(), Softmax()]),
    Linear(3, 3, init=np.array([[1.5, 0, 0.1], [0, -1, 0], [0, 0, 2e-9]])),
    Residual([SiLU(), Tanh(), Dropout(0.1)]),
    ELU(0.7),
    Residual([ReLU()]),
    Linear(3, 3, init="lecun_uniform"),
)
OPTIONS = {
    "epochs": 5,
    "batch_size": 8,
    "optimizer": AdamW(lr=WarmupLR(CosineLR(0.1, 12), 3), weight_decay=0.05),
    "early_stopping": EarlyStopping(patience=3),
    "seed": 5,
}


@pytest.fixture
def golden():
    numbers = json.loads((GOLDEN / "network-v1.json").read_text())
    return {name: np.array(value) for name, value in numbers.items()}


def close(actual, desired):
    np.testing.assert_allclose(actual, desired, rtol=1e-4, atol=1e-6)


def test_version_1(engine, golden):
    path = GOLDEN / "network-v1.safetensors"
    network, attachments = serialization.load(path, backend=engine)
    assert attachments == {"classes": ["ä", "b", "c"], "means": [0.1, -2.5e-8, None]}
    assert repr(network.layers) == repr(LAYERS)
    assert network.loss_function == SoftmaxCrossEntropy(label_smoothing=0.1)
    assert network.dtype == np.float32
    assert network.optimizer_state["step"] == 7
    assert sorted(network.optimizer_state) == ["m", "step", "v"]
    close(network.predict_proba(golden["x"]), golden["probabilities"])


def test_version_1_resumes(engine, golden):
    network = Network.load(GOLDEN / "network-v1.safetensors", backend=engine)
    x, y = golden["x"], golden["y"]
    history = network.fit(x, y, validation_data=(x, y), resume=True, **OPTIONS)
    close(history.batch_loss, golden["batch_loss"])
    close([record["val_loss"] for record in history.epochs], golden["val_loss"])
    close(network.predict_proba(x), golden["resumed"])


def test_version_1_is_written_as_it_was(tmp_path):
    """What is written stays as long as the version does."""
    old, new = GOLDEN / "network-v1.safetensors", tmp_path / "again"
    network, attachments = serialization.load(old)
    serialization.save(network, new, attachments=attachments)
    (about, arrays), (about_again, arrays_again) = container.read(old), container.read(new)
    assert arrays.keys() == arrays_again.keys()
    for name, array in arrays.items():
        assert_same_bits(arrays_again[name], array)
    assert about_again | {"sha256": about["sha256"]} == about
