"""Turns the parameters of an estimator of tables into the settings of a training run."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from sklearn.utils import check_random_state

from densenet import _checks
from densenet._activations import ACTIVATIONS
from densenet._typing import Array
from densenet.estimators import _parameters
from densenet.estimators._frames import FrameColumns
from densenet.tables.encoding.features import NAMED
from densenet.tables.encoding.targets import Task
from densenet.tables.model import TableModel
from densenet.tables.training.going_on import DECIDED
from densenet.tables.training.settings import PRESETS, Settings

SETTING_OF = {
    "hidden_layer_sizes": "hidden",
    "activation": "activation",
    "solver": "optimizer",
    "learning_rate_init": "lr",
    "learning_rate": "schedule",
    "batch_size": "batch_size",
    "max_iter": "epochs",
    "visits": "visits",
    "n_iter_no_change": "patience",
    "validation_fraction": "validation",
    "dropout": "dropout",
    "normalization": "normalization",
    "residual": "residual",
    "reduce": "reduce",
    "weight_decay": "weight_decay",
    "l1": "l1",
    "l2": "l2",
    "label_smoothing": "label_smoothing",
    "n_members": "nets",
    "pieces": "pieces",
    "impute": "impute",
    "max_categories": "most_categories",
    "class_weight": "class_weight",
    "scoring": "monitor",
    "calibrate": "calibrate",
}
"""The setting that each parameter chooses; one that is None leaves the choice to the preset."""

_COLUMNS = {"categorical_features": "text", "numeric_features": "numbers"}
_NAMED = f"learned from if named in {' or '.join(_COLUMNS)}"

_KIND_OF = {entry.name: kind for kind, entry in ACTIVATIONS.items()}


def settings_of(
    estimator: Any, labels: tuple[str, str | None], task: Task, columns: FrameColumns
) -> Settings:
    """Give the settings that an estimator's parameters choose, for columns beside those of X.

    These are the target and, if rows have them, the weights.

    An integer `random_state` is the seed itself, so that ``densenet fit --seed`` gives the same
    network; any other draws one.
    """
    defaults = {field.name: field.default for field in fields(estimator)}
    chosen = {}
    for name, setting in SETTING_OF.items():
        if name in defaults:
            value = getattr(estimator, name)
            if value is not None or defaults[name] is not None:
                chosen[setting] = value
    if "hidden" in chosen:
        chosen["hidden"] = _parameters.hidden_layer_sizes(chosen["hidden"])
    if isinstance(chosen.get("activation"), str):
        chosen["activation"] = _KIND_OF.get(chosen["activation"], chosen["activation"])
    if isinstance(chosen.get("class_weight"), Mapping):
        chosen["class_weight"] = _by_number(chosen["class_weight"], estimator.classes_)
    _parameters.random_state(estimator.random_state)
    seed = estimator.random_state
    if not isinstance(seed, int):
        seed = int(check_random_state(seed).randint(2**31 - 1))
    text = columns.named("categorical_features", estimator.categorical_features)
    numbers = columns.named("numeric_features", estimator.numeric_features)
    both = [name for name in numbers if name in text]
    if both:
        raise ValueError(
            "numeric_features: expected other columns than categorical_features, got "
            f"{both[0]!r} in both"
        )
    by_type = tuple(name for name in columns.categories if name not in numbers)
    chosen |= {"text": tuple(dict.fromkeys(text + by_type)), "numbers": numbers}
    target, weight = labels
    chosen |= {"task": task, "seed": seed, "weight": weight}
    return Settings(target, **{**PRESETS[estimator.preset], **chosen})


def _by_number(class_weight: Mapping[Any, float], classes: Array) -> dict[str, float]:
    """Give the weights of classes by their numbers, as which the table has them."""
    number_of = {label: str(number) for number, label in enumerate(classes.tolist())}
    unknown = [label for label in class_weight if label not in number_of]
    if unknown:
        raise ValueError(
            f"class_weight: expected classes among {list(number_of)}, got {unknown[0]!r}"
        )
    return {number_of[label]: weight for label, weight in class_weight.items()}


def check_same(settings: Settings, start: TableModel) -> None:
    """Check that parameters choose what they chose when the model to go on from was made."""
    chosen = start.facts["settings"]
    for parameter, setting in (SETTING_OF | _COLUMNS).items():
        expected, got = chosen.get(setting), getattr(settings, setting)
        is_open = got is None and setting in ("hidden", "pieces", "label_smoothing")
        if setting in DECIDED and got != expected and not is_open:
            raise ValueError(
                f"{parameter}: expected {expected!r}, with which it was fitted before, got "
                f"{got!r}: set warm_start=False to begin anew"
            )


@contextmanager
def errors_by_parameter() -> Iterator[None]:
    """Let errors about settings name the parameters that chose them."""
    try:
        yield
    except (TypeError, ValueError) as error:
        text = str(error)
        for parameter, setting in (SETTING_OF | {"sample_weight": "weight"}).items():
            if re.match(rf"{setting}\b", text) and parameter != setting:
                raise type(error)(parameter + text.removeprefix(setting)) from None
        if NAMED in text:
            raise type(error)(text.replace(NAMED, _NAMED)) from None
        raise


def check(estimator: Any) -> None:
    """Check the parameters that choose no setting of their own."""
    _checks.choice("preset", estimator.preset, tuple(PRESETS))
    if estimator.n_threads is not None:
        _checks.count("n_threads", estimator.n_threads, most=_checks.MOST_THREADS)
    _checks.flag("verbose", estimator.verbose)
    _checks.flag("warm_start", estimator.warm_start)
