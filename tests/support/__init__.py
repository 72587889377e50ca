"""What tests of several files need: a module for each kind of it, and no tests."""

import pkgutil

import pytest

# An assertion that fails there shows its values, as one in a file of tests does.
pytest.register_assert_rewrite(
    *(module.name for module in pkgutil.walk_packages(__path__, f"{__name__}."))
)
