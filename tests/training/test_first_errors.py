"""Mistakes that many make once: refused before anything is trained, by the name of the argument."""

import functools
import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from densenet import (
    Adam,
    Callback,
    Checkpoint,
    EarlyStopping,
    Linear,
    Network,
    SoftmaxCrossEntropy,
    check_gradients,
    lr_range_test,
    serialization,
)
from densenet.exchange import to_c
from densenet.metrics import accuracy
from tests.support.backends import ENGINES
from tests.support.errors import error_of, same_error

X, Y = np.random.default_rng(1).normal(size=(6, 5)), np.array([0, 1, 2, 1, 0, 2])


def make(engine, **settings):
    return Network([Linear(5, 3)], SoftmaxCrossEntropy(), backend=engine, **{"seed": 1} | settings)


def refused(call, kind, text):
    """The same error from both backends, which leaves the network as it was."""
    errors = []
    for engine in ENGINES:
        network = make(engine)
        network.train_step(X, Y, Adam())
        before = pickle.dumps(network)
        errors.append(error_of(lambda n=network: call(n), [network.flat, X, Y]))
        assert pickle.dumps(network) == before
    same_error(errors, kind, text)


_PAIR = "validation_data: expected a pair (x, y), got"
_WORD = "must be True or False, got"
_ORDER = "must be True, False or 'blocks', got"
FIT = [
    ({"callbacks": Callback()}, "callbacks: expected a sequence of callbacks, got Callback"),
    ({"callbacks": {Callback()}}, "callbacks: expected a sequence of callbacks, got set"),
    ({"callbacks": None}, "callbacks: expected a sequence of callbacks, got None"),
    ({"callbacks": [Callback]}, "callbacks[0]: expected a Callback, got type"),
    ({"callbacks": [None, Callback()]}, "callbacks[0]: expected a Callback, got None"),
    ({"metrics": accuracy}, "metrics: expected a sequence of functions, got function"),
    ({"metrics": "accuracy"}, "metrics: expected a sequence of functions, got str"),
    ({"metrics": {"a": accuracy}}, "metrics: expected a sequence of functions, got dict"),
    ({"metrics": ["accuracy"]}, "metrics[0]: expected a function with a name, got str"),
    ({"validation_data": X}, f"{_PAIR} float64 of shape (6, 5)"),
    ({"validation_data": 0.2}, f"{_PAIR} float"),
    ({"validation_data": {"x": X, "y": Y}}, f"{_PAIR} dict"),
    ({"validation_data": (X,)}, f"{_PAIR} 1 elements"),
    ({"validation_data": (X, Y, Y, Y)}, f"{_PAIR} 4 elements"),
    (
        {"validation_data": (X, X)},
        "validation_data: y: expected shape (6, 3), got (6, 5)",
    ),
    ({"seed": -1}, "seed must be an integer >= 0, got -1"),
    ({"seed": 1.5}, "seed must be an integer >= 0, got float"),
    ({"seed": "1"}, "seed must be an integer >= 0, got str"),
    ({"seed": True}, "seed must be an integer >= 0, got bool"),
    ({"shuffle": "no"}, f"shuffle {_ORDER} 'no'"),
    ({"shuffle": "block"}, f"shuffle {_ORDER} 'block'"),
    ({"shuffle": 2}, f"shuffle {_ORDER} 2"),
    ({"shuffle": 0.0}, f"shuffle {_ORDER} float"),
    ({"shuffle": ["blocks"]}, f"shuffle {_ORDER} list"),
    ({"drop_last": None}, f"drop_last {_WORD} None"),
    ({"progress": "bar"}, f"progress {_WORD} str"),
    ({"resume": [True]}, f"resume {_WORD} list"),
    ({"epochs": True}, "epochs must be an integer >= 1, got bool"),
    ({"batch_size": False}, "batch_size must be an integer >= 1, got bool"),
    ({"class_weight": [1, 2, 3]}, "class_weight: expected a dict or 'balanced', got list"),
    ({"class_weight": X}, "class_weight: expected a dict or 'balanced', got " + str(X.dtype)),
]


@pytest.mark.parametrize(("options", "text"), FIT)
def test_fit_tells_what_is_wrong(options, text):
    values = ("elements", "shape (6, 3)", "got -1", "got 2", "got 'no'", "got 'block'")
    kind = ValueError if any(word in text for word in values) else TypeError
    if text.endswith("float64"):
        text += " of shape (6, 5)"
    refused(lambda n: n.fit(X, Y, **options), kind, text)


def test_a_generator_is_not_used_up_by_the_check():
    text = "callbacks: expected a sequence of callbacks, got generator"
    refused(lambda n: n.fit(X, Y, callbacks=(Callback() for _ in range(2))), TypeError, text)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda n: n.forward(X, training="no"), TypeError, f"training {_WORD} str"),
        (lambda n: n.gradients(X, Y, training=3), ValueError, f"training {_WORD} 3"),
        (lambda n: n.plan("adam"), TypeError, "optimizer: expected an optimizer, got str"),
        (lambda n: n.loss([[1.0], [2.0, 3.0]], Y), ValueError, "x: expected rows of one length, "
         "got list"),
        (lambda n: n.loss(X, [[0], [1, 2]]), ValueError, "y: expected rows of one length, "
         "got list"),
        (
            lambda n: n.loss(X, np.zeros((len(X), 1), int)),
            ValueError,
            f"y: expected integer class indices of shape ({len(X)},) or rows of probabilities of "
            f"shape ({len(X)}, 3), got int64 of shape ({len(X)}, 1)",
        ),
        (lambda n: n.save(None), TypeError, "path: expected a str or path, got None"),
        (lambda n: n.save(1), TypeError, "path: expected a str or path, got int"),
        (lambda n: n.save(""), ValueError, "path: expected the path of a file, got ''"),
        (
            lambda n: check_gradients(n.parameters, X, Y),
            TypeError,
            "network: expected a Network, got dict",
        ),
        (
            lambda n: check_gradients(n, X, Y, step=0),
            ValueError,
            "step must be in (0, inf), got 0",
        ),
        (
            lambda n: lr_range_test(n, X, Y, steps=10**30),
            ValueError,
            f"steps must be an integer in [2, 2147483647], got {10**30}",
        ),
        (lambda n: to_c(n, 2), TypeError, "path: expected a str or path, got int"),
    ],
)  # fmt: skip
def test_methods_and_functions_tell_what_is_wrong(call, kind, text):
    refused(call, kind, text)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("wrong", [-1, 2.5, "1", True, np.ones(2), np.random.default_rng(0)])
def test_networks_refuse_what_is_no_seed(engine, wrong):
    with pytest.raises((TypeError, ValueError), match=r"^seed must be an integer >= 0, got "):
        make(engine, seed=wrong)


@pytest.mark.parametrize("width", [10**30, 2**32, 2**64])
def test_networks_refuse_more_parameters_than_have_addresses(engine, width):
    with pytest.raises(ValueError, match=r"^layers: expected at most .* parameters, got "):
        Network([Linear(width, width)], SoftmaxCrossEntropy(), backend=engine)


@pytest.mark.parametrize("steps", [10**30, 2**31, 2**63])
def test_a_profile_of_too_many_steps_is_refused(steps):
    with pytest.raises(ValueError, match=rf"^steps must be an integer in .*, got {steps}$"):
        make("compiled").profile(X, Y, steps=steps)


@pytest.mark.parametrize("wrong", [None, 3, b"model", ["model"], True])
@pytest.mark.parametrize("use", [Checkpoint, Network.load, serialization.load])
def test_what_is_no_path_is_refused_at_once(use, wrong):
    with pytest.raises(TypeError, match=r"^path: expected a str or path, got "):
        use(wrong)


@pytest.mark.parametrize("kind", [str, Path, functools.partial(os.path.join, "")])
def test_a_missing_folder_is_refused_by_its_name(tmp_path, engine, kind):
    network, path = make(engine), kind(tmp_path / "missing" / "model.safetensors")
    ways = [network.save, Checkpoint, functools.partial(to_c, network)]
    for way in [*ways, functools.partial(serialization.save, network)]:
        with pytest.raises(FileNotFoundError) as caught:
            way(path)
        folder = os.path.realpath(tmp_path / "missing")
        assert str(caught.value) == f"path: expected an existing folder, got {folder!r}"
        with pytest.raises(IsADirectoryError, match=r"^path: expected a file, got the folder "):
            way(tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("flag", [False, 0, np.False_, np.int64(0)])
def test_flags_are_true_or_false_or_1_or_0(engine, flag):
    plain, other = make(engine), make(engine)
    plain.fit(X, Y, epochs=2, batch_size=4, shuffle=False)
    other.fit(X, Y, epochs=2, batch_size=4, shuffle=flag)
    assert plain.flat.tobytes() == other.flat.tobytes()
    assert EarlyStopping(restore_best=flag).restore_best is False
    assert Linear(5, 3, bias=flag).bias is False


@pytest.mark.parametrize(
    ("kind", "module", "text"),
    [
        ("Dataset", "h5py._hl.dataset", "Dataset of h5py"),
        ("Array", "dask.array.core", "Array of dask"),
        ("DataFrame", "dask.dataframe.core", "DataFrame of dask"),
        ("Array", "zarr.core.array", "Array of zarr"),
        ("Variable", "netCDF4._netCDF4", "Variable of netCDF4"),
        ("TensorStore", "tensorstore", "TensorStore of tensorstore"),
    ],
)
@pytest.mark.parametrize("method", ["fit", "loss", "predict"])
def test_data_that_lie_elsewhere_are_not_read_whole(kind, module, text, method):
    def read(self, *given, **options):
        raise AssertionError("read whole")

    members = {"__array__": read, "shape": X.shape, "dtypes": [], "columns": range(5)}
    elsewhere = type(kind, (), {**members, "__module__": module})()
    rest = (
        f": expected rows in memory or in an np.memmap, got {text}: read it into an array, or "
        "learn from it in chunks, as densenet.chunks does"
    )
    given = (elsewhere,) if method == "predict" else (elsewhere, Y)
    refused(lambda n: getattr(n, method)(*given), TypeError, f"x{rest}")
    if method == "fit":
        refused(lambda n: n.fit(X, elsewhere), TypeError, f"y{rest}")
        weighted = {"sample_weight": elsewhere}
        refused(lambda n: n.fit(X, Y, **weighted), TypeError, f"sample_weight{rest}")
