"""Say what is inside the wheels of a folder, and fail where something is missing or too much.

python .ci/inspect_wheel.py wheelhouse
"""

import re
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

LARGEST = 5_000_000  # bytes
OURS = r"densenet(_cpu[.-][\w.-]+)?/"  # the package, and what is named after the distribution
LICENCES = Path(__file__).parents[1] / "licenses"


def complaints(wheel: Path) -> Iterator[str]:
    """Yield what is wrong with a wheel that has been repaired."""
    if wheel.stat().st_size > LARGEST:
        yield f"has {wheel.stat().st_size:,} bytes, more than {LARGEST:,}"
    names = zipfile.ZipFile(wheel).namelist()
    strangers = {name for name in names if not re.match(OURS, name)}
    if strangers:
        yield f"has files that are not the package's: {', '.join(sorted(strangers))}"

    platform = wheel.stem.rpartition("-")[2]
    if not platform.startswith(("manylinux", "macosx", "win")):
        yield "has not been repaired: its name shows no platform that others run"
        return
    levels = ["v2", "v3", "v4"] if platform.endswith(("x86_64", "amd64")) else ["generic"]
    wanted = {"_cpu", *(f"_core_{level}" for level in levels)}
    modules = (re.match(r"densenet/(\w+)[^/]*\.(so|pyd)$", name) for name in names)
    found = {module[1] for module in modules if module}
    if found != wanted:
        yield f"has the modules {sorted(found)}, not {sorted(wanted)}"

    runtime = r"densenet(_cpu\.libs|/\.dylibs)/(libgomp|libomp|vcomp)[^/]*$"
    if not any(re.match(runtime, name) for name in names):
        yield "brings no OpenMP runtime"
    notices = {name.split("/licenses/")[1] for name in names if ".dist-info/licenses/" in name}
    missing = {"LICENSE", *(f"licenses/{path.name}" for path in LICENCES.iterdir())} - notices
    if missing:
        yield f"lacks the notices {', '.join(sorted(missing))}"


def main(folder: str) -> int:
    """Print a line for each wheel and for each complaint; give the exit status."""
    wheels = sorted(Path(folder).glob("*.whl"))
    found = [(wheel, list(complaints(wheel))) for wheel in wheels]
    for wheel, faults in found:
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.1f} MB", *faults, sep="\n  ")
    return int(not found or any(faults for _, faults in found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
