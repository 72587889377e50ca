"""The modules of the package that have public names."""

import pkgutil
import re

from tests.support.paths import PACKAGE

FACES = (
    "datasets",
    "plotting",
    "tables",
    "training",
)  # what is public in them, their __init__ exports


def modules():
    """Names of the modules with public names; inside a face, those with an ``__all__``."""
    found = list(pkgutil.walk_packages([str(PACKAGE)], "densenet."))
    rooms = {m.name for m in found if m.ispkg and m.name.count(".") > 1}  # folders within a face
    names = [m.name for m in found if m.name not in rooms]
    hidden = re.compile(r"\._(?!_)|__main__")
    inside = re.compile(rf"densenet\.({'|'.join(FACES)})\.")
    return [
        "densenet",
        *(
            name
            for name in names
            if not hidden.search(name)
            and (
                not inside.match(name)
                or "__all__" in (PACKAGE / f"{name[9:].replace('.', '/')}.py").read_text()
            )
        ),
    ]
