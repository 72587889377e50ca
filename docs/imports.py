"""Draw who imports whom: the rooms of python/densenet and of src, read from the sources.

A room is a folder, or a group of files that lie side by side and do one job together. Rooms stand
on floors, and an arrow may only lead down. `python docs/imports.py` prints the drawing as text; the
pages show it as a picture, made anew each time they are built. `tests/house/test_imports.py` holds
what it shows.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple, TypeAlias

ROOT = Path(__file__).resolve().parents[1]

Arrow: TypeAlias = tuple[str, str]  # who imports, what is imported
Arrows: TypeAlias = dict[Arrow, set[str]]  # with the kinds of import: "runtime", "late", "types"
Floors: TypeAlias = Sequence[Mapping[str, Sequence[str]]]  # rooms, and the files that are named

# Rooms of Python from top to bottom; a room that is not a folder names its files.
PYTHON_FLOORS: Floors = (
    {"package": ["__init__", "__main__"]},
    {"cli": []},
    {"demo": ["demo"], "exchange": []},
    {"estimators": []},
    {
        "tables": [],
        "tools": ["lr_range", "gradient_check", "many", "chunks"],
    },
    {"network": ["network", "predictor", "serialization"]},
    {"_files": []},
    {"training": []},
    {"_network": []},
    {"reference": [], "plotting": [], "workers": []},
    {"_engine": []},
    {"kernels": ["kernels"], "plans": ["plan", "profile"]},
    {"compiled core": ["_core", "_limits", "config"]},
    {
        "specs": [
            "layers",
            "losses",
            "optimizers",
            "schedules",
            "initializers",
            "_activations",
            "_precision",
        ]
    },
    {"metrics and data": ["metrics", "datasets"]},
    {"_checks": []},
    {"small things": ["_typing", "_rounding", "_extras", "_examples", "_version"]},
)
CORE_FLOORS: Floors = (
    {"bindings": []},
    {"network": []},
    {"layers": []},
    {"products": [], "threads": [], "updates": []},
    {"memory": []},
    {"tuning": ["tuning"]},
    {"vectors": []},
)


# ---- reading the sources -----------------------------------------------------------------------


def python_imports(package: Path) -> Arrows:
    """Find the imports between the modules of a package; `training.loop` is one's name here."""
    files = {
        ".".join(path.relative_to(package).with_suffix("").parts): path
        for path in sorted(package.rglob("*.py"))
        if "_pyinstaller" not in path.parts
    }
    modules = {name.removesuffix(".__init__"): path for name, path in files.items()}
    arrows: Arrows = {}
    for name, path in modules.items():
        for target, kind in _imports(ast.parse(path.read_text(encoding="utf-8")), package.name):
            module = target if target in modules else target.rpartition(".")[0] or "__init__"
            compiled = module == "__init__" and target.startswith("_c")  # a file of no Python
            if module in modules and module != name and not compiled:
                arrows.setdefault((name, module), set()).add(kind)
    return arrows


def _imports(tree: ast.AST, package: str, kind: str = "runtime") -> Iterator[tuple[str, str]]:
    """Give everything that is imported from a package, and when."""
    for node in ast.iter_child_nodes(tree):
        inner = kind
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            inner = "types"
        elif isinstance(node, ast.FunctionDef | ast.Lambda) and kind == "runtime":
            inner = "late"  # imported when the function is called
        names = []
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            top, _, rest = name.partition(".")
            if top == package:
                yield rest or "__init__", kind
        yield from _imports(node, package, inner)


def core_includes(src: Path) -> Arrows:
    """Find the includes between the C++ files; `products/tile.hpp` is one's name here."""
    arrows: Arrows = {}
    for path in sorted(src.rglob("*.[ch]pp")):
        name = path.relative_to(src).as_posix().removeprefix("core/")
        for target in re.findall(r'^#include "(.*)"', path.read_text(encoding="utf-8"), re.M):
            arrows.setdefault((name, target.removeprefix("core/")), set()).add("runtime")
    return arrows


# ---- rooms -------------------------------------------------------------------------------------


def rooms(floors: Floors) -> dict[str, str]:
    """Tell the room of every folder, and of every file that is named."""
    return {
        file: room for floor in floors for room, files in floor.items() for file in files or [room]
    }


def between_rooms(arrows: Arrows, room_of: Mapping[str, str]) -> Arrows:
    """Join the arrows between files into arrows between their rooms."""
    joined: Arrows = {}
    for (source, target), kinds in arrows.items():
        ends = (_room(source, room_of), _room(target, room_of))
        if ends[0] != ends[1]:
            joined.setdefault(ends, set()).update(kinds)
    return joined


def _room(name: str, room_of: Mapping[str, str]) -> str:
    for known in (name, re.split(r"[./]", name)[0]):
        if known in room_of:
            return room_of[known]
    raise LookupError(f"{name}: no room is named for it in {Path(__file__).name}")


def circles(arrows: Iterable[Arrow]) -> list[list[str]]:
    """Find the groups that can reach each other along the arrows."""
    reach: dict[str, set[str]] = {}
    for source, target in arrows:
        reach.setdefault(source, set()).add(target)
        reach.setdefault(target, set())
    for middle in reach:  # Warshall 1962
        for ends in reach.values():
            if middle in ends:
                ends |= reach[middle]
    groups = {
        tuple(sorted(b for b in ends if a in reach[b])) for a, ends in reach.items() if a in ends
    }
    return sorted(map(list, groups))


def leading_up(arrows: Iterable[Arrow], floors: Floors) -> list[Arrow]:
    """Find the arrows between rooms that do not lead to a lower floor."""
    height = {room: number for number, floor in enumerate(floors) for room in floor}
    return sorted((a, b) for a, b in arrows if height[a] >= height[b])


def shortest(arrows: Iterable[Arrow]) -> list[Arrow]:
    """Leave out the arrows that a longer way replaces."""
    arrows = set(arrows)
    below: dict[str, set[str]] = {}
    for source, target in arrows:
        below.setdefault(source, set()).add(target)

    def reaches(a: str, b: str, seen: set[str]) -> bool:
        nexts = below.get(a, set()) - seen
        return b in nexts or any(reaches(c, b, seen | nexts) for c in nexts)

    return sorted(
        (a, b) for a, b in arrows if not any(reaches(c, b, {a, c}) for c in below[a] - {b})
    )


# ---- drawing -----------------------------------------------------------------------------------

GAP, SIDE = 40, 20  # between floors, between rooms
NAME, LINE = 28, 14  # heights: of a room with its name, of each line of its files
LETTER, SMALL = 8.6, 6.1  # widths of a letter: of a name, of its files
WRAP = 40  # letters of a line of files


def as_text(arrows: Arrows, floors: Floors) -> str:
    """List the rooms floor by floor, each with the rooms it imports from."""
    lines = []
    for number, floor in enumerate(floors):
        lines += [""] if number else []
        for room in floor:
            targets = [b for a, b in sorted(arrows) if a == room]
            typed = [f"{b} (types alone)" if arrows[room, b] == {"types"} else b for b in targets]
            lines.append(f"{room:18} -> {', '.join(typed)}" if targets else room)
    return "\n".join(lines)


def as_svg(arrows: Arrows, floors: Floors, files: Mapping[str, str]) -> str:
    """Draw the rooms as boxes on their floors, and the arrows that no longer way replaces.

    An arrow for types alone is dashed; any other that leads up would be red. `files` is what stands
    below each room's name. Colours follow the page's: ``currentColor``.
    """
    boxes, top = {}, 8.0
    for floor in floors:
        inside = {room: wrap(files.get(room, ""), WRAP) for room in floor}
        widths = {
            room: max(LETTER * len(room), *(SMALL * len(line) for line in lines), 0) + 20
            for room, lines in inside.items()
        }
        height = NAME + LINE * max(map(len, inside.values()))
        left = -(sum(widths.values()) + SIDE * (len(floor) - 1)) / 2
        for room in floor:
            boxes[room] = Box(left, top, widths[room], height, inside[room])
            left += widths[room] + SIDE
        top += height + GAP
    reach = max(max(-box.x, box.x + box.width) for box in boxes.values()) + 40
    up = leading_up(arrows, floors)
    drawn = {*shortest(set(arrows) - set(up)), *up}
    tip = f"tip-{next(iter(boxes))}"  # another for each drawing of a page
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{-reach:.0f} 0 {2 * reach:.0f} '
            f'{top - GAP + 8:.0f}" style="width: 100%; max-width: {2 * reach:.0f}px" '
            'font-family="sans-serif" role="img">',
            f'<defs><marker id="{tip}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="context-stroke"/>'
            "</marker></defs>",
            *(_arrow(a, b, boxes, tip, arrows[a, b], (a, b) in up) for a, b in sorted(drawn)),
            *(_box(room, box) for room, box in boxes.items()),
            "</svg>",
        ]
    )


class Box(NamedTuple):
    """Where a room is drawn, and the lines with its files."""

    x: float
    y: float
    width: float
    height: float
    lines: list[str]

    @property
    def middle(self) -> float:
        """Of its width."""
        return self.x + self.width / 2


def _box(room: str, box: Box) -> str:
    rows = [(box.y + 19, 14, 600, 1.0, room)]
    rows += [(box.y + 34 + LINE * i, 11, 400, 0.7, line) for i, line in enumerate(box.lines)]
    return (
        f'<g text-anchor="middle" fill="currentColor"><rect x="{box.x:.0f}" y="{box.y:.0f}" '
        f'width="{box.width:.0f}" height="{box.height:.0f}" rx="5" stroke="currentColor" '
        'stroke-opacity=".6" fill="var(--color-background-secondary, #f6f6f6)"/>'
        + "".join(
            f'<text x="{box.middle:.0f}" y="{y:.0f}" font-size="{size}" font-weight="{weight}" '
            f'opacity="{opacity}">{escape(text)}</text>'
            for y, size, weight, opacity, text in rows
        )
        + "</g>"
    )


def _arrow(
    source: str, target: str, boxes: Mapping[str, Box], tip: str, kinds: set[str], up: bool
) -> str:
    first, last = boxes[source], boxes[target]
    y, to_y = first.y + first.height, last.y - 2
    if up:
        y, to_y = first.y, last.y + last.height + 2
    # Straight between rooms above each other; otherwise it leaves and arrives off the middle.
    start = first.middle + _within(first, (last.middle - first.middle) / 4)
    end = last.middle + _within(last, (start - last.middle) / 4)
    bends, steep = (start, end), 0.5
    in_the_way = [
        box
        for box in boxes.values()
        if min(y, to_y) < box.y + box.height / 2 < max(y, to_y)
        and abs(start + (end - start) * (box.y - y) / (to_y - y) - box.middle) < box.width / 2 + 8
    ]
    if in_the_way:  # around them, on the side that is nearer
        left = min(box.x for box in in_the_way) - 14
        right = max(box.x + box.width for box in in_the_way) + 14
        side = left if start + end < left + right else right
        start = first.middle + _within(first, side - first.middle)
        end = last.middle + _within(last, side - last.middle)
        bends, steep = ((8 * side - start - end) / 6,) * 2, 0.25
    rise = steep * (to_y - y)
    typed = kinds == {"types"}
    style = ' stroke-dasharray="5 4"' if typed else ""
    colour = "red" if up and not typed else "currentColor"
    return (
        f'<path d="M{start:.0f} {y:.0f}C{bends[0]:.0f} {y + rise:.0f} {bends[1]:.0f} '
        f'{to_y - rise:.0f} {end:.0f} {to_y:.0f}" fill="none" stroke="{colour}" '
        f'stroke-opacity=".55" marker-end="url(#{tip})"{style}><title>{escape(source)} imports '
        f"{escape(target)}</title></path>"
    )


def _within(box: Box, offset: float) -> float:
    most = box.width / 2 - 12
    return max(-most, min(most, offset))


def python_drawing() -> tuple[Arrows, Floors, dict[str, str]]:
    """Read the rooms of python/densenet: arrows, floors, and the files in each room."""
    package = ROOT / "python" / "densenet"
    arrows = between_rooms(python_imports(package), rooms(PYTHON_FLOORS))
    return arrows, PYTHON_FLOORS, _files(PYTHON_FLOORS, package)


def core_drawing() -> tuple[Arrows, Floors, dict[str, str]]:
    """Read the rooms of src: arrows, floors, and the files in each room."""
    arrows = between_rooms(core_includes(ROOT / "src"), rooms(CORE_FLOORS))
    return arrows, CORE_FLOORS, _files(CORE_FLOORS, ROOT / "src" / "core")


def _files(floors: Floors, under: Path) -> dict[str, str]:
    listed = {}
    for floor in floors:
        for room, named in floor.items():
            folder = under / room if (under / room).is_dir() else under.parent / room
            inside = sorted({path.stem for path in folder.glob("[!_]*.*")})
            names = list(named) or inside
            listed[room] = "" if names == [room] else " ".join(names)
    return listed


if __name__ == "__main__":
    for arrows, floors, _ in (python_drawing(), core_drawing()):
        print(as_text(arrows, floors), end="\n\n\n")
