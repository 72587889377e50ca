"""Every public callable with arguments that fit, and values that do not fit: for test_refusals.py.

A subject is a callable with one good call. Its parameters are replaced one at a time by each of
`FIXED`, and by what `mutations` makes of the good argument. `ACCEPTED` has what a parameter of a
kind takes on purpose; all else must be refused.
"""

import fractions
import os
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np

import densenet
from densenet import Network
from tests.support.arrays import misaligned, reversed_axes, spread, swapped
from tests.support.refusals.accepted import ACCEPTED, KIND_OF
from tests.support.refusals.subjects import Subject

try:
    import pandas as pd
except ImportError:  # a plain environment
    pd = None

# ---- values that are wrong for most parameters ---------------------------------------------------


def _fixed() -> dict[str, Callable[[], Any]]:
    values: dict[str, Callable[[], Any]] = {
        "None": lambda: None,
        "True": lambda: True,
        "numpy True": lambda: np.True_,
        "'3'": lambda: "3",
        "'no'": lambda: "no",
        "''": lambda: "",
        "bytes": lambda: b"no",
        "0": lambda: 0,
        "-1": lambda: -1,
        "2": lambda: 2,
        "2.5": lambda: 2.5,
        "nan": lambda: float("nan"),
        "inf": lambda: float("inf"),
        "-inf": lambda: -float("inf"),
        "10**30": lambda: 10**30,
        "-10**30": lambda: -(10**30),
        "10**400": lambda: 10**400,
        "1e300": lambda: 1e300,
        "1j": lambda: 1j,
        "Decimal": lambda: Decimal("0.5"),
        "Fraction": lambda: fractions.Fraction(1, 2),
        "numpy float": lambda: np.float32(0.5),
        "numpy int": lambda: np.int64(2),
        "0-d array": lambda: np.array(0.5),
        "[0.5]": lambda: [0.5],
        "[]": list,
        "()": tuple,
        "{}": dict,
        "set": lambda: {1, 2},
        "object": object,
        "class": lambda: int,
        "function": lambda: len,
        "generator": lambda: (i for i in (0, 1)),
        "range": lambda: range(2),
        "ragged": lambda: [[1.0], [2.0, 3.0]],
        "list of texts": lambda: ["a", "b"],
        "list of None": lambda: [None, None],
        "float16": lambda: np.ones((2, 2), np.float16),
        "complex": lambda: np.ones((2, 2), complex),
        "objects": lambda: np.array([[None, "a"], [1, 2.0]], object),
        "texts": lambda: np.array([["a", "b"], ["c", "d"]]),
        "dates": lambda: np.zeros((2, 2), "M8[s]"),
        "records": lambda: np.zeros(2, [("a", "f8"), ("b", "i4")]),
        "3-d": lambda: np.ones((2, 2, 2)),
        "no rows": lambda: np.ones((0, 2)),
        "path": lambda: Path("no"),
        "null character": lambda: "a\0b",
    }
    if pd is not None:
        values |= {
            "Series": lambda: pd.Series([1.0, 2.0]),
            "nullable": lambda: pd.array([1, None], dtype="Int64"),
            "categorical": lambda: pd.Series(["a", "b"], dtype="category"),
            "frame": lambda: pd.DataFrame({"a": [1.0, 2.0], "b": ["c", "d"]}),
            "NA": lambda: pd.NA,
            "Timestamp": lambda: pd.Timestamp("2026-01-01"),
        }
    return values


FIXED = _fixed()

# ---- what becomes of a good argument -------------------------------------------------------------


def _put(array: np.ndarray, value: float, rng: np.random.Generator) -> np.ndarray:
    changed = array.astype(np.result_type(array, np.float32))
    changed.flat[rng.integers(changed.size)] = value
    return changed


def _read_only(array: np.ndarray) -> np.ndarray:
    array = array.copy()
    array.flags.writeable = False
    return array


def _of_array(a: np.ndarray, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    yield "a row less", a[:-1]
    yield "a row more", np.concatenate([a, a[:1]])
    yield "no row of it", a[:0]
    yield "its first row", a[0]
    yield "an axis more", a[np.newaxis]
    yield "flattened", a.ravel() if a.ndim > 1 else a.reshape(1, -1)
    yield "its columns halved", a[..., ::2].copy()
    yield "turned", a.T.copy() if a.ndim > 1 else a[:, np.newaxis]
    yield "a list", a.tolist()
    yield "as texts", a.astype("U8")
    yield "as objects", a.astype(object)
    yield "as complex", a.astype(complex)
    yield "as float16", a.astype(np.float16)
    yield "as long double", a.astype(np.longdouble)
    yield "as float32", a.astype(np.float32)
    yield "as float64", a.astype(np.float64)
    yield "as int64", (10 * a).astype(np.int64) if a.dtype.kind == "f" else a.astype(np.int64)
    yield "as bool", a > 0
    yield "one NaN", _put(a, np.nan, rng)
    yield "one inf", _put(a, np.inf, rng)
    yield "one of -1e30", _put(a, -1e30, rng)
    yield "read-only", _read_only(a)
    yield "other byte order", swapped(a)
    yield "misaligned", misaligned(a)
    yield "broadcast", np.broadcast_to(a[:1], a.shape)
    yield "with gaps", spread(a)
    yield "backwards", reversed_axes(a)
    mask = np.zeros(a.shape, bool)
    mask.flat[0] = True
    yield "masked", np.ma.array(a, mask=mask)
    if pd is not None and a.ndim <= 2:
        yield "as frame", pd.DataFrame(a) if a.ndim == 2 else pd.Series(a)
        if a.ndim == 1 and a.dtype.kind in "if":
            whole = pd.array(a, dtype="Int64" if a.dtype.kind == "i" else "Float64")
            whole[0] = pd.NA
            yield "a nullable array", whole


def _of_sequence(a: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    if a:
        yield "no brackets", a[0]
        yield "brackets twice", [a]
        yield "one None among it", [*a, None]
        yield "one object among it", [object(), *a]
        yield "a class among it", [*a, type(a[0])]
        yield "a text among it", [*a, "no"]
        yield "one less", a[:-1]
        yield "it twice", [*a, *a]
    yield "by a generator", (each for each in a)
    yield "in a dict", dict.fromkeys(range(len(a)), a)
    yield "as array of objects", np.array([*a, None], object)[:-1]


def _of_mapping(a: Mapping[Any, Any], rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    yield "its items", list(a.items())
    yield "its values", list(a.values())
    yield "its keys", list(a)
    if a:
        first = next(iter(a))
        yield "a key less", {key: value for key, value in a.items() if key != first}
        for label, value in (("None", None), ("text", "no"), ("object", object()), ("[]", [])):
            yield f"a value of {label}", {**a, first: value}
    yield "a key more", {**a, "no such": 1.0}
    yield "a key of None", {**a, None: 1.0}
    yield "a number as key", {**a, 10**30: 1.0}


def mutations(good: Any, rng: np.random.Generator) -> Iterator[tuple[str, Any]]:
    """Make wrong arguments of a good one, of which some may be good."""
    if isinstance(good, np.ndarray):
        yield from _of_array(good, rng) if good.ndim else ()
    elif isinstance(good, Mapping):
        yield from _of_mapping(good, rng)
    elif isinstance(good, list | tuple):
        yield from _of_sequence(good, rng)
        numbers = np.array(good) if good and isinstance(good[0], list | float | int) else None
        if numbers is not None:
            yield from ((f"array: {label}", value) for label, value in _of_array(numbers, rng))
    elif isinstance(good, float | int) and not isinstance(good, bool):
        yield "its negative", -good
        yield "as text", str(good)
        yield "in a list", [good]
        yield "in an array", np.array([good])
    elif good is not None and not isinstance(good, str):
        yield "its class", type(good)
        yield "in brackets", [good]


# ---- calls with one wrong argument ---------------------------------------------------------------

UNENDING = {
    ("Network.fit", "epochs"): {"10**30", "10**400"},
    ("fit_many", "epochs"): {"10**30", "10**400"},
    ("DenseClassifier(...).fit (max_iter)", "max_iter"): {"10**30", "10**400"},
    ("DenseRegressor(...).fit (max_iter)", "max_iter"): {"10**30", "10**400"},
    ("DenseTableClassifier(...).fit (n_members)", "n_members"): {"10**30", "10**400"},
    ("DenseTableRegressor(...).fit (n_members)", "n_members"): {"10**30", "10**400"},
    ("DenseTableClassifier(...).fit (max_iter)", "max_iter"): {"10**30", "10**400"},
    ("DenseTableRegressor(...).fit (max_iter)", "max_iter"): {"10**30", "10**400"},
    ("DenseEnsembleRegressor(...).fit (n_members)", "n_members"): {"10**30", "10**400"},
    ("DenseEnsembleClassifier(...).fit (n_members)", "n_members"): {"10**30", "10**400"},
}
"""What is accepted, and takes its time."""

BLAMED = {
    "networks": {"optimizer", "seeds", "rows", "validation_rows"},
    "param": {"grad"},
    "dy": {"x", "y", "weight"},
    "x": {"y", "dy", "weight", "y_true"},
    "weight": {"bias"},
    "outputs": {"targets", "sample_weight", "init"},
    "logits": {"targets", "sample_weight"},
    "probabilities": {"targets", "sample_weight"},
    "momentum": {"nesterov"},
    "dampening": {"nesterov"},
    "inputs": {"init"},
    "highest": {"lowest"},
    "y_true": {"y_pred", "y_score"},
    "n_classes": {"y_true"},
    "images": {"y_true"},
    "class_names": {"y_true"},
}
"""Where a good argument does not fit another one, the other one may be named."""


def wrongs(subject: Subject, parameter: str) -> dict[str, Any]:
    """Draw wrong arguments for a parameter, the same ones at each call."""
    rng = np.random.default_rng(zlib.crc32(f"{subject.name} {parameter}".encode()))
    values = {label: make() for label, make in FIXED.items()}
    values |= mutations(subject.arguments()[parameter], rng)
    never = UNENDING.get((subject.name, parameter), set())
    labels = [label for label in values if label.removeprefix("array: ") not in never]
    if len(labels) > subject.most:
        labels = rng.choice(labels, subject.most, replace=False).tolist()
    return {label: values[label] for label in labels}


def _state(value: Any) -> Any:
    """Give what a refused call must leave as it is."""
    if isinstance(value, np.ndarray):
        plain = () if value.dtype.hasobject else value.tobytes()
        return plain, value.dtype, value.shape, value.flags.writeable
    if isinstance(value, Network):
        moments = [_state(each) for each in value.optimizer_state.values()]
        return (
            _state(value.flat),
            _state(value._learner.running),
            moments,
            value._learner.rng.bit_generator.state,
        )
    if isinstance(value, Mapping):
        return {key: _state(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_state(each) for each in value]
    if hasattr(value, "network_"):
        return _state(value.network_)
    return value if isinstance(value, int | float | str) and value == value else None


def _surroundings() -> Any:
    figures = sys.modules["matplotlib.pyplot"].get_fignums() if _draws() else ()
    return sorted(os.listdir()), figures, densenet.get_num_threads()


def _draws() -> bool:
    return "matplotlib.pyplot" in sys.modules


def attempt(call: Callable[..., Any], arguments: dict[str, Any]) -> Exception | str | None:
    """Give the error of a call, None where it is accepted, and a text where it has left traces."""
    given = [getattr(call, "__self__", None), *arguments.values()]
    before = _state(given), _surroundings()
    try:
        call(**arguments)
    except Exception as error:
        return error if (_state(given), _surroundings()) == before else f"changed by {error!r}"
    if _draws():
        sys.modules["matplotlib.pyplot"].close("all")
    return None


def tried(subject: Subject) -> Iterator[tuple[str, str, Any, list[Any]]]:
    """Give each parameter, label and wrong value with what came of it on each backend."""
    for parameter in subject.arguments():
        outcomes: dict[str, list[Any]] = {}
        for backend in subject.backends:
            call = subject.call(backend)
            drawn = wrongs(subject, parameter)
            for label, value in drawn.items():
                outcome = attempt(call, subject.arguments() | {parameter: value})
                outcomes.setdefault(label, []).append(outcome)
                if outcome is None:
                    call = subject.call(backend)
        for label, value in drawn.items():
            yield parameter, label, value, outcomes[label]


# ---- promises ------------------------------------------------------------------------------------

_FOREIGN = re.compile(
    "incompatible function|Invoked with|object is not|has no attribute|unsupported operand|"
    "truth value|ufunc|could not convert|cannot be interpreted|inhomogeneous|not supported between|"
    "positional argument|keyword argument|index out of|SeedSequence|numpy.random"
)


def complaint(subject: Subject, parameter: str, value: Any, error: Exception) -> str:
    """Say what a message lacks: nothing, as a rule."""
    text = str(error)
    kind = subject.kinds.get(parameter, KIND_OF.get(parameter, ""))
    if kind in ("path", "file") and isinstance(error, OSError):
        return "" if repr(value) in text or text.startswith("path: expected") else "no path"
    if kind == "scikit-learn's" and isinstance(error, OverflowError):  # of 10**400
        return ""
    if isinstance(error, ModuleNotFoundError) and "pip install" in text:  # a good value
        return ""
    if not isinstance(error, TypeError | ValueError):
        return "neither TypeError nor ValueError"
    if kind == "scikit-learn's" or re.match(subject.also, text):
        return ""
    if _FOREIGN.search(text):
        return "a foreign message"
    plain = value is None or isinstance(value, str | bytes | Mapping | set) or callable(value)
    names = {parameter} | (set() if plain else BLAMED.get(parameter, set()))
    named = re.match(r"(\w+)(?:\[.*?\])*(?::| must )", text)
    if not (named and named.group(1) in names):
        return f"not about {' or '.join(sorted(names))}"
    if not re.search(r"expected|must", text) or not re.search(r"\bgot\b|\bGot\b", text):
        return "neither what was expected nor what came"
    return ""


def complaints(subject: Subject) -> list[str]:
    """Say what is wrong with all that came of a subject's calls."""
    found = []
    for parameter, label, value, outcomes in tried(subject):
        kind = subject.kinds.get(parameter, KIND_OF.get(parameter, ""))
        accepted = f"; {ACCEPTED.get(kind, '')};"
        where = f"{subject.name}({parameter}={label})"
        told = {f"{type(each).__name__}: {each}" for each in outcomes}
        if len(told) > 1:
            found.append(f"{where}: the backends disagree: {' | '.join(sorted(told))}")
        elif outcomes[0] is None:
            if f"; {label};" not in accepted and accepted != "; *;":
                found.append(f"{where}: accepted as {kind or 'nothing'}")
        elif kind in ("function", "optional function", "metrics") and f"; {label};" in accepted:
            pass  # a function of the user's own, which raises what it likes
        elif isinstance(outcomes[0], str):
            found.append(f"{where}: {outcomes[0]}")
        elif lacks := complaint(subject, parameter, value, outcomes[0]):
            found.append(f"{where}: {lacks}: {told.pop()}")
    return found
