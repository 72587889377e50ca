"""The recipes in CONTRIBUTING.md name files that are there, and all that an activation touches."""

import re

from tests.support.paths import ROOT

RECIPES = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("\n## Recipes\n")[2]
PATH = re.compile(r"`((?:python|src|tests|\.ci)/[\w./]+)`")


def test_the_files_that_recipes_name_are_there():
    named = {path for path in PATH.findall(RECIPES) if "PARTNER" not in path}
    assert len(named) > 30
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_an_activation_touches_what_its_recipe_lists():
    recipe = RECIPES.partition("\n### An activation\n")[2].partition("\n### ")[0]
    steps = "".join(re.findall(r"^\d\. .*\n(?:   .*\n)*", recipe, flags=re.MULTILINE))
    written = [*(ROOT / "python").rglob("*.py"), *(ROOT / "src").rglob("*.[ch]pp")]
    naming = {
        path.relative_to(ROOT).as_posix()
        for path in written
        if re.search("mish", path.read_text(encoding="utf-8"), flags=re.IGNORECASE)
    }
    used_for_ranges = {"python/densenet/_checks/numbers.py"}  # Mish has no parameter
    assert set(PATH.findall(steps)) - used_for_ranges == naming
