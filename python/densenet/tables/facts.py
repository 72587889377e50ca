"""The facts about a model's training that its file stores: their names and types."""

from collections.abc import Mapping
from typing import Any

__all__ = ["check_facts"]

_FACTS = {
    "densenet": str,
    "source": str,
    "training_rows": int,
    "validation_rows": int,
    "epochs": int,
    "stopped": str,
    "settings": dict,
    "training": dict,
    "validation": dict,
}
_SCORES = ("loss", "accuracy", "precision", "recall", "f1", "baseline", "r2", "rmse", "mae")


def check_facts(facts: Any) -> None:
    """Check that facts are those that `densenet.tables.fit` writes, or that there are none.

    Parameters
    ----------
    facts : mapping
        Empty for a model that was made otherwise.

    Raises
    ------
    ValueError
        If facts are no mapping, or one is missing or of another type.

    Examples
    --------
    >>> from densenet.tables.facts import check_facts
    >>> check_facts({})
    >>> check_facts({"densenet": 1})
    Traceback (most recent call last):
    ValueError: facts: expected densenet to be of type str, got 1
    """
    if not isinstance(facts, Mapping):
        raise ValueError(f"facts: expected a dict, got {facts!r}")
    if not facts:
        return
    for name, kind in _FACTS.items():
        value = facts.get(name)
        if type(value) is not kind:
            raise ValueError(f"facts: expected {name} to be of type {kind.__name__}, got {value!r}")
    seed = facts["settings"].get("seed")
    if type(seed) is not int:
        raise ValueError(f"facts: expected seed to be of type int, got {seed!r}")
    for part in "training", "validation":
        for name, value in facts[part].items():
            if name not in _SCORES or type(value) not in (int, float):
                raise ValueError(f"facts: expected scores of {part}, got {name!r}: {value!r}")
    if facts["training_rows"] < 1:
        raise ValueError(f"facts: expected training_rows > 0, got {facts['training_rows']}")
    before = facts.get("before", [])
    if not isinstance(before, list) or not all(map(_is_earlier, before)):
        raise ValueError(f"facts: expected before to list tables and their rows, got {before!r}")
    reduced = facts.get("reduced")
    if reduced is not None and not _is_reduction(reduced):
        raise ValueError(
            f"facts: expected reduced to tell inputs, components and share, got {reduced!r}"
        )
    names = set(facts["training"])
    if facts["validation"] and set(facts["validation"]) != names:
        raise ValueError("facts: expected the same scores of training and validation")


def _is_reduction(reduced: Any) -> bool:
    """Tell whether something is what the facts say of inputs that became principal components."""
    expected = {"inputs": int, "components": int, "share": float}
    return (
        isinstance(reduced, Mapping)
        and {name: type(value) for name, value in reduced.items()} == expected
    )


def _is_earlier(table: Any) -> bool:
    """Tell whether something is what the facts say of a table that was trained on before."""
    if not isinstance(table, Mapping):
        return False
    rows = table.get("training_rows")
    return type(table.get("source")) is str and type(rows) is int and rows > 0
