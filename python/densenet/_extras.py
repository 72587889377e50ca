"""Packages that are not always there: each comes with an extra."""

_MODULES = {"scikit-learn": "sklearn"}  # where a package's module has another name


def require(who: str, extra: str, *packages: str) -> None:
    """Refuse to begin where packages of an extra are missing."""
    from importlib.util import find_spec  # `import densenet` does without it

    missing = [name for name in packages if find_spec(_MODULES.get(name, name)) is None]
    if missing:
        raise ImportError(f'{who} needs {" and ".join(missing)}: pip install "densenet[{extra}]"')
