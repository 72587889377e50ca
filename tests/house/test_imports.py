"""Who imports whom: the arrows of the drawing in docs/architecture.md lead down, in no circle."""

import importlib.util
import re

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def imports():
    spec = importlib.util.spec_from_file_location("drawn_imports", ROOT / "docs" / "imports.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# A callback's network is a Network, in types alone: a wider type would break the overrides that
# users have typed.
ALLOWED = ("training.callbacks", "network")


def python_arrows(imports):
    arrows = imports.python_imports(ROOT / "python" / "densenet")
    assert len(arrows) > 300
    assert arrows.pop(ALLOWED) == {"types"}
    return arrows


def core_arrows(imports):
    arrows = imports.core_includes(ROOT / "src")
    assert len(arrows) > 50
    return arrows


def test_files_import_each_other_in_no_circle(imports):
    assert imports.circles(python_arrows(imports)) == []
    assert imports.circles(core_arrows(imports)) == []


def test_rooms_of_python_import_from_lower_floors_alone(imports):
    floors = imports.PYTHON_FLOORS
    joined = imports.between_rooms(python_arrows(imports), imports.rooms(floors))
    assert len(joined) > 50
    assert imports.leading_up(joined, floors) == []


def test_rooms_of_the_core_import_from_lower_floors_alone(imports):
    floors = imports.CORE_FLOORS
    joined = imports.between_rooms(core_arrows(imports), imports.rooms(floors))
    assert len(joined) > 10
    assert imports.leading_up(joined, floors) == []


def test_an_arrow_that_is_not_drawn_has_a_longer_way(imports):
    for arrows, floors, files in (imports.python_drawing(), imports.core_drawing()):
        picture = imports.as_svg(arrows, floors, files)
        assert all(f">{room}</text>" in picture for floor in floors for room in floor)
        drawn = re.findall(r"<title>(.*?) imports (.*?)</title>", picture)
        assert set(drawn) <= set(arrows)
        for source, target in arrows:
            reached = {source}
            for _ in floors:
                reached |= {b for a, b in drawn if a in reached}
            assert target in reached, (source, target)


PACKAGE = {
    "__init__": "from densenet.top import a",
    "top": "from densenet import middle\nfrom densenet._core_v9 import b",
    "middle": "def late():\n    from densenet.low.first import c",
    "low/__init__": "",
    "low/first": "if TYPE_CHECKING:\n    from densenet.top import a\nimport os",
}


def test_imports_of_all_kinds_are_found(imports, tmp_path):
    for name, text in PACKAGE.items():
        path = tmp_path / "densenet" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    arrows = imports.python_imports(tmp_path / "densenet")
    assert arrows == {
        ("__init__", "top"): {"runtime"},
        ("top", "middle"): {"runtime"},
        ("middle", "low.first"): {"late"},
        ("low.first", "top"): {"types"},
    }
    assert imports.circles(arrows) == [["low.first", "middle", "top"]]
    floors = ({"package": ["__init__"]}, {"top": []}, {"middle": []}, {"low": []})
    joined = imports.between_rooms(arrows, imports.rooms(floors))
    assert imports.leading_up(joined, floors) == [("low", "top")]
    assert "dasharray" in imports.as_svg(joined, floors, {})
    assert "red" not in imports.as_svg(joined, floors, {})
    assert "red" in imports.as_svg({("low", "top"): {"types", "late"}}, floors, {})
    with pytest.raises(LookupError, match=r"low\.first: no room"):
        imports.between_rooms(arrows, imports.rooms(floors[:3]))
