"""Optional packages, which extras such as ``densenet-cpu[plot]`` install."""

DISTRIBUTION = "densenet-cpu"
"""The name for pip: on PyPI ``densenet`` is another project."""

_MODULES = {"scikit-learn": "sklearn"}  # packages whose module has another name


def require(who: str, extra: str, *packages: str) -> None:
    """Raise a ModuleNotFoundError if one of these packages, which `extra` installs, is missing."""
    from importlib.util import find_spec  # imported late: `import densenet` does not need it

    missing = [name for name in packages if find_spec(_MODULES.get(name, name)) is None]
    if missing:
        names, what = " and ".join(missing), f'pip install "{DISTRIBUTION}[{extra}]"'
        raise ModuleNotFoundError(f"{who} needs {names}: {what}")
