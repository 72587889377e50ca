"""Methods for tables, each in a process of its own: read a file, train, predict the test rows.

    python bench/table_methods.py METHOD DATA SEED

It prints one line of JSON: the score, processor seconds of reading, training and predicting, and
the peak of the process's memory in bytes. The libraries' settings are their defaults; they get
numbers, gaps and categories as they want them. All compute on one thread.
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from table_data import DATA, Data

Predictions = NDArray[Any]  # texts of classes, or values
Method = Callable[[Data, int, "Clock"], tuple[Predictions, Predictions]]  # predicted, true


class Clock:
    """Processor seconds of this process, by what they were spent on."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.process_time()

    def lap(self, name: str) -> None:
        """End a part of the work, and name it."""
        now = time.process_time()
        self.seconds[name], self._last = now - self._last, now


# ---- densenet ----------------------------------------------------------------------------------


def densenet(preset: str) -> Method:
    """Make the method that ``densenet fit --preset`` is."""

    def method(data: Data, seed: int, clock: Clock) -> tuple[Predictions, Predictions]:
        from densenet import set_num_threads
        from densenet.tables import Settings, fit, read_table
        from densenet.tables.training.settings import PRESETS

        set_num_threads(1)
        clock.lap("importing")
        train = read_table(data.path, header=data.header)
        if data.test:
            test = read_table(data.path.with_name(data.test), header=data.header)
        else:
            rows, held = data.split(len(train), seed)
            train, test = train.take(rows), train.take(held)
        clock.lap("reading")
        settings = Settings(
            data.target, task=data.task, ignore=data.ignore, seed=seed, **PRESETS[preset]
        )
        model = fit(train, settings).model
        clock.lap("training")
        predicted = np.array(model.predict(test))
        clock.lap("predicting")
        is_value = data.task == "regression"
        return predicted, test.numbers(data.target) if is_value else test.texts(data.target)

    return method


# ---- others ------------------------------------------------------------------------------------


def library(make: Callable[[Data, int, Any], Any], *modules: str) -> Method:
    """Make a method of an estimator for a frame of pandas with texts as categories.

    The modules that it needs are imported before anything is timed.
    """

    def method(data: Data, seed: int, clock: Clock) -> tuple[Predictions, Predictions]:
        for module in ("pandas", *modules):
            import_module(module)
        clock.lap("importing")
        x, y = _frame(data, data.path)
        if data.test:
            count = len(x)
            test_x, test_y = _frame(data, data.path.with_name(data.test))
            import pandas

            x, y = pandas.concat([x, test_x], ignore_index=True), np.concatenate([y, test_y])
            rows, held = np.arange(count), np.arange(count, len(x))
        else:
            rows, held = data.split(len(x), seed)
        for name in x.columns[[kind.kind not in "iufb" for kind in map(_kind, x.dtypes)]]:
            x[name] = x[name].astype("category")
        clock.lap("reading")
        estimator = make(data, seed, x)
        estimator.fit(x.iloc[rows], y[rows])
        clock.lap("training")
        predicted = estimator.predict(x.iloc[held])
        clock.lap("predicting")
        return predicted, y[held]

    return method


def _kind(dtype: Any) -> np.dtype[Any]:
    return dtype if isinstance(dtype, np.dtype) else np.dtype(object)


def _frame(data: Data, path: Path) -> tuple[Any, NDArray[Any]]:
    import pandas

    frame = pandas.read_csv(path, header=0 if data.header else None, skipinitialspace=True)
    if not data.header:
        frame.columns = [f"c{i}" for i in range(frame.shape[1])]
    y = frame.pop(data.target).to_numpy()
    if data.task == "classification":
        y = np.array([str(label).rstrip(".") for label in y.tolist()])
    return frame.drop(columns=list(data.ignore)).replace("?", None), y


def _lightgbm(data: Data, seed: int, x: Any) -> Any:
    import lightgbm

    kind = lightgbm.LGBMRegressor if data.task == "regression" else lightgbm.LGBMClassifier
    return kind(n_jobs=1, verbose=-1, random_state=seed)


def _boosting(data: Data, seed: int, x: Any) -> Any:
    from sklearn import ensemble

    if data.task == "regression":
        return ensemble.HistGradientBoostingRegressor(random_state=seed)
    return ensemble.HistGradientBoostingClassifier(random_state=seed)


def _real_mlp(data: Data, seed: int, x: Any) -> Any:
    """Make RealMLP, which encodes all itself but gaps of numbers."""
    import pytabkit
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    numbers, _ = _by_kind(x)
    filled = make_column_transformer(
        (SimpleImputer(strategy="median"), numbers), remainder="passthrough"
    )
    is_value = data.task == "regression"
    kind = pytabkit.RealMLP_TD_Regressor if is_value else pytabkit.RealMLP_TD_Classifier
    estimator = kind(device="cpu", n_threads=1, random_state=seed)
    return make_pipeline(filled.set_output(transform="pandas"), estimator)


def _by_kind(x: Any) -> tuple[list[str], list[str]]:
    """Give the columns of numbers, and those of texts."""
    texts = [name for name in x.columns if str(x[name].dtype) == "category"]
    return [name for name in x.columns if name not in texts], texts


def _encoded(x: Any, last: Any) -> Any:
    """Make a pipeline that fills and standardises numbers, one-hot encodes texts, and ends so."""
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    numbers, texts = _by_kind(x)
    encoder = make_column_transformer(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        (OneHotEncoder(handle_unknown="ignore"), texts),
    )
    return make_pipeline(encoder, last)


def _linear(data: Data, seed: int, x: Any) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    is_value = data.task == "regression"
    return _encoded(x, Ridge() if is_value else LogisticRegression(max_iter=1000))


def _perceptron(data: Data, seed: int, x: Any) -> Any:
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.preprocessing import StandardScaler

    if data.task == "classification":
        return _encoded(x, MLPClassifier(random_state=seed))
    values = MLPRegressor(random_state=seed)
    scaled = TransformedTargetRegressor(values, transformer=StandardScaler())
    return _encoded(x, scaled)


_PIPELINE = ("sklearn.compose", "sklearn.impute", "sklearn.pipeline", "sklearn.preprocessing")

METHODS: Mapping[str, Method] = {
    "densenet, fast": densenet("fast"),
    "densenet, default": densenet("default"),
    "densenet, best": densenet("best"),
    "LightGBM": library(_lightgbm, "lightgbm", "sklearn"),
    "scikit-learn, boosting": library(_boosting, "sklearn.ensemble"),
    "scikit-learn, MLP": library(_perceptron, "sklearn.neural_network", *_PIPELINE),
    "logistic or ridge regression": library(_linear, "sklearn.linear_model", *_PIPELINE),
    "RealMLP": library(_real_mlp, "pytabkit", *_PIPELINE[:3]),
}
WHEN_NAMED = ("RealMLP",)
"""Methods that take minutes where the others take seconds: they run if they are asked for."""


def measure(method: str, data: Data, seed: int) -> dict[str, Any]:
    """Run a method on a table; give what the module's docstring says."""
    clock = Clock()
    predicted, true = METHODS[method](data, seed, clock)
    if data.task == "regression":
        score = float(np.sqrt(np.mean((predicted.astype(float) - true.astype(float)) ** 2)))
    else:
        names, wanted = ([str(one).rstrip(".") for one in each] for each in (predicted, true))
        score = float(np.mean(np.array(names) == np.array(wanted)))
    return {"score": score, "peak": _peak(), **clock.seconds}


def _peak() -> int:
    """Give the most bytes that this process has held, -1 where the system does not say."""
    try:
        import resource
    except ImportError:
        return -1
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    name, of, drawn = sys.argv[1:]
    print(json.dumps(measure(name, DATA[of], int(drawn))))
