"""The compiled core: importing this module gives the build that suits this processor.

The core is built once for each instruction set. The import chooses the fastest build that is
installed and that the processor runs. The environment variable ``DENSENET_ISA`` names one instead;
the import fails if that one is not installed or cannot run.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

from densenet._limits import binding_is_asked, default_num_threads, unbound, usable_cpus


def _installed() -> set[str]:
    """Give the names of the installed builds, such as v3."""
    found = importlib.util.find_spec
    return {name for name in ("v4", "v3", "v2", "generic") if found(f"densenet._core_{name}")}


def _import(level: str) -> ModuleType:
    """Import a build, by an import statement, for PyInstaller packs only what it sees in those."""
    if level == "v4":
        from densenet import _core_v4 as build
    elif level == "v3":
        from densenet import _core_v3 as build
    elif level == "v2":
        from densenet import _core_v2 as build
    else:
        from densenet import _core_generic as build
    return build


def _load() -> ModuleType:
    try:
        from densenet._cpu import levels
    except ImportError as error:
        raise ImportError(
            f"densenet: the compiled core is not installed in {Path(__file__).parent} ({error}); "
            "densenet.reference works without it"
        ) from error
    runs, installed = levels(), _installed()
    if not installed:
        raise ImportError(
            f"densenet: no build of the compiled core is in {Path(__file__).parent}; a frozen "
            "program must contain densenet._core_v2 and its like; "
            "densenet.reference works without them"
        )
    usable = [level for level in runs if level in installed]
    wanted = os.environ.get("DENSENET_ISA", "")
    if wanted and wanted not in usable:
        why = "this processor does not run it" if wanted in installed else "it is not installed"
        raise ImportError(
            f"DENSENET_ISA: expected one of {', '.join(usable)}, got {wanted!r}: {why}"
        )
    if not usable:
        raise ImportError(
            f"densenet: none of the installed builds ({', '.join(sorted(installed))}) runs on "
            f"this processor ({', '.join(runs)})"
        )
    mask = usable_cpus()  # taken now, for OpenMP may bind this thread as soon as it is loaded
    with unbound():
        module = _import(wanted or usable[0])

    def cpus() -> set[int]:
        return (set(module.bound_processors()) if binding_is_asked() else set()) or mask

    module.set_num_threads(default_num_threads(cpus))
    return module


sys.modules[__name__] = _load()
