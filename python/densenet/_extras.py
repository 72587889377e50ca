"""Packages that are not always there: each comes with an extra."""

DISTRIBUTION = "densenet-cpu"
"""What `pip` calls the package: on its index, ``densenet`` is the name of another project."""

_MODULES = {"scikit-learn": "sklearn"}  # where a package's module has another name


def require(who: str, extra: str, *packages: str) -> None:
    """Refuse to begin where packages of an extra are missing."""
    from importlib.util import find_spec  # `import densenet` does without it

    missing = [name for name in packages if find_spec(_MODULES.get(name, name)) is None]
    if missing:
        names, what = " and ".join(missing), f'pip install "{DISTRIBUTION}[{extra}]"'
        raise ImportError(f"{who} needs {names}: {what}")
