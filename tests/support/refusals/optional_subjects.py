"""The public callables that need an optional package, or write for one, each with one good call."""

import copy
import functools
import importlib
import importlib.util
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np

import densenet
from densenet import Network
from densenet.layers import Linear, Sigmoid
from densenet.losses import MeanSquaredError, SoftmaxCrossEntropy
from tests.support.refusals.accepted import KIND_OF
from tests.support.refusals.subjects import Subject, accuracy, data, default, parameters_of, trained
from tests.support.refusals.table_subjects import table_model

# ---- other programs ------------------------------------------------------------------------------


def _exchange() -> list[Subject]:
    exchange = importlib.import_module("densenet.exchange")

    def of(name: str, kinds: Mapping[str, str] = {}, /, **given: Any) -> Subject:
        call = getattr(exchange, name)
        return Subject(f"exchange.{name}", lambda _: call, lambda: copy.deepcopy(given), kinds)

    network, plain = trained(), Network([Linear(5, 4), Sigmoid(), Linear(4, 3)], MeanSquaredError())
    subjects = [
        of("state_dict", network=network, convert=np.asarray),
        of("load_state_dict", network=network, state=exchange.state_dict(network)),
        of("to_c", {"name": "identifier"}, network=network, path="net.h", name="net"),
        of("table_to_c", {"name": "identifier"}, model=table_model(), path="table.h", name="net"),
    ]
    if installed("onnx"):
        subjects += [
            of("to_onnx", network=network, path="net.onnx"),
            of("table_to_onnx", model=table_model(), path="table.onnx"),
        ]
    if installed("sklearn"):
        softmax = Network([Linear(5, 3)], SoftmaxCrossEntropy(), seed=1)
        subjects += [
            of("to_sklearn", network=softmax, classes=["a", "b", "c"]),
            of("from_sklearn", mlp=exchange.to_sklearn(plain), backend="compiled"),
        ]
    return subjects


def installed(*names: str) -> bool:
    return all(importlib.util.find_spec(name) for name in names)


def _plotting() -> list[Subject]:
    if not installed("matplotlib"):
        return []
    import matplotlib

    matplotlib.use("agg")
    from matplotlib.figure import Figure

    plotting = importlib.import_module("densenet.plotting")
    images, labels = np.arange(24.0).reshape(6, 4), np.array([0, 1, 2, 0, 1, 2])
    history = trained().fit(*data(), epochs=2, validation_data=data(), metrics=[accuracy])
    lrs = np.array([1e-3, 1e-2, 1e-1, 1.0])
    result = densenet.LRRange(lrs, 2 - lrs, 2 - lrs, 0.01)
    pictures = {"shape": (2, 2), "class_names": ["a", "b", "c"], "columns": 2}
    pair = {"y_true": labels, "y_pred": labels[::-1].copy()}
    curves = {"training": [2.3, 0.9, 0.5], "validation": [2.3, 1.1, 0.8]}

    panel = Figure().subplots()
    known = {"lines": "curves", "dots": "curves", "least": "any number", "scores": "scores"}
    known |= {"matrix": "counts", "class_names": "any names", "images": "images", "x": "images"}
    known |= {"y_true": "labels", "y_pred": "labels", "shape": "image shape"}

    def of(
        name: str, kinds: Mapping[str, str] = {}, /, *, axes: bool = True, **given: Any
    ) -> Subject:
        def arguments() -> dict[str, Any]:
            return ({"axes": panel} if axes else {}) | copy.deepcopy(given)

        call = getattr(plotting, name)
        return Subject(f"plotting.{name}", lambda _: call, arguments, known | kinds, most=15)

    return [
        of("loss_curves", lines=curves, dots={"both": [2.0, 1.0]}, least=0.3),
        of("validation_curve", scores=[0.5, 0.75], name="accuracy"),
        of("plot_history", axes=False, history=history),
        of("plot_lr_range", axes=False, result=result),
        of("confusion_matrix", matrix=np.eye(3, dtype=int), class_names=["a", "b", "c"]),
        of(
            "plot_confusion_matrix", axes=False, matrix=np.eye(2, dtype=int), class_names=["a", "b"]
        ),
        of(
            "predicted_against_true",
            dict.fromkeys(pair, "values"),
            y_true=np.array([1.0, 2.0]),
            y_pred=np.array([1.5, 1.0]),
        ),
        of("misclassified", images=images, **pair, **pictures),
        of("plot_misclassified", axes=False, x=images, **pair, **pictures, most=3),
    ]


# ---- estimators ----------------------------------------------------------------------------------


def _estimators() -> list[Subject]:
    if not installed("sklearn"):
        return []
    estimators = importlib.import_module("densenet.estimators")
    x, y = data()
    values = x[:, 0].copy()
    targets = {"DenseClassifier": y, "DenseRegressor": values}
    targets |= {"DenseEnsembleClassifier": y, "DenseEnsembleRegressor": values}
    used = {  # settings that another one must be set for
        "momentum": {"solver": "sgd"},
        "max_fun": {"solver": "lbfgs"},
        "scoring": {"early_stopping": True},
        "validation_fraction": {"early_stopping": True},
    }
    subjects = []
    for name, goal in targets.items():
        made = getattr(estimators, name)
        few = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": 1, "batch_size": 4}
        few["validation_fraction"] = 0.5
        defaults = {n: few.get(n, default(p)) for n, p in parameters_of(made)}
        if "Ensemble" in name:  # whose other settings are those of its members
            few["n_members"] = 2
            defaults = {"n_members": 2, "bootstrap": False}

        def construct(made=made, goal=goal, few=few, **given: Any) -> Any:
            (setting,) = given
            return made(**few | used.get(setting, {}) | given).fit(x, goal)

        subjects += [
            Subject(
                f"{name}(...).fit ({setting})",
                lambda _, call=construct: call,
                lambda setting=setting, value=value: {setting: copy.deepcopy(value)},
                {setting: KIND_OF[f"estimator's {setting}"]},
                also="layers: expected at most|Solver produced non-finite",
                most=15,
            )
            for setting, value in defaults.items()
        ]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an end after one epoch
            fitted = made(**few).fit(x, goal)
        weights = np.arange(1.0, 7)
        held = {"X_val": x, "y_val": goal, "sample_weight_val": weights}
        for method in ("fit", "partial_fit", "predict", "score"):
            if not hasattr(fitted, method):
                continue
            parameters = [n for n, _ in parameters_of(getattr(made, method))]
            known = {"X": x, "y": goal, "sample_weight": weights, **held, "classes": np.arange(3)}
            known |= {"return_std": True}
            given = {key: known[key] for key in parameters}
            subjects.append(
                Subject(
                    f"{name}.{method}",
                    lambda _, fitted=fitted, method=method: getattr(copy.deepcopy(fitted), method),
                    lambda given=given: copy.deepcopy(given),
                    dict.fromkeys(given, "scikit-learn's") | {"return_std": "flag"},
                    most=10,
                )
            )
    few = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": 1, "batch_size": 2}
    given = {
        "estimator": estimators.DenseRegressor(**few),
        "X": x,
        "y": values,
        "param_grid": {"alpha": [0.0, 1.0]},
        "sample_weight": np.arange(1.0, 7),
        "groups": np.array([0, 0, 1, 1, 2, 2]),
        "cv": 2,
        "scoring": "neg_mean_squared_error",
        "n_threads": 2,
    }
    kinds = dict.fromkeys(given, "scikit-learn's")
    kinds |= {"estimator": "object", "n_threads": "optional threads"}
    search = estimators.cross_validate_many
    subjects.append(
        Subject(
            "cross_validate_many",
            lambda _: search,
            lambda: copy.deepcopy(given),
            kinds,
            most=10,
        )
    )
    return subjects


def _estimators_of_tables() -> list[Subject]:
    if not installed("sklearn"):
        return []
    estimators = importlib.import_module("densenet.estimators")
    x, y = data()
    kinds = {
        "hidden_layer_sizes": "hidden sizes",
        "preset": "choice",
        "learning_rate_init": "optional positive",
        "validation_fraction": "optional decay",
        "dropout": "optional decay",
        "max_categories": "count from 0",
        "max_iter": "count or None",
        "batch_size": "count or None",
        "visits": "count or None",
        "n_iter_no_change": "count or None",
        "n_members": "count or None",
        "pieces": "count from 0 or None",
        "categorical_features": "columns by name or position",
        "numeric_features": "columns by name or position",
        "verbose": "flag",
        "scoring": "average",
        "class_weight": "class weights",
        "calibrate": "flag",
        "residual": "flag",
        "reduce": "average",
        "weight_decay": "optional rate",
        "l1": "rate",
        "l2": "rate",
        "label_smoothing": "optional decay",
    }
    few = {"hidden_layer_sizes": (3,), "max_iter": 1, "random_state": 1, "batch_size": 4}
    few |= {"validation_fraction": 0.0, "categorical_features": [0]}
    few |= {"numeric_features": [1], "reduce": "pca:2"}
    subjects = []
    for name, goal in {"DenseTableClassifier": y, "DenseTableRegressor": x[:, 0].copy()}.items():
        made = getattr(estimators, name)

        def construct(made=made, goal=goal, **given: Any) -> Any:
            if "residual" in given:
                given["hidden_layer_sizes"] = (x.shape[1],)
            return made(**few | given).fit(x, goal)

        subjects += [
            Subject(
                f"{name}(...).fit ({setting})",
                lambda _, call=construct: call,
                lambda setting=setting, value=value: {setting: copy.deepcopy(value)},
                {setting: kinds.get(setting) or KIND_OF[f"estimator's {setting}"]},
                also="layers: expected at most|learning_rate_init: expected a learning rate",
                most=15,
            )
            for setting, value in {
                n: few.get(n, default(p)) for n, p in parameters_of(made)
            }.items()
        ]
        fitted = made(**few).fit(x, goal)
        for method in ("fit", "predict", "score"):
            known = {"X": x, "y": goal, "X_val": x, "y_val": goal}
            parameters = {key for key, _ in parameters_of(getattr(made, method))}
            given = {key: known[key] for key in known if key in parameters}
            subjects.append(
                Subject(
                    f"{name}.{method}",
                    lambda _, fitted=fitted, method=method: getattr(copy.deepcopy(fitted), method),
                    lambda given=given: copy.deepcopy(given),
                    dict.fromkeys(given, "scikit-learn's"),
                    most=10,
                )
            )
    return subjects


# ---- tuning --------------------------------------------------------------------------------------


def _tuning() -> list[Subject]:
    if not installed("optuna"):
        return []
    import optuna

    given = {"trial": optuna.trial.FixedTrial({}), "monitor": "loss", "interval": 2}
    call = importlib.import_module("densenet.training").PruningCallback
    return [
        Subject(
            "PruningCallback",
            lambda _: call,
            lambda: copy.deepcopy(given),
            {"trial": "object", "interval": "count"},
        )
    ]


@functools.cache
def subjects() -> tuple[Subject, ...]:
    """Those whose packages are installed."""
    return (*_exchange(), *_plotting(), *_estimators(), *_estimators_of_tables(), *_tuning())
