"""The public names, listed: one that is lost breaks programs, and one that is new is a promise.

`public-names.txt` is written anew by ``python tests/house/test_public_names.py``.
"""

import importlib
import inspect
from pathlib import Path

import pytest

LISTED = Path(__file__).with_name("public-names.txt")
FACES = (
    "densenet",
    "densenet.chunks",
    "densenet.config",
    "densenet.datasets",
    "densenet.estimators",
    "densenet.exchange",
    "densenet.gradient_check",
    "densenet.initializers",
    "densenet.kernels",
    "densenet.layers",
    "densenet.losses",
    "densenet.lr_range",
    "densenet.many",
    "densenet.metrics",
    "densenet.network",
    "densenet.optimizers",
    "densenet.plan",
    "densenet.plotting",
    "densenet.predictor",
    "densenet.profile",
    "densenet.reference",
    "densenet.schedules",
    "densenet.serialization",
    "densenet.tables",
    "densenet.training",
    "densenet.workers",
)


def exported(module):
    """What a module shows: the names in its ``__all__`` or, without one, those it defines."""
    if hasattr(module, "__all__"):
        return list(module.__all__)
    ours = (name for name, value in vars(module).items() if _home(value) == module.__name__)
    return [name for name in ours if not name.startswith("_")]


def members(cls):
    """The public attributes of a class that it or a base of ours defines."""
    for name in dir(cls):
        owner = next((base for base in cls.__mro__ if name in vars(base)), object)
        if not name.startswith("_") and owner.__module__.startswith("densenet"):
            yield name


def public_names(faces=FACES):
    names = set()
    for face in faces:
        module = importlib.import_module(face)
        for name in exported(module):
            names.add(f"{face}.{name}")
            value = getattr(module, name)
            if inspect.isclass(value) and _home(value).startswith("densenet"):
                names |= {f"{face}.{name}.{member}" for member in members(value)}
    return sorted(names)


def _home(value):
    return getattr(value, "__module__", None) or ""


def test_the_public_names_are_those_that_are_listed():
    pytest.importorskip("sklearn")  # densenet.estimators
    assert public_names() == LISTED.read_text().splitlines()


if __name__ == "__main__":
    LISTED.write_text("\n".join(public_names()) + "\n")
