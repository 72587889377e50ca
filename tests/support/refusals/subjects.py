"""The public callables, each with one good call: what `refusals` spoils."""

import copy
import functools
import importlib
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

import densenet
import densenet.metrics
from densenet import Network, config, reference, serialization
from densenet._activations import ACTIVATIONS
from densenet.layers import BatchNorm, Dropout, Linear, Sigmoid
from densenet.losses import MeanSquaredError, SoftmaxCrossEntropy
from densenet.optimizers import Adam
from densenet.schedules import CosineLR
from densenet.training import Callback, EarlyStopping
from tests.support.backends import ENGINES, TWINS
from tests.support.functions import ELEMENTWISE, arguments_of


class Subject(NamedTuple):
    """A callable, made for a backend, and its good arguments, made anew for every call."""

    name: str
    call: Callable[[str], Callable[..., Any]]
    arguments: Callable[[], dict[str, Any]]
    kinds: Mapping[str, str] = {}
    backends: tuple[str, ...] = ("",)
    also: str = "$."
    """How else a message may begin than with the parameter's name."""
    most: int = 30
    """Wrong values that are drawn for each parameter."""


# ---- functions of arrays -------------------------------------------------------------------------


def _rng() -> np.random.Generator:
    return np.random.default_rng(5)


def _kernel_arguments(name: str) -> dict[str, Any]:
    function = getattr(reference, name)
    arguments = arguments_of(name, _rng(), np.dtype(np.float64))
    return {n: arguments.get(n, default(p)) for n, p in parameters_of(function)}


def parameters_of(function: Callable[..., Any]) -> list[tuple[str, inspect.Parameter]]:
    return [(n, p) for n, p in inspect.signature(function).parameters.items() if n != "self"]


def default(parameter: inspect.Parameter) -> Any:
    return 1e-3 if parameter.default is parameter.empty else parameter.default


def _kernels() -> list[Subject]:
    kinds: dict[str, dict[str, str]] = {
        **{f"{name}_forward": {"x": "elements"} for name in ELEMENTWISE},
        "softmax_forward": {"x": "matrix"},
        "linear_forward": {"x": "rows", "bias": "optional array"},
        "rmsprop_step": {"beta": "decay"},
    }
    arrays = ("x", "y", "dy", "weight", "outputs", "logits", "probabilities")
    targets = {"binary": "bits", "cross_entropy": "array", "logistic": "array"}
    targets["softmax_cross_entropy"] = "class targets"
    subjects = []
    for name in reference.__all__:
        loss = next((kind for start, kind in targets.items() if name.startswith(start)), "reals")
        subjects.append(
            Subject(
                f"kernels.{name}",
                lambda twin, name=name: getattr(importlib.import_module(f"densenet.{twin}"), name),
                functools.partial(_kernel_arguments, name),
                dict.fromkeys(arrays, "array")
                | {"targets": loss, "sample_weight": "optional weights"}
                | kinds.get(name, {}),
                TWINS,
            )
        )
    return subjects


# ---- networks ------------------------------------------------------------------------------------


@functools.cache
def _trained(backend: str, values: bool = False) -> Network:
    layers = [Linear(5, 4), BatchNorm(4), Sigmoid(), Dropout(0.25), Linear(4, 1 if values else 3)]
    loss = MeanSquaredError() if values else SoftmaxCrossEntropy()
    network = Network(layers, loss, seed=1, backend=backend, dtype="float64")
    x, y = data()
    for _ in range(2):  # and not by fit, which could be resumed
        network.train_step(x, y, Adam())
    return network


def trained(backend: str = "compiled", values: bool = False) -> Network:
    return copy.deepcopy(_trained(backend, values))


def data() -> tuple[np.ndarray, np.ndarray]:
    return _rng().normal(size=(6, 5)), np.array([0, 1, 2, 1, 0, 2])


def accuracy(y_true: Any, y_pred: Any) -> float:
    return float(np.mean(y_true == y_pred))


def _method(name: str, backends: tuple[str, ...] = ENGINES, /, **arguments: Any) -> Subject:
    """Call a method of a trained network; arguments that are functions are called for each call."""
    x, y = data()
    known = {"x": x, "y": y, "dy": _rng().normal(size=(6, 3)), "sample_weight": np.arange(1.0, 7)}
    known |= {"optimizer": Adam(lr=CosineLR(0.01, 20)), "flat": trained().flat.copy()}
    known |= {"out": trained().flat.copy(), "gradient": trained().flat.copy()}
    known |= arguments
    given = {n: known.get(n, default(p)) for n, p in parameters_of(getattr(Network, name))}
    alone = not {"y", "dy"} & set(given)  # x may have any number of rows
    kinds = {"x": "many rows"} if alone else {"sample_weight": "weights"}
    return Subject(
        f"Network.{name}",
        lambda backend: getattr(trained(backend), name),
        lambda: copy.deepcopy(given),
        kinds | ({"steps": "bounded count"} if name == "profile" else {}),
        backends,
    )


def _predictors() -> list[Subject]:
    methods = ("forward", "predict", "predict_proba")
    return [
        Subject("Predictor", lambda _: densenet.Predictor, lambda: {"network": trained()}),
        *(
            Subject(
                f"Predictor.{name}",
                lambda backend, name=name: getattr(trained(backend).predictor(), name),
                lambda: {"x": data()[0]},
                {"x": "many rows"},
                ENGINES,
            )
            for name in methods
        ),
    ]


def _networks() -> list[Subject]:
    x, y = data()
    return [
        Subject(
            "Network",
            lambda backend: functools.partial(Network, backend=backend),
            lambda: {
                "layers": [Linear(5, 4), Sigmoid(), Linear(4, 3)],
                "loss": SoftmaxCrossEntropy(),
                "dtype": "float32",
                "seed": 1,
            },
            backends=ENGINES,
        ),
        Subject(
            "Network (backend, precision)",
            lambda _: functools.partial(Network, [Linear(5, 3)], SoftmaxCrossEntropy()),
            lambda: {"backend": "compiled", "precision": "high"},
        ),
        _method("forward"),
        _method("backward"),
        _method("predict"),
        _method("predict_proba"),
        _method("loss"),
        _method("gradients"),
        _method("input_gradient"),
        _method("value_and_gradient"),
        _method("train_step"),
        _method("loss_and_gradient", first_row=3, total_weight=12.0),
        _method("apply_gradient"),
        _method(
            "fit",
            epochs=2,
            batch_size=4,
            validation_data=(x, y),
            metrics=[accuracy],
            callbacks=[Callback()],
            early_stopping=EarlyStopping("loss"),
            class_weight={0: 1.0, 2: 3.0},
            seed=3,
        ),
        _method("plan"),
        _method("predictor"),
        *_predictors(),
        _method("profile", ("compiled",), steps=2),
        _method("save", path="saved.safetensors"),
        _method("reset_optimizer"),
        Subject(
            "Network.load",
            lambda _: Network.load,
            lambda: {"path": "good.safetensors", "backend": "compiled", "loss": None},
            {"path": "file", "loss": "own loss"},
        ),
        Subject(
            "serialization.save",
            lambda _: serialization.save,
            lambda: {
                "network": trained(),
                "path": "saved.safetensors",
                "attachments": {"columns": ["a", "b"], "shift": 0.5},
            },
        ),
        Subject(
            "serialization.load",
            lambda _: serialization.load,
            lambda: {"path": "good.safetensors", "backend": "reference", "loss": None},
            {"path": "file", "loss": "own loss"},
        ),
        Subject(
            "check_gradients",
            lambda _: densenet.check_gradients,
            lambda: {"network": _small(), "x": x[:2, :2].copy(), "y": y[:2], "step": 1e-5},
            {"x": "square rows", "y": "two classes", "step": "positive"},
        ),
        Subject(
            "lr_range_test",
            lambda _: densenet.lr_range_test,
            lambda: {
                "network": trained(),
                "x": x,
                "y": y,
                "optimizer": Adam(),
                "lowest": 1e-5,
                "highest": 1e-2,
                "steps": 4,
                "batch_size": 4,
                "seed": 1,
            },
            {"steps": "bounded count"},
        ),
        Subject(
            "fit_many",
            lambda _: densenet.fit_many,
            lambda: {
                "networks": [trained(), trained()],
                "x": x,
                "y": y,
                "epochs": 2,
                "batch_size": 4,
                "optimizer": [Adam(), Adam(0.1)],
                "seeds": [1, 2],
                "rows": [np.array([5, 0, 1]), np.array([3, 4, 4])],
                "sample_weight": np.arange(1.0, 7),
                "validation_rows": [np.array([2, 1]), np.array([2])],
                "metrics": [accuracy],
                "early_stopping": EarlyStopping("loss"),
                "n_threads": 2,
                "on_model_end": lambda *of_its_end: None,
            },
            {
                "networks": "object",
                "optimizer": "one or each",
                "seeds": "seed of each",
                "rows": "rows of each",
                "sample_weight": "weights",
                "validation_rows": "rows of each",
                "n_threads": "optional threads",
                "on_model_end": "optional function",
            },
        ),
    ]


def _small() -> Network:
    return Network([Linear(2, 3)], SoftmaxCrossEntropy(), seed=1)


# ---- descriptions --------------------------------------------------------------------------------

_SPECS: dict[str, dict[str, Any]] = {
    "Linear": {"inputs": 3, "outputs": 2, "init": np.arange(6.0).reshape(2, 3)},
    **{entry.layer.__name__: {} for entry in ACTIVATIONS.values()},
    "Softmax": {},
    "Dropout": {"rate": 0.5},
    "LayerNorm": {"width": 3},
    "BatchNorm": {"width": 3},
    "Residual": {"layers": [Linear(3, 2), Sigmoid(), Linear(2, 3)]},
    "SoftmaxCrossEntropy": {},
    "CrossEntropy": {},
    "BinaryCrossEntropy": {},
    "LogisticLoss": {},
    "MeanSquaredError": {},
    "MeanAbsoluteError": {},
    "Huber": {},
    "SGD": {"lr": 0.1, "momentum": 0.9, "nesterov": True, "trainable": ["0", "2.bias"]},
    "RMSprop": {"lr_factors": {"0": 0.5, "2.bias": 0}},
    "Adam": {},
    "AdamW": {},
    "ConstantLR": {"lr": 0.1},
    "StepLR": {"lr": 0.1, "every": 3},
    "ExponentialLR": {"lr": 0.1, "factor": 1.1},
    "CosineLR": {"lr": 0.1, "steps": 10},
    "WarmupLR": {"after": CosineLR(0.1, 10), "steps": 5},
    "EarlyStopping": {"mode": "min"},
    "WeightAveraging": {"decay": 0.9},
    "Checkpoint": {"path": "saved.safetensors"},
}


def _specs() -> list[Subject]:
    subjects = []
    for name, given in _SPECS.items():
        made = getattr(densenet, name)
        schedule = name.endswith("LR")
        kinds = {"inputs": "width with init", "outputs": "width with init", "eps": "rate"}
        arguments = {n: given.get(n, default(p)) for n, p in parameters_of(made)}
        subjects.append(
            Subject(name, lambda _, m=made: m, lambda a=arguments: copy.deepcopy(a), kinds)
        )
        if schedule:
            rate = made(**given)
            subjects.append(
                Subject(
                    f"{name}()", lambda _, r=rate: r, lambda: {"step": 3}, {"step": "count from 0"}
                )
            )
    return subjects


# ---- what is measured, exchanged and drawn -------------------------------------------------------

_CLASSES = {"y_true": np.array([0, 1, 2, 1]), "y_pred": np.array([0, 2, 2, 1])}
_ORDER = {"y_true": np.array([0, 1, 1, 0]), "y_score": np.array([0.5, 1.0, 2.0, 0.1])}
_VALUES = {"y_true": np.array([0.5, 1.0, 2.0]), "y_pred": np.array([0.5, 1.5, 1.0])}
_METRICS: dict[str, tuple[dict[str, Any], str]] = {
    "accuracy": (_CLASSES, "classes"),
    "average_precision": (_ORDER, "classes"),
    "confusion_matrix": (_CLASSES | {"n_classes": 4}, "classes"),
    "precision_recall_fbeta": (_CLASSES | {"beta": 1.0, "average": "macro"}, "classes"),
    "r2": (_VALUES, "values"),
    "mean_squared_error": (_VALUES, "values"),
    "mean_absolute_error": (_VALUES, "values"),
}


def _metrics() -> list[Subject]:
    return [
        Subject(
            f"metrics.{name}",
            lambda _, name=name: getattr(densenet.metrics, name),
            lambda given=given: copy.deepcopy(given),
            {"y_true": kind, "y_pred": kind, "y_score": "values", "beta": "rate"},
        )
        for name, (given, kind) in _METRICS.items()
    ]


@functools.cache
def subjects() -> tuple[Subject, ...]:
    """Those that need NumPy alone."""
    threads = Subject(
        "set_num_threads", lambda _: config.set_num_threads, lambda: {"n": 1}, {"n": "threads"}
    )
    return (
        *_kernels(),
        *_networks(),
        *_specs(),
        threads,
        *_metrics(),
    )
