"""Packages that are not always there."""

from importlib.util import find_spec


def require(who: str, *modules: str) -> None:
    """Refuse to begin where packages of the extra ``demo`` are missing."""
    missing = " and ".join(name for name in modules if find_spec(name) is None)
    if missing:
        raise ImportError(f'{who} needs {missing}: pip install "densenet[demo]"')
