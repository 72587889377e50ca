"""Nobody but a network itself uses its private names: it hands over its learner to those who do."""

import ast

import pytest

from tests.support.paths import PACKAGE

OWNERS = (PACKAGE / "network.py", *sorted((PACKAGE / "_network").glob("*.py")))
OTHERS = [path for path in sorted(PACKAGE.rglob("*.py")) if path not in OWNERS]

# What a network had before there was a learner.
FORMER = {"_engine", "_flat", "_layout", "_position", "_prepared", "_rng", "_running", "_state"}


def is_private(name):
    return name.startswith("_") and not name.startswith("__")


def private_names():
    """Names with an underscore of the attributes and methods of a network and of its learner."""
    names = set()
    for path in OWNERS:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "self":
                names.add(node.attr)
    return {name for name in names if is_private(name)}


def private_uses(text, names):
    """Find the lines that look up one of these names in any object but ``self`` and ``cls``."""
    return [
        (node.attr, node.lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Attribute)
        and node.attr in names
        and getattr(node.value, "id", "") not in ("self", "cls")
    ]


def test_there_are_private_names_to_look_for():
    assert {"_learner", "_title", "_new_engine"} <= private_names()
    assert private_uses("self._a\nother._a\nx.y._a.b\nz._b", {"_a"}) == [("_a", 2), ("_a", 3)]


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nobody_else_uses_private_names_of_a_network(path):
    assert private_uses(path.read_text(), private_names() | FORMER) == []
